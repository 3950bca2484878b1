//! Proofs of backups that are tar archives: every file is there with the bytes that were written, and
//! holds what it should.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::outcome::{CheckStatus, Outcome, Verdict};
use super::prove::{PASS_REMEDY, Proof, Prover, Subject, SubjectKind};
use crate::features::backups::Entry;

/// No file of configuration and no workflow is larger; a dump is never read into memory.
const MOST_READ_BYTES: u64 = 128 * 1024 * 1024;

/// What was found in an archive.
#[derive(Default)]
struct Found {
    /// What is wrong with the archive's files, one sentence each.
    wrong: Vec<String>,
    files: u64,
    /// Files that were kept for a look, by name.
    kept: BTreeMap<String, Vec<u8>>,
}

impl Prover {
    /// Proves a tar archive whose stored bytes were checked.
    pub(super) async fn prove_packed(
        &self,
        subject: &Subject,
        mut outcome: Outcome,
        watch: &(impl Fn(Proof) + Send + Sync),
    ) -> Outcome {
        watch(Proof {
            phase: "unpacking",
            bytes_done: 0,
        });
        let (stored, entries, kind) = (subject.stored(), subject.entries.clone(), subject.kind);
        let looked = tokio::task::spawn_blocking(move || {
            stored.read(|archive| look(archive, &entries, kind))
        });
        let found = match looked.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                outcome.note("unpack", CheckStatus::Failed, error.to_string());
                let message = format!("The archive cannot be unpacked: {error}.");
                outcome.fail("archive_damaged", message, PASS_REMEDY);
                return outcome;
            }
            Err(error) => {
                return outcome.give_up("internal", error.to_string(), "Try again.".to_owned());
            }
        };
        if let Some(first) = found.wrong.first() {
            outcome.note("unpack", CheckStatus::Failed, found.wrong.join("; "));
            let message = format!("{} of its files are wrong: {first}", found.wrong.len());
            outcome.fail("files_differ", message, PASS_REMEDY);
            return outcome;
        }
        let detail = format!("{} files, each with its own hash", found.files);
        outcome.note("unpack", CheckStatus::Passed, detail);
        match subject.kind {
            SubjectKind::Config => check_config(subject, &found, &mut outcome),
            SubjectKind::Flows => check_flows(subject, &found, &mut outcome),
            SubjectKind::Server => outcome = self.prove_dumps(subject, outcome, watch).await,
            SubjectKind::Dump => {}
        }
        outcome
    }

    /// Restores every database of a server's archive on trial, one after another.
    async fn prove_dumps(
        &self,
        subject: &Subject,
        mut outcome: Outcome,
        watch: &(impl Fn(Proof) + Send + Sync),
    ) -> Outcome {
        let mut restore_ms = 0;
        for entry in &subject.entries {
            let Some(database) = entry.database.clone() else {
                continue;
            };
            let part = Subject {
                path: subject.path.clone(),
                sha256: Some(entry.sha256.clone()),
                stored_bytes: Some(entry.bytes),
                archive_bytes: entry.archive_bytes.unwrap_or(0),
                compression: entry.compression.clone().unwrap_or_default(),
                server_major: subject.server_major,
                tables: entry.tables.clone(),
                kind: SubjectKind::Dump,
                is_n8n: false,
                entries: Vec::new(),
                lock: subject.lock.clone(),
                entry: Some(entry.name.clone()),
                encryption_key: None,
            };
            // Its bytes were checked as part of the archive.
            let proven = self.prove_dump(&part, Outcome::begin(), watch).await;
            restore_ms += proven.restore_ms.unwrap_or(0);
            outcome.tables_checked += proven.tables_checked;
            outcome.server_version = proven.server_version;
            let status = match proven.verdict {
                Verdict::Passed => CheckStatus::Passed,
                Verdict::Failed => CheckStatus::Failed,
                Verdict::CouldNotVerify => CheckStatus::Skipped,
            };
            let said = format!("{database}: {}", proven.message);
            outcome.note("database", status, said.clone());
            match proven.verdict {
                Verdict::Passed => {}
                Verdict::Failed => {
                    outcome.fail(proven.code, said, PASS_REMEDY);
                    outcome.mismatches.extend(proven.mismatches);
                }
                Verdict::CouldNotVerify => {
                    return outcome.give_up(proven.code, said, proven.remedy.unwrap_or_default());
                }
            }
        }
        outcome.restore_ms = Some(restore_ms);
        if outcome.verdict == Verdict::Passed {
            outcome.message = format!(
                "Every database restores, in {:.1} s together; all {} tables hold exactly the rows they \
                 should.",
                restore_ms as f64 / 1000.0,
                outcome.tables_checked
            );
        }
        outcome
    }
}

