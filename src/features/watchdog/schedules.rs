//! What is known of workflows that run by time, and which of their runs did not come.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::WatchdogError;
use super::incident::{Kind, Seen};
use super::look::{Found, begun};
use super::schedule::Schedule;
use super::service::{Shown, WatchdogService, Watched};
use super::source::{Active, Source};
use crate::features::settings::Key;

/// n8n's time zone is learned again after so many looks.
const LEARN_EVERY: u32 = 60;
/// n8n's own default for GENERIC_TIMEZONE.
const DEFAULT_ZONE: Tz = chrono_tz::America::New_York;

/// What is remembered between looks; it can be read again at any time.
#[derive(Default)]
pub(super) struct Memory {
    source: String,
    scheduled: BTreeMap<String, Known>,
    zone: Option<Tz>,
    chosen_zone: Option<Tz>,
    looks: u32,
}

/// An active workflow as it was last read.
struct Known {
    active: Active,
    schedule: Schedule,
    last_run: Option<(DateTime<Utc>, i64)>,
    next_due: Option<DateTime<Utc>>,
    /// When it was given another time zone: what its clock says of the time before is not what was due then.
    rezoned: Option<DateTime<Utc>>,
}

impl Memory {
    /// Nothing, of this database.
    pub fn of(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            ..Self::default()
        }
    }

    pub fn is_of(&self, source: &str) -> bool {
        self.source == source
    }

    /// Whether a workflow runs by time.
    pub fn is_scheduled(&self, id: &str) -> bool {
        let known = self.scheduled.get(id);
        known.is_some_and(|known| !known.schedule.is_empty())
    }

    fn zone(&self) -> Tz {
        self.chosen_zone.or(self.zone).unwrap_or(DEFAULT_ZONE)
    }

    fn zone_is_known(&self) -> bool {
        self.chosen_zone.or(self.zone).is_some()
    }

    /// The zone of a workflow's clock, and whether it is sure.
    fn zone_of(&self, active: &Active) -> (Tz, bool) {
        let own = active.zone.as_deref().filter(|name| *name != "DEFAULT");
        match own.and_then(|name| name.parse().ok()) {
            Some(zone) => (zone, true),
            None => (self.zone(), self.zone_is_known()),
        }
    }

    /// What of it is shown.
    pub fn shown(&self) -> Shown {
        Shown {
            watched: self.watched(),
            zone: self.zone().to_string(),
            zone_is_known: self.zone_is_known(),
        }
    }

    fn watched(&self) -> Vec<Watched> {
        let watched = self.scheduled.values().map(|known| Watched {
            workflow_id: known.active.id.clone(),
            workflow_name: known.active.name.clone(),
            last_run_at: known.last_run.map(|run| run.0),
            next_due_at: known.next_due,
            unreadable_rules: known.schedule.unreadable,
        });
        watched.collect()
    }
}

impl WatchdogService {
    /// Keeps what is known of schedules up to date.
    pub(super) async fn schedules(
        &self,
        source: &mut Source,
        memory: &mut Memory,
        found: &Found,
    ) -> Result<(), WatchdogError> {
        let now = self.parts.clock.now();
        let chosen = self.parts.settings.choice(Key::WatchdogTimeZone);
        memory.chosen_zone = chosen.parse().ok();
        let active = source.active().await?;
        let changed: Vec<String> = active
            .iter()
            .filter(|one| {
                memory
                    .scheduled
                    .get(&one.id)
                    .is_none_or(|known| known.active.key != one.key)
            })
            .map(|one| one.id.clone())
            .collect();
        let nodes = source.nodes(&changed).await?;
        let mut last_runs = source.last_runs(&changed).await?;
        let mut scheduled = BTreeMap::new();
        for one in active {
            let id = one.id.clone();
            let before = memory.scheduled.remove(&id);
            let rezoned = before.as_ref().and_then(|before| {
                let is_other = before.active.zone != one.zone;
                if is_other { Some(now) } else { before.rezoned }
            });
            let mut known = match (before, nodes.get(&id)) {
                (Some(known), None) => Known {
                    active: one,
                    rezoned,
                    ..known
                },
                (_, nodes) => Known {
                    active: one,
                    schedule: nodes.map(Schedule::read).unwrap_or_default(),
                    last_run: last_runs.remove(&id),
                    next_due: None,
                    rezoned,
                },
            };
            let runs = found.ended.iter().chain(&found.open);
            let own = runs.filter(|run| run.workflow_id == id && run.mode == "trigger");
            let newest = own.map(|run| (begun(run), run.id)).max();
            known.last_run = known.last_run.max(newest);
            scheduled.insert(id, known);
        }
        memory.scheduled = scheduled;
        if memory.zone.is_none() || memory.looks.is_multiple_of(LEARN_EVERY) {
            learn_zone(source, memory).await?;
        }
        memory.looks = memory.looks.wrapping_add(1);
        Ok(())
    }

