//! Cron expressions as n8n's scheduler reads them: five or six fields (seconds first), names, steps, lists, presets. Pure.

use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;

/// No expression that can be fulfilled waits longer than from one 29 February to the next over a turn of a
/// century.
const FURTHEST_DAYS: u64 = 366 * 9;

/// A set of small numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set(u64);

impl Set {
    fn has(self, number: u32) -> bool {
        self.0 >> number & 1 == 1
    }

    fn numbers(self) -> impl Iterator<Item = u32> {
        (0..60).filter(move |number| self.has(*number))
    }
}

/// An expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    seconds: Set,
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
    is_every_day: bool,
    is_every_weekday: bool,
}

const PRESETS: [(&str, &str); 9] = [
    ("@yearly", "0 0 0 1 1 *"),
    ("@monthly", "0 0 0 1 * *"),
    ("@weekly", "0 0 0 * * 0"),
    ("@daily", "0 0 0 * * *"),
    ("@hourly", "0 0 * * * *"),
    ("@minutely", "0 * * * * *"),
    ("@secondly", "* * * * * *"),
    ("@weekdays", "0 0 0 * * 1-5"),
    ("@weekends", "0 0 0 * * 0,6"),
];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    /// Reads an expression. `None` when n8n would not take it either.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let preset = PRESETS.iter().find(|(name, _)| *name == text);
        let text = preset.map_or(text.as_str(), |(_, expression)| expression);
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() == 5 {
            fields.insert(0, "0");
        }
        let [seconds, minutes, hours, days, months, weekdays] = fields.try_into().ok()?;
        let mut weekday_set = set(weekdays, 0, 7, &WEEKDAYS, 0)?;
        if weekday_set.has(7) {
            weekday_set = Set(weekday_set.0 | 1);
        }
        Some(Self {
            seconds: set(seconds, 0, 59, &[], 0)?,
            minutes: set(minutes, 0, 59, &[], 0)?,
            hours: set(hours, 0, 23, &[], 0)?,
            days: set(days, 1, 31, &[], 0)?,
            months: set(months, 1, 12, &MONTHS, 1)?,
            weekdays: weekday_set,
            is_every_day: (1..=31)
                .all(|day| set(days, 1, 31, &[], 0).is_some_and(|set| set.has(day))),
            is_every_weekday: (0..7).all(|day| weekday_set.has(day)),
        })
    }

    /// Whether every hour is like any other.
    pub fn is_hourly(&self) -> bool {
        let every_month = (1..=12).all(|month| self.months.has(month));
        let every_hour = (0..24).all(|hour| self.hours.has(hour));
        self.is_every_day && self.is_every_weekday && every_month && every_hour
    }

    fn fits(&self, day: chrono::NaiveDate) -> bool {
        if !self.months.has(day.month()) {
            return false;
        }
        let by_day = self.days.has(day.day());
        let by_weekday = self.weekdays.has(day.weekday().num_days_from_sunday());
        // Where both are restricted either is enough, as everywhere since Vixie's cron.
        match (self.is_every_day, self.is_every_weekday) {
            (true, true) => true,
            (false, true) => by_day,
            (true, false) => by_weekday,
            (false, false) => by_day || by_weekday,
        }
    }

    /// The first moment after another at which it is due. A time that the clocks skip is due at the end of
    /// the gap, one that they repeat the first time.
    pub fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&zone).naive_local();
        // A gap can push what was due before into now.
        let from = local.checked_sub_signed(TimeDelta::hours(3))?;
        let mut day = from.date();
        for _ in 0..FURTHEST_DAYS {
            if self.fits(day) {
                let least = if day == from.date() { from.hour() } else { 0 };
                for hour in self.hours.numbers().filter(|hour| *hour >= least) {
                    let end = day.and_hms_opt(hour, 59, 59)?;
                    if instant(zone, end) <= after {
                        continue;
                    }
                    for minute in self.minutes.numbers() {
                        for second in self.seconds.numbers() {
                            let due = instant(zone, day.and_hms_opt(hour, minute, second)?);
                            if due > after {
                                return Some(due);
                            }
                        }
                    }
                }
            }
            day = day.checked_add_days(Days::new(1))?;
        }
        None
    }
}

