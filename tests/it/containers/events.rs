//! What happens to containers of a real engine, and what is told of it.

use flowkeep::features::containers::{Metered, PRESSURE_EVENTS};
use flowkeep::platform::docker::{Cage, Docker, Labels};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Engine, IMAGE, Made, engine, idle, until};
use crate::support::gate::Gate;

async fn watched(made: Made<'_>) -> Option<(Engine, String)> {
    let here = Engine::begin().await?;
    let id = here.run("main", made).await;
    here.watch();
    here.until_cached("main", "running").await;
    assert!(
        here.told("main").await.is_empty(),
        "what is first seen is no news"
    );
    Some((here, id))
}

fn message(data: &Value) -> &str {
    data["message"].as_str().unwrap()
}

#[tokio::test]
async fn docker_stop_is_named_and_a_start_is_a_recovery_when_it_lasts() {
    let Some((here, id)) = watched(idle()).await else {
        return;
    };
    here.stop(&id).await;
    here.until_stop_kept("main").await;
    let stopped = here.until_told("main", "container.stopped", 1).await;
    assert_eq!(
        message(&stopped),
        "It was stopped by docker stop; exit code 0."
    );
    assert_eq!(
        (&stopped["by"], &stopped["exit_code"]),
        (&json!("docker_stop"), &json!(0))
    );
    here.start(&id).await;
    here.until_told("main", "container.started", 2).await;
    here.until_told("main", "container.recovered", 3).await;
    let row = here.cached("main").await.unwrap();
    assert_eq!(row, ("running".to_owned(), "none".to_owned()));
    here.end(&[id]).await;
}

#[tokio::test]
async fn what_somebody_did_in_flowkeep_carries_their_name() {
    let Some((here, id)) = watched(idle()).await else {
        return;
    };
    here.client
        .post(&here.path("main", "/restart"), json!({}))
        .await;
    let restarted = here.until_told("main", "container.restarted", 1).await;
    assert_eq!(
        message(&restarted),
        "It was restarted in Flowkeep by admin; exit code 0. It runs again."
    );
    here.client
        .post(&here.path("main", "/stop"), json!({}))
        .await;
    let stopped = here.until_told("main", "container.stopped", 2).await;
    assert_eq!(
        message(&stopped),
        "It was stopped in Flowkeep by admin; exit code 0."
    );
    here.client
        .post(&here.path("main", "/start"), json!({}))
        .await;
    let started = here.until_told("main", "container.started", 3).await;
    assert_eq!(message(&started), "It was started in Flowkeep by admin.");
    // What somebody did explains one end and not the next.
    here.kill(&id).await;
    until("it is told", || async {
        here.app.advance(chrono::TimeDelta::seconds(1));
        let told = here.told("main").await;
        let last = told
            .iter()
            .rfind(|(event_type, _)| event_type == "container.stopped")?;
        last.1["message"]
            .as_str()
            .unwrap()
            .contains("docker kill, signal 9; exit code 137")
            .then_some(())
    })
    .await;
    here.end(&[id]).await;
}

#[tokio::test]
async fn flowkeeps_own_work_is_told_from_docker_stop() {
    let Some((here, id)) = watched(idle()).await else {
        return;
    };
    let docker = here.app.state.docker.clone();
    let grace = std::time::Duration::from_secs(5);
    docker
        .stop_container(&here.name("main"), grace)
        .await
        .unwrap();
    let stopped = here.until_told("main", "container.stopped", 1).await;
    assert!(
        message(&stopped).contains("by Flowkeep for its own work"),
        "{stopped}"
    );
    here.end(&[id]).await;
}

/// Ends by itself with a code of its own when a signal comes that asks for no end.
fn fails_when_asked() -> Made<'static> {
    Made {
        script: "trap 'exit 3' USR1; trap 'exit 0' TERM; while :; do read -t 1 <> <(:); done",
        ..Made::default()
    }
}

#[tokio::test]
async fn what_somebody_asked_for_explains_nothing_that_comes_after_the_start() {
    let Some((here, id)) = watched(fails_when_asked()).await else {
        return;
    };
    here.signal(&id, "SIGUSR1").await;
    here.until_cached("main", "stopped").await;
    let restarted = here
        .client
        .post(&here.path("main", "/restart"), json!({}))
        .await;
    assert_eq!(restarted.status, 200, "{}", restarted.message());
    let first = here.until_told("main", "container.restarted", 1).await;
    let expected = "It ended by itself; exit code 3. It runs again.";
    assert_eq!(message(&first), expected);
    here.signal(&id, "SIGUSR1").await;
    here.until_cached("main", "stopped").await;
    here.start(&id).await;
    let second = here.until_told("main", "container.restarted", 2).await;
    assert_eq!(message(&second), expected);
    here.end(&[id]).await;
}

