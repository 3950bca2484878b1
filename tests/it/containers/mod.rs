//! Containers of a real Docker engine. `scripts/with-docker` starts one for the tests; where none can run these
//! tests are left out.

mod events;
mod list;
mod logs;
mod n8n;
mod updates;

use std::collections::HashMap;

use axum::body::BodyDataStream;
use axum::response::Response;
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptions, KillContainerOptionsBuilder,
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder,
};
use flowkeep::platform::ids::Ids;
use futures_util::StreamExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use crate::backups::until;
use crate::support::app::{TestApp, TestClient};

const IMAGE: &str = "pgvector/pgvector:pg16";
/// Waits for its end and ends at once when asked to.
const IDLE: &str = "trap 'exit 0' TERM; while :; do read -t 1 <> <(:); done";

/// How a container is made.
#[derive(Clone, Default)]
struct Made<'a> {
    script: &'a str,
    is_tty: bool,
    labels: &'a [(&'a str, &'a str)],
    env: &'a [&'a str],
    memory: Option<i64>,
    is_restarted: bool,
    check: Option<&'a str>,
    network: Option<&'a str>,
}

fn idle() -> Made<'static> {
    Made {
        script: IDLE,
        ..Made::default()
    }
}

/// An application with an engine, and a prefix of names that no other test has.
struct Engine {
    app: TestApp,
    client: TestClient,
    docker: bollard::Docker,
    prefix: String,
    stop: CancellationToken,
}

/// Where the tests' engine is.
fn engine() -> Option<String> {
    std::env::var("FLOWKEEP_TEST_DOCKER").ok()
}

impl Engine {
    async fn begin() -> Option<Self> {
        let address = engine()?;
        Some(Self::at(&address, &address).await)
    }

    /// An application that reaches the engine by another way.
    async fn at(engine: &str, by: &str) -> Self {
        let app = TestApp::builder()
            .args(&[&format!("--docker-host={by}")])
            .start()
            .await;
        app.setup_admin().await;
        let client = app.client();
        client.login().await;
        let docker = bollard::Docker::connect_with_unix(
            engine.strip_prefix("unix://").unwrap(),
            60,
            bollard::API_DEFAULT_VERSION,
        );
        let docker = docker.unwrap().negotiate_version().await.unwrap();
        let here = Self {
            app,
            client,
            docker,
            prefix: format!("t{}_", &Ids::system().uuid().simple().to_string()[..12]),
            stop: CancellationToken::new(),
        };
        here.set("containers.prefixes", json!(here.prefix)).await;
        here
    }

    async fn set(&self, key: &str, value: Value) {
        let path = format!("/api/settings/{key}");
        let set = self.client.put(&path, json!({ "value": value })).await;
        assert_eq!(set.status, StatusCode::OK, "{}", set.message());
    }

    fn name(&self, short: &str) -> String {
        format!("{}{short}", self.prefix)
    }

    fn path(&self, short: &str, rest: &str) -> String {
        format!("/api/containers/{}{rest}", self.name(short))
    }

    /// Makes a container under its whole name. Returns its id.
    async fn make(&self, name: &str, made: Made<'_>) -> String {
        let policy = made.is_restarted.then_some(RestartPolicyNameEnum::ALWAYS);
        let host = HostConfig {
            network_mode: Some(made.network.unwrap_or("none").to_owned()),
            memory: made.memory,
            memory_swap: made.memory,
            restart_policy: policy.map(|name| RestartPolicy {
                name: Some(name),
                maximum_retry_count: None,
            }),
            ..HostConfig::default()
        };
        let check = made.check.map(|script| HealthConfig {
            test: Some(["CMD", "bash", "-c", script].map(str::to_owned).into()),
            interval: Some(100_000_000),
            timeout: Some(5_000_000_000),
            retries: Some(1),
            ..HealthConfig::default()
        });
        let labels = made.labels.iter();
        let labels: HashMap<_, _> = labels
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            entrypoint: Some(["bash", "-c", made.script].map(str::to_owned).into()),
            cmd: Some(Vec::new()),
            env: Some(made.env.iter().map(|one| (*one).to_owned()).collect()),
            tty: Some(made.is_tty),
            labels: Some(labels),
            healthcheck: check,
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let made = self.docker.create_container(Some(options), body).await;
        made.unwrap().id
    }

    /// Makes and starts a container of the project. Returns its id.
    async fn run(&self, short: &str, made: Made<'_>) -> String {
        let id = self.make(&self.name(short), made).await;
        self.start(&id).await;
        id
    }

    async fn start(&self, id: &str) {
        let none = None::<StartContainerOptions>;
        self.docker.start_container(id, none).await.unwrap();
    }

    async fn stop(&self, id: &str) {
        let options = StopContainerOptionsBuilder::new().t(10).build();
        self.docker.stop_container(id, Some(options)).await.unwrap();
    }

    async fn kill(&self, id: &str) {
        let none = None::<KillContainerOptions>;
        self.docker.kill_container(id, none).await.unwrap();
    }

