//! Who is signed in, and where.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::{Session, User, origin, second_factor, set_cookie};
use crate::features::auth::cookie::{CookieKind, Transport};
use crate::features::auth::current::CurrentUser;
use crate::features::auth::service::AuthService;
use crate::platform::http::client::Client;
use crate::platform::http::rate_limit::{self, Limits};
use crate::platform::http::{ApiError, ErrorBody, Json, Path};

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct SessionResponse {
    /// The administrator.
    user: User,
    /// The session that asks.
    session: Session,
}

/// The live sessions.
#[derive(Serialize, ToSchema)]
pub struct SessionList {
    /// Newest first.
    items: Vec<Session>,
}

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
pub struct RevokedSessions {
    /// The number.
    revoked: usize,
}

/// The password again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReauthenticateRequest {
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// Six digits of the authenticator app, if two-step sign-in is on.
    #[schema(value_type = Option<String>)]
    totp_code: Option<SecretString>,
}

/// Tell who is signed in.
#[utoipa::path(
    get,
    path = "/api/auth/session",
    tag = "auth",
    responses(
        (status = 200, description = "Signed in", body = SessionResponse),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
    )
)]
pub async fn get_session(
    State(auth): State<AuthService>,
    user: CurrentUser,
) -> Result<Json<SessionResponse>, ApiError> {
    Ok(Json(SessionResponse {
        user: auth.me(&user).await?.into(),
        session: auth.current_session(&user).into(),
    }))
}

/// List the live sessions of the account.
#[utoipa::path(
    get,
    path = "/api/auth/sessions",
    tag = "auth",
    responses(
        (status = 200, description = "The sessions", body = SessionList),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
    )
)]
pub async fn list_sessions(
    State(auth): State<AuthService>,
    user: CurrentUser,
) -> Json<SessionList> {
    let items = auth.sessions(&user).into_iter().map(Session::from);
    Json(SessionList {
        items: items.collect(),
    })
}

/// End one session at once.
#[utoipa::path(
    delete,
    path = "/api/auth/sessions/{id}",
    tag = "auth",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses(
        (status = 204, description = "It is over"),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 404, description = "`not_found`", body = ErrorBody),
    )
)]
pub async fn revoke_session(
    State(auth): State<AuthService>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    auth.revoke_session(&user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End every session but the one that asks.
#[utoipa::path(
    post,
    path = "/api/auth/sessions/revoke-others",
    tag = "auth",
    responses(
        (status = 200, description = "They are over", body = RevokedSessions),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
    )
)]
pub async fn revoke_other_sessions(
    State(auth): State<AuthService>,
    user: CurrentUser,
) -> Result<Json<RevokedSessions>, ApiError> {
    let revoked = auth.revoke_other_sessions(&user).await?;
    Ok(Json(RevokedSessions { revoked }))
}

/// Type the password again: opens the dangerous acts for ten minutes.
///
/// A browser gets a new session cookie.
#[utoipa::path(
    post,
    path = "/api/auth/reauthenticate",
    tag = "auth",
    request_body = ReauthenticateRequest,
    responses(
        (status = 200, description = "Open for ten minutes", body = Session),
        (status = 401, description = "`invalid_credentials`, `totp_required` or `unauthenticated`", body = ErrorBody),
        (status = 423, description = "`account_locked`", body = ErrorBody),
        (status = 429, description = "`rate_limited`", body = ErrorBody),
    )
)]
pub async fn reauthenticate(
    State(auth): State<AuthService>,
    State(limits): State<Limits>,
    user: CurrentUser,
    client: Client,
    headers: HeaderMap,
    Json(request): Json<ReauthenticateRequest>,
) -> Result<Response, ApiError> {
    limits
        .password
        .check(client.ip)
        .map_err(rate_limit::too_many)?;
    let factor = second_factor(request.totp_code, None);
    let origin = origin(&client, &headers);
    let (session, renewed) = auth
        .reauthenticate(&user, &request.password, &factor, &origin)
        .await?;
    let lifetime = auth.time_left(&session);
    let mut response = Json(Session::from(session)).into_response();
    if let Some(token) = renewed {
        let transport = Transport::of(&client, &headers);
        set_cookie(
            &mut response,
            transport,
            CookieKind::Session,
            &token,
            lifetime,
        );
    }
    Ok(response)
}
