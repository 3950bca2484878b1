//! What changed since a container was last seen, and the words for what is told. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::judge::{Culprit, Ending, Fact, Told};
use super::model::{Health, Seen, Status};
use super::store::Cached;
use crate::platform::events::Severity;

/// A signal explains an end within this.
const EXPLAINS: Duration = Duration::from_mins(2);

/// What the engine said of a container that may explain its end.
#[derive(Default)]
pub struct Clues {
    pub signals: HashMap<String, (String, Instant)>,
    pub out_of_memory: HashMap<String, Instant>,
}

/// Signals that ask a program to end; it does so with a code of its own or with theirs.
const ASKS: [i64; 3] = [2, 3, 15];

/// Whether a signal may have ended a program that said this. One that ended it makes it say 128 more than its number.
fn may_end(signal: &str, exit_code: Option<i64>) -> bool {
    let Ok(signal) = signal.parse::<i64>() else {
        return false;
    };
    ASKS.contains(&signal) || exit_code.is_none_or(|code| code == 128 + signal)
}

impl Clues {
    /// The signal that may have ended a container. Explains one end.
    pub fn take_signal(&mut self, id: &str, exit_code: Option<i64>) -> Option<String> {
        let (signal, at) = self.signals.remove(id)?;
        (at.elapsed() < EXPLAINS && may_end(&signal, exit_code)).then_some(signal)
    }

    /// Whether the kernel said that it ended something in a container. Explains one end.
    pub fn take_out_of_memory(&mut self, id: &str) -> bool {
        let at = self.out_of_memory.remove(id);
        at.is_some_and(|at| at.elapsed() < EXPLAINS)
    }

    /// It began anew: what was before explains nothing.
    pub fn forget(&mut self, id: &str) {
        self.signals.remove(id);
        self.out_of_memory.remove(id);
    }

    /// What is old explains nothing.
    pub fn forget_old(&mut self) {
        self.signals.retain(|_, (_, at)| at.elapsed() < EXPLAINS);
        self.out_of_memory.retain(|_, at| at.elapsed() < EXPLAINS);
    }
}

/// Whether a container ran when its row was written.
pub fn is_up(row: &Cached) -> bool {
    let status = row.status.as_deref();
    status.is_some_and(|status| Status::from_name(status).is_up())
}

/// Whether two starts are one. The database keeps microseconds.
pub fn is_same(was: Option<DateTime<Utc>>, is: Option<DateTime<Utc>>) -> bool {
    match (was, is) {
        (Some(was), Some(is)) => (is - was).abs() < TimeDelta::milliseconds(1),
        (was, is) => was == is,
    }
}

/// What changed since a row was written.
pub fn news(row: Option<&Cached>, seen: &Seen, is_ending: bool) -> Vec<Fact> {
    let sick = || Fact::Unhealthy(seen.check_output().unwrap_or_default());
    let Some(row) = row else {
        // A container that is seen for the first time is no news, unless it is unwell.
        return if seen.health == Health::Unhealthy {
            vec![sick()]
        } else {
            Vec::new()
        };
    };
    let was_up = is_up(row) && !is_ending;
    let is_up = seen.status.is_up();
    let is_same_run =
        row.container_id.as_deref() == Some(&seen.id) && is_same(row.started_at, seen.started_at);
    let culprit = if seen.is_out_of_memory {
        Culprit::OutOfMemory {
            limit: Some(seen.memory_limit),
        }
    } else {
        Culprit::Unseen
    };
    let ended = Fact::Ended(Ending {
        culprit,
        exit_code: seen.exit_code,
        is_removed: false,
    });
    let mut news = Vec::new();
    match (was_up, is_up) {
        (true, false) => news.push(ended),
        (true, true) if !is_same_run => news.extend([ended, Fact::Started]),
        (false, true) => news.push(Fact::Started),
        _ => {}
    }
    let was = row
        .health
        .as_deref()
        .map_or(Health::None, Health::from_name);
    if was != seen.health {
        match seen.health {
            Health::Unhealthy => news.push(sick()),
            Health::Healthy => news.push(Fact::Healthy),
            Health::Starting | Health::None => {}
        }
    }
    news
}

