//! The outbox, as far as it is told from here.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use crate::features::notifications::decide::LastTold;
use crate::platform::db::statement;
use crate::platform::events::{Event, Severity};

/// A row of the outbox.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    pub id: i64,
    pub event_id: Uuid,
    pub event_type: String,
    pub severity: String,
    pub data: Value,
    pub occurred_at: DateTime<Utc>,
}

impl Row {
    /// The event in it.
    pub fn event(self) -> Event {
        Event {
            event_id: self.event_id,
            severity: Severity::from_name(&self.severity),
            event_type: self.event_type,
            occurred_at: self.occurred_at,
            data: self.data,
        }
    }
}

const COLUMNS: &str = "id, event_id, event_type, severity, data, occurred_at";

/// Takes up to `limit` events that nothing was decided about, oldest first; nobody else gets them until the
/// transaction ends.
pub async fn claim(tx: &impl ConnectionTrait, limit: i64) -> Result<Vec<Row>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM event_outbox WHERE dispatched_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED"
    );
    Row::find_by_statement(statement(sql, vec![limit.into()]))
        .all(tx)
        .await
}

/// Notes that it was decided about them.
pub async fn mark(
    tx: &impl ConnectionTrait,
    ids: Vec<i64>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE event_outbox SET dispatched_at = $2 WHERE id = ANY($1)";
    tx.execute_raw(statement(sql, vec![ids.into(), at.into()]))
        .await
        .map(|_| ())
}

/// The newest events, of some types if any are given, before an id if one is given.
pub async fn newest(
    db: &impl ConnectionTrait,
    limit: i64,
    before: Option<i64>,
    least: &[&str],
) -> Result<Vec<Row>, DbErr> {
    let least: Vec<String> = least.iter().map(|one| (*one).to_owned()).collect();
    let sql = format!(
        "SELECT {COLUMNS} FROM event_outbox WHERE ($2::bigint IS NULL OR id < $2) AND severity = ANY($3) \
         ORDER BY id DESC LIMIT $1"
    );
    Row::find_by_statement(statement(
        sql,
        vec![limit.into(), before.into(), least.into()],
    ))
    .all(db)
    .await
}

/// Events since a moment, oldest first.
pub async fn since(
    db: &impl ConnectionTrait,
    at: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Row>, DbErr> {
    let sql = format!(
        "SELECT * FROM (SELECT {COLUMNS} FROM event_outbox WHERE occurred_at >= $1 ORDER BY id DESC LIMIT $2) AS e \
         ORDER BY id"
    );
    Row::find_by_statement(statement(sql, vec![at.into(), limit.into()]))
        .all(db)
        .await
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

/// How many events somebody has not seen, of some severities.
pub async fn unseen(db: &impl ConnectionTrait, user_id: i32, least: &[&str]) -> Result<i64, DbErr> {
    let least: Vec<String> = least.iter().map(|one| (*one).to_owned()).collect();
    let sql = "SELECT COUNT(*) AS n FROM (SELECT 1 FROM event_outbox WHERE severity = ANY($2) AND id > \
               (SELECT events_seen_id FROM admin_user WHERE id = $1) LIMIT 1000) AS recent";
    let row = Count::find_by_statement(statement(sql, vec![user_id.into(), least.into()]))
        .one(db)
        .await?;
    Ok(row.map_or(0, |row| row.n))
}

/// Up to which event somebody has seen them.
pub async fn seen_id(db: &impl ConnectionTrait, user_id: i32) -> Result<i64, DbErr> {
    let sql = "SELECT events_seen_id AS n FROM admin_user WHERE id = $1";
    let row = Count::find_by_statement(statement(sql, vec![user_id.into()]))
        .one(db)
        .await?;
    Ok(row.map_or(0, |row| row.n))
}

/// Notes that somebody saw them all up to this one.
pub async fn note_seen(db: &impl ConnectionTrait, user_id: i32, id: i64) -> Result<(), DbErr> {
    let sql = "UPDATE admin_user SET events_seen_id = GREATEST(events_seen_id, LEAST($2, \
               (SELECT COALESCE(MAX(id), 0) FROM event_outbox))) WHERE id = $1";
    db.execute_raw(statement(sql, vec![user_id.into(), id.into()]))
        .await
        .map(|_| ())
}

#[derive(FromQueryResult)]
struct Told {
    rule_id: i32,
    subject: String,
    told_at: DateTime<Utc>,
    severity: String,
}

/// When rules last told of subjects.
pub async fn told(
    db: &impl ConnectionTrait,
    keys: &BTreeSet<(i32, String)>,
) -> Result<HashMap<(i32, String), LastTold>, DbErr> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let (rules, subjects): (Vec<i32>, Vec<String>) = keys.iter().cloned().unzip();
    let sql = "SELECT c.rule_id, c.subject, c.told_at, c.severity FROM notification_cooldowns c \
               JOIN UNNEST($1::integer[], $2::text[]) AS k(rule_id, subject) USING (rule_id, subject)";
    let rows = Told::find_by_statement(statement(sql, vec![rules.into(), subjects.into()]))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let last = LastTold {
                at: row.told_at,
                severity: Severity::from_name(&row.severity),
            };
            ((row.rule_id, row.subject), last)
        })
        .collect())
}

/// Notes when rules last told of subjects.
pub async fn note_told(
    tx: &impl ConnectionTrait,
    told: impl Iterator<Item = (i32, String, LastTold)>,
) -> Result<(), DbErr> {
    let (mut rules, mut subjects) = (Vec::new(), Vec::new());
    let (mut times, mut severities) = (Vec::new(), Vec::new());
    for (rule, subject, last) in told {
        rules.push(rule);
        subjects.push(subject);
        times.push(last.at);
        severities.push(last.severity.as_str().to_owned());
    }
    if rules.is_empty() {
        return Ok(());
    }
    // A rule may have been deleted meanwhile; then nothing is to be noted.
    let sql = "INSERT INTO notification_cooldowns (rule_id, subject, told_at, severity) \
               SELECT k.rule_id, k.subject, k.told_at, k.severity \
               FROM UNNEST($1::integer[], $2::text[], $3::timestamptz[], $4::text[]) \
               AS k(rule_id, subject, told_at, severity) JOIN notification_rules r ON r.id = k.rule_id \
               ON CONFLICT (rule_id, subject) DO UPDATE SET told_at = EXCLUDED.told_at, severity = EXCLUDED.severity";
    tx.execute_raw(statement(
        sql,
        vec![
            rules.into(),
            subjects.into(),
            times.into(),
            severities.into(),
        ],
    ))
    .await
    .map(|_| ())
}

/// Forgets cooldowns that are long over.
pub async fn forget_told(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<(), DbErr> {
    let sql = "DELETE FROM notification_cooldowns WHERE told_at < $1";
    db.execute_raw(statement(sql, vec![before.into()]))
        .await
        .map(|_| ())
}
