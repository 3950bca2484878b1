//! How much there was on each day, and when the disk will be full. Pure.

use chrono::{DateTime, Days, NaiveDate, Utc};

/// A backup, as far as it takes room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When its run began.
    pub started_at: DateTime<Utc>,
    /// When its file went, if it has.
    pub removed_at: Option<DateTime<Utc>>,
    /// Bytes on disk; 0 for a run that failed.
    pub bytes: u64,
    /// Whether the run succeeded.
    pub is_good: bool,
    /// Whether it was proven.
    pub is_proven: bool,
}

/// One day, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Which.
    pub date: NaiveDate,
    /// Bytes on disk at its end.
    pub kept_bytes: u64,
    /// Good runs that began on it.
    pub made: u32,
    /// Those of them that are proven.
    pub proven: u32,
    /// Runs that failed.
    pub failed: u32,
    /// Bytes that its good runs wrote.
    pub made_bytes: u64,
}

/// Days that a forecast looks back over.
const LOOK_BACK: usize = 30;
/// With fewer days that hold anything a line through them says nothing.
const LEAST_DAYS: usize = 5;

/// The last `days` days up to `now`, oldest first.
pub fn days(all: &[Kept], now: DateTime<Utc>, days: u64) -> Vec<Day> {
    let today = now.date_naive();
    let first = today - Days::new(days.saturating_sub(1));
    let mut found: Vec<Day> = first
        .iter_days()
        .take_while(|date| *date <= today)
        .map(|date| Day {
            date,
            ..Day::default()
        })
        .collect();
    for one in all {
        let began = one.started_at.date_naive();
        let gone = one.removed_at.map(|at| at.date_naive());
        for day in &mut found {
            if began <= day.date && gone.is_none_or(|gone| gone > day.date) && one.is_good {
                day.kept_bytes += one.bytes;
            }
            if began == day.date {
                if one.is_good {
                    day.made += 1;
                    day.proven += u32::from(one.is_proven);
                    day.made_bytes += one.bytes;
                } else {
                    day.failed += 1;
                }
            }
        }
    }
    found
}

/// Bytes that are added each day: the slope of the line through the last thirty days. `None` while there is
/// too little to draw one.
pub fn bytes_a_day(days: &[Day]) -> Option<f64> {
    let recent = &days[days.len().saturating_sub(LOOK_BACK)..];
    let begun = recent.iter().position(|day| day.kept_bytes > 0)?;
    let recent = &recent[begun..];
    if recent.len() < LEAST_DAYS {
        return None;
    }
    let n = recent.len() as f64;
    let mean_x = (n - 1.0) / 2.0;
    let mean_y = recent.iter().map(|day| day.kept_bytes as f64).sum::<f64>() / n;
    let (mut above, mut below) = (0.0, 0.0);
    for (index, day) in recent.iter().enumerate() {
        let x = index as f64 - mean_x;
        above += x * (day.kept_bytes as f64 - mean_y);
        below += x * x;
    }
    Some(above / below)
}

/// Days until `free_bytes` are used up. `None` when it does not grow, or not within ten years.
pub fn days_until_full(bytes_a_day: f64, free_bytes: u64) -> Option<u64> {
    const TEN_YEARS: f64 = 3_650.0;
    if bytes_a_day < 1.0 {
        return None;
    }
    let days = free_bytes as f64 / bytes_a_day;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 3650"
    )]
    (days <= TEN_YEARS).then(|| days.floor() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn kept(began: &str, removed: Option<&str>, bytes: u64) -> Kept {
        Kept {
            started_at: at(began),
            removed_at: removed.map(at),
            bytes,
            is_good: bytes > 0,
            is_proven: bytes > 100,
        }
    }

    #[test]
    fn a_day_counts_what_was_there_at_its_end_and_what_it_made() {
        let all = [
            kept("2026-03-01T10:00:00Z", None, 100),
            kept("2026-03-02T10:00:00Z", Some("2026-03-03T00:30:00Z"), 200),
            kept("2026-03-02T11:00:00Z", None, 0),
        ];
        let found = days(&all, at("2026-03-03T12:00:00Z"), 3);
        let seen: Vec<_> = found
            .iter()
            .map(|day| (day.kept_bytes, day.made, day.proven, day.failed))
            .collect();
        assert_eq!(seen, [(100, 1, 0, 0), (300, 1, 1, 1), (100, 0, 0, 0)]);
        assert_eq!(found[0].date.to_string(), "2026-03-01");
    }

    #[test]
    fn the_forecast_is_the_slope_and_says_nothing_of_too_little() {
        let all: Vec<Kept> = (1..=10)
            .map(|day| kept(&format!("2026-03-{day:02}T01:00:00Z"), None, 1_000))
            .collect();
        let growing = days(&all, at("2026-03-10T12:00:00Z"), 60);
        let slope = bytes_a_day(&growing).unwrap();
        assert!((slope - 1_000.0).abs() < 1e-6, "{slope}");
        assert_eq!(days_until_full(slope, 5_500), Some(5));
        assert_eq!(days_until_full(slope, u64::MAX), None);
        assert_eq!(days_until_full(-4.0, 10), None);
        assert_eq!(
            bytes_a_day(&days(&all[..2], at("2026-03-02T12:00:00Z"), 60)),
            None
        );
        assert_eq!(
            bytes_a_day(&days(&[], at("2026-03-02T12:00:00Z"), 60)),
            None
        );
    }
}
