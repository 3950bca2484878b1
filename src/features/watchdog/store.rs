//! The tables `watchdog_state`, `watchdog_trouble`, `workflow_incidents` and `workflow_mutes`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde_json::{Value, json};

use super::incident::{Closed, Incident, Kind};
use crate::platform::db::statement;

/// How far executions were read.
#[derive(Clone, Debug, FromQueryResult)]
pub struct State {
    pub source: String,
    pub cursor_id: i64,
    pub open_ids: Value,
    pub late_ids: Value,
    pub identity: Option<String>,
    pub looked_at: DateTime<Utc>,
}

/// How far executions were read by now.
pub struct NewState<'a> {
    pub source: &'a str,
    pub identity: Option<&'a str>,
    pub cursor: i64,
    pub open: &'a [i64],
    pub late: &'a [(i64, u8)],
    pub at: DateTime<Utc>,
}

/// Why executions cannot be read.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Trouble {
    pub problem: String,
    pub since: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
    pub is_told: bool,
}

/// A row of `workflow_incidents`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    pub id: i32,
    pub workflow_id: String,
    pub workflow_name: String,
    pub kind: String,
    pub status: String,
    pub first_seen_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub incident_count: i32,
    pub last_execution_id: Option<i64>,
    pub last_error: Option<String>,
    pub last_node: Option<String>,
    pub detail: Option<String>,
    pub is_told: bool,
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolution: Option<String>,
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub acknowledged_by: Option<String>,
}

/// A row of `workflow_mutes`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Mute {
    pub workflow_id: String,
    pub muted_until: Option<DateTime<Utc>>,
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl State {
    /// Those that had not ended.
    pub fn open(&self) -> Vec<i64> {
        let ids = self.open_ids.as_array().into_iter().flatten();
        ids.filter_map(Value::as_i64).collect()
    }

    /// Numbers that nobody had written, and for how many looks they are still asked for.
    pub fn late(&self) -> Vec<(i64, u8)> {
        serde_json::from_value(self.late_ids.clone()).unwrap_or_default()
    }
}

impl Row {
    /// What it says, for going on with it.
    pub fn incident(&self) -> Option<Incident> {
        Some(Incident {
            id: Some(self.id),
            workflow_id: self.workflow_id.clone(),
            kind: Kind::find(&self.kind)?,
            first_seen: self.first_seen_at,
            last_seen: self.last_seen_at,
            count: u32::try_from(self.incident_count).unwrap_or(0),
            execution_id: self.last_execution_id,
            error: self.last_error.clone(),
            node: self.last_node.clone(),
            detail: self.detail.clone(),
            is_told: self.is_told,
            is_described: self.last_error.is_some() || self.last_node.is_some(),
        })
    }
}

/// How far executions were read; `None` before the first look.
pub async fn state(db: &impl ConnectionTrait) -> Result<Option<State>, DbErr> {
    let sql =
        "SELECT source, cursor_id, open_ids, late_ids, identity, looked_at FROM watchdog_state";
    State::find_by_statement(statement(sql, Vec::new()))
        .one(db)
        .await
}

