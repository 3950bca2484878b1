//! `GET /metrics`: for Prometheus, with the token of `FLOWKEEP_METRICS_TOKEN_FILE`, and for whoever
//! is signed in.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::AppState;
use crate::features::auth::AuthService;
use crate::platform::config::Config;
use crate::platform::crypto::token;
use crate::platform::http::client::Client;
use crate::platform::http::{ApiError, ErrorBody};
use crate::platform::metrics::{CONTENT_TYPE, Metrics};

/// Fewest characters of a token: an empty file must not open the door.
const MIN_TOKEN_CHARS: usize = 16;

/// The metrics route.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_metrics))
}

/// Metrics for Prometheus, as OpenMetrics text.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text"),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
    )
)]
async fn get_metrics(
    State(auth): State<AuthService>,
    State(config): State<Arc<Config>>,
    State(metrics): State<Metrics>,
    client: Client,
    headers: HeaderMap,
) -> Result<([(header::HeaderName, &'static str); 1], String), ApiError> {
    let file = config.http.metrics_token_file.as_deref();
    let is_allowed = auth.authenticate(&headers, &client).is_some()
        || file.is_some_and(|file| presents_token(&headers, file));
    if !is_allowed {
        return Err(ApiError::unauthenticated());
    }
    let text = metrics
        .encode()
        .map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}

/// Whether the request carries the token in the file. The file is read each time, so that it can
/// be replaced; what cannot be read lets nobody in.
fn presents_token(headers: &HeaderMap, file: &Path) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(given) = given else {
        return false;
    };
    let wanted = match std::fs::read_to_string(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            tracing::error!(file = %file.display(), %error, "FLOWKEEP_METRICS_TOKEN_FILE");
            return false;
        }
    };
    let wanted = wanted.trim();
    if wanted.len() < MIN_TOKEN_CHARS {
        tracing::error!("FLOWKEEP_METRICS_TOKEN_FILE: use at least {MIN_TOKEN_CHARS} characters");
        return false;
    }
    token::digest(given).ct_eq(&token::digest(wanted)).into()
}
