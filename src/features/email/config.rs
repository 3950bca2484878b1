//! How e-mail is set up: what is asked for, checked; what is kept; the server that follows from it. Pure.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::error::Misfit;
use super::provider::{self, Provider, Security};
use crate::platform::mail::{MailServer, check_address, check_line};

const MOST_RECIPIENTS: usize = 20;
const LONGEST_NAME: usize = 100;
const LONGEST_SECRET: usize = 1_000;

/// How e-mail is set up, without the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailConfig {
    pub provider: Provider,
    pub is_enabled: bool,
    pub from_email: String,
    pub from_name: Option<String>,
    pub reply_to: Option<String>,
    /// Who gets mail that names nobody.
    pub to: Vec<String>,
    pub smtp_host: Option<String>,
    pub smtp_port: Option<u16>,
    pub security: Option<Security>,
    pub username: Option<String>,
    pub region: Option<String>,
    /// Whether the user name is the id of an IAM access key.
    pub is_iam_key: bool,
    pub verify_certificate: bool,
}

/// How somebody wants it.
#[derive(Clone, Debug)]
pub struct Draft {
    pub config: EmailConfig,
    /// A new one; the stored one stays if absent.
    pub password: Option<SecretString>,
}

/// What becomes of the password.
#[derive(Debug)]
pub enum Password {
    /// This one is sealed.
    New(SecretString),
    /// The stored one stays.
    Kept,
    /// There is none.
    None,
}

impl EmailConfig {
    /// The host that is asked; empty if nobody said.
    pub fn host(&self) -> String {
        let own = self.provider.host(self.region.as_deref());
        self.smtp_host.clone().or(own).unwrap_or_default()
    }

    /// How it is spoken to.
    pub fn security(&self) -> Security {
        self.security
            .unwrap_or_else(|| Provider::security(self.smtp_port))
    }

    /// The port that is asked.
    pub fn port(&self) -> u16 {
        self.smtp_port
            .unwrap_or_else(|| Provider::port(self.security()))
    }

    /// The user name, if there is to be a login.
    pub fn login_name(&self) -> Option<&str> {
        if self.provider == Provider::GmailRelay {
            return None;
        }
        let own = (self.provider == Provider::Gmail).then_some(self.from_email.as_str());
        self.provider
            .fixed_username()
            .or(self.username.as_deref())
            .or(own)
    }

    /// The server, as the mailer asks for it.
    pub fn server(&self, password: Option<SecretString>) -> MailServer {
        let name = self.login_name().map(str::to_owned);
        MailServer {
            host: self.host(),
            port: self.port(),
            security: self.security().into(),
            is_verified: self.verify_certificate,
            login: name.zip(password),
        }
    }

    /// Whom mail is from, as it stands in the header.
    pub fn from(&self) -> String {
        match &self.from_name {
            Some(name) => format!("{name} <{}>", self.from_email),
            None => self.from_email.clone(),
        }
    }
}

impl Draft {
    /// Checks everything and says everything that is wrong. `stored` is the present configuration and
    /// whether it has a password.
    pub fn check(
        self,
        stored: Option<(&EmailConfig, bool)>,
    ) -> Result<(EmailConfig, Password), Vec<Misfit>> {
        let mut config = self.config;
        let mut faults = Vec::new();
        tidy(&mut config.from_name);
        tidy(&mut config.reply_to);
        tidy(&mut config.smtp_host);
        tidy(&mut config.username);
        tidy(&mut config.region);
        config.is_iam_key &= config.provider == Provider::Ses;
        check_people(&mut config, &mut faults);
        check_server(&config, &mut faults);
        let given = self
            .password
            .map(|password| clean(config.provider, &password))
            .filter(|password| !password.expose_secret().is_empty());
        let password = choose_password(&config, given, stored, &mut faults);
        if faults.is_empty() {
            Ok((config, password))
        } else {
            Err(faults)
        }
    }
}

fn tidy(text: &mut Option<String>) {
    *text = text
        .take()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
}

fn check_people(config: &mut EmailConfig, faults: &mut Vec<Misfit>) {
    let mut keep = |field: &'static str, text: &mut String| match check_address(field, text) {
        Ok(address) => *text = address.to_string(),
        Err(trouble) => faults.push(trouble.into()),
    };
    keep("from_email", &mut config.from_email);
    if let Some(reply_to) = &mut config.reply_to {
        keep("reply_to", reply_to);
    }
    for to in &mut config.to {
        keep("to", to);
    }
    if config.to.len() > MOST_RECIPIENTS {
        faults.push(Misfit::new("to", "name at most 20 recipients"));
    }
    if let Some(name) = &config.from_name {
        if let Err(trouble) = check_line("from_name", name, LONGEST_NAME) {
            faults.push(trouble.into());
        } else if name.contains(['<', '>', '"', '@']) {
            let why = "holds a sign that belongs to addresses; write a name as in Flowkeep at home";
            faults.push(Misfit::new("from_name", why));
        }
    }
}

