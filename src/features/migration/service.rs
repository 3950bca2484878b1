//! The use cases: take over, say how it stands, undo.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::MigrationError;
use super::input::{self, Wanted};
use super::store::{self, Phase};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::{BackupService, BackupType, RunRequest, Trigger};
use crate::features::destinations::DestinationService;
use crate::features::n8n::N8nService;
use crate::features::retention::{Policy, RetentionService};
use crate::features::schedules::{Draft, ScheduleService};
use crate::features::settings::{Key, SettingsService, find_setting};
use crate::platform::clock::Clock;
use crate::platform::db::Db;

/// How long it can be undone.
const UNDO: TimeDelta = TimeDelta::days(30);
/// What the schedule and the destination are called.
const NAME: &str = "From version 2";
/// The last phase.
pub const DONE: &str = "done";

/// What the service is made of.
#[derive(Clone)]
pub struct MigrationParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// What is changed.
    pub settings: SettingsService,
    /// n8n's connection.
    pub n8n: N8nService,
    /// The backup before.
    pub backups: BackupService,
    /// When backups are made.
    pub schedules: ScheduleService,
    /// How long they stay.
    pub retention: RetentionService,
    /// Where they go.
    pub destinations: DestinationService,
    /// Time.
    pub clock: Clock,
}

/// The way from version 2. Cheap to clone.
#[derive(Clone)]
pub struct MigrationService {
    parts: Arc<MigrationParts>,
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
}

/// The phases in their order.
const PHASES: [&str; 5] = ["settings", "n8n", "schedule", "retention", "destination"];

impl MigrationService {
    /// Puts the service together.
    pub fn new(parts: MigrationParts) -> Self {
        Self {
            parts: Arc::new(parts),
            one_at_a_time: Arc::default(),
        }
    }

    /// What a file asks for.
    pub fn read(text: &str) -> Result<Wanted, MigrationError> {
        input::read(text).map_err(MigrationError::Input)
    }

    /// Every phase so far.
    pub async fn phases(&self) -> Result<Vec<Phase>, MigrationError> {
        Ok(store::list(self.parts.db.orm()).await?)
    }

    /// Takes a file over, phase by phase.
    pub async fn run(&self, actor: &Actor, text: &str) -> Result<Vec<Phase>, MigrationError> {
        let wanted = Self::read(text)?;
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let before = self.phases().await?;
        if before.iter().any(|phase| phase.status == "completed") {
            return Err(MigrationError::AlreadyDone);
        }
        let db = self.parts.db.orm();
        let expires = self.parts.clock.now() + UNDO;
        let first = store::begin(db, "backup", None, expires, self.parts.clock.now()).await?;
        let request = RunRequest {
            backup_type: BackupType::PostgresMgmt,
            compression: None,
            trigger: Trigger::Safety,
            scheduled: None,
        };
        let backed_up = self.parts.backups.run_now(actor, request).await;
        let why = match &backed_up {
            Ok((_, Ok(()))) => None,
            Ok((_, Err(why))) => Some(why.clone()),
            Err(error) => Some(error.to_string()),
        };
        let now = self.parts.clock.now();
        if let Some(why) = why {
            store::end(db, first, "failed", None, Some(&why), now).await?;
            return Err(MigrationError::Phase {
                phase: "backup",
                why,
            });
        }
        let backup_id = backed_up.ok().map(|(id, _)| id);
        let details = json!({ "backup_id": backup_id });
        store::end(db, first, "completed", Some(details), None, now).await?;
        for phase in PHASES {
            let id = store::begin(db, phase, backup_id, expires, self.parts.clock.now()).await?;
            let outcome = self.take_over(actor, phase, &wanted).await;
            let now = self.parts.clock.now();
            match outcome {
                Ok(details) => {
                    store::end(db, id, "completed", Some(details), None, now).await?;
                }
                Err(error) => {
                    let why = error.to_string();
                    store::end(db, id, "failed", None, Some(&why), now).await?;
                    self.undo_completed(actor).await?;
                    return Err(MigrationError::Phase { phase, why });
                }
            }
        }
        let id = store::begin(db, DONE, backup_id, expires, self.parts.clock.now()).await?;
        let details = json!({ "ignored": wanted.ignored });
        let now = self.parts.clock.now();
        store::end(db, id, "completed", Some(details), None, now).await?;
        self.note(actor, Action::MigrationDone).await?;
        self.phases().await
    }

