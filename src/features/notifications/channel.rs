//! A service that is ready to take messages.

use std::time::Duration;

use super::channels::form::{Limits, Misfit, Transport};
use super::channels::message::{Message, cut};
use super::channels::{Delivered, Undelivered, deliver};
use super::kinds::Prepared;
use super::render::without_controls;
use super::service::NotificationParts;

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

    /// How long to wait between two messages.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.limits().interval_ms)
    }

    /// Sends a message. `done` of its parts were taken before.
    pub async fn send(
        &self,
        parts: &NotificationParts,
        message: &Message,
        done: usize,
    ) -> Result<Delivered, Undelivered> {
        let sent = match &self.transport {
            Transport::Http(service) => {
                let now = parts.clock.now();
                let is_verified = self.prepared.is_verified;
                deliver(
                    &parts.outbound,
                    service.as_ref(),
                    message,
                    now,
                    is_verified,
                    done,
                )
                .await
            }
            Transport::Mail(route) => route.send(&parts.mailer, message).await,
            Transport::Mqtt(route) => route.publish(&parts.outbound, message).await,
            Transport::Mailbox(to) => {
                super::channels::mailbox::send(&parts.email, to, message).await
            }
        };
        // What a service says may be anything; PostgreSQL keeps no NUL in a text.
        let scrub = |words: &str| cut(&without_controls(&self.prepared.scrub(words)), 500);
        match sent {
            Ok(delivered) => Ok(Delivered {
                words: scrub(&delivered.words),
                ..delivered
            }),
            Err(trouble) => Err(Undelivered {
                why: scrub(&trouble.why),
                ..trouble
            }),
        }
    }
}
