//! When a schedule is due: pure functions of its rule, its time zone and the time.
//!
//! Due times are wall-clock times of a zone. A time that the clocks skip in spring runs at the first
//! moment after the gap; a time that they repeat in autumn runs the first time. Hourly schedules run
//! once in each hour that passes, so 23 and 25 times on those days.

use chrono::{
    DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta,
    TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;

/// How often, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// At a minute of every hour.
    Hourly {
        /// 0 to 59.
        minute: u32,
    },
    /// Every day.
    Daily {
        /// 0 to 23.
        hour: u32,
        /// 0 to 59.
        minute: u32,
    },
    /// On one day of every week.
    Weekly {
        /// 0 is Monday, 6 is Sunday.
        day_of_week: u32,
        /// 0 to 23.
        hour: u32,
        /// 0 to 59.
        minute: u32,
    },
    /// On one day of every month.
    Monthly {
        /// 1 to 28, which every month has.
        day_of_month: u32,
        /// 0 to 23.
        hour: u32,
        /// 0 to 59.
        minute: u32,
    },
}

/// A rule in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// How often, and when.
    pub rule: Rule,
    /// Whose clock.
    pub zone: Tz,
}

impl Recurrence {
    /// The first due time after a moment.
    pub fn next_after(&self, after: DateTime<Utc>) -> DateTime<Utc> {
        match self.rule {
            Rule::Hourly { minute } => self.next_minute(after, minute),
            Rule::Daily { hour, minute } => self.next_day(after, hour, minute, |_| true),
            Rule::Weekly {
                day_of_week,
                hour,
                minute,
            } => self.next_day(after, hour, minute, |day| {
                day.weekday().num_days_from_monday() == day_of_week
            }),
            Rule::Monthly {
                day_of_month,
                hour,
                minute,
            } => self.next_day(after, hour, minute, |day| day.day() == day_of_month),
        }
    }

    /// The last due time that is not after `now`, looking no further back than `since`, which is
    /// a due time itself or before the first.
    pub fn last_due(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // After a long absence: no need to walk through years of hours.
        let longest = match self.rule {
            Rule::Hourly { .. } => TimeDelta::hours(4),
            Rule::Daily { .. } => TimeDelta::days(3),
            Rule::Weekly { .. } => TimeDelta::days(15),
            Rule::Monthly { .. } => TimeDelta::days(63),
        };
        let mut due = since.max(now - longest);
        if due > since || self.next_after(due - TimeDelta::seconds(1)) != due {
            due = self.next_after(due - TimeDelta::seconds(1));
        }
        let mut last = None;
        while due <= now {
            last = Some(due);
            due = self.next_after(due);
        }
        last
    }

    /// Due times within a span, at most `limit`.
    pub fn between(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Vec<DateTime<Utc>> {
        let mut found = Vec::new();
        let mut due = self.next_after(from);
        while due <= until && found.len() < limit {
            found.push(due);
            due = self.next_after(due);
        }
        found
    }

    /// Walks minute by minute: zones differ from UTC by quarters of an hour, and shift by halves.
    fn next_minute(&self, after: DateTime<Utc>, minute: u32) -> DateTime<Utc> {
        let mut at = truncate(after) + TimeDelta::minutes(1);
        // Within two hours every minute of the hour has passed, whatever the clocks did.
        for _ in 0..180 {
            if at.with_timezone(&self.zone).minute() == minute {
                break;
            }
            at += TimeDelta::minutes(1);
        }
        at
    }

    fn next_day(
        &self,
        after: DateTime<Utc>,
        hour: u32,
        minute: u32,
        is_due: impl Fn(NaiveDate) -> bool,
    ) -> DateTime<Utc> {
        let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default();
        // A gap can push yesterday's time into today.
        let mut day = after.with_timezone(&self.zone).date_naive() - Days::new(1);
        let end = day + Months::new(2);
        while day < end {
            if is_due(day) {
                let due = instant(self.zone, day.and_time(time));
                if due > after {
                    return due;
                }
            }
            day = day + Days::new(1);
        }
        // Every rule is due within two months.
        instant(self.zone, end.and_time(time))
    }
}

fn truncate(at: DateTime<Utc>) -> DateTime<Utc> {
    at - TimeDelta::seconds(i64::from(at.second()))
        - TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos()))
}

