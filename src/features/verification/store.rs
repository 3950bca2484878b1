//! The table `verification_runs`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr};

use super::outcome::{Outcome, Verdict};
use crate::platform::db::statement;

const COLUMNS: &str = "id, backup_id, status, outcome_code, message, remedy, engine, trigger, \
    server_version, tables_checked, tables_total, mismatches, checks, restore_ms, duration_ms, \
    queued_at, started_at, completed_at, epoch, engine_note, attempt, not_before, \
    (SELECT b.backup_type FROM backup_history b WHERE b.id = verification_runs.backup_id) AS backup_type";

/// A row of `verification_runs`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Run {
    pub id: i32,
    pub backup_id: i32,
    pub status: String,
    pub outcome_code: Option<String>,
    pub message: Option<String>,
    pub remedy: Option<String>,
    pub engine: String,
    pub trigger: String,
    pub server_version: Option<String>,
    pub tables_checked: Option<i32>,
    pub tables_total: Option<i32>,
    pub mismatches: serde_json::Value,
    pub checks: serde_json::Value,
    pub restore_ms: Option<i64>,
    pub duration_ms: Option<i64>,
    pub queued_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub epoch: i32,
    pub engine_note: Option<String>,
    pub attempt: i32,
    pub not_before: Option<DateTime<Utc>>,
    /// The type of the backup.
    pub backup_type: Option<String>,
}

