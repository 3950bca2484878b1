//! pg_dump, its output stored as it comes, under a watch that gives up on a standstill.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{Connection, Row};

use super::preflight::{NOTICE_DEATH, Plan, connect};
use super::sink::Sink;
use super::snapshot::{HeldSnapshot, TableName};
use super::{Job, progress, storage_failure};
use crate::features::backups::archive::{
    ArchiveError, ArchiveSummary, PipelineOptions, Progress, store_archive,
};
use crate::features::backups::error::Failure;
use crate::features::backups::files::PartialFile;
use crate::features::backups::model::TableCount;
use crate::features::backups::service::BackupService;
use crate::features::settings::Key;
use crate::platform::events::Posted;
use crate::platform::postgres::{ConnInfo, PassFile};
use crate::platform::process::{Child, CommandSpec, describe_exit};

const TICK: Duration = Duration::from_millis(300);
/// A standstill this long is worth asking who holds the lock.
const SUSPICION: Duration = Duration::from_secs(2);

/// A dump that is under way.
struct Watched<'a> {
    job: &'a Job,
    source: &'a ConnInfo,
    /// Bytes of the uncompressed archive to expect.
    estimate: Option<u64>,
    posted: &'a Posted,
}

/// What a dump brought.
pub struct Dumped {
    /// A part of an encrypted archive lies on disk without a name: a crash leaves nothing readable.
    pub hidden: Option<File>,
    pub summary: ArchiveSummary,
    pub tables: Vec<TableCount>,
}

impl BackupService {
    pub(super) async fn dump(
        &self,
        job: &Job,
        source: &ConnInfo,
        plan: &Plan,
        posted: &Posted,
        part: Option<u32>,
    ) -> Result<(PartialFile, Dumped), Failure> {
        let lock_wait = self.parts.settings.integer(Key::BackupLockWaitSeconds);
        let mut snapshot = HeldSnapshot::take(source, lock_wait).await?;
        let storage = |error: std::io::Error| storage_failure(&error);
        let (mut partial, file) = self.files.create_part(job.job_id, part).map_err(storage)?;
        let hidden = match (&job.seal, part) {
            (Some(_), Some(_)) => Some(partial.hide().map_err(storage)?),
            _ => None,
        };
        // A part is encrypted with the archive it goes into.
        let seal = job.seal.clone().filter(|_| part.is_none());
        let job_id = job.job_id;
        let pass_file =
            PassFile::create(source, self.files.root(), None, &self.parts.ids).map_err(storage)?;
        let spec = CommandSpec::new(plan.installation.program("pg_dump"))
            .args(["--format=custom", "--compress=0", "--no-password"])
            .arg(format!("--snapshot={}", snapshot.id))
            .arg(format!("--lock-wait-timeout={lock_wait}s"))
            .arg(format!("--dbname={}", source.to_libpq()));
        let (name, value) = NOTICE_DEATH;
        let spec = if plan.takes_options {
            spec.env("PGOPTIONS", format!("-c {name}={value}"))
        } else {
            spec
        };
        let unstarted = |error: &dyn std::fmt::Display| {
            Failure::new(
                "client_failed",
                format!("{error}. Reinstall PostgreSQL's client programs."),
            )
        };
        let mut child = self
            .parts
            .processes
            .spawn(pass_file.apply(spec))
            .await
            .map_err(|error| unstarted(&error))?;
        let output = child
            .take_stdout()
            .ok_or_else(|| unstarted(&"pg_dump has no output"))?
            .map_err(|error| unstarted(&error))?;
        let progress_handle = Arc::new(Progress::default());
        let options = PipelineOptions {
            compression: job.compression,
            workers: std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
        };
        let watched = Arc::clone(&progress_handle);
        let pipeline = tokio::task::spawn_blocking(move || match seal {
            Some(sealer) => Sink::new(file, Some(&sealer), job_id)
                .map_err(ArchiveError::Write)
                .and_then(|sink| store_sealed(output.into(), sink, options, &watched)),
            None => store(output.into(), file, options, &watched),
        });
        let abort = AbortOnDrop(Arc::clone(&progress_handle));
        let counting = snapshot.count();
        let watched = Watched {
            job,
            source,
            estimate: plan.estimate,
            posted,
        };
        let watching = self.watch(&watched, &mut child, &progress_handle, pipeline);
        // The first to fail ends the other: neither waits for a lock that nobody needs any more.
        let outcome = tokio::try_join!(counting, watching);
        drop(abort);
        drop(pass_file);
        snapshot.release().await;
        let (counts, summary) = outcome?;
        let tables = compare(&counts, &summary)?;
        let dumped = Dumped {
            hidden,
            summary,
            tables,
        };
        Ok((partial, dumped))
    }

