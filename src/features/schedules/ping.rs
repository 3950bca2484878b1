//! The dead man's switch: a URL that is called for as long as every schedule's promise is kept. Whoever
//! listens there tells when the calls stop, also when this machine is gone.

use std::time::Duration;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::ScheduleError;
use super::service::ScheduleService;
use crate::features::settings::Key;
use crate::platform::events::{self, Severity, standing};
use crate::platform::outbound::{Outbound, Outgoing, Wire};

const LIMIT: Duration = Duration::from_secs(15);
const TROUBLE: &str = "ping";

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ping {
    /// No URL is set.
    NotSet,
    /// A promise is broken, so nobody was called: silence is the alarm.
    Withheld,
    /// It went through.
    Sent,
    /// It did not, and why; the URL is not in it.
    Failed(String),
}

impl ScheduleService {
    /// Calls the URL if every promise is kept. Tells when that fails after it had worked, and when it works again.
    pub async fn ping(&self) -> Result<Ping, ScheduleError> {
        let url = match self.parts.settings.secret(Key::PingUrl) {
            Ok(Some(url)) => url,
            Ok(None) => return Ok(Ping::NotSet),
            Err(error) => return Ok(Ping::Failed(error.to_string())),
        };
        if !self.stale().await?.is_empty() {
            return Ok(Ping::Withheld);
        }
        match call(&self.parts.near, &url).await {
            Ok(()) => {
                self.tell_ping_success().await?;
                Ok(Ping::Sent)
            }
            Err(why) => {
                self.tell_ping_failure(&why).await?;
                Ok(Ping::Failed(why))
            }
        }
    }

    async fn tell_ping_failure(&self, why: &str) -> Result<(), ScheduleError> {
        let tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        if !standing::begin(&tx, TROUBLE, "ping_failed", now, None).await? {
            return Ok(());
        }
        let message = format!("The dead man's ping did not go through: {why}.");
        let facts = json!({ "code": "ping_failed", "trouble": TROUBLE, "message": message });
        let event = self.event("backup.warning", Severity::Warning, facts);
        events::record(&tx, &event).await?;
        tx.commit().await?;
        tracing::warn!(why, "the dead man's ping did not go through");
        self.parts.backups.events().publish(event);
        Ok(())
    }

    async fn tell_ping_success(&self) -> Result<(), ScheduleError> {
        let tx = self.parts.db.begin().await?;
        if !standing::end(&tx, TROUBLE).await? {
            return Ok(());
        }
        let message = "The dead man's ping goes through again.";
        let facts = json!({ "code": "ping_sent", "trouble": TROUBLE, "message": message });
        let event = self.event("backup.recovered", Severity::Info, facts);
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.backups.events().publish(event);
        Ok(())
    }
}

async fn call(near: &Outbound, url: &SecretString) -> Result<(), String> {
    // The setting was checked when it was saved.
    let url = url::Url::parse(url.expose_secret()).map_err(|error| error.to_string())?;
    let outgoing = Outgoing {
        method: Method::GET,
        url,
        headers: Vec::new(),
        body: Vec::new(),
        is_verified: true,
        timeout: LIMIT,
    };
    let answer = near.exchange(outgoing).await;
    let status = answer.map_err(|error| error.to_string())?.status;
    if (200..300).contains(&status) {
        Ok(())
    } else {
        Err(format!("the server answered {status}"))
    }
}
