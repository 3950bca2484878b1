//! What a rule says, checked once and then asked for every event. Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::catalogue;
use super::channels::message::Priority;
pub use super::condition::DataCondition;
use super::render;
use super::window::{TimeRange, Window};
use crate::platform::events::{Event, Severity};

/// Bytes a compiled pattern may take; the time of a match is linear whatever it says.
const PATTERN_BYTES: usize = 256 * 1024;
const MOST_PATTERN_CHARS: usize = 255;
const MOST_DATA_CONDITIONS: usize = 20;
/// Characters of an event's data that patterns look at.
const MOST_SEARCHED: usize = 16 * 1024;
/// Messages of one rule in a minute, beyond which they are gathered.
const DEFAULT_PER_MINUTE: u32 = 10;

/// What must hold beyond the type of the event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// The least severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity_threshold: Option<Severity>,
    /// Only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_range: Option<TimeRange>,
    /// Then nothing is told; when they end, all of it in one message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<TimeRange>,
    /// What is at least this severe is told in quiet hours too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_except: Option<Severity>,
    /// What the event's data must be; all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataCondition>,
    /// What the cooldown counts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_for: Option<CooldownFor>,
    /// Gather similar events into one message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Messages in a minute, beyond which the rest of the minute comes as one; 0 for no limit, 10 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_minute: Option<u32>,
    /// Who is told next when nobody acknowledges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalation: Vec<EscalationStep>,
}

/// What a cooldown counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CooldownFor {
    /// Each thing by itself: another container is told at once.
    Subject,
    /// Each type of event.
    EventType,
    /// The whole rule.
    Rule,
}

/// Gathers similar events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Seconds from the first of them to the message, 10 to 86,400.
    pub window_seconds: u32,
    /// What makes them similar.
    #[serde(default = "by_type")]
    pub by: CooldownFor,
}

fn by_type() -> CooldownFor {
    CooldownFor::EventType
}

/// Who is told next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationStep {
    /// Minutes after the step before, 1 to 1,440.
    pub after_minutes: u32,
    /// Which service is told.
    pub service_id: i32,
}

/// A rule as it is written.
#[derive(Clone, Debug)]
pub struct RuleText {
    /// Its number; 0 before it has one.
    pub id: i32,
    /// For people.
    pub name: String,
    /// Whether it is asked at all.
    pub is_enabled: bool,
    /// A type of event, a group as in `backup.*`, or `*`.
    pub event_type: String,
    /// A regular expression on what [`searched`] gives.
    pub event_pattern: Option<String>,
    /// Who is told.
    pub service_id: i32,
    /// `low`, `normal`, `high` or `critical`.
    pub priority: String,
    /// What must hold beyond the type.
    pub conditions: Conditions,
    /// A template in place of the usual title.
    pub custom_title: Option<String>,
    /// A template in place of the usual text.
    pub custom_message: Option<String>,
    /// Whether the event's data goes along.
    pub include_details: bool,
    /// Minutes for which the same is not told again; 0 for none.
    pub cooldown_minutes: i32,
}

/// A rule that can be asked.
#[derive(Debug)]
pub struct Rule {
    /// What it says.
    pub text: RuleText,
    types: Types,
    pattern: Option<Regex>,
    time_range: Option<Window>,
    quiet_hours: Option<Window>,
}

#[derive(Debug)]
enum Types {
    All,
    Group(String),
    One(String),
}

/// A rule that cannot be: the field at fault and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRule {
    /// The field at fault.
    pub field: String,
    /// What would be right.
    pub why: String,
}

fn bad(field: impl Into<String>, why: impl Into<String>) -> BadRule {
    BadRule {
        field: field.into(),
        why: why.into(),
    }
}

/// The priorities by their names.
pub const PRIORITIES: [(&str, Priority); 4] = [
    ("low", Priority::Low),
    ("normal", Priority::Normal),
    ("high", Priority::High),
    ("critical", Priority::Critical),
];

/// A priority by its name.
pub fn priority(name: &str) -> Option<Priority> {
    PRIORITIES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, one)| *one)
}

impl Rule {
    /// Checks a rule.
    pub fn new(text: RuleText) -> Result<Self, BadRule> {
        let rule = Self::kept(text)?;
        for (field, template) in [
            ("custom_title", &rule.text.custom_title),
            ("custom_message", &rule.text.custom_message),
        ] {
            if let Some(template) = template.as_deref() {
                render::check(template).map_err(|why| bad(field, why))?;
            }
        }
        Ok(rule)
    }

    /// A rule as it was kept: its words may no longer be fine, for the usual ones take their place when a message is made.
    pub fn kept(text: RuleText) -> Result<Self, BadRule> {
        let types = types(&text.event_type)?;
        let pattern = text
            .event_pattern
            .as_deref()
            .filter(|pattern| !pattern.is_empty());
        let pattern = pattern.map(compile).transpose()?;
        if priority(&text.priority).is_none() {
            return Err(bad("priority", "must be low, normal, high or critical"));
        }
        if !(0..=43_200).contains(&text.cooldown_minutes) {
            return Err(bad(
                "cooldown_minutes",
                "must be between 0 and 43200, which are 30 days",
            ));
        }
        let conditions = &text.conditions;
        let window = |field: &str, range: &Option<TimeRange>| {
            let window = range.as_ref().map(Window::try_from).transpose();
            window.map_err(|(part, why)| bad(format!("conditions.{field}.{part}"), why))
        };
        let time_range = window("time_range", &conditions.time_range)?;
        let quiet_hours = window("quiet_hours", &conditions.quiet_hours)?;
        check_conditions(conditions, quiet_hours.as_ref())?;
        Ok(Self {
            text,
            types,
            pattern,
            time_range,
            quiet_hours,
        })
    }

