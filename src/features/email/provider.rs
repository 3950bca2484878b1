//! Who carries the mail, and how each of them is spoken to. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::platform::mail;

/// Who carries the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Google Workspace's relay, which knows this machine by its address.
    GmailRelay,
    /// Gmail with an app password.
    Gmail,
    /// Any server.
    Smtp,
    /// SendGrid with an API key.
    Sendgrid,
    /// Mailgun.
    Mailgun,
    /// Amazon SES.
    Ses,
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Not encrypted.
    None,
    /// Encrypted after the greeting; nothing is sent if the server cannot.
    Starttls,
    /// Encrypted from the first byte.
    Tls,
}

impl From<Security> for mail::Security {
    fn from(security: Security) -> Self {
        match security {
            Security::None => Self::None,
            Security::Starttls => Self::StartTls,
            Security::Tls => Self::Tls,
        }
    }
}

/// Ports on which servers encrypt from the first byte; Amazon has a second one.
const TLS_PORTS: [u16; 2] = [465, 2465];

impl Provider {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GmailRelay => "gmail_relay",
            Self::Gmail => "gmail",
            Self::Smtp => "smtp",
            Self::Sendgrid => "sendgrid",
            Self::Mailgun => "mailgun",
            Self::Ses => "ses",
        }
    }

    /// Its server; none for any server, which has no default.
    pub fn host(self, region: Option<&str>) -> Option<String> {
        Some(match self {
            Self::GmailRelay => "smtp-relay.gmail.com".to_owned(),
            Self::Gmail => "smtp.gmail.com".to_owned(),
            Self::Smtp => return None,
            Self::Sendgrid => "smtp.sendgrid.net".to_owned(),
            Self::Mailgun if region == Some("eu") => "smtp.eu.mailgun.org".to_owned(),
            Self::Mailgun => "smtp.mailgun.org".to_owned(),
            Self::Ses => format!("email-smtp.{}.amazonaws.com", region?),
        })
    }

    /// How it is spoken to on a port, unless asked otherwise.
    pub fn security(port: Option<u16>) -> Security {
        match port {
            Some(port) if TLS_PORTS.contains(&port) => Security::Tls,
            _ => Security::Starttls,
        }
    }

    /// The port, unless asked otherwise.
    pub fn port(security: Security) -> u16 {
        match security {
            Security::None => 25,
            Security::Starttls => 587,
            Security::Tls => 465,
        }
    }

    /// The user name that it always has.
    pub fn fixed_username(self) -> Option<&'static str> {
        (self == Self::Sendgrid).then_some("apikey")
    }

    /// Whether it takes no mail without a password.
    pub fn needs_password(self) -> bool {
        !matches!(self, Self::GmailRelay | Self::Smtp)
    }

    /// What its password is called, and where it is found.
    pub fn password_help(self) -> &'static str {
        match self {
            Self::GmailRelay => "the relay takes no password",
            Self::Gmail => {
                "give an app password: Google account, Security, 2-Step Verification, App passwords"
            }
            Self::Smtp => "give the password of the account",
            Self::Sendgrid => "give an API key with the right Mail Send; it begins with SG.",
            Self::Mailgun => {
                "give the SMTP password of the domain: Mailgun, Domain settings, SMTP credentials"
            }
            Self::Ses => {
                "give the SMTP password that SES made, or the secret key of an IAM user with ses:SendRawEmail"
            }
        }
    }
}

/// The SMTP password that belongs to an IAM user's secret key in a region, by the algorithm in the manual of
/// Amazon SES ("Obtaining SMTP credentials by converting existing AWS credentials").
pub fn ses_password(secret_access_key: &SecretString, region: &str) -> SecretString {
    const VERSION: u8 = 4;
    let begin = Zeroizing::new(format!("AWS4{}", secret_access_key.expose_secret()));
    let mut key = Zeroizing::new(begin.as_bytes().to_vec());
    for part in ["11111111", region, "ses", "aws4_request", "SendRawEmail"] {
        // HMAC takes a key of any length, so there is no error to speak of.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
            continue;
        };
        mac.update(part.as_bytes());
        *key = mac.finalize().into_bytes().to_vec();
    }
    key.insert(0, VERSION);
    SecretString::from(STANDARD.encode(&*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by hand with Python's `hmac`, step by step as the manual says.
    #[test]
    fn the_password_of_ses_is_the_one_that_amazons_own_steps_give() {
        for (secret, region, expected) in [
            (
                "some+secret+key",
                "eu-central-1",
                "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2",
            ),
            (
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "us-east-1",
                "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9",
            ),
        ] {
            let password = ses_password(&SecretString::from(secret), region);
            assert_eq!(password.expose_secret(), expected);
        }
    }

    #[test]
    fn each_provider_has_its_server() {
        let host = |provider: Provider, region| provider.host(region).unwrap_or_default();
        assert_eq!(host(Provider::GmailRelay, None), "smtp-relay.gmail.com");
        assert_eq!(host(Provider::Gmail, None), "smtp.gmail.com");
        assert_eq!(host(Provider::Sendgrid, None), "smtp.sendgrid.net");
        assert_eq!(host(Provider::Mailgun, None), "smtp.mailgun.org");
        assert_eq!(host(Provider::Mailgun, Some("eu")), "smtp.eu.mailgun.org");
        let ses = host(Provider::Ses, Some("eu-west-1"));
        assert_eq!(ses, "email-smtp.eu-west-1.amazonaws.com");
        assert_eq!(host(Provider::Smtp, None), "");
        assert_eq!(Provider::security(Some(465)), Security::Tls);
        assert_eq!(Provider::security(Some(2525)), Security::Starttls);
    }
}