fn check_server(config: &EmailConfig, faults: &mut Vec<Misfit>) {
    let mut fault = |field, why: &str| faults.push(Misfit::new(field, why));
    match &config.smtp_host {
        Some(host) => {
            let is_host =
                url::Host::parse(host).is_ok() || host.parse::<std::net::Ipv6Addr>().is_ok();
            if !is_host || host.len() > 253 {
                let why = "is no host name or address; write it as in mail.example.com, the port beside it";
                fault("smtp_host", why);
            }
        }
        None if config.provider == Provider::Smtp => {
            fault("smtp_host", "give the mail server, as in mail.example.com");
        }
        None => {}
    }
    if config.smtp_port == Some(0) {
        fault(
            "smtp_port",
            "give a port between 1 and 65535, usually 587 or 465",
        );
    }
    if config.security == Some(Security::None) && config.provider != Provider::Smtp {
        fault(
            "security",
            "this provider takes mail over starttls or tls only",
        );
    }
    match (config.provider, config.region.as_deref()) {
        (Provider::Ses, region) => {
            let is_region = region.is_some_and(|region| {
                let is_sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                region.len() <= 30
                    && region.matches('-').count() >= 2
                    && region.chars().all(is_sign)
            });
            if !is_region {
                fault("region", "give the region of SES, as in eu-west-1");
            }
        }
        (Provider::Mailgun, Some(region)) if !matches!(region, "us" | "eu") => {
            fault("region", "must be us or eu, where the domain was made");
        }
        _ => {}
    }
    if let Some(name) = &config.username {
        if let Err(trouble) = check_line("username", name, 254) {
            faults.push(trouble.into());
        }
    } else if matches!(config.provider, Provider::Mailgun | Provider::Ses) {
        let why = match config.provider {
            Provider::Mailgun => "give the SMTP login, as in postmaster@mg.example.com",
            _ => "give the SMTP user name that SES made, or the id of the IAM access key",
        };
        fault("username", why);
    }
}

/// Google shows app passwords in four groups; what is pasted often ends in a line break.
fn clean(provider: Provider, password: &SecretString) -> SecretString {
    let text = password.expose_secret();
    let text: String = if provider == Provider::Gmail {
        text.split_whitespace().collect()
    } else {
        text.trim_matches(['\r', '\n']).to_owned()
    };
    SecretString::from(text)
}

fn choose_password(
    config: &EmailConfig,
    given: Option<SecretString>,
    stored: Option<(&EmailConfig, bool)>,
    faults: &mut Vec<Misfit>,
) -> Password {
    let mut fault = |why: &str| {
        faults.push(Misfit::new("password", why));
        Password::None
    };
    if config.login_name().is_none() {
        return match given {
            Some(_) if config.provider == Provider::Smtp => fault("give the user name as well"),
            _ => Password::None,
        };
    }
    if let Some(given) = given {
        let text = given.expose_secret();
        if text.len() > LONGEST_SECRET || text.chars().any(char::is_control) {
            return fault("is too long, or holds a line break or another control character");
        }
        if config.is_iam_key {
            let region = config.region.as_deref().unwrap_or_default();
            return Password::New(provider::ses_password(&given, region));
        }
        return Password::New(given);
    }
    match stored {
        Some((stored, true)) if is_same_server(stored, config) => Password::Kept,
        Some((stored, true)) => fault(&format!(
            "enter it again: the saved one is for {} as {}, and goes nowhere else",
            stored.host(),
            stored.login_name().unwrap_or_default()
        )),
        _ => fault(config.provider.password_help()),
    }
}

/// Whether a password that was saved for one may be sent to the other. Whoever gets hold of a session must
/// not get the password by pointing the server somewhere else.
fn is_same_server(stored: &EmailConfig, wanted: &EmailConfig) -> bool {
    stored.provider == wanted.provider
        && stored.host().eq_ignore_ascii_case(&wanted.host())
        && stored.port() == wanted.port()
        && stored.login_name() == wanted.login_name()
        && stored.region == wanted.region
        && stored.is_iam_key == wanted.is_iam_key
        && wanted.security() >= stored.security()
        && (wanted.verify_certificate || !stored.verify_certificate)
}
