//! What is told of a container, and what is only noise. Pure.
//!
//! An end is told when the container does not run again soon; if it does, that is a restart. A trouble that is
//! told is not told again before it is over, and it is over when the container was well for a while: the longer,
//! the more trouble there was lately. From the third trouble in ten minutes on it is told once that it goes on; from
//! the fifth if somebody meant them, as what restarts a container by itself does. Until that is over only worse is told.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A container that runs again within this was restarted.
pub const SETTLE: TimeDelta = TimeDelta::seconds(10);
/// Troubles within this are one story.
const LATELY: TimeDelta = TimeDelta::minutes(10);
/// How long it must be well after one trouble; twice as long after each further one.
const WELL: TimeDelta = TimeDelta::seconds(10);
/// So many troubles lately are a container that does not come to rest.
const MANY: usize = 3;
/// The same with the ends that somebody meant.
const MANY_WITH_MEANT: usize = 5;
const MOST_KEPT: usize = 20;

/// Who or what ended a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Culprit {
    /// Somebody in Flowkeep.
    User {
        /// Their name.
        name: String,
    },
    /// Flowkeep's own work, as a restore.
    Flowkeep,
    /// `docker stop`, or whatever asks the engine the same.
    DockerStop,
    /// `docker kill`, or whatever asks the engine the same.
    DockerKill {
        /// The signal's number.
        signal: String,
    },
    /// The kernel, for its memory.
    OutOfMemory {
        /// What it may use, in bytes.
        limit: Option<i64>,
    },
    /// Its own program ended.
    Itself,
    /// Nobody looked.
    Unseen,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Who or what did it.
    pub culprit: Culprit,
    /// What its program said.
    pub exit_code: Option<i64>,
    /// Whether it was removed as well.
    #[serde(default)]
    pub is_removed: bool,
}

impl Ending {
    /// What did it, for people.
    pub fn words(&self, is_restart: bool) -> String {
        let done = if is_restart { "restarted" } else { "stopped" };
        let mut words = match &self.culprit {
            Culprit::User { name } => format!("It was {done} in Flowkeep by {name}"),
            Culprit::Flowkeep => {
                format!("It was {done} by Flowkeep for its own work, as a restore")
            }
            Culprit::DockerStop => format!(
                "It was {done} by docker {}",
                if is_restart { "restart" } else { "stop" }
            ),
            Culprit::DockerKill { signal } => {
                format!("It was ended by docker kill, signal {signal}")
            }
            Culprit::OutOfMemory { limit } => {
                let limit = limit.filter(|limit| *limit > 0);
                let limit =
                    limit.map_or_else(String::new, |limit| format!(" of {} MB", limit / 1_048_576));
                format!(
                    "The kernel ended it for using more memory than its limit{limit} (OOM kill)"
                )
            }
            Culprit::Itself => "It ended by itself".to_owned(),
            Culprit::Unseen => "It ended while Flowkeep was not looking".to_owned(),
        };
        if let Some(code) = self.exit_code {
            let _ = write!(words, "; exit code {code}");
        }
        if self.is_removed {
            words.push_str("; it was removed");
        }
        words.push('.');
        words
    }

    /// Whether somebody meant it.
    pub fn is_meant(&self) -> bool {
        matches!(
            self.culprit,
            Culprit::User { .. } | Culprit::Flowkeep | Culprit::DockerStop
        )
    }
}

/// What is known to be wrong, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Trouble {
    Unhealthy,
    Restarting,
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ended {
    at: DateTime<Utc>,
    ending: Ending,
}

/// What is remembered of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    trouble: Option<Trouble>,
    recent: Vec<DateTime<Utc>>,
    /// Ends lately that somebody meant.
    meant: Vec<DateTime<Utc>>,
    ended: Option<Ended>,
    well_since: Option<DateTime<Utc>>,
    /// Since when there is no such container, while its trouble is remembered: should it come back, that ends.
    gone_since: Option<DateTime<Utc>>,
}

/// Something that was seen.
#[derive(Clone, Debug)]
pub enum Fact {
    /// It ended.
    Ended(Ending),
    /// It runs.
    Started,
    /// Its health check fails; what that said.
    Unhealthy(String),
    /// Its health check is content.
    Healthy,
}

