//! Backups.

mod archive;
mod crashes;
mod docker;
mod encryption;
mod faults;
mod hostile;
mod runs;
mod source;
mod types;
mod upkeep;

pub use source::{Story, until};