    /// Waits for pg_dump and the pipeline, telling how far they are, and ends both when nothing
    /// moves or somebody asks.
    async fn watch(
        &self,
        watched: &Watched<'_>,
        child: &mut Child,
        progress_handle: &Arc<Progress>,
        mut pipeline: tokio::task::JoinHandle<Result<ArchiveSummary, ArchiveError>>,
    ) -> Result<ArchiveSummary, Failure> {
        let Watched {
            job,
            source,
            estimate,
            posted,
        } = *watched;
        let stall = self.parts.settings.integer(Key::BackupStallSeconds);
        let stall = Duration::from_secs(u64::try_from(stall).unwrap_or(300));
        let started = Instant::now();
        let mut last_move = Instant::now();
        let mut last_bytes = 0;
        let mut rate = Rate::default();
        let mut blocker = None;
        let mut failure = None;
        let mut tick = tokio::time::interval(TICK);
        let stored = loop {
            tokio::select! {
                stored = &mut pipeline => break stored,
                () = job.cancel.cancelled(), if failure.is_none() => {
                    failure = Some(self.stopped(job));
                    progress_handle.cancel();
                    child.terminate(Signal::TERM, Duration::from_secs(3)).await;
                }
                _ = tick.tick() => {
                    let now = progress_handle.snapshot();
                    if now.archive_bytes > last_bytes {
                        (last_bytes, last_move) = (now.archive_bytes, Instant::now());
                        blocker = None;
                    } else if blocker.is_none() && last_move.elapsed() > SUSPICION {
                        blocker = find_blocker(source).await;
                    }
                    let elapsed = started.elapsed();
                    let speed = rate.update(elapsed, now.archive_bytes);
                    let facts = (&now, speed, elapsed, estimate);
                    posted.update(progress(job, "dumping", Some(facts)));
                    if last_move.elapsed() > stall && failure.is_none() {
                        failure = Some(stalled(stall, blocker.as_deref()));
                        progress_handle.cancel();
                        child.kill().await;
                    }
                }
            }
        };
        let ended = child.wait().await;
        let stored = stored.map_err(|error| Failure::new("internal", error.to_string()))?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        // A full disk is the cause when it is there; pg_dump then only saw a broken pipe.
        if let Err(ArchiveError::Write(error)) = &stored {
            return Err(storage_failure(error));
        }
        let (status, stderr) =
            ended.map_err(|error| Failure::new("client_failed", error.to_string()))?;
        if !status.success() {
            return Err(dump_failure(
                &describe_exit("pg_dump", status),
                &stderr,
                blocker.as_deref(),
            ));
        }
        stored.map_err(|error| {
            let said = if stderr.is_empty() {
                String::new()
            } else {
                format!(" It said: {stderr}")
            };
            Failure::new(
                "archive_damaged",
                format!(
                    "pg_dump ended well, but {error}. Reinstall PostgreSQL's client programs.{said}"
                ),
            )
        })
    }
}

