//! When to stop listening to an account (OWASP ASVS 5.0, 6.3.1).
//!
//! After `threshold` failures in a row the counter rests: one minute, then two, four, … at most
//! fifteen. A success forgets everything; so does a day without a lock.

use chrono::{DateTime, TimeDelta, Utc};

const FIRST_REST: TimeDelta = TimeDelta::minutes(1);
const LONGEST_REST: TimeDelta = TimeDelta::minutes(15);
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::hours(24);

/// The state of one counter: an account's, a known device's or an unknown name's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Failures since the last lock or success.
    pub failed_attempts: i32,
    /// Locks since the last success.
    pub lockout_count: i32,
    /// Until when it rests.
    pub locked_until: Option<DateTime<Utc>>,
}

impl Counter {
    /// Seconds until it listens again, if it rests.
    pub fn rests_for_seconds(&self, now: DateTime<Utc>) -> Option<u64> {
        let left = self.locked_until? - now;
        (left > TimeDelta::zero()).then(|| {
            let seconds = (left.num_milliseconds() + 999) / 1000;
            u64::try_from(seconds).unwrap_or(1).max(1)
        })
    }

    /// The counter after one more failure, and whether that locked it.
    #[must_use]
    pub fn after_failure(self, now: DateTime<Utc>, threshold: i32) -> (Self, bool) {
        let locks = match self.locked_until {
            Some(until) if now - until > FORGOTTEN_AFTER => 0,
            _ => self.lockout_count.max(0),
        };
        let failed_attempts = self.failed_attempts.max(0).saturating_add(1);
        if failed_attempts < threshold.max(1) {
            let counter = Self {
                failed_attempts,
                lockout_count: locks,
                locked_until: self.locked_until,
            };
            return (counter, false);
        }
        let counter = Self {
            failed_attempts: 0,
            lockout_count: locks.saturating_add(1),
            locked_until: Some(now + rest(locks)),
        };
        (counter, true)
    }
}

fn rest(locks_before: i32) -> TimeDelta {
    let doublings = u32::try_from(locks_before.clamp(0, 10)).unwrap_or(0);
    (FIRST_REST * 2_i32.pow(doublings)).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn rests_double_from_one_minute_to_fifteen() {
        let mut counter = Counter::default();
        let mut now = at(0);
        let mut rests = Vec::new();
        for _ in 0..6 {
            for failure in 1..=5 {
                let (next, has_locked) = counter.after_failure(now, 5);
                assert_eq!(has_locked, failure == 5);
                counter = next;
            }
            let until = counter.locked_until.unwrap();
            rests.push((until - now).num_minutes());
            now = until;
        }
        assert_eq!(rests, [1, 2, 4, 8, 15, 15]);
    }

    #[test]
    fn a_day_without_a_lock_starts_again_from_one_minute() {
        let counter = Counter {
            failed_attempts: 4,
            lockout_count: 9,
            locked_until: Some(at(0)),
        };
        let (counter, _) = counter.after_failure(at(25 * 3600), 5);
        assert_eq!(counter.locked_until, Some(at(25 * 3600 + 60)));
    }

    #[test]
    fn a_rest_ends_exactly_at_its_time() {
        let counter = Counter {
            locked_until: Some(at(60)),
            ..Counter::default()
        };
        assert_eq!(counter.rests_for_seconds(at(0)), Some(60));
        assert_eq!(counter.rests_for_seconds(at(59)), Some(1));
        assert_eq!(counter.rests_for_seconds(at(60)), None);
    }

    proptest! {
        #[test]
        fn no_lock_lasts_longer_than_fifteen_minutes(
            failed in any::<i32>(), locks in any::<i32>(), threshold in any::<i32>(), gap in 0_i64..200_000,
        ) {
            let before = Counter { failed_attempts: failed, lockout_count: locks, locked_until: Some(at(0)) };
            let (after, _) = before.after_failure(at(gap), threshold);
            let seconds = after.rests_for_seconds(at(gap)).unwrap_or(0);
            prop_assert!(seconds <= 15 * 60);
        }
    }
}
