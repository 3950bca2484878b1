//! The account of whoever is signed in.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{User, origin};
use crate::features::auth::current::CurrentUser;
use crate::features::auth::service::AuthService;
use crate::platform::http::client::Client;
use crate::platform::http::rate_limit::{self, Limits};
use crate::platform::http::{ApiError, ErrorBody, Json};

/// The old password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    /// The password as it is.
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// The password as it shall be: 12 to 128 characters, at most 72 bytes.
    #[schema(value_type = String, format = Password)]
    new_password: SecretString,
}

/// What of the profile can be changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeProfileRequest {
    /// The e-mail address; null removes it.
    email: Option<String>,
}

/// Change the password. Every other session ends.
#[utoipa::path(
    put,
    path = "/api/auth/password",
    tag = "auth",
    request_body = ChangePasswordRequest,
    responses(
        (status = 204, description = "Changed"),
        (status = 401, description = "`invalid_credentials` or `unauthenticated`", body = ErrorBody),
        (status = 422, description = "`invalid_input`: too short, too long or well known", body = ErrorBody),
        (status = 423, description = "`account_locked`", body = ErrorBody),
        (status = 429, description = "`rate_limited`", body = ErrorBody),
    )
)]
pub async fn change_password(
    State(auth): State<AuthService>,
    State(limits): State<Limits>,
    user: CurrentUser,
    client: Client,
    headers: HeaderMap,
    Json(request): Json<ChangePasswordRequest>,
) -> Result<StatusCode, ApiError> {
    limits
        .password
        .check(client.ip)
        .map_err(rate_limit::too_many)?;
    let origin = origin(&client, &headers);
    auth.change_password(
        &user,
        &request.current_password,
        &request.new_password,
        &origin,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change the profile.
#[utoipa::path(
    put,
    path = "/api/auth/profile",
    tag = "auth",
    request_body = ChangeProfileRequest,
    responses(
        (status = 200, description = "The profile as it is now", body = User),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 422, description = "`invalid_input`", body = ErrorBody),
    )
)]
pub async fn change_profile(
    State(auth): State<AuthService>,
    user: CurrentUser,
    Json(request): Json<ChangeProfileRequest>,
) -> Result<Json<User>, ApiError> {
    let changed = auth.change_email(&user, request.email.as_deref()).await?;
    Ok(Json(changed.into()))
}
