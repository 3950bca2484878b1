//! Backups.

mod archive;
mod crashes;
mod faults;
mod hostile;
mod runs;
mod source;
mod types;
mod upkeep;

pub use source::{Story, until};
