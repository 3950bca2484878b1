//! Turns events into words. Templates know the event and nothing else: no files, no network, no endless loops.

use std::sync::OnceLock;

use minijinja::value::Value as Context;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, filters};
use serde_json::{Value, json};

use super::catalogue::{self, EventType};
use super::channels::message::{Tone, cut};
use crate::platform::events::{Event, Severity};
use crate::platform::template::{Limited, bounded, check_bounds};

/// Steps a template may take.
const FUEL: u64 = 20_000;
/// Bytes of what a template gives, and of a value on the way to it.
const MOST_BYTES: usize = 256 * 1024;
/// Values that are joined at once.
const MOST_JOINS: usize = 20;
/// Characters of a title.
pub const MOST_TITLE: usize = 250;
/// Characters of a text.
pub const MOST_BODY: usize = 8_000;
/// Events of a digest that are told one by one.
const MOST_TOLD: usize = 15;

/// A title and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub title: String,
    pub body: String,
    /// Why the rule's own words were not used.
    pub fault: Option<String>,
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = bounded(FUEL, UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_filter("bytes", bytes);
        environment.add_filter("kind", kind);
        environment.add_filter("tojson", tojson);
        environment.add_filter("join", join);
        environment.add_filter("first", filters::first);
        environment.add_filter("last", filters::last);
        environment.add_filter("round", filters::round);
        environment
    })
}

fn too_large() -> Error {
    Error::new(ErrorKind::InvalidOperation, "a value becomes too large")
}

/// A value as JSON, for templates of JSON.
fn tojson(value: Context) -> Result<Context, Error> {
    let json = serde_json::to_string(&value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    if json.len() > MOST_BYTES {
        return Err(too_large());
    }
    Ok(Context::from_safe_string(json))
}

/// What is in a list, with something between.
fn join(list: Context, between: Option<String>) -> Result<String, Error> {
    let between = between.unwrap_or_default();
    let mut joined = String::new();
    if list.is_undefined() || list.is_none() {
        return Ok(joined);
    }
    for (at, one) in list.try_iter()?.enumerate() {
        if at > 0 {
            joined.push_str(&between);
        }
        joined.push_str(&one.to_string());
        if joined.len() > MOST_BYTES {
            return Err(too_large());
        }
    }
    Ok(joined)
}

/// `7340032` is `7.3 MB`.
fn bytes(value: Context) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut size = f64::try_from(value).unwrap_or_default();
    let mut unit = 0;
    while size >= 1_000.0 && unit < UNITS.len() - 1 {
        size /= 1_000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{size} B")
    } else {
        format!("{size:.1} {}", UNITS[unit])
    }
}

/// A type of backup in words.
fn kind(value: Context) -> String {
    match value.as_str() {
        Some("postgres_n8n") => "n8n's database".to_owned(),
        Some("postgres_full") => "all databases".to_owned(),
        Some("postgres_mgmt") => "Flowkeep's database".to_owned(),
        Some("n8n_config") => "n8n's configuration".to_owned(),
        Some("flows") => "workflows".to_owned(),
        Some(other) => other.to_owned(),
        None => "backup".to_owned(),
    }
}

/// Checks a template of a rule. The error names the line and the remedy.
pub fn check(template: &str) -> Result<(), String> {
    if template.chars().count() > MOST_BODY {
        return Err(format!("is longer than {MOST_BODY} characters"));
    }
    check_bounds(template, MOST_JOINS)
        .map_err(|refused| format!("in line {}: {}", refused.line, refused.why))?;
    // Without data and with each type's: a fault may hide behind a condition.
    let bare = json!({ "type": "backup.failed", "severity": "error", "data": {} });
    let samples = catalogue::EVENT_TYPES.iter().map(|known| {
        let data: Value = serde_json::from_str(known.sample).unwrap_or_default();
        json!({ "type": known.name, "severity": known.severity.as_str(), "label": known.label, "data": data,
            "id": "00000000-0000-0000-0000-000000000000", "occurred_at": "2026-03-01T02:00:00Z" })
    });
    for event in std::iter::once(bare).chain(samples) {
        evaluate(template, &event).map_err(|error| blame(&error))?;
    }
    Ok(())
}

