//! axum's extractors, answering in our error shape.
#![expect(
    clippy::disallowed_types,
    reason = "the one place that wraps axum's own"
)]

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ApiError;

/// A JSON body. Give request types `#[serde(deny_unknown_fields)]`: the answer names the field.
#[derive(Clone, Copy, Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub struct Json<T>(pub T);

/// The query string.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // PostgreSQL's text cannot hold it, whatever the parameter is.
        if parts.uri.query().is_some_and(|text| text.contains("%00")) {
            return Err(ApiError::invalid("query", "holds the character NUL"));
        }
        let axum::extract::Query(query) =
            axum::extract::Query::from_request_parts(parts, state).await?;
        Ok(Self(query))
    }
}

/// The variable parts of the path.
#[derive(Clone, Copy, Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match &rejection {
            JsonRejection::JsonDataError(_) => invalid_body(&rejection.body_text()),
            JsonRejection::MissingJsonContentType(_) => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the body as JSON with Content-Type: application/json.",
            ),
            JsonRejection::BytesRejection(_)
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE =>
            {
                Self::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "payload_too_large",
                    "The body is larger than this route takes.",
                )
            }
            _ => Self::bad_request("The body is not valid JSON."),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        invalid_body(&rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::not_found("page")
    }
}

/// Serde says "…: unknown field `x`, expected …" or "…: path.to.field: invalid type …"; the field
/// is taken out of that for the form that shows it.
fn invalid_body(text: &str) -> ApiError {
    let reason = text
        .split_once("type: ")
        .or_else(|| text.split_once("string: "))
        .map_or(text, |(_, reason)| reason)
        .split(" at line ")
        .next()
        .unwrap_or(text);
    let quoted = reason.split('`').nth(1);
    let field = match reason.split_once(": ") {
        Some((path, _)) if !path.contains(' ') => path,
        _ if reason.contains("field") => quoted.unwrap_or("body"),
        _ => "body",
    };
    let why = reason
        .strip_prefix(field)
        .and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(reason);
    ApiError::invalid(field, why)
}
