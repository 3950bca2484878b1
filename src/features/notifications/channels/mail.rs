//! E-mail over a server that a URL names (`mailto://`), beside the one that Flowkeep itself uses.

use std::fmt::Write;

use super::message::Message;
use super::{Delivered, Undelivered};
use crate::platform::mail::{Mail, MailServer, Mailer};

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
    pub async fn send(&self, mailer: &Mailer, message: &Message) -> Result<Delivered, Undelivered> {
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
        };
        match mailer.send(&self.server, &mail).await {
            Ok(receipt) => Ok(Delivered {
                status: 0,
                words: receipt.response,
            }),
            Err(trouble) => Err(Undelivered {
                is_transient: trouble.is_transient,
                ..Undelivered::lasting(trouble.why, 0)
            }),
        }
    }
}