/// Keeps how far executions were read.
pub async fn save_state(tx: &impl ConnectionTrait, state: &NewState<'_>) -> Result<(), DbErr> {
    let sql = "INSERT INTO watchdog_state (is_only, source, cursor_id, open_ids, looked_at, late_ids, identity) \
               VALUES (TRUE, $1, $2, $3, $4, $5, $6) \
               ON CONFLICT (is_only) DO UPDATE SET source = $1, cursor_id = $2, open_ids = $3, looked_at = $4, \
               late_ids = $5, identity = $6";
    let values = vec![
        state.source.into(),
        state.cursor.into(),
        json!(state.open).into(),
        state.at.into(),
        json!(state.late).into(),
        state.identity.map(str::to_owned).into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Why executions cannot be read now; `None` when they can.
pub async fn trouble(db: &impl ConnectionTrait) -> Result<Option<Trouble>, DbErr> {
    let sql = "SELECT problem, since, seen_at, is_told FROM watchdog_trouble";
    Trouble::find_by_statement(statement(sql, Vec::new()))
        .one(db)
        .await
}

/// Keeps why executions cannot be read. Looks that failed before `whole_since` do not count into its time.
pub async fn save_trouble(
    tx: &impl ConnectionTrait,
    source: &str,
    problem: &str,
    at: DateTime<Utc>,
    whole_since: DateTime<Utc>,
) -> Result<Trouble, DbErr> {
    let sql = "INSERT INTO watchdog_trouble AS kept (is_only, source, problem, since, seen_at) VALUES (TRUE, $1, $2, $3, $3) \
               ON CONFLICT (is_only) DO UPDATE SET source = $1, problem = $2, seen_at = $3, since = CASE WHEN \
               kept.source = $1 AND (kept.is_told OR kept.seen_at BETWEEN $4 AND $3) THEN kept.since ELSE $3 END \
               RETURNING problem, since, seen_at, is_told";
    let values = vec![
        source.into(),
        problem.replace('\0', "").into(),
        at.into(),
        whole_since.into(),
    ];
    let row = Trouble::find_by_statement(statement(sql, values))
        .one(tx)
        .await?;
    row.ok_or(DbErr::RecordNotInserted)
}

/// Notes that somebody was told of it.
pub async fn note_trouble_told(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = "UPDATE watchdog_trouble SET is_told = TRUE";
    tx.execute_raw(statement(sql, Vec::new())).await.map(|_| ())
}

/// Notes that executions can be read again, or need not. Returns what was in the way.
pub async fn end_trouble(tx: &impl ConnectionTrait) -> Result<Option<Trouble>, DbErr> {
    let sql = "DELETE FROM watchdog_trouble RETURNING problem, since, seen_at, is_told";
    Trouble::find_by_statement(statement(sql, Vec::new()))
        .one(tx)
        .await
}

const COLUMNS: &str = "i.id, i.workflow_id, i.workflow_name, i.kind, i.status, i.first_seen_at, i.last_seen_at, \
    i.incident_count, i.last_execution_id, i.last_error, i.last_node, i.detail, i.is_told, i.resolved_at, i.resolution, \
    i.acknowledged_at, u.username AS acknowledged_by";
const FROM: &str = "FROM workflow_incidents i LEFT JOIN admin_user u ON u.id = i.acknowledged_by";

/// Incidents that are not over, the newest first.
pub async fn open(db: &impl ConnectionTrait) -> Result<Vec<Row>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} {FROM} WHERE i.status = 'open' ORDER BY i.last_seen_at DESC, i.id DESC"
    );
    Row::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// Incidents that are over, the newest first.
pub async fn resolved(
    db: &impl ConnectionTrait,
    workflow_id: Option<&str>,
    before: Option<i32>,
    limit: i64,
) -> Result<Vec<Row>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} {FROM} WHERE i.status = 'resolved' AND ($1::text IS NULL OR i.workflow_id = $1) \
         AND ($2::int IS NULL OR i.id < $2) ORDER BY i.id DESC LIMIT $3"
    );
    let values = vec![
        workflow_id.map(str::to_owned).into(),
        before.into(),
        limit.into(),
    ];
    Row::find_by_statement(statement(sql, values)).all(db).await
}

