//! n8n made anew from another image, with containers of a real Docker engine.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HealthConfig, HostConfig,
    NetworkCreateRequest, NetworkingConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::TagImageOptionsBuilder;
use chrono::TimeDelta;
use flowkeep::platform::docker::{Docker, Successor};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::Connection;
use tokio::net::{TcpListener, TcpStream};

use crate::backups::{Story, until};
use crate::support::app::{TestApp, TestClient};
use crate::support::postgres::{connect, empty_database_on, server_majors};

const BEFORE: &str = "pgvector/pgvector:pg15";
const AFTER: &str = "pgvector/pgvector:pg16";
/// Another image, which an upgrade leaves alone.
const BESIDE: &str = "beside/runner:1";
/// Goes on until it is told to end.
const RUN: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
/// True in the former image alone.
const IS_FORMER: &str = "test -d /usr/lib/postgresql/15";

struct Box {
    story: Story,
    docker: Docker,
    name: String,
    id: String,
}

/// n8n in a container that runs `script` and is well as long as `check` says so.
async fn begin(script: &str, check: Option<&str>) -> Option<Box> {
    begin_with(script, check, |_| {}).await
}

/// The same, with a container that is made as `change` says.
async fn begin_with(
    script: &str,
    check: Option<&str>,
    change: impl FnOnce(&mut ContainerCreateBody),
) -> Option<Box> {
    let address = std::env::var("FLOWKEEP_TEST_DOCKER").ok()?;
    let source = empty_database_on(*server_majors().await.first().unwrap()).await;
    let builder = TestApp::builder().args(&[&format!("--docker-host={address}")]);
    let story = Story::begin_with(source, builder).await;
    execute(
        &story,
        "CREATE TABLE migrations (id serial, timestamp bigint, name text); \
         INSERT INTO migrations (timestamp, name) VALUES (1, 'first')",
    )
    .await;
    let (proofs, stop) = (
        story.app.state.verifications.clone(),
        story.app.state.lifecycle.soft().clone(),
    );
    story
        .app
        .state
        .lifecycle
        .spawn("proofs", async move { proofs.work(stop).await });
    let docker = Docker::new(&address);
    let name = format!(
        "n8n_{}",
        flowkeep::platform::ids::Ids::system().uuid().simple()
    );
    let mut body = ContainerCreateBody {
        image: Some(BEFORE.to_owned()),
        entrypoint: Some(["bash", "-c"].map(str::to_owned).into()),
        cmd: Some(vec![script.to_owned()]),
        env: Some(vec!["DB_TYPE=postgresdb".to_owned()]),
        labels: Some(HashMap::from([("own".to_owned(), "label".to_owned())])),
        volumes: Some(vec!["/files".to_owned()]),
        healthcheck: check.map(|check| HealthConfig {
            test: Some(vec!["CMD-SHELL".to_owned(), check.to_owned()]),
            interval: Some(200_000_000),
            timeout: Some(5_000_000_000),
            retries: Some(2),
            ..HealthConfig::default()
        }),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            memory: Some(128 * 1024 * 1024),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                maximum_retry_count: None,
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    change(&mut body);
    let networks = Vec::new();
    let made = docker.create_successor(&name, Successor { body, networks });
    let id = made.await.unwrap();
    docker.start_container(&name).await.unwrap();
    let body = json!({ "value": name });
    let set = story.client.put("/api/settings/n8n.containers", body).await;
    assert_eq!(set.status, 200, "{}", set.message());
    story.client.reauthenticate().await;
    Some(Box {
        story,
        docker,
        name,
        id,
    })
}

async fn execute(story: &Story, sql: &'static str) {
    let mut connection = connect(&story.source).await;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn count(story: &Story, sql: &'static str) -> i64 {
    let mut connection = connect(&story.source).await;
    let found = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
    connection.close().await.unwrap();
    found.unwrap()
}

const MIGRATIONS: &str = "SELECT count(*) FROM migrations";

impl Box {
    async fn start(&self, image: &str) -> String {
        let body = json!({ "image": image });
        let answer = self.story.client.post("/api/n8n/upgrades", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        format!("/api/n8n/upgrades/{}", answer.json()["id"])
    }

    async fn get(&self, path: &str) -> Value {
        self.story.client.get(path).await.json()
    }

    async fn ended(&self, path: &str) -> Value {
        until("the end of the upgrade", || async {
            let run = self.get(path).await;
            (run["status"] != "running").then_some(run)
        })
        .await
    }

    async fn until_phase(&self, path: &str, phase: &str) {
        until(phase, || async {
            let run = self.get(path).await;
            (run["phase"] == phase).then_some(())
        })
        .await;
    }

    async fn inspect(&self, name: &str) -> Option<ContainerInspectResponse> {
        self.docker.inspect(name).await.unwrap()
    }

    /// The container that has n8n's name: its id, its image, whether it runs.
    async fn stands(&self) -> (String, String, bool) {
        let found = self.inspect(&self.name).await.unwrap();
        (
            found.id.unwrap(),
            found.config.unwrap().image.unwrap(),
            found.state.unwrap().running.unwrap(),
        )
    }

    async fn end(self) {
        let names = self.get("/api/n8n/upgrades").await["items"].clone();
        for one in names.as_array().unwrap() {
            let aside = format!("{}-before-upgrade-{}", self.name, one["id"]);
            if let Some(found) = self.inspect(&aside).await {
                self.docker
                    .remove_container(&found.id.unwrap())
                    .await
                    .unwrap();
            }
        }
        self.docker.remove_container(&self.name).await.unwrap();
    }
}

#[tokio::test]
async fn n8n_comes_up_from_another_image_with_all_that_was_set_and_can_be_taken_back() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    let volume = here.inspect(&here.id).await.unwrap().mounts.unwrap()[0]
        .name
        .clone();
    let now = here.get("/api/n8n/upgrades").await;
    assert_eq!(now["containers"][0]["image"], BEFORE, "{now}");
    let path = here.start("pg16").await;
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "done", "{run}");

    let (id, image, is_running) = here.stands().await;
    assert_ne!(id, here.id);
    assert_eq!((image.as_str(), is_running), (AFTER, true));
    let made = here.inspect(&id).await.unwrap();
    assert_eq!(
        made.mounts.unwrap()[0].name,
        volume,
        "the volume went along"
    );
    let config = made.config.unwrap();
    assert!(
        config
            .env
            .unwrap()
            .contains(&"DB_TYPE=postgresdb".to_owned())
    );
    assert_eq!(config.labels.unwrap()["own"], "label");
    let host = made.host_config.unwrap();
    assert_eq!(host.memory, Some(128 * 1024 * 1024));
    assert_eq!(
        host.restart_policy.unwrap().name,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED)
    );
    let aside = format!("{}-before-upgrade-{}", here.name, run["id"]);
    let kept = here.inspect(&aside).await.unwrap();
    assert_eq!(kept.id.as_deref(), Some(here.id.as_str()));
    assert_eq!(kept.state.unwrap().running, Some(false));
    assert_eq!(
        kept.host_config.unwrap().restart_policy.unwrap().name,
        Some(RestartPolicyNameEnum::NO),
        "an engine that starts again must not start both"
    );

    // Both backups are there, and the first was proven.
    for backup in ["backup_id", "saved_backup_id"] {
        let backup = here.story.backup(run[backup].as_i64().unwrap()).await;
        assert_eq!(backup["status"], "success");
    }
    let proven = here.story.backup(run["backup_id"].as_i64().unwrap()).await;
    assert_eq!(proven["verification_status"], "passed", "{proven}");
    let phases = run["steps"].as_array().unwrap().iter();
    let phases: Vec<_> = phases.map(|step| step["phase"].as_str().unwrap()).collect();
    assert_eq!(
        phases,
        [
            "pulling",
            "backing_up",
            "proving",
            "stopping",
            "saving",
            "replacing",
            "waiting"
        ]
    );
    let events = here.story.app.events().await;
    assert!(events.contains(&"n8n.upgraded".to_owned()), "{events:?}");
    let actions = here.story.app.audit_actions().await;
    for action in ["n8n.upgrade_requested", "n8n.upgrade_finished"] {
        assert!(actions.contains(&action.to_owned()), "{actions:?}");
    }

    let asked = here
        .story
        .client
        .post(&format!("{path}/take-back"), json!({}))
        .await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    let back = here.ended(&path).await;
    assert_eq!(
        (&back["status"], &back["restore_id"]),
        (&json!("rolled_back"), &Value::Null),
        "{back}"
    );
    assert_eq!(
        here.stands().await,
        (here.id.clone(), BEFORE.to_owned(), true)
    );
    here.end().await;
}

