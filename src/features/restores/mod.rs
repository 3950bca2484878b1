//! Putting a backup back: into a new database beside the old one, checked like a proof, then the two
//! change places by their names, and back again if that was wrong.
//!
//! Invariants:
//! - A backup is never restored into a database that holds anything.
//! - The names change in one transaction, only while nobody is connected, and only after a safety
//!   backup of what n8n uses now.
//! - What n8n used before stays under another name until somebody deletes it.
//!
//! Owns the table `restore_runs`.

mod error;
mod hold;
mod pause;
mod routes;
mod server;
mod service;
mod settle;
mod store;

pub use error::RestoreError;
pub use pause::until_disconnected;
pub use routes::router;
pub use server::NewDatabase;
pub use service::{RestoreParts, RestoreService};
