//! Backups.

mod archive;
mod crashes;
mod disks;
mod docker;
mod encryption;
mod faults;
mod garbage;
mod hostile;
mod runs;
mod source;
mod types;
mod upkeep;

pub use source::{Story, until};
