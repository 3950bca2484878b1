//! What is shown of containers, to whom, and what can be done to them.

use flowkeep::platform::docker::{Cage, Docker, Labels, Place};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Engine, IMAGE, Made, engine, idle, until};
use crate::support::app::TestApp;
use crate::support::gate::Gate;

/// Every route of one container.
const ROUTES: [(Method, &str); 8] = [
    (Method::GET, ""),
    (Method::POST, "/start"),
    (Method::POST, "/stop"),
    (Method::POST, "/restart"),
    (Method::GET, "/update"),
    (Method::GET, "/logs"),
    (Method::GET, "/logs/follow"),
    (Method::GET, "/logs/download"),
];

async fn names(here: &Engine) -> Vec<String> {
    let list = here.client.get("/api/containers").await.json();
    let items = list["items"].as_array().unwrap();
    let names = items
        .iter()
        .map(|item| item["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[tokio::test]
async fn ghsa_m855_what_the_list_leaves_out_cannot_be_reached_by_name_or_id() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let allowed = here.run("main", idle()).await;
    let other_name = format!("other-{}", here.prefix);
    let other = here.make(&other_name, idle()).await;
    here.start(&other).await;
    assert_eq!(names(&here).await, [here.name("main")]);

    let shown = here.client.get("/api/containers/no-such-container").await;
    assert_eq!(shown.status, StatusCode::NOT_FOUND);
    let hidden = [
        other_name.clone(),
        other.clone(),
        other[..12].to_owned(),
        allowed.clone(),
        allowed[..12].to_owned(),
        allowed[..8].to_owned(),
        format!("..%2f{}", here.name("main")),
        format!("%2e%2e%2fcontainers%2f{other_name}"),
        format!("{}%2f..%2f{other_name}", here.name("main")),
        format!("{}%00", here.name("main")),
        format!("{}%3fall=1", here.name("main")),
        format!("%2f{}", here.name("main")),
        here.name("main").to_uppercase(),
        "..".to_owned(),
        "%2e%2e".to_owned(),
    ];
    for name in &hidden {
        for (method, rest) in ROUTES {
            let path = format!("/api/containers/{name}{rest}");
            let body = (method == Method::POST).then(|| json!({}));
            let answer = here.client.call(method.clone(), &path, body).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
            if !name.contains("..") {
                assert_eq!(answer.text(), shown.text(), "{method} {path} tells more");
            }
        }
        if name.contains("%00") {
            continue; // No parameter of any route may hold it.
        }
        let path = format!(
            "/api/containers/logs/follow?names={},{name}",
            here.name("main")
        );
        let answer = here.client.get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let docker = Docker::new(&engine().unwrap());
    let state = docker.state(&other, false).await.unwrap().unwrap();
    assert!(state.is_running, "nobody stopped it");
    here.end(&[allowed, other]).await;
}

#[tokio::test]
async fn a_compose_project_a_label_or_n8ns_own_name_let_a_container_in_and_flowkeeps_own_stay_out()
{
    let Some(here) = Engine::begin().await else {
        return;
    };
    let project = format!("p{}", here.prefix);
    let by_project = Made {
        labels: &[
            ("com.docker.compose.project", &project),
            ("com.docker.compose.service", "n8n"),
        ],
        ..idle()
    };
    let by_project = here.make(&format!("a-{}", here.prefix), by_project).await;
    let label = format!("l{}", here.prefix);
    let by_label = Made {
        labels: &[(&label, "yes")],
        ..idle()
    };
    let by_label = here.make(&format!("b-{}", here.prefix), by_label).await;
    let by_name = here.make(&format!("c-{}", here.prefix), idle()).await;
    let cage = Cage {
        image: IMAGE.to_owned(),
        user: "postgres".to_owned(),
        argv: ["sleep", "600"].map(str::to_owned).into(),
        env: Vec::new(),
        memory_bytes: 64 * 1024 * 1024,
        pids: 8,
        shares_network_of: None,
        labels: Labels {
            installation: "a test of containers".to_owned(),
            run: here.prefix.clone(),
            expires_at: i64::MAX,
        },
        files: None,
    };
    let caged = Docker::new(&engine().unwrap())
        .start_caged(&cage)
        .await
        .unwrap();
    assert!(names(&here).await.is_empty());
    here.set("containers.projects", json!(project)).await;
    here.set("containers.labels", json!(format!("{label}=yes")))
        .await;
    here.set("n8n.containers", json!(format!("c-{}", here.prefix)))
        .await;
    here.set(
        "containers.prefixes",
        json!(format!("{},flowkeep-", here.prefix)),
    )
    .await;
    let expected: Vec<_> = ["a", "b", "c"]
        .map(|one| format!("{one}-{}", here.prefix))
        .into();
    assert_eq!(names(&here).await, expected);
    let caged_name = format!("flowkeep-{}", here.prefix);
    let answer = here
        .client
        .get(&format!("/api/containers/{caged_name}"))
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let list = here.client.get("/api/containers").await.json();
    assert_eq!(list["items"][0]["compose_service"], "n8n");
    assert_eq!(list["policy"]["projects"], json!([project]));
    here.set("containers.labels", json!(format!("{label}=no")))
        .await;
    assert_eq!(names(&here).await.len(), 2);
    here.end(&[by_project, by_label, by_name, caged]).await;
}

#[tokio::test]
async fn details_tell_what_a_container_is_and_no_value_of_its_environment() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let made = Made {
        env: &["N8N_ENCRYPTION_KEY=a very secret key", "TZ=UTC"],
        labels: &[("traefik.auth", "admin:a very secret hash")],
        memory: Some(64 * 1024 * 1024),
        check: Some("echo all is well"),
        ..idle()
    };
    let id = here.run("main", made).await;
    let details = until("a check", || async {
        let details = here.client.get(&here.path("main", "")).await.json();
        (details["container"]["health"] == "healthy").then_some(details)
    })
    .await;
    let container = &details["container"];
    assert_eq!(container["id"], id, "{details}");
    assert_eq!(
        (&container["status"], &container["image"]),
        (&json!("running"), &json!(IMAGE))
    );
    assert!(container["started_at"].is_string() && container["finished_at"].is_null());
    assert_eq!(details["memory_limit_bytes"], 64 * 1024 * 1024);
    assert_eq!(details["networks"][0]["name"], "none");
    assert_eq!(details["checks"][0]["output"], "all is well");
    let environment = details["environment"].as_array().unwrap();
    assert!(
        environment.contains(&json!("N8N_ENCRYPTION_KEY")),
        "{details}"
    );
    assert!(!details.to_string().contains("secret"), "{details}");
    here.end(&[id]).await;
}

#[tokio::test]
async fn stop_start_and_restart_do_it_and_the_audit_log_says_who() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let id = here.run("main", idle()).await;
    let act = async |verb: &str| {
        let path = here.path("main", &format!("/{verb}?id={id}"));
        let answer = here.client.post(&path, json!({})).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{verb}: {}",
            answer.message()
        );
        answer.json()
    };
    let stopped = act("stop").await;
    assert_eq!(
        (&stopped["status"], &stopped["exit_code"]),
        (&json!("stopped"), &json!(0))
    );
    let started = act("start").await;
    assert_eq!(started["status"], "running");
    assert_eq!(
        act("start").await["status"],
        "running",
        "it runs already, which is fine"
    );
    let restarted = act("restart").await;
    assert_eq!(restarted["status"], "running");
    assert_ne!(restarted["started_at"], started["started_at"]);
    let actions = here.app.audit_actions().await;
    for action in [
        "container.stop_requested",
        "container.start_requested",
        "container.restart_requested",
    ] {
        assert!(actions.iter().any(|one| one == action), "{actions:?}");
    }
    let line = here
        .client
        .get("/api/audit?action=container.stop_requested")
        .await
        .json();
    let line = &line["items"][0];
    assert_eq!(
        (&line["username"], &line["resource_id"]),
        (&json!("admin"), &json!(here.name("main")))
    );
    assert_eq!(line["details"]["id"], id);
    here.end(&[id]).await;
}

