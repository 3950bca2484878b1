//! A time machine for workflows: what is in n8n and in every backup, how each workflow changed, and one or
//! many of them put back into the running n8n.
//!
//! Invariants:
//! - A backup is read and never restored for it; what an archive holds is data and is never executed.
//! - What is put back is inactive. Nothing runs because of a restore.
//! - What is overwritten is kept first, and comes back by an undo unless somebody changed it since.
//! - A workflow is put back whole or not at all; asking twice does nothing the second time.
//!
//! Owns the tables `flow_archives`, `flow_snapshots`, `flow_versions`, `flow_sightings`, `flow_restores` and
//! `flow_restore_items`, and the folder of uploaded archives.

mod collect;
pub mod diff;
mod error;
mod export;
mod restore;
mod routes;
mod service;
mod source;
mod store;
mod upload;
mod version;
mod wire;
mod worker;

pub use error::FlowError;
pub use routes::router;
pub use service::{FlowParts, FlowService};
pub use version::{Place, VersionRef};