#[tokio::test]
async fn without_the_former_container_nothing_that_runs_is_touched() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    let path = here.start(AFTER).await;
    assert_eq!(here.ended(&path).await["status"], "done");
    let made = here.stands().await;
    // As `docker container prune` leaves it.
    here.docker.remove_container(&here.id).await.unwrap();
    let way = format!("{path}/take-back");
    let refused = here.story.client.post(&way, json!({})).await;
    assert_eq!(refused.code(), "nothing_kept", "{refused:?}");
    assert_eq!(here.get(&path).await["status"], "done");

    // One that was begun finds it out before it removes anything.
    here.story
        .app
        .execute("UPDATE upgrade_runs SET status = 'running', phase = 'taking_back'")
        .await;
    let again = TestApp::builder()
        .beside(&here.story.app)
        .args(&[&format!("--docker-host={}", here.docker.address())])
        .start()
        .await;
    again.state.upgrades.settle().await.unwrap();
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "stuck", "{run}");
    assert_eq!(here.stands().await, made, "n8n runs as it did");
    here.end().await;
}

#[tokio::test]
async fn a_runner_that_was_removed_since_keeps_nobody_from_going_back() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    let runner = format!("{}_runner", here.name);
    let options = TagImageOptionsBuilder::new()
        .repo("beside/runner")
        .tag("1")
        .build();
    let engine = bollard::Docker::connect_with_unix(
        here.docker.address().trim_start_matches("unix://"),
        60,
        bollard::API_DEFAULT_VERSION,
    )
    .unwrap();
    engine.tag_image(BEFORE, Some(options)).await.unwrap();
    let body = ContainerCreateBody {
        image: Some(BESIDE.to_owned()),
        entrypoint: Some(["bash", "-c"].map(str::to_owned).into()),
        cmd: Some(vec![RUN.to_owned()]),
        ..ContainerCreateBody::default()
    };
    let networks = Vec::new();
    let made = here
        .docker
        .create_successor(&runner, Successor { body, networks });
    let runner_id = made.await.unwrap();
    here.docker.start_container(&runner).await.unwrap();
    let both = json!({ "value": format!("{},{runner}", here.name) });
    let client = &here.story.client;
    let set = client.put("/api/settings/n8n.containers", both).await;
    assert_eq!(set.status, 200, "{}", set.message());

    let path = here.start(AFTER).await;
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "done", "{run}");
    execute(
        &here.story,
        "INSERT INTO migrations (timestamp, name) VALUES (2, 'second')",
    )
    .await;
    here.docker.remove_container(&runner_id).await.unwrap();
    // The database must come back, and is not there for a moment.
    let folder = here.story.app.data_dir.path().join("backups");
    let aside = folder.with_extension("aside");
    std::fs::rename(&folder, &aside).unwrap();
    let stands = here.stands().await;
    let way = format!("{path}/take-back");
    let refused = client.post(&way, json!({})).await;
    assert_eq!(refused.code(), "container_unusable", "{refused:?}");
    let one = json!({ "value": here.name });
    let set = client.put("/api/settings/n8n.containers", one).await;
    assert_eq!(set.status, 200, "{}", set.message());
    let refused = client.post(&way, json!({})).await;
    assert_eq!(refused.code(), "nothing_kept", "{refused:?}");
    assert_eq!(here.stands().await, stands);
    std::fs::rename(&aside, &folder).unwrap();

    let asked = client.post(&way, json!({})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "rolled_back", "{run}");
    assert!(run["restore_id"].is_number(), "{run}");
    assert_eq!(count(&here.story, MIGRATIONS).await, 1);
    assert_eq!(
        here.stands().await,
        (here.id.clone(), BEFORE.to_owned(), true)
    );
    here.end().await;
}

