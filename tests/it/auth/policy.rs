//! What an administrator can set, and what the first start is told.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, TestClient, USERNAME};

const VERIFY: &str = "/api/auth/verify";

async fn set(client: &TestClient, key: &str, value: i64) {
    let path = format!("/api/settings/{key}");
    let answer = client.put(&path, json!({ "value": value })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn a_session_lasts_as_long_as_it_was_set_when_it_began() {
    let (app, client) = TestApp::with_admin().await;
    set(&client, "auth.session_hours", 1).await;
    let short = app.client();
    short.login().await;
    app.advance(TimeDelta::hours(1));
    assert_eq!(short.get(VERIFY).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.get(VERIFY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_unused_session_ends_if_that_is_set_and_use_keeps_it() {
    let (app, client) = TestApp::with_admin().await;
    set(&client, "auth.session_idle_minutes", 10).await;
    for _ in 0..5 {
        app.advance(TimeDelta::minutes(9));
        assert_eq!(client.get(VERIFY).await.status, StatusCode::OK);
    }
    app.advance(TimeDelta::minutes(10));
    assert_eq!(client.get(VERIFY).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        client.get("/api/auth/session").await.code(),
        "unauthenticated"
    );
}

#[tokio::test]
async fn the_number_of_failures_that_lock_is_a_setting() {
    let (app, client) = TestApp::with_admin().await;
    set(&client, "auth.lockout_threshold", 3).await;
    for _ in 0..3 {
        app.client().try_login(USERNAME, "wrong password").await;
    }
    let answer = app.client().try_login(USERNAME, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::LOCKED);
}

#[tokio::test]
async fn a_login_hashes_anew_when_the_cost_has_changed() {
    let (app, _client) = TestApp::with_admin().await;
    let cost = async || {
        let hash: String = app.sql("SELECT password_hash FROM admin_user").await;
        hash[..7].to_owned()
    };
    assert_eq!(cost().await, "$2b$04$");
    let dearer = TestApp::builder().beside(&app).bcrypt_cost(5).start().await;
    let wrong = dearer.client().try_login(USERNAME, "wrong password").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(cost().await, "$2b$04$");
    dearer.client().login().await;
    assert_eq!(cost().await, "$2b$05$");
    dearer.client().login().await;
    // An unknown name costs what the account costs, not what the setting says.
    app.client().login().await;
    assert_eq!(cost().await, "$2b$04$");
}

#[tokio::test]
async fn a_password_file_makes_the_first_administrator_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let file_arg = format!("--admin-password-file={}", file.display());
    let args = [file_arg.as_str(), "--admin-username=jane"];
    let app = TestApp::builder().args(&args).serve().await;
    let answer = app.client().try_login("jane", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    app.state.lifecycle.stop();

    std::fs::write(&file, "another quiet river").unwrap();
    let again = TestApp::builder().args(&args).beside(&app).serve().await;
    let answer = again.client().try_login("jane", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    let admins: i64 = again.sql("SELECT COUNT(*) FROM admin_user").await;
    assert_eq!(admins, 1);
    let links: i64 = again.sql("SELECT COUNT(*) FROM setup_tokens").await;
    assert_eq!(links, 0);
    again.state.lifecycle.stop();
}

#[tokio::test]
async fn a_password_file_that_cannot_be_used_leaves_the_setup_link() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "short").unwrap();
    let arg = format!("--admin-password-file={}", file.display());
    let app = TestApp::builder().args(&[&arg]).serve().await;
    let health = app.client().get("/api/health").await.json();
    assert_eq!(health["setup_required"], true);
    let links: i64 = app.sql("SELECT COUNT(*) FROM setup_tokens").await;
    assert_eq!(links, 1);
    app.state.lifecycle.stop();
}
