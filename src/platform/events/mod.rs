//! Events: written to the outbox in the transaction that causes them, then told to whoever
//! listens in this process. The outbox row outlives a crash between the two.

mod outbox;
mod progress;
pub mod standing;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast;
use utoipa::ToSchema;
use uuid::Uuid;

use super::clock::Clock;
use super::ids::Ids;

pub use outbox::{record, remove_told};
pub use progress::{Posted, ProgressBoard, Work};

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it some time.
    Warning,
    /// Something failed.
    Error,
    /// Act now.
    Critical,
}

impl Severity {
    /// The one with that name in the database; what is unknown is only good to know.
    pub fn from_name(name: &str) -> Self {
        match name {
            "warning" => Self::Warning,
            "error" => Self::Error,
            "critical" => Self::Critical,
            _ => Self::Info,
        }
    }

    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// Something that happened. `event_type` is `group.event`, as in `backup.failed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Stays the same over every delivery.
    pub event_id: Uuid,
    /// `group.event`.
    pub event_type: String,
    /// How much it matters.
    pub severity: Severity,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// What it is about. Never a secret.
    pub data: Value,
}

impl Event {
    /// Something that happens now.
    pub fn now(
        ids: &Ids,
        clock: &Clock,
        event_type: &str,
        severity: Severity,
        data: Value,
    ) -> Self {
        Self {
            event_id: ids.uuid(),
            event_type: event_type.to_owned(),
            severity,
            occurred_at: clock.now(),
            data,
        }
    }
}

/// Tells this process' listeners what happened. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventBus(broadcast::Sender<Event>);

impl Default for EventBus {
    fn default() -> Self {
        Self(broadcast::channel(256).0)
    }
}

impl EventBus {
    /// Tells whoever listens; nobody listening is fine.
    pub fn publish(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// Listens from now on. A listener that is too slow is told how many it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
