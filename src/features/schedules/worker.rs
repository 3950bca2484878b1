//! Acts on due times. Only the leader does, and each write of a due time names its term.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ScheduleError;
use super::model::Schedule;
use super::recurrence::Recurrence;
use super::service::{ScheduleService, next_run};
use super::store::{self, Job, Kind, Run};
use super::verification;
use crate::features::audit::Actor;
use crate::features::backups::{BackupError, Failure, ScheduledAttempt, Trigger};
use crate::platform::events::{self, Severity};
use crate::platform::leader::Term;

/// A due time that was missed still runs this long afterwards.
pub(super) const MISFIRE_GRACE: TimeDelta = TimeDelta::seconds(3600);
/// Clocks may jump and other daemons change schedules: it is looked again this often.
const LONGEST_NAP: Duration = Duration::from_secs(15);
/// A scheduled backup is tried again after these.
const RETRY_AFTER: [TimeDelta; 2] = [TimeDelta::minutes(2), TimeDelta::minutes(10)];

impl ScheduleService {
    /// Acts on due times until `stop`; `term` is the time in the lead.
    pub async fn work(&self, term: Term, stop: CancellationToken) {
        let mut happened = self.parts.backups.events().subscribe();
        loop {
            let nap = match self.tick(term).await {
                Ok(next) => self.nap(next),
                Err(error) => {
                    tracing::warn!(%error, "cannot look at the schedules");
                    LONGEST_NAP
                }
            };
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = self.changed.notified() => {}
                _ = happened.recv() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn nap(&self, next: Option<DateTime<Utc>>) -> Duration {
        let left = next.map_or(TimeDelta::MAX, |next| next - self.parts.clock.now());
        left.to_std()
            .unwrap_or(Duration::from_millis(200))
            .clamp(Duration::from_millis(200), LONGEST_NAP)
    }

    /// Notes what is due, begins what waits, and notes what has ended. Returns when it is worth
    /// looking again.
    pub async fn tick(&self, term: Term) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        let Some(next) = self.note_due(term).await? else {
            // Somebody else leads now, and begins what waits.
            return Ok(None);
        };
        for run in store::open_runs(self.parts.db.orm()).await? {
            match run.status.as_str() {
                "started" => self.follow(&run).await?,
                _ => self.begin(&run).await?,
            }
        }
        Ok(next)
    }

    /// Writes a row for each job's last due time, in one transaction that only the leader can end.
    /// Returns when the next is due, if any; `None` when this is not the leader's term any more.
    async fn note_due(&self, term: Term) -> Result<Option<Option<DateTime<Utc>>>, ScheduleError> {
        let now = self.parts.clock.now();
        let tx = self.parts.db.begin().await?;
        if !term.fence(&tx).await? {
            return Ok(None);
        }
        let schedules = store::list(&tx).await?;
        let proofs = verification::get(&tx).await?;
        let mut wanted: Vec<(Kind, i32, Recurrence)> = Vec::new();
        for schedule in schedules.iter().filter(|one| one.is_enabled()) {
            if let Some(recurrence) = schedule.recurrence() {
                wanted.push((Kind::Backup, schedule.id, recurrence));
            } else {
                tracing::error!(schedule.id, "a schedule makes no sense; edit it");
            }
        }
        if let Some(proofs) = proofs.as_ref().filter(|proofs| proofs.is_enabled())
            && let Some(recurrence) = proofs.recurrence()
        {
            wanted.push((Kind::Verification, verification::ID, recurrence));
        }
        let jobs = store::lock_jobs(&tx).await?;
        let mut soonest: Option<DateTime<Utc>> = None;
        let mut told = Vec::new();
        for (kind, id, recurrence) in &wanted {
            let target = Some((*kind, *id));
            let job = jobs.iter().find(|job| job.target() == target);
            let next = match job {
                Some(job) if job.next_run <= now => {
                    told.extend(self.note_one(&tx, *kind, *id, recurrence, job).await?);
                    next_run(true, recurrence, now)
                }
                // Also when a clock that was ahead is right again.
                Some(job) => next_run(true, recurrence, now).map(|next| next.min(job.next_run)),
                None => next_run(true, recurrence, now),
            };
            if job.map(|job| job.next_run) != next {
                store::set_job(&tx, *kind, *id, next).await?;
                store::note_times(&tx, *kind, *id, next, None).await?;
            }
            soonest = [soonest, next].into_iter().flatten().min();
        }
        for job in &jobs {
            if let Some((kind, id)) = job.target()
                && !wanted.iter().any(|(k, i, _)| (*k, *i) == (kind, id))
            {
                store::set_job(&tx, kind, id, None).await?;
            }
        }
        tx.commit().await?;
        for event in told {
            self.parts.backups.events().publish(event);
        }
        Ok(Some(soonest))
    }

    /// Notes the last due time of a job that is due; those before it are the same run.
    async fn note_one(
        &self,
        tx: &impl sea_orm::ConnectionTrait,
        kind: Kind,
        id: i32,
        recurrence: &Recurrence,
        job: &Job,
    ) -> Result<Option<events::Event>, ScheduleError> {
        let now = self.parts.clock.now();
        let Some(due) = recurrence.last_due(job.next_run, now) else {
            return Ok(None);
        };
        if now - due <= MISFIRE_GRACE {
            store::insert_run(tx, kind, id, due, "queued", None, now).await?;
            store::note_times(tx, kind, id, Some(due), Some(due)).await?;
            return Ok(None);
        }
        let why =
            format!("It was due at {due}, and nobody was there for more than an hour afterwards.");
        let noted = store::insert_run(tx, kind, id, due, "missed", Some(why.clone()), now).await?;
        if noted.is_none() {
            return Ok(None);
        }
        let schedule = match kind {
            Kind::Backup => store::get(tx, id).await?,
            Kind::Verification => None,
        };
        let facts = json!({
            "code": "run_missed", "backup_type": schedule.map(|one| one.backup_type),
            "schedule_id": id, "kind": kind.as_str(), "due_at": due, "message": why,
        });
        let event = self.event("backup.warning", Severity::Warning, facts);
        events::record(tx, &event).await?;
        Ok(Some(event))
    }

    /// Begins a run that waits.
    async fn begin(&self, run: &Run) -> Result<(), ScheduleError> {
        let now = self.parts.clock.now();
        if run.next_attempt_at.is_some_and(|at| at > now) {
            return Ok(());
        }
        if run.kind == Kind::Verification.as_str() {
            let count = self.verification_schedule().await?.count();
            let queued = self.parts.verifications.request_newest(count).await?;
            let detail = format!("{queued} proofs queued");
            store::end_run(self.parts.db.orm(), run.id, "succeeded", Some(detail), now).await?;
            return Ok(());
        }
        let Some(schedule) = store::get(self.parts.db.orm(), run.schedule_id).await? else {
            let why = "The schedule was deleted.".to_owned();
            store::end_run(self.parts.db.orm(), run.id, "skipped", Some(why), now).await?;
            return Ok(());
        };
        self.begin_backup(run, &schedule).await
    }

    async fn begin_backup(&self, run: &Run, schedule: &Schedule) -> Result<(), ScheduleError> {
        let attempt = run.attempts + 1;
        // A crash may have come between this attempt's beginning and the note of it.
        let begun = self.parts.backups.of_attempt(run.id, attempt).await?;
        let started = match begun {
            Some(id) => Ok(id),
            None => match self.request(schedule, Trigger::Schedule) {
                Err(error) => {
                    let why = error.to_string();
                    return self.end_and_warn(run, Some(schedule), "failed", why).await;
                }
                Ok(mut request) => {
                    request.scheduled = Some(ScheduledAttempt {
                        schedule_id: schedule.id,
                        run_id: run.id,
                        attempt,
                    });
                    self.parts.backups.start(&Actor::system(), request).await
                }
            },
        };
        match started {
            Ok(id) => Ok(store::start_run(self.parts.db.orm(), run.id, Some(id)).await?),
            Err(BackupError::AlreadyRunning(other)) => {
                let why = format!("Backup {other} of the same database was still under way.");
                self.end_and_warn(run, Some(schedule), "skipped", why).await
            }
            Err(BackupError::Database(error)) => Err(error.into()),
            Err(error) => {
                let why = error.to_string();
                self.end_and_warn(run, Some(schedule), "failed", why).await
            }
        }
    }

    /// Looks after a run that was begun.
    async fn follow(&self, run: &Run) -> Result<(), ScheduleError> {
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
        let Some(backup_id) = run.backup_id else {
            let why = "Its backup is not in the catalogue any more.".to_owned();
            let schedule = store::get(db, run.schedule_id).await?;
            return self
                .end_and_warn(run, schedule.as_ref(), "failed", why)
                .await;
        };
        let backup = self.parts.backups.get(backup_id).await?;
        match backup.status.as_str() {
            "running" => {}
            "success" => {
                store::end_run(db, run.id, "succeeded", None, now).await?;
            }
            // The backup itself told that it failed.
            _ => {
                let why = backup.error_message.unwrap_or_default();
                let code = backup.failure_code.unwrap_or_default();
                let wait = usize::try_from(run.attempts - 1)
                    .ok()
                    .and_then(|attempt| RETRY_AFTER.get(attempt));
                match wait {
                    Some(wait) if Failure::may_pass(&code) => {
                        store::retry_run(db, run.id, now + *wait, &why).await?;
                    }
                    _ => {
                        store::end_run(db, run.id, "failed", Some(why), now).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends a run that led to no backup, and tells it, in one transaction.
    async fn end_and_warn(
        &self,
        run: &Run,
        schedule: Option<&Schedule>,
        status: &str,
        why: String,
    ) -> Result<(), ScheduleError> {
        let facts = json!({
            "code": format!("run_{status}"), "backup_type": schedule.map(|one| &one.backup_type),
            "schedule_id": run.schedule_id, "name": schedule.map(|one| &one.name),
            "due_at": run.due_at, "message": why,
        });
        let tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        if !store::end_run(&tx, run.id, status, Some(why), now).await? {
            return Ok(());
        }
        let event = self.event("backup.warning", Severity::Warning, facts);
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.backups.events().publish(event);
        Ok(())
    }
}
