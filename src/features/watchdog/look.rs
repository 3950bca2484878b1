//! One look at n8n's executions, once a minute on the daemon that leads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::WatchdogError;
use super::failure::failure;
use super::incident::{Board, Closed, Ended, Incident, Kind, Outcome, Resolution, Seen};
use super::schedule::Schedule;
use super::service::{WatchdogService, Watched};
use super::source::{Active, BATCH, Execution, Source};
use super::store;
use crate::features::settings::Key;
use crate::platform::events::{self, Event, Severity};

const PERIOD: Duration = Duration::from_mins(1);
/// At the first look only this many of the newest runs are gone through,
const FIRST_RUNS: i64 = 2_000;
/// and failures that are older than this are no news.
const FIRST_WITHIN: TimeDelta = TimeDelta::hours(24);
/// Runs that are read at one look at most; the rest waits for the next.
const MOST_BATCHES: usize = 20;
/// Incidents that are over are kept for as long.
const KEPT: TimeDelta = TimeDelta::days(90);
/// n8n's time zone is learned again after so many looks.
const LEARN_EVERY: u32 = 60;
/// n8n's own default for GENERIC_TIMEZONE.
const DEFAULT_ZONE: Tz = chrono_tz::America::New_York;
/// A run may take so many times its usual time.
const USUAL_TIMES: f64 = 3.0;
/// With fewer good runs there is no usual time.
const LEAST_RUNS: usize = 5;

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
}

impl Memory {
    pub fn zone(&self) -> Tz {
        self.chosen_zone.or(self.zone).unwrap_or(DEFAULT_ZONE)
    }

