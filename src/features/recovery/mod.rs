//! The recovery kit: what is needed to come back when the whole box is lost. One file, encrypted with a
//! passphrase in age's format (<https://age-encryption.org/v1>), which any age program opens.
//!
//! Invariants:
//! - The passphrase is never kept, nor the kit.
//! - With the kit and the backup files an empty box comes back: master key, n8n's connection and key,
//!   settings from the kit; the catalogue from the manifests beside the files.
//! - The kit is of use without Flowkeep: plain text files and a script.
//!
//! Owns the table `recovery_kits`.

mod error;
mod kit;
mod routes;
mod service;
mod store;

pub use error::RecoveryError;
pub use kit::{Contents, open};
pub use routes::router;
pub use service::{RecoveryParts, RecoveryService};
