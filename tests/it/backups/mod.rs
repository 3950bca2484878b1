//! Backups.

mod archive;
mod crashes;
mod faults;
mod hostile;
mod runs;
mod source;
mod types;

pub use source::{Story, until};
