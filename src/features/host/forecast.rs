//! When something that grows will have used up its room. Pure.
//!
//! The slope is the median of the slopes between all pairs of points (Theil and Sen): a day on which somebody
//! copied something large and deleted it again does not bend it. Where the middle half of those slopes does
//! not agree on a direction, nothing is said to grow.

use chrono::{DateTime, TimeDelta, Utc};

/// What is told of less than this would be made up.
pub const LEAST_SPAN: TimeDelta = TimeDelta::days(3);
const LEAST_POINTS: usize = 12;
/// More points than this say nothing more.
const MOST_POINTS: usize = 180;
const SECONDS_A_DAY: f64 = 86_400.0;
/// Further ahead nobody believes it.
const FURTHEST_DAYS: f64 = 3_650.0;

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Forecast {
    /// Too little is known yet.
    NotEnough {
        /// What is known, in hours.
        hours: i64,
    },
    /// It does not grow, or not so that it would be full within ten years.
    NotFilling {
        /// Bytes a day; may be less than nothing.
        bytes_a_day: f64,
    },
    /// It will be full.
    Full {
        /// Bytes a day.
        bytes_a_day: f64,
        /// Days from now if it goes on like this.
        days: f64,
        /// Days from now if it goes on as in its fast times.
        soonest_days: f64,
        /// Days from now if it goes on as in its slow times; `None` if it hardly grew then.
        latest_days: Option<f64>,
    },
}

/// Looks ahead. `points` are bytes at moments, in any order.
pub fn forecast(points: &[(DateTime<Utc>, f64)], free_bytes: f64) -> Forecast {
    let mut points: Vec<(f64, f64)> = points
        .iter()
        .filter(|(_, value)| value.is_finite())
        .map(|(at, value)| (at.timestamp() as f64 / SECONDS_A_DAY, *value))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.dedup_by(|a, b| (a.0 - b.0).abs() < 1e-9);
    let span = match (points.first(), points.last()) {
        (Some(first), Some(last)) => last.0 - first.0,
        _ => 0.0,
    };
    if points.len() < LEAST_POINTS || span < LEAST_SPAN.num_days() as f64 {
        #[expect(clippy::cast_possible_truncation, reason = "hours of a few weeks")]
        let hours = (span * 24.0) as i64;
        return Forecast::NotEnough { hours };
    }
    let step = points.len().div_ceil(MOST_POINTS);
    let points: Vec<_> = points.into_iter().rev().step_by(step).collect();
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, (x, y)) in points.iter().enumerate() {
        for (other_x, other_y) in &points[index + 1..] {
            slopes.push((y - other_y) / (x - other_x));
        }
    }
    slopes.sort_by(f64::total_cmp);
    let quantile = |part: usize| slopes[(slopes.len() - 1) * part / 4];
    let (slow, middle, fast) = (quantile(1), quantile(2), quantile(3));
    let days_at = |slope: f64| (slope >= 1.0).then(|| free_bytes.max(0.0) / slope);
    match days_at(middle).filter(|days| *days <= FURTHEST_DAYS) {
        // A quarter of the pairs against it is noise; more is no growth.
        Some(days) if slow > 0.0 || middle > -slow => Forecast::Full {
            bytes_a_day: middle,
            days,
            soonest_days: days_at(fast).unwrap_or(days),
            latest_days: days_at(slow).filter(|days| *days <= FURTHEST_DAYS),
        },
        _ => Forecast::NotFilling {
            bytes_a_day: middle,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + hour * 3_600, 0).unwrap()
    }

    fn every_two_hours(count: i64, value: impl Fn(i64) -> f64) -> Vec<(DateTime<Utc>, f64)> {
        (0..count)
            .map(|index| (at(index * 2), value(index)))
            .collect()
    }

    #[test]
    fn less_than_three_days_is_too_little() {
        let points = every_two_hours(36, |index| index as f64 * 1e9);
        assert_eq!(forecast(&points, 1e12), Forecast::NotEnough { hours: 70 });
        assert_eq!(forecast(&[], 1e12), Forecast::NotEnough { hours: 0 });
        let few = [(at(0), 1.0), (at(1_000), 2e9)];
        assert!(matches!(forecast(&few, 1e12), Forecast::NotEnough { .. }));
    }

    #[test]
    fn what_stays_shrinks_or_creeps_is_not_filling() {
        for (slope, free) in [(0.0, 1e9), (-1e7, 1e9), (1e3, 1e12)] {
            let points = every_two_hours(100, |index| 5e9 + index as f64 * slope);
            assert!(
                matches!(forecast(&points, free), Forecast::NotFilling { .. }),
                "{slope}"
            );
        }
    }

    #[test]
    fn a_file_that_came_and_went_does_not_bend_it() {
        let points = every_two_hours(168, |index| {
            let copied = if (40..60).contains(&index) {
                500e9
            } else {
                0.0
            };
            100e9 + index as f64 * 1e8 + copied
        });
        let Forecast::Full {
            bytes_a_day, days, ..
        } = forecast(&points, 12e9)
        else {
            panic!("it grows");
        };
        assert!((bytes_a_day - 1.2e9).abs() < 0.3e9, "{bytes_a_day}");
        assert!((days - 10.0).abs() < 3.0, "{days}");
    }

    proptest! {
        #[test]
        fn a_straight_line_is_foretold_exactly_in_any_order(
            count in 40_i64..360, slope in 1e5..1e10_f64, start in 0.0..1e13_f64, days_left in 0.1..3_000.0_f64,
        ) {
            let mut points = every_two_hours(count, |index| start + index as f64 * slope / 12.0);
            points.reverse();
            let free = slope * days_left;
            match forecast(&points, free) {
                Forecast::Full { bytes_a_day, days, soonest_days, latest_days } => {
                    prop_assert!((bytes_a_day / slope - 1.0).abs() < 1e-3, "{bytes_a_day} {slope}");
                    prop_assert!((days - days_left).abs() < days_left * 1e-2);
                    prop_assert!(soonest_days <= days + 1e-9);
                    prop_assert!(latest_days.is_none_or(|latest| latest >= days - 1e-9));
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn noise_around_a_level_is_never_soon_full(
            noise in prop::collection::vec(-1e6..1e6_f64, 60..200),
        ) {
            let points: Vec<_> = (0_i64..).zip(&noise)
                .map(|(index, noise)| (at(index * 2), 1e9 + noise)).collect();
            if let Forecast::Full { days, .. } = forecast(&points, 100e9) {
                prop_assert!(days > 365.0, "{days}");
            }
        }

        #[test]
        fn less_room_is_never_full_later(
            values in prop::collection::vec(0.0..1e12_f64, 40..120), free in 1.0..1e12_f64,
        ) {
            let points: Vec<_> = (0_i64..).zip(&values)
                .map(|(index, value)| (at(index * 3), *value)).collect();
            if let Forecast::Full { days: more, .. } = forecast(&points, free) {
                let Forecast::Full { days: less, .. } = forecast(&points, free / 2.0) else {
                    return Err(TestCaseError::fail("it was full with more room"));
                };
                prop_assert!(less <= more);
            }
        }
    }
}