fn evaluate(template: &str, event: &Value) -> Result<String, Error> {
    // The fields of the data by their own names, and everything under `event`.
    let mut context = event
        .get("data")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    context.insert("event".to_owned(), event.clone());
    render(template, Context::from(minijinja::value::Serde(&context)))
}

fn render(template: &str, context: Context) -> Result<String, Error> {
    check_bounds(template, MOST_JOINS)
        .map_err(|refused| Error::new(ErrorKind::InvalidOperation, refused.why))?;
    let mut out = Limited::new(MOST_BYTES);
    let template = environment().template_from_str(template)?;
    template.render_captured_to(context, &mut out)?;
    String::from_utf8(out.into_bytes())
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, "is no text"))
}

/// Renders a template of JSON.
pub fn json_template(template: &str, context: &Value) -> Result<String, String> {
    let rendered = render(template, Context::from(minijinja::value::Serde(context)));
    rendered.map_err(|error| blame(&error))
}

fn blame(error: &Error) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return "does too much: take its loops out".to_owned();
    }
    if error.kind() == ErrorKind::WriteFailure {
        return "becomes larger than 256 KB: take its loops out".to_owned();
    }
    if error.kind() == ErrorKind::UnknownFilter {
        return format!(
            "{}. There are: bytes, kind, tojson, join, upper, lower, title, capitalize, trim, length, first, last, round, default",
            error.detail().unwrap_or("has a filter that is not known")
        );
    }
    let line = error
        .line()
        .map(|line| format!(" in line {line}"))
        .unwrap_or_default();
    let what = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    format!("is no template{line}: {what}. Variables stand in {{{{ }}}}, as in {{{{ message }}}}")
}

/// Says what happened, in the rule's words or, where they are missing or fail, in our own.
pub fn words(event: &Event, title: Option<&str>, body: Option<&str>) -> Words {
    let known = catalogue::find(&event.event_type);
    let context = json!({
        "type": event.event_type, "severity": event.severity.as_str(), "occurred_at": event.occurred_at,
        "id": event.event_id, "data": event.data,
        "label": known.map_or(event.event_type.as_str(), |one| one.label),
    });
    let mut fault = None;
    let mut say = |own: Option<&str>, usual: Option<&str>, last: &str| {
        let own = own.filter(|template| !template.trim().is_empty());
        let said = own.and_then(|template| {
            let said = evaluate(template, &context);
            said.map_err(|error| fault = Some(blame(&error))).ok()
        });
        let said = said.or_else(|| evaluate(usual?, &context).ok());
        said.filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| last.to_owned())
    };
    let title = say(title, known.map(|one| one.title), &event.event_type);
    let body = say(body, known.map(|one| one.body), "");
    Words {
        title: one_line(&title),
        body: cut(&without_controls(body.trim()), MOST_BODY),
        fault,
    }
}

/// Whether it is good news: the type says so, unless the event is worse than its type usually is.
pub fn tone(known: Option<&EventType>, severity: Severity) -> Tone {
    match (known.map(|one| one.tone), severity) {
        (Some(Tone::Success), Severity::Info) => Tone::Success,
        (_, Severity::Info) => Tone::Info,
        (_, Severity::Warning) => Tone::Warning,
        (_, Severity::Error | Severity::Critical) => Tone::Failure,
    }
}

/// Several events in one message.
pub fn digest(count: i32, why: &str, events: &[Event]) -> Words {
    let mut lines: Vec<String> = events
        .iter()
        .take(MOST_TOLD)
        .map(|event| {
            let words = words(event, None, None);
            let first = words.body.lines().next().unwrap_or_default().to_owned();
            let time = event.occurred_at.format("%Y-%m-%d %H:%M UTC");
            if first.is_empty() {
                format!("• {time} {}", words.title)
            } else {
                format!("• {time} {}: {}", words.title, cut(&first, 200))
            }
        })
        .collect();
    let told = i32::try_from(lines.len()).unwrap_or(i32::MAX);
    if count > told {
        lines.push(format!("… and {} more", count - told));
    }
    let same = events
        .first()
        .filter(|first| events.iter().all(|one| one.event_type == first.event_type));
    let what = same
        .and_then(|one| catalogue::find(&one.event_type))
        .map_or("events", |one| one.label);
    Words {
        title: one_line(&format!("{count} × {what}, {why}")),
        body: cut(&lines.join("\n"), MOST_BODY),
        fault: None,
    }
}

