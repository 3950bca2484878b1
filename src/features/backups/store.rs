//! The table `backup_history`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr};
use uuid::Uuid;

use super::Manifest;
use super::error::Failure;
use super::growth::Kept;
use super::model::{Backup, TableCount};
use super::run::ScheduledAttempt;
use crate::platform::db::statement;

const COLUMNS: &str = "id, backup_type, filename, filepath, storage_location, file_size, \
    compressed_size, compression, checksum, started_at, completed_at, duration_ms, status, \
    failure_code, error_message, verification_status, verification_date, deleted_at, deleted_by, \
    postgres_version, n8n_version, database_name, table_count, total_rows, trigger, is_sample, \
    job_id, epoch, is_pinned, source_identity, encryption";

/// A run that begins.
pub struct NewRun<'a> {
    pub backup_type: &'a str,
    pub filename: &'a str,
    pub filepath: &'a str,
    pub compression: &'a str,
    pub started_at: DateTime<Utc>,
    pub job_id: Uuid,
    pub source_identity: &'a str,
    pub database: &'a str,
    pub trigger: &'a str,
    pub requested_by: Option<i32>,
    pub is_sample: bool,
    pub scheduled: Option<ScheduledAttempt>,
}

/// Begins a run. `None` when its database has one already.
pub async fn insert_run(tx: &impl ConnectionTrait, run: &NewRun<'_>) -> Result<Option<i32>, DbErr> {
    let sql = "INSERT INTO backup_history (backup_type, filename, filepath, compression, \
               started_at, status, job_id, source_identity, database_name, trigger, requested_by, \
               is_sample, schedule_id, schedule_run_id, schedule_attempt, created_at) \
               VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, $10, $11, $12, $13, $14, $5) \
               RETURNING id";
    let values = vec![
        run.backup_type.into(),
        run.filename.into(),
        run.filepath.into(),
        run.compression.into(),
        run.started_at.into(),
        run.job_id.into(),
        run.source_identity.into(),
        run.database.into(),
        run.trigger.into(),
        run.requested_by.into(),
        run.is_sample.into(),
        run.scheduled.map(|one| one.schedule_id).into(),
        run.scheduled.map(|one| one.run_id).into(),
        run.scheduled.map(|one| one.attempt).into(),
    ];
    match tx.query_one_raw(statement(sql.to_owned(), values)).await {
        Ok(Some(row)) => Ok(Some(row.try_get("", "id")?)),
        Ok(None) => Err(DbErr::RecordNotInserted),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The run of one attempt at a due time.
pub async fn of_attempt(
    db: &impl ConnectionTrait,
    schedule_run_id: i32,
    attempt: i32,
) -> Result<Option<i32>, DbErr> {
    let sql = "SELECT id FROM backup_history WHERE schedule_run_id = $1 AND schedule_attempt = $2";
    let values = vec![schedule_run_id.into(), attempt.into()];
    let row = db.query_one_raw(statement(sql.to_owned(), values)).await?;
    row.map(|row| row.try_get("", "id")).transpose()
}

/// The run that is under way for a database.
pub async fn running_for(
    db: &impl ConnectionTrait,
    source_identity: &str,
) -> Result<Option<i32>, DbErr> {
    let sql = "SELECT id FROM backup_history WHERE status = 'running' AND source_identity = $1";
    let row = db
        .query_one_raw(statement(sql.to_owned(), vec![source_identity.into()]))
        .await?;
    row.map(|row| row.try_get("", "id")).transpose()
}

/// Marks a run done. False when somebody else settled it meanwhile.
pub async fn succeed(
    tx: &impl ConnectionTrait,
    id: i32,
    epoch: i32,
    manifest: &Manifest,
) -> Result<bool, DbErr> {
    let duration_ms = (manifest.completed_at - manifest.started_at).num_milliseconds();
    let counts: serde_json::Map<String, serde_json::Value> = manifest
        .tables
        .iter()
        .map(|table| {
            let name = if table.schema == "public" {
                table.name.clone()
            } else {
                format!("{}.{}", table.schema, table.name)
            };
            (name, table.row_count.into())
        })
        .collect();
    let tables = serde_json::to_value(&manifest.tables).map_err(|e| DbErr::Json(e.to_string()))?;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let sql = "UPDATE backup_history SET status = 'success', file_size = $3, compressed_size = $4, \
               checksum = $5, completed_at = $6, duration_ms = $7, duration_seconds = $8, \
               postgres_version = $9, n8n_version = $10, table_count = $11, total_rows = $12, \
               row_counts = $13, tables = $14, encryption = $15, failure_code = NULL, \
               error_message = NULL \
               WHERE id = $1 AND epoch = $2 AND status = 'running'";
    let values = vec![
        id.into(),
        epoch.into(),
        signed(manifest.archive_bytes).into(),
        signed(manifest.stored_bytes).into(),
        manifest.sha256.clone().into(),
        manifest.completed_at.into(),
        duration_ms.into(),
        i32::try_from(duration_ms / 1000).unwrap_or(i32::MAX).into(),
        manifest
            .server_version
            .chars()
            .take(20)
            .collect::<String>()
            .into(),
        manifest.n8n_version.clone().into(),
        i32::try_from(manifest.tables.len())
            .unwrap_or(i32::MAX)
            .into(),
        signed(manifest.total_rows()).into(),
        serde_json::Value::Object(counts).into(),
        tables.into(),
        manifest.encryption.clone().into(),
    ];
    Ok(tx
        .execute_raw(statement(sql.to_owned(), values))
        .await?
        .rows_affected()
        == 1)
}

/// Marks a run failed. False when it was settled already.
pub async fn fail(
    tx: &impl ConnectionTrait,
    id: i32,
    epoch: i32,
    failure: &Failure,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE backup_history SET status = 'failed', failure_code = $3, error_message = $4, \
               completed_at = $5, verification_status = 'skipped', epoch = epoch + 1, \
               duration_ms = GREATEST(0, (EXTRACT(EPOCH FROM ($5 - started_at)) * 1000)::bigint) \
               WHERE id = $1 AND epoch = $2 AND status = 'running'";
    let message = failure
        .message
        .chars()
        .filter(|c| *c != '\0')
        .take(4_000)
        .collect::<String>();
    let values = vec![
        id.into(),
        epoch.into(),
        failure.code.into(),
        message.into(),
        at.into(),
    ];
    Ok(tx
        .execute_raw(statement(sql.to_owned(), values))
        .await?
        .rows_affected()
        == 1)
}

pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Backup>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM backup_history WHERE id = $1");
    Backup::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// The tables of a backup.
pub async fn tables(db: &impl ConnectionTrait, id: i32) -> Result<Vec<TableCount>, DbErr> {
    let sql = "SELECT COALESCE(tables, '[]') AS tables FROM backup_history WHERE id = $1";
    let row = db
        .query_one_raw(statement(sql.to_owned(), vec![id.into()]))
        .await?;
    let Some(row) = row else {
        return Ok(Vec::new());
    };
    let value: serde_json::Value = row.try_get("", "tables")?;
    serde_json::from_value(value).map_err(|error| DbErr::Json(error.to_string()))
}

/// Whether a run has a row.
pub async fn is_known(db: &impl ConnectionTrait, job_id: Uuid) -> Result<bool, DbErr> {
    let sql = "SELECT 1 AS known FROM backup_history WHERE job_id = $1";
    let row = db
        .query_one_raw(statement(sql.to_owned(), vec![job_id.into()]))
        .await?;
    Ok(row.is_some())
}

/// Makes a row for a file that has none. `None` when somebody else did meanwhile.
pub async fn adopt(
    tx: &impl ConnectionTrait,
    manifest: &Manifest,
    path: &str,
) -> Result<Option<i32>, DbErr> {
    let sql = "INSERT INTO backup_history (backup_type, filename, filepath, compression, \
               started_at, status, job_id, source_identity, database_name, trigger, is_sample, \
               created_at) VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8, 'adopted', $9, $5) \
               ON CONFLICT DO NOTHING RETURNING id, epoch";
    let values = vec![
        manifest.backup_type.clone().into(),
        manifest.filename.clone().into(),
        path.into(),
        manifest.compression.clone().into(),
        manifest.started_at.into(),
        manifest.job_id.into(),
        manifest.source_identity.clone().into(),
        manifest.database.clone().into(),
        manifest.is_sample.into(),
    ];
    let row = tx.query_one_raw(statement(sql.to_owned(), values)).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let id = row.try_get("", "id")?;
    succeed(tx, id, row.try_get("", "epoch")?, manifest).await?;
    Ok(Some(id))
}

/// Good backups whose file nobody has hashed since, oldest hash first.
pub async fn unscrubbed(
    db: &impl ConnectionTrait,
    since: DateTime<Utc>,
) -> Result<Vec<i32>, DbErr> {
    let sql = "SELECT id FROM backup_history WHERE status = 'success' AND deleted_at IS NULL \
               AND verification_status IS DISTINCT FROM 'failed' \
               AND COALESCE(scrubbed_at, verification_date, completed_at, started_at) < $1 \
               ORDER BY COALESCE(scrubbed_at, verification_date, completed_at, started_at) LIMIT 1000";
    let rows = db
        .query_all_raw(statement(sql.to_owned(), vec![since.into()]))
        .await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

/// Notes that a file was hashed.
pub async fn mark_scrubbed(
    db: &impl ConnectionTrait,
    id: i32,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE backup_history SET scrubbed_at = $2 WHERE id = $1";
    db.execute_raw(statement(sql.to_owned(), vec![id.into(), at.into()]))
        .await
        .map(|_| ())
}

/// Every run that no end was noted for.
pub async fn running(db: &impl ConnectionTrait) -> Result<Vec<Backup>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM backup_history WHERE status = 'running' ORDER BY id");
    Backup::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// Deleted backups whose files are still to go: their numbers and paths.
pub async fn to_remove(db: &impl ConnectionTrait) -> Result<Vec<(i32, String)>, DbErr> {
    let sql = "SELECT id, filepath FROM backup_history WHERE deleted_at IS NOT NULL \
               AND file_removed_at IS NULL AND status = 'success' ORDER BY id";
    let rows = db
        .query_all_raw(statement(sql.to_owned(), Vec::new()))
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "filepath")?)))
        .collect()
}