/// Type, severity and text of what is told.
pub fn words(told: &Told, asked: Option<&str>) -> (&'static str, Severity, String) {
    match told {
        Told::Started => {
            let message = match asked {
                Some(name) => format!("It was started in Flowkeep by {name}."),
                None => "It was started.".to_owned(),
            };
            ("container.started", Severity::Info, message)
        }
        Told::Stopped(ending) => {
            let severity = match ending.culprit {
                Culprit::Itself if ending.exit_code == Some(0) => Severity::Warning,
                Culprit::OutOfMemory { .. } | Culprit::Itself => Severity::Error,
                _ => Severity::Warning,
            };
            ("container.stopped", severity, ending.words(false))
        }
        Told::Restarted(ending, None) => {
            let message = format!("{} It runs again.", ending.words(true));
            ("container.restarted", Severity::Warning, message)
        }
        Told::Restarted(ending, Some(times)) => {
            let severity = if ending.is_meant() {
                Severity::Warning
            } else {
                Severity::Error
            };
            let message = format!(
                "It does not come to rest: {times} times it ended or was unwell in the last 10 minutes. The last time: {} \
                 What follows is not told until it was well for a while.",
                ending.words(true)
            );
            ("container.restarted", severity, message)
        }
        Told::Unhealthy(output) => {
            let message = if output.is_empty() {
                "Its health check fails.".to_owned()
            } else {
                format!("Its health check fails: {output}")
            };
            ("container.unhealthy", Severity::Error, message)
        }
        Told::Forgotten => {
            let message = "It has another name now, or the settings leave it out.".to_owned();
            ("container.recovered", Severity::Info, message)
        }
        Told::Recovered => {
            let message = "It runs, and was well for a while.".to_owned();
            ("container.recovered", Severity::Info, message)
        }
    }
}

/// What an event says of a container.
pub fn data(name: &str, seen: Option<&Seen>, told: &Told, message: &str) -> Value {
    let mut data = json!({ "container": name, "message": message });
    let add = |data: &mut Value, key: &str, value: Value| {
        if let Some(data) = data.as_object_mut()
            && !value.is_null()
        {
            data.insert(key.to_owned(), value);
        }
    };
    if let Some(seen) = seen {
        add(&mut data, "container_id", json!(seen.id.get(..12)));
        add(&mut data, "image", json!(seen.image));
    }
    match told {
        // It runs again: nobody has to answer it, and nothing will end it.
        Told::Restarted(_, None) => add(&mut data, "is_over", json!(true)),
        Told::Forgotten => add(&mut data, "is_forgotten", json!(true)),
        _ => {}
    }
    if let Told::Stopped(ending) | Told::Restarted(ending, _) = told {
        add(&mut data, "exit_code", json!(ending.exit_code));
        let culprit = serde_json::to_value(&ending.culprit).unwrap_or_default();
        add(
            &mut data,
            "by",
            culprit.get("by").cloned().unwrap_or_default(),
        );
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signal_that_can_have_ended_a_program_explains_its_end() {
        for (signal, exit_code, is_it) in [
            ("9", Some(137), true),
            ("9", Some(1), false),
            ("1", Some(129), true),
            ("1", Some(1), false),
            ("1", Some(0), false),
            ("10", Some(139), false),
            ("15", Some(143), true),
            ("15", Some(0), true),
            ("2", Some(130), true),
            ("3", Some(0), true),
            ("9", None, true),
            ("", Some(1), false),
        ] {
            assert_eq!(may_end(signal, exit_code), is_it, "{signal} {exit_code:?}");
        }
    }
}