#[tokio::test]
async fn another_container_under_the_name_that_was_seen_is_not_touched() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let seen = here.run("main", idle()).await;
    here.rename(&seen, &format!("away-{}", here.prefix)).await;
    let path = here.path("main", &format!("/stop?id={seen}"));
    let gone = here.client.post(&path, json!({})).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "{gone:?}");
    let other = here.run("main", idle()).await;
    let refused = here.client.post(&path, json!({})).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::CONFLICT, "container_changed")
    );
    let docker = Docker::new(&engine().unwrap());
    for id in [&seen, &other] {
        assert!(docker.state(id, false).await.unwrap().unwrap().is_running);
    }
    here.end(&[seen, other]).await;
}

#[tokio::test]
async fn flowkeep_does_not_stop_the_container_it_runs_in() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let id = here.run("flowkeep", idle()).await;
    here.app.state.docker.set_own(Some(id.clone()));
    let list = here.client.get("/api/containers").await.json();
    assert_eq!(list["items"][0]["is_own"], true);
    for verb in ["/stop", "/restart"] {
        let answer = here
            .client
            .post(&here.path("flowkeep", verb), json!({}))
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::CONFLICT, "own_container")
        );
        assert!(
            answer.message().contains("with docker"),
            "{}",
            answer.message()
        );
    }
    let details = here.client.get(&here.path("flowkeep", "")).await.json();
    assert_eq!(details["container"]["status"], "running");
    here.end(&[id]).await;
}

