//! The use cases beside the watch itself: show, acknowledge, mute, advise.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::RwLock;
use serde_json::json;
use tokio::sync::Mutex;

use super::WatchdogError;
use super::blind::STALE_AFTER;
use super::prune::{self, Advice};
use super::schedules::Memory;
use super::source::{Source, Taken};
use super::store::{self, Mute, Row, Trouble};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::host::{DiskForecast, HostService};
use crate::features::n8n::N8nService;
use crate::features::settings::SettingsService;
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::EventBus;
use crate::platform::ids::Ids;

/// Advice is worked out again after this long: it reads through n8n's tables.
const ADVICE_FOR: Duration = Duration::from_mins(10);
/// The longest mute with an end.
const LONGEST_MUTE_HOURS: i64 = 24 * 365;
const MOST_REASON: usize = 500;

/// What the service is made of.
#[derive(Clone)]
pub struct WatchdogParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Whose executions are watched.
    pub n8n: N8nService,
    /// Whether n8n answered, and how long its disk lasts.
    pub host: HostService,
    /// When runs are stuck or missed.
    pub settings: SettingsService,
    /// Whoever listens.
    pub events: EventBus,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
}

/// The watch over n8n's executions. Cheap to clone.
#[derive(Clone)]
pub struct WatchdogService {
    pub(super) parts: Arc<WatchdogParts>,
    pub(super) memory: Arc<Mutex<Memory>>,
    /// Of the memory, what a page shows: a look holds the memory for as long as n8n's database takes.
    shown: Arc<RwLock<Shown>>,
    advised: Arc<Mutex<Option<(Instant, String, Report)>>>,
}

/// What executions take and what to do about it.
#[derive(Clone)]
pub(super) struct Report {
    pub taken: Taken,
    pub advice: Advice,
    pub disk: Option<DiskForecast>,
    pub at: DateTime<Utc>,
}

/// Everything that is not over, and whom nobody is told of.
pub(super) struct Overview {
    pub open: Vec<Row>,
    pub mutes: Vec<Mute>,
    pub looked_at: Option<DateTime<Utc>>,
    /// Whether that is too long ago to say anything about now.
    pub is_stale: bool,
    pub trouble: Option<Trouble>,
    pub shown: Shown,
}

/// What is known of schedules.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub watched: Vec<Watched>,
    pub zone: String,
    pub zone_is_known: bool,
}

/// A workflow that should run by itself.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub workflow_id: String,
    pub workflow_name: String,
    pub last_run_at: Option<DateTime<Utc>>,
    pub next_due_at: Option<DateTime<Utc>>,
    pub unreadable_rules: usize,
}

impl WatchdogService {
    /// Puts the service together.
    pub fn new(parts: WatchdogParts) -> Self {
        Self {
            parts: Arc::new(parts),
            memory: Arc::default(),
            shown: Arc::new(RwLock::new(Memory::default().shown())),
            advised: Arc::default(),
        }
    }

    /// What is wrong now, and what is watched.
    pub(super) async fn overview(&self) -> Result<Overview, WatchdogError> {
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
        // Of an n8n that is no longer connected, nothing was looked at.
        let is_connected = !matches!(self.source_name(), Ok(None));
        let state = store::state(db).await?.filter(|_| is_connected);
        let trouble = store::trouble(db).await?.filter(|_| is_connected);
        let looked_at = state.map(|state| state.looked_at);
        Ok(Overview {
            open: store::open(db).await?,
            mutes: store::mutes(db, now).await?,
            is_stale: match looked_at {
                Some(at) => now - at > STALE_AFTER,
                None => trouble.is_some(),
            },
            looked_at,
            trouble,
            shown: self.shown.read().clone(),
        })
    }

    /// Shows what is remembered by now.
    pub(super) fn show(&self, memory: &Memory) {
        *self.shown.write() = memory.shown();
    }

    /// Incidents that are over, the newest first.
    pub(super) async fn resolved(
        &self,
        workflow_id: Option<&str>,
        before: Option<i32>,
        limit: i64,
    ) -> Result<Vec<Row>, WatchdogError> {
        Ok(store::resolved(self.parts.db.orm(), workflow_id, before, limit).await?)
    }

    /// Where people open a workflow or a run of it.
    pub(super) fn link(&self, workflow_id: &str, execution_id: Option<i64>) -> Option<String> {
        self.parts.n8n.link(workflow_id, execution_id)
    }