#[tokio::test]
async fn a_way_back_that_needs_no_database_does_not_mind_who_is_connected() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    let path = here.start(AFTER).await;
    assert_eq!(here.ended(&path).await["status"], "done");
    // As a worker of another image is, or the former n8n after a crash in the middle of the way back.
    let connected = connect(&here.story.source).await;
    let way = format!("{path}/take-back");
    let asked = here.story.client.post(&way, json!({})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "rolled_back", "{run}");
    connected.close().await.unwrap();
    assert_eq!(here.stands().await.0, here.id);
    here.end().await;
}

#[tokio::test]
async fn nobody_starts_n8n_in_the_middle_of_its_upgrade_and_if_somebody_does_nothing_is_replaced() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    let client = &here.story.client;
    // It waits for this one, and then its backup for the other.
    let connected = connect(&here.story.source).await;
    let path = here.start(AFTER).await;
    here.until_phase(&path, "stopping").await;
    let mut blocker = here.story.app.state.db.pool().begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE backup_history IN EXCLUSIVE MODE")
        .execute(&mut *blocker)
        .await
        .unwrap();
    connected.close().await.unwrap();
    here.until_phase(&path, "saving").await;
    let name = here.name.clone();
    let started = here.inspect(&here.id).await.unwrap().state.unwrap();
    assert_eq!(started.running, Some(false));
    let refused = client
        .post(&format!("/api/containers/{name}/start"), json!({}))
        .await;
    assert_eq!(refused.code(), "n8n_held", "{refused:?}");
    // Past Flowkeep, and stopped again: what it wrote is not in the backup.
    here.docker.start_container(&name).await.unwrap();
    let grace = std::time::Duration::from_secs(5);
    here.docker.stop_container(&name, grace).await.unwrap();
    blocker.rollback().await.unwrap();
    let run = here.ended(&path).await;
    assert_eq!(
        (&run["status"], &run["failure_code"]),
        (&json!("rolled_back"), &json!("n8n_was_started")),
        "{run}"
    );
    assert_eq!(
        here.stands().await,
        (here.id.clone(), BEFORE.to_owned(), true)
    );
    let again = here.inspect(&here.id).await.unwrap().state.unwrap();
    assert_ne!(again.started_at, started.started_at);
    here.end().await;
}

