//! Backups.

mod archive;
mod crashes;
mod faults;
mod hostile;
mod runs;
mod source;

pub use source::{Story, until};