/// Notes that a deleted backup's file is gone.
pub async fn mark_removed(
    db: &impl ConnectionTrait,
    id: i32,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE backup_history SET file_removed_at = $2 WHERE id = $1";
    db.execute_raw(statement(sql.to_owned(), vec![id.into(), at.into()]))
        .await
        .map(|_| ())
}

/// Backups of a type that have a file or are getting one, newest first.
pub async fn kept(db: &impl ConnectionTrait, backup_type: &str) -> Result<Vec<Backup>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM backup_history WHERE backup_type = $1 AND deleted_at IS NULL \
         AND status IN ('running', 'success') ORDER BY started_at DESC, id DESC"
    );
    Backup::find_by_statement(statement(sql, vec![backup_type.into()]))
        .all(db)
        .await
}

/// Pins a backup or lets it go. False when it has no file.
pub async fn set_pinned(
    tx: &impl ConnectionTrait,
    id: i32,
    is_pinned: bool,
) -> Result<bool, DbErr> {
    let sql = "UPDATE backup_history SET is_pinned = $2 WHERE id = $1 AND deleted_at IS NULL \
               AND status IN ('running', 'success')";
    let values = vec![id.into(), is_pinned.into()];
    let done = tx.execute_raw(statement(sql.to_owned(), values)).await?;
    Ok(done.rows_affected() == 1)
}

