//! One look at n8n's executions, once a minute on the daemon that leads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::WatchdogError;
use super::incident::{Board, Ended, Kind, Outcome, Resolution};
use super::schedules::Memory;
use super::service::WatchdogService;
use super::source::{BATCH, Execution, Named, Source};
use super::store::{self, NewState};
use super::words::describe;
use crate::features::settings::Key;
use crate::platform::events::Event;

const PERIOD: Duration = Duration::from_mins(1);
/// At the first look only this many of the newest runs are gone through,
const FIRST_RUNS: i64 = 2_000;
/// and failures that are older than this are no news.
const FIRST_WITHIN: TimeDelta = TimeDelta::hours(24);
/// Runs that are read at one look at most; the rest waits for the next.
const MOST_BATCHES: usize = 20;
/// n8n takes a number before it commits, so a run may turn up after later ones: numbers so near the newest that nobody
/// has written
const LATE_WITHIN: i64 = 1_000;
/// are asked for at so many looks more.
const LATE_LOOKS: u8 = 2;
/// Incidents that are over are kept for as long.
const KEPT: TimeDelta = TimeDelta::days(90);

/// What one look found in n8n's database.
pub(super) struct Found {
    pub cursor: i64,
    pub open: Vec<Execution>,
    pub ended: Vec<Execution>,
    pub late: Vec<(i64, u8)>,
    pub is_first: bool,
}