/// Reads the archive once: each file must be there once, with its bytes.
fn look(archive: &mut dyn Read, entries: &[Entry], kind: SubjectKind) -> io::Result<Found> {
    let mut found = Found::default();
    let mut expected: BTreeMap<&str, &Entry> = entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry))
        .collect();
    let mut seen = BTreeSet::new();
    let mut archive = tar::Archive::new(archive);
    for file in archive.entries()? {
        let mut file = file?;
        if !file.header().entry_type().is_file() {
            continue;
        }
        let name = file.path()?.display().to_string();
        if !seen.insert(name.clone()) {
            found.wrong.push(format!("{name} is there twice"));
            continue;
        }
        let Some(entry) = expected.remove(name.as_str()) else {
            found.wrong.push(format!("{name} should not be there"));
            continue;
        };
        let mut hasher = Sha256::new();
        let mut kept = Vec::new();
        let keeps = keeps(kind, &name) && entry.bytes <= MOST_READ_BYTES;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => {
                    hasher.update(&buffer[..read]);
                    if keeps {
                        kept.extend_from_slice(&buffer[..read]);
                    }
                }
            }
        }
        if hex::encode(hasher.finalize()) != entry.sha256 {
            found
                .wrong
                .push(format!("{name} does not hold what was written"));
        }
        found.files += 1;
        if keeps {
            let kept = if kind == SubjectKind::Flows {
                // Only whether it is one; hundreds of large ones need not lie in memory.
                judge_flow(&kept)
            } else {
                kept
            };
            found.kept.insert(name, kept);
        }
    }
    for missing in expected.keys() {
        found.wrong.push(format!("{missing} is missing"));
    }
    Ok(found)
}

fn keeps(kind: SubjectKind, name: &str) -> bool {
    match kind {
        SubjectKind::Config => name.ends_with("/config"),
        SubjectKind::Flows => name.starts_with("workflows/"),
        SubjectKind::Server | SubjectKind::Dump => false,
    }
}

/// Nothing for a workflow that n8n can read, else why not.
fn judge_flow(content: &[u8]) -> Vec<u8> {
    let Ok(flow) = serde_json::from_slice::<Value>(content) else {
        return b"is no JSON".to_vec();
    };
    let has_nodes = flow["nodes"].as_array().is_some_and(|nodes| {
        nodes
            .iter()
            .all(|node| node["type"].is_string() && node["name"].is_string())
    });
    if flow["id"].is_string()
        && flow["name"].is_string()
        && has_nodes
        && flow["connections"].is_object()
    {
        Vec::new()
    } else {
        b"is no workflow that n8n can read".to_vec()
    }
}

fn check_flows(subject: &Subject, found: &Found, outcome: &mut Outcome) {
    let expected: u64 = subject.tables.iter().map(|table| table.row_count).sum();
    let bad: Vec<String> = found
        .kept
        .iter()
        .filter(|(_, why)| !why.is_empty())
        .map(|(name, why)| format!("{name} {}", String::from_utf8_lossy(why)))
        .collect();
    let count = found.kept.len() as u64;
    if count != expected {
        let message = format!("It should hold {expected} workflows and holds {count}.");
        outcome.note("workflows_json", CheckStatus::Failed, message.clone());
        outcome.fail("rows_differ", message, PASS_REMEDY);
    } else if let Some(first) = bad.first() {
        outcome.note("workflows_json", CheckStatus::Failed, bad.join("; "));
        let message = format!(
            "{} of {count} workflows are not readable: {first}.",
            bad.len()
        );
        let remedy = "Open and save them in n8n, then back up again.";
        outcome.fail("workflows_invalid", message, remedy);
    } else {
        let detail = format!("{count} workflows are readable");
        outcome.note("workflows_json", CheckStatus::Passed, detail);
        outcome.message = format!("All {count} workflows are there and can be imported.");
    }
}

/// n8n's own `config` holds the key that opens its credentials.
fn check_config(subject: &Subject, found: &Found, outcome: &mut Outcome) {
    let keys: Vec<String> = found
        .kept
        .values()
        .filter_map(|content| serde_json::from_slice::<Value>(content).ok())
        .filter_map(|config| config["encryptionKey"].as_str().map(str::to_owned))
        .collect();
    let saved = subject.encryption_key.as_ref();
    let count = found.files;
    match (keys.is_empty(), saved) {
        (true, _) => {
            let why = "No n8n config file with an encryption key is among the files; it may come from \
                       N8N_ENCRYPTION_KEY.";
            outcome.note("encryption_key", CheckStatus::Skipped, why);
            outcome.message = format!("All {count} files are as they were written. {why}");
        }
        (false, Some(saved)) if !keys.iter().any(|key| key == saved.expose_secret()) => {
            let message =
                "The encryption key in n8n's config file is not the one that is saved here.";
            outcome.note("encryption_key", CheckStatus::Failed, message);
            let found = std::mem::replace(outcome, Outcome::begin());
            *outcome = found.give_up(
                "wrong_encryption_key",
                message.to_owned(),
                "Save n8n's own key on the n8n page, or correct the paths in the settings."
                    .to_owned(),
            );
        }
        (false, saved) => {
            let detail = if saved.is_some() {
                "n8n's config file holds the key that is saved here"
            } else {
                "n8n's config file holds a key; none is saved here to compare"
            };
            outcome.note("encryption_key", CheckStatus::Passed, detail);
            outcome.message = format!("All {count} files are as they were written; {detail}.");
        }
    }
}
