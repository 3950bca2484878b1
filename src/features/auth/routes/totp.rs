//! The second factor.

use axum::extract::State;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::features::auth::current::{CurrentUser, Reauthenticated};
use crate::features::auth::service::AuthService;
use crate::platform::http::client::Client;
use crate::platform::http::rate_limit::{self, Limits};
use crate::platform::http::{ApiError, ErrorBody, Json};

/// What the authenticator app needs.
#[derive(Serialize, ToSchema)]
pub struct TotpSetup {
    /// The secret for typing it in; shown this once.
    secret: String,
    /// The same as an `otpauth://` link.
    otpauth_uri: String,
    /// The link as a picture.
    qr_svg: String,
}

/// The first code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnableTotpRequest {
    /// Six digits of the authenticator app.
    #[schema(value_type = String)]
    code: SecretString,
}

/// Codes for when the app is lost.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Ten codes, each good once; shown this once.
    recovery_codes: Vec<String>,
}

impl RecoveryCodes {
    fn new(codes: &[SecretString]) -> Self {
        Self {
            recovery_codes: codes
                .iter()
                .map(|code| code.expose_secret().to_owned())
                .collect(),
        }
    }
}

/// Begin to set two-step sign-in up.
#[utoipa::path(
    post,
    path = "/api/auth/totp/setup",
    tag = "auth",
    responses(
        (status = 200, description = "For the authenticator app", body = TotpSetup),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 409, description = "`totp_already_enabled`", body = ErrorBody),
    )
)]
pub async fn start(
    State(auth): State<AuthService>,
    user: Reauthenticated,
) -> Result<Json<TotpSetup>, ApiError> {
    let shown = auth.start_totp(&user).await?;
    Ok(Json(TotpSetup {
        secret: shown.secret.expose_secret().to_owned(),
        otpauth_uri: shown.otpauth_uri.expose_secret().to_owned(),
        qr_svg: shown.qr_svg.expose_secret().to_owned(),
    }))
}

/// Turn two-step sign-in on with the app's first code. Every other session ends.
#[utoipa::path(
    post,
    path = "/api/auth/totp/enable",
    tag = "auth",
    request_body = EnableTotpRequest,
    responses(
        (status = 200, description = "It is on", body = RecoveryCodes),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 409, description = "`totp_not_pending` or `totp_already_enabled`", body = ErrorBody),
        (status = 422, description = "`invalid_input`: not the code of this moment", body = ErrorBody),
        (status = 429, description = "`rate_limited`", body = ErrorBody),
    )
)]
pub async fn enable(
    State(auth): State<AuthService>,
    State(limits): State<Limits>,
    user: CurrentUser,
    client: Client,
    Json(request): Json<EnableTotpRequest>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    limits
        .password
        .check(client.ip)
        .map_err(rate_limit::too_many)?;
    let codes = auth.enable_totp(&user, &request.code).await?;
    Ok(Json(RecoveryCodes::new(&codes)))
}

/// Turn two-step sign-in off. Every other session ends.
#[utoipa::path(
    post,
    path = "/api/auth/totp/disable",
    tag = "auth",
    responses(
        (status = 204, description = "It is off"),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 409, description = "`totp_not_enabled`", body = ErrorBody),
    )
)]
pub async fn disable(
    State(auth): State<AuthService>,
    user: Reauthenticated,
) -> Result<StatusCode, ApiError> {
    auth.disable_totp(&user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace the recovery codes: the old ones stop working.
#[utoipa::path(
    post,
    path = "/api/auth/totp/recovery-codes",
    tag = "auth",
    responses(
        (status = 200, description = "The new codes", body = RecoveryCodes),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 409, description = "`totp_not_enabled`", body = ErrorBody),
    )
)]
pub async fn renew_recovery_codes(
    State(auth): State<AuthService>,
    user: Reauthenticated,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let codes = auth.renew_recovery_codes(&user).await?;
    Ok(Json(RecoveryCodes::new(&codes)))
}
