//! What n8n's executions take, and what its own pruning would free. Pure. Flowkeep deletes none of them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// n8n's own defaults.
const DEFAULT_HOURS: i32 = 336;
const DEFAULT_COUNT: i64 = 10_000;
/// n8n prunes each hour, and keeps what it marked for another.
const LATE_DAYS: i32 = 2;
/// Growth is taken from this many whole days.
const GROWTH_DAYS: i32 = 7;

/// What the runs of one workflow take that ended the same way on the same day.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Whose.
    pub workflow_id: String,
    /// Whether they went well.
    pub is_success: bool,
    /// Whether somebody rated or tagged them in n8n: it never prunes those.
    pub is_annotated: bool,
    /// Whole days since they ended.
    pub age_days: i32,
    /// How many.
    pub runs: f64,
    /// Bytes of what they wrote down.
    pub bytes: f64,
    /// Bytes of files that they kept.
    pub binary_bytes: f64,
}

/// What one workflow's runs take.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WorkflowShare {
    /// Whose.
    pub workflow_id: String,
    /// Its name; null when it is gone.
    pub workflow_name: Option<String>,
    /// How many are kept.
    pub runs: i64,
    /// Bytes of what they wrote down.
    pub bytes: i64,
    /// Bytes of files that they kept, where n8n counts them.
    pub binary_bytes: i64,
    /// Days since the oldest ended.
    pub oldest_days: i32,
    /// Bytes that it adds each day, over the last week.
    pub bytes_per_day: i64,
}

/// One way to keep less.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PruneOption {
    /// `age`, `count` or `success`.
    pub kind: &'static str,
    /// For people.
    pub title: String,
    /// Lines for n8n's environment.
    pub lines: Vec<String>,
    /// Runs that go.
    pub removes_runs: i64,
    /// Bytes inside n8n's tables that are free again.
    pub frees_bytes: i64,
    /// Bytes that are not added each day any more.
    pub saves_bytes_per_day: i64,
    /// Whether it is the one to begin with.
    pub is_advised: bool,
}

/// What can be said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advice {
    /// Runs in all.
    pub runs: i64,
    /// Bytes of what they wrote down.
    pub bytes: i64,
    /// Days since the oldest ended.
    pub oldest_days: i32,
    /// Whether n8n seems to keep more than it does by itself.
    pub is_unpruned: bool,
    /// Bytes that are added each day.
    pub bytes_per_day: i64,
    /// The largest first.
    pub workflows: Vec<WorkflowShare>,
    /// Ways to keep less, the mildest first.
    pub options: Vec<PruneOption>,
}

#[expect(clippy::cast_possible_truncation, reason = "sizes and counts")]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

