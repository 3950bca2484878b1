//! The use cases, one method each; what happens by itself is in `worker`.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::ScheduleError;
use super::model::{Draft, Schedule};
use super::recurrence::Recurrence;
use super::store::{self, Kind, Run};
use super::verification::{self, VerificationDraft, VerificationSchedule};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::{BackupService, BackupType, RunRequest, Trigger};
use crate::features::destinations::DestinationService;
use crate::features::settings::SettingsService;
use crate::features::verification::VerificationService;
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::{self, Event, Severity};
use crate::platform::ids::Ids;
use crate::platform::outbound::Outbound;

/// Most due times that are foreseen for one schedule.
const MOST_FORESEEN: usize = 200;

/// What the service is made of.
#[derive(Clone)]
pub struct ScheduleParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Whom to call.
    pub settings: SettingsService,
    /// What is scheduled.
    pub backups: BackupService,
    /// What else is scheduled.
    pub verifications: VerificationService,
    /// Where backups are copied to.
    pub destinations: DestinationService,
    /// Calls the dead man's switch, in the same network maybe.
    pub near: Outbound,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
}

/// Schedules. Cheap to clone.
#[derive(Clone)]
pub struct ScheduleService {
    pub(super) parts: Arc<ScheduleParts>,
    pub(super) changed: Arc<Notify>,
}

/// A time at which something will happen by itself.
pub(super) struct Upcoming {
    pub at: DateTime<Utc>,
    pub kind: Kind,
    pub schedule_id: i32,
    pub name: String,
    pub backup_type: Option<String>,
}

impl ScheduleService {
    /// Puts the service together.
    pub fn new(parts: ScheduleParts) -> Self {
        Self {
            parts: Arc::new(parts),
            changed: Arc::default(),
        }
    }

    pub(super) async fn list(&self) -> Result<Vec<Schedule>, ScheduleError> {
        Ok(store::list(self.parts.db.orm()).await?)
    }

    pub(super) async fn get(&self, id: i32) -> Result<Schedule, ScheduleError> {
        store::get(self.parts.db.orm(), id)
            .await?
            .ok_or(ScheduleError::NotFound(id))
    }

    /// Whether anything backs n8n up by itself.
    pub async fn covers(&self, kind: BackupType) -> Result<bool, ScheduleError> {
        let all = self.list().await?;
        Ok(all
            .iter()
            .any(|schedule| schedule.is_enabled() && schedule.backup_type == kind.as_str()))
    }

    /// Makes a schedule.
    pub async fn create(&self, actor: &Actor, draft: &Draft) -> Result<Schedule, ScheduleError> {
        let recurrence = draft.check()?;
        self.check_destinations(draft).await?;
        let now = self.parts.clock.now();
        let next = next_run(draft.is_enabled, &recurrence, now);
        let tx = self.parts.db.begin().await?;
        let id = store::insert(&tx, draft, next, now).await?;
        store::set_job(&tx, Kind::Backup, id, next).await?;
        store::note_times(&tx, Kind::Backup, id, next, None).await?;
        let entry = Entry::new(Action::ScheduleCreated).resource("schedule", id);
        self.commit(tx, actor, entry.details(facts(draft))).await?;
        self.get(id).await
    }

    pub(super) async fn update(
        &self,
        actor: &Actor,
        id: i32,
        draft: &Draft,
    ) -> Result<Schedule, ScheduleError> {
        let recurrence = draft.check()?;
        self.check_destinations(draft).await?;
        let now = self.parts.clock.now();
        let next = next_run(draft.is_enabled, &recurrence, now);
        let tx = self.parts.db.begin().await?;
        if !store::update(&tx, id, draft, next, now).await? {
            return Err(ScheduleError::NotFound(id));
        }
        store::set_job(&tx, Kind::Backup, id, next).await?;
        store::note_times(&tx, Kind::Backup, id, next, None).await?;
        let entry = Entry::new(Action::ScheduleChanged).resource("schedule", id);
        self.commit(tx, actor, entry.details(facts(draft))).await?;
        self.get(id).await
    }

    async fn check_destinations(&self, draft: &Draft) -> Result<(), ScheduleError> {
        let wanted = draft.destination_ids.as_deref().unwrap_or_default();
        let unknown = self.parts.destinations.unknown(wanted).await?;
        let Some(first) = unknown.first() else {
            return Ok(());
        };
        Err(ScheduleError::Invalid {
            field: "destination_ids",
            why: format!("there is no destination {first}"),
        })
    }

    /// Removes a schedule, if it is still there.
    pub async fn remove(&self, actor: &Actor, id: i32) -> Result<(), ScheduleError> {
        match self.delete(actor, id).await {
            Err(ScheduleError::NotFound(_)) => Ok(()),
            other => other,
        }
    }

    pub(super) async fn delete(&self, actor: &Actor, id: i32) -> Result<(), ScheduleError> {
        let tx = self.parts.db.begin().await?;
        store::set_job(&tx, Kind::Backup, id, None).await?;
        if !store::delete(&tx, id).await? {
            return Err(ScheduleError::NotFound(id));
        }
        let entry = Entry::new(Action::ScheduleDeleted).resource("schedule", id);
        self.commit(tx, actor, entry).await
    }

