//! When a workflow should run by itself, out of its trigger nodes. Pure.
//!
//! Read as n8n's Schedule Trigger, Cron and Interval nodes do. Where n8n picks a minute or an hour by chance, or counts
//! from a run that is not known, the time is one from which on it may run, and `loose` says for how long.

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::cron::Cron;

/// Where n8n's clock differs from PostgreSQL's, and how early a timer may be.
const SLACK: TimeDelta = TimeDelta::seconds(60);
/// More missed runs than this are not counted.
const MOST_MISSED: u32 = 1_000;

/// What every so many of it passes between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Minutes,
    Hours,
    Days,
    Weeks,
    Months,
}

/// One rule of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Whenever the expression says, but only every so many units.
    Cron {
        cron: Cron,
        every: Option<(Unit, i64)>,
        loose: TimeDelta,
    },
    /// So long after the run before, or after n8n's start.
    Interval(TimeDelta),
}

/// A time at which a run is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// From when on.
    pub at: DateTime<Utc>,
    /// For how long it may wait there.
    pub loose: TimeDelta,
}

/// The triggers of one workflow that run by time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    rules: Vec<Rule>,
    /// Rules that cannot be read: expressions, or what n8n refuses too.
    pub unreadable: usize,
    /// Whether something else begins runs of it as well.
    pub has_other_triggers: bool,
}

/// Whether a node begins runs that n8n counts: not those by hand.
fn is_trigger(kind: &str) -> bool {
    let name = kind.rsplit('.').next().unwrap_or(kind);
    let is_by_hand = matches!(
        name,
        "manualTrigger" | "manualChatTrigger" | "evaluationTrigger"
    );
    let is_other = matches!(name, "webhook" | "emailReadImap");
    is_other || (name.ends_with("Trigger") && !is_by_hand)
}

impl Schedule {
    /// Reads a workflow's nodes.
    pub fn read(nodes: &Value) -> Self {
        let mut schedule = Self::default();
        for node in nodes.as_array().into_iter().flatten() {
            if node["disabled"] == Value::Bool(true) {
                continue;
            }
            let parameters = &node["parameters"];
            let rules: Vec<Option<Rule>> = match node["type"].as_str().unwrap_or_default() {
                "n8n-nodes-base.scheduleTrigger" => match parameters["rule"]["interval"].as_array()
                {
                    Some(intervals) => intervals.iter().map(schedule_rule).collect(),
                    None => vec![schedule_rule(&Value::Null)],
                },
                "n8n-nodes-base.cron" => {
                    let items = parameters["triggerTimes"]["item"].as_array();
                    items.into_iter().flatten().map(cron_rule).collect()
                }
                "n8n-nodes-base.interval" => vec![interval_rule(parameters)],
                kind => {
                    schedule.has_other_triggers |= is_trigger(kind);
                    continue;
                }
            };
            schedule.unreadable += rules.iter().filter(|rule| rule.is_none()).count();
            schedule.rules.extend(rules.into_iter().flatten());
        }
        schedule
    }

    /// Whether there is nothing to expect.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether it matters which zone's clock counts.
    pub fn needs_zone(&self) -> bool {
        self.rules.iter().any(|rule| match rule {
            Rule::Interval(_) => false,
            Rule::Cron { cron, .. } => !cron.is_hourly(),
        })
    }

    /// The first run that is due after the last one; `zone_is_known` says whether to trust the zone.
    pub fn next(&self, last: DateTime<Utc>, zone: Tz, zone_is_known: bool) -> Option<Due> {
        let dues = self.rules.iter();
        let dues = dues.filter_map(|rule| rule.next(last, zone, zone_is_known));
        dues.min_by_key(|due| due.at + due.loose)
    }