/// The moment at which a zone's clocks show a time: the first of two, and the end of the gap if none.
fn instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let mut local = local;
    for _ in 0..=24 * 60 {
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) => return at.with_timezone(&Utc),
            LocalResult::Ambiguous(first, _) => return first.with_timezone(&Utc),
            // The next minute, from its beginning.
            LocalResult::None => local = local + TimeDelta::seconds(60 - i64::from(local.second())),
        }
    }
    Utc.from_utc_datetime(&local)
}

fn set(text: &str, least: u32, most: u32, names: &[&str], first_name: u32) -> Option<Set> {
    let number = |word: &str| {
        let named = names.iter().position(|name| *name == word);
        let named = named.and_then(|index| u32::try_from(index).ok());
        let found = named.map(|index| index + first_name);
        let found = found.or_else(|| word.parse().ok())?;
        (least..=most).contains(&found).then_some(found)
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (
                range,
                Some(step.parse::<u32>().ok().filter(|step| *step > 0)?),
            ),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (least, if most == 7 { 6 } else { most }),
            Some((from, to)) => (number(from)?, number(to)?),
            // A single number with a step goes on to the end.
            None if step.is_some() => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        for number in (from..=to).step_by(step) {
            bits |= 1_u64 << number;
        }
    }
    Some(Set(bits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn dues(expression: &str, zone: Tz, from: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(expression).unwrap();
        let mut now = at(from);
        let mut found = Vec::new();
        for _ in 0..count {
            now = cron.next_after(now, zone).unwrap();
            found.push(now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        }
        found
    }

    #[test]
    fn what_n8n_takes_is_read_and_what_it_refuses_is_refused() {
        for (expression, expected) in [
            (
                "*/15 * * * *",
                ["2026-03-01T00:15:00Z", "2026-03-01T00:30:00Z"],
            ),
            (
                "30 5 3 * * *",
                ["2026-03-01T03:05:30Z", "2026-03-02T03:05:30Z"],
            ),
            (
                "0 9 * * mon-fri",
                ["2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z"],
            ),
            (
                "0 0 29 feb *",
                ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
            ),
            (
                "0 0 13 * 5",
                ["2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"],
            ),
            ("@weekly", ["2026-03-08T00:00:00Z", "2026-03-15T00:00:00Z"]),
            (
                "5/20 1,2 * * 7",
                ["2026-03-01T01:05:00Z", "2026-03-01T01:25:00Z"],
            ),
        ] {
            assert_eq!(
                dues(expression, Tz::UTC, "2026-03-01T00:00:00Z", 2),
                expected,
                "{expression}"
            );
        }
        for expression in [
            "",
            "* * * *",
            "61 * * * *",
            "* * * * * * *",
            "a b c d e",
            "5-1 * * * *",
            "*/0 * * * *",
            "={{ $json.cron }}",
        ] {
            assert_eq!(Cron::parse(expression), None, "{expression}");
        }
        assert_eq!(
            Cron::parse("0 0 31 2 *")
                .unwrap()
                .next_after(at("2026-01-01T00:00:00Z"), Tz::UTC),
            None
        );
    }

    #[test]
    fn f45_a_skipped_time_is_due_after_the_gap_and_a_repeated_one_once() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            dues("30 2 * * *", berlin, "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            dues("30 2 * * *", berlin, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    proptest! {
        #[test]
        fn the_next_time_is_ahead_fits_and_leaves_none_out(
            minute in 0_u32..60, hour in 0_u32..24, seconds in 1_600_000_000_i64..2_200_000_000,
            zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        ) {
            let cron = Cron::parse(&format!("{minute} {hour} * * *")).unwrap();
            let start = DateTime::from_timestamp(seconds, 7).unwrap();
            let due = cron.next_after(start, zone).unwrap();
            prop_assert!(due > start);
            prop_assert!(due - start <= TimeDelta::hours(50), "{due}");
            // Whatever lies between leads to the same one.
            prop_assert_eq!(cron.next_after(start + (due - start) / 2, zone), Some(due));
            let next = cron.next_after(due, zone).unwrap();
            prop_assert!(next - due >= TimeDelta::hours(20) && next - due <= TimeDelta::hours(50), "{due} {next}");
        }

        #[test]
        fn no_expression_breaks_it(text in "[0-9*/,\\-a-z? ]{0,30}") {
            if let Some(cron) = Cron::parse(&text) {
                let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
                if let Some(due) = cron.next_after(start, Tz::UTC) {
                    prop_assert!(due > start);
                }
            }
        }
    }
}
