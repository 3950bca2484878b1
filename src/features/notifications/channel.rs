//! A service that is ready to take messages.

use std::time::Duration;

use super::channels::form::{Limits, Misfit, Transport};
use super::channels::message::{Message, cut};
use super::channels::{Delivered, Parts, Terms, Undelivered, deliver};
use super::kinds::Prepared;
use super::link;
use super::render::without_controls;
use super::service::NotificationParts;

/// Characters of a service's words that are kept.
const MOST_WORDS: usize = 500;
/// Characters that are kept of what it was sent.
const MOST_PAYLOAD: usize = 4_000;

/// A service that is ready to take messages.
pub struct Channel {
    transport: Transport,
    prepared: Prepared,
}

impl Channel {
    /// Puts it together.
    pub fn new(prepared: Prepared) -> Result<Self, Misfit> {
        Ok(Self {
            transport: prepared.target().build()?,
            prepared,
        })
    }

    fn limits(&self) -> Limits {
        self.prepared.definition.limits
    }

    /// How many messages it takes at once: people read in order, programs do not mind.
    pub fn width(&self) -> usize {
        if matches!(self.prepared.definition.id, "webhook" | "json") {
            8
        } else {
            1
        }
    }

    /// Whether it sends to whatever address somebody gives.
    pub fn goes_anywhere(&self) -> bool {
        matches!(
            self.prepared.definition.id,
            "webhook" | "json" | "xml" | "form"
        )
    }

    /// How long to wait between two messages.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.limits().interval_ms)
    }

    /// Sends a message to those of its targets that are still to be told.
    pub async fn send(
        &self,
        parts: &NotificationParts,
        message: &Message,
        told: Parts,
    ) -> Result<Delivered, Undelivered> {
        let sent = match &self.transport {
            Transport::Http(service) => {
                let terms = Terms {
                    now: parts.clock.now(),
                    is_verified: self.prepared.is_verified,
                    pace: self.interval(),
                    parts: told,
                };
                deliver(&parts.outbound, service.as_ref(), message, &terms).await
            }
            Transport::Mail(route) => route.send(&parts.mailer, message).await,
            Transport::Mqtt(route) => route.publish(&parts.outbound, message, told).await,
            Transport::Mailbox(to) => {
                super::channels::mailbox::send(&parts.email, to, message).await
            }
        };
        // What a service says may be anything; PostgreSQL keeps no NUL in a text.
        let clean = |words: &str, most| cut(&without_controls(&self.prepared.scrub(words)), most);
        let scrub = |words: &str| clean(words, MOST_WORDS);
        // Whoever has the link may acknowledge; the history is for more people than the message was.
        let keep = |payload: Option<String>| {
            let payload = payload?;
            let payload = match &message.acknowledge {
                Some(url) => link::without(&payload, url),
                None => payload,
            };
            Some(clean(&payload, MOST_PAYLOAD))
        };
        match sent {
            Ok(delivered) => Ok(Delivered {
                status: delivered.status,
                words: scrub(&delivered.words),
                payload: keep(delivered.payload),
            }),
            Err(trouble) => Err(Undelivered {
                why: scrub(&trouble.why),
                payload: keep(trouble.payload),
                parts: Parts {
                    refused: (trouble.parts.refused.iter())
                        .map(|(part, why)| (*part, scrub(why)))
                        .collect(),
                    ..trouble.parts
                },
                ..trouble
            }),
        }
    }
}
