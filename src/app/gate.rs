//! Holds requests back until the database is there and its tables are up to date.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::health::DATABASE;
use crate::platform::health::HealthRegistry;
use crate::platform::http::ApiError;

/// Middleware: answers 503 while Flowkeep starts.
pub async fn require_ready(
    State(health): State<HealthRegistry>,
    request: Request,
    next: Next,
) -> Response {
    if health.is_ok(DATABASE) {
        return next.run(request).await;
    }
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "starting",
        "Flowkeep is waiting for its database. GET /api/health says why.",
    )
    .retry_after(2)
    .into_response()
}
