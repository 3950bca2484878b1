//! Flowkeep: one daemon beside n8n that backs it up, proves that the backup restores,
//! and guards the tools beside it with one login.
//!
//! - [`cli`] reads the command line.
//! - [`app`] puts the parts together: state, routes, start and stop.
//! - [`features`] holds the capabilities, one folder each, each the owner of its tables.
//! - [`platform`] is what every feature stands on and knows none of them.

pub mod app;
pub mod cli;
pub mod features;
pub mod platform;
