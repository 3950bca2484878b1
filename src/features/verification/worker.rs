//! Takes queued verifications one after another, each under a lease that is prolonged while it
//! runs. What a crash cut off is tried once more.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::error::VerificationError;
use super::outcome::{Outcome, Verdict};
use super::prove::{Proof, Subject, SubjectKind};
use super::service::VerificationService;
use super::store::{self, Run};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::settings::Key;
use crate::platform::events::{self, Event, Severity, Work};

const LEASE: TimeDelta = TimeDelta::seconds(60);
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Also without being told, the queue is looked at this often.
const POLL: Duration = Duration::from_secs(30);
/// How often it is looked for containers that are left over.
const REAP_PERIOD: Duration = Duration::from_mins(5);
/// A proof that could not be made for want of something that may come back is made again after these.
const RETRY_AFTER: [TimeDelta; 3] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
];

impl VerificationService {
    /// Works until `stop`. Run it once in the process that serves.
    pub async fn work(&self, stop: CancellationToken) {
        let mut happened = self.parts.events.subscribe();
        if let Err(error) = self.begin().await {
            tracing::error!(%error, "cannot settle verifications");
        }
        let mut reaped = Instant::now();
        loop {
            if stop.is_cancelled() {
                return;
            }
            match self.take_one(&stop).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "cannot look at the verification queue"),
            }
            if reaped.elapsed() > REAP_PERIOD {
                self.reap().await;
                reaped = Instant::now();
            }
            tokio::select! {
                () = self.queued.notified() => {}
                _ = happened.recv() => {}
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn begin(&self) -> Result<(), VerificationError> {
        store::expire_all(self.parts.db.orm()).await?;
        let installation = store::installation(self.parts.db.orm()).await?;
        self.parts
            .docker_engine
            .set_installation(installation.to_string());
        self.reap().await;
        Ok(())
    }

    /// Removes containers that nobody uses; called only while none of ours is in use.
    async fn reap(&self) {
        match self.parts.docker_engine.reap(true).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed throwaway containers that were left over"),
            // Without Docker there are none; the proofs themselves say when it is missed.
            Err(error) => tracing::debug!(%error, "cannot look for left-over containers"),
        }
    }

    /// Proves the oldest queued backup. Returns whether there was one.
    async fn take_one(&self, stop: &CancellationToken) -> Result<bool, VerificationError> {
        if self.parts.settings.boolean(Key::VerifyAfterBackup) {
            for backup_id in store::unproven(self.parts.db.orm()).await? {
                match self
                    .request(&Actor::system(), Some(backup_id), "after_backup")
                    .await
                {
                    Ok(_) | Err(VerificationError::AlreadyRunning(_)) => {}
                    Err(error) => tracing::warn!(%error, backup_id, "cannot queue a verification"),
                }
            }
        }
        let now = self.parts.clock.now();
        self.give_up_interrupted().await?;
        let tx = self.parts.db.begin().await?;
        let Some(run) = store::claim(&tx, now, now + LEASE).await? else {
            tx.commit().await?;
            return Ok(false);
        };
        self.parts
            .backups
            .note_verification(&tx, run.backup_id, "running", None)
            .await?;
        let facts = json!({
            "id": run.id, "backup_id": run.backup_id, "backup_type": run.backup_type,
        });
        let event = self.event("verification.started", Severity::Info, facts);
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.events.publish(event);
        self.prove_run(&run, stop).await?;
        Ok(true)
    }

    /// Puts back what was cut off, and gives up what was cut off twice, with audit rows and events.
    async fn give_up_interrupted(&self) -> Result<(), VerificationError> {
        let tx = self.parts.db.begin().await?;
        let mut told = Vec::new();
        for run in store::settle_expired(&tx, self.parts.clock.now()).await? {
            let facts = json!({
                "id": run.id, "backup_id": run.backup_id, "backup_type": run.backup_type,
                "status": run.status, "code": run.outcome_code, "message": run.message,
            });
            let backups = &self.parts.backups;
            backups
                .note_verification(&tx, run.backup_id, "skipped", Some(facts.clone()))
                .await?;
            let code = run.outcome_code.as_deref().unwrap_or_default();
            self.note_finished(&tx, &run, &run.status, code).await?;
            let event = self.event("verification.failed", Severity::Warning, facts);
            events::record(&tx, &event).await?;
            told.push(event);
        }
        tx.commit().await?;
        for event in told {
            self.parts.events.publish(event);
        }
        Ok(())
    }

    async fn note_finished(
        &self,
        tx: &impl sea_orm::ConnectionTrait,
        run: &Run,
        status: &str,
        code: &str,
    ) -> Result<(), VerificationError> {
        let entry = Entry::new(Action::VerificationFinished).resource("backup", run.backup_id);
        let entry =
            entry.details(json!({ "verification_id": run.id, "status": status, "code": code }));
        audit::record(tx, &self.parts.clock, &Actor::system(), entry).await?;
        Ok(())
    }

