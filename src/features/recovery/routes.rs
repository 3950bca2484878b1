//! `/api/recovery-kit`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{StatusCode, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{RecoveryError, RecoveryService};
use crate::app::AppState;
use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::platform::http::{ApiError, Json};

/// The routes of the recovery kit.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_recovery_kit, make_recovery_kit))
}

/// Whether there is a kit, and whether it is still right.
#[derive(Serialize, ToSchema)]
struct RecoveryKit {
    /// When the newest was made; null if none was.
    made_at: Option<DateTime<Utc>>,
    /// Whether a key, n8n's connection or the backup folder has changed since.
    is_outdated: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MakeRecoveryKitRequest {
    /// At least 14 characters. It is not kept: without it the kit is of no use.
    #[schema(value_type = String, format = Password)]
    passphrase: SecretString,
}

impl From<RecoveryError> for ApiError {
    fn from(error: RecoveryError) -> Self {
        let message = error.to_string();
        match error {
            RecoveryError::WeakPassphrase(_) => Self::invalid("passphrase", message),
            RecoveryError::N8n(error) => error.into(),
            RecoveryError::Settings(error) => error.into(),
            RecoveryError::Backup(error) => error.into(),
            RecoveryError::Destination(error) => error.into(),
            RecoveryError::Database(error) => error.into(),
            RecoveryError::WrongPassphrase | RecoveryError::NoKit(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_kit", message)
            }
            RecoveryError::Make(_) => Self::internal(&error),
        }
    }
}

/// Tell whether there is a recovery kit.
#[utoipa::path(get, path = "/api/recovery-kit", tag = "recovery", responses((status = 200, body = RecoveryKit)))]
async fn get_recovery_kit(
    State(recovery): State<RecoveryService>,
    _: CurrentUser,
) -> Result<Json<RecoveryKit>, ApiError> {
    let status = recovery.status().await?;
    Ok(Json(RecoveryKit {
        made_at: status.made_at,
        is_outdated: status.is_outdated,
    }))
}

/// Make a recovery kit and download it.
#[utoipa::path(post, path = "/api/recovery-kit", tag = "recovery", request_body = MakeRecoveryKitRequest,
    responses((status = 200, content_type = "application/octet-stream")))]
async fn make_recovery_kit(
    State(recovery): State<RecoveryService>,
    Reauthenticated(user): Reauthenticated,
    Json(request): Json<MakeRecoveryKitRequest>,
) -> Result<Response, ApiError> {
    let kit = recovery.make(&user.actor(), request.passphrase).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"flowkeep-kit.tar.age\"",
        ),
    ];
    Ok((headers, kit).into_response())
}
