//! What is known of workflows that run by time, and which of their runs did not come.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::WatchdogError;
use super::incident::{Board, Kind, Seen};
use super::look::{Found, begun};
use super::runs::{Counted, Kept};
use super::schedule::Schedule;
use super::service::{Shown, WatchdogService, Watched};
use super::source::{Active, Source};
use crate::features::settings::Key;

/// n8n's time zone is learned again after so many looks.
const LEARN_EVERY: u32 = 60;
/// n8n's own default for GENERIC_TIMEZONE.
const DEFAULT_ZONE: Tz = chrono_tz::America::New_York;
/// So many of a workflow's newest runs are gone through for the last that began by itself,
const NEWEST: i64 = 100;
/// and so many where others of its triggers may have begun more than those since.
const NEWEST_OF_MIXED: i64 = 10_000;
/// n8n counts a run that it keeps within this time of its end.
const COUNTED_WITHIN: TimeDelta = TimeDelta::minutes(10);

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
    /// From when on a run of it would be known.
    known_since: KnownSince,
    next_due: Option<DateTime<Utc>>,
    /// When it was given another time zone: what its clock says of the time before is not what was due then.
    rezoned: Option<DateTime<Utc>>,
}

/// From when on a run would be known, of a workflow of which none is.
#[derive(Clone, Copy)]
struct KnownSince {
    /// When the watch first saw this schedule: from then on it has looked itself.
    seen: DateTime<Utc>,
    /// The oldest run of it that was gone through, where its other triggers may have pushed out what was before.
    gone_through: Option<DateTime<Utc>>,
    /// The first run that is told as missed already.
    missed: Option<DateTime<Utc>>,
}

impl KnownSince {
    /// `horizon` is when the oldest run that is kept began.
    fn begin(self, horizon: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let kept = horizon
            .unwrap_or(self.seen)
            .max(self.gone_through.unwrap_or(DateTime::<Utc>::MIN_UTC));
        let missed = self.missed.map(|first| first - TimeDelta::minutes(2));
        missed.unwrap_or_else(|| kept.min(self.seen))
    }
}

/// What was found of a workflow's runs when its schedule was read.
#[derive(Default)]
struct Past {
    last_run: Option<(DateTime<Utc>, i64)>,
    gone_through: Option<DateTime<Utc>>,
}

/// When a workflow's schedule last began a run by n8n's counts. Those do not say which trigger began it: where there are
/// others, a count that belongs to a run that is kept says nothing, as a kept run of the schedule is known by itself.
fn counted_of(schedule: &Schedule, counted: Counted, kept: Option<&Kept>) -> Option<DateTime<Utc>> {
    let unkept = |at: Option<DateTime<Utc>>, newest: Option<DateTime<Utc>>| {
        let is_kept =
            |at: DateTime<Utc>| newest.is_some_and(|newest| at <= newest + COUNTED_WITHIN);
        at.filter(|at| !schedule.has_other_triggers || !is_kept(*at))
    };
    let (good, failed) = kept.map_or((None, None), |kept| (kept.good_at, kept.failed_at));
    unkept(counted.success_at, good).max(unkept(counted.failure_at, failed))
}

/// Looks for the last runs of workflows whose schedules were just read.
async fn past(
    source: &mut Source,
    schedules: &BTreeMap<String, Schedule>,
) -> Result<BTreeMap<String, Past>, WatchdogError> {
    let timed = schedules.iter().filter(|(_, one)| !one.is_empty());
    let ids: Vec<String> = timed.map(|(id, _)| id.clone()).collect();
    // Before the runs: of what is counted, all that is kept is then among them.
    let counted = source.counted(&ids).await?;
    let mut kept = source.kept(&ids, NEWEST).await?;
    let is_mixed = |id: &String| schedules.get(id).is_some_and(|one| one.has_other_triggers);
    let pushed_out: Vec<String> = kept
        .iter()
        .filter(|(id, one)| one.last_run.is_none() && one.runs == NEWEST && is_mixed(id))
        .map(|(id, _)| id.clone())
        .collect();
    for id in pushed_out {
        match source.kept(&[id], NEWEST_OF_MIXED).await {
            Ok(found) => kept.extend(found),
            Err(error) => {
                tracing::debug!(%error, "cannot go through the older runs of a workflow");
                break;
            }
        }
    }
    let mut all = BTreeMap::new();
    for (id, schedule) in schedules {
        let kept = kept.get(id);
        let counted = counted.get(id).copied().unwrap_or_default();
        let counted = counted_of(schedule, counted, kept).map(|at| (at, 0));
        let oldest = kept.and_then(|kept| kept.oldest_at);
        let past = Past {
            last_run: kept.and_then(|kept| kept.last_run).or(counted),
            gone_through: oldest.filter(|_| schedule.has_other_triggers),
        };
        all.insert(id.clone(), past);
    }
    Ok(all)
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
        board: &Board,
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
        let mut schedules: BTreeMap<String, Schedule> = nodes
            .iter()
            .map(|(id, nodes)| (id.clone(), Schedule::read(nodes)))
            .collect();
        let mut past = past(source, &schedules).await?;
        let mut scheduled = BTreeMap::new();
        for one in active {
            let id = one.id.clone();
            let before = memory.scheduled.remove(&id);
            let rezoned = before.as_ref().and_then(|before| {
                let is_other = before.active.zone != one.zone;
                if is_other { Some(now) } else { before.rezoned }
            });
            let mut known = match (before, schedules.remove(&id)) {
                (Some(known), None) => Known {
                    active: one,
                    rezoned,
                    ..known
                },
                (before, schedule) => {
                    let past = past.remove(&id).unwrap_or_default();
                    let missed = board.open.get(&(id.clone(), Kind::Missed));
                    Known {
                        active: one,
                        schedule: schedule.unwrap_or_default(),
                        last_run: past.last_run.max(before.and_then(|one| one.last_run)),
                        known_since: KnownSince {
                            seen: now,
                            gone_through: past.gone_through,
                            missed: missed.map(|one| one.first_seen),
                        },
                        next_due: None,
                        rezoned,
                    }
                }
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
        let horizon = source.horizon().await?;
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
        // n8n counts runs that it does not keep. Those that it keeps are asked for afterwards, so that none is left out.
        let counted = source.counted(&suspects).await?;
        let is_mixed = |id: &&String| memory.scheduled[*id].schedule.has_other_triggers;
        let mixed: Vec<String> = suspects.iter().filter(is_mixed).cloned().collect();
        let kept = source.kept(&mixed, NEWEST).await?;
        let mut seen = Vec::new();
        for id in suspects {
            let Some(known) = memory.scheduled.get(&id) else {
                continue;
            };
            let counted = counted.get(&id).copied().unwrap_or_default();
            let counted = counted_of(&known.schedule, counted, kept.get(&id));
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
        horizon: Option<DateTime<Utc>>,
        grace: TimeDelta,
    ) -> Option<Seen> {
        let now = self.parts.clock.now();
        let (zone, is_sure) = memory.zone_of(&known.active);
        // Of what was before it was switched on, and before runs of it would be known, nothing is.
        let ran = known.last_run.map(|run| run.0).max(counted);
        let last = ran.unwrap_or_else(|| known.known_since.begin(horizon));
        let last = last.max(known.active.since);
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
