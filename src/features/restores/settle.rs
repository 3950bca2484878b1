//! What a crash left of restores and swaps.

use super::RestoreError;
use super::pause::Paused;
use super::server;
use super::service::RestoreService;
use super::store::{self, Run};
use crate::features::audit::Actor;
use crate::features::backups::is_lock_free;
use crate::features::verification::Outcome;

impl RestoreService {
    /// Settles restores that a crash cut off: what n8n uses is untouched, and the database that was
    /// begun is offered for deletion.
    pub async fn settle(&self) -> Result<(), RestoreError> {
        for run in store::unsettled(self.parts.db.orm()).await? {
            if run.status != "running" {
                self.settle_names(&run).await?;
                continue;
            }
            let is_free = is_lock_free(self.parts.db.pool(), run.job_id).await;
            if !is_free.unwrap_or(false) {
                continue;
            }
            let outcome = Outcome::begin().give_up(
                "interrupted",
                format!(
                    "Flowkeep ended while it restored. What n8n uses was not touched; the database {} \
                     was begun.",
                    run.scratch_name
                ),
                "Discard it and restore again.".to_owned(),
            );
            self.note_end(run.id, &outcome, false).await?;
        }
        Ok(())
    }

    /// A swap or its undoing was cut off. Names change all at once, so the name of the restored database
    /// tells on which side of it.
    async fn settle_names(&self, run: &Run) -> Result<(), RestoreError> {
        let source = self.source()?;
        let is_beside = server::exists(&source.conninfo, &run.scratch_name).await?;
        let (actor, db) = (Actor::system(), self.parts.db.orm());
        match (run.status.as_str(), is_beside) {
            ("swapping", true) => {
                store::set_status(db, run.id, "swapping", "restored").await?;
            }
            ("swapping", false) => {
                let previous = run.previous_name.as_deref().unwrap_or_default();
                self.note_swap(&actor, run.id, previous, None).await?;
            }
            (_, true) => self.note_undo(&actor, run.id).await?,
            (_, false) => {
                store::set_status(db, run.id, "undoing", "swapped").await?;
            }
        }
        let containers: Vec<String> =
            serde_json::from_value(run.stopped_containers.clone()).unwrap_or_default();
        let paused = Paused {
            restore_id: run.id,
            containers: &containers,
        };
        self.resume(&paused).await
    }
}
