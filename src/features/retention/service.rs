//! The use cases: read and change policies, look ahead, carry out.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::RetentionError;
use super::plan::{Candidate, Plan, Policy, Worth, plan, usual_cap};
use super::store::{self, Row};
use super::tell::Trouble;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::{Backup, BackupService, BackupType};
use crate::features::settings::{Key, SettingsService};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::{self, Event, Severity};
use crate::platform::ids::Ids;

const PERIOD: std::time::Duration = std::time::Duration::from_hours(1);
/// Most hours, days, weeks or months of one rule.
const MOST: u32 = 10_000;

/// What the service is made of.
#[derive(Clone)]
pub struct RetentionParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// The backups.
    pub backups: BackupService,
    /// When a day begins.
    pub settings: SettingsService,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
}

/// Retention. Cheap to clone.
#[derive(Clone)]
pub struct RetentionService {
    pub(super) parts: std::sync::Arc<RetentionParts>,
}

/// What one run did to one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// What was deleted.
    pub deleted: Vec<i32>,
    /// What would go and waits for the next run.
    pub postponed: usize,
}

/// A backup with what becomes of it.
pub(super) struct Foreseen {
    pub backup: Backup,
    pub decision: super::Decision,
}

impl RetentionService {
    /// Puts the service together.
    pub fn new(parts: RetentionParts) -> Self {
        Self {
            parts: std::sync::Arc::new(parts),
        }
    }

    /// Every type's policy.
    pub(super) async fn policies(&self) -> Result<Vec<(BackupType, Row)>, RetentionError> {
        let rows = store::list(self.parts.db.orm()).await?;
        let mut by_type: BTreeMap<String, Row> = rows
            .into_iter()
            .map(|row| (row.backup_type.clone(), row))
            .collect();
        let known = BackupType::ALL.into_iter().filter_map(|kind| {
            let row = by_type.remove(kind.as_str())?;
            Some((kind, row))
        });
        Ok(known.collect())
    }

    /// A type's policy.
    pub async fn policy(&self, kind: BackupType) -> Result<Policy, RetentionError> {
        let found = self.policies().await?;
        let found = found.iter().find(|(other, _)| *other == kind);
        Ok(found.map_or(
            Policy {
                hourly: 0,
                daily: 0,
                weekly: 0,
                monthly: 0,
                max_total_bytes: None,
            },
            |(_, row)| row.policy(),
        ))
    }

    /// Changes a type's policy. Nothing is deleted by this; the next run does that.
    pub async fn set(
        &self,
        actor: &Actor,
        kind: BackupType,
        counts: [u32; 4],
        max_total_size_gb: Option<u32>,
    ) -> Result<(), RetentionError> {
        check(counts, max_total_size_gb)?;
        let tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        store::save(&tx, kind, counts, max_total_size_gb, now).await?;
        let [hourly, daily, weekly, monthly] = counts;
        let facts = json!({
            "hourly": hourly, "daily": daily, "weekly": weekly, "monthly": monthly,
            "max_total_size_gb": max_total_size_gb,
        });
        let entry = Entry::new(Action::RetentionChanged)
            .resource("retention", kind.as_str())
            .details(facts);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        let data =
            json!({ "settings": [format!("retention.{}", kind.as_str())], "by": actor.username });
        let (ids, clock) = (&self.parts.ids, &self.parts.clock);
        let event = Event::now(
            ids,
            clock,
            "management.settings_changed",
            Severity::Info,
            data,
        );
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.backups.events().publish(event);
        Ok(())
    }

    /// When a day begins, for counting days.
    fn zone(&self) -> Tz {
        let name = self.parts.settings.choice(Key::TimeZone);
        name.parse().unwrap_or(Tz::UTC)
    }

    async fn decide(
        &self,
        kind: BackupType,
        policy: &Policy,
        cap: Option<usize>,
    ) -> Result<(Vec<Backup>, Plan), RetentionError> {
        let kept = self.parts.backups.kept(kind).await?;
        let candidates: Vec<Candidate> = kept
            .iter()
            .map(|backup| candidate(backup, self.parts.backups.is_in_use(backup)))
            .collect();
        let cap = cap.unwrap_or_else(|| usual_cap(candidates.len()));
        let now = self.parts.clock.now();
        let plan = plan(&candidates, policy, self.zone(), now, cap);
        Ok((kept, plan))
    }

    /// What a policy would do now; the saved one if none is given. Newest first.
    pub(super) async fn preview(
        &self,
        kind: BackupType,
        policy: Option<Policy>,
    ) -> Result<Vec<Foreseen>, RetentionError> {
        let policy = match policy {
            Some(policy) => policy,
            None => self.policy(kind).await?,
        };
        let (kept, plan) = self.decide(kind, &policy, Some(usize::MAX)).await?;
        let mut by_id: BTreeMap<i32, Backup> =
            kept.into_iter().map(|backup| (backup.id, backup)).collect();
        let foreseen = plan.decisions.into_iter().filter_map(|decision| {
            let backup = by_id.remove(&decision.id)?;
            Some(Foreseen { backup, decision })
        });
        Ok(foreseen.collect())
    }

