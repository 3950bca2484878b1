//! The tables of the scheduler.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};

use super::model::{Draft, Schedule};
use crate::platform::db::statement;

const COLUMNS: &str = "id, name, backup_type, enabled, frequency, hour, minute, day_of_week, \
    day_of_month, timezone, compression, destination_ids, last_run, next_run, created_at, updated_at";
const RUN_COLUMNS: &str = "id, kind, schedule_id, due_at, status, detail, attempts, \
    next_attempt_at, backup_id, ended_at";

/// What is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A backup by one of `backup_schedules`.
    Backup,
    /// Proofs of the newest backups, by `verification_schedule`.
    Verification,
}

impl Kind {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verification => "verification",
        }
    }
}

/// A due time and what became of it.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Run {
    pub id: i32,
    pub kind: String,
    pub schedule_id: i32,
    pub due_at: DateTime<Utc>,
    pub status: String,
    pub detail: Option<String>,
    pub attempts: i32,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub backup_id: Option<i32>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A job that is due some time: a row of `apscheduler_jobs`.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub next_run: DateTime<Utc>,
}

impl Job {
    /// What the job is for.
    pub fn target(&self) -> Option<(Kind, i32)> {
        let (kind, id) = self.id.split_once(':')?;
        let kind = match kind {
            "backup" => Kind::Backup,
            "verification" => Kind::Verification,
            _ => return None,
        };
        Some((kind, id.parse().ok()?))
    }
}

/// A job's name.
pub fn job_id(kind: Kind, schedule_id: i32) -> String {
    format!("{}:{schedule_id}", kind.as_str())
}

pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Schedule>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM backup_schedules ORDER BY name, id");
    Schedule::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Schedule>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM backup_schedules WHERE id = $1");
    Schedule::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

fn values(draft: &Draft, next: Option<DateTime<Utc>>, at: DateTime<Utc>) -> Vec<Value> {
    let when = &draft.when;
    vec![
        draft.name.trim().to_owned().into(),
        draft.backup_type.as_str().into(),
        draft.is_enabled.into(),
        when.frequency.as_str().into(),
        when.hour.into(),
        when.minute.into(),
        when.day_of_week.into(),
        when.day_of_month.into(),
        when.timezone.clone().into(),
        draft.compression.clone().into(),
        next.into(),
        at.into(),
        draft
            .destination_ids
            .as_ref()
            .map(|ids| serde_json::json!(ids))
            .into(),
    ]
}

