//! Channels: what arrives at the services, and what Apprise itself would send.

mod apprise;
mod mqtt;
mod native;
mod targets;
mod wire;

use chrono::{DateTime, Utc};
use flowkeep::features::notifications::channels::message::{Message, Priority, Tone};
use flowkeep::platform::events::Severity;
use serde_json::Value;
use uuid::uuid;

/// A moment for signatures.
fn now() -> DateTime<Utc> {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A message with all that a service may stumble over.
fn message() -> Message {
    Message {
        id: uuid!("01890a5d-ac96-774b-bcce-b302099a8057"),
        event_type: "backups.failed".to_owned(),
        severity: Severity::Error,
        priority: Priority::High,
        tone: Tone::Failure,
        title: "Backup <failed> & \"late\"".to_owned(),
        body: "It's *one* _two_ `x` [a](b) @channel @everyone <!here> <users/all>\nLine & two ]]> 100%"
            .to_owned(),
        link: Some("https://box.example.org/backups/7?a=1&b=2".parse().unwrap()),
        acknowledge: Some("https://box.example.org/ack/k3y?x=1&y=2".parse().unwrap()),
        key: "backups:n8n".to_owned(),
        occurred_at: "2026-01-02T03:00:00Z".parse().unwrap(),
        data: Value::Null,
    }
}
