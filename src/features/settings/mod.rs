//! Settings that people change while Flowkeep runs, and the vault that keeps secrets.
//!
//! Every setting is declared in the registry with its kind, bounds and default; the table holds
//! only what differs. Secrets go in and never come out through the API. They, and other features'
//! sealed columns, are encrypted under data keys, which are wrapped by the master key.
//!
//! Owns the tables `settings` and `encryption_keys`.

mod error;
mod keys;
mod master;
mod registry;
mod routes;
mod service;
mod store;
mod vault;

pub use crate::platform::crypto::cipher::Location;
pub use error::SettingsError;
pub use master::{MasterKey, MasterKeyError};
pub use registry::{Key, Kind, find as find_setting};
pub use routes::router;
pub use service::{KeyInfo, SettingsService};
pub use vault::{SealedColumn, Vault, VaultError};
