//! Whether the backups are as young as the schedules promise. Looked at by itself: also when schedules
//! are not acted on, or every backup fails quietly, somebody is told.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ScheduleError;
use super::model::Frequency;
use super::service::ScheduleService;
use crate::features::backups::BackupType;
use crate::platform::events::{self, Severity};

const PERIOD: Duration = Duration::from_mins(10);
/// A proof takes its time, and a retry too.
const GRACE: TimeDelta = TimeDelta::hours(2);
/// The same is told again this often.
const TELL_AGAIN: TimeDelta = TimeDelta::hours(24);

/// A type whose newest proven backup is older than its schedules promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The type.
    pub backup_type: BackupType,
    /// When the newest proven backup was begun.
    pub newest: Option<DateTime<Utc>>,
    /// How old it may be, in hours.
    pub promised_hours: i64,
}

/// The longest time between two due times.
fn interval(frequency: Frequency) -> TimeDelta {
    match frequency {
        Frequency::Hourly => TimeDelta::hours(1),
        Frequency::Daily => TimeDelta::days(1),
        Frequency::Weekly => TimeDelta::days(7),
        Frequency::Monthly => TimeDelta::days(31),
    }
}

impl ScheduleService {
    /// Types whose newest proven backup is older than two intervals of their schedule. A schedule that
    /// is younger than that promises nothing yet.
    pub async fn stale(&self) -> Result<Vec<Stale>, ScheduleError> {
        let now = self.parts.clock.now();
        let mut promised: BTreeMap<BackupType, TimeDelta> = BTreeMap::new();
        for schedule in self.list().await? {
            let (Some(kind), Some(frequency)) = (
                BackupType::find(&schedule.backup_type),
                Frequency::find(&schedule.frequency),
            ) else {
                continue;
            };
            let allowed = interval(frequency) * 2 + GRACE;
            let began = schedule.updated_at.or(schedule.created_at).unwrap_or(now);
            if schedule.is_enabled() && now - began > allowed {
                let known = promised.entry(kind).or_insert(allowed);
                *known = (*known).min(allowed);
            }
        }
        let mut stale = Vec::new();
        for (backup_type, allowed) in promised {
            let newest = self.parts.backups.newest_proven(backup_type).await?;
            let newest = newest.map(|backup| backup.started_at);
            if newest.is_none_or(|newest| now - newest > allowed) {
                stale.push(Stale {
                    backup_type,
                    newest,
                    promised_hours: allowed.num_hours(),
                });
            }
        }
        Ok(stale)
    }

    /// Tells what is stale, once a day, until `stop`.
    pub async fn keep_watch(&self, stop: CancellationToken) {
        let mut told: BTreeMap<BackupType, DateTime<Utc>> = BTreeMap::new();
        loop {
            if let Err(error) = self.tell_stale(&mut told).await {
                tracing::warn!(%error, "cannot look at the age of the backups");
            }
            if let Err(error) = self.ping().await {
                tracing::warn!(%error, "cannot decide on the dead man's ping");
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Tells what is stale and was not told within a day.
    pub async fn tell_stale(
        &self,
        told: &mut BTreeMap<BackupType, DateTime<Utc>>,
    ) -> Result<(), ScheduleError> {
        let now = self.parts.clock.now();
        let stale = self.stale().await?;
        told.retain(|kind, at| {
            now - *at < TELL_AGAIN && stale.iter().any(|one| one.backup_type == *kind)
        });
        for one in stale {
            if told.contains_key(&one.backup_type) {
                continue;
            }
            let message = one.message();
            let facts = json!({
                "code": "stale", "backup_type": one.backup_type, "newest": one.newest,
                "promised_hours": one.promised_hours, "message": message,
            });
            let event = self.event("backup.warning", Severity::Error, facts);
            let tx = self.parts.db.begin().await?;
            events::record(&tx, &event).await?;
            tx.commit().await?;
            tracing::error!(kind = one.backup_type.as_str(), message, "no fresh backup");
            self.parts.backups.events().publish(event);
            told.insert(one.backup_type, now);
        }
        Ok(())
    }
}

impl Stale {
    /// One sentence for people.
    pub fn message(&self) -> String {
        let age = match self.newest {
            Some(newest) => format!("is of {}", newest.format("%Y-%m-%d %H:%M UTC")),
            None => "does not exist".to_owned(),
        };
        format!(
            "The newest proven backup of type {} {age}; its schedule promises one no older than {} hours.",
            self.backup_type.as_str(),
            self.promised_hours
        )
    }
}
