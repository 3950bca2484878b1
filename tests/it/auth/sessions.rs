//! The list of sessions, their end, and the password asked for again.

use std::time::Duration;

use chrono::TimeDelta;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, USERNAME};

const SESSION: &str = "__Host-flowkeep_session";
const VERIFY: &str = "/api/auth/verify";

#[tokio::test]
async fn sessions_are_listed_and_revoked_one_by_one_or_all_others() {
    let (app, client) = TestApp::with_admin().await;
    app.advance(TimeDelta::seconds(1));
    let other = app.client().header("user-agent", "other");
    other.login().await;
    app.advance(TimeDelta::seconds(1));
    let third = app.client();
    third.login().await;

    let list = client.get("/api/auth/sessions").await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert_eq!(items[2]["is_current"], true);
    assert_eq!(items[1]["user_agent"], "other");
    assert_eq!(items[1]["ip_address"], "127.0.0.1");

    let id = items[1]["id"].as_str().unwrap();
    let path = format!("/api/auth/sessions/{id}");
    assert_eq!(client.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(other.get(VERIFY).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.delete(&path).await.status, StatusCode::NOT_FOUND);

    let answer = client
        .post("/api/auth/sessions/revoke-others", json!({}))
        .await;
    assert_eq!(answer.json(), json!({ "revoked": 1 }));
    assert_eq!(third.get(VERIFY).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.get(VERIFY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_password_again_opens_ten_minutes_and_renews_the_token() {
    let (app, client) = TestApp::with_admin().await;
    let old = client.cookie(SESSION).unwrap();
    let before = client.get("/api/auth/session").await.json();
    assert!(before["session"]["reauthenticated_until"].is_null());
    client.reauthenticate().await;
    let after = client.get("/api/auth/session").await.json();
    assert_eq!(
        after["session"]["reauthenticated_until"],
        "2026-03-01T12:10:00Z"
    );
    assert_eq!(after["session"]["id"], before["session"]["id"]);
    assert_eq!(
        after["session"]["expires_at"],
        before["session"]["expires_at"]
    );
    assert_ne!(client.cookie(SESSION).unwrap(), old);

    // A request that was on its way with the old token is still answered, without the new rights.
    let late = app.client();
    late.set_cookie(SESSION, &old);
    let answer = late.get("/api/auth/session").await.json();
    assert!(answer["session"]["reauthenticated_until"].is_null());
    app.advance(TimeDelta::seconds(5));
    assert_eq!(late.get(VERIFY).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.get(VERIFY).await.status, StatusCode::OK);
    let list = client.get("/api/auth/sessions").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn cve_2026_43914_the_password_asked_for_again_is_counted_too() {
    let (app, client) = TestApp::with_admin().await;
    for _ in 0..5 {
        let body = json!({ "password": "wrong password" });
        let answer = client.post("/api/auth/reauthenticate", body).await;
        assert_eq!(answer.code(), "invalid_credentials");
    }
    let body = json!({ "password": PASSWORD });
    let answer = client.post("/api/auth/reauthenticate", body).await;
    assert_eq!(answer.status, StatusCode::LOCKED);
    let body = json!({ "current_password": PASSWORD, "new_password": "another quiet river" });
    let answer = client.put("/api/auth/password", body).await;
    assert_eq!(answer.status, StatusCode::LOCKED);
    // Whoever guesses with a stolen session keeps only themselves out.
    app.client().login().await;
}

#[tokio::test]
async fn cve_2026_43911_a_new_password_ends_every_other_session() {
    let (app, client) = TestApp::with_admin().await;
    let other = app.client();
    other.login().await;
    let body = json!({ "current_password": PASSWORD, "new_password": "another quiet river" });
    let answer = client.put("/api/auth/password", body).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(other.get(VERIFY).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.get(VERIFY).await.status, StatusCode::OK);
    let again = app.client();
    assert_eq!(
        again.try_login(USERNAME, PASSWORD).await.code(),
        "invalid_credentials"
    );
    let answer = again.try_login(USERNAME, "another quiet river").await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn cve_2025_22228_a_password_of_73_bytes_is_refused_and_nothing_changes() {
    let (app, client) = TestApp::with_admin().await;
    let change = |new: String| {
        let body = json!({ "current_password": PASSWORD, "new_password": new });
        client.put("/api/auth/password", body)
    };
    let long = "correct-horse.".repeat(6);
    let answer = change(long[..73].to_owned()).await;
    assert_eq!(answer.code(), "invalid_input");
    let why = answer.json()["error"]["fields"]["new_password"].to_string();
    assert!(why.contains("73 bytes") && why.contains("shorter"), "{why}");
    app.client().login().await;

    let full = long[..72].to_owned();
    assert_eq!(change(full.clone()).await.status, StatusCode::NO_CONTENT);
    let answer = app.client().try_login(USERNAME, &long[..73]).await;
    assert_eq!(answer.code(), "invalid_credentials");
    let answer = app.client().try_login(USERNAME, &full).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn the_profile_takes_one_plain_address_and_verify_tells_the_new_one() {
    let (_app, client) = TestApp::with_admin().await;
    let put = |email: serde_json::Value| client.put("/api/auth/profile", json!({ "email": email }));
    for bad in ["a@evil@good", "a@b\r\nRemote-User: root"] {
        assert_eq!(put(json!(bad)).await.code(), "invalid_input");
    }
    assert_eq!(
        put(json!("new@example.com")).await.json()["email"],
        "new@example.com"
    );
    let answer = client.get(VERIFY).await;
    assert_eq!(answer.header("remote-email"), "new@example.com");
    assert!(put(json!(null)).await.json()["email"].is_null());
    assert!(
        !client
            .get(VERIFY)
            .await
            .headers
            .contains_key("remote-email")
    );
}

#[tokio::test]
async fn the_last_use_is_stored_and_dead_rows_go() {
    let (app, client) = TestApp::with_admin().await;
    app.advance(TimeDelta::hours(2));
    client.get(VERIFY).await;
    app.state.auth.tidy_up().await.unwrap();
    let seen: chrono::DateTime<chrono::Utc> = app.sql("SELECT last_seen_at FROM sessions").await;
    assert_eq!(seen, app.now());
    app.advance(TimeDelta::hours(23));
    app.state.auth.tidy_up().await.unwrap();
    let rows: i64 = app.sql("SELECT COUNT(*) FROM sessions").await;
    assert_eq!(rows, 0);
    assert_eq!(app.state.auth.live_sessions(), 0);
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let (_app, client) = TestApp::with_admin().await;
    let request = client.request(http::Method::GET, "/api/backups/events", None);
    let stream = client.send(request).await;
    assert_eq!(stream.status(), StatusCode::OK);
    let whole = stream.into_body().collect();
    let logout = client.post("/api/auth/logout", json!({}));
    let both = async { tokio::join!(whole, logout) };
    let (read, answer) = tokio::time::timeout(Duration::from_secs(10), both)
        .await
        .expect("the stream ends");
    assert!(read.unwrap().to_bytes().starts_with(b"event: snapshot"));
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}
