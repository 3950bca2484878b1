//! The tables of destinations and copies.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr};
use uuid::Uuid;

use super::error::Trouble;
use super::place::Where;
use crate::platform::db::statement;

const COLUMNS: &str = "id, name, kind, path, config, secret, is_enabled, sentinel, created_at, \
    last_checked_at, last_error_code, last_error, share_status";

/// A row of `backup_destinations`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Destination {
    pub id: i32,
    pub name: String,
    pub kind: String,
    pub path: String,
    pub config: serde_json::Value,
    pub secret: Option<serde_json::Value>,
    pub is_enabled: bool,
    pub sentinel: Uuid,
    pub created_at: DateTime<Utc>,
    pub last_checked_at: Option<DateTime<Utc>>,
    pub last_error_code: Option<String>,
    pub last_error: Option<String>,
    pub share_status: Option<String>,
}

/// How the copies at a destination stand.
#[derive(Clone, Debug, Default, FromQueryResult)]
pub struct Totals {
    pub destination_id: i32,
    pub copied: i64,
    pub queued: i64,
    pub bytes: i64,
}

/// A copy that is to be made or removed.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Copy {
    pub id: i32,
    pub backup_id: i32,
    pub destination_id: i32,
    pub status: String,
    pub attempts: i32,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub error: Option<String>,
    pub bytes: Option<i64>,
    pub copied_at: Option<DateTime<Utc>>,
}

pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Destination>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM backup_destinations ORDER BY name, id");
    Destination::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Destination>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM backup_destinations WHERE id = $1");
    Destination::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// Makes a destination. `None` when name or path is taken.
