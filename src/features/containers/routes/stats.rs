//! What containers use.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::Event;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::auth::{self, AuthService, CurrentUser};
use crate::features::containers::ContainerService;
use crate::features::containers::sampler::Sampled;
use crate::features::containers::stats::Usage;
use crate::platform::clock::Clock;
use crate::platform::http::{ApiError, Json};
use crate::platform::lifecycle::Lifecycle;

#[derive(Serialize, ToSchema)]
pub struct ContainerStats {
    /// When it was measured.
    at: DateTime<Utc>,
    /// One for each container of the project that runs.
    items: Vec<Usage>,
}

/// Measure what the containers of the project use. Takes up to two seconds.
#[utoipa::path(get, path = "/api/containers/stats", tag = "containers", responses((status = 200, body = ContainerStats)))]
pub async fn get_container_stats(
    State(containers): State<ContainerService>,
    State(clock): State<Clock>,
    _: CurrentUser,
) -> Result<Json<ContainerStats>, ApiError> {
    let items = containers.usages().await?;
    Ok(Json(ContainerStats {
        at: clock.now(),
        items,
    }))
}

/// Follow what the containers of the project use (server-sent events).
#[utoipa::path(get, path = "/api/containers/stats/live", tag = "containers",
    responses((status = 200, description = "`stats` every two seconds, the last five minutes first; `down` with code, \
        message and remedy when the engine does not answer", content_type = "text/event-stream")))]
pub async fn follow_container_stats(
    State(containers): State<ContainerService>,
    State(lifecycle): State<Lifecycle>,
    State(service): State<AuthService>,
    user: CurrentUser,
) -> Result<impl IntoResponse, ApiError> {
    let told = containers.watch_usages()?.map(|sampled| {
        let (name, json) = match sampled {
            Sampled::Stats(json) => ("stats", json),
            Sampled::Down(json) => ("down", json),
        };
        Ok::<_, Infallible>(Event::default().event(name).data(&*json))
    });
    Ok(auth::follow(told, user, service, &lifecycle))
}
