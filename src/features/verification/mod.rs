//! Proof: a backup is restored into a throwaway PostgreSQL of the same major version, and every
//! table must hold exactly the rows that were counted when it was made. For n8n, its workflows must
//! be readable and the saved key must open its credentials.
//!
//! A backup that is bad and one that could not be tried are different outcomes: only the first
//! says anything about the backup.
//!
//! Owns the table `verification_runs`.

mod boot;
mod bytes;
mod checks;
mod choice;
mod docker;
mod docker_server;
mod engine;
mod error;
mod judge;
mod local;
mod outcome;
mod packed;
mod prove;
mod restore;
mod routes;
mod scrub;
mod service;
mod store;
mod worker;

pub use choice::ChosenEngine;
pub use docker::{DockerEngine, DockerEngineParts};
pub use engine::{Boot, EngineError, EngineFuture, Started, ThrowawayServer, VerificationEngine};
pub use error::VerificationError;
pub use local::LocalEngine;
pub use outcome::{Check, CheckStatus, Mismatch, Outcome, Verdict};
pub use prove::{Proof, Prover, Subject, SubjectKind};
pub use restore::{HostTools, Restored};
pub use routes::router;
pub use service::{VerificationParts, VerificationService};
