//! Proofs in containers, against a real Docker engine. `scripts/with-docker` starts one for the tests;
//! where none can run these tests say so and are left out.

use std::time::Duration;

use flowkeep::features::verification::VerificationEngine;
use flowkeep::platform::docker::{Cage, Docker, Labels};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::source::{Story, until};
use crate::support::app::TestApp;
use crate::support::gate::Gate;
use crate::support::postgres::{connect, empty_database_on, server_majors};

/// Where the tests' engine is.
fn engine() -> Option<String> {
    std::env::var("FLOWKEEP_TEST_DOCKER").ok()
}

async fn story(address: &str, major: u32) -> Story {
    let source = empty_database_on(major).await;
    let builder = TestApp::builder().args(&[&format!("--docker-host={address}")]);
    Story::begin_with(source, builder).await
}

async fn set(story: &Story, key: &str, value: Value) {
    let answer = story
        .client
        .put(&format!("/api/settings/{key}"), json!({ "value": value }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.message());
}

async fn good_backup(story: &Story) -> i64 {
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["status"], "success", "{backup}");
    id
}

/// The newest major version there is an image for.
const MAJOR: u32 = 16;

/// Containers of this application's runs.
async fn containers(address: &str, installation: &str) -> usize {
    let listed = Docker::new(address).list_caged().await.unwrap();
    listed
        .iter()
        .filter(|one| one.labels.installation == installation)
        .count()
}

/// Gives this application's containers a name of their own, as its database does when it leads.
fn own(story: &Story, name: &str) {
    story.app.state.docker_engine.set_installation(name.into());
}

#[tokio::test]
async fn a_backup_of_each_version_is_proven_in_a_container_that_leaves_nothing() {
    let Some(address) = engine() else { return };
    for major in server_majors().await {
        let story = story(&address, major).await;
        let name = format!("versions-{major}");
        own(&story, &name);
        set(&story, "verification.engine", json!("docker")).await;
        let id = good_backup(&story).await;
        let proof = story.proof(id).await;
        assert_eq!(proof["verdict"], "passed", "{proof}");
        assert_eq!(
            (&proof["engine"], &proof["engine_note"]),
            (&json!("docker"), &Value::Null)
        );
        let version = proof["server_version"].as_str().unwrap();
        assert!(version.starts_with(&major.to_string()), "{version}");
        assert_eq!(containers(&address, &name).await, 0);
    }
}

#[tokio::test]
async fn f38_what_is_missing_is_found_in_a_container_as_well() {
    let Some(address) = engine() else { return };
    let story = story(&address, MAJOR).await;
    set(&story, "verification.engine", json!("docker")).await;
    let id = good_backup(&story).await;
    story
        .app
        .execute(
            "UPDATE backup_history SET tables = (SELECT jsonb_agg(CASE WHEN t->>'name' = 'execution_data' \
             THEN jsonb_set(t, '{row_count}', '501') ELSE t END) FROM jsonb_array_elements(tables) t)",
        )
        .await;
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("failed"), &json!("rows_differ")),
        "{proof}"
    );
    let mismatch = &proof["mismatches"][0];
    assert_eq!(
        (&mismatch["expected"], &mismatch["actual"]),
        (&json!(501), &json!(500)),
        "{proof}"
    );
}

#[tokio::test]
async fn f34_without_docker_a_proof_falls_back_and_says_why_or_waits_for_it() {
    let story = story("unix:///nonexistent/docker.sock", MAJOR).await;
    let id = good_backup(&story).await;
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["engine"]),
        (&json!("passed"), &json!("local")),
        "{proof}"
    );
    let note = proof["engine_note"].as_str().unwrap();
    assert!(
        note.contains("no Docker engine at unix:///nonexistent"),
        "{note}"
    );

    set(&story, "verification.engine", json!("docker")).await;
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("could_not_verify"), &json!("docker_not_there")),
        "{proof}"
    );
    assert_eq!(proof["is_passing"], true);
}

