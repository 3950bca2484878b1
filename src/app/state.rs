//! What handlers can reach: each names exactly the part it needs by `State<Part>`.

use std::sync::Arc;

use axum::extract::FromRef;

use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db::Db;
use crate::platform::events::EventBus;
use crate::platform::health::HealthRegistry;
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::{ConnInfo, EmbeddedCluster, Installations};
use crate::platform::process::Processes;

/// What the state is built from; tests give a manual clock and seeded ids.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The validated configuration.
    pub config: Arc<Config>,
    /// Flowkeep's own database, perhaps not there yet.
    pub db: Db,
    /// Where that database is.
    pub own_database: ConnInfo,
    /// The private PostgreSQL that holds it, if no server was given.
    pub embedded: Option<EmbeddedCluster>,
    /// The PostgreSQL programs of this machine.
    pub installations: Arc<Installations>,
    /// Runs programs.
    pub processes: Processes,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Start and stop.
    pub lifecycle: Lifecycle,
}

/// Everything handlers can reach. Cheap to clone.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The validated configuration.
    pub config: Arc<Config>,
    /// Flowkeep's own database.
    pub db: Db,
    /// Where that database is.
    pub own_database: ConnInfo,
    /// The private PostgreSQL, if there is one.
    pub embedded: Option<EmbeddedCluster>,
    /// The PostgreSQL programs of this machine.
    pub installations: Arc<Installations>,
    /// Runs programs.
    pub processes: Processes,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Start and stop.
    pub lifecycle: Lifecycle,
    /// The state of each part.
    pub health: HealthRegistry,
    /// What happens, told to this process' listeners.
    pub events: EventBus,
}

impl AppState {
    /// Puts the services together. Touches neither network nor disk.
    pub fn new(parts: Parts) -> Self {
        Self {
            config: parts.config,
            db: parts.db,
            own_database: parts.own_database,
            embedded: parts.embedded,
            installations: parts.installations,
            processes: parts.processes,
            clock: parts.clock,
            ids: parts.ids,
            lifecycle: parts.lifecycle,
            health: HealthRegistry::default(),
            events: EventBus::default(),
        }
    }
}