/// Works it out. `scale` is how many times as many runs there are as were looked at.
pub fn advise(shares: &[Share], scale: f64) -> Advice {
    let sum = |pick: fn(&Share) -> f64, wanted: &dyn Fn(&Share) -> bool| -> f64 {
        shares
            .iter()
            .filter(|one| wanted(one))
            .map(pick)
            .sum::<f64>()
            * scale
    };
    let all = |_: &Share| true;
    let runs_of = |one: &Share| one.runs;
    let bytes_of = |one: &Share| one.bytes + one.binary_bytes;
    let oldest_of = |shares: &mut dyn Iterator<Item = &Share>| {
        shares.map(|one| one.age_days).max().unwrap_or(0)
    };
    let oldest_days = oldest_of(&mut shares.iter());
    let is_prunable = |one: &Share| !one.is_annotated;
    let oldest_prunable = oldest_of(&mut shares.iter().filter(|one| is_prunable(one)));
    let days = f64::from(oldest_days.clamp(1, GROWTH_DAYS));
    let is_recent = |one: &Share| one.age_days < GROWTH_DAYS;
    let mut advice = Advice {
        runs: whole(sum(runs_of, &all)),
        bytes: whole(sum(bytes_of, &all)),
        oldest_days,
        is_unpruned: oldest_prunable > DEFAULT_HOURS / 24 + LATE_DAYS
            || sum(runs_of, &is_prunable) > DEFAULT_COUNT as f64 * 1.2,
        bytes_per_day: whole(sum(bytes_of, &is_recent) / days),
        workflows: workflows(shares, scale, days),
        options: Vec::new(),
    };
    let mut least = 0;
    for hours in [DEFAULT_HOURS, 168, 72, 24] {
        let is_old = |one: &Share| one.age_days >= hours / 24 && is_prunable(one);
        let (runs, bytes) = (whole(sum(runs_of, &is_old)), whole(sum(bytes_of, &is_old)));
        if runs > least {
            least = runs;
            advice.options.push(PruneOption {
                kind: "age",
                title: format!("Keep {} days", hours / 24),
                lines: lines(hours, DEFAULT_COUNT),
                removes_runs: runs,
                frees_bytes: bytes,
                saves_bytes_per_day: 0,
                is_advised: false,
            });
        }
    }
    let mut least = 0;
    for count in [DEFAULT_COUNT, 5_000, 1_000] {
        let (runs, bytes) = beyond(shares, scale, count);
        if runs > least {
            least = runs;
            advice.options.push(PruneOption {
                kind: "count",
                title: format!("Keep the newest {count} runs"),
                lines: lines(DEFAULT_HOURS, count),
                removes_runs: runs,
                frees_bytes: bytes,
                saves_bytes_per_day: 0,
                is_advised: false,
            });
        }
    }
    let good = whole(sum(bytes_of, &|one| is_recent(one) && one.is_success) / days);
    if good > 0 {
        advice.options.push(PruneOption {
            kind: "success",
            title: "Keep only runs that failed".to_owned(),
            lines: vec!["EXECUTIONS_DATA_SAVE_ON_SUCCESS=none".to_owned()],
            removes_runs: 0,
            frees_bytes: 0,
            saves_bytes_per_day: good,
            is_advised: false,
        });
    }
    // The mildest that makes a difference: a fifth of what is there.
    let wanted = advice.bytes / 5;
    let mild = advice
        .options
        .iter_mut()
        .filter(|one| one.kind != "success");
    if let Some(one) = mild
        .into_iter()
        .find(|one| one.frees_bytes > 0 && one.frees_bytes >= wanted)
    {
        one.is_advised = true;
    }
    advice
}

fn lines(hours: i32, count: i64) -> Vec<String> {
    vec![
        "EXECUTIONS_DATA_PRUNE=true".to_owned(),
        format!("EXECUTIONS_DATA_MAX_AGE={hours}"),
        format!("EXECUTIONS_DATA_PRUNE_MAX_COUNT={count}"),
    ]
}

/// Runs beyond the newest so many, and their bytes; within a day they are taken to be alike.
fn beyond(shares: &[Share], scale: f64, count: i64) -> (i64, i64) {
    let mut days: BTreeMap<i32, (f64, f64)> = BTreeMap::new();
    for one in shares.iter().filter(|one| !one.is_annotated) {
        let day = days.entry(one.age_days).or_default();
        day.0 += one.runs * scale;
        day.1 += (one.bytes + one.binary_bytes) * scale;
    }
    let mut left = count as f64;
    let (mut runs, mut bytes) = (0.0, 0.0);
    for (day_runs, day_bytes) in days.into_values() {
        let gone = (day_runs - left).max(0.0);
        left = (left - day_runs).max(0.0);
        runs += gone;
        bytes += if day_runs > 0.0 {
            day_bytes * gone / day_runs
        } else {
            0.0
        };
    }
    (whole(runs), whole(bytes))
}

