//! What every service's file needs.

// Writing to a string does not fail.
pub use std::fmt::Write as _;

pub use chrono::{DateTime, Utc};
pub use serde_json::{Value, json};
pub use url::Url;

pub(super) use super::super::codec;
pub use super::super::plan::{
    HOST, PASSWORD, PORT, TLS, USER, asking, at, each, in_headers, is_public_name, judged_by,
    known_by, login, object, plain, segments, server, server_with, server_with_login, under,
    with_headers,
};
pub use super::super::url::AppriseUrl;
pub use crate::features::notifications::channels::form::{
    Definition, Field, Fields, Limits, Misfit, Place, Transport,
};
pub use crate::features::notifications::channels::http::{
    Body, HttpService, Part, Rejection, Request, Step,
};
pub use crate::features::notifications::channels::message::{Message, Priority, Tone, cut};
pub use crate::features::notifications::channels::words::{
    Acknowledge, Words, cut_bytes, element, judged, linked_markdown, markdown, markup,
};
