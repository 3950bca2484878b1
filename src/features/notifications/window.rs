//! Times of day: when a rule speaks, and when it holds its tongue. Pure.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A span of the day, on some days of the week. One that ends before it begins goes over midnight and belongs to
/// the day on which it begins; one that ends when it begins is the whole day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM`, no longer in it.
    pub to: String,
    /// A time zone of the tz database, as in `Europe/Berlin`.
    #[serde(default = "utc")]
    pub timezone: String,
    /// Days of the week, 0 is Monday; all if empty.
    #[serde(default)]
    pub days: Vec<u8>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A checked [`TimeRange`].
#[derive(Clone, Debug)]
pub struct Window {
    from: NaiveTime,
    to: NaiveTime,
    zone: Tz,
    days: u8,
}

impl TryFrom<&TimeRange> for Window {
    type Error = (&'static str, String);

    fn try_from(range: &TimeRange) -> Result<Self, Self::Error> {
        let time = |field, text: &str| {
            NaiveTime::parse_from_str(text, "%H:%M")
                .map_err(|_| (field, "must be a time of day as in 22:00".to_owned()))
        };
        let zone = Tz::from_str(&range.timezone).map_err(|_| {
            let why = "must be a time zone of the tz database, as in Europe/Berlin";
            ("timezone", why.to_owned())
        })?;
        if range.days.iter().any(|day| *day > 6) {
            return Err((
                "days",
                "are numbers from 0 (Monday) to 6 (Sunday)".to_owned(),
            ));
        }
        let days = range.days.iter().fold(0, |all, day| all | 1 << day);
        Ok(Self {
            from: time("from", &range.from)?,
            to: time("to", &range.to)?,
            zone,
            days: if days == 0 { 0x7f } else { days },
        })
    }
}

impl Window {
    /// Whether a moment is in it.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        let local = at.with_timezone(&self.zone);
        let time = local.time();
        let today = local.weekday().num_days_from_monday();
        let is_on = |day: u32| self.days & (1 << day) != 0;
        if self.from == self.to {
            return is_on(today);
        }
        if self.from < self.to {
            return is_on(today) && time >= self.from && time < self.to;
        }
        (time >= self.from && is_on(today)) || (time < self.to && is_on((today + 6) % 7))
    }

    /// The first moment after `at` that is no longer in it; `None` when it has no end. To the minute.
    pub fn end_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = at.with_timezone(&self.zone);
        // The ends of the coming days, in order; a time that a change of clocks leaves out is taken as the next
        // full hour.
        let ends = (0..=8).filter_map(|ahead| {
            let day = local.date_naive().checked_add_days(Days::new(ahead))?;
            let time = if self.from == self.to {
                NaiveTime::MIN
            } else {
                self.to
            };
            let naive = day.and_time(time);
            let there = |naive| self.zone.from_local_datetime(&naive).latest();
            there(naive).or_else(|| there(naive + chrono::TimeDelta::hours(1)))
        });
        ends.map(|end| end.with_timezone(&Utc))
            .find(|end| *end > at && !self.contains(*end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(from: &str, to: &str, timezone: &str, days: &[u8]) -> Window {
        let range = TimeRange {
            from: from.to_owned(),
            to: to.to_owned(),
            timezone: timezone.to_owned(),
            days: days.to_vec(),
        };
        Window::try_from(&range).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let friday_night = window("22:00", "07:00", "Europe/Berlin", &[4]);
        assert!(
            friday_night.contains(at("2026-03-06T22:30:00Z")),
            "Friday 23:30"
        );
        assert!(
            friday_night.contains(at("2026-03-07T05:59:00Z")),
            "Saturday 06:59"
        );
        assert!(
            !friday_night.contains(at("2026-03-07T06:00:00Z")),
            "Saturday 07:00"
        );
        assert!(
            !friday_night.contains(at("2026-03-06T05:00:00Z")),
            "Friday 06:00"
        );
        let end = friday_night.end_after(at("2026-03-06T22:30:00Z"));
        assert_eq!(end, Some(at("2026-03-07T06:00:00Z")));
    }

    #[test]
    fn f45_an_end_that_a_change_of_clocks_leaves_out_comes_an_hour_later() {
        let night = window("22:00", "02:30", "Europe/Berlin", &[]);
        let end = night.end_after(at("2026-03-29T00:30:00Z"));
        assert_eq!(
            end,
            Some(at("2026-03-29T01:30:00Z")),
            "03:30, for 02:30 is not there"
        );
    }

    #[test]
    fn every_hour_of_every_day_has_no_end() {
        assert_eq!(
            window("00:00", "00:00", "UTC", &[]).end_after(at("2026-03-06T22:30:00Z")),
            None
        );
        let weekend = window("00:00", "00:00", "UTC", &[5, 6]);
        assert_eq!(
            weekend.end_after(at("2026-03-07T22:30:00Z")),
            Some(at("2026-03-09T00:00:00Z"))
        );
    }

    proptest! {
        #[test]
        fn an_end_is_later_and_outside(from in 0u32..1440, to in 0u32..1440, days in prop::collection::vec(0u8..7, 0..5), minute in 0i64..1_000_000) {
            let text = |m: u32| format!("{:02}:{:02}", m / 60, m % 60);
            let window = window(&text(from), &text(to), "America/New_York", &days);
            let now = at("2026-01-01T00:00:00Z") + chrono::TimeDelta::minutes(minute);
            if window.contains(now) && let Some(end) = window.end_after(now) {
                prop_assert!(end > now && !window.contains(end));
            }
        }
    }
}
