//! Whether a container that was started is what it should be.

use std::time::{Duration, Instant};

use crate::platform::docker::models::HealthStatusEnum;

use super::error::Trouble;
use super::service::UpgradeService;

/// Runs `ASK` inside the container; the script is its first argument, so that no shell reads it. 127 where no node is.
const RUN: &str = r#"command -v node >/dev/null || exit 127; exec node -e "$0""#;
/// Asks n8n where it listens: 0 for ready, 1 for not yet, 2 if nobody speaks as n8n does. While n8n migrates it answers 200 at every path that it does
/// not know, so that only its own words count; and where its check is differs: 1.x has it at the root whatever
/// `N8N_PATH` says, 2.x under it, and under `N8N_ENDPOINT_HEALTH` alone if that is set.
const ASK: &str = r"const e=process.env,at=e.N8N_LISTEN_ADDRESS;
const clean=path=>('/'+path).replace(/\/+/g,'/').replace(/\/$/,'');
const all=[clean((e.N8N_PATH||'')+'/healthz'),'/healthz'];
if(e.N8N_ENDPOINT_HEALTH)all.unshift(clean(e.N8N_ENDPOINT_HEALTH));
const isTls=e.N8N_PROTOCOL=='https'&&e.N8N_SSL_KEY&&e.N8N_SSL_CERT;
const ask=path=>new Promise(done=>{
  require(isTls?'https':'http').get({host:!at||at=='::'||at=='0.0.0.0'?'127.0.0.1':at,port:e.N8N_PORT||5678,
    path:path+'/readiness',timeout:5000,rejectUnauthorized:false},answer=>{
    let text='';
    answer.setEncoding('utf8').on('error',()=>done(2)).on('data',part=>{if(text.length<9999)text+=part}).on('end',()=>{
      let says;
      try{says=JSON.parse(text).status}catch{}
      done(answer.statusCode==503||text.startsWith('n8n is starting up')?1:answer.statusCode==200&&says==='ok'?0:2)
    });
  }).on('timeout',function(){this.destroy()}).on('error',()=>done(2));
});
(async()=>{const said=[];for(const path of new Set(all))said.push(await ask(path));process.exit(Math.min(...said))})()";

/// The script gives each of three addresses five seconds.
const ASK_LIMIT: Duration = Duration::from_secs(30);

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
            let looked = tokio::select! {
                looked = self.look(name, is_main) => looked,
                () = self.parts.lifecycle.soft().cancelled() => {
                    return Err(Trouble::interrupted("It goes on at its next start."));
                }
            };
            match looked {
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
                    return Err(Trouble::interrupted("It goes on at its next start."));
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
        let has_own = match state.health.and_then(|health| health.status) {
            Some(HealthStatusEnum::HEALTHY) => true,
            Some(HealthStatusEnum::UNHEALTHY) => {
                return Look::NotYet("its health check fails.".to_owned());
            }
            Some(HealthStatusEnum::STARTING) => {
                return Look::NotYet("its health check does not pass yet.".to_owned());
            }
            Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => false,
        };
        if is_main {
            return self.ask(name, has_own).await;
        }
        if has_own { Look::Ready } else { Look::Runs }
    }

    /// Asks n8n itself. A health check of its own is most often `/healthz`, which is well before n8n is: while it
    /// migrates. Where n8n says nothing, that check has to do.
    async fn ask(&self, name: &str, has_own: bool) -> Look {
        let otherwise = |look| if has_own { Look::Ready } else { look };
        let asked = self.parts.docker.output(name, &["sh", "-c", RUN, ASK]);
        // One that is frozen would never answer.
        let Ok(asked) = tokio::time::timeout(ASK_LIMIT, asked).await else {
            return Look::NotYet("n8n's container does not answer.".to_owned());
        };
        match asked {
            Ok(ended) => match ended.code {
                Some(0) => Look::Ready,
                Some(126 | 127) | None => otherwise(Look::Runs),
                Some(1) => Look::NotYet("n8n does not say that it is ready.".to_owned()),
                Some(_) => otherwise(Look::NotYet("n8n does not answer yet.".to_owned())),
            },
            Err(error) if error.is_passing() => Look::NotYet(format!("{error}.")),
            Err(_) => otherwise(Look::Runs),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::process::Command;

    use super::*;

    const OK: &str = r#"{"status":"ok"}"#;
    const MIGRATING: &str = "n8n is starting up. Please wait";

    #[expect(
        clippy::disallowed_methods,
        reason = "the script as the container's shell runs it, without a runtime"
    )]
    /// What the script makes of an n8n that answers so at each path; `None` where there is no node.
    fn ask(env: &[(&str, &str)], answer: fn(&str) -> (u16, &'static str)) -> Option<i32> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                while lines
                    .next()
                    .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
                {}
                let (status, body) = answer(first.split(' ').nth(1).unwrap());
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        let ended = Command::new("sh")
            .args(["-c", RUN, ASK])
            .env("N8N_PORT", port)
            .envs(env.iter().copied())
            .status()
            .unwrap();
        ended.code().filter(|code| *code != 127)
    }

    /// n8n while it migrates: it knows its own check, and says to everything else that one should wait.
    fn migrating(path: &str) -> (u16, &'static str) {
        match path {
            "/healthz/readiness" => (503, r#"{"status":"error"}"#),
            "/healthz" => (200, OK),
            _ => (200, MIGRATING),
        }
    }

    #[test]
    fn n8n_in_the_middle_of_its_migrations_is_not_ready_wherever_it_lives() {
        for env in [
            &[][..],
            &[("N8N_PATH", "/n8n/")],
            &[("N8N_ENDPOINT_HEALTH", "/alive")],
        ] {
            let code = ask(env, migrating);
            assert!(matches!(code, None | Some(1)), "{env:?}: {code:?}");
        }
    }

    #[test]
    fn n8n_is_ready_where_its_version_says_so() {
        type Answer = fn(&str) -> (u16, &'static str);
        let root: Answer = |path| match path {
            "/healthz/readiness" => (200, OK),
            // The page, for whatever n8n does not know.
            _ => (200, "<html>"),
        };
        let below: Answer = |path| match path {
            "/n8n/healthz/readiness" => (200, OK),
            _ => (404, ""),
        };
        let own: Answer = |path| match path {
            "/alive/readiness" => (200, OK),
            _ => (404, ""),
        };
        let cases: [(&[(&str, &str)], Answer); 6] = [
            (&[], root),
            (&[("N8N_PATH", "/n8n/")], root),
            (&[("N8N_PATH", "n8n")], below),
            (
                &[("N8N_PATH", "/n8n/"), ("N8N_ENDPOINT_HEALTH", "/alive")],
                own,
            ),
            // Behind a proxy that speaks HTTPS for it: without a key n8n itself does not.
            (&[("N8N_PROTOCOL", "https")], root),
            (&[("N8N_LISTEN_ADDRESS", "127.0.0.1")], root),
        ];
        for (env, answer) in cases {
            let code = ask(env, answer);
            assert!(matches!(code, None | Some(0)), "{env:?}: {code:?}");
        }
        let another: Answer = |_| (200, "<html>");
        assert!(matches!(ask(&[], another), None | Some(2)));
    }
}
