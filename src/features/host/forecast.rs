//! When something that grows will have used up its room. Pure.
//!
//! The slope is the median of the slopes between all pairs of points (Theil and Sen): a day on which somebody
//! copied something large and deleted it again does not bend it. Where the middle half of those slopes does
//! not agree on a direction, nothing is said to grow.
//!
//! A median of a month sees a new growth only when it has lasted for a third of it. So the last days are looked at by
//! themselves too, and the sooner end counts; but only where they leave what was before, and grow all the time: a step, a
//! saw and noise do not.

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

/// Days at the end that are looked at by themselves.
const RECENT_DAYS: [f64; 2] = [3.0, 7.0];
/// In those, what grows slowly grows at least so much of the middle. Of a step, half of the pairs do not grow at all.
const STEADY: f64 = 1.0 / 3.0;
/// And at least half of what they grew by lies above so many tenths of what was before.
const ABOVE_TENTHS: usize = 9;

/// The slopes between all pairs: a quarter is less than the slow one, a quarter more than the fast one.
#[derive(Clone, Copy)]
struct Slopes {
    slow: f64,
    middle: f64,
    fast: f64,
}

impl Slopes {
    /// Of points in order, of which there are at least two.
    fn of(points: &[(f64, f64)]) -> Self {
        let step = points.len().div_ceil(MOST_POINTS);
        let points: Vec<_> = points.iter().rev().step_by(step).collect();
        let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
        for (index, (x, y)) in points.iter().enumerate() {
            for (other_x, other_y) in &points[index + 1..] {
                slopes.push((y - other_y) / (x - other_x));
            }
        }
        slopes.sort_by(f64::total_cmp);
        let quantile = |part: usize| slopes[(slopes.len() - 1) * part / 4];
        Self {
            slow: quantile(1),
            middle: quantile(2),
            fast: quantile(3),
        }
    }

    /// When it will be full, if that is not too far away: days, bytes a day.
    fn full(self, free_bytes: f64) -> Option<(f64, Forecast)> {
        let days_at = |slope: f64| (slope >= 1.0).then(|| free_bytes.max(0.0) / slope);
        let days = days_at(self.middle).filter(|days| *days <= FURTHEST_DAYS)?;
        let forecast = Forecast::Full {
            bytes_a_day: self.middle,
            days,
            soonest_days: days_at(self.fast).unwrap_or(days),
            latest_days: days_at(self.slow).filter(|days| *days <= FURTHEST_DAYS),
        };
        Some((days, forecast))
    }
}

