//! Proves one backup, from the stored bytes to the last row.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::bytes::check_bytes;
use super::checks;
use super::engine::{ThrowawayServer, VerificationEngine};
use super::judge::{judge_boot, judge_restore};
use super::outcome::{CheckStatus, Outcome, Verdict};
use crate::features::backups::{BackupType, Entry, Lock, Stored, TableCount};
use crate::features::n8n::{self, KeyCheck};
use crate::platform::postgres::quote_identifier;

/// What is to be proven.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The stored file.
    pub path: PathBuf,
    /// Its SHA-256, if it is known.
    pub sha256: Option<String>,
    /// Its size in bytes, if it is known.
    pub stored_bytes: Option<u64>,
    /// Bytes of the uncompressed archive, if known.
    pub archive_bytes: u64,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// Major version of the server that it came from.
    pub server_major: u32,
    /// Every table and its rows.
    pub tables: Vec<TableCount>,
    /// What the file is.
    pub kind: SubjectKind,
    /// Whether it is an n8n.
    pub is_n8n: bool,
    /// The files in it, when it is a tar archive.
    pub entries: Vec<Entry>,
    /// How it is opened, if it is encrypted.
    pub lock: Option<Lock>,
    /// The one file of a tar archive that is meant.
    pub entry: Option<String>,
    /// The key its credentials were encrypted with, if it was given.
    pub encryption_key: Option<SecretString>,
}

impl Subject {
    /// How its bytes are read.
    pub fn stored(&self) -> Stored {
        Stored {
            path: self.path.clone(),
            compression: self.compression.clone(),
            lock: self.lock.clone(),
            entry: self.entry.clone(),
        }
    }
}

/// What a backup's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// pg_dump's archive of one database.
    Dump,
    /// A tar archive of several such, and a server's roles.
    Server,
    /// A tar archive of n8n's configuration.
    Config,
    /// A tar archive of workflows as JSON.
    Flows,
}

impl SubjectKind {
    /// What the backups of a type are.
    pub fn of(backup_type: &str) -> Self {
        match BackupType::find(backup_type) {
            Some(BackupType::PostgresFull) => Self::Server,
            Some(BackupType::N8nConfig) => Self::Config,
            Some(BackupType::Flows) => Self::Flows,
            _ => Self::Dump,
        }
    }
}

/// How far a verification is.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// What it is at.
    pub phase: &'static str,
    /// Bytes of the archive that were restored.
    pub bytes_done: u64,
}

/// Proves backups.
#[derive(Clone)]
pub struct Prover {
    /// Where to restore.
    pub engine: Arc<dyn VerificationEngine>,
}

pub(super) const PASS_REMEDY: &str = "Keep an older proven backup and make a new one now.";

impl Prover {
    /// Proves a backup. Never fails: what goes wrong is in the outcome.
    pub async fn prove(&self, subject: &Subject, watch: impl Fn(Proof) + Send + Sync) -> Outcome {
        let mut outcome = Outcome::begin();
        watch(Proof {
            phase: "checksum",
            bytes_done: 0,
        });
        if !check_bytes(subject, &mut outcome).await {
            return outcome;
        }
        if subject.kind == SubjectKind::Dump {
            self.prove_dump(subject, outcome, &watch).await
        } else {
            self.prove_packed(subject, outcome, &watch).await
        }
    }

    /// Restores a dump whose stored bytes were checked into a throwaway server.
    pub(super) async fn prove_dump(
        &self,
        subject: &Subject,
        outcome: Outcome,
        watch: &(impl Fn(Proof) + Send + Sync),
    ) -> Outcome {
        watch(Proof {
            phase: "starting_server",
            bytes_done: 0,
        });
        // Tables, indexes and write-ahead log take up to about twice the text.
        let room = subject
            .archive_bytes
            .saturating_mul(2)
            .saturating_add(200_000_000);
        let started = match self.engine.start(subject.server_major, room).await {
            Ok(started) => started,
            Err(error) => return outcome.lack(error),
        };
        let server = started.server;
        let mut outcome = self
            .prove_on(server.as_ref(), subject, outcome, watch)
            .await;
        if outcome.verdict != Verdict::Passed
            && let Some(trouble) = server.trouble().await
        {
            // What was found was found on a server that is not whole.
            outcome = outcome.lack(trouble);
        }
        if outcome.verdict == Verdict::Passed && subject.is_n8n {
            watch(Proof {
                phase: "starting_n8n",
                bytes_done: subject.archive_bytes,
            });
            let booted = server.boot_n8n(subject.encryption_key.clone()).await;
            judge_boot(booted, &mut outcome);
        }
        server.stop().await;
        outcome.engine = Some(started.engine);
        outcome.engine_note = started.note;
        watch(Proof {
            phase: "done",
            bytes_done: subject.archive_bytes,
        });
        outcome
    }

