//! The outbox table.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};
use serde_json::Value;
use uuid::Uuid;

use super::{Event, Severity};

/// Writes an event in the caller's transaction.
pub async fn record(tx: &impl ConnectionTrait, event: &Event) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO event_outbox (event_id, event_type, severity, data, occurred_at) \
         VALUES ($1, $2, $3, $4, $5)",
        [
            event.event_id.into(),
            event.event_type.clone().into(),
            event.severity.as_str().into(),
            event.data.clone().into(),
            event.occurred_at.into(),
        ],
    ))
    .await
    .map(|_| ())
}

/// Removes events that were told before `before`. Returns how many.
pub async fn remove_told(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<u64, DbErr> {
    db.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "DELETE FROM event_outbox WHERE dispatched_at < $1",
        [before.into()],
    ))
    .await
    .map(|result| result.rows_affected())
}

#[derive(FromQueryResult)]
struct Row {
    event_id: Uuid,
    event_type: String,
    severity: String,
    data: Value,
    occurred_at: DateTime<Utc>,
}

/// Up to `limit` events that nobody was told of yet, oldest first.
pub async fn undispatched(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Event>, DbErr> {
    let rows = Row::find_by_statement(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT event_id, event_type, severity, data, occurred_at FROM event_outbox \
         WHERE dispatched_at IS NULL ORDER BY id LIMIT $1",
        [i64::try_from(limit).unwrap_or(i64::MAX).into()],
    ))
    .all(db)
    .await?;
    Ok(rows.into_iter().map(Event::from).collect())
}

/// Notes that an event was told.
pub async fn mark_dispatched(
    db: &impl ConnectionTrait,
    event_id: Uuid,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    db.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE event_outbox SET dispatched_at = $2 WHERE event_id = $1 AND dispatched_at IS NULL",
        [event_id.into(), at.into()],
    ))
    .await
    .map(|_| ())
}

impl From<Row> for Event {
    fn from(row: Row) -> Self {
        let severity = match row.severity.as_str() {
            "warning" => Severity::Warning,
            "error" => Severity::Error,
            "critical" => Severity::Critical,
            _ => Severity::Info,
        };
        Self {
            event_id: row.event_id,
            event_type: row.event_type,
            severity,
            occurred_at: row.occurred_at,
            data: row.data,
        }
    }
}
