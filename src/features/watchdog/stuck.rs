//! Runs that do not end.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::WatchdogError;
use super::incident::{Kind, Seen};
use super::look::{begun, is_production};
use super::service::WatchdogService;
use super::source::{Execution, Source};
use crate::features::settings::Key;

/// A run may take so many times its usual time.
const USUAL_TIMES: f64 = 3.0;
/// With fewer good runs there is no usual time.
const LEAST_RUNS: usize = 5;

impl WatchdogService {
    /// Runs that take far longer than usual, were never picked up, or were not woken.
    pub(super) async fn stuck(
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
