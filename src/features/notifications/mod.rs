//! Tells people: rules choose events, channels carry them, nothing is lost and nothing is told twice unseen.
//!
//! Owns the tables `notification_*`, and decides about `event_outbox`.

mod backoff;
mod catalogue;
mod channel;
pub mod channels;
mod condition;
mod decide;
mod digest;
mod dispatch;
mod error;
mod escalation;
mod feed;
mod kinds;
mod link;
mod render;
mod routes;
mod rule;
mod service;
mod services;
mod stand_in;
mod store;
mod window;
mod worker;

pub use dispatch::RuleBook;
pub use error::NotificationError;
pub use routes::{open_router, router};
pub use rule::{BadRule, Conditions, Rule, RuleText};
pub use service::{NotificationParts, NotificationService};
