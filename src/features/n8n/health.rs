//! Whether n8n itself answers: its `/healthz`, which needs no key.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use url::Url;

use super::N8nService;
use crate::platform::causes::root_cause;

const LIMIT: Duration = Duration::from_secs(5);
/// What n8n answers with 200 at every path it does not know while it migrates; its check is such a path where a proxy or
/// `N8N_PATH` puts it elsewhere.
const MIGRATING: &str = "n8n is starting up";
/// One client for good: making one reads every root certificate of the machine.
static CLIENT: OnceLock<Option<reqwest::Client>> = OnceLock::new();

/// What `/healthz` said.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// What is wrong; `None` when it is well.
    pub problem: Option<String>,
    /// How long the answer took.
    pub took: Duration,
}

fn client() -> Option<&'static reqwest::Client> {
    let made = CLIENT.get_or_init(|| {
        reqwest::Client::builder()
            .timeout(LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .user_agent(concat!("flowkeep/", env!("CARGO_PKG_VERSION")))
            .build()
            .ok()
    });
    made.as_ref()
}

/// Whether an answer of 200 only says that one should wait.
async fn starting(mut answer: reqwest::Response) -> Option<String> {
    match answer.chunk().await {
        Ok(Some(words)) if words.starts_with(MIGRATING.as_bytes()) => {
            Some("it is starting up and migrates its database".to_owned())
        }
        Ok(_) => None,
        Err(error) => Some(root_cause(&error.without_url())),
    }
}

impl N8nService {
    /// Asks n8n whether it is well, for at most five seconds. `None` when no address is set.
    pub async fn health(&self) -> Option<Health> {
        let base = self.api_url().and_then(|url| Url::parse(&url).ok())?;
        let url = format!("{}/healthz", base.as_str().trim_end_matches('/'));
        let began = Instant::now();
        let problem = match client()?.get(url).send().await {
            Ok(answer) if answer.status().is_success() => starting(answer).await,
            Ok(answer) => Some(format!("it answers {}", answer.status().as_u16())),
            Err(error) if error.is_timeout() => {
                Some(format!("no answer for {} s", LIMIT.as_secs()))
            }
            Err(error) => Some(root_cause(&error.without_url())),
        };
        Some(Health {
            problem,
            took: began.elapsed(),
        })
    }

    /// Where people open a workflow or one of its runs; `None` when n8n's address is not set.
    pub fn link(&self, workflow_id: &str, execution_id: Option<i64>) -> Option<String> {
        let mut url = self.api_url().and_then(|url| Url::parse(&url).ok())?;
        {
            let mut path = url.path_segments_mut().ok()?;
            path.pop_if_empty().push("workflow").push(workflow_id);
            if let Some(id) = execution_id {
                path.push("executions").push(&id.to_string());
            }
        }
        Some(url.into())
    }
}
