//! The use cases, one method each; the run itself is in `run`, the past in `catalogue`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use super::archive::Compression;
use super::error::{BackupError, Failure};
use super::files::BackupFiles;
use super::gauges::Gauges;
use super::model::BackupType;
use super::run::{Claim, Job, RunRequest, Source};
use super::store::{self, NewRun};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::n8n::{N8nError, N8nService, N8nSource};
use crate::features::settings::{Key, SettingsService};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::{self, Event, EventBus, ProgressBoard, Severity};
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::{ConnInfo, Installations};
use crate::platform::process::Processes;

/// What the service is made of.
#[derive(Clone)]
pub struct BackupParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Where that is.
    pub own_database: ConnInfo,
    /// Where n8n's is.
    pub n8n: N8nService,
    /// How to compress, how long to wait.
    pub settings: SettingsService,
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
    /// Who is told what happened.
    pub events: EventBus,
    /// How far running work is.
    pub board: ProgressBoard,
}

/// Backups. Cheap to clone.
#[derive(Clone)]
pub struct BackupService {
    pub(super) parts: Arc<BackupParts>,
    pub(super) files: BackupFiles,
    running: Arc<Mutex<BTreeMap<i32, CancellationToken>>>,
    leased: Arc<Mutex<BTreeMap<i32, usize>>>,
    pub(super) sealing: Arc<tokio::sync::Mutex<()>>,
    pub(super) gauges: Gauges,
}

/// Keeps a backup's file from being deleted until dropped.
#[derive(Debug)]
pub struct FileLease {
    leased: Arc<Mutex<BTreeMap<i32, usize>>>,
    id: i32,
}

impl Drop for FileLease {
    fn drop(&mut self) {
        let mut leased = self.leased.lock();
        if let Some(count) = leased.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                leased.remove(&self.id);
            }
        }
    }
}

impl BackupService {
    /// Puts the service together. Touches neither network nor disk.
    pub fn new(parts: BackupParts, files: BackupFiles) -> Self {
        Self {
            parts: Arc::new(parts),
            files,
            running: Arc::default(),
            leased: Arc::default(),
            sealing: Arc::default(),
            gauges: Gauges::default(),
        }
    }

    /// Begins a run in the background. Returns its number.
    pub async fn start(&self, actor: &Actor, request: RunRequest) -> Result<i32, BackupError> {
        let job = self.claim(actor, request).await?;
        let id = job.id;
        let this = self.clone();
        self.parts.lifecycle.spawn("backup", async move {
            let _ = this.execute(job).await;
            this.running.lock().remove(&id);
        });
        Ok(id)
    }

    /// Runs to the end. Returns the run's number, and why it failed if it did.
    pub async fn run_now(
        &self,
        actor: &Actor,
        request: RunRequest,
    ) -> Result<(i32, Result<(), String>), BackupError> {
        let job = self.claim(actor, request).await?;
        let id = job.id;
        let outcome = self.execute(job).await;
        self.running.lock().remove(&id);
        Ok((id, outcome.map_err(|failure: Failure| failure.message)))
    }

    /// Claims the database and notes the run, all or nothing.
    async fn claim(&self, actor: &Actor, request: RunRequest) -> Result<Job, BackupError> {
        let compression = self.compression(request.compression)?;
        let seal = self.sealer()?;
        let source = self.source(request.backup_type)?;
        let identity = source.identity();
        let (job_id, started_at) = (self.parts.ids.uuid(), self.parts.clock.now());
        let filename = BackupFiles::file_name(
            request.backup_type,
            started_at,
            job_id,
            compression,
            seal.is_some(),
        );
        let path = self.files.final_path(request.backup_type, &filename);
        let cancel = self.parts.lifecycle.soft().child_token();
        let options: PgConnectOptions = self.parts.own_database.to_sqlx();
        let claim = Claim::take(&options, job_id, &self.parts.lifecycle, cancel.clone()).await;
        let claim = claim.map_err(BackupError::Lock)?;
        let run = NewRun {
            backup_type: request.backup_type.as_str(),
            filename: &filename,
            filepath: &path.to_string_lossy(),
            // Of a whole server only the dumps in the archive are compressed.
            compression: match request.backup_type {
                BackupType::PostgresFull => Compression::None.name(),
                _ => compression.name(),
            },
            started_at,
            job_id,
            source_identity: &identity,
            database: &source.name(),
            trigger: request.trigger.as_str(),
            requested_by: actor.user_id,
            is_sample: source.is_sample(),
            scheduled: request.scheduled,
        };
        let noted = self.note_start(actor, &run).await;
        let id = match noted {
            Ok(Some(id)) => id,
            Ok(None) => {
                claim.release().await;
                let running = store::running_for(self.parts.db.orm(), &identity).await?;
                return Err(BackupError::AlreadyRunning(running.unwrap_or_default()));
            }
            Err(error) => {
                claim.release().await;
                return Err(error);
            }
        };
        self.running.lock().insert(id, cancel.clone());
        let RunRequest { backup_type, .. } = request;
        Ok(Job {
            id,
            job_id,
            backup_type,
            compression,
            seal,
            source,
            started_at,
            filename,
            claim,
            cancel,
        })
    }

