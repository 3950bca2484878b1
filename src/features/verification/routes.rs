//! `/api/backups/verification`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::outcome::{Check, Mismatch};
use super::store::Run;
use super::{VerificationError, VerificationService};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::platform::db::page::{Page, PageQuery, PageRequest};
use crate::platform::http::{ApiError, Json, Path, Query};

/// The routes of verifications.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(run_verification))
        .routes(routes!(list_verifications))
        .routes(routes!(get_verification))
}

/// An attempt to prove a backup.
#[derive(Serialize, ToSchema)]
struct Verification {
    id: i32,
    backup_id: i32,
    /// `queued`, `running`, `passed`, `failed` or `could_not_verify`.
    status: String,
    outcome_code: Option<String>,
    message: Option<String>,
    remedy: Option<String>,
    /// `docker` or `local`; what the settings say while it waits.
    engine: String,
    /// Why it was not proven in Docker; null if it was or need not be.
    engine_note: Option<String>,
    /// 1 for the first try.
    attempt: i32,
    /// When a try that could not be made is made again; null if at once.
    not_before: Option<DateTime<Utc>>,
    trigger: String,
    server_version: Option<String>,
    tables_checked: Option<i32>,
    tables_total: Option<i32>,
    mismatches: Vec<Mismatch>,
    checks: Vec<Check>,
    /// What the restore itself took, in ms: what a recovery would take.
    restore_ms: Option<i64>,
    duration_ms: Option<i64>,
    queued_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunVerificationRequest {
    /// The newest good backup if absent.
    backup_id: Option<i32>,
}

#[derive(Serialize, ToSchema)]
struct RunVerificationResponse {
    /// The verification's number.
    id: i32,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VerificationQuery {
    /// Those of one backup.
    backup_id: Option<i32>,
    /// `queued`, `running`, `passed`, `failed` or `could_not_verify`.
    status: Option<String>,
    /// Most items to return, 1 to 200; 50 if absent.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl From<Run> for Verification {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            backup_id: run.backup_id,
            status: run.status,
            outcome_code: run.outcome_code,
            message: run.message,
            remedy: run.remedy,
            engine: run.engine,
            engine_note: run.engine_note,
            attempt: run.attempt,
            not_before: run.not_before,
            trigger: run.trigger,
            server_version: run.server_version,
            tables_checked: run.tables_checked,
            tables_total: run.tables_total,
            mismatches: serde_json::from_value(run.mismatches).unwrap_or_default(),
            checks: serde_json::from_value(run.checks).unwrap_or_default(),
            restore_ms: run.restore_ms,
            duration_ms: run.duration_ms,
            queued_at: run.queued_at,
            started_at: run.started_at,
            completed_at: run.completed_at,
        }
    }
}

impl From<VerificationError> for ApiError {
    fn from(error: VerificationError) -> Self {
        let message = error.to_string();
        match error {
            VerificationError::NotFound(id) => Self::not_found(format!("verification {id}")),
            VerificationError::NoBackup => Self::conflict("no_backup", message),
            VerificationError::AlreadyRunning(_) => {
                Self::conflict("verification_already_running", message)
            }
            VerificationError::Stopped => Self::conflict("stopping", message),
            VerificationError::Backup(error) => error.into(),
            VerificationError::Database(error) => error.into(),
        }
    }
}

/// Prove a backup now.
#[utoipa::path(post, path = "/api/backups/verification/run", tag = "verification",
    request_body = RunVerificationRequest, responses((status = 202, body = RunVerificationResponse)))]
async fn run_verification(
    State(verifications): State<VerificationService>,
    user: CurrentUser,
    Json(request): Json<RunVerificationRequest>,
) -> Result<(StatusCode, Json<RunVerificationResponse>), ApiError> {
    let id = verifications
        .request(&user.actor(), request.backup_id, "manual")
        .await?;
    Ok((StatusCode::ACCEPTED, Json(RunVerificationResponse { id })))
}

/// List verifications, newest first.
#[utoipa::path(get, path = "/api/backups/verification/history", tag = "verification",
    params(VerificationQuery), responses((status = 200, body = Page<Verification>)))]
async fn list_verifications(
    State(verifications): State<VerificationService>,
    _: CurrentUser,
    Query(query): Query<VerificationQuery>,
) -> Result<Json<Page<Verification>>, ApiError> {
    let page = PageRequest::try_from(&PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    })?;
    let rows = verifications
        .list(
            query.backup_id,
            query.status,
            page.before_id,
            page.limit + 1,
        )
        .await?;
    Ok(Json(
        Page::from_rows(rows, page.limit, |row| i64::from(row.id)).map(Verification::from),
    ))
}

/// Tell everything about a verification.
#[utoipa::path(get, path = "/api/backups/verification/history/{id}", tag = "verification",
    params(("id" = i32, Path,)), responses((status = 200, body = Verification)))]
async fn get_verification(
    State(verifications): State<VerificationService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<Verification>, ApiError> {
    Ok(Json(verifications.get(id).await?.into()))
}
