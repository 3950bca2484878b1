//! The table `upgrade_runs`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::platform::db::statement;

const COLUMNS: &str = "id, status, phase, job_id, image, containers, steps, backup_id, saved_backup_id, \
    restore_id, migrations_before, failure_code, message, remedy, started_at, completed_at, kept_until";

/// A row of `upgrade_runs`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Run {
    pub id: i32,
    pub status: String,
    pub phase: String,
    pub job_id: Uuid,
    pub image: String,
    pub containers: Value,
    pub steps: Value,
    pub backup_id: Option<i32>,
    pub saved_backup_id: Option<i32>,
    pub restore_id: Option<i32>,
    pub migrations_before: Option<i64>,
    pub failure_code: Option<String>,
    pub message: Option<String>,
    pub remedy: Option<String>,
    pub started_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    pub kept_until: Option<DateTime<Utc>>,
}

/// A container as it was before anything was changed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
pub struct Former {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The image by which it was made.
    pub image: String,
    /// That image's id.
    pub image_id: String,
    /// The version that the image says of itself.
    pub version: Option<String>,
    /// Whether it ran.
    pub was_running: bool,
    /// Whether it is made anew: it has the image that is upgraded.
    pub is_replaced: bool,
    /// The engine's name for when it is started again by itself.
    pub restart_policy: String,
    /// How often at most.
    pub restart_count: Option<i64>,
}

impl Run {
    /// What it found before it changed anything.
    pub fn formers(&self) -> Vec<Former> {
        serde_json::from_value(self.containers.clone()).unwrap_or_default()
    }
}

