//! For nginx `auth_request`: is there a session, and whose?

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::features::auth::service::AuthService;
use crate::platform::http::client::Client;

const REMOTE_USER: HeaderName = HeaderName::from_static("remote-user");
const REMOTE_NAME: HeaderName = HeaderName::from_static("remote-name");
const REMOTE_EMAIL: HeaderName = HeaderName::from_static("remote-email");
const REMOTE_GROUPS: HeaderName = HeaderName::from_static("remote-groups");
/// Every account is an administrator's.
const GROUPS: HeaderValue = HeaderValue::from_static("admins");

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
pub async fn verify(
    State(auth): State<AuthService>,
    client: Client,
    headers: HeaderMap,
) -> Response {
    let Some(session) = auth.session_of(&headers, &client) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let user = &session.user;
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.reserve(4);
    headers.insert(REMOTE_USER, user.name_header.clone());
    headers.insert(REMOTE_NAME, user.name_header.clone());
    if let Some(email) = &user.email_header {
        headers.insert(REMOTE_EMAIL, email.clone());
    }
    headers.insert(REMOTE_GROUPS, GROUPS);
    response
}
