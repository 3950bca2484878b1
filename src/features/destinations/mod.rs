//! Further places for backups: another disk, a network share that is mounted on this machine, a bucket, a
//! folder of another machine. Each good backup is copied there, and deleted there when it is deleted here.
//!
//! Invariants:
//! - Nothing is written where the sentinel file is missing: the share is then not mounted, and what is
//!   written would fill the disk below it.
//! - A copy under its final name is whole and durable, with the hash that the manifest says.
//! - A place that fails or hangs holds up neither the others nor the daemon.
//!
//! Owns `backup_destinations` and `backup_copies`.

mod error;
mod fetch;
mod folder;
mod kit;
mod place;
mod remote;
mod routes;
mod s3;
mod service;
mod sftp;
mod ssh;
mod store;
mod told;
mod watch;
mod worker;

pub use error::DestinationError;
pub use place::Saved;
pub use routes::router;
pub use service::{DestinationParts, DestinationService};
