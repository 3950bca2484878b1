//! The two layers in front of the API: who may come in at all, and who is signed in.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::features::auth::service::AuthService;
use crate::platform::http::ApiError;
use crate::platform::http::client::Client;

/// Middleware: turns away addresses outside the allowed subnets.
pub async fn require_allowed_address(
    State(auth): State<AuthService>,
    client: Client,
    request: Request,
    next: Next,
) -> Response {
    if auth.allows_address(client.ip) {
        return next.run(request).await;
    }
    forbidden_address().into_response()
}

/// The answer to an address outside the allowed subnets.
pub fn forbidden_address() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "subnet_forbidden",
        "Your address may not use Flowkeep. An administrator can allow its subnet.",
    )
}

/// Middleware: demands a session of every route behind it, whatever its handler says, and tells
/// the handler whose it is.
pub async fn require_session(
    State(auth): State<AuthService>,
    client: Client,
    mut request: Request,
    next: Next,
) -> Response {
    match auth.authenticate(request.headers(), &client) {
        Some(user) => {
            request.extensions_mut().insert(user);
            next.run(request).await
        }
        None => ApiError::unauthenticated().into_response(),
    }
}
