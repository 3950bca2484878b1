//! The edge of HTTP: one error shape, extractors that answer in it, whom to believe about the
//! client's address, same-origin checks, headers, and the embedded browser interface.

pub mod client;
pub mod csrf;
mod error;
mod extract;
pub mod headers;
pub mod rate_limit;
pub mod request_log;
pub mod spa;

pub use error::{ApiError, ErrorBody, ErrorDetail, sentence};
pub use extract::{Json, Path, Query};
