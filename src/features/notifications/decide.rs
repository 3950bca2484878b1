//! What becomes of an event that a rule is for. Pure: the past comes in, a decision comes out.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::rule::Rule;
use crate::platform::events::{Event, Severity};

/// How long a storm is gathered.
const STORM: TimeDelta = TimeDelta::minutes(1);

/// Why events are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gathering {
    /// The rule wants similar events in one message.
    Window,
    /// It is quiet now.
    Quiet,
    /// There are too many.
    Storm,
}

impl Gathering {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Quiet => "quiet",
            Self::Storm => "storm",
        }
    }
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is told at once.
    Tell,
    /// It is told later, with others.
    Gather {
        kind: Gathering,
        /// What is the same for those that come together.
        key: String,
        due_at: DateTime<Utc>,
    },
    /// It is not told.
    Skip { code: &'static str, why: String },
}

/// When a rule last told of a subject, and how bad it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastTold {
    pub at: DateTime<Utc>,
    pub severity: Severity,
}

/// What rules did lately.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// When a rule last told of a subject.
    pub told: HashMap<(i32, String), LastTold>,
    /// How many messages a rule sent within the last minute.
    pub sent: HashMap<i32, u32>,
}

/// Decides, and notes it in the past.
pub fn decide(
    rule: &Rule,
    event: &Event,
    is_service_on: bool,
    now: DateTime<Utc>,
    past: &mut Past,
) -> Decision {
    let skip = |code, why: String| Decision::Skip { code, why };
    if !is_service_on {
        return skip("service_disabled", "its service is switched off".to_owned());
    }
    if !rule.is_time(event) {
        return skip("out_of_hours", "the rule is silent at that time".to_owned());
    }
    if let Some(last) = cools_down(rule, event, past) {
        let at = last.at.format("%Y-%m-%d %H:%M UTC");
        return skip("cooldown", format!("the same was there at {at} already"));
    }
    if let Some(due_at) = rule.quiet_until(event.severity, now) {
        return Decision::Gather {
            kind: Gathering::Quiet,
            key: String::new(),
            due_at,
        };
    }
    if let Some(batch) = &rule.text.conditions.batch {
        return Decision::Gather {
            kind: Gathering::Window,
            key: batch.by.key(event),
            due_at: now + TimeDelta::seconds(i64::from(batch.window_seconds)),
        };
    }
    let sent = past.sent.entry(rule.text.id).or_default();
    if rule.most_per_minute().is_some_and(|most| *sent >= most) {
        return Decision::Gather {
            kind: Gathering::Storm,
            key: String::new(),
            due_at: now + STORM,
        };
    }
    *sent += 1;
    Decision::Tell
}

