//! The outbox table.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Event;

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
