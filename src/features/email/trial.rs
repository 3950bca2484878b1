//! The use cases of trying e-mail: the server alone, a message on trial, and the welcome after the first that was
//! taken.

use serde_json::json;

use super::error::{EmailError, Misfit};
use super::service::{EmailService, Letter, SendRequest, Stored, to_json};
use super::store::{self, NewTest, TestRow};
use super::template;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::platform::mail::{Importance, MailTrouble, Receipt, check_address};

/// The template that tests send unless asked otherwise.
pub(super) const TEST: &str = "test_email";
/// The template that is sent once.
const WELCOME: &str = "welcome";

/// What the server said to a check, and after how many milliseconds.
pub(super) struct Checked {
    pub said: Result<Receipt, MailTrouble>,
    pub took_ms: u64,
}

/// What a test came to.
pub(super) struct Tested {
    pub row: TestRow,
    pub trouble: Option<MailTrouble>,
    /// Who would not be taken, each with the server's words.
    pub refused: Vec<(String, String)>,
    /// Whether the welcome went out with it.
    pub is_welcomed: bool,
}

impl EmailService {
    /// Connects and signs in, and sends nothing.
    pub(super) async fn check(&self) -> Result<Checked, EmailError> {
        let stored = self.stored().await?.ok_or(EmailError::NotConfigured)?;
        let password = self.password(&stored).await?;
        let server = stored.config.server(password);
        let began = std::time::Instant::now();
        let said = self.parts.mailer.check(&server).await;
        let took_ms = millis(began);
        Ok(Checked { said, took_ms })
    }

    /// Sends a template with its samples, and keeps what came of it.
    pub(super) async fn test(
        &self,
        actor: &Actor,
        to: Option<&str>,
        key: &str,
    ) -> Result<Tested, EmailError> {
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
        if key != TEST {
            parts.subject = template::one_line(&format!("[Test] {}", parts.subject));
        }
        let message_id = self.parts.ids.uuid();
        let letter = Letter {
            to: Some(to.clone()),
            message_id,
            parts,
            importance: Importance::Usual,
        };
        let began = std::time::Instant::now();
        let sent = self.deliver(&stored, letter).await;
        let took = millis(began);
        let (receipt, trouble) = match sent {
            Ok(receipt) => (Some(receipt), None),
            Err(EmailError::Mail(trouble)) => (None, Some(trouble)),
            Err(error) => return Err(error),
        };
        let said = receipt.as_ref().map(|receipt| receipt.response.clone());
        let why = trouble.as_ref().map(|trouble| trouble.why.clone());
        let test = NewTest {
            provider: config.provider.as_str(),
            provider_config: to_json(config),
            recipient: to.join(", "),
            template_key: key.to_owned(),
            is_success: trouble.is_none(),
            response_time_ms: took,
            error: why.or_else(|| receipt.as_ref()?.refusals()),
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
        let is_welcomed = trouble.is_none() && self.welcome(actor, &stored).await;
        Ok(Tested {
            row,
            trouble,
            refused: receipt.map(|receipt| receipt.refused).unwrap_or_default(),
            is_welcomed,
        })
    }

    /// Sends the welcome to the recipients of the settings, once: now it is known that mail goes out, and to whom.
    /// It is no reason for a test to fail.
    async fn welcome(&self, actor: &Actor, stored: &Stored) -> bool {
        if !stored.config.is_enabled || stored.config.to.is_empty() {
            return false;
        }
        let sent = self.send_welcome(actor).await;
        sent.inspect_err(|error| tracing::warn!(%error, "the welcome was not sent"))
            .unwrap_or(false)
    }

    async fn send_welcome(&self, actor: &Actor) -> Result<bool, EmailError> {
        let (db, clock) = (&self.parts.db, &self.parts.clock);
        // Before it is sent: two tests at once are no two welcomes.
        if !store::claim_welcome(db.orm(), clock.now()).await? {
            return Ok(false);
        }
        let variables = json!({ "username": actor.username });
        let request = SendRequest {
            template_key: WELCOME,
            variables: &variables,
            to: None,
            message_id: self.parts.ids.uuid(),
            subject: None,
            occurred_at: None,
            importance: Importance::Usual,
        };
        if let Err(error) = self.send(request).await {
            store::forget_welcome(db.orm()).await?;
            return Err(error);
        }
        let entry = Entry::new(Action::EmailTested).resource("email_template", WELCOME);
        let entry = entry.details(json!({ "template": WELCOME, "status": "success" }));
        audit::record(db.orm(), clock, actor, entry).await?;
        Ok(true)
    }
}

fn millis(began: std::time::Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
