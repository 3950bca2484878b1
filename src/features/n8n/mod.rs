//! The n8n that Flowkeep looks after: where its database is, what is in it, and whether the saved
//! encryption key opens its credentials.
//!
//! Owns no table: the connection is kept in the settings, its secrets encrypted.

mod container;
mod crypto;
mod error;
mod inert;
mod probe;
mod routes;
mod sample;
mod service;

pub use crypto::{KeyCheck, Keyring};
pub use error::N8nError;
pub use inert::make_inactive;
pub use probe::{
    CredentialReport, N8nTables, check_credentials, find_tables, has_table, invalid_workflows,
    version,
};
pub use routes::router;
pub use service::{N8nParts, N8nService, N8nSource, server_version};