#[tokio::test]
async fn flowkeep_is_found_in_its_container_also_where_it_shares_anothers_network() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let sidecar = here.run("sidecar", idle()).await;
    let network = format!("container:{sidecar}");
    let shares = Made {
        network: Some(&network),
        ..idle()
    };
    let own = here.run("flowkeep", shares.clone()).await;
    let other = here.run("other", shares).await;
    let alone = here.run("alone", idle()).await;
    let docker = &here.app.state.docker;
    let place = async |id: &str| {
        let state = docker.inspect(id).await.unwrap().unwrap().state.unwrap();
        let pid = state.pid.unwrap();
        let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
        Place::of(&mounts, "")
    };
    let found = async |place: Place| {
        docker.set_place(place);
        docker.learn_own().await.unwrap();
        [&sidecar, &own, &other, &alone].map(|id| docker.is_own(id))
    };
    assert_eq!(
        found(place(&alone).await).await,
        [false, false, false, true]
    );
    // What it was given tells of the container whose network it has; that one takes its network along.
    let shared = place(&own).await;
    assert_eq!(shared.files_of.as_deref(), Some(sidecar.as_str()));
    let storage = docker.inspect(&own).await.unwrap().unwrap().graph_driver;
    if storage.is_some_and(|storage| storage.data.contains_key("UpperDir")) {
        assert_eq!(found(shared.clone()).await, [true, true, false, false]);
    }
    let unknown = Place {
        root: None,
        ..shared
    };
    assert_eq!(found(unknown).await, [true, true, true, false]);
    assert_eq!(found(Place::default()).await, [false; 4]);
    let refused = here
        .client
        .post(&here.path("other", "/restart"), json!({}))
        .await;
    assert_eq!(refused.status, StatusCode::OK, "{}", refused.message());
    here.end(&[own, other, alone, sidecar]).await;
}

#[tokio::test]
async fn what_containers_use_is_measured_and_kept_for_the_dashboard() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let busy = Made {
        script: "while :; do :; done",
        memory: Some(64 * 1024 * 1024),
        ..Made::default()
    };
    let ids = [here.run("busy", busy).await, here.run("idle", idle()).await];
    here.watch();
    here.until_cached("busy", "running").await;
    here.until_cached("idle", "running").await;
    let stats = here.client.get("/api/containers/stats").await.json();
    let items = stats["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{stats}");
    let of = |short: &str| {
        items
            .iter()
            .find(|item| item["name"] == here.name(short).as_str())
            .unwrap()
    };
    let (cpu, rest) = (
        of("busy")["cpu_percent"].as_f64().unwrap(),
        of("idle")["cpu_percent"].as_f64().unwrap(),
    );
    assert!(cpu > 5.0 && cpu > rest, "{stats}");
    assert_eq!(of("busy")["memory_limit_bytes"], 64 * 1024 * 1024);
    assert!(of("busy")["memory_bytes"].as_u64().unwrap() > 0);
    assert_eq!(
        of("busy")["network_rx_bytes"],
        Value::Null,
        "it has no network"
    );
    assert!(of("idle")["pids"].as_u64().unwrap() >= 1);
    let sql = "SELECT cpu_percent, memory_usage, memory_limit FROM container_status_cache WHERE container_name = $1";
    let kept: (f64, i64, i64) = sqlx::query_as(sql)
        .bind(here.name("busy"))
        .fetch_one(here.app.state.db.pool())
        .await
        .unwrap();
    assert!(
        (kept.0 - cpu).abs() < 0.001 && kept.1 > 0 && kept.2 == 64 * 1024 * 1024,
        "{kept:?}"
    );
    here.end(&ids).await;
}

