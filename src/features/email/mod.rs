//! E-mail: who carries it, what it says, and whether it works.
//!
//! Invariants:
//! - The password goes in and never comes out, and is sent to no other server than it was saved for.
//! - A template that cannot be rendered cannot be saved; news is sent whatever is missing in it.
//! - What somebody edited is never overwritten.
//!
//! Owns `email_templates`, `email_test_history`, and the row `email` of `system_config`.

mod config;
mod defaults;
mod error;
mod layout;
mod plain;
mod provider;
mod routes;
mod service;
mod store;
mod template;
mod templates;
mod trial;
mod wire;

pub use defaults::Tone;
pub use error::{EmailError, Misfit};
pub use plain::PlainRequest;
pub use provider::{Provider, Security};
pub use routes::router;
pub use service::{EmailParts, EmailService, SendRequest};
pub use template::Variable;
pub use templates::{duration, size};