/// Every run that ended, as far as it takes or took room.
pub async fn taking_room(db: &impl ConnectionTrait) -> Result<Vec<Kept>, DbErr> {
    let sql = "SELECT started_at, COALESCE(file_removed_at, deleted_at) AS removed_at, \
               COALESCE(compressed_size, 0) AS bytes, status = 'success' AS is_good, \
               COALESCE(verification_status = 'passed', FALSE) AS is_proven \
               FROM backup_history WHERE status IN ('success', 'failed') ORDER BY started_at";
    let rows = db
        .query_all_raw(statement(sql.to_owned(), Vec::new()))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Kept {
                started_at: row.try_get("", "started_at")?,
                removed_at: row.try_get("", "removed_at")?,
                bytes: u64::try_from(row.try_get::<i64>("", "bytes")?).unwrap_or(0),
                is_good: row.try_get("", "is_good")?,
                is_proven: row.try_get("", "is_proven")?,
            })
        })
        .collect()
}

/// Which backups are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub backup_type: Option<String>,
    pub status: Option<String>,
    pub verification_status: Option<String>,
    pub include_deleted: bool,
}

/// Up to `limit` backups before `before_id`, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &Filter,
    before_id: Option<i64>,
    limit: u64,
) -> Result<Vec<Backup>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM backup_history WHERE ($1::text IS NULL OR backup_type = $1) \
         AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR verification_status = $3) \
         AND ($4 OR deleted_at IS NULL) AND ($5::bigint IS NULL OR id < $5) \
         ORDER BY id DESC LIMIT $6"
    );
    let values = vec![
        filter.backup_type.clone().into(),
        filter.status.clone().into(),
        filter.verification_status.clone().into(),
        filter.include_deleted.into(),
        before_id.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    Backup::find_by_statement(statement(sql, values))
        .all(db)
        .await
}

