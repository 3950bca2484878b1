//! The one table of routes, and the layers around them.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use super::{AppState, about, docs, gate, health, metrics};
use crate::features::sso::Verifier;
use crate::features::{
    audit, auth, backups, containers, destinations, email, flows, host, migration, n8n,
    notifications, recovery, restores, retention, schedules, settings, sso, upgrades, verification,
    watchdog,
};
use crate::platform::http::client::TrustedProxies;
use crate::platform::http::{ApiError, client, csrf, headers, rate_limit, request_log, spa};
use crate::platform::metrics::observe;

/// Largest request body in bytes.
const BODY_LIMIT_BYTES: usize = 1024 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flowkeep",
        description = "Backs n8n up, proves that the backup restores, and guards the tools beside it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(crate::platform::http::ErrorBody)),
    modifiers(&Security),
    security(("session" = []), ("token" = []))
)]
struct ApiDoc;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let cookie = ApiKeyValue::with_description(
            "__Host-flowkeep_session",
            "Set by POST /api/auth/login; over plain HTTP in a network it is `flowkeep_session`.",
        );
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// Routes that need a session, whatever their handlers say. A new feature belongs here.
fn protected() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(about::router())
        .merge(auth::router())
        .merge(audit::router())
        .merge(settings::router())
        .merge(n8n::router())
        .merge(backups::router())
        .merge(verification::router())
        .merge(containers::router())
        .merge(destinations::router())
        .merge(email::router())
        .merge(flows::router())
        .merge(host::router())
        .merge(migration::router())
        .merge(notifications::router())
        .merge(recovery::router())
        .merge(restores::router())
        .merge(retention::router())
        .merge(schedules::router())
        .merge(upgrades::router())
        .merge(sso::router())
        .merge(watchdog::router())
}

/// Routes that anybody can call, once Flowkeep is ready.
fn open() -> OpenApiRouter<AppState> {
    auth::open_router()
        .merge(notifications::open_router())
        .merge(sso::open_router())
}

/// The OpenAPI description of every route.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .merge(health::router())
        .merge(metrics::router())
        .merge(open())
        .merge(protected())
        .into_openapi();
    document.merge(sso::verify_router().into_openapi());
    document
}

/// The whole service. From the outside in: who it is, headers, log; may the address come in; is
/// there budget; does the request come from our own page; is Flowkeep ready; is there a session.
pub fn build(state: AppState) -> Router {
    let proxies = TrustedProxies::new(&state.config.http.trusted_proxies);
    let session = from_fn_with_state(state.auth.clone(), auth::require_session);
    let ready = from_fn_with_state(state.health.clone(), gate::require_ready);
    let budget = from_fn_with_state(state.limits.api.clone(), rate_limit::limit);
    let address = from_fn_with_state(state.auth.clone(), auth::require_allowed_address);
    let (protected, _) = protected().split_for_parts();
    let (open, _) = open().split_for_parts();
    // These answer by themselves who may, have no budget and do not wait for the database.
    let (metrics, _) = metrics::router().split_for_parts();
    let (health, _) = health::router().split_for_parts();
    let verifier = Verifier::new(
        state.auth.clone(),
        state.sso.clone(),
        proxies.clone(),
        &state.metrics,
    );
    let (verify, _) = sso::verify_router().with_state(verifier).split_for_parts();
    protected
        .merge(docs::router(openapi))
        .layer(session)
        .merge(open)
        .layer(ready)
        .layer(from_fn(csrf::require_same_origin))
        .layer(budget)
        .fallback(spa::serve)
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .layer(CompressionLayer::new())
        .merge(metrics)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(address)
        .merge(health.method_not_allowed_fallback(method_not_allowed))
        .layer(CatchPanicLayer::custom(|_| panicked().into_response()))
        .layer(from_fn_with_state(state.metrics.clone(), observe))
        .layer(from_fn(request_log::log))
        .layer(from_fn(headers::secure))
        .layer(from_fn_with_state(proxies, client::identify))
        .merge(verify.method_not_allowed_fallback(method_not_allowed_alone))
        .with_state(state)
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        http::StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This route does not take that method.",
    )
}

/// The same for a route without layers.
async fn method_not_allowed_alone() -> Response {
    let mut response = method_not_allowed().await.into_response();
    headers::add(response.headers_mut(), true, false);
    response
}

fn panicked() -> ApiError {
    ApiError::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong here. The log says what.",
    )
}
