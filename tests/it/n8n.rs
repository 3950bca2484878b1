//! The connection to n8n: tried before it is trusted.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::backups::{Story, until};
use crate::support::app::{PASSWORD, TestApp, TestClient, USERNAME};
use crate::support::daemon::{Daemon, program};
use crate::support::postgres::{connect, empty_database_on, server_majors, url_of};

async fn problem(client: &TestClient, url: &str) -> Value {
    let body = json!({ "database_url": url });
    let answer = client.post("/api/n8n/connection/test", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let report = answer.json();
    assert_eq!(report["ok"], false, "{report}");
    report["problems"][0].clone()
}

#[tokio::test]
async fn a_wrong_url_is_told_by_what_is_wrong_and_what_to_do() {
    let (_app, client) = TestApp::with_admin().await;
    let server = empty_database_on(*server_majors().await.first().unwrap()).await;
    let mut wrong_password = server.clone();
    wrong_password.password = Some(SecretString::from("wrong-word"));
    for (url, code) in [
        (url_of(&server), "not_n8n"),
        (url_of(&wrong_password), "access_denied"),
        (
            url_of(&server.with_database("nobody_made_this")),
            "no_database",
        ),
        ("postgres://u:p@127.0.0.1:1/n8n".to_owned(), "unreachable"),
        (
            "postgres://u:p@no-such-host.invalid/n8n".to_owned(),
            "unreachable",
        ),
    ] {
        let problem = problem(&client, &url).await;
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["remedy"].as_str().unwrap().len() > 10, "{problem}");
        let text = problem.to_string();
        assert!(!text.contains("wrong-word"), "{text}");
    }
    for (body, field) in [
        (json!({ "database_url": "mysql://u@h/d" }), "database_url"),
        (
            json!({ "database_url": "postgres://u@h/d", "key": 1 }),
            "key",
        ),
        (json!({}), "database_url"),
    ] {
        let answer = client.put("/api/n8n/connection", body.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let fields = &answer.json()["error"]["fields"];
        assert!(fields.get(field).is_some(), "{body}: {fields}");
    }
}

#[tokio::test]
async fn a_request_that_changes_nothing_leaves_no_audit_line() {
    let (app, client) = TestApp::with_admin().await;
    let before = app.audit_actions().await;
    client.put("/api/n8n/connection", json!({})).await;
    assert_eq!(app.audit_actions().await, before);
    let answer = client.post("/api/n8n/connection/test", json!({})).await;
    assert_eq!(answer.code(), "n8n_not_configured");
    let answer = client.post("/api/n8n/sample", json!({})).await;
    assert_eq!(answer.code(), "sample_unavailable");
}

#[tokio::test]
async fn a_schema_and_a_prefix_of_their_own_are_found() {
    let (_app, client) = TestApp::with_admin().await;
    let source = empty_database_on(*server_majors().await.first().unwrap()).await;
    let mut connection = connect(&source).await;
    sqlx::raw_sql(
        "CREATE SCHEMA automation; SET search_path = automation; \
         CREATE TABLE my_workflow_entity (id text, active bool); \
         CREATE TABLE my_credentials_entity (id text, data text); \
         CREATE TABLE my_execution_entity (id int); \
         INSERT INTO my_workflow_entity VALUES ('a', true), ('b', false)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let body = json!({ "database_url": url_of(&source) });
    let report = client.post("/api/n8n/connection/test", body).await.json();
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(
        (&report["workflow_count"], &report["active_workflow_count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(report["n8n_version"], "1.x");
}

#[tokio::test]
async fn a_wrong_key_is_the_keys_fault_and_not_the_backups() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let mut connection = connect(&story.source).await;
    sqlx::query("INSERT INTO credentials_entity VALUES ('c', 'Slack', 'U2FsdGVkX18AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=')")
        .execute(&mut connection)
        .await
        .unwrap();
    let body = json!({ "encryption_key": "not the key" });
    story.client.put("/api/n8n/connection", body).await;
    let report = story
        .client
        .post("/api/n8n/connection/test", json!({}))
        .await
        .json();
    assert_eq!(report["key_check"]["outcome"], "wrong", "{report}");
    assert_eq!(report["ok"], true, "it can be backed up all the same");
    let id = story.ask().await;
    assert_eq!(story.ended(id).await["status"], "success");
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("could_not_verify"), &json!("wrong_encryption_key"))
    );
}

/// As a newcomer meets it: no server, no n8n, one click.
#[tokio::test]
async fn the_sample_is_made_in_the_private_postgres_backed_up_and_proven() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
    let password_file = dir.path().join("password");
    std::fs::write(&password_file, PASSWORD).unwrap();
    let start = || {
        let mut command = program(&["serve"]);
        command
            .env("FLOWKEEP_DATA_DIR", dir.path().join("data"))
            .env("FLOWKEEP_ADMIN_USERNAME", USERNAME)
            .env("FLOWKEEP_ADMIN_PASSWORD_FILE", &password_file);
        command
    };
    let daemon = Daemon::spawn(&mut start()).await;
    daemon.until_settled().await;
    let token = daemon.login().await;
    let call = async |method: &str, path: &str, body: Option<Value>| {
        daemon.call(method, path, Some(&token), body.as_ref()).await
    };
    let (_, about) = call("GET", "/api/about", None).await;
    assert_eq!(about["database"]["mode"], "private", "{about}");
    assert_eq!(about["notices"][0]["code"], "private_postgres", "{about}");
    assert!(about["resident_bytes"].as_i64().unwrap() > 1_000_000);
    for _ in 0..2 {
        // The second time finds it whole.
        let (status, connection) = call("POST", "/api/n8n/sample", Some(json!({}))).await;
        assert_eq!(status, 201, "{connection}");
        assert_eq!(connection["is_sample"], true);
    }
    let (_, report) = call("POST", "/api/n8n/connection/test", Some(json!({}))).await;
    assert_eq!(report["key_check"]["outcome"], "proven", "{report}");
    assert!(report["n8n_version"].as_str().unwrap().starts_with("2.41"));
    let body = json!({ "backup_type": "postgres_n8n" });
    let (status, run) = call("POST", "/api/backups/run", Some(body)).await;
    assert_eq!(status, 202, "{run}");
    let backup = until("the proof", || async {
        let path = format!("/api/backups/history/{}", run["id"]);
        let (_, backup) = call("GET", &path, None).await;
        // Asking faster would meet the limit of requests.
        tokio::time::sleep(std::time::Duration::from_millis(80)).await;
        let status = backup["verification_status"].as_str().unwrap_or_default();
        (backup["status"] == "failed" || !["pending", "running", ""].contains(&status))
            .then_some(backup)
    })
    .await;
    assert_eq!(backup["verification_status"], "passed", "{backup}");
    let metrics = daemon.text("/metrics", &token).await;
    assert!(
        metrics.contains("flowkeep_backup_runs_total{outcome=\"success\"} 1"),
        "{metrics}"
    );
    // A crash of daemon and server, then the same again.
    daemon.kill().await;
    let daemon = Daemon::spawn(&mut start()).await;
    daemon.until_settled().await;
    let path = format!("/api/backups/history/{}", run["id"]);
    let (status, backup) = daemon.call("GET", &path, Some(&token), None).await;
    assert_eq!((status, &backup["status"]), (200, &json!("success")));
    assert!(daemon.stop().await.success());
}