pub async fn insert(
    tx: &impl ConnectionTrait,
    draft: &Draft,
    next: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<i32, DbErr> {
    let sql = "INSERT INTO backup_schedules (name, backup_type, enabled, frequency, hour, minute, \
               day_of_week, day_of_month, timezone, compression, next_run, destination_ids, created_at, \
               updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $13, $12, $12) RETURNING id";
    let row = tx
        .query_one_raw(statement(sql, values(draft, next, at)))
        .await?;
    row.ok_or(DbErr::RecordNotInserted)?.try_get("", "id")
}

pub async fn update(
    tx: &impl ConnectionTrait,
    id: i32,
    draft: &Draft,
    next: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE backup_schedules SET name = $1, backup_type = $2, enabled = $3, \
               frequency = $4, hour = $5, minute = $6, day_of_week = $7, day_of_month = $8, \
               timezone = $9, compression = $10, next_run = $11, updated_at = $12, \
               destination_ids = $13 WHERE id = $14";
    let mut values = values(draft, next, at);
    values.push(id.into());
    Ok(tx
        .execute_raw(statement(sql, values))
        .await?
        .rows_affected()
        == 1)
}

pub async fn delete(tx: &impl ConnectionTrait, id: i32) -> Result<bool, DbErr> {
    let sql = "DELETE FROM backup_schedules WHERE id = $1";
    let deleted = tx.execute_raw(statement(sql, vec![id.into()])).await?;
    Ok(deleted.rows_affected() == 1)
}

/// Notes when a schedule is due next, and when it was.
pub async fn note_times(
    tx: &impl ConnectionTrait,
    kind: Kind,
    id: i32,
    next: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
) -> Result<(), DbErr> {
    let table = match kind {
        Kind::Backup => "backup_schedules",
        Kind::Verification => "verification_schedule",
    };
    let sql = format!(
        "UPDATE {table} SET next_run = $2, last_run = COALESCE($3, last_run), \
         apscheduler_job_id = $4 WHERE id = $1"
    );
    let name = next.map(|_| job_id(kind, id));
    let values = vec![id.into(), next.into(), last.into(), name.into()];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Seconds since 1970, with which the job store counts.
fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

/// Sets when a job is due next; `None` removes it.
pub async fn set_job(
    tx: &impl ConnectionTrait,
    kind: Kind,
    schedule_id: i32,
    next: Option<DateTime<Utc>>,
) -> Result<(), DbErr> {
    let id = job_id(kind, schedule_id);
    let Some(next) = next else {
        let sql = "DELETE FROM apscheduler_jobs WHERE id = $1";
        return tx
            .execute_raw(statement(sql, vec![id.into()]))
            .await
            .map(|_| ());
    };
    let state = serde_json::json!({
        "kind": kind.as_str(), "schedule_id": schedule_id,
        "misfire_grace_seconds": super::worker::MISFIRE_GRACE.num_seconds(),
        "coalesce": true, "max_instances": 1,
    });
    let sql = "INSERT INTO apscheduler_jobs (id, next_run_time, job_state) VALUES ($1, $2, $3) \
               ON CONFLICT (id) DO UPDATE SET next_run_time = $2, job_state = $3";
    let values = vec![
        id.into(),
        seconds(next).into(),
        state.to_string().into_bytes().into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Every job, locked until the transaction ends.
pub async fn lock_jobs(tx: &impl ConnectionTrait) -> Result<Vec<Job>, DbErr> {
    let sql = "SELECT id, next_run_time FROM apscheduler_jobs WHERE next_run_time IS NOT NULL \
               ORDER BY next_run_time FOR UPDATE";
    let rows = tx.query_all_raw(statement(sql, Vec::new())).await?;
    rows.iter()
        .map(|row| {
            let seconds: f64 = row.try_get("", "next_run_time")?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "milliseconds since 1970 fit for ages"
            )]
            let next_run = DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64);
            Ok(Job {
                id: row.try_get("", "id")?,
                next_run: next_run.unwrap_or_default(),
            })
        })
        .collect()
}

/// Notes a due time. `None` when that was done before.
pub async fn insert_run(
    tx: &impl ConnectionTrait,
    kind: Kind,
    schedule_id: i32,
    due_at: DateTime<Utc>,
    status: &str,
    detail: Option<String>,
    at: DateTime<Utc>,
) -> Result<Option<i32>, DbErr> {
    let sql = "INSERT INTO schedule_runs (kind, schedule_id, due_at, status, detail, created_at, ended_at) \
               VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $4 = 'queued' THEN NULL ELSE $6 END) \
               ON CONFLICT (kind, schedule_id, due_at) DO NOTHING RETURNING id";
    let values = vec![
        kind.as_str().into(),
        schedule_id.into(),
        due_at.into(),
        status.into(),
        detail.into(),
        at.into(),
    ];
    let row = tx.query_one_raw(statement(sql, values)).await?;
    row.map(|row| row.try_get("", "id")).transpose()
}

/// Runs that wait or are under way.
pub async fn open_runs(db: &impl ConnectionTrait) -> Result<Vec<Run>, DbErr> {
    let sql = format!(
        "SELECT {RUN_COLUMNS} FROM schedule_runs WHERE status IN ('queued', 'started') ORDER BY id"
    );
    Run::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// The newest runs of a schedule.
pub async fn runs_of(
    db: &impl ConnectionTrait,
    kind: Kind,
    schedule_id: i32,
    limit: u64,
) -> Result<Vec<Run>, DbErr> {
    let sql = format!(
        "SELECT {RUN_COLUMNS} FROM schedule_runs WHERE kind = $1 AND schedule_id = $2 \
         ORDER BY due_at DESC LIMIT $3"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = vec![kind.as_str().into(), schedule_id.into(), limit.into()];
    Run::find_by_statement(statement(sql, values)).all(db).await
}

/// Notes that an attempt of a run is under way.
pub async fn start_run(
    db: &impl ConnectionTrait,
    id: i32,
    backup_id: Option<i32>,
) -> Result<(), DbErr> {
    let sql = "UPDATE schedule_runs SET status = 'started', backup_id = COALESCE($2, backup_id), \
               attempts = attempts + 1, next_attempt_at = NULL WHERE id = $1 AND status = 'queued'";
    db.execute_raw(statement(sql, vec![id.into(), backup_id.into()]))
        .await
        .map(|_| ())
}

/// Lets a run wait for another attempt.
pub async fn retry_run(
    db: &impl ConnectionTrait,
    id: i32,
    next_attempt_at: DateTime<Utc>,
    detail: &str,
) -> Result<(), DbErr> {
    let sql = "UPDATE schedule_runs SET status = 'queued', next_attempt_at = $2, detail = $3 \
               WHERE id = $1 AND status IN ('queued', 'started')";
    let values = vec![id.into(), next_attempt_at.into(), detail.into()];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Notes a run's end. False when it had ended before.
pub async fn end_run(
    db: &impl ConnectionTrait,
    id: i32,
    status: &str,
    detail: Option<String>,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE schedule_runs SET status = $2, detail = $3, ended_at = $4, \
               next_attempt_at = NULL WHERE id = $1 AND status IN ('queued', 'started')";
    let values = vec![id.into(), status.into(), detail.into(), at.into()];
    let ended = db.execute_raw(statement(sql, values)).await?;
    Ok(ended.rows_affected() == 1)
}
