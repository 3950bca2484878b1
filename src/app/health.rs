//! `GET /api/health`: whether the daemon lives, whether it is ready, and the state of each part.

use std::collections::BTreeMap;

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use crate::features::auth::AuthService;
use crate::platform::health::{HealthRegistry, PartHealth, PartStatus};
use crate::platform::http::Json;

/// The part without which nothing but `/api/health` answers.
pub const DATABASE: &str = "database";

/// How the whole is doing.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HealthStatus {
    /// Everything works.
    Ok,
    /// It does not answer requests yet.
    Starting,
    /// It answers, but some part does not work.
    Degraded,
    /// It will not become ready by itself; the parts say what to do.
    Failed,
}

#[derive(Serialize, ToSchema)]
struct Health {
    status: HealthStatus,
    is_live: bool,
    is_ready: bool,
    version: &'static str,
    /// Whether the first administrator is still to be made, by the link in the log.
    setup_required: bool,
    parts: BTreeMap<&'static str, PartHealth>,
}

/// The health route.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_health))
}

/// Tell how Flowkeep and each of its parts are doing.
#[utoipa::path(
    get,
    path = "/api/health",
    tag = "health",
    security(()),
    responses((status = 200, description = "Ready", body = Health), (status = 503, description = "Not ready yet", body = Health))
)]
async fn get_health(
    State(health): State<HealthRegistry>,
    State(auth): State<AuthService>,
) -> (StatusCode, Json<Health>) {
    let is_ready = health.is_ok(DATABASE);
    let parts = health.parts();
    let is_failed = parts.values().any(|part| part.status == PartStatus::Failed);
    let status = if is_failed {
        HealthStatus::Failed
    } else if !is_ready {
        HealthStatus::Starting
    } else if parts.values().all(|part| part.status == PartStatus::Ok) {
        HealthStatus::Ok
    } else {
        HealthStatus::Degraded
    };
    let code = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let version = env!("CARGO_PKG_VERSION");
    (
        code,
        Json(Health {
            status,
            is_live: true,
            is_ready,
            version,
            setup_required: auth.is_setup_required(),
            parts,
        }),
    )
}
