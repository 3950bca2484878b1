//! E-mail by the server that Flowkeep itself uses.

use super::form::{Definition, Field, Limits, Misfit, Place, Transport};
use super::message::{Message, Tone};
use super::{Delivered, Undelivered};
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
        "management.user_created" => "welcome",
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
    message.acknowledge.is_none()
        && message.data.is_object()
        && words.title == message.title
        && words.body == message.body
}

/// Sends a message by Flowkeep's own server.
pub async fn send(
    email: &EmailService,
    to: &[String],
    message: &Message,
) -> Result<Delivered, Undelivered> {
    let to = (!to.is_empty()).then(|| to.to_vec());
    let template = template(&message.event_type).filter(|_| is_usual(message));
    let sent = if let Some(template_key) = template {
        let request = SendRequest {
            template_key,
            variables: &message.data,
            to,
            message_id: message.id,
            subject: None,
        };
        email.send(request).await
    } else {
        let request = PlainRequest {
            title: &message.title,
            body: &message.body,
            tone: match message.tone {
                Tone::Info => email::Tone::Plain,
                Tone::Success => email::Tone::Good,
                Tone::Warning => email::Tone::Careful,
                Tone::Failure => email::Tone::Bad,
            },
            link: message.link.as_ref(),
            acknowledge: message.acknowledge.as_ref(),
            to,
            message_id: message.id,
        };
        email.send_plain(request).await
    };
    match sent {
        Ok(receipt) => Ok(Delivered {
            status: 0,
            words: receipt.response,
        }),
        Err(error) => Err(Undelivered {
            is_transient: error.is_transient(),
            ..Undelivered::lasting(error.to_string(), 0)
        }),
    }
}
