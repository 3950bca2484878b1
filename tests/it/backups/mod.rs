//! Backups.

mod archive;
mod faults;
mod runs;
mod source;
