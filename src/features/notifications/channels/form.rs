//! What a service's configuration is made of: one table for the form in the browser, for reading an Apprise
//! URL, and for writing one.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::http::HttpService;

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FieldKind {
    /// A line of text.
    Text,
    /// Text of several lines.
    LongText,
    /// A line of text that is never shown again.
    Secret,
    /// A whole number.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// Yes or no.
    Boolean,
    /// One of a few words.
    Choice {
        /// Which.
        choices: &'static [&'static str],
    },
    /// Several lines of text: recipients, rooms, channels.
    List,
    /// Names with values: headers, form fields.
    Pairs,
}

/// Where a field stands in the Apprise URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Which of the two schemes: the second is over TLS.
    Tls,
    /// Before the colon in front of the host.
    User,
    /// After that colon.
    Password,
    /// The host. Services that have none put their first token there.
    Host,
    /// The port.
    Port,
    /// `user@host` as one value: an address of e-mail.
    UserAtHost,
    /// `password@host` as one value.
    PasswordAtHost,
    /// A segment of the path, from 0.
    Path(usize),
    /// The last segment of the path.
    LastPath,
    /// Every segment but the last, joined by slashes.
    PathBeforeLast,
    /// The whole path.
    WholePath,
    /// Every segment from this one on.
    Targets(usize),
    /// A query parameter.
    Query(&'static str),
    /// Query parameters that begin with this sign, without it (`+`, `-`, `:`).
    QueryPrefix(char),
    /// Only through the service's own `parse` and `compose`.
    Custom,
}

/// A field of a service's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// For programs.
    pub key: &'static str,
    /// For people.
    pub label: &'static str,
    /// What it takes.
    pub kind: FieldKind,
    /// Whether it must be given.
    pub is_required: bool,
    /// What it is and where to find it; may be empty.
    pub help: &'static str,
    /// An example; may be empty.
    pub example: &'static str,
    /// Where it stands in the URL.
    pub place: Place,
}

impl Field {
    const fn new(key: &'static str, label: &'static str, kind: FieldKind, place: Place) -> Self {
        Self {
            key,
            label,
            kind,
            is_required: false,
            help: "",
            example: "",
            place,
        }
    }

    /// A line of text.
    pub const fn text(key: &'static str, label: &'static str, place: Place) -> Self {
        Self::new(key, label, FieldKind::Text, place)
    }

    /// Text of several lines.
    pub const fn long_text(key: &'static str, label: &'static str, place: Place) -> Self {
        Self::new(key, label, FieldKind::LongText, place)
    }

    /// A line of text that is never shown again.
    pub const fn secret(key: &'static str, label: &'static str, place: Place) -> Self {
        Self::new(key, label, FieldKind::Secret, place)
    }

    /// A whole number.
    pub const fn integer(
        key: &'static str,
        label: &'static str,
        (min, max): (i64, i64),
        place: Place,
    ) -> Self {
        Self::new(key, label, FieldKind::Integer { min, max }, place)
    }

    /// Yes or no.
    pub const fn boolean(key: &'static str, label: &'static str, place: Place) -> Self {
        Self::new(key, label, FieldKind::Boolean, place)
    }

    /// One of a few words.
    pub const fn choice(
        key: &'static str,
        label: &'static str,
        choices: &'static [&'static str],
        place: Place,
    ) -> Self {
        Self::new(key, label, FieldKind::Choice { choices }, place)
    }

    /// Several lines of text.
    pub const fn list(key: &'static str, label: &'static str, place: Place) -> Self {
        Self::new(key, label, FieldKind::List, place)
    }

    /// Names with values.
    pub const fn pairs(key: &'static str, label: &'static str, place: Place) -> Self {
        Self::new(key, label, FieldKind::Pairs, place)
    }

    /// The same, but it must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// The same with words about what it is and where to find it.
    #[must_use]
    pub const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// The same with an example.
    #[must_use]
    pub const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }
}

