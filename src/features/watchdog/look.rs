//! One look at n8n's executions, once a minute on the daemon that leads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::WatchdogError;
use super::failure::failure;
use super::incident::{Board, Ended, Incident, Kind, Outcome, Resolution};
use super::schedules::Memory;
use super::service::WatchdogService;
use super::source::{BATCH, Execution, Source};
use super::store;
use crate::features::settings::Key;
use crate::platform::events::{self, Event};

const PERIOD: Duration = Duration::from_mins(1);
/// At the first look only this many of the newest runs are gone through,
const FIRST_RUNS: i64 = 2_000;
/// and failures that are older than this are no news.
const FIRST_WITHIN: TimeDelta = TimeDelta::hours(24);
/// Runs that are read at one look at most; the rest waits for the next.
const MOST_BATCHES: usize = 20;
/// Incidents that are over are kept for as long.
const KEPT: TimeDelta = TimeDelta::days(90);

/// What one look found in n8n's database.
pub(super) struct Found {
    pub cursor: i64,
    pub open: Vec<Execution>,
    pub ended: Vec<Execution>,
    pub is_first: bool,
}

pub(super) fn is_production(run: &Execution) -> bool {
    run.mode != "manual" && run.mode != "evaluation"
}

fn is_unfinished(run: &Execution) -> bool {
    matches!(
        run.status.as_str(),
        "new" | "running" | "waiting" | "unknown"
    )
}

pub(super) fn begun(run: &Execution) -> DateTime<Utc> {
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
        if !memory.is_of(&place) {
            *memory = Memory::of(&place);
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
        let is_scheduled = memory.is_scheduled(id);
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
