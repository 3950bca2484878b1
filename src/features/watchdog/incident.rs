//! What runs mean for a workflow: an incident from the first sign until it is over, told once. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Runs fail.
    Failing,
    /// A run does not end, or was never picked up.
    Stuck,
    /// It did not run when its schedule says.
    Missed,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 3] = [Self::Failing, Self::Stuck, Self::Missed];

    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Stuck => "stuck",
            Self::Missed => "missed",
        }
    }

    /// The one of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// A later run went well.
    Success,
    /// What was stuck ended.
    Ended,
    /// The workflow is gone or switched off, or its schedule is.
    Inactive,
    /// The n8n that it is in is no longer connected.
    Unwatched,
}

impl Resolution {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Ended => "ended",
            Self::Inactive => "inactive",
            Self::Unwatched => "unwatched",
        }
    }
}

/// An incident that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its row; `None` for a new one.
    pub id: Option<i32>,
    /// Whose.
    pub workflow_id: String,
    /// What is wrong.
    pub kind: Kind,
    /// The first sign.
    pub first_seen: DateTime<Utc>,
    /// The newest sign.
    pub last_seen: DateTime<Utc>,
    /// How many runs.
    pub count: u32,
    /// The newest of them.
    pub execution_id: Option<i64>,
    /// n8n's words.
    pub error: Option<String>,
    /// The node at which it failed.
    pub node: Option<String>,
    /// What else is known, for people.
    pub detail: Option<String>,
    /// Whether somebody was told.
    pub is_told: bool,
    /// Whether it was read why the newest run failed.
    pub is_described: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Success,
    /// With an error, or with n8n itself.
    Failure,
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// n8n's number.
    pub id: i64,
    /// Whose.
    pub workflow_id: String,
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: DateTime<Utc>,
}

/// What is seen at a look, of stuck and missed runs: it holds until it is no longer seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Whose.
    pub workflow_id: String,
    /// What is wrong.
    pub kind: Kind,
    /// The first sign.
    pub first: DateTime<Utc>,
    /// The newest sign.
    pub newest: DateTime<Utc>,
    /// How many runs.
    pub count: u32,
    /// The newest of them.
    pub execution_id: Option<i64>,
    /// For people.
    pub detail: String,
}

/// An incident that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    /// As it was.
    pub incident: Incident,
    /// Why.
    pub resolution: Resolution,
    /// When.
    pub at: DateTime<Utc>,
}

/// The incidents of all workflows while runs are gone through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Those that are not over.
    pub open: BTreeMap<(String, Kind), Incident>,
    /// Those that ended meanwhile.
    pub closed: Vec<Closed>,
}

impl Board {
    /// Begins with what is open.
    pub fn new(open: impl IntoIterator<Item = Incident>) -> Self {
        let keyed = open
            .into_iter()
            .map(|one| ((one.workflow_id.clone(), one.kind), one));
        Self {
            open: keyed.collect(),
            closed: Vec::new(),
        }
    }

    /// Ends an incident, if there is one.
    pub fn close(
        &mut self,
        workflow_id: &str,
        kind: Kind,
        resolution: Resolution,
        at: DateTime<Utc>,
    ) {
        if let Some(incident) = self.open.remove(&(workflow_id.to_owned(), kind)) {
            self.closed.push(Closed {
                incident,
                resolution,
                at,
            });
        }
    }

    /// Ends all of them.
    pub fn close_all(&mut self, resolution: Resolution, at: DateTime<Utc>) {
        for (workflow_id, kind) in self.open.keys().cloned().collect::<Vec<_>>() {
            self.close(&workflow_id, kind, resolution, at);
        }
    }

    /// Takes a run that ended, in the order in which runs end.
    pub fn take(&mut self, run: &Ended) {
        let key = (run.workflow_id.clone(), Kind::Failing);
        match run.outcome {
            Outcome::Success => {
                // A success that ended before the newest failure says nothing about it.
                if self
                    .open
                    .get(&key)
                    .is_some_and(|one| run.at >= one.last_seen)
                {
                    self.close(&run.workflow_id, Kind::Failing, Resolution::Success, run.at);
                }
            }
            Outcome::Failure => {
                let incident = self.open.entry(key).or_insert_with(|| Incident {
                    id: None,
                    workflow_id: run.workflow_id.clone(),
                    kind: Kind::Failing,
                    first_seen: run.at,
                    last_seen: run.at,
                    count: 0,
                    execution_id: None,
                    error: None,
                    node: None,
                    detail: None,
                    is_told: false,
                    is_described: false,
                });
                incident.count = incident.count.saturating_add(1);
                incident.last_seen = incident.last_seen.max(run.at);
                incident.execution_id = Some(run.id);
                incident.is_described = false;
            }
        }
    }

