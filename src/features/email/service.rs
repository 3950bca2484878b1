//! The use cases around the server: set e-mail up, try it, send. Those of templates are in `templates`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::config::{Draft, EmailConfig, Password};
use super::error::{EmailError, Misfit};
use super::plain::{self, PlainRequest};
use super::store::{self, NewTest, TestRow};
use super::template::{self, Parts};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::settings::{Key, Location, SettingsService, VaultError};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::{self, Event, EventBus, Severity};
use crate::platform::ids::Ids;
use crate::platform::mail::{Mail, MailTrouble, Mailer, Receipt, check_address};

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

    async fn password(&self, stored: &Stored) -> Result<Option<SecretString>, EmailError> {
        let Some(sealed) = &stored.sealed else {
            return Ok(None);
        };
        let vault = self.parts.settings.vault();
        let plain = vault.open_fresh(self.parts.db.orm(), PLACE, sealed).await?;
        let text = std::str::from_utf8(&plain).map_err(|_| VaultError::Malformed)?;
        Ok(Some(SecretString::from(text.to_owned())))
    }

    /// Connects and signs in, and sends nothing.
    pub(super) async fn check(&self) -> Result<Receipt, EmailError> {
        let stored = self.stored().await?.ok_or(EmailError::NotConfigured)?;
        let password = self.password(&stored).await?;
        let server = stored.config.server(password);
        Ok(self.parts.mailer.check(&server).await?)
    }

    /// Sends a message from a template. A customised template that cannot be rendered is replaced by the
    /// default: news is not lost to a slip in it.
    pub async fn send(&self, request: SendRequest<'_>) -> Result<Receipt, EmailError> {
        let stored = self.enabled().await?;
        let parts = self
            .rendered(&stored.config, request.template_key, request.variables)
            .await?;
        let subject = request.subject.as_deref().map(template::one_line);
        let parts = Parts {
            subject: subject.unwrap_or(parts.subject),
            ..parts
        };
        self.deliver(&stored, request.to, request.message_id, parts)
            .await
    }

    /// Sends a message that is no template, in the same dress.
    pub async fn send_plain(&self, request: PlainRequest<'_>) -> Result<Receipt, EmailError> {
        let stored = self.enabled().await?;
        let parts = plain::render(&request, &own_host(), &self.own_time());
        self.deliver(&stored, request.to, request.message_id, parts)
            .await
    }

    async fn enabled(&self) -> Result<Stored, EmailError> {
        let stored = self.stored().await?;
        stored
            .filter(|stored| stored.config.is_enabled)
            .ok_or(EmailError::NotConfigured)
    }

    async fn deliver(
        &self,
        stored: &Stored,
        to: Option<Vec<String>>,
        message_id: Uuid,
        parts: Parts,
    ) -> Result<Receipt, EmailError> {
        let config = &stored.config;
        let server = config.server(self.password(stored).await?);
        let mail = Mail {
            message_id,
            from: config.from(),
            to: to.unwrap_or_else(|| config.to.clone()),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: config.reply_to.clone(),
            subject: parts.subject,
            text: parts.text,
            html: Some(parts.html),
        };
        Ok(self.parts.mailer.send(&server, &mail).await?)
    }

    /// Sends a template with its samples, and keeps what came of it.
    pub(super) async fn test(
        &self,
        actor: &Actor,
        to: Option<&str>,
        key: &str,
    ) -> Result<(TestRow, Option<MailTrouble>, Vec<(String, String)>), EmailError> {
        let stored = self.stored().await?.ok_or(EmailError::NotConfigured)?;
        let config = &stored.config;
        let to = match to {
            Some(to) => vec![check_address("to", to).map_err(Misfit::from)?.to_string()],
            None if config.to.is_empty() => {
                let why = "say who gets the test, or set recipients first";
                return Err(Misfit::new("to", why).into());
            }
            None => config.to.clone(),
        };
        let mut parts = self.sample(config, key).await?;
        if key != super::templates::TEST {
            parts.subject = template::one_line(&format!("[Test] {}", parts.subject));
        }
        let message_id = self.parts.ids.uuid();
        let began = std::time::Instant::now();
        let sent = self
            .deliver(&stored, Some(to.clone()), message_id, parts)
            .await;
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (receipt, trouble) = match sent {
            Ok(receipt) => (Some(receipt), None),
            Err(EmailError::Mail(trouble)) => (None, Some(trouble)),
            Err(error) => return Err(error),
        };
        let said = receipt.as_ref().map(|receipt| receipt.response.clone());
        let test = NewTest {
            provider: config.provider.as_str(),
            provider_config: to_json(config),
            recipient: to.join(", "),
            template_key: key.to_owned(),
            is_success: trouble.is_none(),
            response_time_ms: took,
            error: trouble.as_ref().map(|trouble| trouble.why.clone()),
            smtp_response: said.or_else(|| trouble.as_ref()?.response.clone()),
            smtp_code: trouble.as_ref().and_then(|trouble| trouble.code),
            message_id,
            tested_by: actor.user_id,
            tested_at: self.parts.clock.now(),
        };
        let tx = self.parts.db.begin().await?;
        let row = store::insert_test(&tx, &test).await?;
        let details = json!({ "template": key, "to": test.recipient, "status": row.status });
        let entry = Entry::new(Action::EmailTested).resource("email_test", row.id);
        audit::record(&tx, &self.parts.clock, actor, entry.details(details)).await?;
        tx.commit().await?;
        let refused = receipt.map(|receipt| receipt.refused).unwrap_or_default();
        Ok((row, trouble, refused))
    }

    pub(super) async fn tests(
        &self,
        before_id: Option<i64>,
        limit: u64,
    ) -> Result<Vec<TestRow>, EmailError> {
        Ok(store::tests(self.parts.db.orm(), before_id, limit).await?)
    }

    /// The present moment for people.
    pub(super) fn own_time(&self) -> String {
        let zone = self.parts.settings.choice(Key::TimeZone);
        let zone: chrono_tz::Tz = zone.parse().unwrap_or(chrono_tz::UTC);
        let now = self.parts.clock.now().with_timezone(&zone);
        now.format("%Y-%m-%d %H:%M %Z").to_string()
    }
}

/// This machine's name.
pub(super) fn own_host() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
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

fn to_json(config: &EmailConfig) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}
