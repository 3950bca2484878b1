//! Who may work on an upgrade: one worker, here or in another daemon, also when the database was away meanwhile.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use super::error::{Trouble, UpgradeError};
use super::service::{Job, UpgradeService};
use super::store;
use crate::features::backups::{BackupError, Claim};

/// The right to work on an upgrade. Other daemons see it by its lock, and this one knows it by heart.
pub struct Hold {
    /// The name under which the upgrade's row knows the worker.
    pub job_id: Uuid,
    claim: Claim,
    _noted: Noted,
}

/// Is forgotten however the work ends.
struct Noted {
    job_id: Uuid,
    all: Arc<Mutex<HashSet<Uuid>>>,
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.all.lock().remove(&self.job_id);
    }
}

impl Hold {
    /// Gives the right up.
    pub async fn release(self) {
        self.claim.release().await;
    }
}

impl UpgradeService {
    pub(super) async fn hold(&self) -> Result<Hold, UpgradeError> {
        let job_id = self.parts.ids.uuid();
        let all = Arc::clone(&self.at_work);
        all.lock().insert(job_id);
        let noted = Noted { job_id, all };
        let options = self.parts.own_database.to_sqlx();
        let cancel = self.parts.lifecycle.soft().child_token();
        let claim = Claim::take(&options, job_id, &self.parts.lifecycle, cancel).await;
        Ok(Hold {
            job_id,
            claim: claim.map_err(BackupError::Lock)?,
            _noted: noted,
        })
    }

    /// Waits until Flowkeep's own database answers, and makes sure that the upgrade is still this job's.
    pub(super) async fn still(&self, job: &Job) -> Result<(), Trouble> {
        self.holds(job).await?;
        match store::is_of(self.parts.db.orm(), job.id, job.hold.job_id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Trouble::lost()),
            Err(error) => Err(Trouble::own(&error)),
        }
    }

    async fn holds(&self, job: &Job) -> Result<(), Trouble> {
        let is_held = tokio::select! {
            biased;
            is_held = job.hold.claim.is_held() => is_held,
            () = self.parts.lifecycle.soft().cancelled() => {
                return Err(Trouble::interrupted("It goes on at its next start."));
            }
        };
        if is_held {
            Ok(())
        } else {
            Err(Trouble::lost())
        }
    }

    /// Notes what the job is at, if the upgrade is still its own.
    pub(super) async fn enter(&self, job: &Job, phase: &str) -> Result<(), Trouble> {
        self.holds(job).await?;
        let now = self.parts.clock.now();
        let db = self.parts.db.orm();
        match store::enter(db, job.id, job.hold.job_id, phase, now).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Trouble::lost()),
            Err(error) => Err(Trouble::own(&error)),
        }
    }
}
