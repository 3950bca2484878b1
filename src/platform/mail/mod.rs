//! Sends e-mail over SMTP (RFC 5321).

use secrecy::SecretString;

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
