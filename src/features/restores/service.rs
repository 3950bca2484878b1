//! The use cases: restore beside, swap, undo, discard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use parking_lot::Mutex;
use serde_json::json;
use sqlx::ConnectOptions;
use tokio::sync::oneshot;

use super::RestoreError;
use super::pause::{self, Paused};
use super::server::{self, NewDatabase};
use super::store::{self, End, NewRun, Run};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::{BackupService, BackupType, Claim, FileLease, RunRequest, Trigger};
use crate::features::n8n::{self, N8nError, N8nService, N8nSource};
use crate::features::verification::{Outcome, Proof, Subject, Verdict, VerificationService};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::{ConnInfo, Installations};
use crate::platform::process::Processes;

const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How long a swap can be undone by a click.
const UNDO: TimeDelta = TimeDelta::hours(24);

/// What the service is made of.
#[derive(Clone)]
pub struct RestoreParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Where that is.
    pub own_database: ConnInfo,
    /// The backups.
    pub backups: BackupService,
    /// How a backup is restored and checked.
    pub verifications: VerificationService,
    /// Where to restore to.
    pub n8n: N8nService,
    /// The PostgreSQL programs of this machine.
    pub installations: Arc<Installations>,
    /// Runs programs.
    pub processes: Processes,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Start and stop.
    pub lifecycle: Lifecycle,
}

/// Restores. Cheap to clone.
#[derive(Clone)]
pub struct RestoreService {
    pub(super) parts: Arc<RestoreParts>,
    progress: Arc<Mutex<BTreeMap<i32, Proof>>>,
}

struct Job {
    id: i32,
    target: ConnInfo,
    subject: Subject,
    is_inactive: bool,
    claim: Claim,
    _lease: FileLease,
}

impl RestoreService {
    /// Puts the service together.
    pub fn new(parts: RestoreParts) -> Self {
        Self {
            parts: Arc::new(parts),
            progress: Arc::default(),
        }
    }

    pub(super) fn source(&self) -> Result<N8nSource, RestoreError> {
        Ok(self.parts.n8n.source()?.ok_or(N8nError::NotConfigured)?)
    }

    /// Begins to restore a backup into a new database beside n8n's. Returns the restore's number.
    pub(super) async fn start(
        &self,
        actor: &Actor,
        backup_id: i32,
        is_inactive: bool,
    ) -> Result<i32, RestoreError> {
        let source = self.source()?;
        let backup = self.parts.backups.get(backup_id).await?;
        if backup.backup_type != BackupType::PostgresN8n.as_str() {
            return Err(RestoreError::WrongType);
        }
        let subject = self.parts.verifications.subject(backup_id).await?;
        let lease = self.parts.backups.lease(backup_id);
        let (job_id, now) = (self.parts.ids.uuid(), self.parts.clock.now());
        let database = &source.conninfo.database;
        let scratch = beside(database, "restored", now);
        let cancel = self.parts.lifecycle.soft().child_token();
        let options = self.parts.own_database.to_sqlx();
        let claim = Claim::take(&options, job_id, &self.parts.lifecycle, cancel).await;
        let claim = claim.map_err(|error| {
            RestoreError::Backup(crate::features::backups::BackupError::Lock(error))
        })?;
        let tx = self.parts.db.begin().await?;
        let run = NewRun {
            backup_id,
            job_id,
            database_name: database,
            scratch_name: &scratch,
            is_inactive,
            requested_by: actor.user_id,
            started_at: now,
        };
        let Some(id) = store::insert(&tx, &run).await? else {
            claim.release().await;
            return Err(RestoreError::AlreadyRunning);
        };
        let facts = json!({ "restore_id": id, "into": scratch, "inactive": is_inactive });
        let entry = Entry::new(Action::RestoreRequested).resource("backup", backup_id);
        audit::record(&tx, &self.parts.clock, actor, entry.details(facts)).await?;
        tx.commit().await?;
        let job = Job {
            id,
            target: source.conninfo.with_database(scratch),
            subject,
            is_inactive,
            claim,
            _lease: lease,
        };
        let this = self.clone();
        self.parts.lifecycle.spawn("restore", async move {
            this.execute(job).await;
        });
        Ok(id)
    }

