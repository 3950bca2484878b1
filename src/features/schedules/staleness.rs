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
use crate::platform::events::{self, Severity, standing};

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
        let mut happened = self.parts.backups.events().subscribe();
        loop {
            self.look_at_age().await;
            if let Err(error) = self.ping().await {
                tracing::warn!(%error, "cannot decide on the dead man's ping");
            }
            let mut next = Box::pin(tokio::time::sleep(PERIOD));
            loop {
                tokio::select! {
                    () = &mut next => break,
                    () = stop.cancelled() => return,
                    // A fresh proof ends the alarm at once.
                    event = happened.recv() => match event {
                        Ok(event) if event.event_type != "verification.passed" => {}
                        _ => self.look_at_age().await,
                    }
                }
            }
        }
    }

    async fn look_at_age(&self) {
        if let Err(error) = self.tell_stale().await {
            tracing::warn!(%error, "cannot look at the age of the backups");
        }
    }

    /// Tells what is stale and was not told within a day, and what is stale no more.
    pub async fn tell_stale(&self) -> Result<(), ScheduleError> {
        let now = self.parts.clock.now();
        let stale = self.stale().await?;
        let tx = self.parts.db.begin().await?;
        let mut told = Vec::new();
        for kind in BackupType::ALL {
            let trouble = format!("stale:{}", kind.as_str());
            let Some(one) = stale.iter().find(|one| one.backup_type == kind) else {
                if standing::end(&tx, &trouble).await? {
                    let message = "They are as young again as their schedules promise.";
                    let facts = json!({
                        "code": "fresh", "trouble": trouble, "backup_type": kind, "message": message,
                    });
                    told.push(self.event("backup.recovered", Severity::Info, facts));
                }
                continue;
            };
            if !standing::begin(&tx, &trouble, "stale", now, Some(TELL_AGAIN)).await? {
                continue;
            }
            let message = one.message();
            tracing::error!(kind = kind.as_str(), message, "no fresh backup");
            let facts = json!({
                "code": "stale", "trouble": trouble, "backup_type": kind, "newest": one.newest,
                "promised_hours": one.promised_hours, "message": message,
            });
            told.push(self.event("backup.warning", Severity::Error, facts));
        }
        for event in &told {
            events::record(&tx, event).await?;
        }
        tx.commit().await?;
        for event in told {
            self.parts.backups.events().publish(event);
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