/// How it is at the moment when something is due.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// It runs.
    pub is_running: bool,
    /// The engine will start it again.
    pub is_restarting: bool,
    /// Its health check has not said yet, or fails.
    pub is_in_doubt: bool,
    /// There is one.
    pub is_there: bool,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It began to run.
    Started,
    /// It ended.
    Stopped(Ending),
    /// It ended and runs again; how often lately, if that is a story of its own.
    Restarted(Ending, Option<usize>),
    /// Its health check fails.
    Unhealthy(String),
    /// It is well again.
    Recovered,
    /// It was in trouble, and is not looked after any more.
    Forgotten,
}

impl Memory {
    fn note_trouble(&mut self, now: DateTime<Utc>) {
        self.well_since = None;
        self.recent.push(now);
        self.forget(now);
    }

    fn note_meant(&mut self, now: DateTime<Utc>) {
        self.well_since = None;
        self.meant.push(now);
        self.forget(now);
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        for times in [&mut self.recent, &mut self.meant] {
            times.retain(|at| now - *at < LATELY);
            let surplus = times.len().saturating_sub(MOST_KEPT);
            times.drain(..surplus);
        }
    }

    /// How often lately it ended or was unwell.
    fn lately(&self) -> usize {
        self.recent.len() + self.meant.len()
    }

    fn is_storm(&self) -> bool {
        self.recent.len() >= MANY || self.lately() >= MANY_WITH_MEANT
    }

    /// Whether something of the kind was told already, or worse while there is no end to it.
    fn is_known(&self, trouble: Trouble) -> bool {
        self.is_storm() && self.trouble >= Some(trouble)
    }

    /// How long it must be well before that is told.
    fn hold(&self) -> TimeDelta {
        let doublings = self.lately().saturating_sub(1).min(6);
        WELL * (1 << doublings)
    }

    /// Whether something was told that has not ended.
    pub fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// There is no such container any more.
    pub fn go(&mut self, now: DateTime<Utc>) {
        (self.ended, self.well_since) = (None, None);
        self.gone_since.get_or_insert(now);
    }

    /// There is one.
    pub fn come(&mut self) {
        self.gone_since = None;
    }

    /// Since when there is none.
    pub fn gone_since(&self) -> Option<DateTime<Utc>> {
        self.gone_since
    }

    /// Whether an end waits to be told.
    pub fn is_ending(&self) -> bool {
        self.ended.is_some()
    }

    /// Takes what was seen.
    pub fn take(&mut self, fact: Fact, now: DateTime<Utc>) -> Option<Told> {
        self.forget(now);
        match fact {
            Fact::Ended(ending) => {
                if ending.is_meant() {
                    self.note_meant(now);
                } else {
                    self.note_trouble(now);
                }
                self.ended = Some(Ended { at: now, ending });
                None
            }
            Fact::Started => self.started(now),
            Fact::Unhealthy(output) => {
                self.note_trouble(now);
                if matches!(self.trouble, Some(Trouble::Unhealthy | Trouble::Restarting))
                    || self.is_known(Trouble::Unhealthy)
                {
                    return None;
                }
                self.trouble = Some(Trouble::Unhealthy);
                Some(Told::Unhealthy(output))
            }
            Fact::Healthy => {
                if self.trouble.is_some() && self.ended.is_none() {
                    self.well_since.get_or_insert(now);
                }
                None
            }
        }
    }

    fn started(&mut self, now: DateTime<Utc>) -> Option<Told> {
        if self.trouble.is_some() {
            self.well_since = Some(now);
        }
        let ended = self.ended.take();
        if self.trouble == Some(Trouble::Restarting) {
            return None;
        }
        let is_known = self.is_known(Trouble::Restarting);
        let Some(Ended { ending, .. }) = ended else {
            let is_noise = self.trouble.is_some() && self.is_storm();
            return (!is_noise).then_some(Told::Started);
        };
        if !self.is_storm() {
            return Some(Told::Restarted(ending, None));
        }
        self.well_since = Some(now);
        if is_known {
            return None;
        }
        self.trouble = Some(Trouble::Restarting);
        Some(Told::Restarted(ending, Some(self.lately())))
    }