    /// Restores a backup and puts it in the place of what n8n uses, as it was, active workflows too. n8n must be
    /// stopped. Returns the restore's number; its swap can be undone as any other.
    pub async fn put_back(&self, actor: &Actor, backup_id: i32) -> Result<i32, RestoreError> {
        let id = self.start(actor, backup_id, false).await?;
        loop {
            let run = self.get(id).await?;
            match run.status.as_str() {
                "running" => tokio::time::sleep(LOOK_EVERY).await,
                "restored" => break,
                _ => return Err(RestoreError::Failed(run.message.unwrap_or(run.status))),
            }
        }
        self.swap(actor, id).await?;
        Ok(id)
    }

    async fn execute(&self, job: Job) {
        let stop = self.parts.lifecycle.soft().clone();
        let ended = tokio::select! {
            outcome = self.attempt(&job) => Some(outcome),
            () = stop.cancelled() => None,
        };
        self.progress.lock().remove(&job.id);
        let outcome = match ended {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => {
                let code = match &error {
                    RestoreError::Server { code, .. } => code,
                    _ => "failed",
                };
                Outcome::begin().give_up(code, error.to_string(), String::new())
            }
            None => Outcome::begin().give_up(
                "interrupted",
                "Flowkeep was stopped while it restored. What n8n uses was not touched.".to_owned(),
                "Discard what was begun and restore again.".to_owned(),
            ),
        };
        let is_restored = is_restored(&outcome);
        if !is_restored && outcome.code != "database_exists" {
            // Nothing of it is of use; should this fail, it can be discarded by hand.
            let name = job.target.database.clone();
            if let Err(error) = server::drop_database(&job.target, &name).await {
                tracing::warn!(%error, "cannot remove what a failed restore left");
            }
        }
        if let Err(error) = self.note_end(job.id, &outcome, is_restored).await {
            tracing::error!(%error, restore.id = job.id, "cannot note the end of a restore");
        }
        job.claim.release().await;
    }

    async fn attempt(&self, job: &Job) -> Result<Outcome, RestoreError> {
        let parts = &self.parts;
        let major = job.subject.server_major;
        let database = NewDatabase::create(
            &job.target,
            major,
            &parts.installations,
            parts.processes.clone(),
            parts.ids.clone(),
        )
        .await?;
        let prover = parts.verifications.prover();
        let watch = |proof| {
            self.progress.lock().insert(job.id, proof);
        };
        let mut outcome = prover.restore_into(&database, &job.subject, watch).await;
        if is_restored(&outcome) && job.is_inactive {
            let neutral = async {
                let mut connection = job.target.to_sqlx().connect().await?;
                if let Some(tables) = n8n::find_tables(&mut connection).await? {
                    n8n::make_inactive(&job.target, &tables).await?;
                }
                sqlx::Connection::close(connection).await
            };
            let neutral: sqlx::Result<()> = neutral.await;
            if let Err(error) = neutral {
                outcome = outcome.give_up(
                    "not_made_inactive",
                    format!(
                        "It was restored, but its workflows could not be made inactive: {error}."
                    ),
                    "Restore again.".to_owned(),
                );
            } else {
                outcome.message.push_str(" Every workflow is inactive.");
            }
        }
        Ok(outcome)
    }

