//! E-mail over a server that a URL names (`mailto://`), beside the one that Flowkeep itself uses.

use crate::platform::mail::MailServer;

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
