//! The capabilities, one folder each. A feature owns its tables; others reach it only through
//! what its `mod.rs` exports.

pub mod audit;
pub mod auth;
pub mod backups;
pub mod containers;
pub mod destinations;
pub mod email;
pub mod flows;
pub mod host;
pub mod migration;
pub mod n8n;
pub mod notifications;
pub mod recovery;
pub mod restores;
pub mod retention;
pub mod schedules;
pub mod settings;
pub mod sso;
pub mod upgrades;
pub mod verification;
pub mod watchdog;