#[tokio::test]
async fn a_stop_that_stopped_nothing_explains_nothing() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let id = here.make(&here.name("main"), idle()).await;
    let docker = here.app.state.docker.clone();
    let grace = std::time::Duration::from_secs(5);
    docker.stop_container(&id, grace).await.unwrap();
    assert!(!docker.take_asked(&[&id]));
    let missing = here.name("missing");
    docker.stop_container(&missing, grace).await.unwrap_err();
    docker.restart_container(&missing, grace).await.unwrap_err();
    assert!(!docker.take_asked(&[&missing]));
    here.start(&id).await;
    docker.stop_container(&id, grace).await.unwrap();
    assert!(docker.take_asked(&[&id]));
    here.end(&[id]).await;
}

#[tokio::test]
async fn an_exit_code_is_told() {
    let script = "read -t 3 <> <(:); exit 3";
    let Some((here, id)) = watched(Made {
        script,
        ..Made::default()
    })
    .await
    else {
        return;
    };
    let stopped = here.until_told("main", "container.stopped", 1).await;
    assert_eq!(message(&stopped), "It ended by itself; exit code 3.");
    here.end(&[id]).await;
}

#[tokio::test]
async fn an_oom_kill_is_told_with_the_limit() {
    let made = Made {
        script: "read -t 3 <> <(:); a=xxxxxxxxxxxxxxxx; while :; do a=$a$a; done",
        memory: Some(16 * 1024 * 1024),
        ..Made::default()
    };
    let Some((here, id)) = watched(made).await else {
        return;
    };
    let stopped = here.until_told("main", "container.stopped", 1).await;
    assert!(
        message(&stopped).contains("limit of 16 MB (OOM kill); exit code 137"),
        "{stopped}"
    );
    here.end(&[id]).await;
}

#[tokio::test]
async fn a_failing_health_check_is_told_with_its_words_and_its_recovery_closes_the_alert() {
    let made = Made {
        check: Some("[ ! -e /tmp/sick ] || { echo 'the queue does not answer'; exit 1; }"),
        script: "trap 'exit 0' TERM; trap '> /tmp/sick' USR1; trap 'rm /tmp/sick' USR2; \
                 while :; do read -t 1 <> <(:); done",
        ..Made::default()
    };
    let Some((here, id)) = watched(made).await else {
        return;
    };
    until("healthy", || async {
        here.cached("main").await.filter(|row| row.1 == "healthy")
    })
    .await;
    here.signal(&id, "SIGUSR1").await;
    let unhealthy = here.until_told("main", "container.unhealthy", 1).await;
    assert_eq!(
        message(&unhealthy),
        "Its health check fails: the queue does not answer"
    );
    here.until_cached("main", "unhealthy").await;
    here.signal(&id, "SIGUSR2").await;
    here.until_told("main", "container.recovered", 2).await;
    let list = here.client.get("/api/containers").await.json();
    assert_eq!(list["items"][0]["health"], "healthy");
    here.end(&[id]).await;
}

#[tokio::test]
async fn a_container_that_uses_up_what_it_may_is_told_once_and_when_it_is_over() {
    let made = Made {
        script: "printf -v x '%*s' 16000000 ''; while :; do :; done",
        memory: Some(64 * 1024 * 1024),
        ..Made::default()
    };
    let Some((here, id)) = watched(made).await else {
        return;
    };
    until("it fills its memory", || async {
        let list = here.client.get("/api/containers/stats").await.json();
        (list["items"][0]["memory_bytes"].as_u64()? > 16_000_000).then_some(())
    })
    .await;
    for (key, value) in [
        ("host.raise_minutes", 0),
        ("host.clear_minutes", 0),
        ("containers.memory_percent", 20),
        ("containers.cpu_percent", 10),
    ] {
        here.set(key, json!(value)).await;
    }
    let containers = &here.app.state.containers;
    let before = tokio::sync::Mutex::new(Metered::default());
    let look = async || {
        let looked = containers.look_at_pressure(&mut *before.lock().await).await;
        looked.unwrap();
    };
    look().await;
    let memory = here.until_told("main", "container.high_memory", 1).await;
    assert_eq!(memory["resource"], "memory", "{memory}");
    assert!(
        message(&memory).contains("of 67 MB now"),
        "{}",
        message(&memory)
    );
    // The second measurement is the first that knows how much it computes, which is little beside others.
    until("that it is busy is told", || async {
        look().await;
        (here.told("main").await.len() > 1).then_some(())
    })
    .await;
    here.until_told("main", "container.high_cpu", 2).await;
    look().await;
    for key in ["containers.memory_percent", "containers.cpu_percent"] {
        here.set(key, json!(100)).await;
    }
    look().await;
    here.until_told("main", "container.memory_normal", 3).await;
    here.until_told("main", "container.cpu_normal", 4).await;
    here.end(&[id]).await;
}

