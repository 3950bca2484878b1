//! Everything that needs a real PostgreSQL, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic"
)]

mod architecture;
mod audit;
mod auth;
mod backups;
mod containers;
mod daemon;
mod destinations;
mod doctor;
mod email;
mod events;
mod flows;
mod headers;
mod host;
mod leader;
mod metrics;
mod migration;
mod n8n;
mod notifications;
mod outages;
mod outbound;
mod packaging;
mod permissions;
mod recovery;
mod remote_destinations;
mod restores;
mod retention;
mod schedules;
mod schema;
mod settings;
mod sso;
mod support;
mod upgrades;
mod watchdog;
