//! Looks into every new backup for workflows, so that a search finds them at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::service::FlowService;
use super::store;
use super::version::Place;
use super::{FlowError, version};

/// A backup that another process made is seen after this long.
const LOOK_EVERY: Duration = Duration::from_mins(1);
const AT_ONCE: i64 = 20;

impl FlowService {
    /// Looks into backups until it is over.
    pub async fn work(&self, over: CancellationToken) {
        let mut events = self.parts.events.subscribe();
        let mut tick = tokio::time::interval(LOOK_EVERY);
        if let Err(error) = self.remove_leftovers().await {
            tracing::warn!(%error, "cannot look for leftovers of uploads");
        }
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                event = events.recv() => {
                    if !event.is_ok_and(|event| event.event_type == "backup.success") {
                        continue;
                    }
                }
                () = over.cancelled() => return,
            }
            let looking = self.look_into_backups();
            tokio::select! {
                looked = looking => if let Err(error) = looked {
                    tracing::warn!(%error, "cannot look into backups for workflows");
                },
                () = over.cancelled() => return,
            }
        }
    }

    /// Looks into every backup that was not looked into, newest first, and forgets what is gone. Returns how
    /// many were looked into.
    pub async fn look_into_backups(&self) -> Result<usize, FlowError> {
        store::remove_gone(self.parts.db.orm()).await?;
        self.forget_old().await?;
        let mut looked = 0;
        loop {
            let unseen = store::unseen(self.parts.db.orm(), AT_ONCE).await?;
            if unseen.is_empty() {
                return Ok(looked);
            }
            for backup in unseen {
                let place: version::Place = Place::Backup(backup.id);
                if let Err(error) = self.index(place).await {
                    // Its file may be gone, or it holds no n8n: noted, so that it is not tried for ever.
                    let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
                    let why = Err(error.to_string());
                    store::record(db, place, backup.started_at, why, now).await?;
                }
                looked += 1;
            }
        }
    }
}
