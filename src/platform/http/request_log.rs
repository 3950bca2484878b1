//! One log line for each API request: method, path without its query, status, time.
//! Never a header, a body or a query: those carry secrets.

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use super::client::Client;

/// Middleware: logs API requests.
pub async fn log(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path.starts_with("/api") || path == "/api/auth/verify" || path == "/api/health" {
        return next.run(request).await;
    }
    let path = path.to_owned();
    let method = request.method().clone();
    let client_ip = request.extensions().get::<Client>().map(|client| client.ip);
    let started = Instant::now();
    let response = next.run(request).await;
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    let client_ip = client_ip.map(tracing::field::display);
    if response.status().is_server_error() {
        tracing::warn!(%method, path, status, duration_ms, client_ip, "request");
    } else {
        tracing::info!(%method, path, status, duration_ms, client_ip, "request");
    }
    response
}
