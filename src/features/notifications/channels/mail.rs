//! E-mail over a server that a URL names (`mailto://`), beside the one that Flowkeep itself uses.

use std::fmt::Write;

use super::message::{Message, Priority};
use super::{Attempt, Delivered, Undelivered};
use crate::platform::mail::{Importance, Mail, MailServer, Mailer, Receipt};

/// A mail server, and who gets the mail.
#[derive(Clone, Debug)]
pub struct MailRoute {
    /// The server.
    pub server: MailServer,
    /// Whom it is from, perhaps with a name: `Flowkeep <box@example.org>`.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// Who gets a copy.
    pub cc: Vec<String>,
    /// Who gets a copy unseen.
    pub bcc: Vec<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
}

impl MailRoute {
    /// Hands a message over.
    pub async fn send(&self, mailer: &Mailer, message: &Message) -> Attempt {
        let mut text = message.body.clone();
        for (what, url) in [
            ("Open in Flowkeep", &message.link),
            ("Acknowledge", &message.acknowledge),
        ] {
            if let Some(url) = url {
                let _ = write!(text, "\n\n{what}: {url}");
            }
        }
        let mail = Mail {
            message_id: message.id,
            from: self.from.clone(),
            to: self.to.clone(),
            cc: self.cc.clone(),
            bcc: self.bcc.clone(),
            reply_to: self.reply_to.clone(),
            subject: message.title.clone(),
            text,
            html: None,
            importance: importance(message.priority),
        };
        match mailer.send(&self.server, &mail).await {
            Ok(receipt) => delivered(receipt),
            Err(trouble) => Attempt::failed(Undelivered {
                is_transient: trouble.is_transient,
                is_unreached: trouble.code.is_none()
                    && matches!(trouble.field, Some("smtp_host" | "smtp_port")),
                ..Undelivered::lasting(trouble.why, 0)
            }),
        }
    }
}

/// What a mail client makes of a rule's choice.
pub(super) fn importance(priority: Priority) -> Importance {
    match priority {
        Priority::Low => Importance::Low,
        Priority::Normal => Importance::Usual,
        Priority::High => Importance::High,
        Priority::Critical => Importance::Highest,
    }
}

/// A message that the server took, with those for whom it did not.
pub(super) fn delivered(receipt: Receipt) -> Attempt {
    Attempt {
        outcome: Ok(Delivered {
            status: 0,
            words: receipt.words(),
        }),
        payload: Some(receipt.text),
    }
}
