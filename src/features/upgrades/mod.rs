//! n8n made anew from another image, behind a guard: a proven backup first, a second one of the moment it stopped, and
//! the way back if the new one does not come up.
//!
//! Invariants:
//! - Nothing is changed before a backup of n8n's database was proven by restoring it.
//! - The former containers stay, under another name and stopped, until the new ones were good for a day or
//!   somebody says so; after that nothing is taken back by a click.
//! - One worker is at an upgrade: each step asks whether it is still its own.
//! - Taking back is a row of steps that may be done again: a crash in the middle is gone on with.
//!
//! Owns the table `upgrade_runs`.

mod back;
mod error;
mod hold;
mod image;
mod ready;
mod routes;
mod service;
mod settle;
mod stopped;
mod store;
mod work;

pub use error::UpgradeError;
pub use routes::router;
pub use service::{Patience, UpgradeParts, UpgradeService};
