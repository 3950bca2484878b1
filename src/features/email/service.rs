//! The use cases around the server: set e-mail up, send. Trying it is in `trial`, templates are in `templates`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::config::{Draft, EmailConfig, Password};
use super::error::EmailError;
use super::plain::{self, PlainRequest};
use super::store::{self, TestRow};
use super::template::{self, Parts};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::settings::{Key, Location, SettingsService, VaultError};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::{self, Event, EventBus, Severity};
use crate::platform::ids::Ids;
use crate::platform::mail::{Importance, Mail, MailTrouble, Mailer, Receipt};

/// Where the password stands.
const PLACE: Location<'static> = Location {
    table: "system_config",
    column: "config['password']",
    row: "email",
};

/// What the service is made of.
#[derive(Clone)]
pub struct EmailParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Keeps the password.
    pub settings: SettingsService,
    /// Carries the mail.
    pub mailer: Mailer,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Who is told of changes.
    pub events: EventBus,
    /// Where people open Flowkeep, if it is known.
    pub public_url: Option<Url>,
}

/// E-mail. Cheap to clone.
#[derive(Clone)]
pub struct EmailService {
    pub(super) parts: Arc<EmailParts>,
}

/// A message from a template.
#[derive(Clone, Debug)]
pub struct SendRequest<'a> {
    /// Which template.
    pub template_key: &'a str,
    /// An object: the template's variables by name. What is missing is filled in.
    pub variables: &'a Value,
    /// Who gets it; those of the settings if absent.
    pub to: Option<Vec<String>>,
    /// The same in every attempt.
    pub message_id: Uuid,
    /// In place of the template's.
    pub subject: Option<String>,
    /// When it happened; now if absent.
    pub occurred_at: Option<DateTime<Utc>>,
    /// How a mail client shows it in its list.
    pub importance: Importance,
}

/// Parts that go to somebody.
pub(super) struct Letter {
    pub to: Option<Vec<String>>,
    pub message_id: Uuid,
    pub parts: Parts,
    pub importance: Importance,
}

/// The configuration with its sealed password.
pub(super) struct Stored {
    pub config: EmailConfig,
    pub updated_at: Option<DateTime<Utc>>,
    sealed: Option<Value>,
}

impl Stored {
    pub(super) fn has_password(&self) -> bool {
        self.sealed.is_some()
    }
}

