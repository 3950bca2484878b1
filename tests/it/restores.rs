//! Backups put back into a real server.

use std::process::Output;

use chrono::TimeDelta;
use flowkeep::platform::postgres::ConnInfo;
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};

use crate::backups::{Story, until};
use crate::support::daemon::{Daemon, output, program};
use crate::support::postgres::{connect, empty_database_on, server_majors, url_of};

async fn story() -> (Story, i64) {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let mut connection = connect(&story.source).await;
    sqlx::raw_sql("UPDATE workflow_entity SET active = true")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let id = story.ask().await;
    assert_eq!(story.ended(id).await["status"], "success");
    story.client.reauthenticate().await;
    (story, id)
}

async fn begin(story: &Story, backup: i64, inactive: bool) -> Value {
    let body = json!({ "backup_id": backup, "inactive": inactive });
    let answer = story.client.post("/api/restores", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let path = format!("/api/restores/{}", answer.json()["id"]);
    until("the end of the restore", || async {
        let restore = story.client.get(&path).await.json();
        (restore["status"] != "running").then_some(restore)
    })
    .await
}

async fn scalar(info: &ConnInfo, sql: &'static str) -> i64 {
    let mut connection = connect(info).await;
    let found = sqlx::query_scalar(sql)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    found
}

async fn exists(story: &Story, name: &str) -> bool {
    let mut connection = connect(&story.source.with_database("postgres")).await;
    let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    let found = sqlx::query_scalar(sql)
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    found
}

const WORKFLOWS: &str = "SELECT count(*) FROM workflow_entity";
const ACTIVE: &str = "SELECT count(*) FROM workflow_entity WHERE active";

#[tokio::test]
async fn a_backup_comes_back_beside_takes_over_and_gives_way_again() {
    let (story, backup) = story().await;
    // Somebody deletes a workflow; the backup still has it.
    let mut connection = connect(&story.source).await;
    sqlx::query("DELETE FROM workflow_entity WHERE id = 'w1'")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let restore = begin(&story, backup, true).await;
    assert_eq!(restore["status"], "restored", "{restore}");
    assert_eq!(restore["tables_checked"], 4);
    let scratch = restore["scratch_name"].as_str().unwrap().to_owned();
    let beside = story.source.with_database(scratch.clone());
    assert_eq!(scalar(&beside, WORKFLOWS).await, 20);
    assert_eq!(scalar(&beside, ACTIVE).await, 0);
    assert_eq!(
        scalar(&story.source, WORKFLOWS).await,
        19,
        "n8n's own is untouched"
    );

    // While n8n is connected, nothing changes places.
    let n8n = connect(&story.source).await;
    let swap = format!("/api/restores/{}/swap", restore["id"]);
    let answer = story.client.post(&swap, json!({})).await;
    assert_eq!(answer.code(), "database_in_use", "{answer:?}");
    assert!(
        answer.message().contains("Stop n8n first"),
        "{}",
        answer.message()
    );
    n8n.close().await.unwrap();

    let swapped = story.client.post(&swap, json!({})).await;
    assert_eq!(swapped.status, StatusCode::OK, "{swapped:?}");
    let swapped = swapped.json();
    assert_eq!(swapped["status"], "swapped");
    assert_eq!(scalar(&story.source, WORKFLOWS).await, 20);
    let safety = story
        .backup(swapped["safety_backup_id"].as_i64().unwrap())
        .await;
    assert_eq!(
        (&safety["status"], &safety["trigger"], &safety["row_count"]),
        (&json!("success"), &json!("safety"), &json!(1019))
    );

    let undo = format!("/api/restores/{}/undo", restore["id"]);
    let undone = story.client.post(&undo, json!({})).await;
    assert_eq!(undone.json()["status"], "undone", "{undone:?}");
    assert_eq!(scalar(&story.source, WORKFLOWS).await, 19);
    assert_eq!(
        story.client.post(&undo, json!({})).await.code(),
        "wrong_state"
    );
    let path = format!("/api/restores/{}", restore["id"]);
    assert_eq!(
        story.client.delete(&path).await.status,
        StatusCode::NO_CONTENT
    );
    assert!(!exists(&story, &scratch).await);
    let actions = story.app.audit_actions().await;
    for action in [
        "restore.requested",
        "restore.finished",
        "restore.swapped",
        "restore.undone",
        "restore.discarded",
    ] {
        assert!(
            actions.contains(&action.to_owned()),
            "{action}: {actions:?}"
        );
    }
}

#[tokio::test]
async fn after_a_day_nothing_is_undone_by_a_click_and_the_former_one_can_go() {
    let (story, backup) = story().await;
    let restore = begin(&story, backup, false).await;
    let beside = story
        .source
        .with_database(restore["scratch_name"].as_str().unwrap());
    assert_eq!(
        scalar(&beside, ACTIVE).await,
        20,
        "asked to leave them active"
    );
    let base = format!("/api/restores/{}", restore["id"]);
    let swapped = story
        .client
        .post(&format!("{base}/swap"), json!({}))
        .await
        .json();
    let previous = swapped["previous_name"].as_str().unwrap().to_owned();
    assert!(exists(&story, &previous).await);
    story.app.advance(TimeDelta::hours(23));
    story.client.login().await;
    story.client.reauthenticate().await;
    story.app.advance(TimeDelta::minutes(61));
    story.client.login().await;
    story.client.reauthenticate().await;
    let undo = story.client.post(&format!("{base}/undo"), json!({})).await;
    assert_eq!(undo.code(), "undo_is_over", "{undo:?}");
    assert_eq!(
        story.client.delete(&base).await.status,
        StatusCode::NO_CONTENT
    );
    assert!(!exists(&story, &previous).await);
    assert_eq!(scalar(&story.source, WORKFLOWS).await, 20);
}

#[tokio::test]
async fn what_is_not_whole_is_never_offered_and_leaves_nothing() {
    let (story, backup) = story().await;
    let record = story.backup(backup).await;
    let path = story
        .app
        .data_dir
        .path()
        .join("backups/postgres_n8n")
        .join(record["filename"].as_str().unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let restore = begin(&story, backup, true).await;
    assert_eq!(restore["status"], "failed", "{restore}");
    assert_eq!(restore["failure_code"], "checksum_mismatch");
    assert!(!exists(&story, restore["scratch_name"].as_str().unwrap()).await);
    let swap = format!("/api/restores/{}/swap", restore["id"]);
    assert_eq!(
        story.client.post(&swap, json!({})).await.code(),
        "wrong_state"
    );
}

#[tokio::test]
async fn a_role_that_may_not_make_databases_is_told_how_it_may() {
    let (story, backup) = story().await;
    let mut admin = connect(&story.source).await;
    sqlx::raw_sql(
        "DROP ROLE IF EXISTS restorer; CREATE ROLE restorer LOGIN PASSWORD 'x' NOCREATEDB; \
         GRANT pg_read_all_data TO restorer",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    let mut limited = story.source.clone();
    limited.user = "restorer".to_owned();
    limited.password = Some("x".to_owned().into());
    story.connect(&limited).await;
    let restore = begin(&story, backup, true).await;
    assert_eq!(restore["failure_code"], "no_createdb", "{restore}");
    let message = restore["message"].as_str().unwrap();
    assert!(
        message.contains("ALTER ROLE restorer CREATEDB"),
        "{message}"
    );
}

#[tokio::test]
async fn f41_a_daemon_killed_while_restoring_leaves_n8n_alone_and_offers_the_rest_for_deletion() {
    let (story, backup) = story().await;
    let mut connection = connect(&story.source).await;
    // Large enough to be caught at it.
    sqlx::query("INSERT INTO execution_data SELECT g, repeat(md5(g::text), 2000) FROM generate_series(1000, 5000) g")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let large = story.ask().await;
    assert_eq!(story.ended(large).await["status"], "success");
    assert!(large > backup);
    let daemon = Daemon::start(&story.app).await;
    daemon.until_settled().await;
    let token = daemon.login().await;
    let password = json!({ "password": crate::support::app::PASSWORD });
    daemon
        .call(
            "POST",
            "/api/auth/reauthenticate",
            Some(&token),
            Some(&password),
        )
        .await;
    let body = json!({ "backup_id": large });
    let (status, answer) = daemon
        .call("POST", "/api/restores", Some(&token), Some(&body))
        .await;
    assert_eq!(status, 202, "{answer}");
    let scratch: String = until("the new database", || async {
        let name: String = story.app.sql("SELECT scratch_name FROM restore_runs").await;
        exists(&story, &name).await.then_some(name)
    })
    .await;
    daemon.kill().await;
    let daemon = Daemon::start(&story.app).await;
    daemon.until_settled().await;
    let restore = story.client.get("/api/restores/1").await.json();
    assert_eq!(restore["failure_code"], "interrupted", "{restore}");
    assert_eq!(scalar(&story.source, WORKFLOWS).await, 20);
    assert!(exists(&story, &scratch).await);
    until("the end of pg_restore's connection", || async {
        let answer = story.client.delete("/api/restores/1").await;
        (answer.status == StatusCode::NO_CONTENT).then_some(())
    })
    .await;
    assert!(!exists(&story, &scratch).await);
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn f41_a_swap_or_its_undoing_that_was_cut_off_is_settled_by_the_names() {
    let (story, backup) = story().await;
    let restore = begin(&story, backup, true).await;
    let base = format!("/api/restores/{}", restore["id"]);
    let status = async || story.client.get(&base).await.json()["status"].clone();
    let restores = &story.app.state.restores;
    // Cut off before the names changed.
    story
        .app
        .execute("UPDATE restore_runs SET status = 'swapping', previous_name = 'x'")
        .await;
    restores.settle().await.unwrap();
    assert_eq!(status().await, "restored");
    let swapped = story.client.post(&format!("{base}/swap"), json!({})).await;
    assert_eq!(swapped.json()["status"], "swapped", "{swapped:?}");
    // And after it, before it was noted.
    story
        .app
        .execute("UPDATE restore_runs SET status = 'swapping'")
        .await;
    restores.settle().await.unwrap();
    assert_eq!(status().await, "swapped");
    story
        .app
        .execute("UPDATE restore_runs SET status = 'undoing'")
        .await;
    restores.settle().await.unwrap();
    assert_eq!(status().await, "swapped");
    let undone = story.client.post(&format!("{base}/undo"), json!({})).await;
    assert_eq!(undone.json()["status"], "undone", "{undone:?}");
    story
        .app
        .execute("UPDATE restore_runs SET status = 'undoing'")
        .await;
    restores.settle().await.unwrap();
    assert_eq!(status().await, "undone");
}

async fn restore_file(file: &str, into: &ConnInfo) -> Output {
    let mut command = program(&["restore", "--file", file]);
    command.env("FLOWKEEP_RESTORE_URL", url_of(into));
    output(command).await
}

#[tokio::test]
async fn f44_the_command_line_restores_a_file_with_no_database_of_its_own_and_never_into_an_older_server()
 {
    let majors = server_majors().await;
    let (oldest, newest) = (majors[0], majors[majors.len() - 1]);
    let story = Story::begin(newest).await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    let path = story
        .app
        .data_dir
        .path()
        .join("backups/postgres_n8n")
        .join(backup["filename"].as_str().unwrap());
    let file = path.to_str().unwrap();
    let target = story.source.with_database("restored_by_hand");
    let mut admin = connect(&story.source).await;
    sqlx::query(AssertSqlSafe("DROP DATABASE IF EXISTS restored_by_hand"))
        .execute(&mut admin)
        .await
        .unwrap();
    let output = restore_file(file, &target).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said} {output:?}");
    assert!(
        said.contains("all 4 tables hold exactly the rows"),
        "{said}"
    );
    assert_eq!(scalar(&target, WORKFLOWS).await, 20);
    // Never over anything.
    let again = restore_file(file, &target).await;
    let why = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(2));
    assert!(why.contains("never restored over anything"), "{why}");

    let older = empty_database_on(oldest).await.with_database("too_old");
    let output = restore_file(file, &older).await;
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        why.contains(&format!("PostgreSQL {newest} or newer")),
        "{why}"
    );
}
