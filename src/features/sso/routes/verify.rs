//! For nginx `auth_request`: may this request pass to that tool, and who is it?

use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::features::auth::{AuthService, forbidden_address};
use crate::features::sso::memory::LiveService;
use crate::features::sso::service::{SsoService, Verdict};
use crate::platform::http::client::{TrustedProxies, peer};
use crate::platform::http::headers;
use crate::platform::metrics::{Metrics, RouteMetrics};

/// Where it is asked.
pub const PATH: &str = "/api/auth/verify";

const REMOTE_USER: HeaderName = HeaderName::from_static("remote-user");
const REMOTE_NAME: HeaderName = HeaderName::from_static("remote-name");
const REMOTE_EMAIL: HeaderName = HeaderName::from_static("remote-email");
const REMOTE_FILTER: HeaderName = HeaderName::from_static("remote-filter");
const REMOTE_ROLES: HeaderName = HeaderName::from_static("remote-roles");
const REMOTE_GROUPS: HeaderName = HeaderName::from_static("remote-groups");
/// Every account is an administrator's.
const GROUPS: HeaderValue = HeaderValue::from_static("admins");

/// What the answer is made from. nginx asks for each request of each guarded tool, so this route
/// stands outside the layers of the others and does what they do in one go.
#[derive(Clone)]
pub struct Verifier {
    auth: AuthService,
    sso: SsoService,
    proxies: TrustedProxies,
    metrics: RouteMetrics,
}

impl Verifier {
    /// Everything that one answer needs.
    pub fn new(
        auth: AuthService,
        sso: SsoService,
        proxies: TrustedProxies,
        metrics: &Metrics,
    ) -> Self {
        Self {
            metrics: metrics.of_route("GET", PATH, &[200, 401, 403]),
            auth,
            sso,
            proxies,
        }
    }

    fn answer(&self, request: &Request) -> Response {
        let headers = request.headers();
        // Of an address that cannot be read nobody knows whether it may come in: as if nobody were signed in.
        let Ok(client) = self.proxies.client_without_agent(peer(request), headers) else {
            return with_headers(StatusCode::UNAUTHORIZED.into_response(), false);
        };
        if !self.auth.allows_address(client.ip) {
            return with_headers(forbidden_address().into_response(), client.is_https);
        }
        let refused = |status: StatusCode| with_headers(status.into_response(), client.is_https);
        let Ok(service) = service_of(request.uri().query()) else {
            return refused(StatusCode::FORBIDDEN);
        };
        let (session, service) = match self.sso.verdict(service, headers, &client) {
            Verdict::Allowed(session, service) => (session, service),
            Verdict::SignedOut | Verdict::StepUpRequired => {
                return refused(StatusCode::UNAUTHORIZED);
            }
            Verdict::NotAllowed => return refused(StatusCode::FORBIDDEN),
        };
        if let Some(service) = &service {
            self.sso.note_visit(service, &session, &client, headers);
        }
        let mut response = StatusCode::OK.into_response();
        let user = &session.user;
        let headers = response.headers_mut();
        headers.reserve(16);
        if let Some(service) = &service {
            add_rights(headers, service);
        }
        headers.insert(REMOTE_USER, user.name_header.clone());
        headers.insert(REMOTE_NAME, user.name_header.clone());
        if let Some(email) = &user.email_header {
            headers.insert(REMOTE_EMAIL, email.clone());
        }
        headers.insert(REMOTE_GROUPS, GROUPS);
        with_headers(response, client.is_https)
    }
}

/// What Dozzle may do and show. Said always: what is not said Dozzle takes for everything.
fn add_rights(headers: &mut HeaderMap, service: &LiveService) {
    headers.insert(REMOTE_ROLES, service.roles_header.clone());
    if let Some(filter) = &service.filter_header {
        headers.insert(REMOTE_FILTER, filter.clone());
    }
}

/// The tool that nginx names: exactly `service=SLUG` and nothing else. What is mistyped there must not fall back to the
/// rule of no tool, which asks for less (CVE-2026-48794).
fn service_of(query: Option<&str>) -> Result<Option<&str>, ()> {
    match query {
        None | Some("") => Ok(None),
        Some(query) => query.strip_prefix("service=").map(Some).ok_or(()),
    }
}

fn with_headers(mut response: Response, is_https: bool) -> Response {
    let map: &mut HeaderMap = response.headers_mut();
    headers::add(map, true, is_https);
    response
}

/// Tell whether the request may pass, for nginx `auth_request`.
///
/// Without `service` any live session may. With it that tool's rule counts: whether it is on, and whether it wants a code.
/// Answers 200 with `Remote-User`, `Remote-Name`, `Remote-Email` and `Remote-Groups`, for a tool also `Remote-Roles` and
/// `Remote-Filter`; or 401 or 403 with nothing: never a redirect, and never an error of its own, which nginx would turn
/// into a 500.
#[utoipa::path(
    get,
    path = "/api/auth/verify",
    tag = "auth",
    security(()),
    params(("service" = Option<String>, Query, description = "The tool, as nginx names it")),
    responses(
        (
            status = 200,
            description = "A live session",
            headers(
                ("Remote-User" = String, description = "The user name"),
                ("Remote-Name" = String, description = "The user name"),
                ("Remote-Email" = String, description = "The e-mail address, if there is one"),
                ("Remote-Groups" = String, description = "`admins`"),
                ("Remote-Roles" = String, description = "For a tool: Dozzle's rights, `none` if none were given"),
                ("Remote-Filter" = String, description = "For a tool: Dozzle's filter of containers, if there is one"),
            )
        ),
        (status = 401, description = "No session, or it is over, revoked or malformed; or the tool wants a code; or the proxy sends an address that is none"),
        (status = 403, description = "No such tool, it is off, or the address is in no allowed subnet"),
    )
)]
pub async fn verify(State(verifier): State<Verifier>, request: Request) -> Response {
    let started = Instant::now();
    let response = verifier.answer(&request);
    let status = response.status().as_u16();
    verifier.metrics.observe(status, started.elapsed());
    response
}