#[tokio::test]
async fn nothing_is_measured_before_somebody_looks_nor_after() {
    let Some(address) = engine() else { return };
    let gate = Gate::new(&address);
    let here = Engine::at(&address, &gate.address()).await;
    let id = here.run("main", idle()).await;
    here.watch();
    here.until_cached("main", "running").await;
    here.client.get("/api/containers").await;
    assert_eq!(gate.asked("/stats?"), 0);
    let mut first = here.follow("/api/containers/stats/live").await;
    let mut second = here.follow("/api/containers/stats/live").await;
    for stream in [&mut first, &mut second] {
        loop {
            let stats = stream.of_kind("stats").await;
            assert_eq!(stats["items"][0]["name"], here.name("main").as_str());
            if stats["items"][0]["cpu_percent"].is_number() {
                break;
            }
        }
    }
    let shown = here.client.get("/api/containers").await.json();
    assert!(
        shown["items"][0]["usage"]["memory_bytes"].is_number(),
        "{shown}"
    );
    let asked = gate.asked("/stats?");
    assert!(asked <= 4, "two who look are one who measures: {asked}");
    assert!(here.app.state.containers.is_sampling());
    drop((first, second));
    until("the end of measuring", || async {
        (!here.app.state.containers.is_sampling()).then_some(())
    })
    .await;
    here.end(&[id]).await;
}

#[tokio::test]
async fn f61_without_an_engine_every_answer_says_why_and_what_helps() {
    let (app, client) = TestApp::with_admin().await;
    app.execute(
        "INSERT INTO container_status_cache (container_name, container_id, status, health, image) \
         VALUES ('n8n_main', 'abc', 'running', 'none', 'n8nio/n8n')",
    )
    .await;
    let list = client.get("/api/containers").await;
    assert_eq!(list.status, StatusCode::OK);
    let list = list.json();
    assert_eq!(list["engine"]["code"], "docker_not_there");
    assert!(
        list["engine"]["remedy"]
            .as_str()
            .unwrap()
            .contains("FLOWKEEP_DOCKER_HOST")
    );
    assert_eq!(list["is_stale"], true);
    assert_eq!(list["items"][0]["name"], "n8n_main");
    for path in [
        "/api/containers/n8n_main",
        "/api/containers/n8n_main/logs",
        "/api/containers/stats",
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.code(), "docker_not_there");
        assert!(
            answer.message().contains("Install and start Docker"),
            "{}",
            answer.message()
        );
    }
    let answer = client
        .post("/api/containers/n8n_main/stop", json!({}))
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn f61_a_socket_that_may_not_be_used_is_told_and_used_as_soon_as_it_may() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let id = here.run("main", idle()).await;
    // Root may use every socket; this thread is nobody for a while, and the application runs in it.
    as_user(65_534);
    let list = here.client.get("/api/containers").await.json();
    assert_eq!(list["engine"]["code"], "docker_denied", "{list}");
    let message = list["engine"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("The Docker socket unix:///")
            && message.ends_with("permission denied.")
    );
    let remedy = list["engine"]["remedy"].as_str().unwrap();
    assert!(remedy.contains("group docker"), "{remedy}");
    let refused = here
        .client
        .post(&here.path("main", "/stop"), json!({}))
        .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.code(), "docker_denied");
    let mut stream = here.follow(&here.path("main", "/logs/follow")).await;
    let down = stream.state("down").await;
    assert_eq!(down["code"], "docker_denied", "{down}");
    as_user(0);
    assert_eq!(stream.state("following").await["id"], id.as_str());
    let list = here.client.get("/api/containers").await.json();
    assert_eq!(list["engine"]["is_reachable"], true, "{list}");
    drop(stream);
    here.end(&[id]).await;
}

/// Makes this thread act for another user.
fn as_user(uid: u32) {
    let user = rustix::process::Uid::from_raw(uid);
    rustix::thread::set_thread_res_uid(None, user, None).unwrap();
}

#[tokio::test]
async fn a_network_of_its_own_is_counted() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let name = format!("net-{}", here.prefix);
    let made = bollard::models::NetworkCreateRequest {
        name: name.clone(),
        driver: Some("bridge".to_owned()),
        ..bollard::models::NetworkCreateRequest::default()
    };
    // An engine in a box without bridges has none to count.
    if here.docker.create_network(made).await.is_err() {
        return;
    }
    let talks = Made {
        script: "trap 'exit 0' TERM; for i in 1 2 3 4 5; do echo x > /dev/udp/172.31.255.1/9; done 2>/dev/null; \
                 while :; do read -t 1 <> <(:); done",
        network: Some(&name),
        ..Made::default()
    };
    let id = here.run("net", talks).await;
    let stats = here.client.get("/api/containers/stats").await.json();
    assert!(stats["items"][0]["network_tx_bytes"].is_u64(), "{stats}");
    let details = here.client.get(&here.path("net", "")).await.json();
    assert_eq!(details["networks"][0]["name"], name);
    let prefix = here.prefix.clone();
    let docker = here.docker.clone();
    here.end(&[id]).await;
    docker
        .remove_network(&format!("net-{prefix}"))
        .await
        .unwrap();
}
