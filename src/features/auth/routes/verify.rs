//! For nginx `auth_request`: is there a session, and whose?

use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::guard;
use crate::features::auth::service::AuthService;
use crate::platform::http::client::{TrustedProxies, peer};
use crate::platform::http::headers;
use crate::platform::metrics::{Metrics, RouteMetrics};

/// Where it is asked.
pub const PATH: &str = "/api/auth/verify";

const REMOTE_USER: HeaderName = HeaderName::from_static("remote-user");
const REMOTE_NAME: HeaderName = HeaderName::from_static("remote-name");
const REMOTE_EMAIL: HeaderName = HeaderName::from_static("remote-email");
const REMOTE_GROUPS: HeaderName = HeaderName::from_static("remote-groups");
/// Every account is an administrator's.
const GROUPS: HeaderValue = HeaderValue::from_static("admins");

/// What the answer is made from. nginx asks for each request of each guarded tool, so this route
/// stands outside the layers of the others and does what they do in one go.
#[derive(Clone)]
pub struct Verifier {
    auth: AuthService,
    proxies: TrustedProxies,
    metrics: RouteMetrics,
}

impl Verifier {
    /// Everything that one answer needs.
    pub fn new(auth: AuthService, proxies: TrustedProxies, metrics: &Metrics) -> Self {
        Self {
            metrics: metrics.of_route("GET", PATH, &[200, 400, 401, 403]),
            auth,
            proxies,
        }
    }

    fn answer(&self, request: &Request) -> Response {
        let headers = request.headers();
        let client = match self.proxies.client_without_agent(peer(request), headers) {
            Ok(client) => client,
            Err(error) => return with_headers(error.into_response(), false),
        };
        if !self.auth.allows_address(client.ip) {
            return with_headers(guard::forbidden_address().into_response(), client.is_https);
        }
        let Some(session) = self.auth.session_of(headers, &client) else {
            return with_headers(StatusCode::UNAUTHORIZED.into_response(), client.is_https);
        };
        let mut response = StatusCode::OK.into_response();
        let user = &session.user;
        let headers = response.headers_mut();
        headers.reserve(16);
        headers.insert(REMOTE_USER, user.name_header.clone());
        headers.insert(REMOTE_NAME, user.name_header.clone());
        if let Some(email) = &user.email_header {
            headers.insert(REMOTE_EMAIL, email.clone());
        }
        headers.insert(REMOTE_GROUPS, GROUPS);
        with_headers(response, client.is_https)
    }
}

fn with_headers(mut response: Response, is_https: bool) -> Response {
    let map: &mut HeaderMap = response.headers_mut();
    headers::add(map, true, is_https);
    response
}

/// Tell whether the request has a live session, for nginx `auth_request`.
///
/// Answers 200 with `Remote-User`, `Remote-Name`, `Remote-Email` and `Remote-Groups`, or 401 with
/// nothing: never a redirect, and never an error of its own, which nginx would turn into a 500.
#[utoipa::path(
    get,
    path = "/api/auth/verify",
    tag = "auth",
    security(()),
    responses(
        (
            status = 200,
            description = "A live session",
            headers(
                ("Remote-User" = String, description = "The user name"),
                ("Remote-Name" = String, description = "The user name"),
                ("Remote-Email" = String, description = "The e-mail address, if there is one"),
                ("Remote-Groups" = String, description = "`admins`"),
            )
        ),
        (status = 401, description = "No session, or it is over, revoked or malformed"),
        (status = 403, description = "The address is in no allowed subnet"),
    )
)]
pub async fn verify(State(verifier): State<Verifier>, request: Request) -> Response {
    let started = Instant::now();
    let response = verifier.answer(&request);
    let status = response.status().as_u16();
    verifier.metrics.observe(status, started.elapsed());
    response
}