#[tokio::test]
async fn f34_docker_that_goes_during_a_proof_says_nothing_of_the_backup_and_is_tried_again() {
    let Some(address) = engine() else { return };
    let gate = Gate::new(&address);
    let story = story(&gate.address(), MAJOR).await;
    let mut source = connect(&story.source).await;
    let sql = "INSERT INTO execution_data SELECT g, repeat(md5(g::text), 1000) \
               FROM generate_series(1001, 5000) g";
    sqlx::query(sql).execute(&mut source).await.unwrap();
    set(&story, "verification.engine", json!("docker")).await;
    let id = good_backup(&story).await;
    let state = story.app.state.clone();
    let stop = CancellationToken::new();
    let (worker, until_stopped) = (state.clone(), stop.clone());
    state.lifecycle.spawn("proofs", async move {
        worker.verifications.work(until_stopped).await;
    });
    let runs = || async {
        let path = format!("/api/backups/verification/history?backup_id={id}");
        story.client.get(&path).await.json()["items"].clone()
    };
    let installation: uuid::Uuid = story.app.sql("SELECT id FROM installation").await;
    let installation = installation.to_string();
    until("a container for the proof", || async {
        let docker = Docker::new(&address);
        let listed = docker.list_caged().await.unwrap();
        let ours = listed
            .iter()
            .find(|one| one.labels.installation == installation)?;
        let state = docker.state(&ours.id, false).await.unwrap()?;
        state.is_running.then_some(())
    })
    .await;
    gate.close();
    let failed = until("the end of the proof", || async {
        let runs = runs().await;
        let ended = runs
            .as_array()
            .unwrap()
            .iter()
            .find(|run| run["completed_at"].is_string());
        ended.cloned()
    })
    .await;
    assert_eq!(failed["status"], "could_not_verify", "{failed}");
    assert_eq!(failed["outcome_code"], "docker_unreachable", "{failed}");
    let backup = story.backup(id).await;
    assert_ne!(backup["verification_status"], "failed", "{backup}");
    let again = &runs().await[0];
    assert_eq!(
        (&again["status"], &again["attempt"]),
        (&json!("queued"), &json!(2)),
        "{again}"
    );
    assert_eq!(containers(&address, &installation).await, 1);
    gate.open();
    let asked = story
        .client
        .post("/api/backups/verification/run", json!({ "backup_id": id }))
        .await;
    assert_eq!(asked.json()["id"], again["id"]);
    until("the second proof", || async {
        let run = runs().await[0].clone();
        run["completed_at"]
            .is_string()
            .then(|| assert_eq!(run["status"], "passed", "{run}"))
    })
    .await;
    let _ = state.docker_engine.reap(true).await;
    assert_eq!(containers(&address, &installation).await, 0);
    stop.cancel();
    state.lifecycle.drain().await;
}

fn idle_cage(labels: Labels) -> Cage {
    Cage {
        image: format!("pgvector/pgvector:pg{MAJOR}"),
        user: "postgres".to_owned(),
        argv: ["sleep", "600"].map(str::to_owned).into(),
        env: Vec::new(),
        memory_bytes: 64 * 1024 * 1024,
        pids: 8,
        shares_network_of: None,
        labels,
        files: None,
    }
}

#[tokio::test]
async fn f35_containers_of_a_killed_daemon_go_at_the_next_start_and_those_of_others_stay() {
    let Some(address) = engine() else { return };
    let first = story(&address, MAJOR).await;
    let installation: uuid::Uuid = first.app.sql("SELECT id FROM installation").await;
    let installation = installation.to_string();
    own(&first, &installation);
    let started = first.app.state.docker_engine.start(MAJOR, 1 << 30).await;
    // Forgotten as a daemon that is killed forgets it.
    std::mem::forget(started.unwrap().server);
    let docker = Docker::new(&address);
    let now = first.app.now().timestamp();
    let labels = |run: &str, expires_at| Labels {
        installation: "of somebody else".to_owned(),
        run: format!("{run}-{installation}"),
        expires_at,
    };
    let foreign = docker
        .start_caged(&idle_cage(labels("foreign", now + 600)))
        .await
        .unwrap();
    let expired = docker
        .start_caged(&idle_cage(labels("expired", now - 1)))
        .await
        .unwrap();
    let builder = TestApp::builder().beside(&first.app);
    let second = builder
        .args(&[&format!("--docker-host={address}")])
        .serve()
        .await;
    until("the end of what was left", || async {
        let ours = containers(&address, &installation).await;
        let is_expired_gone = docker.state(&expired, false).await.unwrap().is_none();
        (ours == 0 && is_expired_gone).then_some(())
    })
    .await;
    let stays = docker.state(&foreign, false).await.unwrap();
    assert!(stays.is_some_and(|state| state.is_running));
    docker.remove_container(&foreign).await.unwrap();
    second.state.lifecycle.stop();
    second.state.lifecycle.drain().await;
}

#[tokio::test]
async fn f36_an_image_that_is_neither_here_nor_at_its_registry_is_named_with_what_to_do() {
    let Some(address) = engine() else { return };
    let story = story(&address, MAJOR).await;
    set(&story, "verification.engine", json!("docker")).await;
    set(
        &story,
        "verification.image",
        json!("localhost:1/postgres:{major}"),
    )
    .await;
    let id = good_backup(&story).await;
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("could_not_verify"), &json!("no_image")),
        "{proof}"
    );
    let message = proof["message"].as_str().unwrap();
    assert!(message.contains("localhost:1/postgres:16"), "{message}");
    // With a choice the machine's own programs do it.
    set(&story, "verification.engine", json!("auto")).await;
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["engine"]),
        (&json!("passed"), &json!("local")),
        "{proof}"
    );
    // An image of another version is no proof.
    set(&story, "verification.engine", json!("docker")).await;
    set(
        &story,
        "verification.image",
        json!("pgvector/pgvector:pg18"),
    )
    .await;
    let proof = story.proof(id).await;
    assert_eq!(proof["code"], "wrong_image", "{proof}");
}