    async fn note(&self, actor: &Actor, action: Action) -> Result<(), MigrationError> {
        let tx = self.parts.db.begin().await?;
        let entry = Entry::new(action).resource("migration", "2");
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// One phase. Returns what is needed to undo it.
    async fn take_over(
        &self,
        actor: &Actor,
        phase: &'static str,
        wanted: &Wanted,
    ) -> Result<Value, MigrationError> {
        let parts = &self.parts;
        let kept = |why: &str| Ok(json!({ "kept": why }));
        match phase {
            "settings" => {
                let changed = parts.settings.changed_values();
                let before: Vec<Value> = wanted
                    .settings
                    .iter()
                    .map(|(key, _)| {
                        let name = key.definition().name;
                        json!({ "key": name, "value": changed.get(name) })
                    })
                    .collect();
                if !wanted.settings.is_empty() {
                    let settings = wanted.settings.iter();
                    let changes = settings.map(|(key, value)| (*key, Some(value.clone())));
                    parts
                        .settings
                        .change(actor, changes.collect(), None)
                        .await?;
                }
                Ok(json!({ "settings": before }))
            }
            "n8n" => {
                if parts.n8n.source()?.is_some() {
                    return kept("a connection to n8n is set already and stays");
                }
                let Some(url) = wanted.database_url.clone() else {
                    return kept("the file names no database of n8n");
                };
                let key = wanted.encryption_key.clone().map(Some);
                parts.n8n.connect(actor, Some(url), key).await?;
                Ok(json!({ "connected": true }))
            }
            "schedule" => {
                let Some(when) = wanted.when.clone() else {
                    return kept("the file names no schedule");
                };
                let draft = Draft {
                    name: NAME.to_owned(),
                    backup_type: BackupType::PostgresN8n,
                    is_enabled: true,
                    when,
                    compression: wanted
                        .compression
                        .clone()
                        .unwrap_or_else(|| "zstd".to_owned()),
                    destination_ids: None,
                };
                let schedule = parts.schedules.create(actor, &draft).await?;
                Ok(json!({ "schedule_id": schedule.id }))
            }
            "retention" => {
                let Some(days) = wanted.retention_days else {
                    return kept("the file says nothing of retention");
                };
                let before = parts.retention.policy(BackupType::PostgresN8n).await?;
                self.keep_daily(actor, &before, days).await?;
                Ok(json!({ "daily": before.daily, "days": days }))
            }
            _ => {
                let Some(folder) = wanted.destination.clone() else {
                    return kept("the file names no folder for copies");
                };
                let id = parts.destinations.add_folder(actor, NAME, folder).await?;
                Ok(json!({ "destination_id": id }))
            }
        }
    }

    /// Changes how many daily backups stay; the rest of the policy stays as it is.
    async fn keep_daily(
        &self,
        actor: &Actor,
        policy: &Policy,
        daily: u32,
    ) -> Result<(), MigrationError> {
        let counts = [policy.hourly, daily, policy.weekly, policy.monthly];
        let most = policy.max_total_bytes.map(|bytes| bytes / 1_000_000_000);
        let most = most.and_then(|gigabytes| u32::try_from(gigabytes).ok());
        let retention = &self.parts.retention;
        retention
            .set(actor, BackupType::PostgresN8n, counts, most)
            .await?;
        Ok(())
    }

    /// Gives back what was taken over.
    pub async fn undo(&self, actor: &Actor) -> Result<Vec<Phase>, MigrationError> {
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let phases = self.phases().await?;
        let mut done = phases.iter().filter(|phase| phase.status == "completed");
        let first = done.next().ok_or(MigrationError::NothingToUndo)?;
        let now = self.parts.clock.now();
        if first.rollback_expires.is_some_and(|until| until < now) {
            return Err(MigrationError::UndoIsOver);
        }
        self.undo_completed(actor).await?;
        self.note(actor, Action::MigrationUndone).await?;
        self.phases().await
    }

    /// Undoes completed phases, the last one first. What somebody removed meanwhile is fine.
    async fn undo_completed(&self, actor: &Actor) -> Result<(), MigrationError> {
        let db = self.parts.db.orm();
        for phase in self.phases().await?.iter().rev() {
            if phase.status == "completed" {
                self.undo_phase(actor, phase).await?;
                let now = self.parts.clock.now();
                store::end(db, phase.id, "rolled_back", None, None, now).await?;
            }
        }
        Ok(())
    }

    async fn undo_phase(&self, actor: &Actor, phase: &Phase) -> Result<(), MigrationError> {
        let parts = &self.parts;
        let details = phase.details.clone().unwrap_or_default();
        let number = |key: &str| details[key].as_i64().and_then(|id| i32::try_from(id).ok());
        match phase.phase.as_str() {
            "settings" => {
                let before = details["settings"].as_array().cloned().unwrap_or_default();
                let changes: Vec<(Key, Option<Value>)> = before
                    .into_iter()
                    .filter_map(|one| {
                        let key = find_setting(one["key"].as_str()?)?.key;
                        let value = Some(one["value"].clone()).filter(|value| !value.is_null());
                        Some((key, value))
                    })
                    .collect();
                if !changes.is_empty() {
                    parts.settings.change(actor, changes, None).await?;
                }
            }
            "n8n" if details["connected"] == true => parts.n8n.disconnect(actor).await?,
            "schedule" => {
                if let Some(id) = number("schedule_id") {
                    parts.schedules.remove(actor, id).await?;
                }
            }
            "retention" => {
                let daily = details["daily"]
                    .as_u64()
                    .and_then(|days| u32::try_from(days).ok());
                if let Some(daily) = daily {
                    let now = parts.retention.policy(BackupType::PostgresN8n).await?;
                    self.keep_daily(actor, &now, daily).await?;
                }
            }
            "destination" => {
                if let Some(id) = number("destination_id") {
                    parts.destinations.forget(actor, id).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Settles what a crash cut off: the phase failed, and those before it are undone.
    pub async fn settle(&self) -> Result<(), MigrationError> {
        let phases = self.phases().await?;
        let Some(cut) = phases.iter().find(|phase| phase.status == "in_progress") else {
            return Ok(());
        };
        let why = "Flowkeep ended in the middle of it; what was taken over before was undone";
        let now = self.parts.clock.now();
        store::end(self.parts.db.orm(), cut.id, "failed", None, Some(why), now).await?;
        self.undo_completed(&Actor::system()).await
    }
}