fn one_line(text: &str) -> String {
    let line: Vec<&str> = text
        .split(|c: char| c.is_control())
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    cut(&line.join(" "), MOST_TITLE)
}

/// The text without what does not print.
pub fn without_controls(text: &str) -> String {
    text.chars()
        .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::platform::events::Severity;

    fn event(event_type: &str, data: &str) -> Event {
        Event {
            event_id: Uuid::nil(),
            event_type: event_type.to_owned(),
            severity: Severity::Error,
            occurred_at: DateTime::UNIX_EPOCH,
            data: serde_json::from_str(data).unwrap(),
        }
    }

    #[test]
    fn every_type_says_something_about_its_sample_and_about_nothing() {
        let mut said = Vec::new();
        for one in catalogue::EVENT_TYPES {
            let words = words(&event(one.name, one.sample), None, None);
            assert!(
                !words.title.contains("{{") && !words.title.is_empty(),
                "{}",
                one.name
            );
            assert!(!words.body.contains("undefined"), "{}", one.name);
            said.push(format!("{}: {} | {}", one.name, words.title, words.body));
            // Older rows of the outbox may lack fields.
            assert!(
                !super::words(&event(one.name, "{}"), None, None)
                    .title
                    .is_empty()
            );
        }
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_template_of_a_rule_knows_the_event_and_ends() {
        let event = event("backup.failed", r#"{"id":1,"message":"disk\u0007 full"}"#);
        let words = words(
            &event,
            Some("{{ event.label }}\r\nBcc: x"),
            Some("{{ message }} / {{ event.severity }}"),
        );
        assert_eq!(words.title, "Backup failed Bcc: x");
        assert_eq!(words.body, "disk full / error");
        let endless = "{% for a in message %}{% for b in message %}{% for c in message %}\
                       {% for d in message %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}";
        assert!(check(endless).unwrap_err().contains("too much"));
        let broken = check("a\n{{ message").unwrap_err();
        assert!(broken.contains("line 2"), "{broken}");
        assert!(check("{% include '/etc/passwd' %}").is_err());
    }

    #[test]
    fn no_template_takes_more_memory_than_it_may() {
        for greedy in [
            "{{ 'a' * 100000000 }}",
            "{% if event.id %}{% set x = 'a' * 9 %}{% set x = x ~ x %}{% endif %}",
            "{% for x in [message ~ message] %}{% for y in [x ~ x] %}{{ y }}{% endfor %}{% endfor %}",
            "{% if event.id %}{{ range(99999999) | join(message) }}{% endif %}",
            "{{ message | replace('', message) | replace('', message) }}",
        ] {
            assert!(check(greedy).is_err(), "{greedy}");
            // Also what was stored before it was refused.
            let said = words(
                &event("backup.failed", r#"{"message":"m"}"#),
                None,
                Some(greedy),
            );
            assert_eq!(said.body, "m", "{greedy}");
            assert!(said.fault.is_some());
        }
        let escapes = format!("{{{{ message{} }}}}", " | tojson".repeat(60));
        assert!(check(&escapes).unwrap_err().contains("too large"));
        let long = "x".repeat(100_000);
        let joins = r#"{"a": {{ (event.type ~ ": " ~ message) | tojson }}}"#;
        let context = json!({ "event": { "type": "backup.failed" }, "message": long });
        let said: Value = serde_json::from_str(&json_template(joins, &context).unwrap()).unwrap();
        assert_eq!(said["a"].as_str().unwrap().len(), 100_015);
    }
}
