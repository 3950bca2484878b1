//! The browser interface, compiled in.
//!
//! Hashed assets may be kept for ever; the page itself must be asked for each time. A path that is
//! no file is the page, whose router knows it; something that looks like an asset and is not there
//! is a real 404.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use rust_embed::RustEmbed;

use super::ApiError;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/ui/dist"]
#[allow_missing = true]
struct Assets;

const PAGE: &str = "index.html";
const NOT_BUILT: &str = "<!doctype html><title>Flowkeep</title><p>This build has no browser \
    interface. Build it with <code>make build</code>; the API answers under <code>/api</code>.";

/// Serves the interface for every path that is not the API's.
pub async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return ApiError::not_found("API route").into_response();
    }
    if let Some(response) = asset(path, &headers) {
        return response;
    }
    if path.starts_with("assets/")
        || path
            .rsplit('/')
            .next()
            .is_some_and(|name| name.contains('.'))
    {
        return ApiError::not_found("file").into_response();
    }
    asset(PAGE, &headers).unwrap_or_else(|| {
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        (StatusCode::NOT_FOUND, kind, NOT_BUILT).into_response()
    })
}

fn asset(path: &str, headers: &HeaderMap) -> Option<Response> {
    let file = Assets::get(path)?;
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let tag = HeaderValue::from_str(&tag).ok()?;
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut response = if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = mime_guess::from_path(path).first_or_octet_stream();
        let mut response = Response::new(Body::from(file.data));
        let kind = HeaderValue::from_str(kind.as_ref()).ok()?;
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    };
    response.headers_mut().insert(header::ETAG, tag);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    Some(response)
}
