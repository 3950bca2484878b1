//! `/api/containers`.

mod act;
mod list;
mod logs;
mod stats;

use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ContainerError;
use crate::app::AppState;
use crate::platform::docker::DockerError;
use crate::platform::http::{ApiError, sentence};

/// The routes of containers.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_containers))
        .routes(routes!(stats::get_container_stats))
        .routes(routes!(stats::follow_container_stats))
        .routes(routes!(logs::follow_containers_logs))
        .routes(routes!(list::get_container))
        .routes(routes!(act::start_container))
        .routes(routes!(act::stop_container))
        .routes(routes!(act::restart_container))
        .routes(routes!(act::check_container_update))
        .routes(routes!(logs::get_container_logs))
        .routes(routes!(logs::follow_container_logs))
        .routes(routes!(logs::download_container_logs))
}

impl From<ContainerError> for ApiError {
    fn from(error: ContainerError) -> Self {
        match error {
            ContainerError::NotFound => Self::not_found("container"),
            ContainerError::Own(name) => Self::conflict(
                "own_container",
                format!(
                    "Flowkeep itself runs in {name}: it cannot start, stop or restart it. Do that with docker on the \
                     machine."
                ),
            ),
            ContainerError::Held(_) => Self::conflict("n8n_held", error.to_string()),
            ContainerError::Changed(name) => Self::conflict(
                "container_changed",
                format!("{name} is another container now than when you looked. Look again, then decide."),
            ),
            ContainerError::Invalid { field, why } => Self::invalid(field, why),
            ContainerError::TooMany => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_streams",
                "Too many logs and measurements are being followed. Close some pages and try again.",
            )
            .retry_after(5),
            ContainerError::Docker(error) => refused(&error),
            ContainerError::Database(error) => error.into(),
        }
    }
}

fn refused(error: &DockerError) -> ApiError {
    let status = match error {
        DockerError::Refused { status: 409, .. } => StatusCode::CONFLICT,
        DockerError::Refused { .. } => StatusCode::BAD_GATEWAY,
        DockerError::NotFound(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let message = format!("{} {}", sentence(error), error.remedy());
    ApiError::new(status, error.code(), message).with_field("remedy", error.remedy())
}
