//! One run: claim the database, look before leaping, dump, publish, note the end.

mod claim;
mod config_files;
mod content;
mod dump;
mod flows;
mod full;
mod preflight;
mod sink;
mod snapshot;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::archive::{Compression, Snapshot};
use super::error::{BackupError, Failure};
use super::model::{BackupType, Trigger};
use super::seal::{self, Sealer};
use super::service::BackupService;
use super::{Manifest, store};
use crate::features::audit::{self, Action, Actor};
use crate::features::backups::files::NO_INODES;
use crate::features::n8n::N8nSource;
use crate::platform::events::{Posted, Severity, Work};

use content::Content;

pub use claim::Claim;
pub use claim::is_lock_free;
pub use content::Entry;

/// What somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct RunRequest {
    /// What to back up.
    pub backup_type: BackupType,
    /// How to compress; the settings' way if not said.
    pub compression: Option<Compression>,
    /// What set it off.
    pub trigger: Trigger,
    /// The due time it stands for.
    pub scheduled: Option<ScheduledAttempt>,
}

/// A due time of a schedule, and which attempt at it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledAttempt {
    /// The schedule.
    pub schedule_id: i32,
    /// The due time's number.
    pub run_id: i32,
    /// 1 for the first.
    pub attempt: i32,
}

/// Where a backup comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// One database.
    Database(N8nSource),
    /// Every database of this one's server.
    Server(N8nSource),
    /// The workflows of this n8n.
    Flows(N8nSource),
    /// Files and folders of this machine.
    Files(Vec<PathBuf>),
}

impl Source {
    /// The database, in words.
    pub fn name(&self) -> String {
        match self {
            Self::Database(source) | Self::Flows(source) => source.conninfo.database.clone(),
            Self::Server(source) => source.conninfo.address(),
            Self::Files(_) => "configuration".to_owned(),
        }
    }

    /// Whether it is the sample that comes with Flowkeep.
    pub fn is_sample(&self) -> bool {
        match self {
            Self::Database(source) | Self::Flows(source) | Self::Server(source) => source.is_sample,
            Self::Files(_) => false,
        }
    }

    /// What may be backed up once at a time: SHA-256 in hexadecimal.
    pub fn identity(&self) -> String {
        let text = match self {
            Self::Database(source) => return source.conninfo.identity_hash(),
            Self::Server(source) => format!("server\0{}", source.conninfo.address()),
            Self::Flows(source) => format!("flows\0{}", source.conninfo.identity_hash()),
            Self::Files(_) => "files".to_owned(),
        };
        hex::encode(Sha256::digest(text.as_bytes()))
    }
}

/// A run that was claimed.
pub struct Job {
    pub id: i32,
    pub job_id: Uuid,
    pub backup_type: BackupType,
    pub compression: Compression,
    /// How it is encrypted, if it is.
    pub seal: Option<Sealer>,
    pub source: Source,
    pub started_at: DateTime<Utc>,
    pub filename: String,
    pub claim: Claim,
    pub cancel: CancellationToken,
}

impl BackupService {
    /// Takes a job to its end and notes it. Never fails: what goes wrong is in the row.
    pub(super) async fn execute(&self, job: Job) -> Result<(), Failure> {
        tracing::info!(
            backup.id = job.id,
            kind = job.backup_type.as_str(),
            "backup started"
        );
        let outcome = self.attempt(&job).await;
        let actor = Actor::system();
        match &outcome {
            Ok(manifest) => tracing::info!(
                backup.id = job.id,
                stored_bytes = manifest.stored_bytes,
                duration_ms = (manifest.completed_at - manifest.started_at).num_milliseconds(),
                "backup published"
            ),
            Err(failure) => {
                tracing::error!(
                    backup.id = job.id,
                    code = failure.code,
                    why = failure.message,
                    "backup failed"
                );
                let noted = self.note_failure(&actor, job.id, 0, failure).await;
                if let Err(error) = noted {
                    // The row stays `running` without a lock: the next start settles it.
                    tracing::error!(%error, backup.id = job.id, "cannot note the failure");
                }
            }
        }
        job.claim.release().await;
        outcome.map(|_| ())
    }

