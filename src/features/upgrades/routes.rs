//! `/api/n8n/upgrades`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::store::{Former, Run};
use super::{UpgradeError, UpgradeService};
use crate::app::AppState;
use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::platform::http::{ApiError, Json, Path};

/// The routes of upgrades.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_upgrades, start_upgrade))
        .routes(routes!(get_upgrade))
        .routes(routes!(take_upgrade_back))
        .routes(routes!(clear_upgrade))
}

/// A step of an upgrade.
#[derive(Deserialize, Serialize, ToSchema)]
struct Step {
    /// `pulling`, `backing_up`, `proving`, `stopping`, `saving`, `replacing`, `waiting`, `taking_back`, `restoring`
    /// or `waiting_for_former`.
    phase: String,
    began_at: DateTime<Utc>,
    /// What came of it.
    note: Option<String>,
}

/// n8n's containers made anew from another image.
#[derive(Serialize, ToSchema)]
struct Upgrade {
    id: i32,
    /// `running`, `done`, `unchanged` (that image is used already), `failed` (nothing was changed), `rolled_back`, or
    /// `stuck` (it could be neither finished nor taken back).
    status: String,
    /// What it is at, or was at last.
    phase: String,
    image: String,
    /// The containers as they were before.
    containers: Vec<Former>,
    steps: Vec<Step>,
    /// The backup that was proven before anything was changed.
    backup_id: Option<i32>,
    /// The backup of when n8n was stopped; what is put back.
    saved_backup_id: Option<i32>,
    /// The restore by which n8n's database came back.
    restore_id: Option<i32>,
    failure_code: Option<String>,
    message: Option<String>,
    remedy: Option<String>,
    started_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    /// Until then the former containers are kept, and it can be taken back.
    kept_until: Option<DateTime<Utc>>,
}

impl From<Run> for Upgrade {
    fn from(run: Run) -> Self {
        Self {
            containers: run.formers(),
            steps: serde_json::from_value(run.steps).unwrap_or_default(),
            id: run.id,
            status: run.status,
            phase: run.phase,
            image: run.image,
            backup_id: run.backup_id,
            saved_backup_id: run.saved_backup_id,
            restore_id: run.restore_id,
            failure_code: run.failure_code,
            message: run.message,
            remedy: run.remedy.filter(|text| !text.is_empty()),
            started_at: run.started_at,
            completed_at: run.completed_at,
            kept_until: run.kept_until,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct Upgrades {
    /// n8n's containers now, the main one first; empty when they cannot be upgraded.
    containers: Vec<Former>,
    /// Why they cannot, with the remedy.
    hindrance: Option<String>,
    /// Newest first.
    items: Vec<Upgrade>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartUpgradeRequest {
    /// An image as in `n8nio/n8n:2.41.1`, or a tag alone; absent for what the present name leads to by now.
    image: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct StartUpgradeResponse {
    /// The upgrade's number.
    id: i32,
}

impl From<UpgradeError> for ApiError {
    fn from(error: UpgradeError) -> Self {
        let message = error.to_string();
        match error {
            UpgradeError::NotFound(id) => Self::not_found(format!("upgrade {id}")),
            UpgradeError::AlreadyRunning => Self::conflict("upgrade_already_running", message),
            UpgradeError::NoContainers => Self::conflict("no_containers", message),
            UpgradeError::Container { .. } => Self::conflict("container_unusable", message),
            UpgradeError::Image(why) => Self::invalid("image", why),
            UpgradeError::WrongState(_) => Self::conflict("wrong_state", message),
            UpgradeError::NothingKept => Self::conflict("nothing_kept", message),
            UpgradeError::Followed => Self::conflict("upgrade_followed", message),
            UpgradeError::NoWayBack(trouble) => Self::conflict(trouble.code, message),
            UpgradeError::Docker { error } => Self::conflict(error.code(), message),
            UpgradeError::N8n(error) => error.into(),
            UpgradeError::Backup(error) => error.into(),
            UpgradeError::Database(error) => error.into(),
        }
    }
}

/// List upgrades of n8n, and the containers that would be upgraded.
#[utoipa::path(get, path = "/api/n8n/upgrades", tag = "n8n", responses((status = 200, body = Upgrades)))]
async fn list_upgrades(
    State(upgrades): State<UpgradeService>,
    _: CurrentUser,
) -> Result<Json<Upgrades>, ApiError> {
    let (containers, hindrance) = match upgrades.formers().await {
        Ok(containers) => (containers, None),
        Err(error) => (Vec::new(), Some(format!("{error}."))),
    };
    let runs = upgrades.list().await?;
    Ok(Json(Upgrades {
        containers,
        hindrance,
        items: runs.into_iter().map(Upgrade::from).collect(),
    }))
}

/// Run n8n from another image, after a proven backup and with the way back if it does not come up.
#[utoipa::path(post, path = "/api/n8n/upgrades", tag = "n8n", request_body = StartUpgradeRequest,
    responses((status = 202, body = StartUpgradeResponse)))]
async fn start_upgrade(
    State(upgrades): State<UpgradeService>,
    Reauthenticated(user): Reauthenticated,
    Json(request): Json<StartUpgradeRequest>,
) -> Result<(StatusCode, Json<StartUpgradeResponse>), ApiError> {
    let id = upgrades
        .start(&user.actor(), request.image.as_deref())
        .await?;
    Ok((StatusCode::ACCEPTED, Json(StartUpgradeResponse { id })))
}

/// One upgrade of n8n.
#[utoipa::path(get, path = "/api/n8n/upgrades/{id}", tag = "n8n", responses((status = 200, body = Upgrade)))]
async fn get_upgrade(
    State(upgrades): State<UpgradeService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<Upgrade>, ApiError> {
    Ok(Json(upgrades.get(id).await?.into()))
}

/// Give n8n back the containers and the database of before. What n8n did since is lost, but stays in a backup.
#[utoipa::path(post, path = "/api/n8n/upgrades/{id}/take-back", tag = "n8n", responses((status = 202)))]
async fn take_upgrade_back(
    State(upgrades): State<UpgradeService>,
    Reauthenticated(user): Reauthenticated,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    upgrades.take_back(&user.actor(), id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Remove the former containers; after that the upgrade cannot be taken back.
#[utoipa::path(delete, path = "/api/n8n/upgrades/{id}/former-containers", tag = "n8n", responses((status = 204)))]
async fn clear_upgrade(
    State(upgrades): State<UpgradeService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    upgrades.clear(&user.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