fn workflows(shares: &[Share], scale: f64, days: f64) -> Vec<WorkflowShare> {
    let mut found: BTreeMap<&str, (f64, f64, f64, i32, f64)> = BTreeMap::new();
    for one in shares {
        let sums = found.entry(&one.workflow_id).or_default();
        sums.0 += one.runs;
        sums.1 += one.bytes;
        sums.2 += one.binary_bytes;
        sums.3 = sums.3.max(one.age_days);
        if one.age_days < GROWTH_DAYS {
            sums.4 += one.bytes + one.binary_bytes;
        }
    }
    let mut list: Vec<_> = found
        .into_iter()
        .map(
            |(id, (runs, bytes, binary, oldest_days, recent))| WorkflowShare {
                workflow_id: id.to_owned(),
                workflow_name: None,
                runs: whole(runs * scale),
                bytes: whole(bytes * scale),
                binary_bytes: whole(binary * scale),
                oldest_days,
                bytes_per_day: whole(recent * scale / days),
            },
        )
        .collect();
    list.sort_by_key(|one| std::cmp::Reverse((one.bytes + one.binary_bytes, one.runs)));
    list
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(age_days: i32, is_success: bool, runs: f64, bytes: f64) -> Share {
        Share {
            workflow_id: "w".to_owned(),
            is_success,
            is_annotated: false,
            age_days,
            runs,
            bytes,
            binary_bytes: 0.0,
        }
    }

    #[test]
    fn runs_that_n8n_never_prunes_do_not_say_that_it_prunes_nothing_and_go_by_no_way() {
        let mut shares: Vec<_> = (0..14).map(|age| share(age, true, 10.0, 1e5)).collect();
        shares.push(Share {
            is_annotated: true,
            ..share(90, true, 1.0, 1e9)
        });
        let advice = advise(&shares, 1.0);
        assert!(!advice.is_unpruned);
        assert_eq!((advice.oldest_days, advice.runs), (90, 141));
        assert!(
            advice
                .options
                .iter()
                .all(|one| one.frees_bytes < 1_000_000_000)
        );
        shares.push(share(90, true, 1.0, 1e5));
        assert!(advise(&shares, 1.0).is_unpruned);
    }

    #[test]
    fn without_pruning_the_default_is_advised_with_what_it_frees() {
        let shares: Vec<_> = (0..60).map(|age| share(age, true, 100.0, 1e6)).collect();
        let advice = advise(&shares, 1.0);
        assert!(advice.is_unpruned);
        assert_eq!(
            (advice.runs, advice.bytes, advice.bytes_per_day),
            (6_000, 60_000_000, 1_000_000)
        );
        let first = &advice.options[0];
        assert!(first.is_advised, "{:?}", advice.options);
        assert_eq!((first.removes_runs, first.frees_bytes), (4_600, 46_000_000));
        assert_eq!(
            first.lines,
            [
                "EXECUTIONS_DATA_PRUNE=true",
                "EXECUTIONS_DATA_MAX_AGE=336",
                "EXECUTIONS_DATA_PRUNE_MAX_COUNT=10000"
            ]
        );
        let only_failures = advice.options.last().unwrap();
        assert_eq!(
            (only_failures.kind, only_failures.saves_bytes_per_day),
            ("success", 1_000_000)
        );
    }

    #[test]
    fn an_n8n_that_prunes_is_left_alone_and_an_empty_one_too() {
        let shares: Vec<_> = (0..14)
            .map(|age| share(age, age % 2 == 0, 10.0, 1e5))
            .collect();
        assert!(!advise(&shares, 1.0).is_unpruned);
        let nothing = advise(&[], 1.0);
        assert_eq!((nothing.runs, nothing.options.len()), (0, 0));
    }

    #[test]
    fn beyond_a_count_the_oldest_go() {
        let shares = [
            share(0, true, 600.0, 600.0),
            share(1, true, 600.0, 6_000.0),
            share(9, false, 100.0, 1e6),
        ];
        assert_eq!(beyond(&shares, 1.0, 1_000), (300, 1_002_000));
    }

    proptest! {
        #[test]
        fn stricter_frees_more_and_never_more_than_there_is(
            shares in prop::collection::vec((0..90_i32, any::<bool>(), 1.0..500.0_f64, 0.0..1e7_f64), 0..60), scale in 1.0..50.0_f64,
        ) {
            let shares: Vec<_> = shares.into_iter().map(|(age, good, runs, bytes)| share(age, good, runs.round(), bytes)).collect();
            let advice = advise(&shares, scale);
            for kind in ["age", "count"] {
                let options: Vec<_> = advice.options.iter().filter(|one| one.kind == kind).collect();
                for pair in options.windows(2) {
                    prop_assert!(pair[0].removes_runs < pair[1].removes_runs);
                    prop_assert!(pair[0].frees_bytes <= pair[1].frees_bytes + 1);
                }
                for one in options {
                    prop_assert!(one.frees_bytes <= advice.bytes + 2 && one.removes_runs <= advice.runs + 2);
                }
            }
            prop_assert!(advice.options.iter().filter(|one| one.is_advised).count() <= 1);
        }
    }
}
