//! Back in by the command line.

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, USERNAME};

#[tokio::test]
async fn a_reset_sets_the_password_opens_the_lock_and_ends_every_session() {
    let (app, client) = TestApp::with_admin().await;
    for _ in 0..5 {
        app.client().try_login(USERNAME, "wrong password").await;
    }
    let auth = &app.state.auth;
    let new = auth.suggest_password();
    let name = auth.reset_password(None, &new, false).await.unwrap();
    assert_eq!(name, USERNAME);
    assert_eq!(
        client.get("/api/auth/verify").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        app.client().try_login(USERNAME, PASSWORD).await.code(),
        "invalid_credentials"
    );
    let answer = app.client().try_login(USERNAME, new.expose_secret()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let row: serde_json::Value = app
        .sql("SELECT details FROM audit_log WHERE action = 'auth.password_reset'")
        .await;
    assert_eq!(row, json!({ "totp_cleared": false, "sessions_ended": 1 }));
}

#[tokio::test]
async fn a_reset_says_what_it_misses() {
    let app = TestApp::start().await;
    let auth = &app.state.auth;
    let new = auth.suggest_password();
    let error = auth.reset_password(None, &new, false).await.unwrap_err();
    assert!(error.to_string().contains("setup link"), "{error}");
    app.setup_admin().await;
    let error = auth
        .reset_password(Some("jane"), &new, false)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("only admin"), "{error}");
    let weak = SecretString::from("password1234");
    let error = auth.reset_password(None, &weak, false).await.unwrap_err();
    assert!(error.to_string().starts_with("password: "), "{error}");
}

#[tokio::test]
async fn a_daemon_that_runs_hears_of_it_at_once() {
    let (daemon, client) = TestApp::with_admin().await;
    let auth = daemon.state.auth.clone();
    let stop = daemon.state.lifecycle.soft().clone();
    daemon
        .state
        .lifecycle
        .spawn("sessions", async move { auth.keep_up(stop).await });
    // The command line is a process of its own on the same database.
    let shell = TestApp::builder().beside(&daemon).start().await;
    // The daemon listens once its first reading is done; until then it would read the change
    // anyway. Either way the session is gone as soon as the daemon has heard.
    let new = shell.state.auth.suggest_password();
    shell
        .state
        .auth
        .reset_password(None, &new, false)
        .await
        .unwrap();
    let gone = async {
        while client.get("/api/auth/verify").await.status == StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone)
        .await
        .unwrap();
    daemon.state.lifecycle.drain().await;
}