    /// Who did it turns out after the end.
    pub fn correct(&mut self, change: impl FnOnce(&mut Ending)) {
        let Some(ended) = &mut self.ended else { return };
        let was_meant = ended.ending.is_meant();
        change(&mut ended.ending);
        if !was_meant
            && ended.ending.is_meant()
            && let Some(index) = self.recent.iter().rposition(|at| *at == ended.at)
        {
            self.meant.push(self.recent.remove(index));
        }
    }

    /// When it must be looked at again.
    pub fn due(&self) -> Option<DateTime<Utc>> {
        let settled = self.ended.as_ref().map(|ended| ended.at + SETTLE);
        let well = self.well_since.map(|since| since + self.hold());
        settled.or(well)
    }

    /// Looks at how it is, when that is due.
    pub fn look(&mut self, seen: Now, now: DateTime<Utc>) -> Option<Told> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        if let Some(ended) = &mut self.ended {
            if seen.is_running {
                return self.started(now);
            }
            if seen.is_restarting {
                ended.at = now;
                return None;
            }
            let is_known = self.is_known(Trouble::Stopped);
            self.trouble = Some(Trouble::Stopped);
            let mut ended = self.ended.take()?;
            ended.ending.is_removed |= !seen.is_there;
            return (!is_known).then_some(Told::Stopped(ended.ending));
        }
        if !seen.is_running {
            self.well_since = None;
            return None;
        }
        if seen.is_in_doubt {
            self.well_since = Some(now);
            return None;
        }
        self.well_since = None;
        self.forget(now);
        self.trouble.take().map(|_| Told::Recovered)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn crash() -> Fact {
        Fact::Ended(Ending {
            culprit: Culprit::Itself,
            exit_code: Some(1),
            is_removed: false,
        })
    }

    fn meant() -> Fact {
        Fact::Ended(Ending {
            culprit: Culprit::DockerStop,
            exit_code: Some(0),
            is_removed: false,
        })
    }

    const RUNS: Now = Now {
        is_running: true,
        is_restarting: false,
        is_in_doubt: false,
        is_there: true,
    };
    const ENDED: Now = Now {
        is_running: false,
        ..RUNS
    };

    #[test]
    fn an_end_is_told_when_it_lasts_and_its_recovery_when_that_lasts() {
        let mut memory = Memory::default();
        assert_eq!(memory.take(meant(), at(0)), None);
        assert_eq!(memory.look(ENDED, at(9)), None);
        assert!(matches!(memory.look(ENDED, at(10)), Some(Told::Stopped(_))));
        assert_eq!(memory.due(), None);
        assert_eq!(memory.take(Fact::Started, at(60)), Some(Told::Started));
        assert_eq!(memory.look(RUNS, at(69)), None);
        assert_eq!(memory.look(RUNS, at(70)), Some(Told::Recovered));
        assert_eq!(memory.due(), None);
        memory.forget(at(600));
        assert_eq!(memory, Memory::default());
    }

    #[test]
    fn one_that_stopped_and_was_removed_recovers_when_it_comes_back_under_its_name() {
        let mut memory = Memory::default();
        memory.take(meant(), at(0));
        let gone = Now::default();
        assert!(
            matches!(memory.look(gone, at(10)), Some(Told::Stopped(ending)) if ending.is_removed)
        );
        assert!(memory.is_in_trouble());
        memory.go(at(10));
        assert_eq!((memory.due(), memory.gone_since()), (None, Some(at(10))));
        memory.come();
        assert_eq!(memory.take(Fact::Started, at(900)), Some(Told::Started));
        assert_eq!(memory.look(RUNS, at(910)), Some(Told::Recovered));
        assert!(!memory.is_in_trouble() && memory.gone_since().is_none());
    }