    async fn prove_run(
        &self,
        run: &Run,
        stop: &CancellationToken,
    ) -> Result<(), VerificationError> {
        let _lease = self.parts.backups.lease(run.backup_id);
        let subject = match self.subject(run.backup_id).await {
            Ok(subject) => subject,
            Err(error) => {
                let remedy = "Choose a backup whose file is there.".to_owned();
                let outcome = Outcome::begin().give_up("file_missing", error.to_string(), remedy);
                return self.note(run, &outcome, 0).await;
            }
        };
        let started = Instant::now();
        let facts = |proof: Proof| {
            json!({
                "id": run.id, "backup_id": run.backup_id, "phase": proof.phase,
                "bytes_done": proof.bytes_done, "bytes_total": subject.archive_bytes,
                "elapsed_ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            })
        };
        let first = Proof {
            phase: "checksum",
            bytes_done: 0,
        };
        let posted = self
            .parts
            .backups
            .board()
            .post(Work::Verification, run.id, facts(first));
        let prover = self.prover();
        let limit = self.parts.settings.integer(Key::VerificationTimeoutMinutes);
        let limit = Duration::from_mins(u64::try_from(limit).unwrap_or(120));
        let proving = prover.prove(&subject, |proof| posted.update(facts(proof)));
        tokio::pin!(proving);
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let outcome = loop {
            tokio::select! {
                outcome = &mut proving => break outcome,
                _ = heartbeat.tick() => {
                    let until = self.parts.clock.now() + LEASE;
                    let is_ours = store::prolong(self.parts.db.orm(), run.id, run.epoch, until).await;
                    if matches!(is_ours, Ok(false)) {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(limit.saturating_sub(started.elapsed())) => {
                    break Outcome::begin().give_up(
                        "timeout",
                        format!("The verification took longer than {} minutes.", limit.as_secs() / 60),
                        "Raise the time limit in the settings.".to_owned(),
                    );
                }
                // The row stays `running`: the next start puts it back into the queue.
                () = stop.cancelled() => return Ok(()),
            }
        };
        self.note(run, &outcome, subject.tables.len()).await
    }

    /// What has to be in a backup.
    pub async fn subject(&self, backup_id: i32) -> Result<Subject, VerificationError> {
        let file = self.parts.backups.get_file(backup_id).await?;
        let is_n8n = file.backup_type == "postgres_n8n";
        let kind = SubjectKind::of(&file.backup_type);
        let source = if is_n8n || kind == SubjectKind::Config {
            self.parts.n8n.source().ok().flatten()
        } else {
            None
        };
        let entries = if kind == SubjectKind::Dump {
            Vec::new()
        } else {
            self.parts.backups.entries(&file.path).await?
        };
        Ok(Subject {
            path: file.path,
            sha256: Some(file.sha256),
            stored_bytes: Some(file.stored_bytes),
            archive_bytes: file.archive_bytes,
            compression: file.compression,
            server_major: file.server_major,
            tables: file.tables,
            kind,
            is_n8n,
            entries,
            lock: file.lock,
            entry: None,
            encryption_key: source.and_then(|source| source.encryption_key),
        })
    }

    /// Notes the outcome with audit row, event and the backup's own columns in one transaction.
    async fn note(
        &self,
        run: &Run,
        outcome: &Outcome,
        tables_total: usize,
    ) -> Result<(), VerificationError> {
        let tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        if !store::finish(&tx, run, outcome, tables_total, now).await? {
            return Ok(());
        }
        let tried = usize::try_from(run.attempt).unwrap_or(1).saturating_sub(1);
        let wait = RETRY_AFTER.get(tried).filter(|_| outcome.is_passing);
        if let Some(wait) = wait.filter(|_| outcome.verdict == Verdict::CouldNotVerify) {
            store::retry(&tx, run, now + *wait, now).await?;
        }
        let facts = json!({
            "id": run.id, "backup_id": run.backup_id, "backup_type": run.backup_type,
            "status": outcome.verdict.as_str(), "code": outcome.code, "message": outcome.message,
            "remedy": outcome.remedy,
            "restore_ms": outcome.restore_ms, "mismatches": outcome.mismatches,
        });
        let (status, event_type, severity) = match outcome.verdict {
            Verdict::Passed => ("passed", "verification.passed", Severity::Info),
            Verdict::Failed => ("failed", "verification.failed", Severity::Critical),
            Verdict::CouldNotVerify => ("skipped", "verification.failed", Severity::Warning),
        };
        let backups = &self.parts.backups;
        backups
            .note_verification(&tx, run.backup_id, status, Some(facts.clone()))
            .await?;
        self.note_finished(&tx, run, outcome.verdict.as_str(), outcome.code)
            .await?;
        let event = self.event(event_type, severity, facts);
        events::record(&tx, &event).await?;
        tx.commit().await?;
        tracing::info!(
            backup.id = run.backup_id,
            verdict = outcome.verdict.as_str(),
            code = outcome.code,
            restore_ms = outcome.restore_ms,
            message = outcome.message,
            "verification finished"
        );
        self.parts.events.publish(event);
        Ok(())
    }

    pub(super) fn event(
        &self,
        event_type: &str,
        severity: Severity,
        data: serde_json::Value,
    ) -> Event {
        Event::now(
            &self.parts.ids,
            &self.parts.clock,
            event_type,
            severity,
            data,
        )
    }
}
