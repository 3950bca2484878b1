//! In and out.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{LoginResponse, logged_in, origin, second_factor};
use crate::features::auth::cookie::{CookieKind, Transport};
use crate::features::auth::current::CurrentUser;
use crate::features::auth::service::{AuthService, LoginAttempt, TokenDelivery};
use crate::platform::http::client::Client;
use crate::platform::http::rate_limit::{self, Limits};
use crate::platform::http::{ApiError, ErrorBody, Json};

/// How the token is wanted.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Issue {
    /// In an `HttpOnly` cookie, for browsers.
    #[default]
    Cookie,
    /// In the answer, for programs that send `Authorization: Bearer`.
    Token,
}

/// What the login page sends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The name; capitals do not matter.
    username: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// Six digits of the authenticator app, if two-step sign-in is on.
    #[schema(value_type = Option<String>)]
    totp_code: Option<SecretString>,
    /// One of the recovery codes, in place of the digits.
    #[schema(value_type = Option<String>)]
    recovery_code: Option<SecretString>,
    /// How the token is wanted; a cookie if absent.
    #[serde(default)]
    issue: Issue,
}

/// Sign in.
///
/// Unknown names and wrong passwords are answered alike. After five failures in a row the account
/// rests for a minute, then two, at most fifteen; browsers that signed in before are not affected.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "auth",
    security(()),
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Signed in", body = LoginResponse),
        (status = 401, description = "`invalid_credentials`, or `totp_required`", body = ErrorBody),
        (status = 422, description = "`invalid_input`", body = ErrorBody),
        (status = 423, description = "`account_locked`", body = ErrorBody),
        (status = 429, description = "`rate_limited`", body = ErrorBody),
    )
)]
pub async fn log_in(
    State(auth): State<AuthService>,
    State(limits): State<Limits>,
    client: Client,
    headers: HeaderMap,
    Json(request): Json<LoginRequest>,
) -> Result<Response, ApiError> {
    limits
        .login
        .check(client.ip)
        .map_err(rate_limit::too_many)?;
    let delivery = match request.issue {
        Issue::Cookie => TokenDelivery::Cookie,
        Issue::Token => TokenDelivery::Token,
    };
    let attempt = LoginAttempt {
        username: request.username,
        password: request.password,
        second_factor: second_factor(request.totp_code, request.recovery_code),
        delivery,
    };
    let previous = match delivery {
        TokenDelivery::Cookie => auth.authenticate(&headers, &client),
        TokenDelivery::Token => None,
    };
    let origin = origin(&client, &headers);
    let done = auth.login(attempt, &origin, previous.as_ref()).await?;
    let transport = Transport::of(&client, &headers);
    Ok(logged_in(StatusCode::OK, done, delivery, transport))
}

/// Sign out: the session is over at once.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "auth",
    responses(
        (status = 204, description = "Signed out"),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
    )
)]
pub async fn log_out(
    State(auth): State<AuthService>,
    user: CurrentUser,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    auth.logout(&user).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    for value in Transport::of(&client, &headers).forget(CookieKind::Session) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}
