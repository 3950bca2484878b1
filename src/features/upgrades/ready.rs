//! Whether a container that was started is what it should be.

use std::time::Instant;

use crate::platform::docker::models::HealthStatusEnum;

use super::error::Trouble;
use super::service::UpgradeService;

/// Asks n8n from inside its container, where it always listens: 0 for ready, 1 for not yet.
const ASK: &str = r#"command -v node >/dev/null || exit 127
exec node -e "const e=process.env,p=(e.N8N_PATH||'/').replace(/\/$/,'');
require(e.N8N_PROTOCOL=='https'?'https':'http').get({host:'127.0.0.1',port:e.N8N_PORT||5678,path:p+'/healthz/readiness',
timeout:5000,rejectUnauthorized:false},r=>process.exit(r.statusCode==200?0:1)).on('error',()=>process.exit(1))""#;

/// What is known of it now.
enum Look {
    Ready,
    NotYet(String),
    /// It says nothing of itself: that it goes on running has to do.
    Runs,
    Ended(Trouble),
}

impl UpgradeService {
    /// Waits until a container is ready: its own health check, else n8n's, else that it goes on running.
    pub(super) async fn wait_ready(&self, name: &str, is_main: bool) -> Result<String, Trouble> {
        let patience = self.parts.patience;
        let started = Instant::now();
        let mut steady = None;
        let mut last = String::new();
        while started.elapsed() < patience.ready {
            match self.look(name, is_main).await {
                Look::Ready => return Ok(format!("{name} is ready.")),
                Look::Ended(trouble) => return Err(trouble),
                Look::NotYet(why) => {
                    steady = None;
                    last = why;
                }
                Look::Runs => {
                    let since = steady.get_or_insert_with(Instant::now);
                    if since.elapsed() >= patience.steady {
                        return Ok(format!("{name} runs; it has no health check to ask."));
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(patience.poll) => {}
                () = self.parts.lifecycle.soft().cancelled() => {
                    return Err(Trouble::new("interrupted", "Flowkeep was stopped meanwhile.", "It goes on at its next start."));
                }
            }
        }
        let said = self.parts.docker.last_words(name).await.unwrap_or_default();
        Err(Trouble::new(
            "not_ready",
            format!(
                "{name} was not ready within {} s: {last} Its last words: {said}",
                patience.ready.as_secs()
            ),
            "Read n8n's notes on breaking changes of that version.",
        ))
    }

    async fn look(&self, name: &str, is_main: bool) -> Look {
        let docker = &self.parts.docker;
        let found = match docker.inspect(name).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                return Look::Ended(Trouble::new(
                    "container_gone",
                    format!("{name} is gone: somebody removed it."),
                    "Look who else works with Docker.",
                ));
            }
            Err(error) => return Look::NotYet(format!("{error}.")),
        };
        let state = found.state.unwrap_or_default();
        let restarts = found.restart_count.unwrap_or_default();
        if !state.running.unwrap_or(false) || state.restarting.unwrap_or(false) || restarts > 1 {
            let said = docker.last_words(name).await.unwrap_or_default();
            let code = state.exit_code.unwrap_or_default();
            let memory = if state.oom_killed.unwrap_or(false) {
                ", for it took more memory than it may"
            } else {
                ""
            };
            return Look::Ended(Trouble::new(
                "container_ended",
                format!("{name} ended with {code}{memory}. Its last words: {said}"),
                "Read n8n's notes on breaking changes of that version.",
            ));
        }
        match state.health.and_then(|health| health.status) {
            Some(HealthStatusEnum::HEALTHY) => return Look::Ready,
            Some(HealthStatusEnum::UNHEALTHY) => {
                return Look::NotYet("its health check fails.".to_owned());
            }
            Some(HealthStatusEnum::STARTING) => {
                return Look::NotYet("its health check does not pass yet.".to_owned());
            }
            Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => {}
        }
        if !is_main {
            return Look::Runs;
        }
        match docker.output(name, &["sh", "-c", ASK]).await {
            Ok(ended) => match ended.code {
                Some(0) => Look::Ready,
                Some(126 | 127) | None => Look::Runs,
                Some(_) => Look::NotYet("n8n does not say that it is ready.".to_owned()),
            },
            Err(error) if error.is_passing() => Look::NotYet(format!("{error}.")),
            Err(_) => Look::Runs,
        }
    }
}
