//! The machine that Flowkeep is on: processor, memory, disks, network, temperatures, shares and n8n itself.
//!
//! Invariants:
//! - A share that hangs holds up nothing: it is asked on a thread of its own, one at a time.
//! - A sample, the buckets it falls into, and what it tells are one transaction.
//! - With nobody looking it is sampled once a minute; what a page watches live is not stored.
//!
//! Owns the tables `system_metrics_cache`, `system_metrics_rollups` and `system_conditions`.

mod error;
mod forecast;
mod history;
mod judge;
mod mounts;
mod proc;
mod room;
mod routes;
mod sample;
mod service;
mod store;
mod worker;

pub use error::HostError;
pub use forecast::Forecast;
pub use history::{History, Range};
pub use mounts::{Mounts, Prober};
pub use proc::Roots;
pub use routes::router;
pub use sample::{
    HostCpu, HostDisk, HostFailingDisk, HostInterface, HostMemory, HostSample, HostShare,
    HostTemperature, N8nNow, ShareStatus,
};
pub use service::{DiskForecast, FRESH_FOR, HostParts, HostService, Meter};
