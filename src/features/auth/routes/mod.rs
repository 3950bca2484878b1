//! The HTTP side: thin handlers, one file for each part of the contract.

mod account;
mod error;
mod guard;
mod login;
mod sessions;
mod setup;
mod verify;
mod wire;

use axum::extract::FromRef;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::service::AuthService;
use crate::platform::http::rate_limit::IpLimiter;

pub use guard::{require_allowed_address, require_session};

/// Attempts a minute for each client address, on the routes that check a secret.
#[derive(Clone)]
pub struct SecretLimits {
    /// `POST /api/auth/login`.
    pub login: IpLimiter,
    /// The routes that check the password of somebody who is signed in.
    pub password: IpLimiter,
    /// The routes of the setup link.
    pub setup: IpLimiter,
}

/// Routes that work without a session: everything here is reachable by anybody.
pub fn open_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    AuthService: FromRef<S>,
    SecretLimits: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(login::log_in))
        .routes(routes!(setup::check_setup))
        .routes(routes!(setup::set_up))
}

/// `GET /api/auth/verify`, which answers 401 by itself.
pub fn verify_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    AuthService: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(verify::verify))
}

/// Routes for whoever is signed in.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    AuthService: FromRef<S>,
    SecretLimits: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(login::log_out))
        .routes(routes!(sessions::get_session))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::revoke_session))
        .routes(routes!(sessions::revoke_other_sessions))
        .routes(routes!(sessions::reauthenticate))
        .routes(routes!(account::change_password))
        .routes(routes!(account::change_profile))
}
