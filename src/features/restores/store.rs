//! The table `restore_runs`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr};
use uuid::Uuid;

use crate::platform::db::statement;

const COLUMNS: &str = "id, backup_id, status, job_id, database_name, scratch_name, previous_name, \
    is_inactive, stopped_containers, failure_code, message, remedy, tables_checked, restore_ms, \
    safety_backup_id, started_at, completed_at, swapped_at, undo_until";

/// A row of `restore_runs`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Run {
    pub id: i32,
    pub backup_id: Option<i32>,
    pub status: String,
    pub job_id: Uuid,
    pub database_name: String,
    pub scratch_name: String,
    pub previous_name: Option<String>,
    pub is_inactive: bool,
    pub stopped_containers: serde_json::Value,
    pub failure_code: Option<String>,
    pub message: Option<String>,
    pub remedy: Option<String>,
    pub tables_checked: Option<i32>,
    pub restore_ms: Option<i64>,
    pub safety_backup_id: Option<i32>,
    pub started_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    pub swapped_at: Option<DateTime<Utc>>,
    pub undo_until: Option<DateTime<Utc>>,
}

/// A restore that begins.
pub struct NewRun<'a> {
    pub backup_id: i32,
    pub job_id: Uuid,
    pub database_name: &'a str,
    pub scratch_name: &'a str,
    pub is_inactive: bool,
    pub requested_by: Option<i32>,
    pub started_at: DateTime<Utc>,
}

/// How a restore ended.
pub struct End<'a> {
    pub status: &'a str,
    pub code: Option<&'a str>,
    pub message: &'a str,
    pub remedy: Option<&'a str>,
    pub tables_checked: Option<i32>,
    pub restore_ms: Option<i64>,
}

/// Begins a restore. `None` when its database has one under way.
pub async fn insert(tx: &impl ConnectionTrait, run: &NewRun<'_>) -> Result<Option<i32>, DbErr> {
    let sql = "INSERT INTO restore_runs (backup_id, status, job_id, database_name, scratch_name, \
               is_inactive, requested_by, started_at) \
               VALUES ($1, 'running', $2, $3, $4, $5, $6, $7) RETURNING id";
    let values = vec![
        run.backup_id.into(),
        run.job_id.into(),
        run.database_name.into(),
        run.scratch_name.into(),
        run.is_inactive.into(),
        run.requested_by.into(),
        run.started_at.into(),
    ];
    match tx.query_one_raw(statement(sql, values)).await {
        Ok(Some(row)) => Ok(Some(row.try_get("", "id")?)),
        Ok(None) => Err(DbErr::RecordNotInserted),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Notes the end of a restore. False when it was noted before.
pub async fn finish(
    tx: &impl ConnectionTrait,
    id: i32,
    end: &End<'_>,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE restore_runs SET status = $2, failure_code = $3, message = $4, remedy = $5, \
               tables_checked = $6, restore_ms = $7, completed_at = $8 \
               WHERE id = $1 AND status = 'running'";
    let values = vec![
        id.into(),
        end.status.into(),
        end.code.map(str::to_owned).into(),
        end.message.replace('\0', "").into(),
        end.remedy.map(str::to_owned).into(),
        end.tables_checked.into(),
        end.restore_ms.into(),
        at.into(),
    ];
    Ok(tx
        .execute_raw(statement(sql, values))
        .await?
        .rows_affected()
        == 1)
}

/// Takes a restore from one state to another. False when it is in another.
pub async fn set_status(
    tx: &impl ConnectionTrait,
    id: i32,
    from: &str,
    to: &str,
) -> Result<bool, DbErr> {
    let sql = "UPDATE restore_runs SET status = $3 WHERE id = $1 AND status = $2";
    let values = vec![id.into(), from.into(), to.into()];
    Ok(tx
        .execute_raw(statement(sql, values))
        .await?
        .rows_affected()
        == 1)
}

/// Notes which containers are stopped for a swap, before they are; none when they run again.
pub async fn note_stopped(
    db: &impl ConnectionTrait,
    id: i32,
    containers: &[String],
) -> Result<(), DbErr> {
    let sql = "UPDATE restore_runs SET stopped_containers = $2 WHERE id = $1";
    let values = vec![id.into(), serde_json::json!(containers).into()];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Notes something to be told about a restore.
pub async fn note_message(db: &impl ConnectionTrait, id: i32, message: &str) -> Result<(), DbErr> {
    let sql = "UPDATE restore_runs SET message = $2 WHERE id = $1";
    let values = vec![id.into(), message.into()];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Notes that a restore is about to take the place of what n8n uses, which gets another name. False
/// when it is in another state.
pub async fn begin_swap(
    tx: &impl ConnectionTrait,
    id: i32,
    previous_name: &str,
) -> Result<bool, DbErr> {
    let sql = "UPDATE restore_runs SET status = 'swapping', previous_name = $2 \
               WHERE id = $1 AND status = 'restored'";
    let values = vec![id.into(), previous_name.into()];
    Ok(tx
        .execute_raw(statement(sql, values))
        .await?
        .rows_affected()
        == 1)
}

/// Notes that a restore took the place of what n8n used.
pub async fn swapped(
    tx: &impl ConnectionTrait,
    id: i32,
    safety_backup_id: Option<i32>,
    at: DateTime<Utc>,
    undo_until: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE restore_runs SET status = 'swapped', \
               safety_backup_id = $2, swapped_at = $3, undo_until = $4 \
               WHERE id = $1 AND status = 'swapping'";
    let values = vec![
        id.into(),
        safety_backup_id.into(),
        at.into(),
        undo_until.into(),
    ];
    Ok(tx
        .execute_raw(statement(sql, values))
        .await?
        .rows_affected()
        == 1)
}

pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Run>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM restore_runs WHERE id = $1");
    Run::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// Every restore, newest first.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Run>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM restore_runs ORDER BY id DESC LIMIT 100");
    Run::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// Those that are between two states.
pub async fn unsettled(db: &impl ConnectionTrait) -> Result<Vec<Run>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM restore_runs WHERE status IN ('running', 'swapping', 'undoing') ORDER BY id"
    );
    Run::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}