    /// Begins a schedule's backup now, beside its due times.
    pub(super) async fn run_now(&self, actor: &Actor, id: i32) -> Result<i32, ScheduleError> {
        let schedule = self.get(id).await?;
        let request = self.request(&schedule, Trigger::Manual)?;
        Ok(self.parts.backups.start(actor, request).await?)
    }

    pub(super) fn request(
        &self,
        schedule: &Schedule,
        trigger: Trigger,
    ) -> Result<RunRequest, ScheduleError> {
        let backup_type =
            BackupType::find(&schedule.backup_type).ok_or(ScheduleError::Invalid {
                field: "backup_type",
                why: format!("{} is not known to this version", schedule.backup_type),
            })?;
        let name = schedule.compression.as_deref().unwrap_or("zstd");
        Ok(RunRequest {
            backup_type,
            compression: Some(self.parts.backups.named_compression(name, None)),
            trigger,
            scheduled: None,
        })
    }

    /// What happens by itself within the next `days`, soonest first.
    pub(super) async fn upcoming(&self, days: i64) -> Result<Vec<Upcoming>, ScheduleError> {
        let from = self.parts.clock.now();
        let until = from + TimeDelta::days(days);
        let mut found = Vec::new();
        for schedule in self.list().await? {
            let Some(recurrence) = schedule.recurrence().filter(|_| schedule.is_enabled()) else {
                continue;
            };
            for at in recurrence.between(from, until, MOST_FORESEEN) {
                found.push(Upcoming {
                    at,
                    kind: Kind::Backup,
                    schedule_id: schedule.id,
                    name: schedule.name.clone(),
                    backup_type: Some(schedule.backup_type.clone()),
                });
            }
        }
        let proofs = self.verification_schedule().await?;
        if let Some(recurrence) = proofs.recurrence().filter(|_| proofs.is_enabled()) {
            for at in recurrence.between(from, until, MOST_FORESEEN) {
                found.push(Upcoming {
                    at,
                    kind: Kind::Verification,
                    schedule_id: verification::ID,
                    name: format!("Prove the newest {}", proofs.count()),
                    backup_type: None,
                });
            }
        }
        found.sort_by_key(|one| one.at);
        Ok(found)
    }

    /// What became of a schedule's due times, newest first.
    pub(super) async fn runs(&self, id: i32) -> Result<Vec<Run>, ScheduleError> {
        self.get(id).await?;
        Ok(store::runs_of(self.parts.db.orm(), Kind::Backup, id, 50).await?)
    }

    pub(super) async fn verification_schedule(
        &self,
    ) -> Result<VerificationSchedule, ScheduleError> {
        let found = verification::get(self.parts.db.orm()).await?;
        Ok(found.unwrap_or(VerificationSchedule {
            enabled: Some(false),
            frequency: "weekly".to_owned(),
            day_of_week: Some(0),
            hour: Some(3),
            verify_latest_count: Some(5),
            last_run: None,
            next_run: None,
            updated_at: None,
        }))
    }

    pub(super) async fn set_verification_schedule(
        &self,
        actor: &Actor,
        draft: &VerificationDraft,
    ) -> Result<VerificationSchedule, ScheduleError> {
        let recurrence = draft.check()?;
        let now = self.parts.clock.now();
        let next = next_run(draft.is_enabled, &recurrence, now);
        let tx = self.parts.db.begin().await?;
        verification::save(&tx, draft, next, now).await?;
        store::set_job(&tx, Kind::Verification, verification::ID, next).await?;
        store::note_times(&tx, Kind::Verification, verification::ID, next, None).await?;
        let facts = json!({
            "enabled": draft.is_enabled, "frequency": draft.frequency, "hour": draft.hour,
            "day_of_week": draft.day_of_week, "verify_latest_count": draft.verify_latest_count,
        });
        let entry = Entry::new(Action::VerificationScheduleChanged)
            .resource("schedule", "verification")
            .details(facts);
        self.commit(tx, actor, entry).await?;
        self.verification_schedule().await
    }

    /// Ends a change of the schedules with its audit line and event, and has them looked at.
    async fn commit(
        &self,
        tx: DatabaseTransaction,
        actor: &Actor,
        entry: Entry,
    ) -> Result<(), ScheduleError> {
        let data = json!({ "settings": ["schedules"], "by": actor.username });
        let event = self.event("management.settings_changed", Severity::Info, data);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.backups.events().publish(event);
        self.changed.notify_one();
        Ok(())
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

pub(super) fn next_run(
    is_enabled: bool,
    recurrence: &Recurrence,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    is_enabled.then(|| recurrence.next_after(now))
}

fn facts(draft: &Draft) -> Value {
    json!({
        "name": draft.name, "backup_type": draft.backup_type, "enabled": draft.is_enabled,
        "frequency": draft.when.frequency, "hour": draft.when.hour, "minute": draft.when.minute,
        "day_of_week": draft.when.day_of_week, "day_of_month": draft.when.day_of_month,
        "timezone": draft.when.timezone, "compression": draft.compression,
    })
}