    pub(super) async fn note_end(
        &self,
        id: i32,
        outcome: &Outcome,
        is_restored: bool,
    ) -> Result<(), RestoreError> {
        let tx = self.parts.db.begin().await?;
        let end = End {
            status: if is_restored { "restored" } else { "failed" },
            code: (outcome.verdict != Verdict::Passed).then_some(outcome.code),
            message: &outcome.message,
            remedy: outcome.remedy.as_deref(),
            tables_checked: i32::try_from(outcome.tables_checked).ok(),
            restore_ms: outcome.restore_ms.and_then(|ms| i64::try_from(ms).ok()),
        };
        if store::finish(&tx, id, &end, self.parts.clock.now()).await? {
            let facts = json!({ "status": end.status, "code": outcome.code });
            let entry = Entry::new(Action::RestoreFinished).resource("restore", id);
            let actor = Actor::system();
            audit::record(&tx, &self.parts.clock, &actor, entry.details(facts)).await?;
            tx.commit().await?;
            tracing::info!(
                restore.id = id,
                status = end.status,
                code = outcome.code,
                "restore ended"
            );
        }
        Ok(())
    }

    /// Puts the restored database in the place of the one that n8n uses. Goes on to its end also when
    /// whoever asked does not wait for it.
    pub(super) async fn swap(&self, actor: &Actor, id: i32) -> Result<Run, RestoreError> {
        let (this, actor) = (self.clone(), actor.clone());
        self.to_the_end(async move { this.swap_now(&actor, id).await })
            .await
    }

    async fn swap_now(&self, actor: &Actor, id: i32) -> Result<Run, RestoreError> {
        let run = self.in_state(id, "restored").await?;
        let source = self.source()?;
        let containers = self.parts.n8n.running_containers().await?;
        if containers.is_empty() {
            // Looked at first: a safety backup takes long.
            pause::disconnected(&source.conninfo, &run.database_name).await?;
        }
        let previous = beside(&run.database_name, "before", self.parts.clock.now());
        if !store::begin_swap(self.parts.db.orm(), id, &previous).await? {
            return Err(RestoreError::WrongState("being swapped in".to_owned()));
        }
        let paused = Paused {
            restore_id: id,
            containers: &containers,
        };
        let swapped = async {
            self.pause(&paused, &source.conninfo).await?;
            let request = RunRequest {
                backup_type: BackupType::PostgresN8n,
                compression: None,
                trigger: Trigger::Safety,
                scheduled: None,
            };
            let (safety, outcome) = self.parts.backups.run_now(actor, request).await?;
            outcome.map_err(RestoreError::Safety)?;
            server::rename(
                &source.conninfo,
                (&run.database_name, &previous),
                (&run.scratch_name, &run.database_name),
            )
            .await?;
            Ok(safety)
        };
        let swapped: Result<i32, RestoreError> = swapped.await;
        match &swapped {
            Ok(safety) => self.note_swap(actor, id, &previous, Some(*safety)).await?,
            Err(_) => {
                store::set_status(self.parts.db.orm(), id, "swapping", "restored").await?;
            }
        }
        // Whichever database has the name now: n8n runs again.
        self.resume(&paused).await?;
        swapped?;
        self.get(id).await
    }

