//! The process: how it starts, what it says when it cannot, how it ends.

use std::time::Duration;

use serde_json::json;

use crate::support::app::TestApp;
use crate::support::daemon::{Daemon, command, program};

#[tokio::test]
async fn another_databases_master_key_is_a_final_state_with_the_remedy() {
    let app = TestApp::start().await;
    let other = TestApp::start().await;
    let key = other.data_dir.path().join("master.key");
    let daemon =
        Daemon::spawn(command(&app, &["serve"]).env("FLOWKEEP_MASTER_KEY_FILE", &key)).await;
    let health = daemon
        .until_health(|health| health["status"] == "failed")
        .await;
    let part = &health["parts"]["master_key"];
    assert_eq!(part["status"], "failed", "{health}");
    assert!(
        part["detail"]
            .as_str()
            .unwrap()
            .contains("put the right one back")
    );
    assert_eq!(health["is_ready"], false);
    let body = json!({});
    let (status, _) = daemon
        .call("POST", "/api/auth/login", None, Some(&body))
        .await;
    assert_eq!(status, 503);
    assert!(daemon.stop().await.success());
    // Nothing was lost: the right key opens all.
    let daemon = Daemon::start(&app).await;
    daemon.until_settled().await;
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn it_waits_for_a_database_and_answers_health_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program(&["serve"]);
    command
        .env("FLOWKEEP_DATA_DIR", dir.path())
        .env("DATABASE_URL", "postgres://u:hidden-word@127.0.0.1:1/none");
    let daemon = Daemon::spawn(&mut command).await;
    let health = daemon
        .until_health(|health| health["parts"]["database"]["detail"] == "waiting for the database")
        .await;
    assert_eq!(health["status"], "starting", "{health}");
    let log = daemon.log();
    assert!(daemon.stop().await.success(), "{log}");
    assert!(!log.contains("hidden-word"), "{log}");
}

#[tokio::test]
async fn bad_configuration_is_named_before_anything_starts() {
    for (name, value, words) in [
        ("DATABASE_URL", "mysql://x", "postgres://"),
        ("FLOWKEEP_TRUSTED_PROXIES", "0.0.0.0/0", "trusts everybody"),
        ("FLOWKEEP_LISTEN", "everywhere", "--listen"),
        ("FLOWKEEP_PUBLIC_URL", "ftp://x", "http://"),
        ("FLOWKEEP_MASTER_KEY", "short", "32 bytes"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = program(&["serve"]);
        command
            .env("FLOWKEEP_DATA_DIR", dir.path())
            .env("DATABASE_URL", "postgres://u:p@127.0.0.1:1/none")
            .env(name, value);
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = tokio::time::timeout(Duration::from_mins(1), output);
        let output = output.await.unwrap().unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_key_is_rotated_from_the_command_line_while_the_daemon_runs() {
    let (app, client) = TestApp::with_admin().await;
    let url = "postgres://n8n:word@db.example/n8n";
    let body = json!({ "database_url": url });
    assert_eq!(client.put("/api/n8n/connection", body).await.status, 200);
    let daemon = Daemon::start(&app).await;
    daemon.until_settled().await;
    let mut rotate = command(&app, &["admin", "rotate-key"]);
    let output = tokio::task::spawn_blocking(move || rotate.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 secrets are encrypted under it"), "{said}");
    let token = daemon.login().await;
    let (status, connection) = daemon
        .call("GET", "/api/n8n/connection", Some(&token), None)
        .await;
    assert_eq!(status, 200, "{connection}");
    assert_eq!(connection["database"]["host"], "db.example");
    assert!(daemon.stop().await.success());
}