#[tokio::test]
async fn what_does_not_come_up_gives_way_to_the_containers_and_the_database_of_before() {
    let Some(here) = begin(RUN, Some(IS_FORMER)).await else {
        return;
    };
    let path = here.start(AFTER).await;
    here.until_phase(&path, "waiting").await;
    // What a new n8n does at its start, before it fails.
    execute(
        &here.story,
        "INSERT INTO migrations (timestamp, name) VALUES (2, 'second'); \
         DELETE FROM workflow_entity WHERE id = 'w1'",
    )
    .await;
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "rolled_back", "{run}");
    assert_eq!(run["failure_code"], "not_ready");
    assert!(run["restore_id"].is_number(), "{run}");
    assert_eq!(count(&here.story, MIGRATIONS).await, 1);
    assert_eq!(
        count(&here.story, "SELECT count(*) FROM workflow_entity").await,
        20
    );
    assert_eq!(
        here.stands().await,
        (here.id.clone(), BEFORE.to_owned(), true)
    );
    let host = here.inspect(&here.id).await.unwrap().host_config.unwrap();
    assert_eq!(
        host.restart_policy.unwrap().name,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED)
    );
    let events = here.story.app.events().await;
    assert!(events.contains(&"n8n.upgrade_failed".to_owned()));
    here.end().await;
}

#[tokio::test]
async fn one_that_ends_at_once_is_told_with_its_last_words_and_the_database_stays() {
    let script =
        format!("{IS_FORMER} || {{ echo 'this version needs a newer database'; exit 3; }}; {RUN}");
    let Some(here) = begin(&script, None).await else {
        return;
    };
    let path = here.start(AFTER).await;
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "rolled_back", "{run}");
    assert_eq!(run["failure_code"], "container_ended");
    let message = run["message"].as_str().unwrap();
    assert!(
        message.contains("this version needs a newer database"),
        "{message}"
    );
    assert_eq!(run["restore_id"], Value::Null);
    assert_eq!(
        here.stands().await,
        (here.id.clone(), BEFORE.to_owned(), true)
    );
    here.end().await;
}