/// Begins an upgrade. `None` when one is under way.
pub async fn insert(
    tx: &impl ConnectionTrait,
    job_id: Uuid,
    image: &str,
    requested_by: Option<i32>,
    at: DateTime<Utc>,
) -> Result<Option<i32>, DbErr> {
    let sql = "INSERT INTO upgrade_runs (status, phase, job_id, image, requested_by, started_at) \
               VALUES ('running', 'begun', $1, $2, $3, $4) RETURNING id";
    let values = vec![job_id.into(), image.into(), requested_by.into(), at.into()];
    match tx.query_one_raw(statement(sql, values)).await {
        Ok(Some(row)) => Ok(Some(row.try_get("", "id")?)),
        Ok(None) => Err(DbErr::RecordNotInserted),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Takes one that ended back to work. False when it is in another state, another one is under way, or what it kept is
/// gone or too old by now.
pub async fn reopen(
    tx: &impl ConnectionTrait,
    id: i32,
    from: &str,
    job_id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE upgrade_runs SET status = 'running', phase = 'taking_back', job_id = $3, \
               completed_at = NULL WHERE id = $1 AND status = $2 AND (status <> 'done' OR kept_until > $4)";
    let values = vec![id.into(), from.into(), job_id.into(), now.into()];
    match tx.execute_raw(statement(sql, values)).await {
        Ok(done) => Ok(done.rows_affected() == 1),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Gives one that is under way to another worker; whoever had it finds that out at its next step. False when somebody
/// else was faster.
pub async fn hand_over(
    db: &impl ConnectionTrait,
    id: i32,
    from: Uuid,
    to: Uuid,
) -> Result<bool, DbErr> {
    let sql =
        "UPDATE upgrade_runs SET job_id = $3 WHERE id = $1 AND job_id = $2 AND status = 'running'";
    let done = db
        .execute_raw(statement(sql, vec![id.into(), from.into(), to.into()]))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether a later one changed n8n's containers since.
pub async fn is_followed(db: &impl ConnectionTrait, id: i32) -> Result<bool, DbErr> {
    let sql = "SELECT 1 AS one FROM upgrade_runs WHERE id > $1 AND status NOT IN ('failed', 'unchanged', 'rolled_back') LIMIT 1";
    let found = db.query_one_raw(statement(sql, vec![id.into()])).await?;
    Ok(found.is_some())
}

/// Whether a worker still has it.
pub async fn is_of(db: &impl ConnectionTrait, id: i32, job_id: Uuid) -> Result<bool, DbErr> {
    let sql =
        "SELECT 1 AS one FROM upgrade_runs WHERE id = $1 AND job_id = $2 AND status = 'running'";
    let found = db
        .query_one_raw(statement(sql, vec![id.into(), job_id.into()]))
        .await?;
    Ok(found.is_some())
}

/// Notes what it is at. False when another worker has it by now.
pub async fn enter(
    db: &impl ConnectionTrait,
    id: i32,
    job_id: Uuid,
    phase: &str,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE upgrade_runs SET phase = $3, steps = steps || $4::jsonb \
               WHERE id = $1 AND job_id = $2 AND status = 'running'";
    let step = json!([{ "phase": phase, "began_at": at }]);
    let values = vec![id.into(), job_id.into(), phase.into(), step.into()];
    let done = db.execute_raw(statement(sql, values)).await?;
    Ok(done.rows_affected() == 1)
}

/// Notes what came of the step that it is at.
pub async fn remark(db: &impl ConnectionTrait, id: i32, words: &str) -> Result<(), DbErr> {
    let sql = "UPDATE upgrade_runs SET steps = jsonb_set(steps, ARRAY['-1', 'note'], to_jsonb($2::text)) \
               WHERE id = $1 AND jsonb_array_length(steps) > 0";
    let words = words.replace('\0', "");
    db.execute_raw(statement(sql, vec![id.into(), words.into()]))
        .await?;
    Ok(())
}

/// Notes the backups: the proven one, and that of when n8n was stopped.
pub async fn note_backups(
    db: &impl ConnectionTrait,
    id: i32,
    proven: Option<i32>,
    saved: Option<i32>,
    migrations: Option<i64>,
) -> Result<(), DbErr> {
    let sql = "UPDATE upgrade_runs SET backup_id = coalesce($2, backup_id), \
               saved_backup_id = coalesce($3, saved_backup_id), \
               migrations_before = coalesce($4, migrations_before) WHERE id = $1";
    let values = vec![id.into(), proven.into(), saved.into(), migrations.into()];
    db.execute_raw(statement(sql, values)).await?;
    Ok(())
}

/// Notes the containers before they are touched.
pub async fn note_containers(
    db: &impl ConnectionTrait,
    id: i32,
    formers: &[Former],
) -> Result<(), DbErr> {
    let sql = "UPDATE upgrade_runs SET containers = $2::jsonb WHERE id = $1";
    let formers = serde_json::to_value(formers).map_err(|error| DbErr::Json(error.to_string()))?;
    db.execute_raw(statement(sql, vec![id.into(), formers.into()]))
        .await?;
    Ok(())
}

/// Notes by which restore n8n's database came back.
pub async fn note_restore(
    db: &impl ConnectionTrait,
    id: i32,
    restore_id: i32,
) -> Result<(), DbErr> {
    let sql = "UPDATE upgrade_runs SET restore_id = $2 WHERE id = $1";
    db.execute_raw(statement(sql, vec![id.into(), restore_id.into()]))
        .await?;
    Ok(())
}

/// How one ended.
pub struct End<'a> {
    pub status: &'a str,
    pub code: Option<&'a str>,
    pub message: &'a str,
    pub remedy: Option<&'a str>,
    pub kept_until: Option<DateTime<Utc>>,
}

/// Notes the end. False when it was noted before, or another worker has it by now.
pub async fn finish(
    tx: &impl ConnectionTrait,
    id: i32,
    job_id: Uuid,
    end: &End<'_>,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE upgrade_runs SET status = $2, failure_code = $3, message = $4, remedy = $5, \
               kept_until = $6, completed_at = $7 WHERE id = $1 AND job_id = $8 AND status = 'running'";
    let values = vec![
        id.into(),
        end.status.into(),
        end.code.map(str::to_owned).into(),
        end.message.replace('\0', "").into(),
        end.remedy.map(str::to_owned).into(),
        end.kept_until.into(),
        at.into(),
        job_id.into(),
    ];
    let done = tx.execute_raw(statement(sql, values)).await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that the former containers are gone.
pub async fn note_cleared(db: &impl ConnectionTrait, id: i32) -> Result<(), DbErr> {
    let sql = "UPDATE upgrade_runs SET kept_until = NULL WHERE id = $1";
    db.execute_raw(statement(sql, vec![id.into()])).await?;
    Ok(())
}

/// One upgrade.
pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Run>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM upgrade_runs WHERE id = $1");
    Run::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// The newest ones.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Run>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM upgrade_runs ORDER BY id DESC LIMIT 50");
    Run::find_by_statement(statement(sql, vec![])).all(db).await
}

/// The ones that are under way.
pub async fn unsettled(db: &impl ConnectionTrait) -> Result<Vec<Run>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM upgrade_runs WHERE status = 'running'");
    Run::find_by_statement(statement(sql, vec![])).all(db).await
}

/// Those whose former containers were kept until `now`, or all of them.
pub async fn to_clear(
    db: &impl ConnectionTrait,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Run>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM upgrade_runs WHERE status = 'done' AND kept_until IS NOT NULL \
         AND ($1::timestamptz IS NULL OR kept_until <= $1) ORDER BY id"
    );
    Run::find_by_statement(statement(sql, vec![now.into()]))
        .all(db)
        .await
}

/// One that went well, held fast until the transaction ends: nobody takes it back meanwhile.
pub async fn hold_done(tx: &impl ConnectionTrait, id: i32) -> Result<Option<Run>, DbErr> {
    let sql =
        format!("SELECT {COLUMNS} FROM upgrade_runs WHERE id = $1 AND status = 'done' FOR UPDATE");
    Run::find_by_statement(statement(sql, vec![id.into()]))
        .one(tx)
        .await
}