    pub(super) async fn note_swap(
        &self,
        actor: &Actor,
        id: i32,
        previous: &str,
        safety: Option<i32>,
    ) -> Result<(), RestoreError> {
        let tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        store::swapped(&tx, id, safety, now, now + UNDO).await?;
        let facts = json!({ "previous": previous, "safety_backup_id": safety });
        let entry = Entry::new(Action::RestoreSwapped).resource("restore", id);
        audit::record(&tx, &self.parts.clock, actor, entry.details(facts)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives n8n back what it used before the swap.
    pub(super) async fn undo(&self, actor: &Actor, id: i32) -> Result<Run, RestoreError> {
        let (this, actor) = (self.clone(), actor.clone());
        self.to_the_end(async move { this.undo_now(&actor, id).await })
            .await
    }

    async fn undo_now(&self, actor: &Actor, id: i32) -> Result<Run, RestoreError> {
        let run = self.in_state(id, "swapped").await?;
        let until = run.undo_until;
        if until.is_some_and(|until| self.parts.clock.now() > until) {
            return Err(RestoreError::UndoIsOver);
        }
        let source = self.source()?;
        let previous = run.previous_name.as_deref().unwrap_or_default();
        if !store::set_status(self.parts.db.orm(), id, "swapped", "undoing").await? {
            return Err(RestoreError::WrongState("being undone".to_owned()));
        }
        let containers = self.parts.n8n.running_containers().await;
        let paused = Paused {
            restore_id: id,
            containers: containers.as_deref().unwrap_or_default(),
        };
        let renamed = async {
            if let Err(error) = &containers {
                return Err(RestoreError::Container(error.to_string()));
            }
            self.pause(&paused, &source.conninfo).await?;
            server::rename(
                &source.conninfo,
                (&run.database_name, &run.scratch_name),
                (previous, &run.database_name),
            )
            .await
        };
        let renamed = renamed.await;
        if renamed.is_ok() {
            self.note_undo(actor, id).await?;
        } else {
            store::set_status(self.parts.db.orm(), id, "undoing", "swapped").await?;
        }
        self.resume(&paused).await?;
        renamed?;
        self.get(id).await
    }

    pub(super) async fn note_undo(&self, actor: &Actor, id: i32) -> Result<(), RestoreError> {
        let tx = self.parts.db.begin().await?;
        store::set_status(&tx, id, "undoing", "undone").await?;
        let entry = Entry::new(Action::RestoreUndone).resource("restore", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Runs work as a task of its own and waits for it: a browser that goes away does not cut it off.
    async fn to_the_end<F>(&self, work: F) -> Result<Run, RestoreError>
    where
        F: Future<Output = Result<Run, RestoreError>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.parts.lifecycle.spawn("restore", async move {
            let _ = reply.send(work.await);
        });
        answer
            .await
            .unwrap_or_else(|_| Err(RestoreError::WrongState("interrupted".to_owned())))
    }

    /// Deletes the database that is left over: the restored one, or after a swap the former one.
    pub(super) async fn discard(&self, actor: &Actor, id: i32) -> Result<(), RestoreError> {
        let run = self.get(id).await?;
        let name = match run.status.as_str() {
            "restored" | "failed" | "undone" => &run.scratch_name,
            "swapped" => run.previous_name.as_ref().unwrap_or(&run.scratch_name),
            other => return Err(RestoreError::WrongState(other.to_owned())),
        };
        let source = self.source()?;
        server::drop_database(&source.conninfo, name).await?;
        let tx = self.parts.db.begin().await?;
        store::set_status(&tx, id, &run.status, "discarded").await?;
        let entry = Entry::new(Action::RestoreDiscarded).resource("restore", id);
        let entry = entry.details(json!({ "database": name, "was": run.status }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn in_state(&self, id: i32, wanted: &str) -> Result<Run, RestoreError> {
        let run = self.get(id).await?;
        if run.status == wanted {
            Ok(run)
        } else {
            Err(RestoreError::WrongState(run.status))
        }
    }

    pub(super) async fn get(&self, id: i32) -> Result<Run, RestoreError> {
        store::get(self.parts.db.orm(), id)
            .await?
            .ok_or(RestoreError::NotFound(id))
    }

    pub(super) async fn list(&self) -> Result<Vec<Run>, RestoreError> {
        Ok(store::list(self.parts.db.orm()).await?)
    }

    /// How far a restore is, while it runs here.
    pub(super) fn progress(&self, id: i32) -> Option<Proof> {
        self.progress.lock().get(&id).copied()
    }
}

/// A wrong saved key says nothing against what was restored.
fn is_restored(outcome: &Outcome) -> bool {
    outcome.verdict == Verdict::Passed
        || (outcome.verdict == Verdict::CouldNotVerify && outcome.code == "wrong_encryption_key")
}

/// A name beside another, within PostgreSQL's 63 bytes.
fn beside(database: &str, what: &str, at: chrono::DateTime<chrono::Utc>) -> String {
    let suffix = format!("_{what}_{}", at.format("%Y%m%d_%H%M%S"));
    let mut name = database.to_owned();
    while name.len() + suffix.len() > 63 {
        name.pop();
    }
    name + &suffix
}