#[tokio::test]
async fn without_a_good_backup_or_an_image_nothing_is_touched() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    let started = |found: ContainerInspectResponse| found.state.unwrap().started_at;
    let before = here.inspect(&here.id).await.map(started);

    let path = here.start("no-such-tag").await;
    let run = here.ended(&path).await;
    assert_eq!(
        (&run["status"], &run["failure_code"]),
        (&json!("failed"), &json!("image_not_found")),
        "{run}"
    );

    let path = here.start("pg15").await;
    let run = here.ended(&path).await;
    assert_eq!(
        (&run["status"], &run["failure_code"]),
        (&json!("failed"), &json!("registry_unreachable")),
        "{run}"
    );

    let wait = json!({ "value": 1 });
    let set = here
        .story
        .client
        .put("/api/settings/backups.lock_wait_seconds", wait)
        .await;
    assert_eq!(set.status, 200);
    let mut blocker = connect(&here.story.source).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE workflow_entity IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let path = here.start("pg16").await;
    let run = here.ended(&path).await;
    assert_eq!(
        (&run["status"], &run["failure_code"]),
        (&json!("failed"), &json!("backup_failed")),
        "{run}"
    );
    blocker.close().await.unwrap();

    assert_eq!(here.inspect(&here.id).await.map(started), before);
    here.end().await;
}

#[tokio::test]
async fn an_upgrade_that_a_crash_cut_off_is_taken_back_by_the_next_start() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    let path = here.start(AFTER).await;
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "done", "{run}");
    let (made, ..) = here.stands().await;
    // As a kill leaves it: the new container is made, its lock is free, nobody works on it.
    here.story
        .app
        .execute(
            "UPDATE upgrade_runs SET status = 'running', phase = 'replacing', completed_at = NULL",
        )
        .await;
    here.docker
        .stop_container(&made, std::time::Duration::from_secs(5))
        .await
        .unwrap();
    let again = TestApp::builder()
        .beside(&here.story.app)
        .args(&[&format!("--docker-host={}", here.docker.address())])
        .start()
        .await;
    again.state.upgrades.settle().await.unwrap();
    let run = here.ended(&path).await;
    assert_eq!(
        (&run["status"], &run["failure_code"]),
        (&json!("rolled_back"), &json!("interrupted")),
        "{run}"
    );
    assert_eq!(
        here.stands().await,
        (here.id.clone(), BEFORE.to_owned(), true)
    );
    assert!(here.inspect(&made).await.is_none());

    // One that had changed nothing yet only failed.
    here.story
        .app
        .execute(
            "UPDATE upgrade_runs SET status = 'running', phase = 'proving', completed_at = NULL",
        )
        .await;
    again.state.upgrades.settle().await.unwrap();
    assert_eq!(here.ended(&path).await["status"], "failed");
    here.end().await;
}

#[tokio::test]
async fn the_former_containers_go_when_somebody_says_so_and_then_nothing_is_taken_back() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    let path = here.start(AFTER).await;
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "done", "{run}");
    let aside = format!("{}-before-upgrade-{}", here.name, run["id"]);
    let gone = here
        .story
        .client
        .delete(&format!("{path}/former-containers"))
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    assert!(here.inspect(&aside).await.is_none());
    let refused = here
        .story
        .client
        .post(&format!("{path}/take-back"), json!({}))
        .await;
    assert_eq!(refused.code(), "nothing_kept", "{refused:?}");
    here.end().await;
}