    /// Runs that were due since the last one and did not come: the first, the newest, and how many.
    pub fn missed(
        &self,
        last: DateTime<Utc>,
        now: DateTime<Utc>,
        grace: TimeDelta,
        zone: Tz,
        zone_is_known: bool,
    ) -> Option<(Due, Due, u32)> {
        let first = self.next(last, zone, zone_is_known)?;
        let is_over = |due: &Due| due.at + due.loose + grace <= now;
        if !is_over(&first) {
            return None;
        }
        let (mut newest, mut count) = (first, 1);
        while count < MOST_MISSED {
            match self.next(newest.at, zone, zone_is_known) {
                Some(due) if is_over(&due) && due.at > newest.at => newest = due,
                _ => break,
            }
            count += 1;
        }
        Some((first, newest, count))
    }
}

impl Rule {
    fn next(&self, last: DateTime<Utc>, zone: Tz, zone_is_known: bool) -> Option<Due> {
        match self {
            Self::Interval(length) => Some(Due {
                at: last.checked_add_signed(*length)?,
                // n8n counts anew from its start, which may be just before it was due.
                loose: length.checked_add(&SLACK)?,
            }),
            Self::Cron { cron, every, loose } => {
                // The run before may have begun a moment before its time, by another clock.
                let first = cron.next_after(last, zone)?;
                let period = cron.next_after(first, zone)? - first;
                let mut at = cron.next_after(last + SLACK.min(period / 2), zone)?;
                let mut loose = *loose;
                if !zone_is_known {
                    // By another clock it is due at some other time of the same period.
                    loose += period.min(TimeDelta::hours(26));
                }
                if let Some((unit, count)) = every {
                    let wanted = index(*unit, last, zone) + count;
                    for _ in 0..4_000 {
                        if index(*unit, at, zone) >= wanted {
                            break;
                        }
                        at = cron.next_after(at, zone)?;
                    }
                    // Versions of n8n count differently where the unit does not divide what is above it.
                    loose += slop(*unit, *count);
                }
                Some(Due { at, loose })
            }
        }
    }
}

/// Counts units since long ago, by the zone's calendar.
fn index(unit: Unit, at: DateTime<Utc>, zone: Tz) -> i64 {
    let local = at.with_timezone(&zone).naive_local();
    let days = i64::from(local.date().num_days_from_ce());
    match unit {
        Unit::Minutes => at.timestamp().div_euclid(60),
        Unit::Hours => days * 24 + i64::from(local.hour()),
        Unit::Days => days,
        // Weeks of n8n begin on Sunday; 0001-01-01 was a Monday.
        Unit::Weeks => days.div_euclid(7),
        Unit::Months => i64::from(local.year()) * 12 + i64::from(local.month0()),
    }
}

fn slop(unit: Unit, count: i64) -> TimeDelta {
    match unit {
        Unit::Minutes => TimeDelta::minutes(count),
        Unit::Hours if 24 % count != 0 => TimeDelta::hours(24),
        // n8n counts the days of a year and begins anew in January.
        Unit::Days => TimeDelta::days(count.min(31)),
        Unit::Weeks => TimeDelta::days(7 * count.min(8)),
        Unit::Months if 12 % count != 0 => TimeDelta::days(31),
        Unit::Hours | Unit::Months => TimeDelta::zero(),
    }
}

