//! Backups.

mod archive;