/// What a restore makes PostgreSQL do, but not the dump: only in a throwaway cluster.
const ONLY_IN_A_CAGE: &str = "current_setting('data_directory') = '/tmp/flowkeep'";

async fn plant(story: &Story, body: &str) {
    let mut source = connect(&story.source).await;
    let sql = format!(
        "CREATE FUNCTION public.evil() RETURNS SETOF int LANGUAGE plpgsql AS $f$ BEGIN \
           IF {ONLY_IN_A_CAGE} THEN {body} END IF; RETURN NEXT 1; END $f$; \
         CREATE MATERIALIZED VIEW public.trap AS SELECT * FROM public.evil();"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut source)
        .await
        .unwrap();
}

#[tokio::test]
async fn f37_a_restore_that_eats_memory_is_ended_and_says_nothing_of_the_backup() {
    let Some(address) = engine() else { return };
    let story = story(&address, MAJOR).await;
    set(&story, "verification.engine", json!("docker")).await;
    set(&story, "verification.memory_megabytes", json!(256)).await;
    plant(&story, "PERFORM length(repeat('x', 900000000));").await;
    let id = good_backup(&story).await;
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("could_not_verify"), &json!("out_of_memory")),
        "{proof}"
    );
    assert!(
        proof["message"].as_str().unwrap().contains("256 MB"),
        "{proof}"
    );
}

#[tokio::test]
async fn f40_a_dump_that_grows_without_bound_is_stopped_before_the_disk_is_full() {
    let Some(address) = engine() else { return };
    let story = story(&address, MAJOR).await;
    set(&story, "verification.engine", json!("docker")).await;
    plant(
        &story,
        "RETURN QUERY SELECT g FROM generate_series(1, 2000000000) g;",
    )
    .await;
    let id = good_backup(&story).await;
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("could_not_verify"), &json!("too_large")),
        "{proof}"
    );
}

#[tokio::test]
async fn f40_programs_that_a_dump_starts_stay_in_the_cage_and_reach_nobody() {
    let Some(address) = engine() else { return };
    let story = story(&address, MAJOR).await;
    set(&story, "verification.engine", json!("docker")).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let escaped = std::env::temp_dir().join(format!("flowkeep-escaped-{port}"));
    let program = format!(
        "touch {0} 2>/dev/null; : > {0}; (exec 3<>/dev/tcp/127.0.0.1/{port}) || true; cat > /dev/null",
        escaped.display()
    );
    plant(
        &story,
        &format!("EXECUTE 'COPY (SELECT 1) TO PROGRAM ' || quote_literal('{program}');"),
    )
    .await;
    let mut source = connect(&story.source).await;
    let odd = "CREATE TABLE \"a\n\\! touch /tmp/flowkeep-escaped\n\" (id int); \
               CREATE FUNCTION public.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
                 RAISE NOTICE 'ddl'; END $$; \
               CREATE EVENT TRIGGER trap ON ddl_command_end EXECUTE FUNCTION public.on_ddl();";
    sqlx::raw_sql(odd).execute(&mut source).await.unwrap();
    let id = good_backup(&story).await;
    let proof = story.proof(id).await;
    assert_eq!(proof["verdict"], "passed", "{proof}");
    assert!(!escaped.exists());
    assert!(!std::path::Path::new("/tmp/flowkeep-escaped").exists());
    let reached = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
    assert!(reached.is_err(), "a program in the cage reached the host");
}

#[tokio::test]
async fn a_cage_has_no_network_no_capabilities_and_bounded_memory() {
    let Some(address) = engine() else { return };
    let docker = Docker::new(&address);
    let labels = Labels {
        installation: "cage".to_owned(),
        run: format!("cage-{}", std::process::id()),
        expires_at: i64::MAX,
    };
    let id = docker.start_caged(&idle_cage(labels)).await.unwrap();
    let status = docker
        .output(&id, &["cat", "/proc/self/status"])
        .await
        .unwrap();
    for line in [
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Uid:\t999",
    ] {
        assert!(status.stdout.contains(line), "{line}: {}", status.stdout);
    }
    let network = docker.output(&id, &["cat", "/proc/net/dev"]).await.unwrap();
    assert_eq!(network.stdout.lines().count(), 3, "{}", network.stdout);
    assert!(network.stdout.contains("lo:"));
    let limit = docker
        .output(
            &id,
            &[
                "bash",
                "-c",
                "cat /sys/fs/cgroup/memory.max || cat /sys/fs/cgroup/memory/memory.limit_in_bytes",
            ],
        )
        .await
        .unwrap();
    assert_eq!(limit.stdout.trim(), (64 * 1024 * 1024).to_string());
    docker.remove_container(&id).await.unwrap();
    assert!(docker.state(&id, false).await.unwrap().is_none());
}
