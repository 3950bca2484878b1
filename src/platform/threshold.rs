//! When a value is told to be too high, and when to be well again. Pure.
//!
//! It must stay at or above the threshold for a while before it is told, and below the threshold less a
//! margin for a while before that ends: a value that swings around the threshold is told once.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// When it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// From here it is too high.
    pub threshold: f64,
    /// How far below it must be to be well again.
    pub margin: f64,
    /// For how long it must be too high.
    pub raise_after: TimeDelta,
    /// For how long it must be well.
    pub clear_after: TimeDelta,
    /// Looks that are further apart say nothing about the time between them.
    pub longest_gap: TimeDelta,
}

/// Looks are a minute apart; more than this between two of them is a gap.
pub const LONGEST_GAP: TimeDelta = TimeDelta::minutes(4);
/// How far below its threshold a percentage must be to be well again, in points.
pub const MARGIN: f64 = 3.0;

impl Rule {
    /// For a percentage that is looked at once a minute.
    pub fn of_percent(threshold: f64, raise_after: TimeDelta, clear_after: TimeDelta) -> Self {
        Self {
            threshold,
            margin: MARGIN,
            raise_after,
            clear_after,
            longest_gap: LONGEST_GAP,
        }
    }
}

/// How it stood at the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Whether it was told.
    pub is_raised: bool,
    /// Since when it looks as if that changes.
    pub pending_since: Option<DateTime<Utc>>,
    /// The last look.
    pub seen_at: Option<DateTime<Utc>>,
}

/// What changed at a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has been too high for long enough.
    Raised,
    /// It has been well for long enough.
    Ended,
}

/// For how long something was so, as it ends a clause: " for 5 minutes". Nothing of no time.
pub fn lasting(time: TimeDelta) -> String {
    match time.num_minutes() {
        ..=0 => String::new(),
        1 => " for a minute".to_owned(),
        minutes => format!(" for {minutes} minutes"),
    }
}

/// One look. A value that is not known breaks what was pending and changes nothing.
pub fn step(
    watch: Watch,
    value: Option<f64>,
    now: DateTime<Utc>,
    rule: &Rule,
) -> (Watch, Option<Turn>) {
    let mut next = Watch {
        seen_at: Some(now),
        ..watch
    };
    let is_gap = watch
        .seen_at
        .is_none_or(|seen| now - seen > rule.longest_gap || seen > now);
    if is_gap {
        next.pending_since = None;
    }
    let Some(value) = value.filter(|value| value.is_finite()) else {
        next.pending_since = None;
        return (next, None);
    };
    let (is_turning, wait) = if watch.is_raised {
        (value < rule.threshold - rule.margin, rule.clear_after)
    } else {
        (value >= rule.threshold, rule.raise_after)
    };
    if !is_turning {
        next.pending_since = None;
        return (next, None);
    }
    let since = *next.pending_since.get_or_insert(now);
    if now - since < wait {
        return (next, None);
    }
    next.is_raised = !watch.is_raised;
    next.pending_since = None;
    let turn = if next.is_raised {
        Turn::Raised
    } else {
        Turn::Ended
    };
    (next, Some(turn))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule {
        threshold: 90.0,
        margin: 5.0,
        raise_after: TimeDelta::minutes(5),
        clear_after: TimeDelta::minutes(3),
        longest_gap: TimeDelta::minutes(3),
    };

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    /// One value a minute; returns the minutes at which it turned.
    fn turns(values: &[Option<f64>]) -> Vec<(usize, Turn)> {
        let mut watch = Watch::default();
        let mut found = Vec::new();
        for (minute, value) in values.iter().enumerate() {
            let (next, turn) = step(watch, *value, at(i64::try_from(minute).unwrap()), &RULE);
            watch = next;
            found.extend(turn.map(|turn| (minute, turn)));
        }
        found
    }

    #[test]
    fn it_is_told_after_five_minutes_and_ends_after_three_below_the_margin() {
        let mut values = vec![Some(95.0); 8];
        // Between margin and threshold nothing ends.
        values.extend(vec![Some(87.0); 20]);
        values.extend(vec![Some(84.0); 4]);
        assert_eq!(turns(&values), [(5, Turn::Raised), (31, Turn::Ended)]);
    }

    #[test]
    fn a_dip_begins_the_wait_anew_and_so_does_a_look_that_failed() {
        for break_by in [Some(89.9), None] {
            let mut values = vec![Some(95.0); 5];
            values.push(break_by);
            values.extend(vec![Some(95.0); 6]);
            assert_eq!(turns(&values), [(11, Turn::Raised)]);
        }
    }

    #[test]
    fn the_time_between_distant_looks_does_not_count() {
        let (watch, _) = step(Watch::default(), Some(99.0), at(0), &RULE);
        let (watch, turn) = step(watch, Some(99.0), at(60), &RULE);
        assert_eq!((turn, watch.pending_since), (None, Some(at(60))));
        // Nor does a clock that was put back.
        let (watch, turn) = step(watch, Some(99.0), at(10), &RULE);
        assert_eq!((turn, watch.pending_since), (None, Some(at(10))));
    }

    proptest! {
        #[test]
        fn turns_alternate_and_each_has_its_whole_time_behind_it(
            values in prop::collection::vec(prop::option::weighted(0.95, 70.0..100.0_f64), 1..300),
        ) {
            let found = turns(&values);
            for (index, (minute, turn)) in found.iter().enumerate() {
                let expected = if index % 2 == 0 { Turn::Raised } else { Turn::Ended };
                prop_assert_eq!(*turn, expected);
                let (wait, is_so): (usize, fn(f64) -> bool) = match turn {
                    Turn::Raised => (5, |value| value >= 90.0),
                    Turn::Ended => (3, |value| value < 85.0),
                };
                for value in &values[minute - wait..=*minute] {
                    prop_assert!(value.is_some_and(is_so), "{minute}: {value:?}");
                }
            }
        }

        #[test]
        fn a_value_that_swings_within_the_margin_is_told_at_most_once(
            swings in prop::collection::vec(85.0..100.0_f64, 1..300),
        ) {
            let values: Vec<_> = swings.into_iter().map(Some).collect();
            prop_assert!(turns(&values).len() <= 1);
        }

        #[test]
        fn what_stays_too_high_is_always_told(before in prop::collection::vec(70.0..100.0_f64, 0..50)) {
            let mut values: Vec<_> = before.into_iter().map(Some).collect();
            values.extend([Some(91.0); 6]);
            let last = turns(&values).last().map(|found| found.1);
            prop_assert_eq!(last, Some(Turn::Raised));
        }
    }
}
