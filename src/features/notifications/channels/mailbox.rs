//! E-mail by the server that Flowkeep itself uses.

use serde_json::{Map, Value, json};

use super::form::{Definition, Field, Limits, Misfit, Place, Transport};
use super::mail::{delivered, importance};
use super::message::{Message, Tone};
use super::{Attempt, Undelivered};
use crate::features::email::{self, EmailService, PlainRequest, SendRequest};
use crate::features::notifications::render;
use crate::platform::events::Event;
use crate::platform::mail::check_address;

/// What it asks for.
pub const DEFINITION: Definition = Definition {
    id: "email",
    name: "E-mail",
    docs: "",
    fields: &[Field::list("to", "To", Place::Custom)
        .help("Who gets it, one address a line. Empty for the recipients of the e-mail settings.")
        .example("admin@example.org")],
    limits: Limits::new(200, 8_000, 0),
    build: |fields| {
        for address in fields.list("to") {
            check_address("to", address).map_err(|trouble| Misfit::new("to", trouble.why))?;
        }
        let to = fields
            .list("to")
            .iter()
            .map(|one| (*one).to_owned())
            .collect();
        Ok(Transport::Mailbox(to))
    },
    ..Definition::PLAIN
};

/// What each type of event fills, where there is a template for it.
fn template(event_type: &str) -> Option<&'static str> {
    Some(match event_type {
        "backup.success" => "backup_success",
        "backup.failed" => "backup_failed",
        "verification.failed" => "verification_failed",
        "system.disk_warning" | "system.disk_critical" => "disk_warning",
        _ if event_type.starts_with("container.") => "container_alert",
        _ => return None,
    })
}

/// Whether the message is the event in the usual words: a template of e-mail says that better.
fn is_usual(message: &Message) -> bool {
    let event = Event {
        event_id: message.id,
        event_type: message.event_type.clone(),
        severity: message.severity,
        occurred_at: message.occurred_at,
        data: message.data.clone(),
    };
    let words = render::words(&event, None, None);
    message.data.is_object() && words.title == message.title && words.body == message.body
}

fn tone(message: &Message) -> email::Tone {
    match message.tone {
        Tone::Info => email::Tone::Plain,
        Tone::Success => email::Tone::Good,
        Tone::Warning => email::Tone::Careful,
        Tone::Failure => email::Tone::Bad,
    }
}

/// What templates call what is in an event, beside what they call as the event does.
fn variables(message: &Message) -> Value {
    let mut values = message.data.as_object().cloned().unwrap_or_default();
    let bytes = |values: &Map<String, Value>, name: &str| {
        Some(email::size(values.get(name)?.as_u64()?).into())
    };
    let mut own: Vec<(&str, Option<Value>)> = vec![
        ("severity", Some(message.severity.as_str().into())),
        ("color", Some(tone(message).color().into())),
        ("link", message.link.as_ref().map(|url| url.as_str().into())),
        (
            "acknowledge",
            message.acknowledge.as_ref().map(|url| url.as_str().into()),
        ),
    ];
    match message.event_type.split_once('.') {
        Some(("system", _)) => own.extend([
            ("path", values.get("mount").cloned()),
            ("used_percent", values.get("percent").cloned()),
            ("free", bytes(&values, "free_bytes")),
            ("total", bytes(&values, "total_bytes")),
        ]),
        Some(("container", what)) => own.push(("status", Some(what.into()))),
        Some(("backup", _)) => {
            let took = values.get("duration_ms").and_then(Value::as_u64);
            own.push(("duration", took.map(|ms| email::duration(ms).into())));
            if let Some(kind) = values.get("backup_type").filter(|kind| !kind.is_null()) {
                let said = render::json_template("{{ it | kind }}", &json!({ "it": kind }));
                own.push(("backup", said.ok().map(Into::into)));
            }
            // What is no database has none, which is not the same as empty ones.
            if values.get("tables").and_then(Value::as_u64) == Some(0) {
                values.remove("tables");
                values.remove("rows");
            }
        }
        _ => {}
    }
    for (name, value) in own {
        match value {
            Some(value) => values.insert(name.to_owned(), value),
            None => values.remove(name),
        };
    }
    Value::Object(values)
}

/// Sends a message by Flowkeep's own server.
pub async fn send(email: &EmailService, to: &[String], message: &Message) -> Attempt {
    let to = (!to.is_empty()).then(|| to.to_vec());
    let (occurred_at, importance) = (Some(message.occurred_at), importance(message.priority));
    let template = template(&message.event_type).filter(|_| is_usual(message));
    let sent = if let Some(template_key) = template {
        let request = SendRequest {
            template_key,
            variables: &variables(message),
            to,
            message_id: message.id,
            subject: None,
            occurred_at,
            importance,
        };
        email.send(request).await
    } else {
        let request = PlainRequest {
            title: &message.title,
            body: &message.body,
            tone: tone(message),
            link: message.link.as_ref(),
            acknowledge: message.acknowledge.as_ref(),
            to,
            message_id: message.id,
            occurred_at,
            importance,
        };
        email.send_plain(request).await
    };
    match sent {
        Ok(receipt) => delivered(receipt),
        Err(error) => Attempt::failed(Undelivered {
            is_transient: error.is_transient(),
            ..Undelivered::lasting(error.to_string(), 0)
        }),
    }
}
