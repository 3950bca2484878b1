//! The first administrator, by the link in the log.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::{LoginResponse, logged_in, origin};
use crate::features::auth::cookie::Transport;
use crate::features::auth::service::{AuthService, NewAdmin, TokenDelivery};
use crate::platform::http::client::Client;
use crate::platform::http::rate_limit::{self, Limits};
use crate::platform::http::{ApiError, ErrorBody, Json};

/// A setup link's token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckSetupRequest {
    /// What stands after `#token=` in the link.
    #[schema(value_type = String)]
    token: SecretString,
}

/// A setup link that works.
#[derive(Serialize, ToSchema)]
pub struct CheckSetupResponse {
    /// Until when it works.
    expires_at: DateTime<Utc>,
}

/// The first administrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// What stands after `#token=` in the link.
    #[schema(value_type = String)]
    token: SecretString,
    /// The name.
    username: String,
    /// The password: 12 to 128 characters, at most 72 bytes.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// The e-mail address.
    email: Option<String>,
}

/// Tell whether a setup link works.
#[utoipa::path(
    post,
    path = "/api/setup/check",
    tag = "setup",
    security(()),
    request_body = CheckSetupRequest,
    responses(
        (status = 200, description = "It works", body = CheckSetupResponse),
        (status = 401, description = "`setup_link_invalid`", body = ErrorBody),
        (status = 409, description = "`setup_complete`", body = ErrorBody),
        (status = 410, description = "`setup_link_expired`", body = ErrorBody),
        (status = 429, description = "`rate_limited`", body = ErrorBody),
    )
)]
pub async fn check_setup(
    State(auth): State<AuthService>,
    State(limits): State<Limits>,
    client: Client,
    Json(request): Json<CheckSetupRequest>,
) -> Result<Json<CheckSetupResponse>, ApiError> {
    limits
        .setup
        .check(client.ip)
        .map_err(rate_limit::too_many)?;
    let expires_at = auth.check_setup(request.token.expose_secret()).await?;
    Ok(Json(CheckSetupResponse { expires_at }))
}

/// Make the first administrator and sign in.
#[utoipa::path(
    post,
    path = "/api/setup",
    tag = "setup",
    security(()),
    request_body = SetupRequest,
    responses(
        (status = 201, description = "Made and signed in", body = LoginResponse),
        (status = 401, description = "`setup_link_invalid`", body = ErrorBody),
        (status = 409, description = "`setup_complete`", body = ErrorBody),
        (status = 410, description = "`setup_link_expired`", body = ErrorBody),
        (status = 422, description = "`invalid_input`", body = ErrorBody),
        (status = 429, description = "`rate_limited`", body = ErrorBody),
    )
)]
pub async fn set_up(
    State(auth): State<AuthService>,
    State(limits): State<Limits>,
    client: Client,
    headers: HeaderMap,
    Json(request): Json<SetupRequest>,
) -> Result<Response, ApiError> {
    limits
        .setup
        .check(client.ip)
        .map_err(rate_limit::too_many)?;
    let admin = NewAdmin {
        username: request.username,
        password: request.password,
        email: request.email,
    };
    let origin = origin(&client, &headers);
    let done = auth
        .set_up(request.token.expose_secret(), admin, &origin)
        .await?;
    let transport = Transport::of(&client, &headers);
    Ok(logged_in(
        StatusCode::CREATED,
        done,
        TokenDelivery::Cookie,
        transport,
    ))
}
