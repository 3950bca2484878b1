//! Which addresses may come in.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::features::auth::current::{CurrentUser, Reauthenticated};
use crate::features::auth::service::{self, AuthService, SubnetChange};
use crate::platform::http::{ApiError, ErrorBody, Json, Path, Query};

/// A network that may come in.
#[derive(Serialize, ToSchema)]
pub struct Subnet {
    /// Its id.
    id: i32,
    /// The network, as in `192.168.1.0/24` or `fd00::/8`.
    cidr: String,
    /// A note.
    description: Option<String>,
    /// Whether it counts.
    enabled: bool,
    /// When it was added.
    created_at: Option<DateTime<Utc>>,
}

impl From<service::Subnet> for Subnet {
    fn from(row: service::Subnet) -> Self {
        Self {
            id: row.id,
            cidr: row.cidr,
            description: row.description,
            enabled: row.enabled == Some(true),
            created_at: row.created_at,
        }
    }
}

/// The networks that may come in.
#[derive(Serialize, ToSchema)]
pub struct SubnetList {
    /// In the order they were added; with none enabled, everybody may come in.
    items: Vec<Subnet>,
    /// Where this request came from.
    your_ip: String,
}

/// A network to be let in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddSubnetRequest {
    /// The network or one address.
    cidr: String,
    /// A note.
    description: Option<String>,
    /// Whether it counts; true if absent.
    enabled: Option<bool>,
    /// True to go on although your own address would be shut out.
    #[serde(default)]
    confirm_lockout: bool,
}

/// What of a subnet can be changed; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSubnetRequest {
    /// A note; an empty one removes it.
    description: Option<String>,
    /// Whether it counts.
    enabled: Option<bool>,
    /// True to go on although your own address would be shut out.
    #[serde(default)]
    confirm_lockout: bool,
}

/// How to remove.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemoveSubnetQuery {
    /// True to go on although your own address would be shut out.
    #[serde(default)]
    confirm_lockout: bool,
}

/// List the networks that may come in.
#[utoipa::path(
    get,
    path = "/api/auth/subnets",
    tag = "auth",
    responses(
        (status = 200, description = "The networks", body = SubnetList),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
    )
)]
pub async fn list(
    State(auth): State<AuthService>,
    user: CurrentUser,
) -> Result<Json<SubnetList>, ApiError> {
    let items = auth.subnets().await?.into_iter().map(Subnet::from);
    Ok(Json(SubnetList {
        items: items.collect(),
        your_ip: user.ip().to_string(),
    }))
}

/// Let a network in. From the first one on, everybody else is shut out.
#[utoipa::path(
    post,
    path = "/api/auth/subnets",
    tag = "auth",
    request_body = AddSubnetRequest,
    responses(
        (status = 201, description = "Added", body = Subnet),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 409, description = "`would_lock_you_out` or `subnet_exists`", body = ErrorBody),
        (status = 422, description = "`invalid_input`", body = ErrorBody),
    )
)]
pub async fn add(
    State(auth): State<AuthService>,
    user: Reauthenticated,
    Json(request): Json<AddSubnetRequest>,
) -> Result<(StatusCode, Json<Subnet>), ApiError> {
    let change = SubnetChange {
        description: request.description,
        is_enabled: request.enabled,
    };
    let added = auth
        .add_subnet(&user, &request.cidr, change, request.confirm_lockout)
        .await?;
    Ok((StatusCode::CREATED, Json(added.into())))
}

/// Change a network's note, or whether it counts.
#[utoipa::path(
    put,
    path = "/api/auth/subnets/{id}",
    tag = "auth",
    params(("id" = i32, Path, description = "The subnet's id")),
    request_body = ChangeSubnetRequest,
    responses(
        (status = 200, description = "The subnet as it is now", body = Subnet),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 404, description = "`not_found`", body = ErrorBody),
        (status = 409, description = "`would_lock_you_out`", body = ErrorBody),
    )
)]
pub async fn change(
    State(auth): State<AuthService>,
    user: Reauthenticated,
    Path(id): Path<i32>,
    Json(request): Json<ChangeSubnetRequest>,
) -> Result<Json<Subnet>, ApiError> {
    let change = SubnetChange {
        description: request.description,
        is_enabled: request.enabled,
    };
    let changed = auth
        .change_subnet(&user, id, change, request.confirm_lockout)
        .await?;
    Ok(Json(changed.into()))
}

/// Remove a network. With the last one gone, everybody may come in.
#[utoipa::path(
    delete,
    path = "/api/auth/subnets/{id}",
    tag = "auth",
    params(("id" = i32, Path, description = "The subnet's id"), RemoveSubnetQuery),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 404, description = "`not_found`", body = ErrorBody),
        (status = 409, description = "`would_lock_you_out`", body = ErrorBody),
    )
)]
pub async fn remove(
    State(auth): State<AuthService>,
    user: Reauthenticated,
    Path(id): Path<i32>,
    Query(query): Query<RemoveSubnetQuery>,
) -> Result<StatusCode, ApiError> {
    auth.delete_subnet(&user, id, query.confirm_lockout).await?;
    Ok(StatusCode::NO_CONTENT)
}
