//! How refusals look in HTTP.

use http::StatusCode;

use crate::features::sso::error::SsoError;
use crate::platform::http::ApiError;

impl From<SsoError> for ApiError {
    fn from(error: SsoError) -> Self {
        let message = error.to_string();
        let forbidden = |code| Self::new(StatusCode::FORBIDDEN, code, message.clone());
        match error {
            SsoError::NoService => Self::not_found(message),
            SsoError::SlugTaken => {
                Self::conflict("slug_taken", message.clone()).with_field("slug", message)
            }
            SsoError::Invalid { field, why } => Self::invalid(field, why),
            SsoError::NoPublicUrl => Self::conflict("no_public_url", message),
            SsoError::ReturnGone => Self::new(StatusCode::GONE, "return_gone", message),
            SsoError::NotAllowed(_) => forbidden("tool_not_allowed"),
            SsoError::StepUpRequired(_) => forbidden("step_up_required"),
            SsoError::TotpMissing(_) => Self::conflict("totp_not_enabled", message),
            SsoError::OutOfReach { .. } => Self::conflict("out_of_reach", message),
            SsoError::TwoCookies => Self::conflict("two_cookies", message),
            SsoError::Loop(_) => Self::conflict("sent_in_circles", message),
            // A 401 here would say that the session is over.
            SsoError::Auth(crate::features::auth::AuthError::WrongSecondFactor) => {
                Self::new(StatusCode::FORBIDDEN, "wrong_code", message.clone())
                    .with_field("code", message)
            }
            SsoError::Auth(error) => error.into(),
            SsoError::Settings(error) => error.into(),
            SsoError::Db(error) => error.into(),
            SsoError::Listen(_) => Self::internal(&error),
        }
    }
}
