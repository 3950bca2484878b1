//! The way from version 2, which was configured by a file: its file is read, what it says is taken over in
//! phases that are noted one by one, and all of it can be undone for thirty days.
//!
//! Invariants:
//! - Nothing is changed before a backup of Flowkeep's own database was made.
//! - A phase that fails undoes those before it; a crash is settled the same way at the next start.
//! - What is there already stays: an n8n connection is never replaced.
//!
//! Owns `migration_state`.

mod error;
mod input;
mod routes;
mod service;
mod store;

pub use error::MigrationError;
pub use input::Wanted;
pub use routes::router;
pub use service::{MigrationParts, MigrationService};
