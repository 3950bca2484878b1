//! Sends e-mail over SMTP (RFC 5321). Knows nothing of what the mail says.
//!
//! Invariants:
//! - A connection goes to an address that was checked, while the certificate is that of the name.
//! - What is to be encrypted is never sent in the clear.
//! - A password is in no error and no log.
//! - Nothing waits longer than the limit, whatever the server does.

mod client;
mod guard;
mod message;
mod pool;
mod trouble;

use secrecy::SecretString;
use uuid::Uuid;

pub use client::{Mailer, MailerParts};
pub use message::{check_address, check_line, check_mailbox};
pub use trouble::MailTrouble;

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not encrypted.
    None,
    /// Encrypted after a greeting in the clear (RFC 3207); nothing is sent if the server cannot.
    StartTls,
    /// Encrypted from the first byte (RFC 8314).
    Tls,
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
    /// Whether its certificate must be right.
    pub is_verified: bool,
    /// Name and password, if it wants them.
    pub login: Option<(String, SecretString)>,
}

/// How a mail client is to show a message in its list. It changes nothing of how it is carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Importance {
    /// Below the others.
    Low,
    /// Like the others.
    #[default]
    Usual,
    /// Above the others.
    High,
    /// Above all others.
    Highest,
}

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The same in every attempt, so that receivers can tell a repetition.
    pub message_id: Uuid,
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
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// How it is shown in a list.
    pub importance: Importance,
}

/// What the server said when it took a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its answer, with the code.
    pub response: String,
    /// Milliseconds from the beginning to that answer.
    pub took_ms: u64,
    /// Recipients whom the server would not take, each with its words. The others got the message.
    pub refused: Vec<(String, String)>,
    /// The subject and the plain text that it took.
    pub text: String,
}

/// Most characters of the server's own answer where others were refused: the refusals say more.
const ANSWER_CHARS: usize = 120;

impl Receipt {
    /// Who did not get it and why, if anybody.
    pub fn refusals(&self) -> Option<String> {
        let told = self
            .refused
            .iter()
            .map(|(recipient, words)| format!("{recipient}: {words}"));
        let told = told.collect::<Vec<_>>().join("; ");
        (!told.is_empty()).then(|| format!("refused: {told}"))
    }

    /// What the server said of all recipients.
    pub fn words(&self) -> String {
        let Some(refusals) = self.refusals() else {
            return self.response.clone();
        };
        let answer: String = self.response.chars().take(ANSWER_CHARS).collect();
        format!("{answer}; {refusals}")
    }
}
