//! `GET /api/openapi.json` and `/api/docs`, which shows it, for whoever is signed in.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::AppState;

const DOCUMENT: &str = "/api/openapi.json";

/// The routes, for this description. It is made when somebody first asks: most never do, and it takes megabytes
/// to make.
pub fn router(describe: fn() -> OpenApi) -> Router<AppState> {
    let page = SwaggerUi::new("/api/docs").config(
        Config::from(DOCUMENT)
            .default_models_expand_depth(0)
            .try_it_out_enabled(true)
            .validator_url("none"),
    );
    let document = get(async move |State(json): State<Arc<OnceLock<Bytes>>>| {
        // It is made of maps and strings alone, which always have a JSON form.
        let make = || Bytes::from(serde_json::to_vec(&describe()).unwrap_or_default());
        let json = json.get_or_init(make).clone();
        let kind = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, kind)], json).into_response()
    });
    Router::from(page)
        .layer(from_fn(revalidate))
        .merge(Router::new().route(DOCUMENT, document.with_state(Arc::default())))
}

/// Middleware: the page's own files are the same for a whole version; they need not be fetched
/// anew each time, as answers of the API must be.
async fn revalidate(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status().is_success() {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}