/// The slopes of the last days, if those have begun to grow.
fn recent(points: &[(f64, f64)], days: f64) -> Option<Slopes> {
    let last = points.last()?;
    let begin = points.partition_point(|point| point.0 < last.0 - days);
    let (before, window) = points.split_at(begin);
    let span = last.0 - window.first()?.0;
    if window.len() < LEAST_POINTS || span < days * 0.8 {
        return None;
    }
    let mut levels: Vec<f64> = before.iter().map(|point| point.1).collect();
    levels.sort_by(f64::total_cmp);
    let level = levels.get(levels.len() * ABOVE_TENTHS / 10);
    let slopes = Slopes::of(window);
    let is_steady = slopes.slow > 0.0 && slopes.slow >= slopes.middle * STEADY;
    let is_new = level.is_none_or(|level| last.1 - level >= slopes.middle * span / 2.0);
    (is_steady && is_new).then_some(slopes)
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
    let all = Slopes::of(&points);
    // A quarter of the pairs against it is noise; more is no growth.
    let is_growing = all.slow > 0.0 || all.middle > -all.slow;
    let lately = RECENT_DAYS.iter().filter_map(|days| recent(&points, *days));
    let ends = is_growing.then_some(all).into_iter().chain(lately);
    let ends = ends.filter_map(|slopes| slopes.full(free_bytes));
    let soonest = ends.min_by(|a, b| a.0.total_cmp(&b.0));
    soonest.map_or(
        Forecast::NotFilling {
            bytes_a_day: all.middle,
        },
        |(_, forecast)| forecast,
    )
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

    /// A level of 100 GB with a little noise for so many days, and what is added after that.
    fn level_and(days: i64, more: i64, added: impl Fn(i64) -> f64) -> Vec<(DateTime<Utc>, f64)> {
        every_two_hours((days + more) * 12, |index| {
            let noise = ((index * 7_919) % 1_000) as f64 * 1e4;
            100e9 + noise + added(index - days * 12).max(0.0)
        })
    }

    #[test]
    fn a_growth_that_began_three_days_ago_is_foretold() {
        let points = level_and(27, 3, |since| since as f64 * 10e9 / 12.0);
        let Forecast::Full {
            bytes_a_day,
            days,
            soonest_days,
            latest_days,
        } = forecast(&points, 80e9)
        else {
            panic!("{:?}", forecast(&points, 80e9));
        };
        assert!((bytes_a_day - 10e9).abs() < 1e9, "{bytes_a_day}");
        assert!((days - 8.0).abs() < 0.8, "{days}");
        assert!(soonest_days <= days && latest_days.is_some_and(|latest| latest >= days));
        // One that grew before, and grows faster now.
        let points = level_and(27, 3, |since| {
            (since + 324) as f64 * 0.1e9 / 12.0 + since.max(0) as f64 * 9.9e9 / 12.0
        });
        match forecast(&points, 80e9) {
            Forecast::Full { days, .. } => assert!((days - 8.0).abs() < 0.8, "{days}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_large_file_that_was_copied_lately_is_no_growth() {
        for more in [1, 2, 4, 6] {
            // At once, and over 10 hours.
            for hours in [0, 10] {
                let points = level_and(30 - more, more, |since| {
                    let part = (since * 2 + 2) as f64 / f64::from(hours.max(1));
                    part.clamp(0.0, 1.0) * 50e9
                });
                let found = forecast(&points, 80e9);
                assert!(
                    matches!(found, Forecast::NotFilling { .. }),
                    "{more} {hours} {found:?}"
                );
            }
        }
    }

    #[test]
    fn what_fills_and_is_emptied_each_week_is_no_growth() {
        for hours in (0..168).step_by(6) {
            let points = every_two_hours(30 * 12, |index| {
                100e9 + ((index + hours / 2) % 84) as f64 / 12.0 * 5e9
            });
            let found = forecast(&points, 80e9);
            let is_soon = matches!(found, Forecast::Full { days, .. } if days < 60.0);
            assert!(!is_soon, "{hours} {found:?}");
        }
    }

    proptest! {
        #[test]
        fn a_step_in_the_last_days_is_never_soon_full(
            noise in prop::collection::vec(-1e6..1e6_f64, 360), step_at in 270_usize..360, step in 1e8..1e12_f64,
        ) {
            let points: Vec<_> = (0_i64..).zip(noise.iter().enumerate())
                .map(|(index, (place, noise))| {
                    let added = if place >= step_at { step } else { 0.0 };
                    (at(index * 2), 1e12 + noise + added)
                }).collect();
            if let Forecast::Full { days, .. } = forecast(&points, step) {
                prop_assert!(days > 90.0, "{days}");
            }
        }

        #[test]
        fn the_soonest_is_never_later_than_the_latest(
            values in prop::collection::vec(0.0..1e10_f64, 60..360), slope in 0.0..1e10_f64, begin in 0_i64..360,
        ) {
            let points: Vec<_> = (0_i64..).zip(&values)
                .map(|(index, value)| (at(index * 2), value + (index - begin).max(0) as f64 * slope)).collect();
            if let Forecast::Full { days, soonest_days, latest_days, .. } = forecast(&points, 1e12) {
                prop_assert!(soonest_days <= days);
                prop_assert!(latest_days.is_none_or(|latest| latest >= days));
            }
        }

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
