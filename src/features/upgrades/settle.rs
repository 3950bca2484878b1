//! What a crash cut off is gone on with, and what was kept long enough goes.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::{Trouble, UpgradeError};
use super::service::{Job, UpgradeService};
use super::store;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::is_lock_free;

/// How often it is looked for containers that were kept long enough.
const CLEARED_EVERY: Duration = Duration::from_hours(1);

impl UpgradeService {
    /// Goes on with what a crash cut off. Nothing was changed: it failed. Something was: it is taken back; all
    /// that was missing was the answer: it is waited for.
    pub async fn settle(&self) -> Result<(), UpgradeError> {
        for run in store::unsettled(self.parts.db.orm()).await? {
            // After an outage of the database its lock is free until it is taken again.
            if self.at_work.lock().contains(&run.job_id) {
                continue;
            }
            let is_free = is_lock_free(self.parts.db.pool(), run.job_id).await;
            if !is_free.unwrap_or(false) {
                continue;
            }
            let interrupted = Trouble::new(
                "interrupted",
                "Flowkeep ended in the middle of it.",
                "Begin again.",
            );
            if matches!(
                run.phase.as_str(),
                "begun" | "backing_up" | "proving" | "pulling"
            ) {
                let its = (run.id, run.job_id);
                self.end(its, "failed", Some(&interrupted), None).await?;
                continue;
            }
            let hold = self.hold().await?;
            let db = self.parts.db.orm();
            if !store::hand_over(db, run.id, run.job_id, hold.job_id).await? {
                hold.release().await;
                continue;
            }
            let job = Job {
                id: run.id,
                image: run.image,
                actor: Actor::system(),
                hold,
            };
            if run.phase != "waiting" {
                self.go_back(job, interrupted);
                continue;
            }
            let this = self.clone();
            self.parts.lifecycle.spawn("upgrade", async move {
                let outcome = this.await_all(&job).await;
                this.conclude(&job, outcome).await;
                job.hold.release().await;
            });
        }
        Ok(())
    }

    /// Removes former containers that were kept long enough, for as long as this daemon leads.
    pub async fn work(&self, over: CancellationToken) {
        loop {
            // Docker may be away; the next look tries again.
            if let Err(error) = self.clear_old(false).await {
                tracing::warn!(%error, "former containers of n8n are left for now");
            }
            tokio::select! {
                () = tokio::time::sleep(CLEARED_EVERY) => {}
                () = over.cancelled() => return,
            }
        }
    }

    /// Removes the former containers of an upgrade that went well.
    pub(super) async fn clear(&self, actor: &Actor, id: i32) -> Result<(), UpgradeError> {
        let status = self.get(id).await?.status;
        let tx = self.parts.db.begin().await?;
        let Some(run) = store::hold_done(&tx, id).await? else {
            return Err(UpgradeError::WrongState(status));
        };
        self.remove_formers(&run).await?;
        store::note_cleared(&tx, id).await?;
        let entry = Entry::new(Action::UpgradeCleared).resource("upgrade", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Clears those that were kept long enough, or all of them for one that begins. One that cannot be cleared does not
    /// keep the others.
    pub(super) async fn clear_old(&self, is_for_next: bool) -> Result<(), UpgradeError> {
        let now = (!is_for_next).then(|| self.parts.clock.now());
        let mut failed = None;
        for run in store::to_clear(self.parts.db.orm(), now).await? {
            if let Err(error) = self.clear_kept(run.id).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn clear_kept(&self, id: i32) -> Result<(), UpgradeError> {
        let tx = self.parts.db.begin().await?;
        let held = store::hold_done(&tx, id).await?;
        if let Some(run) = held.filter(|run| run.kept_until.is_some()) {
            self.remove_formers(&run).await?;
            store::note_cleared(&tx, id).await?;
            tx.commit().await?;
            tracing::info!(upgrade = id, "the former containers of n8n are removed");
        }
        Ok(())
    }
}
