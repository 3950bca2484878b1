//! From a tool to the login and back; and out of everything.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::features::auth::{CookieKind, CurrentUser, Transport, origin};
use crate::features::sso::cookie;
use crate::features::sso::returns::LIFETIME;
use crate::features::sso::service::{SsoService, Started, Traveller};
use crate::platform::http::client::Client;
use crate::platform::http::rate_limit::{self, Limits};
use crate::platform::http::{ApiError, ErrorBody, Json};

/// How to go on to a tool.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContinueRequest {
    /// The number in the login page's address.
    #[serde(rename = "return")]
    return_id: String,
    /// Six digits of the authenticator app, if the tool asks for them.
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
}

/// Where to go.
#[derive(Serialize, ToSchema)]
pub struct ContinueResponse {
    /// The tool's address; good to go to once.
    url: String,
}

/// How much was ended.
#[derive(Serialize, ToSchema)]
pub struct LoggedOutEverywhere {
    /// The number of sessions.
    ended: usize,
}

/// Keep where somebody wanted to go and show them the login: nginx sends whoever has no session here.
///
/// `rd` comes last and as it is; all that follows `rd=` is the address. An address that is not the tool's own is replaced by
/// the tool's front page.
#[utoipa::path(
    get,
    path = "/api/auth/sso/start",
    tag = "single sign-on",
    security(()),
    params(
        ("service" = Option<String>, Query, description = "The tool, as nginx names it"),
        ("rd" = Option<String>, Query, description = "The address that was asked for"),
    ),
    responses(
        (status = 302, description = "To the login, or to the front page if there is no such tool"),
        (status = 403, description = "`subnet_forbidden`", body = ErrorBody),
        (status = 429, description = "`rate_limited`", body = ErrorBody),
    )
)]
pub async fn start_sso(
    State(sso): State<SsoService>,
    client: Client,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let transport = Transport::of(&client, &headers);
    let browser = transport.read(CookieKind::Return, &headers).ok().flatten();
    let query = query.unwrap_or_default();
    let mut response = StatusCode::FOUND.into_response();
    let map = response.headers_mut();
    match sso.start(&query, client.ip, browser) {
        Started::Home => {
            map.insert(header::LOCATION, HeaderValue::from_static("/"));
        }
        Started::Login { id, browser } => {
            let location = format!("/login?return={}", id.expose_secret());
            if let Ok(location) = HeaderValue::from_str(&location) {
                map.insert(header::LOCATION, location);
            }
            let mark = browser.expose_secret();
            if let Some(value) = transport.store(CookieKind::Return, mark, LIFETIME) {
                map.append(header::SET_COOKIE, value);
            }
        }
    }
    response
}

/// Go on to the tool, once signed in, with a code if it asks for one.
#[utoipa::path(
    post,
    path = "/api/auth/sso/continue",
    tag = "single sign-on",
    request_body = ContinueRequest,
    responses(
        (status = 200, description = "Where to go", body = ContinueResponse),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`step_up_required`, `wrong_code` or `tool_not_allowed`", body = ErrorBody),
        (status = 409, description = "`totp_not_enabled`, `out_of_reach`, `two_cookies` or `sent_in_circles`", body = ErrorBody),
        (status = 410, description = "`return_gone`: over, used, or another browser's", body = ErrorBody),
        (status = 423, description = "`account_locked`", body = ErrorBody),
        (status = 429, description = "`rate_limited`", body = ErrorBody),
    )
)]
pub async fn continue_sso(
    State(sso): State<SsoService>,
    State(limits): State<Limits>,
    user: CurrentUser,
    client: Client,
    headers: HeaderMap,
    Json(request): Json<ContinueRequest>,
) -> Result<Response, ApiError> {
    if request.code.is_some() {
        limits
            .password
            .check(client.ip)
            .map_err(rate_limit::too_many)?;
    }
    let transport = Transport::of(&client, &headers);
    let who = Traveller {
        current: &user,
        origin: &origin(&client, &headers),
        browser: transport.read(CookieKind::Return, &headers).ok().flatten(),
        presented: cookie::read(&headers),
    };
    let onward = sso.go_on(who, &request.return_id, request.code).await?;
    let mut response = Json(ContinueResponse { url: onward.url }).into_response();
    let map = response.headers_mut();
    if let Some((domain, token, lifetime)) = onward.cookie
        && let Some(value) = cookie::store(&domain, token.expose_secret(), lifetime)
    {
        map.append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// Sign out everywhere: every session of the account is over at once, and with it every tool.
#[utoipa::path(
    post,
    path = "/api/auth/logout-everywhere",
    tag = "auth",
    responses(
        (status = 200, description = "Signed out", body = LoggedOutEverywhere),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
    )
)]
pub async fn log_out_everywhere(
    State(sso): State<SsoService>,
    user: CurrentUser,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let ended = sso.logout_everywhere(&user).await?;
    let mut response = Json(LoggedOutEverywhere { ended }).into_response();
    let map = response.headers_mut();
    let transport = Transport::of(&client, &headers);
    for kind in [CookieKind::Session, CookieKind::Return] {
        for value in transport.forget(kind) {
            map.append(header::SET_COOKIE, value);
        }
    }
    if let Some(domain) = &sso.tools().parent_domain
        && let Some(value) = cookie::forget(domain)
    {
        map.append(header::SET_COOKIE, value);
    }
    // Not "cookies": that would take those of every other site under the domain too.
    let everything = HeaderValue::from_static("\"cache\"");
    map.insert(
        header::HeaderName::from_static("clear-site-data"),
        everything,
    );
    Ok(response)
}
