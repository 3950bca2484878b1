//! The use cases, one method each; the work itself is in `worker` and `prove`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::docker::DockerEngine;
use super::engine::VerificationEngine;
use super::error::VerificationError;
use super::prove::Prover;
use super::store::{self, Run};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::BackupService;
use crate::features::n8n::N8nService;
use crate::features::settings::{Key, SettingsService};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::EventBus;
use crate::platform::ids::Ids;

/// Between two looks at a proof that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What the service is made of.
#[derive(Clone)]
pub struct VerificationParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// The backups.
    pub backups: BackupService,
    /// The n8n whose key opens the credentials.
    pub n8n: N8nService,
    /// Whether every backup is proven, and for how long.
    pub settings: SettingsService,
    /// Where to restore.
    pub engine: Arc<dyn VerificationEngine>,
    /// Whose left-over containers are removed.
    pub docker_engine: DockerEngine,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Who is told what happened.
    pub events: EventBus,
}

/// Verifications. Cheap to clone.
#[derive(Clone)]
pub struct VerificationService {
    pub(super) parts: Arc<VerificationParts>,
    pub(super) queued: Arc<Notify>,
}

impl VerificationService {
    /// Puts the service together.
    pub fn new(parts: VerificationParts) -> Self {
        Self {
            parts: Arc::new(parts),
            queued: Arc::default(),
        }
    }

    /// Proves backups outside the queue.
    pub fn prover(&self) -> Prover {
        Prover {
            engine: Arc::clone(&self.parts.engine),
        }
    }

    /// Queues a verification of a backup, or of the newest good one. Returns its number.
    pub async fn request(
        &self,
        actor: &Actor,
        backup_id: Option<i32>,
        trigger: &str,
    ) -> Result<i32, VerificationError> {
        let backup_id = if let Some(id) = backup_id {
            id
        } else {
            let newest = self.parts.backups.newest_good(None).await?;
            newest.ok_or(VerificationError::NoBackup)?.id
        };
        // Refuses what has no file.
        self.parts.backups.get_file(backup_id).await?;
        let tx = self.parts.db.begin().await?;
        let hastened = if trigger == "manual" {
            store::hasten(&tx, backup_id).await?
        } else {
            None
        };
        let queued = if hastened.is_some() {
            hastened
        } else {
            // Until a server has been started for it; the outcome says which.
            let engine = self.parts.settings.choice(Key::VerificationEngine);
            let now = self.parts.clock.now();
            store::enqueue(&tx, backup_id, trigger, actor.user_id, &engine, now).await?
        };
        let id = queued.ok_or(VerificationError::AlreadyRunning(backup_id))?;
        let entry = Entry::new(Action::VerificationRequested).resource("backup", backup_id);
        let entry = entry.details(json!({ "verification_id": id, "trigger": trigger }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        self.queued.notify_one();
        Ok(id)
    }

    /// Has a backup proven and waits for it. Says why it is not proven, if so.
    pub async fn prove_now(
        &self,
        actor: &Actor,
        backup_id: i32,
        stop: &CancellationToken,
    ) -> Result<Result<(), String>, VerificationError> {
        match self.request(actor, Some(backup_id), "manual").await {
            // The one after each backup was quicker.
            Ok(_) | Err(VerificationError::AlreadyRunning(_)) => {}
            Err(error) => return Err(error),
        }
        loop {
            let newest = self.list(Some(backup_id), None, None, 5).await?;
            let ended = newest.into_iter().find(|run| run.completed_at.is_some());
            if let Some(run) = ended {
                let message = run.message.unwrap_or_default();
                return Ok(match run.status.as_str() {
                    "passed" => Ok(()),
                    _ => Err(message),
                });
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return Err(VerificationError::Stopped),
            }
        }
    }

    /// Queues a verification of each of the newest backups. Returns how many were queued.
    pub async fn request_newest(&self, count: u64) -> Result<usize, VerificationError> {
        let mut queued = 0;
        for id in self.parts.backups.newest(count).await? {
            match self.request(&Actor::system(), Some(id), "schedule").await {
                Ok(_) => queued += 1,
                Err(VerificationError::AlreadyRunning(_)) => {}
                Err(error) => tracing::warn!(%error, backup.id = id, "cannot queue a verification"),
            }
        }
        Ok(queued)
    }

    pub(super) async fn get(&self, id: i32) -> Result<Run, VerificationError> {
        store::get(self.parts.db.orm(), id)
            .await?
            .ok_or(VerificationError::NotFound(id))
    }

    pub(super) async fn list(
        &self,
        backup_id: Option<i32>,
        status: Option<String>,
        before_id: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Run>, VerificationError> {
        Ok(store::list(self.parts.db.orm(), backup_id, status, before_id, limit).await?)
    }
}
