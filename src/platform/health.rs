//! The state of each part of the daemon, for `/api/health` and the first seconds after start.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;
use utoipa::ToSchema;

/// How one part is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartStatus {
    /// It works.
    Ok,
    /// It is on its way.
    Starting,
    /// It does not work; the rest goes on without it.
    Down,
    /// It does not work and will not by itself: somebody has to act and start Flowkeep again.
    Failed,
}

/// One part's state.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PartHealth {
    /// How it is doing.
    pub status: PartStatus,
    /// A sentence for people. Never a secret or a path: anyone may read it.
    pub detail: String,
}

/// The parts and their states. Cheap to clone; all clones are one registry.
#[derive(Clone, Debug, Default)]
pub struct HealthRegistry(Arc<RwLock<BTreeMap<&'static str, PartHealth>>>);

impl HealthRegistry {
    /// Notes the state of a part.
    pub fn set(&self, part: &'static str, status: PartStatus, detail: impl Into<String>) {
        let detail = detail.into();
        self.0.write().insert(part, PartHealth { status, detail });
    }

    /// The state of every part.
    pub fn parts(&self) -> BTreeMap<&'static str, PartHealth> {
        self.0.read().clone()
    }

    /// Whether a part is known and works.
    pub fn is_ok(&self, part: &str) -> bool {
        self.0
            .read()
            .get(part)
            .is_some_and(|part| part.status == PartStatus::Ok)
    }
}
