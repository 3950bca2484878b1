//! How refusals look in HTTP.

use http::StatusCode;

use crate::features::auth::error::AuthError;
use crate::platform::http::ApiError;

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        let unauthorized = |code| Self::new(StatusCode::UNAUTHORIZED, code, message.clone());
        match error {
            AuthError::InvalidCredentials => unauthorized("invalid_credentials"),
            AuthError::WrongSecondFactor => {
                unauthorized("invalid_credentials").with_field("totp_code", message)
            }
            AuthError::TotpRequired => unauthorized("totp_required"),
            AuthError::Locked {
                retry_after_seconds,
            } => Self::new(StatusCode::LOCKED, "account_locked", message)
                .retry_after(retry_after_seconds),
            AuthError::Busy => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(5)
            }
            AuthError::Invalid { field, why } => Self::invalid(field, why),
            AuthError::SetupComplete => Self::conflict("setup_complete", message),
            AuthError::SetupLinkInvalid => unauthorized("setup_link_invalid"),
            AuthError::SetupLinkExpired => {
                Self::new(StatusCode::GONE, "setup_link_expired", message)
            }
            AuthError::NotFound(what) => Self::not_found(what),
            AuthError::WouldLockYouOut { ip } => {
                Self::conflict("would_lock_you_out", message).with_field("your_ip", ip.to_string())
            }
            AuthError::SubnetExists(_) => {
                Self::conflict("subnet_exists", message.clone()).with_field("cidr", message)
            }
            AuthError::TotpAlreadyEnabled => Self::conflict("totp_already_enabled", message),
            AuthError::TotpNotEnabled => Self::conflict("totp_not_enabled", message),
            AuthError::TotpNotPending => Self::conflict("totp_not_pending", message),
            AuthError::Hash(_)
            | AuthError::Vault(_)
            | AuthError::Totp(_)
            | AuthError::Interrupted(_)
            | AuthError::Listen(_) => Self::internal(&error),
            AuthError::Db(error) => error.into(),
        }
    }
}