    /// Notes that somebody looks after an incident.
    pub(super) async fn acknowledge(
        &self,
        actor: &Actor,
        user_id: i32,
        id: i32,
    ) -> Result<Row, WatchdogError> {
        let tx = self.parts.db.begin().await?;
        if !store::acknowledge(&tx, id, user_id, self.parts.clock.now()).await? {
            return Err(WatchdogError::NoIncident(id));
        }
        let entry = Entry::new(Action::IncidentAcknowledged).resource("incident", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        let row = store::find(&tx, id).await?;
        tx.commit().await?;
        row.ok_or(WatchdogError::NoIncident(id))
    }

    /// Tells nobody of a workflow, for some hours or until somebody ends it.
    pub(super) async fn mute(
        &self,
        actor: &Actor,
        workflow_id: &str,
        hours: Option<i64>,
        reason: Option<String>,
    ) -> Result<(), WatchdogError> {
        let invalid = |field, why: String| Err(WatchdogError::Invalid { field, why });
        if hours.is_some_and(|hours| !(1..=LONGEST_MUTE_HOURS).contains(&hours)) {
            let why = format!("must be between 1 and {LONGEST_MUTE_HOURS}; leave it out for good");
            return invalid("hours", why);
        }
        let reason = reason
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        if reason
            .as_ref()
            .is_some_and(|text| text.chars().count() > MOST_REASON)
        {
            return invalid(
                "reason",
                format!("must have at most {MOST_REASON} characters"),
            );
        }
        if workflow_id.is_empty() || workflow_id.len() > 64 || workflow_id.contains('\0') {
            return invalid(
                "workflow_id",
                "must be the id of a workflow of n8n".to_owned(),
            );
        }
        let now = self.parts.clock.now();
        let mute = Mute {
            workflow_id: workflow_id.to_owned(),
            muted_until: hours.map(|hours| now + TimeDelta::hours(hours)),
            reason: reason.clone(),
            created_at: now,
        };
        let tx = self.parts.db.begin().await?;
        store::mute(&tx, &mute, actor.user_id).await?;
        let entry = Entry::new(Action::WorkflowMuted)
            .resource("workflow", workflow_id)
            .details(json!({ "hours": hours, "reason": reason }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Tells of a workflow again. What is wrong with it is told at the next look.
    pub(super) async fn unmute(
        &self,
        actor: &Actor,
        workflow_id: &str,
    ) -> Result<(), WatchdogError> {
        let tx = self.parts.db.begin().await?;
        if store::unmute(&tx, workflow_id).await? {
            let entry = Entry::new(Action::WorkflowUnmuted).resource("workflow", workflow_id);
            audit::record(&tx, &self.parts.clock, actor, entry).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What executions take, and what n8n's own pruning would free. Worked out once in ten minutes.
    pub(super) async fn advice(&self) -> Result<Report, WatchdogError> {
        // One at a time: it reads through n8n's tables.
        let mut advised = self.advised.lock().await;
        let place = self.source_name()?.unwrap_or_default();
        if let Some((at, of, report)) = &*advised
            && at.elapsed() < ADVICE_FOR
            && *of == place
        {
            return Ok(report.clone());
        }
        let mut source = Source::open(&self.parts.n8n).await?;
        let read = async {
            let taken = source.taken().await?;
            let mut advice = prune::advise(&taken.shares, taken.scale);
            let ids: Vec<String> = advice
                .workflows
                .iter()
                .map(|one| one.workflow_id.clone())
                .collect();
            let mut names = source.names(&ids).await?;
            for one in &mut advice.workflows {
                one.workflow_name = names.remove(&one.workflow_id).map(|named| named.name);
            }
            Ok::<_, WatchdogError>((taken, advice))
        };
        let read = read.await;
        source.close().await;
        let (taken, advice) = read?;
        let report = Report {
            taken,
            advice,
            disk: self.parts.host.disk_of_n8n().await,
            at: self.parts.clock.now(),
        };
        *advised = Some((Instant::now(), place, report.clone()));
        Ok(report)
    }

    /// Whose executions are watched: address and database. `None` when no n8n is connected.
    pub(super) fn source_name(&self) -> Result<Option<String>, WatchdogError> {
        let source = self.parts.n8n.source()?;
        Ok(source
            .map(|source| format!("{}/{}", source.conninfo.address(), source.conninfo.database)))
    }
}