    async fn attempt(&self, job: &Job) -> Result<Manifest, Failure> {
        let posted = self
            .parts
            .board
            .post(Work::Backup, job.id, progress(job, "preflight", None));
        let files = self.files.clone();
        let content = match &job.source {
            Source::Database(source) => self.dump_one(job, source, &posted).await?,
            Source::Server(source) => self.dump_all(job, &source.conninfo, &posted).await?,
            Source::Flows(source) => self.pack_flows(job, &source.conninfo, &posted).await?,
            Source::Files(paths) => self.pack_config(job, paths, &posted).await?,
        };
        posted.update(progress(job, "publishing", None));
        let manifest = Manifest {
            format: super::manifest::FORMAT,
            flowkeep_version: env!("CARGO_PKG_VERSION").to_owned(),
            job_id: job.job_id,
            backup_type: job.backup_type.as_str().to_owned(),
            filename: job.filename.clone(),
            sha256: content.sha256,
            stored_bytes: content.stored_bytes,
            archive_bytes: content.archive_bytes,
            compression: content.compression.to_owned(),
            encryption: job.seal.as_ref().map(|_| seal::FORMAT.to_owned()),
            database: job.source.name(),
            server_version: content.server_version,
            server_major: content.server_major,
            dump_version: content.dump_version,
            n8n_version: content.n8n_version,
            source_identity: Some(job.source.identity()),
            is_sample: job.source.is_sample(),
            started_at: job.started_at,
            completed_at: self.parts.clock.now(),
            tables: content.tables,
            entries: content.entries,
        };
        // Whoever cannot prove to be alive may not publish: somebody else may have settled the run.
        if !job.claim.is_held().await {
            return Err(lost_claim());
        }
        let path = files.final_path(job.backup_type, &job.filename);
        let (partial, index) = (content.partial, content.index);
        let (target, copy) = (path.clone(), manifest.clone());
        let published =
            tokio::task::spawn_blocking(move || files.publish(partial, &target, &copy, &index));
        published
            .await
            .map_err(|error| Failure::new("internal", error.to_string()))?
            .map_err(|error| storage_failure(&error))?;
        match self
            .note_success(
                &Actor::system(),
                job.id,
                0,
                &manifest,
                Action::BackupSucceeded,
            )
            .await
        {
            Ok(true) => Ok(manifest),
            Ok(false) => {
                let _ = self.files.remove(&path);
                Err(lost_claim())
            }
            // The file is whole and has its manifest: it is taken into the catalogue later.
            Err(error) => Err(Failure::new(
                "database_unavailable",
                format!("The backup is whole on disk, but the catalogue does not answer: {error}."),
            )),
        }
    }

    /// One database as pg_dump's archive.
    async fn dump_one(
        &self,
        job: &Job,
        source: &N8nSource,
        posted: &Posted,
    ) -> Result<Content, Failure> {
        let is_n8n = job.backup_type == BackupType::PostgresN8n;
        let plan = tokio::select! {
            plan = self.preflight(job, &source.conninfo, is_n8n) => plan?,
            () = job.cancel.cancelled() => return Err(self.stopped(job)),
        };
        let dumped = self
            .dump(job, &source.conninfo, &plan, posted, None)
            .await?;
        let (partial, dumped) = dumped;
        let index = serde_json::to_value(&dumped.summary)
            .map_err(|error| Failure::new("internal", error.to_string()))?;
        Ok(Content {
            partial,
            sha256: dumped.summary.sha256.clone(),
            stored_bytes: dumped.summary.stored_bytes,
            archive_bytes: dumped.summary.archive_bytes,
            compression: job.compression.name(),
            server_version: plan.server_version,
            server_major: plan.server_major,
            dump_version: dumped.summary.header.dump_version.clone(),
            n8n_version: plan.n8n_version,
            tables: dumped.tables,
            entries: Vec::new(),
            index,
        })
    }

    /// Why it was stopped: Flowkeep is stopping, somebody asked, or the proof of life was lost.
    fn stopped(&self, job: &Job) -> Failure {
        if job.claim.is_lost() {
            lost_claim()
        } else if self.parts.lifecycle.is_stopping() {
            Failure::new(
                "interrupted",
                "Flowkeep was stopped while the backup ran. Run it again.",
            )
        } else {
            Failure::new("cancelled", "The backup was cancelled.")
        }
    }

