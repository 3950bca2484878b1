//! The table `migration_state`: a row for each phase.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use crate::platform::db::statement;

/// The version that is left.
const VERSION: &str = "2";
const COLUMNS: &str = "id, phase, status, started_at, completed_at, pre_migration_backup_id, details, \
    error_message, rollback_available, rollback_expires";

/// A row of `migration_state`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Phase {
    pub id: i32,
    pub phase: String,
    pub status: String,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub pre_migration_backup_id: Option<i32>,
    pub details: Option<serde_json::Value>,
    pub error_message: Option<String>,
    pub rollback_available: Option<bool>,
    pub rollback_expires: Option<DateTime<Utc>>,
}

/// Every phase, in the order in which they were begun.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Phase>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM migration_state WHERE version = $1 ORDER BY id");
    Phase::find_by_statement(statement(sql, vec![VERSION.into()]))
        .all(db)
        .await
}

pub async fn begin(
    db: &impl ConnectionTrait,
    phase: &str,
    backup_id: Option<i32>,
    expires: DateTime<Utc>,
    at: DateTime<Utc>,
) -> Result<i32, DbErr> {
    let sql = "INSERT INTO migration_state (version, phase, status, started_at, pre_migration_backup_id, \
               rollback_expires) VALUES ($1, $2, 'in_progress', $3, $4, $5) RETURNING id";
    let values = vec![
        VERSION.into(),
        phase.into(),
        at.into(),
        backup_id.into(),
        expires.into(),
    ];
    let row = db.query_one_raw(statement(sql, values)).await?;
    row.ok_or(DbErr::RecordNotInserted)?.try_get("", "id")
}

/// Ends a phase. `details` says what was changed, for undoing it.
pub async fn end(
    db: &impl ConnectionTrait,
    id: i32,
    status: &str,
    details: Option<serde_json::Value>,
    error: Option<&str>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE migration_state SET status = $2, details = COALESCE($3, details), \
               error_message = $4, completed_at = $5, rollback_available = ($2 = 'completed') \
               WHERE id = $1";
    let values = vec![
        id.into(),
        status.into(),
        details.into(),
        error.map(str::to_owned).into(),
        at.into(),
    ];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}
