//! What goes over the wire.

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::features::auth::cookie::{CookieKind, Transport};
use crate::features::auth::service::{
    LoggedIn, Origin, SecondFactor, SessionView, TokenDelivery, UserView,
};
use crate::platform::crypto::token;
use crate::platform::http::Json;
use crate::platform::http::client::Client;

/// The administrator.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// The account.
    pub id: i32,
    /// Its name.
    pub username: String,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Whether signing in needs a code of the authenticator app.
    pub totp_enabled: bool,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: i64,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// When it last signed in.
    pub last_login: Option<DateTime<Utc>>,
}

impl From<UserView> for User {
    fn from(user: UserView) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            totp_enabled: user.totp_enabled,
            recovery_codes_left: user.recovery_codes_left,
            created_at: user.created_at,
            last_login: user.last_login,
        }
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// Its public name; the token is never shown again.
    pub id: Uuid,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was last used.
    pub last_seen_at: DateTime<Utc>,
    /// Where it began.
    pub ip_address: Option<String>,
    /// What began it.
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub is_current: bool,
    /// Until when dangerous acts are open.
    pub reauthenticated_until: Option<DateTime<Utc>>,
}

impl From<SessionView> for Session {
    fn from(session: SessionView) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            expires_at: session.expires_at,
            last_seen_at: session.last_seen_at,
            ip_address: session.ip_address.map(|ip| ip.to_string()),
            user_agent: session.user_agent,
            is_current: session.is_current,
            reauthenticated_until: session.reauthenticated_until,
        }
    }
}

/// The answer to a login.
#[derive(Serialize, ToSchema)]
pub struct LoginResponse {
    /// Who signed in.
    pub user: User,
    /// The new session.
    pub session: Session,
    /// The session's token if `"issue":"token"` asked for it; shown this once.
    pub token: Option<String>,
}

/// Who asks, from the request.
pub fn origin(client: &Client, headers: &HeaderMap) -> Origin {
    let device = Transport::of(client, headers).read(CookieKind::Device, headers);
    Origin {
        ip: client.ip,
        user_agent: client.user_agent.clone(),
        device_token_hash: device.ok().flatten().map(token::hash_hex),
    }
}

/// The second factor from its two fields; the code goes first.
pub fn second_factor(code: Option<SecretString>, recovery: Option<SecretString>) -> SecondFactor {
    let given = |text: SecretString| Some(text).filter(|text| !text.expose_secret().is_empty());
    match (code.and_then(given), recovery.and_then(given)) {
        (Some(code), _) => SecondFactor::Totp(code),
        (None, Some(code)) => SecondFactor::Recovery(code),
        (None, None) => SecondFactor::Missing,
    }
}

/// The answer to a login with its cookies.
pub fn logged_in(
    status: StatusCode,
    done: LoggedIn,
    delivery: TokenDelivery,
    transport: Transport,
) -> Response {
    let token = (delivery == TokenDelivery::Token).then(|| done.token.expose_secret().to_owned());
    let session = done.token;
    let body = LoginResponse {
        user: done.user.into(),
        session: done.session.into(),
        token,
    };
    let mut response = (status, Json(body)).into_response();
    if delivery == TokenDelivery::Cookie {
        set_cookie(
            &mut response,
            transport,
            CookieKind::Session,
            &session,
            done.lifetime,
        );
    }
    if let Some((token, lifetime)) = done.device_token {
        set_cookie(
            &mut response,
            transport,
            CookieKind::Device,
            &token,
            lifetime,
        );
    }
    response
}

/// Adds a `Set-Cookie` header.
pub fn set_cookie(
    response: &mut Response,
    transport: Transport,
    kind: CookieKind,
    token: &SecretString,
    lifetime: TimeDelta,
) {
    if let Some(value) = transport.store(kind, token.expose_secret(), lifetime) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