/// What an event repeats within the rule's cooldown; else it is noted. Something worse of the same is no
/// repetition. Events come a little out of order, so that the cooldown counts to both sides.
fn cools_down(rule: &Rule, event: &Event, past: &mut Past) -> Option<LastTold> {
    let cooldown = TimeDelta::minutes(i64::from(rule.text.cooldown_minutes));
    if cooldown <= TimeDelta::zero() {
        return None;
    }
    let key = (rule.text.id, rule.cooldown_key(event));
    let own = LastTold {
        at: event.occurred_at,
        severity: event.severity,
    };
    let Some(last) = past.told.get_mut(&key) else {
        past.told.insert(key, own);
        return None;
    };
    let is_within = (own.at - last.at).abs() < cooldown;
    if is_within && own.severity <= last.severity {
        return Some(*last);
    }
    *last = LastTold {
        at: own.at.max(last.at),
        // One that came late says nothing of how bad it is now.
        severity: if is_within || own.at >= last.at {
            own.severity
        } else {
            last.severity
        },
    };
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::features::notifications::rule::{RuleText, searched};
    use crate::platform::events::Severity;

    fn rule(event_type: &str, cooldown_minutes: i32, conditions: &Value) -> Rule {
        Rule::new(RuleText {
            id: 1,
            name: "r".to_owned(),
            is_enabled: true,
            event_type: event_type.to_owned(),
            event_pattern: None,
            service_id: 1,
            priority: "normal".to_owned(),
            conditions: serde_json::from_value(conditions.clone()).unwrap(),
            custom_title: None,
            custom_message: None,
            include_details: true,
            cooldown_minutes,
        })
        .unwrap()
    }

    fn event(event_type: &str, severity: Severity, at: &str, data: Value) -> Event {
        Event {
            event_id: Uuid::nil(),
            event_type: event_type.to_owned(),
            severity,
            occurred_at: at.parse().unwrap(),
            data,
        }
    }

    #[test]
    fn a_rule_is_for_a_type_a_group_or_all_and_for_what_its_conditions_say() {
        let failed = |data| {
            event(
                "backup.failed",
                Severity::Error,
                "2026-03-01T12:00:00Z",
                data,
            )
        };
        let matches = |rule: &Rule, event: &Event| rule.matches(event, &searched(event));
        let data = json!({ "disk": { "percent": 91 }, "code": "disk_full", "tables": ["a", "b"] });
        for (event_type, is_for) in [
            ("*", true),
            ("backup.*", true),
            ("backup.failed", true),
            ("system.*", false),
        ] {
            assert_eq!(
                matches(&rule(event_type, 0, &json!({})), &failed(json!({}))),
                is_for,
                "{event_type}"
            );
        }
        for (conditions, holds) in [
            (json!({ "severity_threshold": "error" }), true),
            (json!({ "severity_threshold": "critical" }), false),
            (
                json!({ "data": [{ "field": "disk.percent", "op": "gte", "value": "90" }] }),
                true,
            ),
            (
                json!({ "data": [{ "field": "disk.percent", "op": "lt", "value": 90 }] }),
                false,
            ),
            (
                json!({ "data": [{ "field": "code", "op": "eq", "value": "disk_full" }, { "field": "x", "op": "missing" }] }),
                true,
            ),
            (
                json!({ "data": [{ "field": "code", "op": "contains", "value": "DISK" }] }),
                true,
            ),
            (
                json!({ "data": [{ "field": "tables", "op": "contains", "value": "b" }] }),
                true,
            ),
            (
                json!({ "data": [{ "field": "tables.1", "op": "ne", "value": "b" }] }),
                false,
            ),
            (
                json!({ "data": [{ "field": "code", "op": "gt", "value": 1 }] }),
                false,
            ),
        ] {
            assert_eq!(
                matches(&rule("*", 0, &conditions), &failed(data.clone())),
                holds,
                "{conditions}"
            );
        }
    }

    #[test]
    fn quiet_hours_gather_until_they_end_and_let_through_what_is_urgent() {
        let conditions = json!({
            "quiet_hours": { "from": "22:00", "to": "07:00", "timezone": "UTC" }, "quiet_except": "critical",
        });
        let rule = rule("*", 0, &conditions);
        let now = "2026-03-01T23:00:00Z".parse().unwrap();
        let mut past = Past::default();
        let error = event(
            "backup.failed",
            Severity::Error,
            "2026-03-01T23:00:00Z",
            json!({}),
        );
        let Decision::Gather { kind, due_at, .. } = decide(&rule, &error, true, now, &mut past)
        else {
            panic!("it is quiet");
        };
        assert_eq!(
            (kind, due_at.to_rfc3339()),
            (Gathering::Quiet, "2026-03-02T07:00:00+00:00".to_owned())
        );
        let urgent = event(
            "verification.failed",
            Severity::Critical,
            "2026-03-01T23:00:00Z",
            json!({}),
        );
        assert_eq!(decide(&rule, &urgent, true, now, &mut past), Decision::Tell);
    }

    #[test]
    fn a_cooldown_is_that_of_the_thing_not_of_its_neighbour() {
        let rule = rule("container.*", 60, &json!({}));
        let mut past = Past::default();
        let mut told = |container: &str, at: &str| {
            let event = event(
                "container.unhealthy",
                Severity::Error,
                at,
                json!({ "container": container }),
            );
            decide(&rule, &event, true, event.occurred_at, &mut past) == Decision::Tell
        };
        assert!(told("a", "2026-03-01T12:00:00Z"));
        assert!(!told("a", "2026-03-01T12:59:59Z"));
        assert!(told("b", "2026-03-01T12:59:59Z"));
        assert!(told("a", "2026-03-01T13:00:00Z"));
    }

    #[test]
    fn something_worse_of_the_same_is_told_within_the_cooldown_and_what_comes_late_is_not() {
        let rule = rule("verification.failed", 60, &json!({}));
        let mut past = Past::default();
        let mut told = |severity, at: &str| {
            let event = event(
                "verification.failed",
                severity,
                at,
                json!({ "backup_id": 7 }),
            );
            decide(&rule, &event, true, event.occurred_at, &mut past) == Decision::Tell
        };
        assert!(told(Severity::Warning, "2026-03-01T12:00:00Z"));
        assert!(told(Severity::Critical, "2026-03-01T12:01:00Z"));
        assert!(!told(Severity::Critical, "2026-03-01T12:02:00Z"));
        assert!(!told(Severity::Warning, "2026-03-01T12:03:00Z"));
        // One that was written later than it happened neither is told again nor sets the mark back.
        assert!(!told(Severity::Critical, "2026-03-01T11:59:30Z"));
        assert!(!told(Severity::Critical, "2026-03-01T13:00:30Z"));
        assert!(told(Severity::Warning, "2026-03-01T13:01:00Z"));
    }

    proptest! {
        #[test]
        fn f59_no_storm_sends_more_than_the_limit_and_none_is_lost(most in 1u32..50, count in 0usize..500) {
            let rule = rule("*", 0, &json!({ "max_per_minute": most }));
            let mut past = Past::default();
            let event = event("backup.failed", Severity::Error, "2026-03-01T12:00:00Z", json!({}));
            let now = event.occurred_at;
            let decisions: Vec<_> = (0..count).map(|_| decide(&rule, &event, true, now, &mut past)).collect();
            let told = decisions.iter().filter(|one| **one == Decision::Tell).count();
            let gathered = decisions.iter().filter(|one| matches!(one, Decision::Gather { kind: Gathering::Storm, .. })).count();
            prop_assert_eq!(told, count.min(most as usize));
            prop_assert_eq!(told + gathered, count);
        }

        #[test]
        fn a_cooldown_never_tells_twice_within_it(minutes in 1i32..600, steps in prop::collection::vec(0i64..10_000, 1..100)) {
            let rule = rule("*", minutes, &json!({ "max_per_minute": 0 }));
            let mut past = Past::default();
            let mut now: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
            let mut last: Option<DateTime<Utc>> = None;
            for step in steps {
                now += TimeDelta::seconds(step);
                let mut event = event("backup.failed", Severity::Error, "2026-03-01T12:00:00Z", json!({}));
                event.occurred_at = now;
                if decide(&rule, &event, true, now, &mut past) == Decision::Tell {
                    prop_assert!(last.is_none_or(|last| now - last >= TimeDelta::minutes(i64::from(minutes))));
                    last = Some(now);
                } else {
                    prop_assert!(last.is_some_and(|last| now - last < TimeDelta::minutes(i64::from(minutes))));
                }
            }
        }
    }
}
