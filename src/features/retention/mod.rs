//! How long backups stay: a policy for each type, carried out on a timer of its own.
//!
//! Invariants:
//! - What goes is decided by one pure function, for the preview and the deed alike.
//! - The newest good and the newest proven backup of each database never go, nor what is pinned.
//! - Deletion does not depend on backups succeeding, and one run deletes no more than a part.
//!
//! Owns the table `retention_policies`; deletes through `backups`.

mod error;
mod plan;
mod routes;
mod service;
mod store;
mod tell;

pub use error::RetentionError;
pub use plan::{
    Candidate, Decision, DeleteReason, KeepReason, Plan, Policy, Worth, plan, usual_cap,
};
pub use routes::router;
pub use service::{RetentionParts, RetentionService, Sweep};