    #[test]
    fn an_end_and_a_start_close_together_are_one_restart() {
        let mut memory = Memory::default();
        memory.take(meant(), at(0));
        let told = memory.take(Fact::Started, at(3));
        assert!(matches!(told, Some(Told::Restarted(_, None))), "{told:?}");
        assert_eq!(memory.due(), None, "nothing is wrong");
    }

    #[test]
    fn a_container_that_does_not_come_to_rest_is_told_once_until_it_does() {
        let mut memory = Memory::default();
        let mut told = Vec::new();
        for round in 0..50 {
            told.extend(memory.take(crash(), at(round * 5)));
            told.extend(memory.take(Fact::Started, at(round * 5 + 1)));
        }
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(matches!(told[2], Told::Restarted(_, Some(3))));
        // It must be well for longer than after one restart.
        assert_eq!(memory.look(RUNS, at(250 + 60)), None);
        assert_eq!(memory.look(RUNS, at(250 + 700)), Some(Told::Recovered));
    }

    #[test]
    fn restarts_that_are_meant_are_told_as_a_story_as_well_when_they_do_not_end() {
        let mut memory = Memory::default();
        let mut told = Vec::new();
        for round in 0..50 {
            told.extend(memory.take(meant(), at(round * 30)));
            told.extend(memory.take(Fact::Started, at(round * 30 + 1)));
            told.extend(memory.look(RUNS, at(round * 30 + 29)));
        }
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(matches!(told[4], Told::Restarted(_, Some(5))), "{told:?}");
        assert_eq!(memory.look(RUNS, at(1_500 + 700)), Some(Told::Recovered));
    }

    #[test]
    fn an_end_that_turns_out_to_be_meant_is_counted_once_and_as_that() {
        let mut memory = Memory::default();
        for round in 0..4 {
            memory.take(crash(), at(round * 20));
            memory.correct(|ending| ending.culprit = Culprit::DockerStop);
            let told = memory.take(Fact::Started, at(round * 20 + 1));
            assert!(matches!(told, Some(Told::Restarted(_, None))), "{told:?}");
        }
        assert_eq!((memory.recent.len(), memory.meant.len()), (0, 4));
    }

    #[test]
    fn the_engine_that_waits_before_it_starts_a_container_again_has_not_given_up() {
        let mut memory = Memory::default();
        memory.take(crash(), at(0));
        let waits = Now {
            is_restarting: true,
            ..ENDED
        };
        assert_eq!(memory.look(waits, at(15)), None);
        assert!(matches!(
            memory.take(Fact::Started, at(50)),
            Some(Told::Restarted(..))
        ));
    }

    #[test]
    fn health_that_comes_and_goes_is_told_once_and_recovery_waits_longer_each_time() {
        let mut memory = Memory::default();
        let sick = || Fact::Unhealthy("no".to_owned());
        assert!(matches!(
            memory.take(sick(), at(0)),
            Some(Told::Unhealthy(_))
        ));
        memory.take(Fact::Healthy, at(1));
        assert_eq!(memory.take(sick(), at(5)), None);
        memory.take(Fact::Healthy, at(6));
        assert_eq!(memory.look(RUNS, at(16)), None, "two troubles: 20 s");
        assert_eq!(memory.look(RUNS, at(26)), Some(Told::Recovered));
        // A container that is being checked is not well yet.
        memory.take(sick(), at(1_000));
        memory.take(Fact::Started, at(1_001));
        let checked = Now {
            is_in_doubt: true,
            ..RUNS
        };
        assert_eq!(memory.look(checked, at(1_100)), None);
        assert_eq!(memory.look(RUNS, at(1_200)), Some(Told::Recovered));
    }

    #[test]
    fn a_container_that_is_down_sick_and_restarted_by_turns_is_told_only_what_is_worse() {
        let mut memory = Memory::default();
        let mut told = Vec::new();
        let down = Now {
            is_running: false,
            ..RUNS
        };
        for round in 0..8 {
            let began = round * 60;
            memory.take(crash(), at(began));
            told.extend(memory.look(down, at(began + 10)));
            told.extend(memory.take(Fact::Started, at(began + 20)));
            told.extend(memory.take(Fact::Unhealthy("no".to_owned()), at(began + 30)));
            memory.take(crash(), at(began + 40));
            told.extend(memory.take(Fact::Started, at(began + 42)));
        }
        // From the third trouble on it is a story, whose worst is that it stops.
        let stops = told
            .iter()
            .filter(|one| matches!(one, Told::Stopped(_)))
            .count();
        assert_eq!(stops, 2, "{told:?}");
        assert!(told.len() <= 6, "{told:?}");
        let seen = memory.look(RUNS, at(5_000));
        assert_eq!(seen, Some(Told::Recovered));
    }

