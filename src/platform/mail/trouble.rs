//! Why a message was not taken, in words that help.

use std::error::Error;
use std::io;
use std::time::Duration;

use lettre::transport::smtp;

use super::{MailServer, Security};
use crate::platform::causes::root_cause;
use crate::platform::outbound::Unreached;

/// Most characters of a server's answer that are kept.
const MOST_CHARS: usize = 500;

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct MailTrouble {
    /// For people, with the remedy. Never a password.
    pub why: String,
    /// The server's code (RFC 5321, 4.2).
    pub code: Option<u16>,
    /// The server's own words.
    pub response: Option<String>,
    /// Whether another try may go better.
    pub is_transient: bool,
    /// The part of the message or of the configuration at fault.
    pub field: Option<&'static str>,
}

/// How far a conversation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Greeting,
    Encryption,
    Login,
    Sender,
    Recipient,
    Content,
    Check,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Greeting => "waiting for its greeting",
            Self::Encryption => "encrypting the connection",
            Self::Login => "signing in",
            Self::Sender => "naming the sender",
            Self::Recipient => "naming a recipient",
            Self::Content => "handing over the message",
            Self::Check => "asking whether it is there",
        }
    }
}

impl MailTrouble {
    /// Something that another try may not meet.
    pub fn transient(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            code: None,
            response: None,
            is_transient: true,
            field: None,
        }
    }

    /// Something that stays until somebody changes it.
    pub fn lasting(why: impl Into<String>) -> Self {
        Self {
            is_transient: false,
            ..Self::transient(why)
        }
    }

    /// A part of the message or of the configuration that cannot be used.
    pub fn field(field: &'static str, why: impl Into<String>) -> Self {
        Self {
            field: Some(field),
            ..Self::lasting(why)
        }
    }

    pub(super) fn unreached(unreached: &Unreached, server: &MailServer) -> Self {
        match unreached {
            Unreached::Refused(_) => Self::field("smtp_host", unreached.to_string()),
            _ => Self {
                field: Some("smtp_host"),
                ..Self::transient(format!("{} cannot be reached: {unreached}.", server.host))
            },
        }
    }

    pub(super) fn unconnected(error: &dyn Error, server: &MailServer) -> Self {
        let MailServer { host, port, .. } = server;
        Self {
            field: Some("smtp_port"),
            ..Self::transient(format!(
                "{host} does not answer on port {port}: {error}. Check host and port, and that no firewall is \
                 between"
            ))
        }
    }

    pub(super) fn timed_out(step: Step, server: &MailServer, limit: Duration) -> Self {
        let MailServer { host, port, .. } = server;
        let mut why = format!(
            "{host} on port {port} took longer than {} seconds, while {}",
            limit.as_secs().max(1),
            step.name()
        );
        // The commonest slip with the two ports: each side waits for the other to begin.
        match (step, server.security) {
            (Step::Greeting, Security::None | Security::StartTls) => {
                why.push_str(". If the port is 465, choose TLS");
            }
            (Step::Encryption, Security::Tls) => {
                why.push_str(". If the port is 587 or 25, choose STARTTLS");
            }
            _ => {}
        }
        Self::transient(why)
    }

    pub(super) fn no_starttls(server: &MailServer) -> Self {
        Self::field(
            "security",
            format!(
                "{} does not offer STARTTLS on port {}, and nothing is sent in the clear. Choose TLS, usually \
                 on port 465",
                server.host, server.port
            ),
        )
    }

    pub(super) fn no_login(server: &MailServer) -> Self {
        let remedy = if server.security == Security::None {
            "Many servers do so only over an encrypted connection: choose STARTTLS or TLS"
        } else {
            "Leave user name and password away if it wants none"
        };
        Self::field(
            "username",
            format!(
                "{} offers no sign-in with a password here. {remedy}",
                server.host
            ),
        )
    }

    /// What lettre said at a step.
    pub(super) fn at(step: Step, error: &smtp::Error, server: &MailServer) -> Self {
        let Some(code) = error.status().map(u16::from) else {
            return Self::broken(step, error, server);
        };
        let words = error.source().map(ToString::to_string).unwrap_or_default();
        let response = tidy(&words, server);
        let said = format!("{} said {code}: {response}", server.host);
        let is_transient = (400..500).contains(&code);
        let (why, field) = match (step, code) {
            (Step::Login, 530 | 534 | 535 | 538) => (
                format!(
                    "{said}. User name or password is wrong, or the account wants an app password or an API \
                     key in its place"
                ),
                Some("password"),
            ),
            (Step::Sender, 530) => (
                format!("{said}. The server wants a sign-in: give user name and password"),
                Some("username"),
            ),
            (Step::Sender, 500..) => (
                format!("{said}. Use a sender address that this server or account may send from"),
                Some("from_email"),
            ),
            (Step::Recipient, 500..) => (said, Some("to")),
            (Step::Recipient | Step::Sender, 450 | 451) => (
                format!("{said}. Some servers make unknown senders wait once; it is tried again"),
                None,
            ),
            _ => (said, None),
        };
        Self {
            why,
            code: Some(code),
            response: Some(format!("{code} {response}")),
            is_transient,
            field,
        }
    }

    fn broken(step: Step, error: &smtp::Error, server: &MailServer) -> Self {
        let MailServer { host, port, .. } = server;
        let cause = tidy(&root_cause(error), server);
        if let Some(refused) = unconnected(error) {
            return Self::unconnected(refused, server);
        }
        if cause.contains("certificate") {
            let why = if server.is_verified {
                format!(
                    "The certificate of {host} is not to be trusted: {cause}. Use the name that is in it. Only \
                     for a server of your own with a certificate of its own, switch the check off"
                )
            } else {
                format!(
                    "The certificate of {host} cannot be used, although it is not checked: {cause}. Give the \
                     server another one"
                )
            };
            return Self::field("smtp_host", why);
        }
        let mut why = format!(
            "The connection to {host} on port {port} broke while {}: {cause}",
            step.name()
        );
        if step == Step::Encryption && server.security == Security::Tls {
            why.push_str(". If the port is 587 or 25, choose STARTTLS");
        }
        Self::transient(why)
    }
}

/// The network's own error, if there never was a connection.
fn unconnected(error: &smtp::Error) -> Option<&io::Error> {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, NetworkUnreachable, PermissionDenied, TimedOut,
    };
    let cause = error.source()?.downcast_ref::<io::Error>()?;
    matches!(
        cause.kind(),
        ConnectionRefused | HostUnreachable | NetworkUnreachable | PermissionDenied | TimedOut
    )
    .then_some(cause)
}

/// A server's words on one line, cut, without the password: a server may say back what it was told.
pub(super) fn tidy(words: &str, server: &MailServer) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use secrecy::ExposeSecret;

    let mut line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((name, password)) = &server.login {
        let password = password.expose_secret();
        let forms = [
            password.to_owned(),
            STANDARD.encode(password),
            STANDARD.encode(format!("\0{name}\0{password}")),
        ];
        for form in forms.iter().filter(|form| form.len() > 3) {
            line = line.replace(form.as_str(), "…");
        }
    }
    if line.chars().count() > MOST_CHARS {
        line = line.chars().take(MOST_CHARS).collect::<String>() + "…";
    }
    line.trim_end_matches('.').to_owned()
}