pub async fn insert(
    tx: &impl ConnectionTrait,
    name: &str,
    place: &Where,
    sentinel: Uuid,
    at: DateTime<Utc>,
) -> Result<Option<i32>, DbErr> {
    let sql = "INSERT INTO backup_destinations (name, kind, path, config, sentinel, created_at, \
               updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id";
    let values = vec![
        name.into(),
        place.kind().into(),
        place.address().into(),
        place.to_config().into(),
        sentinel.into(),
        at.into(),
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

/// Keeps how a folder stood when it was last looked at.
pub async fn set_share_status(
    tx: &impl ConnectionTrait,
    id: i32,
    status: &str,
) -> Result<(), DbErr> {
    let sql = "UPDATE backup_destinations SET share_status = $2 WHERE id = $1";
    tx.execute_raw(statement(sql, vec![id.into(), status.to_owned().into()]))
        .await
        .map(|_| ())
}

/// Keeps a destination's sealed secret.
pub async fn set_secret(
    tx: &impl ConnectionTrait,
    id: i32,
    sealed: serde_json::Value,
) -> Result<bool, DbErr> {
    let sql = "UPDATE backup_destinations SET secret = $2 WHERE id = $1";
    let updated = tx
        .execute_raw(statement(sql, vec![id.into(), sealed.into()]))
        .await?;
    Ok(updated.rows_affected() == 1)
}

/// Backups whose schedule does not send them to a destination.
pub async fn excluded(
    db: &impl ConnectionTrait,
    destination_id: i32,
) -> Result<BTreeSet<i32>, DbErr> {
    let sql = "SELECT b.id FROM backup_history b JOIN backup_schedules s ON s.id = b.schedule_id \
               WHERE b.deleted_at IS NULL AND jsonb_typeof(s.destination_ids) = 'array' \
               AND NOT s.destination_ids @> to_jsonb($1::integer)";
    let rows = db
        .query_all_raw(statement(sql, vec![destination_id.into()]))
        .await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

pub async fn set_enabled(
    tx: &impl ConnectionTrait,
    id: i32,
    is_enabled: bool,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE backup_destinations SET is_enabled = $2, updated_at = $3 WHERE id = $1";
    let values = vec![id.into(), is_enabled.into(), at.into()];
    let updated = tx.execute_raw(statement(sql, values)).await?;
    Ok(updated.rows_affected() == 1)
}

pub async fn delete(tx: &impl ConnectionTrait, id: i32) -> Result<bool, DbErr> {
    let sql = "DELETE FROM backup_destinations WHERE id = $1";
    let deleted = tx.execute_raw(statement(sql, vec![id.into()])).await?;
    Ok(deleted.rows_affected() == 1)
}

/// Notes whether a destination could be used.
pub async fn note_check(
    db: &impl ConnectionTrait,
    id: i32,
    trouble: Option<&Trouble>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE backup_destinations SET last_checked_at = $2, last_error_code = $3, \
               last_error = $4 WHERE id = $1";
    let values = vec![
        id.into(),
        at.into(),
        trouble.map(|one| one.code).into(),
        trouble.map(|one| one.message.clone()).into(),
    ];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}

pub async fn totals(db: &impl ConnectionTrait) -> Result<Vec<Totals>, DbErr> {
    let sql = "SELECT destination_id, count(*) FILTER (WHERE status = 'copied') AS copied, \
               count(*) FILTER (WHERE status = 'queued') AS queued, \
               COALESCE(sum(bytes) FILTER (WHERE status = 'copied'), 0)::bigint AS bytes \
               FROM backup_copies GROUP BY destination_id";
    Totals::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// Backups that a destination has a row for, whatever became of the copy.
pub async fn known_at(
    db: &impl ConnectionTrait,
    destination_id: i32,
) -> Result<BTreeSet<i32>, DbErr> {
    let sql = "SELECT backup_id FROM backup_copies WHERE destination_id = $1";
    let rows = db
        .query_all_raw(statement(sql, vec![destination_id.into()]))
        .await?;
    rows.iter()
        .map(|row| row.try_get("", "backup_id"))
        .collect()
}

/// Queues backups to be copied.
pub async fn enqueue(
    db: &impl ConnectionTrait,
    destination_id: i32,
    backups: &[i32],
) -> Result<(), DbErr> {
    for backup in backups {
        let sql = "INSERT INTO backup_copies (backup_id, destination_id, status) \
                   VALUES ($1, $2, 'queued') ON CONFLICT (backup_id, destination_id) DO NOTHING";
        let values = vec![(*backup).into(), destination_id.into()];
        db.execute_raw(statement(sql, values)).await?;
    }
    Ok(())
}

const COPY_COLUMNS: &str =
    "id, backup_id, destination_id, status, attempts, next_attempt_at, error, bytes, copied_at";

/// What waits or is there, of a destination.
pub async fn copies_at(db: &impl ConnectionTrait, destination_id: i32) -> Result<Vec<Copy>, DbErr> {
    let sql = format!(
        "SELECT {COPY_COLUMNS} FROM backup_copies WHERE destination_id = $1 \
         AND status IN ('queued', 'copied') ORDER BY backup_id DESC"
    );
    Copy::find_by_statement(statement(sql, vec![destination_id.into()]))
        .all(db)
        .await
}

/// The copies of a backup.
pub async fn copies_of(db: &impl ConnectionTrait, backup_id: i32) -> Result<Vec<Copy>, DbErr> {
    let sql = format!(
        "SELECT {COPY_COLUMNS} FROM backup_copies WHERE backup_id = $1 ORDER BY destination_id"
    );
    Copy::find_by_statement(statement(sql, vec![backup_id.into()]))
        .all(db)
        .await
}

pub async fn note_copied(
    db: &impl ConnectionTrait,
    id: i32,
    bytes: u64,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE backup_copies SET status = 'copied', bytes = $2, copied_at = $3, \
               attempts = attempts + 1, error = NULL, error_code = NULL, next_attempt_at = NULL \
               WHERE id = $1";
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let values = vec![id.into(), bytes.into(), at.into()];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}

pub async fn note_failed(
    db: &impl ConnectionTrait,
    id: i32,
    trouble: &Trouble,
    next_attempt_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE backup_copies SET attempts = attempts + 1, error_code = $2, error = $3, \
               next_attempt_at = $4 WHERE id = $1";
    let values = vec![
        id.into(),
        trouble.code.into(),
        trouble.message.clone().into(),
        next_attempt_at.into(),
    ];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}

pub async fn note_removed(db: &impl ConnectionTrait, id: i32) -> Result<(), DbErr> {
    let sql = "UPDATE backup_copies SET status = 'removed', next_attempt_at = NULL WHERE id = $1";
    db.execute_raw(statement(sql, vec![id.into()]))
        .await
        .map(|_| ())
}
