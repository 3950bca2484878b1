//! The bell: what happened, for whoever looks.

use tokio::sync::broadcast;

use super::error::NotificationError;
use super::service::{Happened, NotificationService};
use super::store::events;
use crate::platform::events::{Event, Severity};

const SEVERITIES: [Severity; 4] = [
    Severity::Info,
    Severity::Warning,
    Severity::Error,
    Severity::Critical,
];

impl NotificationService {
    /// What happened, newest first; up to which place somebody has seen it; and how many they have not.
    pub(super) async fn feed(
        &self,
        user_id: i32,
        limit: i64,
        before: Option<i64>,
        least: Severity,
    ) -> Result<(Vec<Happened>, i64, i64), NotificationError> {
        let db = self.parts.db.orm();
        let wanted: Vec<&str> = SEVERITIES
            .iter()
            .filter(|one| **one >= least)
            .map(|one| one.as_str())
            .collect();
        let rows = events::newest(db, limit, before, &wanted).await?;
        let happened = rows.into_iter().map(|row| Happened {
            id: row.id,
            event: row.event(),
        });
        // What is only good to know rings no bell.
        let unseen = events::unseen(db, user_id, &["warning", "error", "critical"]).await?;
        Ok((
            happened.collect(),
            events::seen_id(db, user_id).await?,
            unseen,
        ))
    }

    /// Notes up to which place somebody has seen it.
    pub(super) async fn note_seen(&self, user_id: i32, id: i64) -> Result<(), NotificationError> {
        Ok(events::note_seen(self.parts.db.orm(), user_id, id).await?)
    }

    /// Listens to what happens from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Event> {
        self.parts.events.subscribe()
    }
}