    /// Runs that were due and did not come.
    pub(super) async fn missed(
        &self,
        source: &mut Source,
        memory: &mut Memory,
    ) -> Result<Vec<Seen>, WatchdogError> {
        let now = self.parts.clock.now();
        let grace = TimeDelta::minutes(self.parts.settings.integer(Key::WatchdogGraceMinutes));
        let horizon = source.horizon().await?.unwrap_or(now);
        let mut suspects = Vec::new();
        for known in memory
            .scheduled
            .values()
            .filter(|known| !known.schedule.is_empty())
        {
            if self
                .missed_by(memory, known, None, horizon, grace)
                .is_some()
            {
                suspects.push(known.active.id.clone());
            }
        }
        // n8n counts runs that it does not keep.
        let counted = source.counted(&suspects).await?;
        let mut seen = Vec::new();
        for id in suspects {
            let Some(known) = memory.scheduled.get(&id) else {
                continue;
            };
            let counted = counted
                .get(&id)
                .and_then(|one| one.success_at.max(one.failure_at));
            if let Some(one) = self.missed_by(memory, known, counted, horizon, grace) {
                seen.push(one);
            } else if let (Some(known), Some(at)) = (memory.scheduled.get_mut(&id), counted) {
                known.last_run = known.last_run.max(Some((at, 0)));
            }
        }
        // Asked once for all: in an outage many are missed at once.
        let outages = match seen.iter().map(|one| one.first).min() {
            Some(first) => {
                let since = first - TimeDelta::hours(24);
                let outages = self.parts.host.n8n_outages(since).await;
                outages.unwrap_or_default()
            }
            None => Vec::new(),
        };
        for one in &mut seen {
            let minute = TimeDelta::minutes(1);
            let during = |span: &&(DateTime<Utc>, DateTime<Utc>)| {
                span.0 - minute <= one.first && one.first <= span.1 + minute
            };
            if let Some((from, to)) = outages.iter().find(during) {
                let (from, to) = (from.format("%H:%M"), to.format("%H:%M UTC"));
                one.detail = format!("{} n8n did not answer from {from} to {to}.", one.detail);
            }
        }
        let next: Vec<(String, Option<DateTime<Utc>>)> = memory
            .scheduled
            .values()
            .map(|known| {
                let (zone, _) = memory.zone_of(&known.active);
                (
                    known.active.id.clone(),
                    known.schedule.next(now, zone, true).map(|due| due.at),
                )
            })
            .collect();
        for (id, due) in next {
            if let Some(known) = memory.scheduled.get_mut(&id) {
                known.next_due = due;
            }
        }
        Ok(seen)
    }

    fn missed_by(
        &self,
        memory: &Memory,
        known: &Known,
        counted: Option<DateTime<Utc>>,
        horizon: DateTime<Utc>,
        grace: TimeDelta,
    ) -> Option<Seen> {
        let now = self.parts.clock.now();
        let (zone, is_sure) = memory.zone_of(&known.active);
        // Of what was before it was switched on, and before the oldest run that is kept, nothing is known.
        let ran = known.last_run.map(|run| run.0).max(counted);
        let last = ran.unwrap_or(horizon).max(known.active.since);
        let last = known.rezoned.map_or(last, |at| last.max(at));
        let (first, newest, count) = known.schedule.missed(last, now, grace, zone, is_sure)?;
        let local = first.at.with_timezone(&zone).format("%Y-%m-%d %H:%M");
        let ran = match ran {
            Some(at) => format!(
                "it last ran at {}",
                at.with_timezone(&zone).format("%Y-%m-%d %H:%M")
            ),
            None => "no run of it is known".to_owned(),
        };
        let more = if count > 1 {
            format!(" It has missed {count} runs by now.")
        } else {
            String::new()
        };
        Some(Seen {
            workflow_id: known.active.id.clone(),
            kind: Kind::Missed,
            first: first.at,
            newest: newest.at,
            count,
            execution_id: None,
            detail: format!("It should have run at {local} ({zone}); {ran}.{more}"),
        })
    }
}

/// n8n's zone, out of what Schedule Triggers of workflows without a zone of their own wrote down.
async fn learn_zone(source: &mut Source, memory: &mut Memory) -> Result<(), WatchdogError> {
    let without = memory.scheduled.values().filter(|known| {
        let own = known.active.zone.as_deref();
        own.is_none_or(|zone| zone == "DEFAULT") && known.schedule.needs_zone()
    });
    let mut ids: Vec<i64> = without
        .filter_map(|known| known.last_run.map(|run| run.1))
        .filter(|id| *id > 0)
        .collect();
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    ids.truncate(5);
    if let Some(zone) = source.written_zone(&ids).await? {
        memory.zone = zone.parse().ok().or(memory.zone);
    }
    Ok(())
}
