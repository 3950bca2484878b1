//! Runs that do not end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::TimeDelta;

use super::incident::{Kind, Seen};
use super::look::{begun, is_production};
use super::service::WatchdogService;
use super::source::{Execution, Source};
use crate::features::settings::Key;

/// A run may take so many times its usual time.
const USUAL_TIMES: f64 = 3.0;
/// With fewer good runs there is no usual time.
const LEAST_RUNS: usize = 5;
/// What is usual is asked for so long at one look; a database that is slow is asked again at the next.
const MOST_TIME: Duration = Duration::from_secs(10);

impl WatchdogService {
    /// Runs that take far longer than usual, were never picked up, or were not woken. Where n8n's database does not say
    /// what is usual, those of workflows stay stuck that were `known` to be.
    pub(super) async fn stuck(
        &self,
        source: &mut Source,
        open: &[Execution],
        is_known: &(dyn Fn(&str) -> bool + Sync),
    ) -> Vec<Seen> {
        let (now, began) = (self.parts.clock.now(), Instant::now());
        let least = TimeDelta::minutes(self.parts.settings.integer(Key::WatchdogStuckMinutes));
        let mut usual: BTreeMap<&str, Usual> = BTreeMap::new();
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
                let id = run.workflow_id.as_str();
                if !usual.contains_key(id) {
                    let asked = if began.elapsed() < MOST_TIME {
                        usual_of(source, id).await
                    } else {
                        Usual::NotSaid
                    };
                    usual.insert(id, asked);
                }
                if usual[id] == Usual::NotSaid && !is_known(id) {
                    continue;
                }
                if let Usual::Seconds(seconds) = usual[id] {
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
        stuck.into_values().collect()
    }
}

/// How long runs of a workflow usually take.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Usual {
    /// At most so many seconds.
    Seconds(f64),
    /// There were too few.
    Unknown,
    /// n8n's database did not answer.
    NotSaid,
}

async fn usual_of(source: &mut Source, workflow_id: &str) -> Usual {
    match source.durations(workflow_id).await {
        Ok(durations) => usual_seconds(&durations).map_or(Usual::Unknown, Usual::Seconds),
        Err(error) => {
            tracing::debug!(%error, workflow = workflow_id, "cannot read what is usual");
            Usual::NotSaid
        }
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
