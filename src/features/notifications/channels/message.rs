//! What is to be said, for every channel.

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::platform::events::Severity;

/// How loud it is said: a rule's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Without a sound, where the channel can.
    Low,
    /// As usual.
    Normal,
    /// With more of it.
    High,
    /// As loud as the channel gets.
    Critical,
}

/// Whether it is good news: the four kinds that Apprise knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Neither.
    Info,
    /// Good.
    Success,
    /// Worth a look.
    Warning,
    /// Bad.
    Failure,
}

impl Tone {
    /// Apprise's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }

    /// A colour for it, as `0xRRGGBB`; those of Apprise's default theme.
    pub fn color(self) -> u32 {
        match self {
            Self::Info => 0x003A_A3E3,
            Self::Success => 0x003A_A337,
            Self::Warning => 0x00CA_CF29,
            Self::Failure => 0x00A3_2037,
        }
    }

    /// The colour as `#RRGGBB`.
    pub fn color_hex(self) -> String {
        format!("#{:06X}", self.color())
    }
}

/// A message, rendered.
#[derive(Clone, Debug)]
pub struct Message {
    /// The same in every attempt to deliver it, so that receivers can tell a repetition.
    pub id: Uuid,
    /// `group.event`.
    pub event_type: String,
    /// How much the event matters.
    pub severity: Severity,
    /// How loud it is said.
    pub priority: Priority,
    /// Whether it is good news.
    pub tone: Tone,
    /// One line of plain text.
    pub title: String,
    /// Plain text, perhaps of several lines.
    pub body: String,
    /// Where to read more in Flowkeep, if its address is known.
    pub link: Option<Url>,
    /// Where to acknowledge it.
    pub acknowledge: Option<Url>,
    /// What groups repetitions of one trouble: the same for a failure and its recovery.
    pub key: String,
    /// When the event happened.
    pub occurred_at: DateTime<Utc>,
    /// The event's data, if the rule wants details; else null. Never a secret.
    pub data: Value,
}

impl Message {
    /// One to try with.
    pub fn sample() -> Self {
        Self {
            id: Uuid::nil(),
            event_type: "test.message".to_owned(),
            severity: Severity::Info,
            priority: Priority::Normal,
            tone: Tone::Info,
            title: "A test from Flowkeep".to_owned(),
            body: "If you can read this, notifications by this service work.".to_owned(),
            link: None,
            acknowledge: None,
            key: "test".to_owned(),
            occurred_at: DateTime::UNIX_EPOCH,
            data: Value::Null,
        }
    }

    /// The same with both through `escape`, before anything is measured: what is cut afterwards keeps its end.
    #[must_use]
    pub fn escaped(&self, escape: impl Fn(&str) -> String) -> Self {
        Self {
            title: escape(&self.title),
            body: escape(&self.body),
            ..self.clone()
        }
    }

    /// Title and body as one text, for channels that know no title.
    pub fn text(&self) -> String {
        if self.body.is_empty() {
            self.title.clone()
        } else {
            format!("{}\n{}", self.title, self.body)
        }
    }
}

/// `text` cut to `most` characters, with an ellipsis where something is missing.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