impl EmailService {
    /// Puts the service together. Touches neither network nor database.
    pub fn new(parts: EmailParts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    /// Whether mail can be sent: it is set up and switched on.
    pub async fn is_configured(&self) -> Result<bool, EmailError> {
        let stored = self.stored().await?;
        Ok(stored.is_some_and(|stored| stored.config.is_enabled))
    }

    pub(super) async fn stored(&self) -> Result<Option<Stored>, EmailError> {
        let row = store::config(self.parts.db.orm()).await?;
        Ok(row.and_then(read))
    }

    /// Sets e-mail up.
    pub(super) async fn configure(&self, actor: &Actor, draft: Draft) -> Result<(), EmailError> {
        let parts = &self.parts;
        let tx = parts.db.begin().await?;
        let vault = parts.settings.vault();
        vault.hold(&tx).await?;
        let stored = store::config(&tx).await?.and_then(read);
        let present = stored
            .as_ref()
            .map(|stored| (&stored.config, stored.has_password()));
        let (config, password) = draft.check(present).map_err(EmailError::Invalid)?;
        let mut value = to_json(&config);
        let sealed = match password {
            Password::New(secret) => {
                let plain = secret.expose_secret().as_bytes();
                Some(vault.seal(&tx, PLACE, plain).await?)
            }
            Password::Kept => stored.as_ref().and_then(|stored| stored.sealed.clone()),
            Password::None => None,
        };
        if let Some(sealed) = sealed {
            value[store::PASSWORD] = sealed;
        }
        let now = parts.clock.now();
        store::set_config(&tx, value, now).await?;
        let details = json!({
            "from": stored.map(|stored| to_json(&stored.config)), "to": to_json(&config),
        });
        let entry = Entry::new(Action::EmailConfigured).details(details);
        audit::record(&tx, &parts.clock, actor, entry).await?;
        let event = self.changed(actor, &json!(["email"]));
        events::record(&tx, &event).await?;
        tx.commit().await?;
        parts.events.publish(event);
        Ok(())
    }

    pub(super) fn changed(&self, actor: &Actor, what: &Value) -> Event {
        let data = json!({ "settings": what, "by": actor.username });
        let (ids, clock) = (&self.parts.ids, &self.parts.clock);
        Event::now(
            ids,
            clock,
            "management.settings_changed",
            Severity::Info,
            data,
        )
    }

    pub(super) async fn password(
        &self,
        stored: &Stored,
    ) -> Result<Option<SecretString>, EmailError> {
        let Some(sealed) = &stored.sealed else {
            return Ok(None);
        };
        let vault = self.parts.settings.vault();
        let plain = vault.open_fresh(self.parts.db.orm(), PLACE, sealed).await?;
        let text = std::str::from_utf8(&plain).map_err(|_| VaultError::Malformed)?;
        Ok(Some(SecretString::from(text.to_owned())))
    }

    /// Sends a message from a template. A customised template that cannot be rendered is replaced by the
    /// default: news is not lost to a slip in it.
    pub async fn send(&self, request: SendRequest<'_>) -> Result<Receipt, EmailError> {
        let stored = self.enabled().await?;
        let (key, at) = (request.template_key, request.occurred_at);
        let parts = self
            .rendered(&stored.config, key, request.variables, at)
            .await?;
        let subject = request.subject.as_deref().map(template::one_line);
        let parts = Parts {
            subject: subject.unwrap_or(parts.subject),
            ..parts
        };
        let letter = Letter {
            to: request.to,
            message_id: request.message_id,
            parts,
            importance: request.importance,
        };
        self.deliver(&stored, letter).await
    }

    /// Sends a message that is no template, in the same dress.
    pub async fn send_plain(&self, request: PlainRequest<'_>) -> Result<Receipt, EmailError> {
        let stored = self.enabled().await?;
        let time = self.own_time(request.occurred_at);
        let parts = plain::render(&request, &self.own_host(), &time);
        let letter = Letter {
            to: request.to,
            message_id: request.message_id,
            parts,
            importance: request.importance,
        };
        self.deliver(&stored, letter).await
    }

    async fn enabled(&self) -> Result<Stored, EmailError> {
        let stored = self.stored().await?;
        stored
            .filter(|stored| stored.config.is_enabled)
            .ok_or(EmailError::NotConfigured)
    }

    pub(super) async fn deliver(
        &self,
        stored: &Stored,
        letter: Letter,
    ) -> Result<Receipt, EmailError> {
        let config = &stored.config;
        let parts = letter.parts;
        let to = letter.to.unwrap_or_else(|| config.to.clone());
        if to.is_empty() {
            let why = "nobody is named who gets it: give recipients on the page E-mail, or in the service";
            return Err(MailTrouble::field("to", why).into());
        }
        let server = config.server(self.password(stored).await?);
        let mail = Mail {
            message_id: letter.message_id,
            from: config.from(),
            to,
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: config.reply_to.clone(),
            subject: parts.subject,
            text: parts.text,
            html: Some(parts.html),
            importance: letter.importance,
        };
        Ok(self.parts.mailer.send(&server, &mail).await?)
    }

    pub(super) async fn tests(
        &self,
        before_id: Option<i64>,
        limit: u64,
    ) -> Result<Vec<TestRow>, EmailError> {
        Ok(store::tests(self.parts.db.orm(), before_id, limit).await?)
    }

    /// A moment, or the present one, for people.
    pub(super) fn own_time(&self, at: Option<DateTime<Utc>>) -> String {
        let zone = self.parts.settings.choice(Key::TimeZone);
        let zone: chrono_tz::Tz = zone.parse().unwrap_or(chrono_tz::UTC);
        let at = at.unwrap_or_else(|| self.parts.clock.now());
        at.with_timezone(&zone)
            .format("%Y-%m-%d %H:%M %Z")
            .to_string()
    }

    /// This machine's name.
    pub(super) fn own_host(&self) -> String {
        let system = rustix::system::uname();
        let name = system.nodename().to_string_lossy();
        host_name(&name, self.parts.public_url.as_ref())
    }
}

/// What the machine calls itself, unless that is the number that Docker gives a container: then the name under
/// which people open Flowkeep says more.
fn host_name(name: &str, public_url: Option<&Url>) -> String {
    let is_number = name.len() == 12
        && name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let public = public_url.and_then(Url::host_str);
    public.filter(|_| is_number).unwrap_or(name).to_owned()
}

fn read(row: store::ConfigRow) -> Option<Stored> {
    let sealed = row.config.get(store::PASSWORD).cloned();
    let config = serde_json::from_value(row.config);
    let config = config
        .inspect_err(
            |error| tracing::warn!(%error, "the stored e-mail configuration cannot be read"),
        )
        .ok()?;
    Some(Stored {
        config,
        updated_at: row.updated_at,
        sealed,
    })
}

pub(super) fn to_json(config: &EmailConfig) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_without_a_name_goes_by_the_address_under_which_it_is_opened() {
        let url: Url = "https://flowkeep.example.com:8443/".parse().unwrap();
        for (name, url, shown) in [
            ("9f86d081884c", Some(&url), "flowkeep.example.com"),
            ("9f86d081884c", None, "9f86d081884c"),
            ("nas", Some(&url), "nas"),
            ("decadefacade1", Some(&url), "decadefacade1"),
        ] {
            assert_eq!(host_name(name, url), shown);
        }
    }
}