#[tokio::test]
async fn what_cannot_be_upgraded_says_why() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    for image in ["evil/image:1", "../../etc", "--privileged"] {
        let body = json!({ "image": image });
        let answer = here.story.client.post("/api/n8n/upgrades", body).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{answer:?}"
        );
        assert!(answer.json()["error"]["fields"]["image"].is_string());
    }
    let set = |value: &'static str| {
        here.story
            .client
            .put("/api/settings/n8n.containers", json!({ "value": value }))
    };
    // The container that Flowkeep itself runs in would take it along.
    let own = here.inspect(&here.name).await.unwrap();
    let docker = here.story.app.state.docker.clone();
    docker.set_own(own.id);
    let answer = here.story.client.post("/api/n8n/upgrades", json!({})).await;
    assert_eq!(answer.code(), "container_unusable", "{answer:?}");
    assert!(answer.message().contains("Flowkeep itself runs in it"));
    docker.set_own(None);
    set("n8n_that_is_not_there").await;
    let answer = here.story.client.post("/api/n8n/upgrades", json!({})).await;
    assert_eq!(answer.code(), "container_unusable", "{answer:?}");
    let listed = here.get("/api/n8n/upgrades").await;
    assert!(
        listed["hindrance"]
            .as_str()
            .unwrap()
            .contains("correct its name"),
        "{listed}"
    );
    set("").await;
    let answer = here.story.client.post("/api/n8n/upgrades", json!({})).await;
    assert_eq!(answer.code(), "no_containers", "{answer:?}");
    here.end().await;
}

#[tokio::test]
async fn the_former_containers_are_nobodys_to_start_and_go_by_themselves_after_a_day() {
    let Some(here) = begin(RUN, None).await else {
        return;
    };
    let path = here.start(AFTER).await;
    let run = here.ended(&path).await;
    let aside = format!("{}-before-upgrade-{}", here.name, run["id"]);
    let listed = here.get("/api/containers").await.to_string();
    assert!(
        listed.contains(&here.name) && !listed.contains(&aside),
        "{listed}"
    );
    let start = format!("/api/containers/{aside}/start");
    let refused = here.story.client.post(&start, json!({})).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{refused:?}");

    let state = here.story.app.state.clone();
    let (upgrades, stop) = (state.upgrades.clone(), state.lifecycle.soft().clone());
    upgrades.settle().await.unwrap();
    assert!(here.inspect(&aside).await.is_some(), "the day is not over");
    here.story.app.advance(TimeDelta::hours(25));
    state
        .lifecycle
        .spawn("upgrades", async move { upgrades.work(stop).await });
    until("the end of the former container", || async {
        here.inspect(&aside).await.is_none().then_some(())
    })
    .await;
    // After a day nobody is signed in any more.
    here.docker.remove_container(&here.name).await.unwrap();
}

#[tokio::test]
async fn n8n_keeps_its_network_its_alias_and_its_published_port() {
    let Ok(address) = std::env::var("FLOWKEEP_TEST_DOCKER") else {
        return;
    };
    let engine = bollard::Docker::connect_with_unix(
        address.trim_start_matches("unix://"),
        60,
        bollard::API_DEFAULT_VERSION,
    )
    .unwrap();
    let ids = flowkeep::platform::ids::Ids::system();
    let network = format!("box_{}", ids.uuid().simple());
    let request = NetworkCreateRequest {
        name: network.clone(),
        ..NetworkCreateRequest::default()
    };
    engine.create_network(request).await.unwrap();
    let port = HashMap::from([(
        "5678/tcp".to_owned(),
        Some(vec![PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(String::new()),
        }]),
    )]);
    let here = begin_with(RUN, None, |body| {
        let host = body.host_config.as_mut().unwrap();
        host.network_mode = Some(network.clone());
        host.port_bindings = Some(port.clone());
        let endpoint = EndpointSettings {
            aliases: Some(vec!["workflows".to_owned()]),
            ..EndpointSettings::default()
        };
        body.networking_config = Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network.clone(), endpoint)])),
        });
    })
    .await
    .unwrap();
    let path = here.start(AFTER).await;
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "done", "{run}");

    let made = here.inspect(&here.name).await.unwrap();
    assert_ne!(made.id.as_deref(), Some(here.id.as_str()));
    let host = made.host_config.unwrap();
    assert_eq!(host.network_mode.as_deref(), Some(network.as_str()));
    assert_eq!(host.port_bindings, Some(port));
    let settings = made.network_settings.unwrap();
    let endpoint = &settings.networks.unwrap()[&network];
    // Older engines add the beginning of the id: the new one's then.
    let aliases = endpoint.aliases.clone().unwrap();
    assert!(aliases.contains(&"workflows".to_owned()), "{aliases:?}");
    assert!(
        aliases.iter().all(|alias| !here.id.starts_with(alias)),
        "{aliases:?}"
    );

    here.end().await;
    engine.remove_network(&network).await.unwrap();
}

