//! The one table of routes, and the layers around them.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{AppState, gate, health};
use crate::features::{audit, auth, settings};
use crate::platform::http::client::TrustedProxies;
use crate::platform::http::{ApiError, client, csrf, headers, rate_limit, request_log, spa};

/// Largest request body in bytes.
const BODY_LIMIT_BYTES: usize = 1024 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flowkeep",
        description = "Backs n8n up, proves that the backup restores, and guards the tools beside it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(crate::platform::http::ErrorBody))
)]
struct ApiDoc;

/// Every route of the API. What is merged into `protected` needs a session, whatever its handler
/// says; `open` and the two beside it are the only exceptions.
fn api(state: &AppState) -> OpenApiRouter<AppState> {
    let protected = OpenApiRouter::new()
        .merge(auth::router())
        .merge(audit::router())
        .merge(settings::router())
        .layer(from_fn_with_state(
            state.auth.clone(),
            auth::require_session,
        ));
    let open = auth::open_router();
    let limited = protected
        .merge(open)
        .layer(from_fn_with_state(
            state.health.clone(),
            gate::require_ready,
        ))
        .layer(from_fn_with_state(
            state.limits.api.clone(),
            rate_limit::limit,
        ));
    // Asked by programs, and often: no budget, and answers of their own while Flowkeep starts.
    let verify = auth::verify_router();
    OpenApiRouter::with_openapi(ApiDoc::openapi())
        .merge(limited)
        .merge(verify)
        .layer(from_fn_with_state(
            state.auth.clone(),
            auth::require_allowed_address,
        ))
        .merge(health::router())
}

/// The OpenAPI description of every route.
pub fn openapi(state: &AppState) -> utoipa::openapi::OpenApi {
    api(state).split_for_parts().1
}

/// The whole service.
pub fn build(state: AppState) -> Router {
    let proxies = TrustedProxies::new(&state.config.http.trusted_proxies);
    let (api, _) = api(&state).split_for_parts();
    api.method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(csrf::require_same_origin))
        .fallback_service(interface(&state))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(|_| panicked().into_response()))
        .layer(from_fn(request_log::log))
        .layer(from_fn(headers::secure))
        .layer(from_fn_with_state(proxies, client::identify))
        .with_state(state)
}

/// The browser interface, for addresses that may come in.
fn interface(state: &AppState) -> Router {
    Router::new().fallback(spa::serve).layer(from_fn_with_state(
        state.auth.clone(),
        auth::require_allowed_address,
    ))
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        http::StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This route does not take that method.",
    )
}

fn panicked() -> ApiError {
    ApiError::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong here. The log says what.",
    )
}