/// A number as n8n stores it: as a number or as text; `default` when it is absent, `None` for anything else.
fn number(value: &Value, default: i64) -> Option<i64> {
    match value {
        Value::Null => Some(default),
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A field of a cron expression, and whether it was given: if not, n8n takes some value in it.
fn field(value: &Value, default: i64, most: i64) -> Option<(i64, bool)> {
    let is_given = !value.is_null();
    let number = number(value, default)?;
    (0..=most).contains(&number).then_some((number, is_given))
}

fn with(expression: &str, every: Option<(Unit, i64)>, loose: TimeDelta) -> Option<Rule> {
    let cron = Cron::parse(expression)?;
    let every = every.filter(|(_, count)| *count > 1);
    Some(Rule::Cron { cron, every, loose })
}

/// n8n fires at some second of the minute.
const A_MINUTE: TimeDelta = TimeDelta::minutes(1);

fn schedule_rule(interval: &Value) -> Option<Rule> {
    let kind = interval["field"].as_str().unwrap_or("days");
    let count = |name: &str, default: i64, most: i64| {
        let count = number(&interval[name], default)?;
        (1..=most).contains(&count).then_some(count)
    };
    let (minute, has_minute) = field(&interval["triggerAtMinute"], 0, 59)?;
    let (hour, has_hour) = field(&interval["triggerAtHour"], 0, 23)?;
    let of_minute = if has_minute {
        A_MINUTE
    } else {
        TimeDelta::hours(1)
    };
    let of_hour = if has_hour {
        of_minute
    } else {
        TimeDelta::hours(24)
    };
    match kind {
        "cronExpression" => with(interval["expression"].as_str()?, None, TimeDelta::zero()),
        "seconds" => with(
            &format!("*/{} * * * * *", count("secondsInterval", 30, 59)?),
            None,
            SLACK,
        ),
        "minutes" => {
            let every = count("minutesInterval", 5, 59)?;
            if 60 % every == 0 {
                return with(&format!("*/{every} * * * *"), None, A_MINUTE);
            }
            with("* * * * *", Some((Unit::Minutes, every)), A_MINUTE)
        }
        "hours" => {
            let every = count("hoursInterval", 1, 23)?;
            if 24 % every == 0 {
                return with(&format!("{minute} */{every} * * *"), None, of_minute);
            }
            with(
                &format!("{minute} * * * *"),
                Some((Unit::Hours, every)),
                of_minute,
            )
        }
        "days" => {
            let every = count("daysInterval", 1, 366)?;
            with(
                &format!("{minute} {hour} * * *"),
                Some((Unit::Days, every)),
                of_hour,
            )
        }
        "weeks" => {
            let every = count("weeksInterval", 1, 52)?;
            let days: Option<Vec<String>> = match &interval["triggerAtDay"] {
                Value::Null => Some(vec!["0".to_owned()]),
                Value::Array(days) if days.is_empty() => Some(vec!["*".to_owned()]),
                Value::Array(days) => days
                    .iter()
                    .map(|day| Some(number(day, 0)?.to_string()))
                    .collect(),
                _ => None,
            };
            with(
                &format!("{minute} {hour} * * {}", days?.join(",")),
                Some((Unit::Weeks, every)),
                of_hour,
            )
        }
        "months" => {
            let every = count("monthsInterval", 1, 120)?;
            let (day, has_day) = field(&interval["triggerAtDayOfMonth"], 1, 31)?;
            let loose = if has_day {
                of_hour
            } else {
                TimeDelta::days(31)
            };
            with(
                &format!("{minute} {hour} {day} * *"),
                Some((Unit::Months, every)),
                loose,
            )
        }
        _ => None,
    }
}

fn cron_rule(item: &Value) -> Option<Rule> {
    let (minute, _) = field(&item["minute"], 0, 59)?;
    let (hour, _) = field(&item["hour"], 14, 23)?;
    match item["mode"].as_str().unwrap_or("everyDay") {
        "everyMinute" => with("* * * * *", None, A_MINUTE),
        "everyHour" => with(&format!("{minute} * * * *"), None, A_MINUTE),
        "everyDay" => with(&format!("{minute} {hour} * * *"), None, A_MINUTE),
        "everyWeek" => {
            let weekday = number(&item["weekday"], 1)?;
            with(&format!("{minute} {hour} * * {weekday}"), None, A_MINUTE)
        }
        "everyMonth" => {
            let day = number(&item["dayOfMonth"], 1)?;
            with(&format!("{minute} {hour} {day} * *"), None, A_MINUTE)
        }
        "everyX" => {
            let value = number(&item["value"], 2)?;
            match item["unit"].as_str().unwrap_or("hours") {
                "minutes" => with(&format!("*/{value} * * * *"), None, A_MINUTE),
                "hours" => with(&format!("0 */{value} * * *"), None, TimeDelta::hours(1)),
                _ => None,
            }
        }
        "custom" => with(item["cronExpression"].as_str()?, None, TimeDelta::zero()),
        _ => None,
    }
}

fn interval_rule(parameters: &Value) -> Option<Rule> {
    let seconds = match parameters["unit"].as_str().unwrap_or("seconds") {
        "minutes" => 60,
        "hours" => 3_600,
        "seconds" => 1,
        _ => return None,
    };
    let count = number(&parameters["interval"], 1).filter(|count| *count > 0)?;
    Some(Rule::Interval(TimeDelta::try_seconds(
        count.checked_mul(seconds)?,
    )?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const GRACE: TimeDelta = TimeDelta::minutes(5);

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn trigger(interval: Value) -> Schedule {
        Schedule::read(&json!([
            { "type": "n8n-nodes-base.set", "parameters": {} },
            { "type": "n8n-nodes-base.scheduleTrigger", "parameters": { "rule": { "interval": [interval] } } },
        ]))
    }

    #[test]
    fn what_else_begins_runs_is_known_but_for_what_is_switched_off_or_begun_by_hand() {
        let with = |kind: &str, is_off: bool| {
            let nodes = json!([
                { "type": "n8n-nodes-base.scheduleTrigger", "parameters": {} },
                { "type": kind, "disabled": is_off, "parameters": {} },
            ]);
            Schedule::read(&nodes).has_other_triggers
        };
        for kind in [
            "n8n-nodes-base.webhook",
            "n8n-nodes-base.formTrigger",
            "n8n-nodes-base.executeWorkflowTrigger",
            "n8n-nodes-base.errorTrigger",
            "n8n-nodes-base.emailReadImap",
            "@n8n/n8n-nodes-langchain.chatTrigger",
            "n8n-nodes-community.someTrigger",
        ] {
            assert!(with(kind, false), "{kind}");
            assert!(!with(kind, true), "{kind}");
        }
        for kind in [
            "n8n-nodes-base.manualTrigger",
            "n8n-nodes-base.scheduleTrigger",
            "n8n-nodes-base.respondToWebhook",
            "n8n-nodes-base.interval",
            "n8n-nodes-base.set",
        ] {
            assert!(!with(kind, false), "{kind}");
        }
    }

    fn first_missed(schedule: &Schedule, last: &str, now: &str, zone: Tz) -> Option<(String, u32)> {
        let (first, _, count) = schedule.missed(at(last), at(now), GRACE, zone, true)?;
        Some((
            first.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            count,
        ))
    }

    #[test]
    fn a_daily_run_is_missed_after_its_time_and_the_grace_and_counted() {
        let daily = trigger(json!({ "triggerAtHour": 3, "triggerAtMinute": 0 }));
        let berlin = chrono_tz::Europe::Berlin;
        let last = "2026-03-10T02:00:01Z";
        assert_eq!(
            first_missed(&daily, last, "2026-03-11T02:05:59Z", berlin),
            None
        );
        assert_eq!(
            first_missed(&daily, last, "2026-03-11T02:06:00Z", berlin),
            Some(("2026-03-11T02:00:00Z".to_owned(), 1))
        );
        assert_eq!(
            first_missed(&daily, last, "2026-03-13T12:00:00Z", berlin)
                .unwrap()
                .1,
            3
        );
        // The clock of another zone is another time.
        assert_eq!(
            first_missed(&daily, last, "2026-03-11T02:30:00Z", Tz::UTC),
            Some(("2026-03-10T03:00:00Z".to_owned(), 1))
        );
        // One of a guessed zone is only told when no clock can be meant any more.
        assert!(
            daily
                .missed(at(last), at("2026-03-11T12:00:00Z"), GRACE, berlin, false)
                .is_none()
        );
        assert!(
            daily
                .missed(at(last), at("2026-03-12T05:00:00Z"), GRACE, berlin, false)
                .is_some()
        );
    }

    #[test]
    fn f45_on_the_days_when_the_clocks_change_nothing_is_missed_that_ran() {
        let daily = trigger(json!({ "triggerAtHour": 2, "triggerAtMinute": 30 }));
        let berlin = chrono_tz::Europe::Berlin;
        // It ran at the end of the gap in spring, and the first time in autumn.
        for (last, now) in [
            ("2026-03-28T01:30:05Z", "2026-03-29T01:00:00Z"),
            ("2026-03-29T01:00:05Z", "2026-03-30T00:30:00Z"),
            ("2026-10-25T00:30:05Z", "2026-10-26T01:30:00Z"),
        ] {
            assert_eq!(first_missed(&daily, last, now, berlin), None, "{last}");
            let later = (at(now) + TimeDelta::minutes(7)).to_rfc3339();
            assert_eq!(
                first_missed(&daily, last, &later, berlin).unwrap().1,
                1,
                "{last}"
            );
        }
        let hourly = trigger(json!({ "field": "hours", "triggerAtMinute": 0 }));
        assert_eq!(
            first_missed(
                &hourly,
                "2026-03-29T00:00:02Z",
                "2026-03-29T01:05:00Z",
                berlin
            ),
            None
        );
    }

    #[test]
    fn what_n8n_leaves_to_chance_is_not_missed_before_the_hour_or_day_is_over() {
        let hourly = trigger(json!({ "field": "hours" }));
        assert_eq!(
            first_missed(
                &hourly,
                "2026-03-01T10:17:00Z",
                "2026-03-01T11:59:00Z",
                Tz::UTC
            ),
            None
        );
        assert!(
            first_missed(
                &hourly,
                "2026-03-01T10:17:00Z",
                "2026-03-01T12:05:00Z",
                Tz::UTC
            )
            .is_some()
        );
        let daily = trigger(json!({}));
        assert_eq!(
            first_missed(
                &daily,
                "2026-03-01T20:00:00Z",
                "2026-03-02T23:00:00Z",
                Tz::UTC
            ),
            None
        );
        assert!(
            first_missed(
                &daily,
                "2026-03-01T20:00:00Z",
                "2026-03-03T00:05:00Z",
                Tz::UTC
            )
            .is_some()
        );
    }

    #[test]
    fn every_kind_of_interval_is_expected_when_n8n_runs_it() {
        for (interval, last, expected) in [
            (
                json!({ "field": "seconds", "secondsInterval": 20 }),
                "2026-03-01T10:00:00Z",
                "2026-03-01T10:00:20Z",
            ),
            (
                json!({ "field": "minutes", "minutesInterval": 10 }),
                "2026-03-01T10:00:07Z",
                "2026-03-01T10:10:00Z",
            ),
            (
                json!({ "field": "minutes", "minutesInterval": 45 }),
                "2026-03-01T10:00:07Z",
                "2026-03-01T10:45:00Z",
            ),
            (
                json!({ "field": "hours", "hoursInterval": 6, "triggerAtMinute": 5 }),
                "2026-03-01T06:05:00Z",
                "2026-03-01T12:05:00Z",
            ),
            (
                json!({ "field": "days", "daysInterval": 3, "triggerAtHour": 4, "triggerAtMinute": 0 }),
                "2026-03-01T04:00:00Z",
                "2026-03-04T04:00:00Z",
            ),
            (
                json!({ "field": "weeks", "triggerAtDay": [1, 5], "triggerAtHour": 4, "triggerAtMinute": 0 }),
                "2026-03-02T04:00:00Z",
                "2026-03-06T04:00:00Z",
            ),
            (
                json!({ "field": "weeks", "weeksInterval": 2, "triggerAtDay": [1], "triggerAtHour": 4, "triggerAtMinute": 0 }),
                "2026-03-02T04:00:00Z",
                "2026-03-16T04:00:00Z",
            ),
            (
                json!({ "field": "months", "monthsInterval": 3, "triggerAtDayOfMonth": 1, "triggerAtHour": 0, "triggerAtMinute": 0 }),
                "2026-03-01T00:00:00Z",
                "2026-06-01T00:00:00Z",
            ),
            (
                json!({ "field": "cronExpression", "expression": "0 6 * * 1" }),
                "2026-03-02T06:00:00Z",
                "2026-03-09T06:00:00Z",
            ),
        ] {
            let due = trigger(interval.clone())
                .next(at(last), Tz::UTC, true)
                .unwrap();
            assert_eq!(due.at, at(expected), "{interval}");
        }
    }

    #[test]
    fn old_triggers_and_several_in_one_workflow_are_read_and_what_cannot_be_is_counted() {
        let nodes = json!([
            { "type": "n8n-nodes-base.cron", "parameters": { "triggerTimes": { "item": [
                { "mode": "everyDay", "hour": 8, "minute": 0 }, { "mode": "custom", "cronExpression": "bad" } ] } } },
            { "type": "n8n-nodes-base.interval", "parameters": { "interval": 2, "unit": "hours" } },
            { "type": "n8n-nodes-base.scheduleTrigger", "disabled": true, "parameters": { "rule": { "interval": [{ "field": "seconds" }] } } },
            { "type": "n8n-nodes-base.scheduleTrigger", "parameters": { "rule": { "interval": [{ "field": "hours", "hoursInterval": "={{ 1 }}" }] } } },
        ]);
        let schedule = Schedule::read(&nodes);
        assert_eq!((schedule.rules.len(), schedule.unreadable), (2, 2));
        let due = schedule
            .next(at("2026-03-01T07:00:00Z"), Tz::UTC, true)
            .unwrap();
        assert_eq!(due.at, at("2026-03-01T08:00:00Z"), "the first of both");
        let due = schedule
            .next(at("2026-03-01T08:00:00Z"), Tz::UTC, true)
            .unwrap();
        assert_eq!(due.at, at("2026-03-01T10:00:00Z"));
        assert!(Schedule::read(&json!({ "no": "nodes" })).is_empty());
    }

    #[test]
    fn an_interval_that_n8n_began_anew_at_its_start_is_not_missed_and_one_that_stopped_is() {
        let every_two_hours = Schedule::read(&json!([
            { "type": "n8n-nodes-base.interval", "parameters": { "interval": 2, "unit": "hours" } },
        ]));
        let missed = |now: &str| {
            let last = "2026-03-01T08:00:00Z";
            first_missed(&every_two_hours, last, now, Tz::UTC)
        };
        // n8n was started at 09:55, so it runs at 11:55.
        assert_eq!(missed("2026-03-01T12:00:00Z"), None);
        assert_eq!(
            missed("2026-03-01T12:06:00Z"),
            Some(("2026-03-01T10:00:00Z".to_owned(), 1))
        );
    }

    fn any_interval() -> impl Strategy<Value = Value> {
        prop_oneof![
            (1..60_i64).prop_map(|count| json!({ "field": "minutes", "minutesInterval": count })),
            (1..24_i64, 0..60).prop_map(|(count, minute)| json!({ "field": "hours", "hoursInterval": count, "triggerAtMinute": minute })),
            (1..31_i64, 0..24, 0..60).prop_map(|(count, hour, minute)| json!({ "field": "days", "daysInterval": count, "triggerAtHour": hour, "triggerAtMinute": minute })),
            (0..7, 0..24).prop_map(|(day, hour)| json!({ "field": "weeks", "triggerAtDay": [day], "triggerAtHour": hour, "triggerAtMinute": 0 })),
        ]
    }

    proptest! {
        #[test]
        fn a_workflow_that_runs_whenever_it_is_due_never_misses(
            interval in any_interval(), seconds in 1_600_000_000_i64..2_200_000_000, late in 0_i64..50,
            zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        ) {
            let schedule = trigger(interval);
            let mut last = DateTime::from_timestamp(seconds, 0).unwrap();
            for _ in 0..20 {
                let due = schedule.next(last, zone, true).unwrap();
                prop_assert!(due.at > last);
                let ran = due.at + TimeDelta::seconds(late);
                prop_assert!(schedule.missed(last, ran, GRACE, zone, true).is_none());
                last = ran;
            }
        }

        #[test]
        fn one_that_stops_is_always_told(
            interval in any_interval(), seconds in 1_600_000_000_i64..2_200_000_000,
        ) {
            let schedule = trigger(interval);
            let last = DateTime::from_timestamp(seconds, 0).unwrap();
            let missed = schedule.missed(last, last + TimeDelta::days(70), GRACE, Tz::UTC, true);
            prop_assert!(missed.is_some_and(|(first, newest, count)| first.at <= newest.at && count >= 1));
        }
    }
}