#[tokio::test]
async fn n8n_in_another_containers_network_comes_up_in_it_again() {
    let Ok(address) = std::env::var("FLOWKEEP_TEST_DOCKER") else {
        return;
    };
    let docker = Docker::new(&address);
    let ids = flowkeep::platform::ids::Ids::system();
    let feed = format!("feed_{}", ids.uuid().simple());
    let body = ContainerCreateBody {
        image: Some(BEFORE.to_owned()),
        hostname: Some("feed".to_owned()),
        entrypoint: Some(["bash", "-c", RUN].map(str::to_owned).into()),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let networks = Vec::new();
    let made = docker.create_successor(&feed, Successor { body, networks });
    let mode = format!("container:{}", made.await.unwrap());
    docker.start_container(&feed).await.unwrap();
    let here = begin_with(RUN, None, |body| {
        body.host_config.as_mut().unwrap().network_mode = Some(mode.clone());
    })
    .await
    .unwrap();
    let former = here.inspect(&here.id).await.unwrap().config.unwrap();
    assert_eq!(
        former.hostname.as_deref(),
        Some("feed"),
        "as the engine says it"
    );

    let path = here.start(AFTER).await;
    let run = here.ended(&path).await;
    assert_eq!(run["status"], "done", "{run}");
    let made = here.inspect(&here.name).await.unwrap();
    assert_eq!(made.host_config.unwrap().network_mode, Some(mode));
    here.end().await;
    docker.remove_container(&feed).await.unwrap();
}

/// What was told of n8n.
async fn told(app: &TestApp) -> Vec<String> {
    let mut all = app.events().await;
    all.retain(|event| event.starts_with("n8n."));
    all
}

/// An upgrade that ended as `status`, with one container if `has_container`. Returns its path.
async fn left(app: &TestApp, status: &str, has_container: bool, kept: TimeDelta) -> String {
    let former = json!([{ "name": "n8n_main", "id": "0123", "image": BEFORE, "image_id": "sha256:1", "version": null,
        "was_running": false, "is_replaced": true, "restart_policy": "no", "restart_count": null }]);
    let containers = if has_container { former } else { json!([]) };
    let sql = "INSERT INTO upgrade_runs (status, phase, job_id, image, containers, failure_code, started_at, \
               completed_at, kept_until) VALUES ($1, 'waiting', gen_random_uuid(), 'n8nio/n8n:2', $2, \
               CASE $1 WHEN 'stuck' THEN 'docker_unreachable' END, $3, $3, $4) RETURNING id";
    let id: i32 = sqlx::query_scalar(sql)
        .bind(status)
        .bind(containers)
        .bind(app.now())
        .bind((status == "done").then(|| app.now() + kept))
        .fetch_one(app.state.db.pool())
        .await
        .unwrap();
    format!("/api/n8n/upgrades/{id}")
}

async fn take_back(client: &TestClient, path: &str) -> StatusCode {
    client.reauthenticate().await;
    let answer = client.post(&format!("{path}/take-back"), json!({})).await;
    answer.status
}

#[tokio::test]
async fn what_was_kept_for_longer_than_a_day_is_not_put_back_by_a_click() {
    let (app, client) = TestApp::with_admin().await;
    let path = left(&app, "done", false, TimeDelta::minutes(-1)).await;
    client.reauthenticate().await;
    let refused = client.post(&format!("{path}/take-back"), json!({})).await;
    assert_eq!(refused.code(), "nothing_kept", "{refused:?}");
    assert_eq!(client.get(&path).await.json()["status"], "done");

    let path = left(&app, "done", false, TimeDelta::minutes(1)).await;
    assert_eq!(take_back(&client, &path).await, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_upgrade_that_others_followed_is_not_put_back() {
    let (app, client) = TestApp::with_admin().await;
    let path = left(&app, "stuck", false, TimeDelta::zero()).await;
    left(&app, "failed", false, TimeDelta::zero()).await;
    left(&app, "rolled_back", false, TimeDelta::zero()).await;
    let last = left(&app, "done", false, TimeDelta::zero()).await;
    client.reauthenticate().await;
    let refused = client.post(&format!("{path}/take-back"), json!({})).await;
    assert_eq!(refused.code(), "upgrade_followed", "{refused:?}");
    assert_eq!(client.get(&path).await.json()["status"], "stuck");
    // One that was taken back itself stands in nobody's way.
    let id = last.rsplit('/').next().unwrap();
    let sql = format!("UPDATE upgrade_runs SET status = 'rolled_back' WHERE id = {id}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(app.state.db.pool())
        .await
        .unwrap();
    assert_eq!(take_back(&client, &path).await, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn taking_back_an_upgrade_that_was_stuck_ends_its_alert() {
    let (app, client) = TestApp::with_admin().await;
    let path = left(&app, "stuck", false, TimeDelta::zero()).await;
    assert_eq!(take_back(&client, &path).await, StatusCode::ACCEPTED);
    until("the way back", || async {
        let run = client.get(&path).await.json();
        (run["status"] == "rolled_back").then_some(())
    })
    .await;
    assert_eq!(told(&app).await, ["n8n.upgraded"]);
}

/// An engine that takes a question and does not answer it.
async fn in_the_middle() -> (TestApp, TestClient, String, TcpListener, TcpStream) {
    let engine = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("--docker-host=tcp://{}", engine.local_addr().unwrap());
    let app = TestApp::builder().args(&[&address]).start().await;
    app.setup_admin().await;
    let client = app.client();
    client.login().await;
    let path = left(&app, "stuck", true, TimeDelta::zero()).await;
    // As a crash leaves it.
    app.execute("UPDATE upgrade_runs SET status = 'running', phase = 'taking_back'")
        .await;
    app.state.upgrades.settle().await.unwrap();
    let (asked, _) = engine.accept().await.unwrap();
    (app, client, path, engine, asked)
}

const LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test]
async fn an_upgrade_that_this_daemon_is_at_is_not_settled_when_its_lock_is_gone_for_a_moment() {
    let (app, client, path, engine, asked) = in_the_middle().await;
    let before: String = app.sql("SELECT job_id::text FROM upgrade_runs").await;
    // As an outage of the database leaves it.
    app.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .await;
    app.state.upgrades.settle().await.unwrap();
    let after: String = app.sql("SELECT job_id::text FROM upgrade_runs").await;
    assert_eq!(before, after);
    drop((asked, engine));
    let run = until("the end", || async {
        let run = client.get(&path).await.json();
        (run["status"] != "running").then_some(run)
    })
    .await;
    assert_eq!(run["status"], "stuck", "{run}");
    assert_eq!(run["steps"].as_array().unwrap().len(), 1, "{run}");
    assert_eq!(told(&app).await, ["n8n.upgrade_failed"]);
}

#[tokio::test]
async fn a_worker_whose_upgrade_another_daemon_went_on_with_touches_and_tells_nothing_more() {
    let (app, client, path, engine, asked) = in_the_middle().await;
    app.execute("UPDATE upgrade_runs SET job_id = gen_random_uuid()")
        .await;
    drop((asked, engine));
    until("the end of the first worker", || async {
        (app.sql::<i64>(LOCKS).await == 0).then_some(())
    })
    .await;
    let run = client.get(&path).await.json();
    assert_eq!(
        (&run["status"], &run["phase"]),
        (&json!("running"), &json!("taking_back"))
    );
    assert!(told(&app).await.is_empty());

    // Nobody is at it any more: now it is settled, by one of those who try.
    let other = TestApp::builder().beside(&app).start().await;
    app.state.upgrades.settle().await.unwrap();
    other.state.upgrades.settle().await.unwrap();
    until("the end", || async {
        let run = client.get(&path).await.json();
        (run["status"] == "stuck").then_some(())
    })
    .await;
    assert_eq!(told(&app).await, ["n8n.upgrade_failed"]);
}
