//! The dead man's switch: a URL that is called for as long as every schedule's promise is kept. Whoever
//! listens there tells when the calls stop, also when this machine is gone.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::ScheduleError;
use super::service::ScheduleService;
use crate::features::settings::Key;
use crate::platform::causes::root_cause;
use crate::platform::events::{self, Severity};

const LIMIT: Duration = Duration::from_secs(15);
const MOST_REDIRECTS: usize = 3;

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
    /// Calls the URL if every promise is kept. Tells when that fails after it had worked.
    pub async fn ping(&self) -> Result<Ping, ScheduleError> {
        let url = match self.parts.settings.secret(Key::PingUrl) {
            Ok(Some(url)) => url,
            Ok(None) => return Ok(Ping::NotSet),
            Err(error) => return Ok(Ping::Failed(error.to_string())),
        };
        if !self.stale().await?.is_empty() {
            return Ok(Ping::Withheld);
        }
        match call(&url).await {
            Ok(()) => {
                *self.ping_failure.lock() = None;
                Ok(Ping::Sent)
            }
            Err(why) => {
                let is_new = self.ping_failure.lock().replace(why.clone()).is_none();
                if is_new {
                    self.tell_ping_failure(&why).await?;
                }
                Ok(Ping::Failed(why))
            }
        }
    }

    async fn tell_ping_failure(&self, why: &str) -> Result<(), ScheduleError> {
        let message = format!("The dead man's ping did not go through: {why}.");
        tracing::warn!(why, "the dead man's ping did not go through");
        let facts = json!({ "code": "ping_failed", "message": message });
        let event = self.event("backup.warning", Severity::Warning, facts);
        let tx = self.parts.db.begin().await?;
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.backups.events().publish(event);
        Ok(())
    }
}

async fn call(url: &SecretString) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .timeout(LIMIT)
        .redirect(reqwest::redirect::Policy::limited(MOST_REDIRECTS))
        .user_agent(concat!("flowkeep/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.without_url().to_string())?;
    let answer = client.get(url.expose_secret()).send().await;
    let answer = answer.map_err(|error| root_cause(&error.without_url()))?;
    let status = answer.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("the server answered {status}"))
    }
}