/// One incident.
pub async fn find(db: &impl ConnectionTrait, id: i32) -> Result<Option<Row>, DbErr> {
    let sql = format!("SELECT {COLUMNS} {FROM} WHERE i.id = $1");
    Row::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// Keeps an incident as it is now. A new one gets a row.
pub async fn save(tx: &impl ConnectionTrait, one: &Incident, name: &str) -> Result<i32, DbErr> {
    let sql = "INSERT INTO workflow_incidents (workflow_id, workflow_name, kind, first_seen_at, last_seen_at, \
               incident_count, last_execution_id, last_error, last_node, detail, is_told) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
               ON CONFLICT (workflow_id, kind) WHERE status = 'open' DO UPDATE SET workflow_name = $2, last_seen_at = $5, \
               incident_count = $6, last_execution_id = $7, last_error = $8, last_node = $9, detail = $10, is_told = $11 \
               RETURNING id";
    let values = vec![
        one.workflow_id.clone().into(),
        name.into(),
        one.kind.as_str().into(),
        one.first_seen.into(),
        one.last_seen.into(),
        i32::try_from(one.count).unwrap_or(i32::MAX).into(),
        one.execution_id.into(),
        one.error.clone().into(),
        one.node.clone().into(),
        one.detail.clone().into(),
        one.is_told.into(),
    ];
    let row = tx.query_one_raw(statement(sql, values)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("incident".to_owned()))?
        .try_get("", "id")
}

/// Ends an incident that has a row, with what it came to by then.
pub async fn resolve(tx: &impl ConnectionTrait, id: i32, closed: &Closed) -> Result<(), DbErr> {
    let sql = "UPDATE workflow_incidents SET status = 'resolved', resolved_at = $2, resolution = $3, last_seen_at = $4, \
               incident_count = $5, last_execution_id = $6, last_error = $7, last_node = $8, detail = $9, is_told = $10 \
               WHERE id = $1";
    let one = &closed.incident;
    let values = vec![
        id.into(),
        closed.at.into(),
        closed.resolution.as_str().into(),
        one.last_seen.into(),
        i32::try_from(one.count).unwrap_or(i32::MAX).into(),
        one.execution_id.into(),
        one.error.clone().into(),
        one.node.clone().into(),
        one.detail.clone().into(),
        one.is_told.into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Forgets incidents that ended before a moment.
pub async fn forget_old(tx: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<(), DbErr> {
    let sql = "DELETE FROM workflow_incidents WHERE status = 'resolved' AND resolved_at < $1";
    tx.execute_raw(statement(sql, vec![before.into()]))
        .await
        .map(|_| ())
}

/// Notes that somebody has seen it. Returns whether there is such an incident.
pub async fn acknowledge(
    tx: &impl ConnectionTrait,
    id: i32,
    user_id: i32,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE workflow_incidents SET acknowledged_at = COALESCE(acknowledged_at, $2), \
               acknowledged_by = COALESCE(acknowledged_by, $3) WHERE id = $1";
    let done = tx
        .execute_raw(statement(sql, vec![id.into(), at.into(), user_id.into()]))
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Workflows of which nobody is told now.
pub async fn mutes(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<Vec<Mute>, DbErr> {
    let sql = "SELECT workflow_id, muted_until, reason, created_at FROM workflow_mutes \
               WHERE muted_until IS NULL OR muted_until > $1 ORDER BY created_at";
    Mute::find_by_statement(statement(sql, vec![now.into()]))
        .all(db)
        .await
}

/// Tells nobody of a workflow.
pub async fn mute(
    tx: &impl ConnectionTrait,
    one: &Mute,
    user_id: Option<i32>,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO workflow_mutes (workflow_id, muted_until, reason, muted_by, created_at) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workflow_id) DO UPDATE SET muted_until = $2, reason = $3, \
               muted_by = $4, created_at = $5";
    let values = vec![
        one.workflow_id.clone().into(),
        one.muted_until.into(),
        one.reason.clone().into(),
        user_id.into(),
        one.created_at.into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Tells of a workflow again. Returns whether it was muted.
pub async fn unmute(tx: &impl ConnectionTrait, workflow_id: &str) -> Result<bool, DbErr> {
    let sql = "DELETE FROM workflow_mutes WHERE workflow_id = $1";
    let done = tx
        .execute_raw(statement(sql, vec![workflow_id.into()]))
        .await?;
    Ok(done.rows_affected() > 0)
}
