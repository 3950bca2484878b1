//! Containers of the project: seen, started, stopped, restarted, their logs read and what they use measured.
//!
//! Invariants:
//! - Only what the policy allows is seen or touched, checked by what the engine says at each call; of anything
//!   else it is not even told that it is there. Flowkeep's own throwaway containers are never part of it.
//! - The container that Flowkeep runs in is not stopped or restarted from within.
//! - With nobody looking only the engine's stream of events is open. One stream follows a container's log and one
//!   sampler measures, however many look; once a minute while a rule is for what it finds.
//! - What containers write is cut, bounded and made harmless before it leaves.
//!
//! Owns `container_status_cache`.

mod error;
mod judge;
mod logs;
mod model;
mod news;
mod pace;
mod policy;
mod pressure;
mod routes;
mod sampler;
mod service;
mod stats;
mod store;
mod updates;
mod watcher;

pub use error::ContainerError;
pub use policy::Policy;
pub use pressure::{Metered, PRESSURE_EVENTS};
pub use routes::router;
pub use service::{ContainerParts, ContainerService};