#[tokio::test]
async fn containers_are_measured_for_it_only_while_a_rule_is_for_it() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let notifications = &here.app.state.notifications;
    let is_wanted = async || notifications.has_rule_for(PRESSURE_EVENTS).await.unwrap();
    assert!(!is_wanted().await);
    let service = json!({ "name": "n", "service_type": "webhook", "enabled": true, "config": { "url": "http://127.0.0.1:9/" } });
    let service = here
        .client
        .post("/api/notifications/services", service)
        .await;
    assert_eq!(service.status, StatusCode::CREATED, "{}", service.message());
    let rule = |event_type: &str| json!({ "name": event_type, "event_type": event_type, "service_id": service.json()["id"], "enabled": true });
    for (event_type, expected) in [
        ("container.unhealthy", false),
        ("backup.*", false),
        ("container.high_cpu", true),
    ] {
        let made = here
            .client
            .post("/api/notifications/rules", rule(event_type))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.message());
        assert_eq!(is_wanted().await, expected, "{event_type}");
    }
    here.end(&[]).await;
}

#[tokio::test]
async fn a_container_that_crashes_again_and_again_is_told_a_few_times_and_not_fifty() {
    let made = Made {
        script: "read -t 0.3 <> <(:); exit 1",
        is_restarted: true,
        ..Made::default()
    };
    let Some(here) = Engine::begin().await else {
        return;
    };
    let id = here.make(&here.name("main"), made).await;
    here.watch();
    until("it is seen", || async { here.cached("main").await }).await;
    here.start(&id).await;
    let restarts = async || {
        let details = here.client.get(&here.path("main", "")).await.json();
        details["container"]["restart_count"].as_i64().unwrap()
    };
    until("seven crashes", || async {
        (restarts().await >= 7).then_some(())
    })
    .await;
    let told = here.told("main").await;
    let types: Vec<_> = told
        .iter()
        .map(|(event_type, _)| event_type.as_str())
        .collect();
    let expected = [
        "container.started",
        "container.restarted",
        "container.restarted",
        "container.restarted",
    ];
    assert_eq!(types, expected, "{told:?}");
    assert!(
        message(&told[3].1).contains("does not come to rest: 3 times"),
        "{told:?}"
    );
    here.end(&[id]).await;
}

#[tokio::test]
async fn f61_what_happened_while_the_engine_was_away_is_told_when_it_is_back() {
    let Some(address) = engine() else { return };
    let gate = Gate::new(&address);
    let here = Engine::at(&address, &gate.address()).await;
    let ids = [
        here.run("dies", idle()).await,
        here.run("restarts", idle()).await,
        here.run("stays", idle()).await,
    ];
    let gone = here.run("gone", idle()).await;
    here.watch();
    for short in ["dies", "restarts", "stays", "gone"] {
        here.until_cached(short, "running").await;
    }
    let tried = gate.tried();
    gate.close();
    here.kill(&ids[0]).await;
    here.stop(&ids[1]).await;
    here.start(&ids[1]).await;
    here.remove(&gone).await;
    until("an attempt", || async {
        (gate.tried() > tried).then_some(())
    })
    .await;
    gate.open();
    let dies = here.until_told("dies", "container.stopped", 1).await;
    assert_eq!(
        message(&dies),
        "It ended while Flowkeep was not looking; exit code 137."
    );
    here.until_told("restarts", "container.restarted", 1).await;
    let gone = here.until_told("gone", "container.stopped", 1).await;
    assert!(message(&gone).contains("it was removed"), "{gone}");
    assert!(here.told("stays").await.is_empty());
    let list = here.client.get("/api/containers").await.json();
    assert!(!list.to_string().contains(&here.name("gone")), "{list}");
    assert_eq!(
        gate.asked("GET /v1.41/events"),
        2,
        "one stream of events at a time"
    );
    here.end(&ids).await;
}

#[tokio::test]
async fn an_end_that_a_crash_of_flowkeep_cut_off_is_told_by_the_next() {
    let Some((here, id)) = watched(idle()).await else {
        return;
    };
    here.stop(&id).await;
    here.until_stop_kept("main").await;
    here.stop.cancel();
    here.app.state.lifecycle.drain().await;
    assert!(here.told("main").await.is_empty());
    let address = engine().unwrap();
    let builder = crate::support::app::TestApp::builder().beside(&here.app);
    let next = builder
        .args(&[&format!("--docker-host={address}")])
        .serve()
        .await;
    let told = until("it is told", || async {
        next.advance(chrono::TimeDelta::seconds(1));
        here.told("main").await.first().cloned()
    })
    .await;
    assert_eq!(told.0, "container.stopped");
    assert_eq!(
        message(&told.1),
        "It was stopped by docker stop; exit code 0."
    );
    next.state.lifecycle.stop();
    next.state.lifecycle.drain().await;
    here.remove(&id).await;
}

