//! The n8n that Flowkeep looks after: where its database is, what is in it, and whether the saved
//! encryption key opens its credentials.
//!
//! Owns no table: the connection is kept in the settings, its secrets encrypted.

mod api;
mod api_access;
mod api_routes;
mod api_taste;
mod container;
mod crypto;
mod error;
mod flow;
mod health;
mod inert;
mod inventory;
mod live;
mod probe;
mod routes;
mod sample;
mod service;
mod sizes;

pub use api::{ApiTrouble, N8nApi};
pub use api_taste::ApiTaste;
pub use crypto::{DeploymentKey, KeyCheck, Keyring};
pub use error::N8nError;
pub use flow::{CONTENT, CredentialRef, Flow, Project, Tag, new_id, plain, time_of};
pub use health::Health;
pub use inert::make_inactive;
pub use inventory::{Credential, Folder, INVENTORY_TABLES, Inventory, Variable};
pub use live::{KeptVersion, begin_snapshot, flow_names, flows, inventory, kept_versions};
pub use probe::{
    CredentialReport, N8nTables, check_credentials, deployment_keys, find_tables, has_table,
    invalid_workflows, version,
};
pub use routes::router;
pub use service::{N8nParts, N8nService, N8nSource, server_version};
pub use sizes::{DatabaseSizes, TableSize, table_size};