    /// Whether it is for an event of this type at all.
    pub fn is_for(&self, event_type: &str) -> bool {
        match &self.types {
            Types::All => true,
            Types::Group(group) => event_type.split('.').next() == Some(group),
            Types::One(one) => one == event_type,
        }
    }

    /// Whether an event is one that it tells of. `searched` is [`searched`] of the event.
    pub fn matches(&self, event: &Event, searched: &str) -> bool {
        let conditions = &self.text.conditions;
        self.is_for(&event.event_type)
            && conditions
                .severity_threshold
                .is_none_or(|least| event.severity >= least)
            && conditions.data.iter().all(|one| one.holds(&event.data))
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(searched))
    }

    /// Whether the event happened at a time that it tells of.
    pub fn is_time(&self, event: &Event) -> bool {
        self.time_range
            .as_ref()
            .is_none_or(|window| window.contains(event.occurred_at))
    }

    /// Until when nothing of that severity is told, if it is quiet now.
    pub fn quiet_until(&self, severity: Severity, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_loud = self
            .text
            .conditions
            .quiet_except
            .is_some_and(|least| severity >= least);
        let quiet = self.quiet_hours.as_ref().filter(|_| !is_loud)?;
        quiet.contains(now).then(|| quiet.end_after(now)).flatten()
    }

    /// Messages in a minute, beyond which they are gathered.
    pub fn most_per_minute(&self) -> Option<u32> {
        match self.text.conditions.max_per_minute {
            Some(0) => None,
            other => Some(other.unwrap_or(DEFAULT_PER_MINUTE)),
        }
    }

    /// What its cooldown counts for, in an event.
    pub fn cooldown_key(&self, event: &Event) -> String {
        let by = self
            .text
            .conditions
            .cooldown_for
            .unwrap_or(CooldownFor::Subject);
        by.key(event)
    }
}

impl CooldownFor {
    /// What is the same for events that count as one.
    pub fn key(self, event: &Event) -> String {
        match self {
            Self::Subject => format!("{} {}", event.event_type, catalogue::subject(event)),
            Self::EventType => event.event_type.clone(),
            Self::Rule => String::new(),
        }
    }
}

fn types(text: &str) -> Result<Types, BadRule> {
    if text == "*" {
        return Ok(Types::All);
    }
    let mut groups = catalogue::EVENT_TYPES
        .iter()
        .filter_map(|one| one.name.split('.').next());
    match text.strip_suffix(".*") {
        Some(group) if groups.any(|known| known == group) => Ok(Types::Group(group.to_owned())),
        None if catalogue::find(text).is_some() => Ok(Types::One(text.to_owned())),
        _ => {
            let groups: BTreeSet<_> = groups_of().collect();
            let groups: Vec<_> = groups.into_iter().collect();
            let why = format!(
                "is no type of event: give one of the list, a whole group as in backup.* ({}), or * for all",
                groups.join(", ")
            );
            Err(bad("event_type", why))
        }
    }
}

fn groups_of() -> impl Iterator<Item = &'static str> {
    catalogue::EVENT_TYPES
        .iter()
        .filter_map(|one| one.name.split('.').next())
}

fn compile(pattern: &str) -> Result<Regex, BadRule> {
    if pattern.chars().count() > MOST_PATTERN_CHARS {
        return Err(bad("event_pattern", "is longer than 255 characters"));
    }
    let built = RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => bad(
            "event_pattern",
            "takes too much memory: make its repetitions smaller",
        ),
        // The first line draws the pattern with a mark under the fault; the last one says what it is.
        other => {
            let words = other.to_string();
            let (_, last) = words.rsplit_once("error: ").unwrap_or(("", &words));
            let why = format!("is no regular expression: {last}; a \\ makes ( [ . * plain");
            bad("event_pattern", why)
        }
    })
}

fn check_conditions(conditions: &Conditions, quiet: Option<&Window>) -> Result<(), BadRule> {
    if conditions.data.len() > MOST_DATA_CONDITIONS {
        return Err(bad("conditions.data", "has more than 20 conditions"));
    }
    for (at, one) in conditions.data.iter().enumerate() {
        one.check()
            .map_err(|(part, why)| bad(format!("conditions.data.{at}.{part}"), why))?;
    }
    if let Some(batch) = &conditions.batch
        && !(10..=86_400).contains(&batch.window_seconds)
    {
        let why = "must be between 10 and 86400 seconds";
        return Err(bad("conditions.batch.window_seconds", why));
    }
    if conditions.max_per_minute.is_some_and(|most| most > 10_000) {
        return Err(bad(
            "conditions.max_per_minute",
            "must be between 0 and 10000",
        ));
    }
    if conditions.escalation.len() > 10 {
        return Err(bad("conditions.escalation", "has more than 10 steps"));
    }
    for (at, step) in conditions.escalation.iter().enumerate() {
        if !(1..=1_440).contains(&step.after_minutes) {
            let field = format!("conditions.escalation.{at}.after_minutes");
            return Err(bad(field, "must be between 1 and 1440"));
        }
    }
    let moment = chrono::DateTime::UNIX_EPOCH;
    if quiet.is_some_and(|window| window.contains(moment) && window.end_after(moment).is_none()) {
        let why = "never end: leave some time in which the messages can come";
        return Err(bad("conditions.quiet_hours", why));
    }
    Ok(())
}

/// What patterns look at: the type, and the data as JSON.
pub fn searched(event: &Event) -> String {
    let mut text = format!(
        "{} {} {}",
        event.event_type,
        event.severity.as_str(),
        event.data
    );
    if text.len() > MOST_SEARCHED {
        let end = (0..=MOST_SEARCHED)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}