    pub fn zone_is_known(&self) -> bool {
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

    pub fn watched(&self) -> Vec<Watched> {
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

/// What one look found in n8n's database.
struct Found {
    cursor: i64,
    open: Vec<Execution>,
    ended: Vec<Execution>,
    is_first: bool,
}

fn is_production(run: &Execution) -> bool {
    run.mode != "manual" && run.mode != "evaluation"
}

fn is_unfinished(run: &Execution) -> bool {
    matches!(
        run.status.as_str(),
        "new" | "running" | "waiting" | "unknown"
    )
}

fn begun(run: &Execution) -> DateTime<Utc> {
    run.started_at.unwrap_or(run.created_at)
}

fn ended(run: &Execution) -> Option<Ended> {
    let outcome = match run.status.as_str() {
        "success" => Outcome::Success,
        "error" | "crashed" => Outcome::Failure,
        // Cancelled by somebody: neither.
        _ => return None,
    };
    Some(Ended {
        id: run.id,
        workflow_id: run.workflow_id.clone(),
        outcome,
        at: run.stopped_at.unwrap_or_else(|| begun(run)),
    })
}

impl WatchdogService {
    /// Watches until `stop`.
    pub async fn work(&self, stop: CancellationToken) {
        loop {
            let looked = tokio::select! {
                looked = self.look() => looked,
                () = stop.cancelled() => return,
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "cannot watch n8n's executions");
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Looks once, and tells what is new. Does nothing while no n8n is connected.
    pub async fn look(&self) -> Result<(), WatchdogError> {
        let Some(place) = self.source_name()? else {
            return Ok(());
        };
        let mut memory = self.memory.lock().await;
        if memory.source != place {
            *memory = Memory {
                source: place.clone(),
                ..Memory::default()
            };
        }
        let mut source = Source::open(&self.parts.n8n).await?;
        let looked = self.look_at(&mut source, &mut memory, &place).await;
        source.close().await;
        looked
    }

    async fn look_at(
        &self,
        source: &mut Source,
        memory: &mut Memory,
        place: &str,
    ) -> Result<(), WatchdogError> {
        let now = self.parts.clock.now();
        let rows = store::open(self.parts.db.orm()).await?;
        let state = store::state(self.parts.db.orm()).await?;
        let is_elsewhere = state.as_ref().is_some_and(|state| state.source != place);
        let state = state.filter(|_| !is_elsewhere);
        let found = self.read(source, state).await?;
        let mut board = Board::new(rows.iter().filter_map(store::Row::incident));
        if is_elsewhere {
            for (workflow_id, kind) in board.open.keys().cloned().collect::<Vec<_>>() {
                board.close(&workflow_id, kind, Resolution::Inactive, now);
            }
        }
        for run in found
            .ended
            .iter()
            .filter(|run| is_production(run))
            .filter_map(ended)
        {
            if !found.is_first || now - run.at <= FIRST_WITHIN {
                board.take(&run);
            }
        }
        self.resolve_by_counts(source, &mut board).await?;
        // While n8n is down nothing runs; that is told by itself.
        let is_down = self.parts.host.n8n_is_down().await.unwrap_or(false);
        self.schedules(source, memory, &found).await?;
        if !is_down {
            let stuck = self.stuck(source, &found.open).await?;
            board.see(Kind::Stuck, stuck, now);
            let missed = self.missed(source, memory).await?;
            board.see(Kind::Missed, missed, now);
        }
        let mut ids: BTreeSet<String> = board.open.keys().map(|(id, _)| id.clone()).collect();
        ids.extend(
            board
                .closed
                .iter()
                .map(|one| one.incident.workflow_id.clone()),
        );
        let ids: Vec<String> = ids.into_iter().collect();
        let names = source.names(&ids).await?;
        close_gone(&mut board, &names, memory, now);
        describe(source, &mut board).await?;
        self.keep(place, &found, board, &names).await
    }

    /// Reads the runs that are new and those that had not ended.
    async fn read(
        &self,
        source: &mut Source,
        state: Option<store::State>,
    ) -> Result<Found, WatchdogError> {
        let newest = source.newest_id().await?;
        // A database that was put back has fewer runs than were seen.
        let state = state.filter(|state| state.cursor_id <= newest);
        let is_first = state.is_none();
        let (mut cursor, waiting) = match state {
            Some(state) => (state.cursor_id, state.open()),
            None => (
                (newest - FIRST_RUNS).max(0),
                source.unfinished(newest).await?,
            ),
        };
        let mut runs = source.executions(&waiting).await?;
        let known: BTreeSet<i64> = runs.iter().map(|run| run.id).collect();
        for _ in 0..MOST_BATCHES {
            let batch = source.after(cursor).await?;
            let is_last = i64::try_from(batch.len()).unwrap_or(0) < BATCH;
            cursor = batch.last().map_or(cursor, |run| run.id);
            runs.extend(batch.into_iter().filter(|run| !known.contains(&run.id)));
            if is_last {
                break;
            }
        }
        let (open, mut ended): (Vec<_>, Vec<_>) = runs.into_iter().partition(is_unfinished);
        ended.sort_by_key(|run| (run.stopped_at.unwrap_or_else(|| begun(run)), run.id));
        Ok(Found {
            cursor,
            open,
            ended,
            is_first,
        })
    }

    /// Where good runs are not kept, n8n's own counts say that there was one.
    async fn resolve_by_counts(
        &self,
        source: &mut Source,
        board: &mut Board,
    ) -> Result<(), WatchdogError> {
        let failing = board.open.values().filter(|one| one.kind == Kind::Failing);
        let failing: Vec<(String, DateTime<Utc>)> = failing
            .map(|one| (one.workflow_id.clone(), one.last_seen))
            .collect();
        let ids: Vec<String> = failing.iter().map(|one| one.0.clone()).collect();
        let counted = source.counted(&ids).await?;
        for (id, last) in failing {
            let success = counted.get(&id).and_then(|one| one.success_at);
            // n8n counts a moment after the run ended, also a failed one's.
            if let Some(at) = success.filter(|at| *at > last + TimeDelta::seconds(5)) {
                board.close(&id, Kind::Failing, Resolution::Success, at);
            }
        }
        Ok(())
    }

    /// Runs that take far longer than usual, were never picked up, or were not woken.
    async fn stuck(
        &self,
        source: &mut Source,
        open: &[Execution],
    ) -> Result<Vec<Seen>, WatchdogError> {
        let now = self.parts.clock.now();
        let least = TimeDelta::minutes(self.parts.settings.integer(Key::WatchdogStuckMinutes));
        let mut usual: BTreeMap<&str, Option<f64>> = BTreeMap::new();
        let mut stuck: BTreeMap<&str, Seen> = BTreeMap::new();
        for run in open.iter().filter(|run| is_production(run)) {
            let (since, what) = match (run.status.as_str(), run.wait_till) {
                ("waiting", Some(till)) => (till, "should have gone on"),
                ("waiting", None) => continue,
                ("new", _) => (run.created_at, "has waited to be picked up"),
                _ => (begun(run), "has been running"),
            };
            let age = now - since;
            if age < least {
                continue;
            }
            let mut detail = format!("Run {} {what} for {}", run.id, in_words(age));
            if run.status == "running" {
                if !usual.contains_key(run.workflow_id.as_str()) {
                    let seconds = usual_seconds(&source.durations(&run.workflow_id).await?);
                    usual.insert(&run.workflow_id, seconds);
                }
                if let Some(seconds) = usual[run.workflow_id.as_str()] {
                    #[expect(clippy::cast_precision_loss, reason = "seconds")]
                    let age_seconds = age.num_seconds() as f64;
                    if age_seconds < seconds * USUAL_TIMES {
                        continue;
                    }
                    #[expect(clippy::cast_possible_truncation, reason = "seconds")]
                    let usual = TimeDelta::seconds(seconds.ceil() as i64);
                    detail = format!("{detail}; it usually takes at most {}", in_words(usual));
                }
            }
            detail.push('.');
            let seen = stuck.entry(&run.workflow_id).or_insert_with(|| Seen {
                workflow_id: run.workflow_id.clone(),
                kind: Kind::Stuck,
                first: since,
                newest: since,
                count: 0,
                execution_id: None,
                detail: String::new(),
            });
            seen.count += 1;
            seen.first = seen.first.min(since);
            seen.newest = seen.newest.max(since);
            if seen.detail.is_empty() {
                seen.execution_id = Some(run.id);
                seen.detail = detail;
            }
        }
        Ok(stuck.into_values().collect())
    }

    /// Keeps what is known of schedules up to date.
    async fn schedules(
        &self,
        source: &mut Source,
        memory: &mut Memory,
        found: &Found,
    ) -> Result<(), WatchdogError> {
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
            let mut known = match (memory.scheduled.remove(&id), nodes.get(&id)) {
                (Some(known), None) => Known {
                    active: one,
                    ..known
                },
                (_, nodes) => Known {
                    active: one,
                    schedule: nodes.map(Schedule::read).unwrap_or_default(),
                    last_run: last_runs.remove(&id),
                    next_due: None,
                },
            };
            let runs = found.ended.iter().chain(&found.open);
            let own = runs.filter(|run| run.workflow_id == id && run.mode == "trigger");
            let newest = own.map(|run| (begun(run), run.id)).max();
            known.last_run = known.last_run.max(newest);
            scheduled.insert(id, known);
        }
        memory.scheduled = scheduled;
        if memory.zone.is_none() || memory.looks % LEARN_EVERY == 0 {
            learn_zone(source, memory).await?;
        }
        memory.looks = memory.looks.wrapping_add(1);
        Ok(())
    }

    /// Runs that were due and did not come.
    async fn missed(
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
        for one in &mut seen {
            let outages = self
                .parts
                .host
                .n8n_outages(one.first - TimeDelta::minutes(2))
                .await;
            let outages = outages.unwrap_or_default();
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

    /// Writes everything down and tells what is new, in one transaction.
    async fn keep(
        &self,
        place: &str,
        found: &Found,
        mut board: Board,
        names: &BTreeMap<String, (String, bool)>,
    ) -> Result<(), WatchdogError> {
        let now = self.parts.clock.now();
        let name_of = |id: &str| {
            names
                .get(id)
                .map_or(id, |(name, _)| name.as_str())
                .to_owned()
        };
        let least = self.parts.settings.integer(Key::WatchdogFailures);
        let least = u32::try_from(least).unwrap_or(1);
        let tx = self.parts.db.begin().await?;
        let mutes = store::mutes(&tx, now).await?;
        let muted: BTreeSet<String> = mutes.into_iter().map(|mute| mute.workflow_id).collect();
        let mut told: Vec<Event> = Vec::new();
        for key in board.to_tell(least, &muted) {
            if let Some(incident) = board.open.get_mut(&key) {
                incident.is_told = true;
                told.push(self.event_of(incident, &name_of(&key.0)));
            }
        }
        // What came and went between two looks was trouble all the same, but for what was before the first.
        for closed in board.closed.iter_mut().filter(|_| !found.is_first) {
            let one = &mut closed.incident;
            let is_enough = one.kind != Kind::Failing || one.count >= least;
            if !one.is_told && is_enough && one.id.is_none() && !muted.contains(&one.workflow_id) {
                one.is_told = true;
                told.push(self.event_of(one, &name_of(&one.workflow_id)));
            }
        }
        for closed in board.recovered() {
            told.push(self.recovery_of(closed, &name_of(&closed.incident.workflow_id)));
        }
        for closed in &board.closed {
            let name = name_of(&closed.incident.workflow_id);
            let id = match closed.incident.id {
                Some(id) => id,
                None => store::save(&tx, &closed.incident, &name).await?,
            };
            store::resolve(&tx, id, closed).await?;
        }
        for incident in board.open.values() {
            store::save(&tx, incident, &name_of(&incident.workflow_id)).await?;
        }
        let open: Vec<i64> = found.open.iter().map(|run| run.id).collect();
        store::save_state(&tx, place, found.cursor, &open, now).await?;
        store::forget_old(&tx, now - KEPT).await?;
        for event in &told {
            events::record(&tx, event).await?;
        }
        tx.commit().await?;
        for event in told {
            tracing::info!(event = event.event_type, workflow = %event.data["workflow"], "n8n's executions");
            self.parts.events.publish(event);
        }
        Ok(())
    }

    fn event_of(&self, one: &Incident, name: &str) -> Event {
        let (event_type, severity) = match one.kind {
            Kind::Failing => ("workflow.failing", Severity::Error),
            Kind::Stuck => ("workflow.stuck", Severity::Warning),
            Kind::Missed => ("workflow.missed", Severity::Error),
        };
        let message = match (&one.detail, &one.node, &one.error) {
            (Some(detail), _, _) => detail.clone(),
            (None, Some(node), Some(error)) => format!("{node}: {error}"),
            (None, None, Some(error)) => error.clone(),
            (None, Some(node), None) => format!("It failed at {node}; n8n wrote down no words."),
            (None, None, None) => "n8n wrote down nothing of why.".to_owned(),
        };
        let data = json!({
            "workflow_id": one.workflow_id, "workflow": name, "count": one.count,
            "execution_id": one.execution_id, "node": one.node, "message": message,
            "first_seen_at": one.first_seen, "due": (one.kind == Kind::Missed).then_some(one.first_seen),
            "link": self.link(&one.workflow_id, one.execution_id),
        });
        self.event(event_type, severity, data)
    }

    fn recovery_of(&self, closed: &Closed, name: &str) -> Event {
        let one = &closed.incident;
        let at = closed.at.format("%Y-%m-%d %H:%M UTC");
        let message = match (closed.resolution, one.kind) {
            (Resolution::Inactive, _) => "It was switched off, or is gone.".to_owned(),
            (_, Kind::Failing) => format!(
                "It ran well at {at}, after {} that failed.",
                runs(one.count)
            ),
            (_, Kind::Stuck) => "What was stuck has ended.".to_owned(),
            (_, Kind::Missed) => format!("It ran again, after {} missed.", runs(one.count)),
        };
        let data = json!({
            "workflow_id": one.workflow_id, "workflow": name, "count": one.count, "message": message,
            "link": self.link(&one.workflow_id, None),
        });
        self.event("workflow.recovered", Severity::Info, data)
    }

    fn event(&self, event_type: &str, severity: Severity, data: Value) -> Event {
        Event::now(
            &self.parts.ids,
            &self.parts.clock,
            event_type,
            severity,
            data,
        )
    }
}

fn runs(count: u32) -> String {
    if count == 1 {
        "one run".to_owned()
    } else {
        format!("{count} runs")
    }
}

/// The time that nearly every good run stays below.
fn usual_seconds(sorted: &[f64]) -> Option<f64> {
    if sorted.len() < LEAST_RUNS {
        return None;
    }
    sorted
        .get((sorted.len() * 95 / 100).min(sorted.len() - 1))
        .copied()
}

fn in_words(time: TimeDelta) -> String {
    let minutes = time.num_minutes();
    match (minutes, minutes / 60, minutes / 1_440) {
        (0, ..) => format!("{} s", time.num_seconds()),
        (minutes, ..120, _) if minutes < 120 => format!("{minutes} minutes"),
        (_, hours, ..2) => format!("{hours} hours"),
        (_, _, days) => format!("{days} days"),
    }
}

/// Ends incidents of workflows that are gone, archived, or no longer run by time.
fn close_gone(
    board: &mut Board,
    names: &BTreeMap<String, (String, bool)>,
    memory: &Memory,
    now: DateTime<Utc>,
) {
    for (id, kind) in board.open.keys().cloned().collect::<Vec<_>>() {
        if names.get(&id).is_none_or(|(_, is_archived)| *is_archived) {
            board.close(&id, kind, Resolution::Inactive, now);
        }
    }
    for closed in &mut board.closed {
        let id = closed.incident.workflow_id.as_str();
        let is_scheduled = memory
            .scheduled
            .get(id)
            .is_some_and(|known| !known.schedule.is_empty());
        if closed.incident.kind == Kind::Missed && !is_scheduled {
            closed.resolution = Resolution::Inactive;
        }
    }
}

/// Reads why the newest runs failed.
async fn describe(source: &mut Source, board: &mut Board) -> Result<(), WatchdogError> {
    let all = board
        .open
        .values_mut()
        .chain(board.closed.iter_mut().map(|one| &mut one.incident));
    let mut failing: Vec<&mut Incident> = all.filter(|one| one.kind == Kind::Failing).collect();
    let ids: Vec<i64> = failing.iter().filter_map(|one| one.execution_id).collect();
    let data = source.data(&ids).await?;
    for one in &mut failing {
        let Some(data) = one.execution_id.and_then(|id| data.get(&id)) else {
            continue;
        };
        let found = failure(data);
        one.error = found.message;
        one.node = found.node;
    }
    Ok(())
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