    /// Carries out a type's policy: a part of what would go, or all of it if somebody confirmed
    /// how many that is.
    pub async fn sweep(
        &self,
        actor: &Actor,
        kind: BackupType,
        confirmed: Option<usize>,
    ) -> Result<Sweep, RetentionError> {
        let policy = self.policy(kind).await?;
        let (_, plan) = self
            .decide(kind, &policy, confirmed.map(|_| usize::MAX))
            .await?;
        let would_delete = plan.deletions().count();
        if let Some(confirmed) = confirmed
            && would_delete > confirmed
        {
            return Err(RetentionError::NotConfirmed {
                would_delete,
                confirmed,
            });
        }
        let mut sweep = Sweep {
            deleted: Vec::new(),
            postponed: plan.postponed,
        };
        for (id, reason) in plan.deletions() {
            if self
                .parts
                .backups
                .delete_by_policy(actor, id, reason.as_str())
                .await?
            {
                sweep.deleted.push(id);
            }
        }
        if !sweep.deleted.is_empty() || sweep.postponed > 0 {
            tracing::info!(
                kind = kind.as_str(),
                deleted = sweep.deleted.len(),
                postponed = sweep.postponed,
                "retention"
            );
        }
        Ok(sweep)
    }

    /// Carries out every policy, and what earlier deletions left undone.
    pub async fn sweep_all(&self) {
        for kind in BackupType::ALL {
            let trouble = match self.sweep(&Actor::system(), kind, None).await {
                Ok(sweep) if sweep.postponed > 0 => {
                    tracing::warn!(
                        kind = kind.as_str(),
                        postponed = sweep.postponed,
                        "retention would delete more than half at once; the rest waits for the next run"
                    );
                    Some(Trouble::Capped(sweep))
                }
                Ok(_) => None,
                Err(error) => {
                    tracing::error!(%error, kind = kind.as_str(), "retention failed");
                    Some(Trouble::Failed(error))
                }
            };
            self.tell(Some(kind), trouble).await;
        }
        match self.parts.backups.finish_deletions().await {
            Ok(0) => self.tell(None, None).await,
            Ok(left) => self.tell(None, Some(Trouble::FilesLeft(left))).await,
            Err(error) => tracing::error!(%error, "cannot finish deletions"),
        }
    }

    /// Runs at once, every hour, and after each good backup, until `stop`.
    pub async fn work(&self, stop: CancellationToken) {
        let mut happened = self.parts.backups.events().subscribe();
        loop {
            self.sweep_all().await;
            let mut next = Box::pin(tokio::time::sleep(PERIOD));
            loop {
                tokio::select! {
                    () = &mut next => break,
                    () = stop.cancelled() => return,
                    event = happened.recv() => match event {
                        Ok(event) if event.event_type == "backup.success" => break,
                        Ok(_) => {}
                        Err(_) => break,
                    }
                }
            }
        }
    }
}

fn check(counts: [u32; 4], max_total_size_gb: Option<u32>) -> Result<(), RetentionError> {
    let fields = ["keep_hourly", "keep_daily", "keep_weekly", "keep_monthly"];
    for (count, field) in counts.into_iter().zip(fields) {
        if count > MOST {
            return Err(RetentionError::Invalid {
                field,
                why: format!("must be between 0 and {MOST}"),
            });
        }
    }
    if counts == [0; 4] && max_total_size_gb.is_none() {
        return Err(RetentionError::Invalid {
            field: "keep_daily",
            why:
                "keeps nothing at all; keep at least one of hours, days, weeks or months, or set a \
                  limit of size"
                    .to_owned(),
        });
    }
    if max_total_size_gb == Some(0) {
        return Err(RetentionError::Invalid {
            field: "max_total_size_gb",
            why: "must be at least 1; leave it out for no limit".to_owned(),
        });
    }
    Ok(())
}

fn candidate(backup: &Backup, is_in_use: bool) -> Candidate {
    Candidate {
        id: backup.id,
        database: backup
            .source_identity
            .clone()
            .or_else(|| backup.database_name.clone())
            .unwrap_or_default(),
        taken_at: backup.started_at,
        bytes: backup
            .compressed_size
            .and_then(|bytes| u64::try_from(bytes).ok())
            .unwrap_or(0),
        worth: match (
            backup.status.as_str(),
            backup.verification_status.as_deref(),
        ) {
            ("success", Some("passed")) => Worth::Proven,
            ("success", Some("failed")) => Worth::Bad,
            ("success", _) => Worth::Good,
            _ => Worth::Running,
        },
        is_pinned: backup.is_pinned,
        is_in_use,
        is_by_hand: backup.trigger != "schedule",
    }
}
