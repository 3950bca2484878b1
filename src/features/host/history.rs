//! How numbers are kept and drawn: which buckets, for how long, and onto which time axis. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sample::points;
use super::store::{Bucket, Raw};

/// How long single samples stay.
pub const RAW_KEPT: TimeDelta = TimeDelta::hours(24);
/// Widths of buckets in seconds, and how long those stay.
pub const KEPT: [(i32, TimeDelta); 2] = [(600, TimeDelta::days(8)), (7_200, TimeDelta::days(31))];

/// How far back a chart goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Range {
    /// An hour, minute by minute.
    #[serde(rename = "1h")]
    Hour,
    /// A day in steps of 10 minutes.
    #[serde(rename = "24h")]
    Day,
    /// A week in steps of an hour.
    #[serde(rename = "7d")]
    Week,
    /// 30 days in steps of 4 hours.
    #[serde(rename = "30d")]
    Month,
}

impl Range {
    /// How far back.
    pub fn length(self) -> TimeDelta {
        match self {
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::hours(24),
            Self::Week => TimeDelta::days(7),
            Self::Month => TimeDelta::days(30),
        }
    }

    /// Seconds between two points.
    pub fn step_seconds(self) -> i32 {
        match self {
            Self::Hour => 60,
            Self::Day => 600,
            Self::Week => 3_600,
            Self::Month => 14_400,
        }
    }

    /// Which buckets it is drawn from; `None` for single samples.
    pub fn resolution_seconds(self) -> Option<i32> {
        match self {
            Self::Hour => None,
            Self::Day | Self::Week => Some(600),
            Self::Month => Some(7_200),
        }
    }
}

/// Where the bucket of a moment begins.
pub fn bucket_of(at: DateTime<Utc>, width_seconds: i32) -> DateTime<Utc> {
    let width = i64::from(width_seconds);
    let begin = at.timestamp().div_euclid(width) * width;
    DateTime::from_timestamp(begin, 0).unwrap_or(at)
}

/// One line of a chart. Where nothing is known there is null.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HistorySeries {
    /// The metric, and behind a colon what it is about, as in `disk.used:/`.
    pub name: String,
    /// Averages.
    pub average: Vec<Option<f64>>,
    /// The highest of each step.
    pub highest: Vec<Option<f64>>,
}

/// Lines on a common time axis without holes.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct History {
    /// Seconds between two points.
    pub step_seconds: i32,
    /// Where each step begins, in seconds since 1970.
    pub times: Vec<i64>,
    /// The lines, by name.
    pub series: Vec<HistorySeries>,
}

/// The first moment that a chart of this range shows.
pub fn begin(range: Range, now: DateTime<Utc>) -> DateTime<Utc> {
    let step = TimeDelta::seconds(i64::from(range.step_seconds()));
    bucket_of(now - range.length(), range.step_seconds()) + step
}

/// Puts buckets onto the axis.
pub fn align(range: Range, now: DateTime<Utc>, buckets: &[Bucket]) -> History {
    let step = i64::from(range.step_seconds());
    let (first, last) = (begin(range, now).timestamp(), now.timestamp());
    let mut times = Vec::new();
    let mut time = first;
    while time <= last {
        times.push(time);
        time += step;
    }
    let mut lines: BTreeMap<&str, HistorySeries> = BTreeMap::new();
    for bucket in buckets {
        let index = usize::try_from((bucket.bucket.timestamp() - first).div_euclid(step));
        let Some(index) = index.ok().filter(|index| *index < times.len()) else {
            continue;
        };
        let line = lines
            .entry(&bucket.series)
            .or_insert_with(|| HistorySeries {
                name: bucket.series.clone(),
                average: vec![None; times.len()],
                highest: vec![None; times.len()],
            });
        line.average[index] = Some(bucket.average);
        line.highest[index] = Some(bucket.highest);
    }
    History {
        step_seconds: range.step_seconds(),
        times,
        series: lines.into_values().collect(),
    }
}

/// Buckets of a width out of single samples.
pub fn gather(raw: &[Raw], width_seconds: i32) -> Vec<Bucket> {
    let mut found: BTreeMap<(DateTime<Utc>, String), (Bucket, f64)> = BTreeMap::new();
    for row in raw {
        let begin = bucket_of(row.collected_at, width_seconds);
        for (series, value) in points(&row.metric_type, &row.metric_data) {
            let entry = found.entry((begin, series.clone())).or_insert_with(|| {
                let empty = Bucket {
                    bucket: begin,
                    series,
                    average: 0.0,
                    highest: value,
                    last_value: value,
                };
                (empty, 0.0)
            });
            let (bucket, samples) = (&mut entry.0, entry.1);
            bucket.average = bucket.average.mul_add(samples, value) / (samples + 1.0);
            bucket.highest = bucket.highest.max(value);
            bucket.last_value = value;
            entry.1 += 1.0;
        }
    }
    found.into_values().map(|(bucket, _)| bucket).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn bucket(time: &str, average: f64) -> Bucket {
        Bucket {
            bucket: at(time),
            series: "cpu.percent".to_owned(),
            average,
            highest: average + 1.0,
            last_value: average,
        }
    }

    #[test]
    fn holes_are_null_on_an_axis_without_holes() {
        let found = align(
            Range::Day,
            at("2026-03-02T12:03:00Z"),
            &[
                bucket("2026-03-01T12:10:00Z", 1.0),
                bucket("2026-03-02T12:00:00Z", 2.0),
                bucket("2026-03-01T11:00:00Z", 9.0),
            ],
        );
        assert_eq!(found.times.len(), 144);
        assert!(found.times.windows(2).all(|pair| pair[1] - pair[0] == 600));
        let line = &found.series[0];
        assert_eq!((line.average[0], line.average[143]), (Some(1.0), Some(2.0)));
        assert!(line.average[1..143].iter().all(Option::is_none));
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_its_bucket(seconds in 0_i64..4_000_000_000, width in prop::sample::select(vec![60, 600, 7_200])) {
            let moment = DateTime::from_timestamp(seconds, 5).unwrap();
            let begin = bucket_of(moment, width);
            prop_assert!(begin <= moment && moment < begin + TimeDelta::seconds(i64::from(width)));
            prop_assert_eq!(begin.timestamp() % i64::from(width), 0);
        }

        #[test]
        fn axes_have_as_many_points_as_people_can_see(seconds in 1_000_000_000_i64..4_000_000_000) {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            for range in [Range::Hour, Range::Day, Range::Week, Range::Month] {
                let found = align(range, now, &[]);
                prop_assert!((60..=181).contains(&found.times.len()), "{range:?} {}", found.times.len());
                prop_assert!(found.times.last().copied().unwrap_or(0) <= seconds);
            }
        }
    }
}