    /// Takes everything of a kind that is seen now; what was open and is not seen is over.
    pub fn see(&mut self, kind: Kind, seen: Vec<Seen>, now: DateTime<Utc>) {
        let there: BTreeSet<&str> = seen.iter().map(|one| one.workflow_id.as_str()).collect();
        let over: Vec<String> = self
            .open
            .keys()
            .filter(|(id, of)| *of == kind && !there.contains(id.as_str()))
            .map(|(id, _)| id.clone())
            .collect();
        let resolution = if kind == Kind::Missed {
            Resolution::Success
        } else {
            Resolution::Ended
        };
        for id in over {
            self.close(&id, kind, resolution, now);
        }
        for one in seen {
            let incident = self
                .open
                .entry((one.workflow_id.clone(), kind))
                .or_insert_with(|| Incident {
                    id: None,
                    workflow_id: one.workflow_id,
                    kind,
                    first_seen: one.first,
                    last_seen: one.newest,
                    count: 0,
                    execution_id: None,
                    error: None,
                    node: None,
                    detail: None,
                    is_told: false,
                    is_described: false,
                });
            incident.count = incident.count.max(one.count);
            incident.last_seen = incident.last_seen.max(one.newest);
            incident.execution_id = one.execution_id.or(incident.execution_id);
            incident.detail = Some(one.detail);
        }
    }

    /// Which open incidents are to be told now.
    pub fn to_tell(&self, least_failures: u32, muted: &BTreeSet<String>) -> Vec<(String, Kind)> {
        let due = self.open.iter().filter(|(_, one)| {
            let is_enough = one.kind != Kind::Failing || one.count >= least_failures;
            is_enough && !one.is_told && !muted.contains(&one.workflow_id)
        });
        due.map(|(key, _)| key.clone()).collect()
    }

    /// Those that ended and were told, of workflows of which nothing more is wrong: the newest for each.
    pub fn recovered(&self) -> Vec<&Closed> {
        let mut found: BTreeMap<&str, &Closed> = BTreeMap::new();
        for one in self.closed.iter().filter(|one| one.incident.is_told) {
            let id = one.incident.workflow_id.as_str();
            let is_open = Kind::ALL.into_iter().any(|kind| {
                self.open
                    .get(&(id.to_owned(), kind))
                    .is_some_and(|other| other.is_told)
            });
            if !is_open {
                found.insert(id, one);
            }
        }
        found.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    fn run(id: i64, outcome: Outcome) -> Ended {
        Ended {
            id,
            workflow_id: "w".to_owned(),
            outcome,
            at: at(id),
        }
    }

    #[test]
    fn failures_are_one_incident_with_a_count_until_a_success() {
        let mut board = Board::default();
        for id in 1..=3 {
            board.take(&run(id, Outcome::Failure));
        }
        let incident = &board.open[&("w".to_owned(), Kind::Failing)];
        assert_eq!(
            (incident.count, incident.first_seen, incident.last_seen),
            (3, at(1), at(3))
        );
        assert_eq!(board.to_tell(3, &BTreeSet::new()).len(), 1);
        assert!(board.to_tell(4, &BTreeSet::new()).is_empty());
        assert!(
            board
                .to_tell(1, &BTreeSet::from(["w".to_owned()]))
                .is_empty()
        );
        board.take(&run(4, Outcome::Success));
        assert!(board.open.is_empty());
        assert_eq!(board.closed[0].resolution, Resolution::Success);
        assert!(board.recovered().is_empty(), "nobody was told");
    }

    #[test]
    fn it_is_well_again_when_nothing_that_was_told_is_left() {
        let mut board = Board::default();
        board.take(&run(1, Outcome::Failure));
        let seen = Seen {
            workflow_id: "w".to_owned(),
            kind: Kind::Missed,
            first: at(0),
            newest: at(0),
            count: 1,
            execution_id: None,
            detail: String::new(),
        };
        board.see(Kind::Missed, vec![seen], at(2));
        for one in board.open.values_mut() {
            one.is_told = true;
        }
        board.see(Kind::Missed, Vec::new(), at(3));
        assert!(board.recovered().is_empty(), "it still fails");
        board.take(&run(4, Outcome::Success));
        assert_eq!(board.recovered().len(), 1);
    }

    proptest! {
        #[test]
        fn an_incident_is_open_exactly_when_the_newest_run_failed(
            outcomes in prop::collection::vec(any::<bool>(), 1..60),
        ) {
            let mut board = Board::default();
            for (id, is_good) in outcomes.iter().enumerate() {
                let outcome = if *is_good { Outcome::Success } else { Outcome::Failure };
                board.take(&run(i64::try_from(id).unwrap(), outcome));
            }
            let failed = outcomes.iter().rev().take_while(|is_good| !**is_good).count();
            let open = board.open.values().next().map_or(0, |one| one.count);
            prop_assert_eq!(usize::try_from(open).unwrap(), failed);
            let all: u32 = board.closed.iter().map(|one| one.incident.count).sum();
            let failures = outcomes.iter().filter(|is_good| !**is_good).count();
            prop_assert_eq!(usize::try_from(all + open).unwrap(), failures, "none is lost or counted twice");
        }
    }
}