    #[test]
    fn who_did_it_is_said() {
        let words = |culprit, exit_code| {
            let ending = Ending {
                culprit,
                exit_code,
                is_removed: false,
            };
            (ending.words(false), ending.words(true))
        };
        let user = Culprit::User {
            name: "admin".to_owned(),
        };
        assert_eq!(
            words(user.clone(), Some(0)).0,
            "It was stopped in Flowkeep by admin; exit code 0."
        );
        assert_eq!(
            words(user, None).1,
            "It was restarted in Flowkeep by admin."
        );
        assert_eq!(
            words(Culprit::DockerStop, Some(0)).0,
            "It was stopped by docker stop; exit code 0."
        );
        assert_eq!(
            words(Culprit::Itself, Some(3)).0,
            "It ended by itself; exit code 3."
        );
        let limit = Some(256 * 1024 * 1024);
        let oom = words(Culprit::OutOfMemory { limit }, Some(137)).0;
        assert_eq!(
            oom,
            "The kernel ended it for using more memory than its limit of 256 MB (OOM kill); exit code 137."
        );
    }

    proptest! {
        /// Whatever a container does, what is told of it stays small, a recovery ends something, and once it
        /// rests what was told last is how it is.
        #[test]
        fn what_is_told_is_bounded_and_ends_true(steps in proptest::collection::vec((0_u8..7, prop_oneof![0_i64..3, 10_i64..13, 0_i64..40]), 1..300)) {
            let mut memory = Memory::default();
            let (mut now, mut is_running, mut is_sick) = (0, true, false);
            let mut told: Vec<(i64, Told)> = Vec::new();
            for (step, pause) in steps {
                for _ in 0..pause {
                    now += 1;
                    let seen = Now { is_running, is_in_doubt: is_sick, ..RUNS };
                    told.extend(memory.look(seen, at(now)).map(|one| (now, one)));
                }
                let fact = match step {
                    0 | 1 if is_running => { is_running = false; is_sick = false; crash() }
                    2 if !is_running => { is_running = true; Fact::Started }
                    3 if is_running => { is_sick = true; Fact::Unhealthy(String::new()) }
                    4 if is_running && is_sick => { is_sick = false; Fact::Healthy }
                    5 if is_running => { is_running = false; is_sick = false; meant() }
                    6 if is_running => {
                        is_sick = false;
                        told.extend(memory.take(meant(), at(now)).map(|one| (now, one)));
                        Fact::Started
                    }
                    _ => continue,
                };
                told.extend(memory.take(fact, at(now)).map(|one| (now, one)));
            }
            for _ in 0..4_000 {
                now += 1;
                let seen = Now { is_running, is_in_doubt: is_sick, ..RUNS };
                told.extend(memory.look(seen, at(now)).map(|one| (now, one)));
            }
            for (index, (when, _)) in told.iter().enumerate() {
                let within = told[index..].iter().take_while(|(later, _)| later - when < 600).count();
                // Four ends of which each is told, with its start and its end, and a story that begins three times.
                prop_assert!(within <= 16, "{within} in ten minutes: {told:?}");
            }
            let mut is_wrong = false;
            for (_, one) in &told {
                match one {
                    Told::Recovered => { prop_assert!(is_wrong, "{told:?}"); is_wrong = false; }
                    Told::Stopped(_) | Told::Unhealthy(_) | Told::Restarted(_, Some(_)) => is_wrong = true,
                    Told::Started | Told::Restarted(_, None) | Told::Forgotten => {}
                }
            }
            prop_assert_eq!(is_wrong, !is_running || is_sick, "{:?}", told);
        }
    }
}