/// The newest good backup of a kind, or the newest proven one.
pub async fn newest_good(
    db: &impl ConnectionTrait,
    backup_type: Option<&str>,
    is_proven: bool,
) -> Result<Option<Backup>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM backup_history WHERE status = 'success' AND deleted_at IS NULL \
         AND ($1::text IS NULL OR backup_type = $1) \
         AND (NOT $2 OR verification_status = 'passed') \
         AND verification_status IS DISTINCT FROM 'failed' ORDER BY started_at DESC LIMIT 1"
    );
    let values = vec![backup_type.map(str::to_owned).into(), is_proven.into()];
    Backup::find_by_statement(statement(sql, values))
        .one(db)
        .await
}

/// The newest good backups of any kind, newest first.
pub async fn newest(db: &impl ConnectionTrait, count: u64) -> Result<Vec<i32>, DbErr> {
    let sql = "SELECT id FROM backup_history WHERE status = 'success' AND deleted_at IS NULL \
               ORDER BY started_at DESC LIMIT $1";
    let values = vec![i64::try_from(count).unwrap_or(i64::MAX).into()];
    let rows = db.query_all_raw(statement(sql.to_owned(), values)).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

/// How many good backups there are and what they take on disk, in bytes.
pub async fn totals(db: &impl ConnectionTrait) -> Result<(i64, i64), DbErr> {
    let sql = "SELECT count(*) AS backups, COALESCE(sum(compressed_size), 0)::bigint AS bytes \
               FROM backup_history WHERE status = 'success' AND deleted_at IS NULL";
    let row = db
        .query_one_raw(statement(sql.to_owned(), Vec::new()))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("totals".to_owned()))?;
    Ok((row.try_get("", "backups")?, row.try_get("", "bytes")?))
}

/// How the backups of one type stand.
#[derive(Clone, Debug, FromQueryResult)]
pub struct TypeSummary {
    pub backup_type: String,
    /// Seconds since 1970.
    pub last_success: Option<i64>,
    /// Seconds since 1970.
    pub last_proven: Option<i64>,
    pub last_duration_ms: Option<i64>,
    pub last_stored_bytes: Option<i64>,
    pub backups: Option<i64>,
    pub stored_bytes: Option<i64>,
}

/// How the backups of every type that has any stand. Those that were found bad do not count.
pub async fn summary(db: &impl ConnectionTrait) -> Result<Vec<TypeSummary>, DbErr> {
    let sql = "WITH good AS (SELECT * FROM backup_history WHERE status = 'success' \
               AND verification_status IS DISTINCT FROM 'failed'), \
               newest AS (SELECT DISTINCT ON (backup_type) backup_type, duration_ms, compressed_size \
               FROM good WHERE deleted_at IS NULL ORDER BY backup_type, started_at DESC) \
               SELECT g.backup_type, \
               extract(epoch FROM max(g.started_at) FILTER (WHERE deleted_at IS NULL))::bigint AS last_success, \
               extract(epoch FROM max(g.started_at) FILTER (WHERE deleted_at IS NULL \
                   AND verification_status = 'passed'))::bigint AS last_proven, \
               max(n.duration_ms) AS last_duration_ms, max(n.compressed_size) AS last_stored_bytes, \
               count(*) FILTER (WHERE deleted_at IS NULL) AS backups, \
               sum(g.compressed_size) FILTER (WHERE deleted_at IS NULL)::bigint AS stored_bytes \
               FROM good g LEFT JOIN newest n USING (backup_type) GROUP BY g.backup_type";
    TypeSummary::find_by_statement(statement(sql.to_owned(), Vec::new()))
        .all(db)
        .await
}

/// Notes that a backup's file is to go. False when it was deleted already, is being proven, or was
/// pinned meanwhile and no human asks.
pub async fn mark_deleted(
    tx: &impl ConnectionTrait,
    id: i32,
    by: &str,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE backup_history SET deleted_at = $3, deleted_by = $2 \
               WHERE id = $1 AND deleted_at IS NULL AND status <> 'running' \
               AND verification_status IS DISTINCT FROM 'running' AND (NOT is_pinned OR $2 = 'manual')";
    let values = vec![id.into(), by.into(), at.into()];
    Ok(tx
        .execute_raw(statement(sql.to_owned(), values))
        .await?
        .rows_affected()
        == 1)
}

/// Notes what became of a verification.
pub async fn set_verification(
    tx: &impl ConnectionTrait,
    id: i32,
    status: &str,
    details: Option<serde_json::Value>,
    at: Option<DateTime<Utc>>,
) -> Result<(), DbErr> {
    let sql = "UPDATE backup_history SET verification_status = $2, \
               verification_details = COALESCE($3, verification_details), \
               verification_date = COALESCE($4, verification_date) WHERE id = $1";
    let values = vec![id.into(), status.into(), details.into(), at.into()];
    tx.execute_raw(statement(sql.to_owned(), values))
        .await
        .map(|_| ())
}