    /// Notes success with audit row and event in one transaction. False when it was settled.
    pub(super) async fn note_success(
        &self,
        actor: &Actor,
        id: i32,
        epoch: i32,
        manifest: &Manifest,
        action: Action,
    ) -> Result<bool, BackupError> {
        let tx = self.parts.db.begin().await?;
        if !store::succeed(&tx, id, epoch, manifest).await? {
            return Ok(false);
        }
        let facts = json!({
            "id": id, "backup_type": manifest.backup_type, "filename": manifest.filename,
            "stored_bytes": manifest.stored_bytes, "rows": manifest.total_rows(),
            "tables": manifest.tables.len(), "database": manifest.database,
            "duration_ms": (manifest.completed_at - manifest.started_at).num_milliseconds(),
        });
        let entry = audit::Entry::new(action)
            .resource("backup", id)
            .details(facts.clone());
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        let event = self.event("backup.success", Severity::Info, facts);
        crate::platform::events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.events.publish(event);
        Ok(true)
    }

    /// Notes a failure with audit row and event in one transaction.
    pub(super) async fn note_failure(
        &self,
        actor: &Actor,
        id: i32,
        epoch: i32,
        failure: &Failure,
    ) -> Result<(), BackupError> {
        let tx = self.parts.db.begin().await?;
        if store::fail(&tx, id, epoch, failure, self.parts.clock.now()).await? {
            let backup_type = store::get(&tx, id).await?.map(|backup| backup.backup_type);
            let facts = json!({
                "id": id, "backup_type": backup_type, "code": failure.code, "message": failure.message,
            });
            let entry = audit::Entry::new(Action::BackupFailed).resource("backup", id);
            let entry = entry.details(json!({ "code": failure.code }));
            audit::record(&tx, &self.parts.clock, actor, entry).await?;
            let event = self.event("backup.failed", Severity::Error, facts);
            crate::platform::events::record(&tx, &event).await?;
            tx.commit().await?;
            self.parts.events.publish(event);
        }
        Ok(())
    }
}

fn lost_claim() -> Failure {
    Failure::new(
        "lost_claim",
        "The connection to Flowkeep's own database broke while the backup ran, so it was not \
         published. Run it again.",
    )
}

/// In a user's words why a file could not be written.
pub(super) fn storage_failure(error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull if error.to_string().contains(NO_INODES) => Failure::new(
            "no_inodes",
            format!(
                "The backup disk has {NO_INODES}, though bytes are. Remove small files from it."
            ),
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Failure::new(
            "no_space",
            "The backup disk is full. Nothing older was deleted; make room or choose another \
             folder with FLOWKEEP_BACKUP_DIR.",
        ),
        ErrorKind::PermissionDenied => Failure::new(
            "permission_denied",
            format!(
                "The backup folder cannot be written to: {error}. Give Flowkeep's user rights to it."
            ),
        ),
        ErrorKind::ReadOnlyFilesystem => Failure::new(
            "read_only",
            "The backup disk became read-only. Look at the machine's log for a failing disk.",
        ),
        _ => Failure::new(
            "storage_failed",
            format!("The backup could not be stored: {error}."),
        ),
    }
}

/// What watchers see.
fn progress(
    job: &Job,
    phase: &str,
    now: Option<(&Snapshot, u64, Duration, Option<u64>)>,
) -> serde_json::Value {
    let (snapshot, rate, elapsed, estimate) = match now {
        Some((snapshot, rate, elapsed, estimate)) => (snapshot.clone(), rate, elapsed, estimate),
        None => (Snapshot::default(), 0, Duration::ZERO, None),
    };
    json!({
        "id": job.id,
        "backup_type": job.backup_type.as_str(),
        "phase": phase,
        "archive_bytes": snapshot.archive_bytes,
        "stored_bytes": snapshot.stored_bytes,
        "bytes_per_second": rate,
        "estimated_total_bytes": estimate,
        "current_table": snapshot.current_table,
        "rows": snapshot.rows,
        "tables_done": snapshot.tables_done,
        "tables_total": snapshot.tables_total,
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}