    /// Restores a backup into a server's empty database and checks it like a proof.
    pub async fn restore_into(
        &self,
        server: &dyn ThrowawayServer,
        subject: &Subject,
        watch: impl Fn(Proof) + Send + Sync,
    ) -> Outcome {
        let mut outcome = Outcome::begin();
        watch(Proof {
            phase: "checksum",
            bytes_done: 0,
        });
        if !check_bytes(subject, &mut outcome).await {
            return outcome;
        }
        self.prove_on(server, subject, outcome, &watch).await
    }

    async fn prove_on(
        &self,
        server: &dyn ThrowawayServer,
        subject: &Subject,
        mut outcome: Outcome,
        watch: &(impl Fn(Proof) + Send + Sync),
    ) -> Outcome {
        outcome.server_version = Some(server.version().to_owned());
        let started = Instant::now();
        let done = Arc::new(AtomicU64::new(0));
        let archive = subject.stored();
        let mut restoring = server.restore(&archive, Arc::clone(&done));
        let mut tick = tokio::time::interval(Duration::from_millis(300));
        let restored = loop {
            tokio::select! {
                restored = &mut restoring => break restored,
                _ = tick.tick() => {
                    let bytes_done = done.load(Ordering::Relaxed);
                    watch(Proof { phase: "restoring", bytes_done });
                }
            }
        };
        let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let restored = match restored {
            Ok(restored) => restored,
            Err(error) => return outcome.lack(error),
        };
        outcome.restore_ms = Some(elapsed);
        let Some(mut outcome) = judge_restore(&restored, outcome) else {
            return Outcome::begin().give_up(
                "no_space",
                "The disk of the trial restore is full.".to_owned(),
                "Make room in the data folder and try again.".to_owned(),
            );
        };
        if outcome.verdict != Verdict::Passed {
            return outcome;
        }
        watch(Proof {
            phase: "counting",
            bytes_done: subject.archive_bytes,
        });
        let conninfo = server.conninfo();
        let examined = async {
            let mut connection = conninfo.to_sqlx().connect().await?;
            check_rows(&mut connection, subject, &mut outcome).await?;
            watch(Proof {
                phase: "n8n_checks",
                bytes_done: subject.archive_bytes,
            });
            if subject.is_n8n {
                check_n8n(&mut connection, subject, &mut outcome).await?;
            }
            connection.close().await
        };
        let examined: sqlx::Result<()> = examined.await;
        match examined {
            Ok(()) => {
                if outcome.verdict == Verdict::Passed {
                    outcome.message = format!(
                        "Restored in {:.1} s; all {} tables hold exactly the rows they should.",
                        elapsed as f64 / 1000.0,
                        outcome.tables_checked
                    );
                }
                outcome
            }
            Err(error) => outcome.give_up(
                "server_failed",
                format!("The throwaway server failed while it was looked at: {error}."),
                "Try again; look at the machine's memory and disk.".to_owned(),
            ),
        }
    }
}

