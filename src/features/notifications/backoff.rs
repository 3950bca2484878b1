//! When a delivery is tried again. Pure.

use std::time::Duration;

use chrono::TimeDelta;

/// Waits after each failed attempt: quick at first, for most troubles are short, then as Standard Webhooks
/// suggests, over two and a half days in all.
const WAITS: [TimeDelta; 11] = [
    TimeDelta::seconds(5),
    TimeDelta::seconds(30),
    TimeDelta::minutes(2),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(14),
    TimeDelta::hours(14),
    TimeDelta::hours(14),
];
const DAY: TimeDelta = TimeDelta::hours(24);

/// How long to wait after the attempt with this number, from 1; `None` when that was the last. `random` is
/// anything from 0 to 255: up to a quarter is added, so that many that failed together do not come together.
pub fn wait_after(attempt: i32, retry_after: Option<Duration>, random: u8) -> Option<TimeDelta> {
    let at = usize::try_from(attempt.max(1) - 1).unwrap_or(usize::MAX);
    let wait = *WAITS.get(at)?;
    let jitter = wait * i32::from(random) / 1_020;
    let wait = wait + jitter;
    let asked = retry_after.and_then(|asked| TimeDelta::from_std(asked).ok());
    Some(asked.map_or(wait, |asked| asked.min(DAY).max(wait)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f57_waits_grow_with_jitter_and_respect_what_the_server_asks() {
        assert_eq!(wait_after(1, None, 0), Some(TimeDelta::seconds(5)));
        assert_eq!(
            wait_after(1, None, 255),
            Some(TimeDelta::milliseconds(6_250))
        );
        let asked = Some(Duration::from_secs(90));
        assert_eq!(wait_after(1, asked, 0), Some(TimeDelta::seconds(90)));
        assert_eq!(
            wait_after(5, asked, 0),
            Some(TimeDelta::minutes(30)),
            "never sooner than our own"
        );
        let week = Some(Duration::from_hours(24 * 7));
        assert_eq!(wait_after(1, week, 0), Some(DAY), "a day at most");
        assert_eq!(wait_after(12, None, 0), None);
        let all: TimeDelta = (1..12)
            .filter_map(|attempt| wait_after(attempt, None, 0))
            .sum();
        assert!(
            all > TimeDelta::hours(48) && all < TimeDelta::hours(72),
            "{all}"
        );
    }
}