    async fn note_start(
        &self,
        actor: &Actor,
        run: &NewRun<'_>,
    ) -> Result<Option<i32>, BackupError> {
        let tx = self.parts.db.begin().await?;
        let Some(id) = store::insert_run(&tx, run).await? else {
            return Ok(None);
        };
        let facts = json!({ "id": id, "backup_type": run.backup_type, "trigger": run.trigger });
        let entry = Entry::new(Action::BackupRequested).resource("backup", id);
        let entry = entry.details(facts.clone());
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        let event = self.event("backup.started", Severity::Info, facts);
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.events.publish(event);
        Ok(Some(id))
    }

    fn compression(&self, asked: Option<Compression>) -> Result<Compression, BackupError> {
        let bad = |text: &str| Err(BackupError::Compression(text.to_owned()));
        match asked {
            Some(Compression::Zstd { level }) if !(1..=19).contains(&level) => {
                bad("zstd has the levels 1 to 19")
            }
            Some(Compression::Gzip { level }) if !(1..=9).contains(&level) => {
                bad("gzip has the levels 1 to 9")
            }
            Some(compression) => Ok(compression),
            None => {
                let level = self.parts.settings.integer(Key::BackupCompressionLevel);
                let name = self.parts.settings.choice(Key::BackupCompression);
                Ok(self.named_compression(&name, Some(level)))
            }
        }
    }

    /// A compression by its name; the settings' level if none is given.
    pub fn named_compression(&self, name: &str, level: Option<i64>) -> Compression {
        let chosen =
            level.unwrap_or_else(|| self.parts.settings.integer(Key::BackupCompressionLevel));
        match name {
            "gzip" if level.is_none() => Compression::Gzip { level: 6 },
            "gzip" => Compression::Gzip {
                level: u32::try_from(chosen).unwrap_or(0),
            },
            "none" => Compression::None,
            _ => Compression::Zstd {
                level: i32::try_from(chosen).unwrap_or(0),
            },
        }
    }

    fn source(&self, kind: BackupType) -> Result<Source, BackupError> {
        let n8n = || -> Result<N8nSource, BackupError> {
            let source = self.parts.n8n.source()?;
            source.ok_or(BackupError::N8n(N8nError::NotConfigured))
        };
        Ok(match kind {
            BackupType::PostgresN8n => Source::Database(n8n()?),
            BackupType::PostgresFull => Source::Server(n8n()?),
            BackupType::Flows => Source::Flows(n8n()?),
            BackupType::PostgresMgmt => Source::Database(N8nSource {
                conninfo: self.parts.own_database.clone(),
                encryption_key: None,
                is_sample: false,
            }),
            BackupType::N8nConfig => {
                let paths = self.parts.settings.lines(Key::N8nConfigPaths);
                if paths.is_empty() && self.parts.n8n.containers().is_empty() {
                    return Err(BackupError::NoConfigPaths);
                }
                Source::Files(paths.into_iter().map(PathBuf::from).collect())
            }
        })
    }

    /// Asks a run to stop.
    pub async fn cancel(&self, actor: &Actor, id: i32) -> Result<(), BackupError> {
        let cancel = self.running.lock().get(&id).cloned();
        let cancel = cancel.ok_or(BackupError::NotRunning(id))?;
        let tx = self.parts.db.begin().await?;
        let entry = Entry::new(Action::BackupCancelled).resource("backup", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        cancel.cancel();
        Ok(())
    }

    /// Keeps a backup's file from being deleted.
    pub fn lease(&self, id: i32) -> FileLease {
        *self.leased.lock().entry(id).or_default() += 1;
        FileLease {
            leased: Arc::clone(&self.leased),
            id,
        }
    }

    pub(super) fn is_leased(&self, id: i32) -> bool {
        self.leased.lock().contains_key(&id)
    }

    /// How far running work is.
    pub fn board(&self) -> &ProgressBoard {
        &self.parts.board
    }

    /// What happens, as it does.
    pub fn events(&self) -> &EventBus {
        &self.parts.events
    }

    /// The runs of this process.
    pub(super) fn own_runs(&self) -> BTreeSet<i32> {
        self.running.lock().keys().copied().collect()
    }

    pub(super) fn event(&self, event_type: &str, severity: Severity, data: Value) -> Event {
        Event::now(
            &self.parts.ids,
            &self.parts.clock,
            event_type,
            severity,
            data,
        )
    }
}
