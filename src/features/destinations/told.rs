//! What is kept of destinations and copies, with what is told of it in the same transaction.

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::json;

use super::error::{DestinationError, Trouble};
use super::service::DestinationService;
use super::store::{self, Copy, Destination};
use crate::features::audit::{self, Actor, Entry};
use crate::platform::events::{self, Event, Severity, standing};

/// A copy that failed is tried again after these, the last one over and over.
const RETRY_AFTER: [TimeDelta; 4] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
];

impl DestinationService {
    /// Ends a change with its audit line and event, and has the copies looked at.
    pub(super) async fn commit(
        &self,
        tx: DatabaseTransaction,
        actor: &Actor,
        entry: Entry,
    ) -> Result<(), DestinationError> {
        let (ids, clock) = (&self.parts.ids, &self.parts.clock);
        let data = json!({ "settings": ["destinations"], "by": actor.username });
        let changed = "management.settings_changed";
        let event = Event::now(ids, clock, changed, Severity::Info, data);
        audit::record(&tx, clock, actor, entry).await?;
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.backups.events().publish(event);
        self.changed.notify_one();
        Ok(())
    }

    /// Notes that a copy was made, of so many bytes, or removed.
    pub(super) async fn note_done(
        &self,
        destination: &Destination,
        copy: &Copy,
        bytes: Option<u64>,
    ) -> Result<(), DestinationError> {
        let tx = self.parts.db.begin().await?;
        match bytes {
            Some(bytes) => {
                store::note_copied(&tx, copy.id, bytes, self.parts.clock.now()).await?;
            }
            None => store::note_removed(&tx, copy.id).await?,
        }
        let trouble = trouble_of(destination, Some(copy));
        let message = format!("{}: the copy is no longer amiss.", destination.name);
        let event = self.ended(&tx, destination, trouble, message).await?;
        tx.commit().await?;
        self.publish(event);
        Ok(())
    }

    /// Notes that a destination can be used; tells it when the opposite was told.
    pub(super) async fn note_well(
        &self,
        destination: &Destination,
    ) -> Result<(), DestinationError> {
        let tx = self.parts.db.begin().await?;
        if destination.last_error.is_some() {
            store::note_check(&tx, destination.id, None, self.parts.clock.now()).await?;
        }
        let trouble = trouble_of(destination, None);
        let message = format!("{}: copies are made again.", destination.name);
        let event = self.ended(&tx, destination, trouble, message).await?;
        tx.commit().await?;
        self.publish(event);
        Ok(())
    }

    /// Notes why a copy failed and when it is tried again; tells it when the trouble is a new one.
    pub(super) async fn note_trouble(
        &self,
        destination: &Destination,
        copy: &Copy,
        trouble: &Trouble,
    ) -> Result<(), DestinationError> {
        let now = self.parts.clock.now();
        let attempt = usize::try_from(copy.attempts).unwrap_or(usize::MAX);
        let wait = RETRY_AFTER[attempt.min(RETRY_AFTER.len() - 1)];
        let tx = self.parts.db.begin().await?;
        store::note_failed(&tx, copy.id, trouble, now + wait).await?;
        store::note_check(&tx, destination.id, Some(trouble), now).await?;
        let name = trouble_of(
            destination,
            Some(copy).filter(|_| !is_of_the_place(trouble)),
        );
        let event = if standing::begin(&tx, &name, trouble.code, now, None).await? {
            let facts = json!({
                "code": trouble.code, "trouble": name, "destination": destination.name,
                "backup_id": copy.backup_id,
                "message": format!("{}: {}", destination.name, trouble.message),
            });
            let (ids, clock) = (&self.parts.ids, &self.parts.clock);
            let event = Event::now(ids, clock, "backup.warning", Severity::Error, facts);
            events::record(&tx, &event).await?;
            Some(event)
        } else {
            None
        };
        tx.commit().await?;
        if event.is_some() {
            tracing::warn!(
                destination = destination.name,
                code = trouble.code,
                why = trouble.message,
                "a backup could not be copied"
            );
        }
        self.publish(event);
        Ok(())
    }

    /// The end of a trouble, if it had been told.
    async fn ended(
        &self,
        tx: &impl ConnectionTrait,
        destination: &Destination,
        trouble: String,
        message: String,
    ) -> Result<Option<Event>, DestinationError> {
        if !standing::end(tx, &trouble).await? {
            return Ok(None);
        }
        let facts =
            json!({ "trouble": trouble, "destination": destination.name, "message": message });
        let (ids, clock) = (&self.parts.ids, &self.parts.clock);
        let event = Event::now(ids, clock, "backup.recovered", Severity::Info, facts);
        events::record(tx, &event).await?;
        Ok(Some(event))
    }

    fn publish(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.parts.backups.events().publish(event);
        }
    }
}

/// Whether every other copy would fail as well.
pub(super) fn is_of_the_place(trouble: &Trouble) -> bool {
    !matches!(trouble.code, "checksum_mismatch" | "file_missing")
}

/// The name of a destination's trouble, or of one that a single copy has.
fn trouble_of(destination: &Destination, copy: Option<&Copy>) -> String {
    match copy {
        Some(copy) => format!("copies:{}:{}", destination.id, copy.id),
        None => format!("copies:{}", destination.id),
    }
}
