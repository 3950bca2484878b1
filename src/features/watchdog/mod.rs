//! Watches n8n's executions: workflows that fail, that hang, or that did not run when their schedule says; and what
//! executions take.
//!
//! Invariants:
//! - n8n's database is only read: on a connection that cannot write, by indexes, with a limit of seconds.
//! - How far it was read, what was found and what is told are one transaction: nothing is counted or told twice.
//! - What cannot be read is said: on the page at once, and to people after some minutes.
//! - One incident for each workflow and kind, from the first sign until a later run proves that it is over.
//!
//! Owns the tables `watchdog_state`, `watchdog_trouble`, `workflow_incidents` and `workflow_mutes`.

mod blind;
mod cron;
mod error;
mod failure;
mod incident;
mod look;
mod prune;
mod routes;
mod runs;
mod schedule;
mod schedules;
mod service;
mod source;
mod store;
mod stuck;
mod tell;
mod words;

pub use error::WatchdogError;
pub use routes::router;
pub use service::{WatchdogParts, WatchdogService};
