//! What every feature stands on: configuration, database, HTTP, time, processes.
//! Nothing here knows a feature.

pub mod causes;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod data_lock;
pub mod db;
pub mod docker;
pub mod events;
pub mod health;
pub mod http;
pub mod ids;
pub mod leader;
pub mod lifecycle;
pub mod mail;
pub mod metrics;
pub mod outbound;
pub mod postgres;
pub mod process;
pub mod telemetry;
pub mod template;
pub mod threshold;
pub mod tls;
