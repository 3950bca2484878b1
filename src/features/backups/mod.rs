//! Backups: made in one pass, published whole or not at all, each with a manifest beside it.
//!
//! Invariants:
//! - A file under its final name is whole and durable; what is being written has another name.
//! - A row says `success` only after its file and manifest are durable.
//! - One run at a time for each source database, across processes; whoever lost the connection
//!   that proves it alive may not publish.
//! - The rows of every table were counted in the snapshot that was dumped, and the archive holds
//!   exactly those.
//! - A run that a crash cut off is settled at the next start: adopted if its file is whole,
//!   failed as `interrupted` if not.
//!
//! Owns the table `backup_history` and the backup folder.

pub mod archive;
mod catalogue;
mod encryption;
mod encryption_route;
mod error;
mod events_route;
mod files;
mod gauges;
mod growth;
mod growth_route;
mod manifest;
mod model;
mod overview_route;
mod routes;
mod run;
mod seal;
mod service;
mod settle;
mod store;
mod stored;

pub use encryption::Encryption;
pub use error::{BackupError, Failure};
pub use files::{BackupFiles, NO_INODES, told_apart};
pub use manifest::Manifest;
pub use model::{Backup, BackupFile, BackupType, TableCount, Trigger};
pub use routes::router;
pub use run::{Claim, Entry, RunRequest, ScheduledAttempt, is_lock_free};
pub use seal::{Lock, Opener, SealError};
pub use service::{BackupParts, BackupService, FileLease};
pub use stored::Stored;