#[tokio::test]
async fn throwaway_containers_of_flowkeep_and_those_of_others_raise_nothing() {
    let Some((here, id)) = watched(idle()).await else {
        return;
    };
    here.set(
        "containers.prefixes",
        json!(format!("{},flowkeep-{}", here.prefix, here.prefix)),
    )
    .await;
    let docker = Docker::new(&engine().unwrap());
    let cage = Cage {
        image: IMAGE.to_owned(),
        user: "postgres".to_owned(),
        argv: ["bash", "-c", "exit 1"].map(str::to_owned).into(),
        env: Vec::new(),
        memory_bytes: 64 * 1024 * 1024,
        pids: 8,
        shares_network_of: None,
        labels: Labels {
            installation: "a test of events".to_owned(),
            run: here.prefix.clone(),
            expires_at: i64::MAX,
        },
        files: None,
    };
    let caged = docker.start_caged(&cage).await.unwrap();
    let other = here.make(&format!("other-{}", here.prefix), idle()).await;
    here.start(&other).await;
    here.kill(&other).await;
    // What comes after those in the engine's stream was told: so would they have been.
    here.stop(&id).await;
    here.until_told("main", "container.stopped", 1).await;
    let others: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM event_outbox WHERE event_type LIKE 'container.%' AND data->>'container' <> $1",
    )
    .bind(here.name("main"))
    .fetch_one(here.app.state.db.pool())
    .await
    .unwrap();
    assert_eq!(others, 0);
    let rows: i64 = here
        .app
        .sql("SELECT COUNT(*) FROM container_status_cache")
        .await;
    assert_eq!(rows, 1);
    here.end(&[id, caged, other]).await;
}

#[tokio::test]
async fn a_renamed_container_and_a_changed_policy_are_no_ends() {
    let Some((here, id)) = watched(idle()).await else {
        return;
    };
    here.rename(&id, &here.name("renamed")).await;
    here.until_cached("renamed", "running").await;
    until("the old name is forgotten", || async {
        here.cached("main").await.is_none().then_some(())
    })
    .await;
    here.set("containers.prefixes", json!("something_else_"))
        .await;
    until("nothing is left", || async {
        here.cached("renamed").await.is_none().then_some(())
    })
    .await;
    assert!(here.told("main").await.is_empty() && here.told("renamed").await.is_empty());
    here.end(&[id]).await;
}

#[tokio::test]
async fn one_that_was_removed_after_it_stopped_recovers_when_it_is_made_anew() {
    let Some((here, id)) = watched(idle()).await else {
        return;
    };
    here.stop(&id).await;
    here.until_stop_kept("main").await;
    here.until_told("main", "container.stopped", 1).await;
    here.short_of_memory().await;
    here.remove(&id).await;
    until("it is known to be gone", || async {
        let memory: String = here
            .app
            .sql("SELECT coalesce(max(memory->>'gone_since'), '') FROM container_status_cache")
            .await;
        (!memory.is_empty()).then_some(())
    })
    .await;
    here.until_told("main", "container.memory_normal", 2).await;
    // As `docker compose down` and `up`.
    let again = here.run("main", idle()).await;
    here.until_told("main", "container.started", 3).await;
    here.until_told("main", "container.recovered", 4).await;
    here.end(&[again]).await;
}

#[tokio::test]
async fn trouble_of_a_container_that_is_left_out_ends() {
    let Some((here, id)) = watched(idle()).await else {
        return;
    };
    here.stop(&id).await;
    here.until_stop_kept("main").await;
    here.until_told("main", "container.stopped", 1).await;
    here.short_of_memory().await;
    here.set("containers.prefixes", json!("something_else_"))
        .await;
    let told = here.until_told("main", "container.recovered", 2).await;
    assert_eq!(told["is_forgotten"], true);
    let told = here.until_told("main", "container.memory_normal", 3).await;
    assert_eq!(told["is_forgotten"], true);
    here.end(&[id]).await;
}

impl Engine {
    async fn short_of_memory(&self) {
        self.app
            .execute(
                "UPDATE container_status_cache SET pressure = '{\"memory\": {\"is_raised\": true, \"pending_since\": null, \
                 \"seen_at\": null}, \"cpu\": {\"is_raised\": false, \"pending_since\": null, \"seen_at\": null}}'",
            )
            .await;
    }
}
