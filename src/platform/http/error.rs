//! The one shape of every error: `{"error":{"code","message","fields"}}`.

use std::collections::BTreeMap;
use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::platform::db::page::PageError;

/// An error on its way to the client.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    fields: BTreeMap<String, Value>,
    retry_after_seconds: Option<u64>,
}

/// The wire form of an error.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable name for programs.
    pub code: String,
    /// One sentence for people, with the remedy.
    pub message: String,
    /// The inputs at fault and why, or more facts by name.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub fields: BTreeMap<String, Value>,
}

/// An error's words as a sentence: with a capital and a full stop.
pub fn sentence(words: impl std::fmt::Display) -> String {
    let words = words.to_string();
    let mut chars = words.trim_end_matches('.').chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

impl ApiError {
    /// An error with a status, a stable code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            fields: BTreeMap::new(),
            retry_after_seconds: None,
        }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 401: no session.
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "Sign in first.",
        )
    }

    /// 404: no such thing.
    pub fn not_found(what: impl Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("There is no such {what}."),
        )
    }

    /// 409: the present state forbids it.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 422: one field cannot be used.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        let (field, why) = (field.into(), why.into());
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_input",
            format!("{field}: {why}"),
        )
        .with_field(field, why)
    }

    /// 503: the database does not answer.
    pub fn database_unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "database_unavailable",
            "The database does not answer. Flowkeep tries again by itself.",
        )
    }

    /// 500. The cause goes to the log and never to the client.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = cause.to_string();
        let mut source = cause.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(error = chain, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong here. The log says what.",
        )
    }

    /// Adds a field at fault, or a fact.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Tells the client when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self.with_field("retry_after_seconds", seconds)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl From<sea_orm::DbErr> for ApiError {
    fn from(error: sea_orm::DbErr) -> Self {
        match &error {
            sea_orm::DbErr::ConnectionAcquire(_) | sea_orm::DbErr::Conn(_) => {
                tracing::warn!(error = %error, "the database does not answer");
                Self::database_unavailable()
            }
            _ => match passing_trouble(&error) {
                Some(why) => {
                    tracing::warn!(error = %error, "the database could not do it now");
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", why)
                        .retry_after(5)
                }
                None => Self::internal(&error),
            },
        }
    }
}

/// What the database cannot do now and can do later, by its own code (PostgreSQL manual, appendix A).
fn passing_trouble(error: &sea_orm::DbErr) -> Option<&'static str> {
    let (sea_orm::DbErr::Exec(inner) | sea_orm::DbErr::Query(inner)) = error else {
        return None;
    };
    let sea_orm::RuntimeErr::SqlxError(inner) = inner else {
        return None;
    };
    let code = match inner.as_ref() {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => "08006".into(),
        other => other.as_database_error()?.code()?,
    };
    Some(match &*code {
        "25006" => "Flowkeep's database takes no changes now: it is read-only, as a standby is.",
        "40001" | "40P01" => "Two changes came at the same moment. Nothing was changed; try again.",
        "53100" => "The disk of Flowkeep's database is full. Nothing was changed; make room there.",
        "57014" => "Flowkeep's database took too long. Nothing was changed; try again.",
        code if ["08", "53", "57P"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            "The database does not answer. Nothing was changed; try again in a moment."
        }
        _ => return None,
    })
}

impl From<PageError> for ApiError {
    fn from(error: PageError) -> Self {
        Self::invalid(error.field(), error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: ErrorDetail {
                code: self.code.to_owned(),
                message: self.message,
                fields: self.fields,
            },
        };
        let mut response = (self.status, super::Json(body)).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
