//! The HTTP side: thin handlers, one file for each part of the contract.

mod error;
mod flow;
mod services;
mod verify;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::AppState;

pub use verify::Verifier;

/// Routes that work without a session: everything here is reachable by anybody.
pub fn open_router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(flow::start_sso))
}

/// `GET /api/auth/verify`, which needs no layer around it.
pub fn verify_router() -> OpenApiRouter<Verifier> {
    OpenApiRouter::new().routes(routes!(verify::verify))
}

/// Routes for whoever is signed in.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(flow::continue_sso))
        .routes(routes!(flow::log_out_everywhere))
        .routes(routes!(services::get_sso))
        .routes(routes!(services::set_parent_domain))
        .routes(routes!(services::add_service))
        .routes(routes!(services::change_service, services::remove_service))
        .routes(routes!(services::get_nginx_files))
        .routes(routes!(services::try_service))
}