/// Queues a verification. `None` when the backup has one under way.
pub async fn enqueue(
    tx: &impl ConnectionTrait,
    backup_id: i32,
    trigger: &str,
    requested_by: Option<i32>,
    engine: &str,
    at: DateTime<Utc>,
) -> Result<Option<i32>, DbErr> {
    let sql = "INSERT INTO verification_runs (backup_id, status, trigger, requested_by, engine, \
               queued_at) VALUES ($1, 'queued', $2, $3, $4, $5) RETURNING id";
    let values = vec![
        backup_id.into(),
        trigger.into(),
        requested_by.into(),
        engine.into(),
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

/// Queues a run that could not be made for another try. False when the backup has one under way.
pub async fn retry(
    tx: &impl ConnectionTrait,
    run: &Run,
    not_before: DateTime<Utc>,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "INSERT INTO verification_runs (backup_id, status, trigger, engine, queued_at, attempt, \
               not_before) SELECT $1, 'queued', $2, engine, $4, $5, $3 FROM verification_runs \
               WHERE id = $6 AND NOT EXISTS (SELECT FROM verification_runs \
               WHERE backup_id = $1 AND status IN ('queued', 'running'))";
    let values = vec![
        run.backup_id.into(),
        run.trigger.clone().into(),
        not_before.into(),
        at.into(),
        (run.attempt + 1).into(),
        run.id.into(),
    ];
    let queued = tx.execute_raw(statement(sql, values)).await?;
    Ok(queued.rows_affected() == 1)
}

/// Lets a run that waits for another try begin at once. `None` when the backup has none.
pub async fn hasten(tx: &impl ConnectionTrait, backup_id: i32) -> Result<Option<i32>, DbErr> {
    let sql = "UPDATE verification_runs SET not_before = NULL WHERE backup_id = $1 \
               AND status = 'queued' AND not_before IS NOT NULL RETURNING id";
    let row = tx
        .query_one_raw(statement(sql, vec![backup_id.into()]))
        .await?;
    row.map(|row| row.try_get("", "id")).transpose()
}

/// Which Flowkeep this is.
pub async fn installation(db: &impl ConnectionTrait) -> Result<uuid::Uuid, DbErr> {
    let row = db
        .query_one_raw(statement("SELECT id FROM installation", Vec::new()))
        .await?;
    row.ok_or_else(|| DbErr::RecordNotFound("installation".to_owned()))?
        .try_get("", "id")
}

/// Claims the oldest queued verification under a lease.
pub async fn claim(
    tx: &impl ConnectionTrait,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Option<Run>, DbErr> {
    let sql = format!(
        "UPDATE verification_runs SET status = 'running', started_at = $1, lease_expires_at = $2, \
         epoch = epoch + 1 WHERE id = (SELECT id FROM verification_runs WHERE status = 'queued' \
         AND (not_before IS NULL OR not_before <= $1) ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING {COLUMNS}"
    );
    Run::find_by_statement(statement(sql, vec![now.into(), lease_until.into()]))
        .one(tx)
        .await
}

/// Prolongs a lease. False when the run is somebody else's now.
pub async fn prolong(
    db: &impl ConnectionTrait,
    id: i32,
    epoch: i32,
    lease_until: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE verification_runs SET lease_expires_at = $3 \
               WHERE id = $1 AND epoch = $2 AND status = 'running'";
    let values = vec![id.into(), epoch.into(), lease_until.into()];
    Ok(db
        .execute_raw(statement(sql, values))
        .await?
        .rows_affected()
        == 1)
}

/// Notes the end of a run. False when it is somebody else's now.
pub async fn finish(
    tx: &impl ConnectionTrait,
    run: &Run,
    outcome: &Outcome,
    tables_total: usize,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let json = |value: Result<serde_json::Value, serde_json::Error>| {
        value.map_err(|error| DbErr::Json(error.to_string()))
    };
    let small = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let duration_ms = run.started_at.map(|start| (at - start).num_milliseconds());
    let sql = "UPDATE verification_runs SET status = $3, outcome_code = $4, message = $5, \
               remedy = $6, server_version = $7, tables_checked = $8, tables_total = $9, \
               mismatches = $10, checks = $11, restore_ms = $12, duration_ms = $13, \
               completed_at = $14, engine = COALESCE($15, engine), engine_note = $16, \
               lease_expires_at = NULL \
               WHERE id = $1 AND epoch = $2 AND status = 'running'";
    let values = vec![
        run.id.into(),
        run.epoch.into(),
        outcome.verdict.as_str().into(),
        outcome.code.into(),
        outcome.message.replace('\0', "").into(),
        outcome.remedy.clone().into(),
        outcome.server_version.clone().into(),
        small(outcome.tables_checked).into(),
        small(tables_total).into(),
        json(serde_json::to_value(&outcome.mismatches))?.into(),
        json(serde_json::to_value(&outcome.checks))?.into(),
        outcome
            .restore_ms
            .map(|ms| i64::try_from(ms).unwrap_or(i64::MAX))
            .into(),
        duration_ms.into(),
        at.into(),
        outcome.engine.into(),
        outcome.engine_note.clone().into(),
    ];
    let updated = tx.execute_raw(statement(sql, values)).await?;
    debug_assert!(outcome.verdict != Verdict::Passed || outcome.mismatches.is_empty());
    Ok(updated.rows_affected() == 1)
}

/// Puts a run that its lease left back into the queue, once; the second time it is given up.
/// Returns the runs given up.
pub async fn settle_expired(
    tx: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<Vec<Run>, DbErr> {
    let again = "UPDATE verification_runs SET status = 'queued', lease_expires_at = NULL \
                 WHERE status = 'running' AND epoch < 2 \
                 AND (lease_expires_at IS NULL OR lease_expires_at < $1)";
    tx.execute_raw(statement(again, vec![now.into()])).await?;
    let sql = format!(
        "UPDATE verification_runs SET status = 'could_not_verify', outcome_code = 'interrupted', \
         message = 'Flowkeep ended twice while this verification ran.', \
         remedy = 'Look at the log and start it again.', completed_at = $1, epoch = epoch + 1 \
         WHERE status = 'running' AND (lease_expires_at IS NULL OR lease_expires_at < $1) \
         RETURNING {COLUMNS}"
    );
    Run::find_by_statement(statement(sql, vec![now.into()]))
        .all(tx)
        .await
}

/// Lets every lease end: nobody else can be at work when this process starts.
pub async fn expire_all(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = "UPDATE verification_runs SET lease_expires_at = NULL WHERE status = 'running'";
    db.execute_raw(statement(sql, Vec::new())).await.map(|_| ())
}

pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Run>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM verification_runs WHERE id = $1");
    Run::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// Up to `limit` runs before `before_id`, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    backup_id: Option<i32>,
    status: Option<String>,
    before_id: Option<i64>,
    limit: u64,
) -> Result<Vec<Run>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM verification_runs WHERE ($1::integer IS NULL OR backup_id = $1) \
         AND ($2::text IS NULL OR status = $2) AND ($3::bigint IS NULL OR id < $3) \
         ORDER BY id DESC LIMIT $4"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = vec![
        backup_id.into(),
        status.into(),
        before_id.into(),
        limit.into(),
    ];
    Run::find_by_statement(statement(sql, values)).all(db).await
}

/// Good backups that nobody has tried to prove, oldest first.
pub async fn unproven(db: &impl ConnectionTrait) -> Result<Vec<i32>, DbErr> {
    let sql = "SELECT b.id FROM backup_history b WHERE b.status = 'success' \
               AND b.deleted_at IS NULL AND b.verification_status = 'pending' \
               AND NOT EXISTS (SELECT FROM verification_runs v WHERE v.backup_id = b.id) \
               ORDER BY b.id DESC LIMIT 1";
    let rows = db.query_all_raw(statement(sql, Vec::new())).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}
