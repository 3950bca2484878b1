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

/// What the state is built from; tests give a manual clock and seeded ids.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The validated configuration.
    pub config: Arc<Config>,
    /// Flowkeep's own database, perhaps not there yet.
    pub db: Db,
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
    /// Time.
    pub clock: Clock,
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
            clock: parts.clock,
            lifecycle: parts.lifecycle,
            health: HealthRegistry::default(),
            events: EventBus::default(),
        }
    }
}
