//! The HTTP side: thin handlers, one file for each part of the contract.

mod account;
mod error;
mod guard;
mod live;
mod login;
mod sessions;
mod setup;
mod subnets;
mod totp;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::AppState;

pub use guard::{forbidden_address, require_allowed_address, require_session};
pub use live::follow;
pub use wire::origin;

/// Routes that work without a session: everything here is reachable by anybody.
pub fn open_router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(login::log_in))
        .routes(routes!(setup::check_setup))
        .routes(routes!(setup::set_up))
}

/// Routes for whoever is signed in.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(login::log_out))
        .routes(routes!(sessions::get_session))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::revoke_session))
        .routes(routes!(sessions::revoke_other_sessions))
        .routes(routes!(sessions::reauthenticate))
        .routes(routes!(account::change_password))
        .routes(routes!(account::change_profile))
        .routes(routes!(totp::start))
        .routes(routes!(totp::enable))
        .routes(routes!(totp::disable))
        .routes(routes!(totp::renew_recovery_codes))
        .routes(routes!(subnets::list, subnets::add))
        .routes(routes!(subnets::change, subnets::remove))
}
