//! The table `recovery_kits`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

/// A kit that was made.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Made {
    pub created_at: DateTime<Utc>,
    pub fingerprint: String,
}

/// The newest kit.
pub async fn newest(db: &impl ConnectionTrait) -> Result<Option<Made>, DbErr> {
    Made::find_by_statement(Statement::from_string(
        DbBackend::Postgres,
        "SELECT created_at, fingerprint FROM recovery_kits ORDER BY id DESC LIMIT 1",
    ))
    .one(db)
    .await
}

pub async fn insert(
    tx: &impl ConnectionTrait,
    fingerprint: &str,
    by: Option<i32>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO recovery_kits (created_at, fingerprint, requested_by) VALUES ($1, $2, $3)",
        [at.into(), fingerprint.into(), by.into()],
    ))
    .await
    .map(|_| ())
}
