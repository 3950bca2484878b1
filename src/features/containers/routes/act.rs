//! What is done to a container.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::list::Container;
use crate::features::auth::CurrentUser;
use crate::features::containers::ContainerService;
use crate::features::containers::service::Verb;
use crate::features::containers::updates::Update;
use crate::platform::http::{ApiError, Json, Path, Query};

/// Which container is meant.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ActQuery {
    /// The id that was seen under the name: if another container has the name by now, nothing is done.
    id: Option<String>,
}

/// How an update is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UpdateQuery {
    /// Ask the registry even if it was asked in the last hours.
    refresh: Option<bool>,
}

async fn act(
    containers: &ContainerService,
    user: &CurrentUser,
    verb: Verb,
    name: &str,
    query: &ActQuery,
) -> Result<Json<Container>, ApiError> {
    let after = containers
        .act(&user.actor(), verb, name, query.id.as_deref())
        .await?;
    Ok(Json(Container::of(containers, &after)))
}

/// Start a container. One that runs already is fine.
#[utoipa::path(post, path = "/api/containers/{name}/start", tag = "containers", params(("name" = String, Path,), ActQuery),
    responses((status = 200, body = Container)))]
pub async fn start_container(
    State(containers): State<ContainerService>,
    user: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<ActQuery>,
) -> Result<Json<Container>, ApiError> {
    act(&containers, &user, Verb::Start, &name, &query).await
}

/// Stop a container: it is asked to end, and killed after its own time for that.
#[utoipa::path(post, path = "/api/containers/{name}/stop", tag = "containers", params(("name" = String, Path,), ActQuery),
    responses((status = 200, body = Container)))]
pub async fn stop_container(
    State(containers): State<ContainerService>,
    user: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<ActQuery>,
) -> Result<Json<Container>, ApiError> {
    act(&containers, &user, Verb::Stop, &name, &query).await
}

/// Stop a container and start it again.
#[utoipa::path(post, path = "/api/containers/{name}/restart", tag = "containers", params(("name" = String, Path,), ActQuery),
    responses((status = 200, body = Container)))]
pub async fn restart_container(
    State(containers): State<ContainerService>,
    user: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<ActQuery>,
) -> Result<Json<Container>, ApiError> {
    act(&containers, &user, Verb::Restart, &name, &query).await
}

/// Ask the registry of a container's image whether it has another one.
#[utoipa::path(get, path = "/api/containers/{name}/update", tag = "containers",
    params(("name" = String, Path,), UpdateQuery), responses((status = 200, body = Update)))]
pub async fn check_container_update(
    State(containers): State<ContainerService>,
    _: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<UpdateQuery>,
) -> Result<Json<Update>, ApiError> {
    let is_fresh = query.refresh.unwrap_or(false);
    Ok(Json(containers.update_of(&name, is_fresh).await?))
}
