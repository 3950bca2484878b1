//! `/api/restores`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::store::Run;
use super::{RestoreError, RestoreService};
use crate::app::AppState;
use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::platform::http::{ApiError, Json, Path};

/// The routes of restores.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_restores, start_restore))
        .routes(routes!(get_restore, discard_restore))
        .routes(routes!(swap_restore))
        .routes(routes!(undo_restore))
}

/// A backup restored into a new database beside n8n's.
#[derive(Serialize, ToSchema)]
struct Restore {
    id: i32,
    backup_id: Option<i32>,
    /// `running`, `restored`, `swapping`, `swapped`, `undoing`, `undone`, `failed` or `discarded`.
    status: String,
    /// The database that n8n uses.
    database_name: String,
    /// The database that the backup was restored into.
    scratch_name: String,
    /// What n8n used before the swap.
    previous_name: Option<String>,
    is_inactive: bool,
    failure_code: Option<String>,
    message: Option<String>,
    remedy: Option<String>,
    tables_checked: Option<i32>,
    restore_ms: Option<i64>,
    safety_backup_id: Option<i32>,
    started_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    swapped_at: Option<DateTime<Utc>>,
    undo_until: Option<DateTime<Utc>>,
    /// What it is at, while it runs.
    phase: Option<String>,
    /// Bytes of the archive that are restored, while it runs.
    bytes_done: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct Restores {
    /// Newest first.
    items: Vec<Restore>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartRestoreRequest {
    backup_id: i32,
    /// Makes every workflow inactive, so that none runs by itself; true if absent.
    inactive: Option<bool>,
}

#[derive(Serialize, ToSchema)]
struct StartRestoreResponse {
    /// The restore's number.
    id: i32,
}

impl Restore {
    fn new(run: Run, restores: &RestoreService) -> Self {
        let progress = restores.progress(run.id);
        Self {
            id: run.id,
            backup_id: run.backup_id,
            status: run.status,
            database_name: run.database_name,
            scratch_name: run.scratch_name,
            previous_name: run.previous_name,
            is_inactive: run.is_inactive,
            failure_code: run.failure_code,
            message: run.message,
            remedy: run.remedy.filter(|text| !text.is_empty()),
            tables_checked: run.tables_checked,
            restore_ms: run.restore_ms,
            safety_backup_id: run.safety_backup_id,
            started_at: run.started_at,
            completed_at: run.completed_at,
            swapped_at: run.swapped_at,
            undo_until: run.undo_until,
            phase: progress.map(|proof| proof.phase.to_owned()),
            bytes_done: progress.map(|proof| proof.bytes_done),
        }
    }
}

impl From<RestoreError> for ApiError {
    fn from(error: RestoreError) -> Self {
        let message = error.to_string();
        match error {
            RestoreError::NotFound(id) => Self::not_found(format!("restore {id}")),
            RestoreError::AlreadyRunning => Self::conflict("restore_already_running", message),
            RestoreError::WrongType => Self::conflict("wrong_backup_type", message),
            RestoreError::WrongState(_) => Self::conflict("wrong_state", message),
            RestoreError::UndoIsOver => Self::conflict("undo_is_over", message),
            RestoreError::InUse { .. } => Self::conflict("database_in_use", message),
            RestoreError::Server { code, .. } => Self::conflict(code, message),
            RestoreError::Container(_) => Self::conflict("container_unusable", message),
            RestoreError::Failed(_) => Self::conflict("restore_failed", message),
            RestoreError::Safety(_) => Self::conflict("safety_backup_failed", message),
            RestoreError::Backup(error) => error.into(),
            RestoreError::Verification(error) => error.into(),
            RestoreError::N8n(error) => error.into(),
            RestoreError::Database(error) => error.into(),
        }
    }
}

/// List restores.
#[utoipa::path(get, path = "/api/restores", tag = "restores", responses((status = 200, body = Restores)))]
async fn list_restores(
    State(restores): State<RestoreService>,
    _: CurrentUser,
) -> Result<Json<Restores>, ApiError> {
    let runs = restores.list().await?;
    let items = runs.into_iter().map(|run| Restore::new(run, &restores));
    Ok(Json(Restores {
        items: items.collect(),
    }))
}

/// Restore a backup of n8n into a new database beside the one it uses. Nothing of n8n changes.
#[utoipa::path(post, path = "/api/restores", tag = "restores", request_body = StartRestoreRequest,
    responses((status = 202, body = StartRestoreResponse)))]
async fn start_restore(
    State(restores): State<RestoreService>,
    Reauthenticated(user): Reauthenticated,
    Json(request): Json<StartRestoreRequest>,
) -> Result<(StatusCode, Json<StartRestoreResponse>), ApiError> {
    let is_inactive = request.inactive.unwrap_or(true);
    let id = restores
        .start(&user.actor(), request.backup_id, is_inactive)
        .await?;
    Ok((StatusCode::ACCEPTED, Json(StartRestoreResponse { id })))
}

/// Tell everything about a restore.
#[utoipa::path(get, path = "/api/restores/{id}", tag = "restores", params(("id" = i32, Path,)),
    responses((status = 200, body = Restore)))]
async fn get_restore(
    State(restores): State<RestoreService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<Restore>, ApiError> {
    let run = restores.get(id).await?;
    Ok(Json(Restore::new(run, &restores)))
}

/// Put the restored database in the place of the one n8n uses, after a safety backup. n8n must be
/// stopped.
#[utoipa::path(post, path = "/api/restores/{id}/swap", tag = "restores", params(("id" = i32, Path,)),
    responses((status = 200, body = Restore)))]
async fn swap_restore(
    State(restores): State<RestoreService>,
    Reauthenticated(user): Reauthenticated,
    Path(id): Path<i32>,
) -> Result<Json<Restore>, ApiError> {
    let run = restores.swap(&user.actor(), id).await?;
    Ok(Json(Restore::new(run, &restores)))
}

/// Give n8n back what it used before the swap, within a day. n8n must be stopped.
#[utoipa::path(post, path = "/api/restores/{id}/undo", tag = "restores", params(("id" = i32, Path,)),
    responses((status = 200, body = Restore)))]
async fn undo_restore(
    State(restores): State<RestoreService>,
    Reauthenticated(user): Reauthenticated,
    Path(id): Path<i32>,
) -> Result<Json<Restore>, ApiError> {
    let run = restores.undo(&user.actor(), id).await?;
    Ok(Json(Restore::new(run, &restores)))
}

/// Delete the database that is left over: the restored one, or after a swap the former one.
#[utoipa::path(delete, path = "/api/restores/{id}", tag = "restores", params(("id" = i32, Path,)),
    responses((status = 204)))]
async fn discard_restore(
    State(restores): State<RestoreService>,
    Reauthenticated(user): Reauthenticated,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    restores.discard(&user.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
