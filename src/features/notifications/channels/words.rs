//! What a message says within a service's limits, and what a service says when it refuses one.

use std::time::Duration;

use serde_json::Value;

use super::form::Limits;
use super::http::Rejection;
use super::message::{Message, cut};

/// Characters of a complaint that are kept.
const MOST_COMPLAINT: usize = 300;

/// Where a message offers to be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// The service has a button or a link of its own for it.
    Apart,
    /// A line at the end of the text.
    InText,
}

/// Title and text, cut to what a service takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Empty where the service knows no title.
    pub title: String,
    /// Never empty, unless the message has not a word.
    pub body: String,
}

impl Words {
    /// Cuts a message to limits in characters.
    pub fn of(message: &Message, limits: Limits, acknowledge: Acknowledge) -> Self {
        Self::fit(message, limits, acknowledge, cut, |text| {
            text.chars().count()
        })
    }

    /// Cuts a message to limits in bytes.
    pub fn of_bytes(message: &Message, limits: Limits, acknowledge: Acknowledge) -> Self {
        Self::fit(message, limits, acknowledge, cut_bytes, str::len)
    }

    /// Cuts a message to limits in units of UTF-16.
    pub fn of_utf16(message: &Message, limits: Limits, acknowledge: Acknowledge) -> Self {
        Self::fit(message, limits, acknowledge, cut_utf16, utf16)
    }

    fn fit(
        message: &Message,
        limits: Limits,
        acknowledge: Acknowledge,
        shorten: fn(&str, usize) -> String,
        length: fn(&str) -> usize,
    ) -> Self {
        let title = message.title.trim();
        let text = match (limits.title_chars, message.body.trim()) {
            (_, "") => title.to_owned(),
            (0, body) if title.is_empty() => body.to_owned(),
            (0, body) => format!("{title}\n{body}"),
            (_, body) => body.to_owned(),
        };
        let line = message
            .acknowledge
            .as_ref()
            .filter(|_| acknowledge == Acknowledge::InText)
            .map(|url| format!("\nAcknowledge: {url}"))
            .filter(|line| length(line) < limits.body_chars / 2)
            .unwrap_or_default();
        let room = limits.body_chars - length(&line);
        Self {
            title: shorten(title, limits.title_chars),
            body: shorten(&text, room) + &line,
        }
    }

    /// Title and text as one, each through `escape`, the title within `marks`.
    pub fn marked(&self, escape: fn(&str) -> String, marks: (&str, &str)) -> String {
        if self.title.is_empty() || self.title == self.body {
            return escape(&self.body);
        }
        let (before, after) = marks;
        format!(
            "{before}{}{after}\n{}",
            escape(&self.title),
            escape(&self.body)
        )
    }
}

/// `text` cut to `most` units of UTF-16, which is how programs in JavaScript and Java count.
fn cut_utf16(text: &str, most: usize) -> String {
    if utf16(text) <= most {
        return text.to_owned();
    }
    let mut room = most.saturating_sub(1);
    let end = text.char_indices().find(|(_, c)| {
        let fits = c.len_utf16() <= room;
        room = room.saturating_sub(c.len_utf16());
        !fits
    });
    let end = end.map_or(text.len(), |(at, _)| at);
    format!("{}…", text[..end].trim_end())
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// `text` cut to `most` bytes of UTF-8, with an ellipsis where something is missing.
pub fn cut_bytes(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub("…".len()));
    if most < "…".len() {
        return String::new();
    }
    format!("{}…", text[..end].trim_end())
}

/// Escapes what means something in HTML and XML, and leaves out what XML cannot say.
pub fn markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Escapes what means something in Markdown, and keeps mentions from calling people.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '<' | '#' | '|'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
        if c == '@' {
            escaped.push('\u{200b}');
        }
    }
    escaped
}

/// A text in Markdown with a link to acknowledge it below, within `most` characters.
pub fn linked_markdown(text: &str, message: &Message, most: usize) -> String {
    let link = message.acknowledge.as_ref();
    let link = link.map_or(String::new(), |url| format!("\n\n[Acknowledge]({url})"));
    cut(&markdown(text), most.saturating_sub(link.chars().count())) + &link
}

/// The words of a refusal, if there are any that people can read. Services have many names for them.
pub fn complaint(body: &str) -> Option<String> {
    let found = match serde_json::from_str::<Value>(body) {
        Ok(value) => spoken(&value, 0)?,
        Err(_) if body.trim_start().starts_with('<') => ["Message", "message", "error", "Code"]
            .iter()
            .find_map(|name| element(body, name))?,
        Err(_) => body.to_owned(),
    };
    let clean: String = found
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| cut(clean, MOST_COMPLAINT))
}

/// The text of an element of XML, if there is one with this name and text in it.
pub fn element(body: &str, name: &str) -> Option<String> {
    let mut rest = body;
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        let Some(inside) = after.strip_prefix(name) else {
            continue;
        };
        if !inside.starts_with(|c: char| c == '>' || c.is_whitespace()) {
            continue;
        }
        let text = inside.split_once('>')?.1.split('<').next()?.trim();
        if !text.is_empty() {
            let names = [
                ("&lt;", "<"),
                ("&gt;", ">"),
                ("&quot;", "\""),
                ("&apos;", "'"),
                ("&amp;", "&"),
            ];
            let plain = names
                .iter()
                .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
            return Some(plain);
        }
    }
    None
}

fn spoken(value: &Value, depth: usize) -> Option<String> {
    const NAMES: [&str; 15] = [
        "description",
        "message",
        "Message",
        "errmsg",
        "error_description",
        "error",
        "errors",
        "msg",
        "detail",
        "title",
        "reason",
        "StatusMessage",
        "errorMessage",
        "data",
        "failures",
    ];
    match value {
        _ if depth > 3 => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Array(items) => items.iter().find_map(|item| spoken(item, depth + 1)),
        Value::Object(members) => NAMES
            .iter()
            .filter_map(|name| members.get(*name))
            .find_map(|member| spoken(member, depth + 1)),
        _ => None,
    }
}

/// Judges answers of services that say 200 and tell in JSON whether it worked.
pub fn judged(
    body: &str,
    is_fine: impl Fn(&Value) -> bool,
    is_transient: impl Fn(&Value) -> bool,
) -> Option<Rejection> {
    let value: Value = serde_json::from_str(body).ok()?;
    if is_fine(&value) {
        return None;
    }
    let words = complaint(body).unwrap_or_else(|| "without a reason".to_owned());
    Some(Rejection {
        why: format!("it refused: {words}"),
        is_transient: is_transient(&value),
        retry_after: value
            .pointer("/parameters/retry_after")
            .and_then(Value::as_u64)
            .map(Duration::from_secs),
    })
}