    async fn signal(&self, id: &str, name: &str) {
        let options = KillContainerOptionsBuilder::new().signal(name).build();
        let sent = self.docker.kill_container(id, Some(options)).await;
        sent.unwrap();
    }

    async fn rename(&self, id: &str, name: &str) {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        self.docker.rename_container(id, options).await.unwrap();
    }

    async fn remove(&self, id: &str) {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        self.docker
            .remove_container(id, Some(options))
            .await
            .unwrap();
    }

    /// Listens to the engine as the daemon does.
    fn watch(&self) {
        let (containers, stop) = (self.app.state.containers.clone(), self.stop.clone());
        self.app.state.lifecycle.spawn("watch", async move {
            containers.work(stop).await;
        });
    }

    /// How the table has a container.
    async fn cached(&self, short: &str) -> Option<(String, String)> {
        let sql = "SELECT status, health FROM container_status_cache WHERE container_name = $1";
        sqlx::query_as(sql)
            .bind(self.name(short))
            .fetch_optional(self.app.state.db.pool())
            .await
            .unwrap()
    }

    async fn until_cached(&self, short: &str, status: &str) {
        until(&format!("{short} is {status}"), || async {
            self.cached(short).await.filter(|(is, _)| is == status)
        })
        .await;
    }

    /// Waits until an end is kept as `docker stop`'s, which the engine says a moment after the end.
    async fn until_stop_kept(&self, short: &str) {
        until("the end and its cause are kept", || async {
            let sql = "SELECT memory->'ended'->'ending'->'culprit'->>'by' \
                       FROM container_status_cache WHERE container_name = $1";
            let by: Option<String> = sqlx::query_scalar(sql)
                .bind(self.name(short))
                .fetch_one(self.app.state.db.pool())
                .await
                .unwrap();
            by.filter(|by| by == "docker_stop")
        })
        .await;
    }

    /// Types and data of what was told of a container, in order.
    async fn told(&self, short: &str) -> Vec<(String, Value)> {
        let sql =
            "SELECT event_type, data FROM event_outbox WHERE data->>'container' = $1 ORDER BY id";
        sqlx::query_as(sql)
            .bind(self.name(short))
            .fetch_all(self.app.state.db.pool())
            .await
            .unwrap()
    }

    /// Waits until that is what was told last of a container. Time goes on meanwhile.
    async fn until_told(&self, short: &str, event_type: &str, count: usize) -> Value {
        until(&format!("{event_type} of {short}"), || async {
            self.app.advance(chrono::TimeDelta::seconds(1));
            let told = self.told(short).await;
            let last = told.get(count - 1)?;
            assert_eq!(last.0, event_type, "{told:?}");
            Some(last.1.clone())
        })
        .await
    }

    async fn follow(&self, path: &str) -> Stream {
        let request = self.client.request(Method::GET, path, None);
        Stream::of(self.client.send(request).await)
    }

    async fn end(self, ids: &[String]) {
        self.stop.cancel();
        self.app.state.lifecycle.stop();
        for id in ids {
            self.remove(id).await;
        }
        assert!(
            self.app.state.lifecycle.drain().await,
            "a task does not end"
        );
    }
}

/// What lines say.
fn texts(lines: &Value) -> impl Iterator<Item = String> {
    let lines = lines.as_array().unwrap().iter();
    lines.map(|line| line["text"].as_str().unwrap().to_owned())
}

/// A stream of server-sent events, read one by one.
struct Stream {
    body: BodyDataStream,
    text: String,
    /// All that came, whatever was waited for.
    lines: Vec<String>,
}

impl Stream {
    fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
            lines: Vec::new(),
        }
    }

    async fn next(&mut self) -> (String, Value) {
        // Signs of life are no messages.
        let limit = tokio::time::Instant::now() + std::time::Duration::from_mins(2);
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let whole: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    let line = whole.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|text| text.trim_start().to_owned())
                };
                let (Some(name), Some(data)) = (field("event:"), field("data:")) else {
                    continue;
                };
                let data: Value = serde_json::from_str(&data).unwrap();
                if matches!(name.as_str(), "lines" | "history") {
                    self.lines.extend(texts(&data["lines"]));
                }
                return (name, data);
            }
            let piece = tokio::time::timeout_at(limit, self.body.next()).await;
            let piece = piece
                .expect("nothing comes")
                .expect("the stream ended")
                .unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next message of that kind; others are passed over.
    async fn of_kind(&mut self, kind: &str) -> Value {
        loop {
            let (name, data) = self.next().await;
            if name == kind {
                return data;
            }
        }
    }

    /// Waits for a state.
    async fn state(&mut self, state: &str) -> Value {
        loop {
            let data = self.of_kind("state").await;
            if data["state"] == state {
                return data;
            }
        }
    }

    /// Lines as they come, the history's first, until one has this text.
    async fn lines_until(&mut self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let (name, data) = self.next().await;
            if name != "lines" && name != "history" {
                continue;
            }
            all.extend(texts(&data["lines"]));
            // What came together with it is not lost for whoever counts on.
            if all.iter().any(|text| text == last) {
                return all;
            }
        }
    }
}
