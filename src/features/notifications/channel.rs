//! A service that is ready to take messages.

use std::time::Duration;

use super::channels::form::{Limits, Misfit, Transport};
use super::channels::message::{Message, cut};
use super::channels::{Attempt, Delivered, Parts, Terms, Undelivered, deliver};
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

    /// The field that says where it sends to; none where the service is always in one place.
    pub fn address_field(&self) -> Option<&'static str> {
        let fields = self.prepared.definition.fields.iter();
        let addresses = fields.map(|field| field.key).filter(|key| {
            ["url", "server", "smtp", "host", "webhook"].contains(key)
                && self.prepared.fields.given(key).is_some()
        });
        // A mail server's own name goes before the domain of its addresses.
        addresses.min_by_key(|key| *key != "smtp")
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
    pub async fn send(&self, parts: &NotificationParts, message: &Message, told: Parts) -> Attempt {
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
        let keep = |payload: String| {
            let payload = match &message.acknowledge {
                Some(url) => link::without(&payload, url),
                None => payload,
            };
            clean(&payload, MOST_PAYLOAD)
        };
        let outcome = match sent.outcome {
            Ok(delivered) => Ok(Delivered {
                words: scrub(&delivered.words),
                ..delivered
            }),
            Err(trouble) => Err(Undelivered {
                why: scrub(&trouble.why),
                parts: Parts {
                    refused: (trouble.parts.refused.iter())
                        .map(|(part, why)| (*part, scrub(why)))
                        .collect(),
                    ..trouble.parts
                },
                ..trouble
            }),
        };
        Attempt {
            payload: sent.payload.map(keep),
            outcome,
        }
    }
}