/// Where it was looked.
struct Place<'a> {
    /// Address and database.
    name: &'a str,
    /// The database itself, whatever its server is called, if it says.
    identity: Option<String>,
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

    /// Looks once, and tells what is new. Why it could not is kept, and told when it lasts.
    pub async fn look(&self) -> Result<(), WatchdogError> {
        let looked = self.look_once().await;
        if let Err(error) = &looked
            && let Err(also) = self.note_trouble(&error.to_string()).await
        {
            tracing::warn!(error = %also, "cannot note that n8n's executions are not watched");
        }
        looked
    }

    async fn look_once(&self) -> Result<(), WatchdogError> {
        let Some(place) = self.source_name()? else {
            return self.let_go().await;
        };
        let mut memory = self.memory.lock().await;
        if !memory.is_of(&place) {
            *memory = Memory::of(&place);
        }
        let mut source = Source::open(&self.parts.n8n).await?;
        let looked = self.look_at(&mut source, &mut memory, &place).await;
        source.close().await;
        self.show(&memory);
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
        let place = Place {
            name: place,
            identity: source.identity().await,
        };
        let is_elsewhere = state.as_ref().is_some_and(|state| {
            let is_same = state.identity.is_some() && state.identity == place.identity;
            state.source != place.name && !is_same
        });
        let state = state.filter(|_| !is_elsewhere);
        let found = self.read(source, state).await?;
        let mut board = Board::new(rows.iter().filter_map(store::Row::incident));
        if is_elsewhere {
            board.close_all(Resolution::Unwatched, now);
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
        self.schedules(source, memory, &found, &board).await?;
        if !is_down {
            let is_known = |id: &str| board.open.contains_key(&(id.to_owned(), Kind::Stuck));
            let stuck = self.stuck(source, &found.open, &is_known).await;
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
        close_gone(source, &mut board, &names, memory, now).await?;
        describe(source, &mut board, now).await;
        self.keep(&place, &found, board, &names).await
    }

    /// Reads the runs that are new and those that had not ended.
    async fn read(
        &self,
        source: &mut Source,
        state: Option<store::State>,
    ) -> Result<Found, WatchdogError> {
        let newest = source.newest_id().await?;
        let is_first = state.is_none();
        let (from, mut waiting, late) = match state {
            // n8n deletes runs that it does not keep, also the newest, and a database that was put back has fewer:
            // there is nothing to go through again either way.
            Some(state) => (state.cursor_id.min(newest), state.open(), state.late()),
            None => (
                (newest - FIRST_RUNS).max(0),
                source.unfinished(newest).await?,
                Vec::new(),
            ),
        };
        waiting.extend(late.iter().map(|one| one.0));
        let mut cursor = from;
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
        let seen: BTreeSet<i64> = runs.iter().map(|run| run.id).collect();
        let late = unwritten(&late, from, cursor, &seen);
        let (open, mut ended): (Vec<_>, Vec<_>) = runs.into_iter().partition(is_unfinished);
        ended.sort_by_key(|run| (run.stopped_at.unwrap_or_else(|| begun(run)), run.id));
        Ok(Found {
            cursor,
            open,
            ended,
            late,
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
        place: &Place<'_>,
        found: &Found,
        mut board: Board,
        names: &BTreeMap<String, Named>,
    ) -> Result<(), WatchdogError> {
        let now = self.parts.clock.now();
        let name_of = |id: &str| {
            names
                .get(id)
                .map_or(id, |named| named.name.as_str())
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
        let state = NewState {
            source: place.name,
            identity: place.identity.as_deref(),
            cursor: found.cursor,
            open: &open,
            late: &found.late,
            at: now,
        };
        store::save_state(&tx, &state).await?;
        store::forget_old(&tx, now - KEPT).await?;
        told.extend(self.end_trouble(&tx, false).await?);
        self.conclude(tx, told).await
    }
}

/// Numbers that nobody has written yet, with the looks that are left to each: those of before and those that this look
/// passed, from one number to another.
fn unwritten(before: &[(i64, u8)], from: i64, to: i64, seen: &BTreeSet<i64>) -> Vec<(i64, u8)> {
    let older = before
        .iter()
        .filter(|(id, left)| *left > 1 && *id <= from && !seen.contains(id))
        .map(|(id, left)| (*id, left - 1));
    let first = from.max(to - LATE_WITHIN) + 1;
    let newer = (first..=to).filter(|id| !seen.contains(id));
    older.chain(newer.map(|id| (id, LATE_LOOKS))).collect()
}

/// Ends incidents of workflows that are gone, archived, switched off, or no longer run by time.
async fn close_gone(
    source: &mut Source,
    board: &mut Board,
    names: &BTreeMap<String, Named>,
    memory: &Memory,
    now: DateTime<Utc>,
) -> Result<(), WatchdogError> {
    let mut over: Vec<(String, Kind)> = Vec::new();
    let mut switched_off: Vec<(String, Option<i64>)> = Vec::new();
    for ((id, kind), one) in &board.open {
        match names.get(id) {
            Some(named) if named.is_archived => over.push((id.clone(), *kind)),
            Some(named) if !named.is_active && *kind == Kind::Failing => {
                switched_off.push((id.clone(), one.execution_id));
            }
            Some(_) => {}
            None => over.push((id.clone(), *kind)),
        }
    }
    let runs: Vec<i64> = switched_off.iter().filter_map(|one| one.1).collect();
    let runs = source.executions(&runs).await?;
    // What other workflows call is never switched on; what fails there goes on failing.
    let called: BTreeSet<i64> = runs
        .iter()
        .filter(|run| !matches!(run.mode.as_str(), "trigger" | "webhook"))
        .map(|run| run.id)
        .collect();
    let off = switched_off
        .into_iter()
        .filter(|(_, run)| run.is_none_or(|run| !called.contains(&run)));
    over.extend(off.map(|(id, _)| (id, Kind::Failing)));
    for (id, kind) in over {
        board.close(&id, kind, Resolution::Inactive, now);
    }
    for closed in &mut board.closed {
        let id = closed.incident.workflow_id.as_str();
        let is_scheduled = memory.is_scheduled(id);
        let is_by_itself = closed.resolution != Resolution::Unwatched;
        if closed.incident.kind == Kind::Missed && !is_scheduled && is_by_itself {
            closed.resolution = Resolution::Inactive;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_that_nobody_wrote_are_asked_for_at_two_more_looks() {
        let seen = |ids: &[i64]| ids.iter().copied().collect::<BTreeSet<i64>>();
        let first = unwritten(&[], 10, 14, &seen(&[11, 13, 14]));
        assert_eq!(first, [(12, 2)]);
        let second = unwritten(&first, 14, 16, &seen(&[16]));
        assert_eq!(second, [(12, 1), (15, 2)]);
        assert_eq!(unwritten(&second, 16, 16, &seen(&[15])), []);
        let many = unwritten(&[], 0, 1_000_000, &seen(&[]));
        assert_eq!(many.len(), 1_000);
    }

    proptest! {
        #[test]
        fn no_number_is_asked_for_twice_at_a_look(
            steps in prop::collection::vec((0..40_i64, -30..5_i64, prop::collection::btree_set(0..200_i64, 0..40)), 1..12),
        ) {
            let (mut cursor, mut late) = (0, Vec::new());
            for (ahead, back, seen) in steps {
                let from = (cursor + back.min(0)).max(0);
                cursor = from + ahead;
                late = unwritten(&late, from, cursor, &seen);
                let ids: BTreeSet<i64> = late.iter().map(|one| one.0).collect();
                prop_assert_eq!(ids.len(), late.len());
                prop_assert!(ids.is_disjoint(&seen));
            }
        }
    }
}