/// The values of a service's fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub BTreeMap<String, Value>);

impl Fields {
    /// A text; empty if it is not given.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A text that is given.
    pub fn given(&self, key: &str) -> Option<&str> {
        Some(self.text(key)).filter(|text| !text.is_empty())
    }

    /// A whole number.
    pub fn integer(&self, key: &str) -> Option<i64> {
        self.0.get(key).and_then(Value::as_i64)
    }

    /// Yes or no; no if it is not given.
    pub fn is_on(&self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Lines; none if it is not given.
    pub fn list(&self, key: &str) -> Vec<&str> {
        let lines = self.0.get(key).and_then(Value::as_array);
        lines
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// Names with values, in order.
    pub fn pairs(&self, key: &str) -> Vec<(&str, &str)> {
        let pairs = self.0.get(key).and_then(Value::as_object);
        let pairs = pairs.into_iter().flatten();
        pairs
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect()
    }

    /// Sets a value.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }
}

/// A value that a service cannot use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Misfit {
    /// The field at fault; `url` when the URL as a whole is.
    pub field: String,
    /// What would be right.
    pub why: String,
}

impl Misfit {
    /// A field at fault, and what would be right.
    pub fn new(field: &str, why: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            why: why.into(),
        }
    }
}

/// What a service takes at most.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Limits {
    /// Characters of the title; 0 where there is none, and it becomes the first line.
    pub title_chars: usize,
    /// Characters of the text.
    pub body_chars: usize,
    /// Milliseconds between two messages.
    pub interval_ms: u64,
}

impl Limits {
    /// Characters of title and text, and milliseconds between two messages.
    pub const fn new(title_chars: usize, body_chars: usize, interval_ms: u64) -> Self {
        Self {
            title_chars,
            body_chars,
            interval_ms,
        }
    }
}

/// How a service is reached.
pub enum Transport {
    /// Over HTTP.
    Http(Box<dyn HttpService>),
    /// By e-mail over a server of its own.
    Mail(super::mail::MailRoute),
    /// Over MQTT.
    Mqtt(super::mqtt::MqttRoute),
    /// By e-mail over Flowkeep's own server, to these or to those of its settings.
    Mailbox(Vec<String>),
}

/// Reads an Apprise URL.
pub type Parse = fn(&super::apprise::AppriseUrl) -> Result<Fields, Misfit>;

/// A service of Apprise's that Flowkeep speaks itself.
pub struct Definition {
    /// For programs: the scheme people know it by.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// Its schemes: one, or the plain one and that over TLS. Further names for them follow in `aliases`.
    pub schemes: &'static [&'static str],
    /// Other schemes that mean the first, or the one over TLS if there are two.
    pub aliases: &'static [&'static str],
    /// Where the service documents what is sent.
    pub docs: &'static str,
    /// A URL with which it could be reached.
    pub example: &'static str,
    /// Its configuration.
    pub fields: &'static [Field],
    /// What it takes.
    pub limits: Limits,
    /// Puts it together, or says which field does not fit.
    pub build: fn(&Fields) -> Result<Transport, Misfit>,
    /// Reads a URL whose shape the places of the fields do not tell.
    pub parse: Option<Parse>,
    /// Writes such a URL.
    pub compose: Option<fn(&Fields) -> super::apprise::AppriseUrl>,
    /// Reads the address that the service itself hands out, as `https://discord.com/api/webhooks/…`.
    pub native: Option<fn(&url::Url) -> Option<Fields>>,
}

impl Definition {
    /// One without anything special, for the rest of a definition.
    pub const PLAIN: Self = Self {
        id: "",
        name: "",
        schemes: &[],
        aliases: &[],
        docs: "",
        example: "",
        fields: &[],
        limits: Limits::new(0, 0, 0),
        build: |_| Err(Misfit::new("url", "nothing is known of this service")),
        parse: None,
        compose: None,
        native: None,
    };
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definition")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