async fn check_rows(
    connection: &mut PgConnection,
    subject: &Subject,
    outcome: &mut Outcome,
) -> sqlx::Result<()> {
    let sql = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n \
               ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' \
               AND n.nspname <> 'information_schema' \
               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
                               AND d.objid = c.oid AND d.deptype = 'e')";
    let mut actual = BTreeMap::new();
    for row in sqlx::query(sql).fetch_all(&mut *connection).await? {
        let (schema, name): (String, String) = (row.get(0), row.get(1));
        let sql = format!(
            "SELECT count(*) FROM ONLY {}.{}",
            quote_identifier(&schema),
            quote_identifier(&name)
        );
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await?;
        actual.insert((schema, name), u64::try_from(count).unwrap_or(0));
    }
    outcome.tables_checked = actual.len();
    let differing = checks::compare(&subject.tables, &actual);
    let Some(first) = differing.first() else {
        let rows: u64 = actual.values().sum();
        let detail = format!("{} tables, {rows} rows", actual.len());
        outcome.note("row_counts", CheckStatus::Passed, detail);
        return Ok(());
    };
    let count = |count: Option<u64>| count.map_or_else(|| "no table".to_owned(), |n| n.to_string());
    let message = format!(
        "{} of {} tables differ; {}.{} should hold {} rows and holds {}.",
        differing.len(),
        subject.tables.len(),
        first.schema,
        first.table,
        count(first.expected),
        count(first.actual)
    );
    outcome.note("row_counts", CheckStatus::Failed, message.clone());
    outcome.fail("rows_differ", message, PASS_REMEDY);
    outcome.mismatches = differing;
    Ok(())
}

async fn check_n8n(
    connection: &mut PgConnection,
    subject: &Subject,
    outcome: &mut Outcome,
) -> sqlx::Result<()> {
    let Some(tables) = n8n::find_tables(connection).await? else {
        outcome.note(
            "workflows_json",
            CheckStatus::Failed,
            "The restored database holds no n8n.",
        );
        outcome.fail(
            "not_n8n",
            "The restored database holds no n8n.",
            PASS_REMEDY,
        );
        return Ok(());
    };
    let (seen, invalid) = n8n::invalid_workflows(connection, &tables).await?;
    if invalid.is_empty() {
        outcome.note(
            "workflows_json",
            CheckStatus::Passed,
            format!("{seen} workflows are readable"),
        );
    } else {
        let message = format!(
            "{} of {seen} workflows are not readable: {}",
            invalid.len(),
            invalid
                .iter()
                .take(5)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        );
        outcome.note("workflows_json", CheckStatus::Failed, message.clone());
        outcome.fail(
            "workflows_invalid",
            message,
            "Open and save them in n8n, then back up again.",
        );
    }
    let Some(key) = subject.encryption_key.clone() else {
        let why = "n8n's encryption key is not saved here, so nobody can tell.";
        outcome.note("credentials_decrypt", CheckStatus::Skipped, why);
        return Ok(());
    };
    let report = n8n::check_credentials(connection, &tables, key).await?;
    let remedy = "Save n8n's own key on the n8n page: encryptionKey in .n8n/config, or the value of \
                  N8N_ENCRYPTION_KEY.";
    match report.key {
        KeyCheck::Wrong(how) => {
            outcome.note("credentials_decrypt", CheckStatus::Failed, how.clone());
            // The key is at fault, not the backup, and without the right one nobody can tell
            // whether the credentials are whole.
            if outcome.verdict == Verdict::Passed {
                let message = format!(
                    "Every row is there, but the saved encryption key is not the one n8n used, so \
                     the credentials could not be tried: {how}."
                );
                let found = std::mem::replace(outcome, Outcome::begin());
                *outcome = found.give_up("wrong_encryption_key", message, remedy.to_owned());
            }
        }
        KeyCheck::CannotProve(why) => {
            outcome.note("credentials_decrypt", CheckStatus::Skipped, why);
        }
        KeyCheck::Proven(_) if !report.unreadable.is_empty() => {
            let message = format!(
                "{} of {} credentials do not open: {}",
                report.unreadable.len(),
                report.total,
                report
                    .unreadable
                    .iter()
                    .take(5)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            outcome.note("credentials_decrypt", CheckStatus::Failed, message.clone());
            outcome.fail(
                "credentials_unreadable",
                message,
                "Enter these credentials anew in n8n.",
            );
        }
        KeyCheck::Proven(how) => {
            let detail = format!("{how}; {} credentials open", report.total);
            outcome.note("credentials_decrypt", CheckStatus::Passed, detail);
        }
    }
    Ok(())
}