/// Stops the pipeline when the run is dropped half-way: its thread must not outlive it.
struct AbortOnDrop(Arc<Progress>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn store(
    input: File,
    mut file: File,
    options: PipelineOptions,
    progress: &Arc<Progress>,
) -> Result<ArchiveSummary, ArchiveError> {
    let summary = store_archive(input, &mut file, options, progress)?;
    // A failed fsync is final: the kernel may have dropped the pages. The file is thrown away.
    file.sync_all().map_err(ArchiveError::Write)?;
    Ok(summary)
}

fn store_sealed(
    input: File,
    mut sink: Sink,
    options: PipelineOptions,
    progress: &Arc<Progress>,
) -> Result<ArchiveSummary, ArchiveError> {
    let mut summary = store_archive(input, &mut sink, options, progress)?;
    // What the frames' index says is of the plain bytes; hash and size are of what lies on disk.
    let written = sink.finish().map_err(ArchiveError::Write)?;
    (summary.sha256, summary.stored_bytes) = (written.sha256, written.bytes);
    Ok(summary)
}

/// Every table must hold as many rows in the archive as in the snapshot.
fn compare(
    counts: &BTreeMap<TableName, u64>,
    summary: &ArchiveSummary,
) -> Result<Vec<TableCount>, Failure> {
    let mut archived: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for table in &summary.tables {
        let entry = archived.entry((&table.schema, &table.name)).or_default();
        entry.0 += table.rows;
        entry.1 += table.length_bytes;
    }
    let mut tables = Vec::new();
    for ((schema, name), expected) in counts {
        let (found, archive_bytes) = archived
            .get(&(schema.as_str(), name.as_str()))
            .copied()
            .unwrap_or_default();
        if found != *expected {
            return Err(Failure::new(
                "rows_differ",
                format!(
                    "The table {schema}.{name} had {expected} rows in the snapshot and the dump holds \
                 {found}. Run the backup again; if it stays so, check the database for damage."
                ),
            ));
        }
        tables.push(TableCount {
            schema: schema.clone(),
            name: name.clone(),
            row_count: *expected,
            archive_bytes,
        });
    }
    Ok(tables)
}

fn stalled(after: Duration, blocker: Option<&str>) -> Failure {
    let seconds = after.as_secs();
    match blocker {
        Some(blocker) => Failure::new(
            "lock_timeout",
            format!("No byte came for {seconds} s: the dump waits for a lock held by {blocker}."),
        ),
        None => Failure::new(
            "stalled",
            format!(
                "No byte came from pg_dump for {seconds} s, so it was ended. Look at the database's load."
            ),
        ),
    }
}

fn dump_failure(end: &str, stderr: &str, blocker: Option<&str>) -> Failure {
    let text = stderr.to_ascii_lowercase();
    let held = blocker
        .map(|blocker| format!(" The lock is held by {blocker}."))
        .unwrap_or_default();
    // pg_dump waits for locks under a statement time-out of its own.
    let is_lock = text.contains("lock timeout")
        || (text.contains("statement timeout") && text.contains("lock table"));
    if is_lock {
        Failure::new(
            "lock_timeout",
            format!("A table stayed locked.{held} {end}: {stderr}"),
        )
    } else if text.contains("server closed the connection")
        || text.contains("terminating connection")
    {
        Failure::new(
            "server_closed",
            format!(
                "The server closed the connection. Run the backup again when it is back. {end}: {stderr}"
            ),
        )
    } else if text.contains("server version mismatch") {
        Failure::new("client_too_old", format!("{end}: {stderr}"))
    } else {
        let words = if stderr.is_empty() {
            "it said nothing"
        } else {
            stderr
        };
        Failure::new("client_failed", format!("{end}: {words}"))
    }
}

/// Who holds the lock that the dump waits for: process and query.
async fn find_blocker(source: &ConnInfo) -> Option<String> {
    let mut connection = connect(source).await.ok()?;
    let sql = "SELECT b.pid, b.usename, left(b.query, 200) AS query FROM pg_stat_activity w \
               CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS p(pid) \
               JOIN pg_stat_activity b ON b.pid = p.pid \
               WHERE w.application_name = 'flowkeep' AND w.datname = current_database() LIMIT 1";
    let row = sqlx::query(sql)
        .fetch_optional(&mut connection)
        .await
        .ok()??;
    let _ = connection.close().await;
    let (pid, user, query): (i32, Option<String>, Option<String>) =
        (row.get(0), row.get(1), row.get(2));
    let (user, query) = (user.unwrap_or_default(), query.unwrap_or_default());
    Some(format!("process {pid} of {user}, which runs: {query}"))
}

/// Bytes a second over the last few seconds.
#[derive(Default)]
struct Rate {
    window: std::collections::VecDeque<(Duration, u64)>,
}

impl Rate {
    fn update(&mut self, at: Duration, bytes: u64) -> u64 {
        self.window.push_back((at, bytes));
        if self.window.len() > 16 {
            self.window.pop_front();
        }
        match self.window.front() {
            Some((first_at, first)) if at > *first_at => {
                let millis = at.saturating_sub(*first_at).as_millis().max(1);
                u64::try_from(u128::from(bytes - first) * 1000 / millis).unwrap_or(0)
            }
            _ => 0,
        }
    }
}
