//! The capabilities, one folder each. A feature owns its tables; others reach it only through
//! what its `mod.rs` exports.

pub mod audit;
pub mod backups;
pub mod settings;