/// The moment at which a zone's clocks show a time: the first of two, and the end of the gap if none.
fn instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let mut local = local;
    // No zone has ever skipped more than a day (Samoa, 2011).
    for _ in 0..=24 * 60 {
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) => return at.with_timezone(&Utc),
            LocalResult::Ambiguous(first, _) => return first.with_timezone(&Utc),
            LocalResult::None => local += TimeDelta::minutes(1),
        }
    }
    Utc.from_utc_datetime(&local)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn daily(zone: Tz, hour: u32, minute: u32) -> Recurrence {
        Recurrence {
            rule: Rule::Daily { hour, minute },
            zone,
        }
    }

    #[test]
    fn f45_a_time_that_the_clocks_skip_runs_once_after_the_gap() {
        for (zone, before, day, expected) in [
            // 02:30 is skipped on 8 March 2026: 03:00 CDT is 08:00 UTC.
            (
                chrono_tz::America::Chicago,
                "2026-03-08T00:00:00Z",
                (2, 30),
                "2026-03-08T08:00:00Z",
            ),
            // 02:30 is skipped on 29 March 2026: 03:00 CEST is 01:00 UTC.
            (
                chrono_tz::Europe::Berlin,
                "2026-03-28T12:00:00Z",
                (2, 30),
                "2026-03-29T01:00:00Z",
            ),
            // Half an hour is skipped on 4 October 2026: 02:30 LHDT is 15:30 UTC of the day before.
            (
                chrono_tz::Australia::Lord_Howe,
                "2026-10-03T00:00:00Z",
                (2, 15),
                "2026-10-03T15:30:00Z",
            ),
        ] {
            let rule = daily(zone, day.0, day.1);
            let due = rule.next_after(at(before));
            assert_eq!(due, at(expected), "{zone}");
            let next = rule.next_after(due);
            assert!(next - due > TimeDelta::hours(22), "{zone}: {next}");
        }
    }

    #[test]
    fn f45_a_time_that_the_clocks_repeat_runs_the_first_time_only() {
        // 02:30 comes twice on 25 October 2026 in Berlin: first at 00:30 UTC.
        let rule = daily(chrono_tz::Europe::Berlin, 2, 30);
        let due = rule.next_after(at("2026-10-24T12:00:00Z"));
        assert_eq!(due, at("2026-10-25T00:30:00Z"));
        assert_eq!(rule.next_after(due), at("2026-10-26T01:30:00Z"));
        // The last Thursday of October 2026 in Cairo, at midnight.
        let rule = daily(chrono_tz::Africa::Cairo, 23, 30);
        let runs = rule.between(at("2026-10-28T22:00:00Z"), at("2026-10-31T23:00:00Z"), 100);
        assert_eq!(runs.len(), 3, "{runs:?}");
    }

    #[test]
    fn f45_hourly_runs_in_every_hour_that_passes() {
        for (zone, from, until, runs) in [
            (
                chrono_tz::Europe::Berlin,
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
                23,
            ),
            (
                chrono_tz::Europe::Berlin,
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
                25,
            ),
        ] {
            let hourly = Recurrence {
                rule: Rule::Hourly { minute: 15 },
                zone,
            };
            assert_eq!(hourly.between(at(from), at(until), 100).len(), runs);
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_are_whole() {
        let weekly = Recurrence {
            rule: Rule::Weekly {
                day_of_week: 0,
                hour: 3,
                minute: 0,
            },
            zone: Tz::UTC,
        };
        // 21 November 2026 is a Saturday.
        assert_eq!(
            weekly.next_after(at("2026-11-21T00:00:00Z")),
            at("2026-11-23T03:00:00Z")
        );
        let monthly = Recurrence {
            rule: Rule::Monthly {
                day_of_month: 28,
                hour: 0,
                minute: 5,
            },
            zone: Tz::UTC,
        };
        let year = monthly.between(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"), 100);
        assert_eq!(year.len(), 12);
    }

    #[test]
    fn f46_after_a_long_absence_only_the_last_due_time_counts() {
        let hourly = Recurrence {
            rule: Rule::Hourly { minute: 0 },
            zone: Tz::UTC,
        };
        let last = hourly.last_due(at("2020-01-01T00:00:00Z"), at("2026-11-21T10:20:00Z"));
        assert_eq!(last, Some(at("2026-11-21T10:00:00Z")));
        let none = hourly.last_due(at("2026-11-21T11:00:00Z"), at("2026-11-21T10:20:00Z"));
        assert_eq!(none, None);
    }

    fn any_recurrence() -> impl Strategy<Value = Recurrence> {
        let zones = prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec());
        let rules = prop_oneof![
            (0..60_u32).prop_map(|minute| Rule::Hourly { minute }),
            (0..24_u32, 0..60_u32).prop_map(|(hour, minute)| Rule::Daily { hour, minute }),
            (0..7_u32, 0..24_u32, 0..60_u32).prop_map(|(day_of_week, hour, minute)| {
                Rule::Weekly {
                    day_of_week,
                    hour,
                    minute,
                }
            }),
            (1..29_u32, 0..24_u32, 0..60_u32).prop_map(|(day_of_month, hour, minute)| {
                Rule::Monthly {
                    day_of_month,
                    hour,
                    minute,
                }
            }),
        ];
        (zones, rules).prop_map(|(zone, rule)| Recurrence { rule, zone })
    }

    proptest! {
        #[test]
        fn due_times_lie_ahead_and_follow_each_other_at_the_rule_s_pace(
            recurrence in any_recurrence(),
            seconds in 1_600_000_000_i64..2_200_000_000,
        ) {
            let start = DateTime::from_timestamp(seconds, 123).unwrap();
            let first = recurrence.next_after(start);
            prop_assert!(first > start);
            let second = recurrence.next_after(first);
            let (least, most) = match recurrence.rule {
                Rule::Hourly { .. } => (TimeDelta::minutes(30), TimeDelta::minutes(91)),
                Rule::Daily { .. } => (TimeDelta::hours(20), TimeDelta::hours(28)),
                Rule::Weekly { .. } => (TimeDelta::hours(164), TimeDelta::hours(172)),
                Rule::Monthly { .. } => (TimeDelta::days(27), TimeDelta::days(32)),
            };
            prop_assert!(second - first >= least, "{first} {second}");
            prop_assert!(second - first <= most, "{first} {second}");
            // Whatever lies between two due times leads to the same one.
            let between = first + (second - first) / 2;
            prop_assert_eq!(recurrence.next_after(between), second);
            prop_assert_eq!(recurrence.last_due(first, between), Some(first));
        }
    }
}
