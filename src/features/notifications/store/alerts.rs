//! Troubles that somebody must acknowledge.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use crate::platform::db::statement;
use crate::platform::events::Event;

const COLUMNS: &str = "id, rule_id, event_type, event_id, event_data, severity, title, status, opened_at, \
    event_count, last_event_at, next_step, next_at, closed_at, closed_by";

/// A row of `notification_alerts`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Alert {
    pub id: i32,
    pub rule_id: i32,
    pub event_type: String,
    pub event_id: Uuid,
    pub event_data: Value,
    pub severity: String,
    pub title: String,
    pub status: String,
    pub opened_at: DateTime<Utc>,
    pub event_count: i32,
    pub last_event_at: DateTime<Utc>,
    pub next_step: i32,
    pub next_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub closed_by: Option<String>,
}

/// Opens an alert, or adds to the one that is open for the same rule and subject; one that was told to everybody
/// begins anew with that. Returns its id.
pub async fn open(
    tx: &impl ConnectionTrait,
    rule_id: i32,
    subject: &str,
    event: &Event,
    title: &str,
    next_at: DateTime<Utc>,
) -> Result<i32, DbErr> {
    let sql = "INSERT INTO notification_alerts (rule_id, subject, event_type, event_id, event_data, severity, title, \
               opened_at, last_event_at, next_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9) \
               ON CONFLICT (rule_id, subject) WHERE status = 'open' DO UPDATE SET \
               event_count = notification_alerts.event_count + 1, \
               last_event_at = GREATEST(notification_alerts.last_event_at, EXCLUDED.last_event_at), \
               event_type = EXCLUDED.event_type, event_id = EXCLUDED.event_id, event_data = EXCLUDED.event_data, \
               severity = EXCLUDED.severity, title = EXCLUDED.title, \
               next_step = CASE WHEN notification_alerts.next_at IS NULL THEN 0 ELSE notification_alerts.next_step END, \
               next_at = COALESCE(notification_alerts.next_at, EXCLUDED.next_at) RETURNING id";
    let values = vec![
        rule_id.into(),
        subject.to_owned().into(),
        event.event_type.clone().into(),
        event.event_id.into(),
        event.data.clone().into(),
        event.severity.as_str().into(),
        title.to_owned().into(),
        event.occurred_at.into(),
        next_at.into(),
    ];
    let row = tx.query_one_raw(statement(sql, values)).await?;
    row.ok_or(DbErr::RecordNotInserted)?.try_get("", "id")
}

/// Takes those whose next step is due; nobody else gets them.
pub async fn claim_due(tx: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<Vec<Alert>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notification_alerts WHERE status = 'open' AND next_at <= $1 ORDER BY next_at LIMIT 100 \
         FOR UPDATE SKIP LOCKED"
    );
    Alert::find_by_statement(statement(sql, vec![now.into()]))
        .all(tx)
        .await
}

/// Notes which step comes next, and when; none when all were taken.
pub async fn step(
    tx: &impl ConnectionTrait,
    id: i32,
    next: i32,
    at: Option<DateTime<Utc>>,
) -> Result<(), DbErr> {
    let sql = "UPDATE notification_alerts SET next_step = $2, next_at = $3 WHERE id = $1";
    tx.execute_raw(statement(sql, vec![id.into(), next.into(), at.into()]))
        .await
        .map(|_| ())
}

/// Steps of a rule went: those that follow are counted anew.
pub async fn steps_gone(
    tx: &impl ConnectionTrait,
    rule_id: i32,
    gone: Vec<i32>,
) -> Result<(), DbErr> {
    let sql = "UPDATE notification_alerts SET next_step = next_step - \
               (SELECT COUNT(*) FROM UNNEST($2::integer[]) AS g(at) WHERE g.at < next_step)::integer \
               WHERE rule_id = $1 AND status = 'open'";
    tx.execute_raw(statement(sql, vec![rule_id.into(), gone.into()]))
        .await
        .map(|_| ())
}

/// Closes one. `false` when it was closed before.
pub async fn acknowledge(
    tx: &impl ConnectionTrait,
    id: i32,
    by: &str,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE notification_alerts SET status = 'acknowledged', closed_at = $3, closed_by = $2, next_at = NULL \
               WHERE id = $1 AND status = 'open'";
    let done = tx
        .execute_raw(statement(
            sql,
            vec![id.into(), by.to_owned().into(), at.into()],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Closes those of a subject whose trouble is over.
pub async fn resolve(
    tx: &impl ConnectionTrait,
    subject: &str,
    event_types: &[&str],
    by: &str,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let types: Vec<String> = event_types.iter().map(|one| (*one).to_owned()).collect();
    let sql = "UPDATE notification_alerts SET status = 'resolved', closed_at = $4, closed_by = $3, next_at = NULL \
               WHERE status = 'open' AND subject = $1 AND event_type = ANY($2)";
    let values = vec![
        subject.to_owned().into(),
        types.into(),
        by.to_owned().into(),
        at.into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// One of them.
pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Alert>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM notification_alerts WHERE id = $1");
    Alert::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// The newest, those that are open first.
pub async fn list(db: &impl ConnectionTrait, limit: i64) -> Result<Vec<Alert>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notification_alerts ORDER BY (status = 'open') DESC, id DESC LIMIT $1"
    );
    Alert::find_by_statement(statement(sql, vec![limit.into()]))
        .all(db)
        .await
}

/// Forgets those that were closed before a moment.
pub async fn forget(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<(), DbErr> {
    let sql = "DELETE FROM notification_alerts WHERE status <> 'open' AND closed_at < $1";
    db.execute_raw(statement(sql, vec![before.into()]))
        .await
        .map(|_| ())
}
