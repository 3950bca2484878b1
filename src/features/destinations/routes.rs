//! `/api/backups/destinations`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::service::Standing;
use super::{DestinationError, DestinationService};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::platform::http::{ApiError, Json, Path};

/// The routes of destinations.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_destinations, create_destination))
        .routes(routes!(change_destination, delete_destination))
        .routes(routes!(test_destination))
        .routes(routes!(list_backup_copies))
}

/// A further place for backups.
#[derive(Serialize, ToSchema)]
struct Destination {
    id: i32,
    name: String,
    /// `folder`.
    kind: String,
    path: String,
    enabled: bool,
    created_at: DateTime<Utc>,
    last_checked_at: Option<DateTime<Utc>>,
    last_error_code: Option<String>,
    /// Why it could not be used last; null if it could.
    last_error: Option<String>,
    copied: i64,
    /// Copies that are still to be made.
    queued: i64,
    /// Bytes of the copies there.
    copied_bytes: i64,
    free_bytes: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct Destinations {
    items: Vec<Destination>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateDestinationRequest {
    name: String,
    /// A folder of this machine: another disk, or where a share is mounted.
    path: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeDestinationRequest {
    enabled: bool,
}

/// A copy of a backup at a destination.
#[derive(Serialize, ToSchema)]
struct BackupCopy {
    destination_id: i32,
    destination: String,
    /// `queued`, `copied` or `removed`.
    status: String,
    attempts: i32,
    next_attempt_at: Option<DateTime<Utc>>,
    error: Option<String>,
    bytes: Option<i64>,
    copied_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct BackupCopies {
    items: Vec<BackupCopy>,
}

impl From<Standing> for Destination {
    fn from(standing: Standing) -> Self {
        let Standing {
            destination,
            totals,
            free_bytes,
        } = standing;
        Self {
            id: destination.id,
            name: destination.name,
            kind: destination.kind,
            path: destination.path,
            enabled: destination.is_enabled,
            created_at: destination.created_at,
            last_checked_at: destination.last_checked_at,
            last_error_code: destination.last_error_code,
            last_error: destination.last_error,
            copied: totals.copied,
            queued: totals.queued,
            copied_bytes: totals.bytes,
            free_bytes,
        }
    }
}

impl From<DestinationError> for ApiError {
    fn from(error: DestinationError) -> Self {
        match error {
            DestinationError::NotFound(id) => Self::not_found(format!("destination {id}")),
            DestinationError::Invalid { field, why } => Self::invalid(field, why),
            DestinationError::Backup(error) => error.into(),
            DestinationError::Database(error) => error.into(),
        }
    }
}

async fn all(destinations: &DestinationService) -> Result<Json<Destinations>, ApiError> {
    let standing = destinations.list().await?;
    Ok(Json(Destinations {
        items: standing.into_iter().map(Destination::from).collect(),
    }))
}

/// List the further places for backups.
#[utoipa::path(get, path = "/api/backups/destinations", tag = "destinations", responses((status = 200, body = Destinations)))]
async fn list_destinations(
    State(destinations): State<DestinationService>,
    _: CurrentUser,
) -> Result<Json<Destinations>, ApiError> {
    all(&destinations).await
}

/// Make a folder a further place for backups. Every good backup is copied there.
#[utoipa::path(post, path = "/api/backups/destinations", tag = "destinations",
    request_body = CreateDestinationRequest, responses((status = 201, body = Destinations)))]
async fn create_destination(
    State(destinations): State<DestinationService>,
    user: CurrentUser,
    Json(request): Json<CreateDestinationRequest>,
) -> Result<(StatusCode, Json<Destinations>), ApiError> {
    destinations
        .create(&user.actor(), &request.name, &request.path)
        .await?;
    Ok((StatusCode::CREATED, all(&destinations).await?))
}

/// Switch a destination on or off.
#[utoipa::path(put, path = "/api/backups/destinations/{id}", tag = "destinations", params(("id" = i32, Path,)),
    request_body = ChangeDestinationRequest, responses((status = 200, body = Destinations)))]
async fn change_destination(
    State(destinations): State<DestinationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
    Json(request): Json<ChangeDestinationRequest>,
) -> Result<Json<Destinations>, ApiError> {
    destinations
        .set_enabled(&user.actor(), id, request.enabled)
        .await?;
    all(&destinations).await
}

/// Forget a destination. What lies there stays.
#[utoipa::path(delete, path = "/api/backups/destinations/{id}", tag = "destinations", params(("id" = i32, Path,)),
    responses((status = 204)))]
async fn delete_destination(
    State(destinations): State<DestinationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    destinations.delete(&user.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a destination: is it mounted, can it be written.
#[utoipa::path(post, path = "/api/backups/destinations/{id}/test", tag = "destinations", params(("id" = i32, Path,)),
    responses((status = 200, body = Destinations)))]
async fn test_destination(
    State(destinations): State<DestinationService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<Destinations>, ApiError> {
    destinations.test(id).await?;
    all(&destinations).await
}

/// List the copies of a backup.
#[utoipa::path(get, path = "/api/backups/history/{id}/copies", tag = "destinations", params(("id" = i32, Path,)),
    responses((status = 200, body = BackupCopies)))]
async fn list_backup_copies(
    State(destinations): State<DestinationService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<BackupCopies>, ApiError> {
    let copies = destinations.copies_of(id).await?;
    let items = copies.into_iter().map(|(destination, copy)| BackupCopy {
        destination_id: copy.destination_id,
        destination,
        status: copy.status,
        attempts: copy.attempts,
        next_attempt_at: copy.next_attempt_at,
        error: copy.error,
        bytes: copy.bytes,
        copied_at: copy.copied_at,
    });
    Ok(Json(BackupCopies {
        items: items.collect(),
    }))
}
