//! The first administrator.

use chrono::TimeDelta;
use http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp};

async fn offer(app: &TestApp) -> String {
    app.state.auth.load().await.unwrap();
    let offer = app.state.auth.offer_setup().await.unwrap().unwrap();
    offer.token.expose_secret().to_owned()
}

fn admin(token: &str) -> Value {
    json!({ "token": token, "username": "jane", "password": PASSWORD })
}

#[tokio::test]
async fn the_link_makes_the_administrator_once_and_signs_them_in() {
    let app = TestApp::start().await;
    let token = offer(&app).await;
    let client = app.client();
    let health = client.get("/api/health").await.json();
    assert_eq!(health["setup_required"], true);
    let check = client
        .post("/api/setup/check", json!({ "token": token }))
        .await;
    assert_eq!(
        check.json(),
        json!({ "expires_at": "2026-03-01T13:00:00Z" })
    );

    let made = client.post("/api/setup", admin(&token)).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.json()["user"]["username"], "jane");
    assert_eq!(client.get("/api/auth/session").await.status, StatusCode::OK);
    let health = client.get("/api/health").await.json();
    assert_eq!(health["setup_required"], false);
    for path in ["/api/setup", "/api/setup/check"] {
        let body = if path == "/api/setup" {
            admin(&token)
        } else {
            json!({ "token": token })
        };
        assert_eq!(client.post(path, body).await.code(), "setup_complete");
    }
    let stored: String = app.sql("SELECT token_hash FROM setup_tokens").await;
    assert_ne!(stored, token, "only the hash is stored");
}

#[tokio::test]
async fn a_link_dies_after_an_hour_and_when_there_is_a_newer_one() {
    let app = TestApp::start().await;
    let old = offer(&app).await;
    let new = offer(&app).await;
    let client = app.client();
    let check = |token: &str| client.post("/api/setup/check", json!({ "token": token }));
    assert_eq!(check(&old).await.code(), "setup_link_invalid");
    assert_eq!(check("").await.code(), "setup_link_invalid");
    assert_eq!(check(&new).await.status, StatusCode::OK);
    app.advance(TimeDelta::hours(1));
    let late = check(&new).await;
    assert_eq!(late.status, StatusCode::GONE);
    assert_eq!(late.code(), "setup_link_expired");
    assert_eq!(
        client.post("/api/setup", admin(&new)).await.code(),
        "setup_link_expired"
    );
}

#[tokio::test]
async fn of_two_at_the_same_time_exactly_one_wins() {
    let app = TestApp::start().await;
    let token = offer(&app).await;
    let tries = (0..6).map(|number| {
        let client = app.client();
        let mut body = admin(&token);
        body["username"] = json!(format!("jane{number}"));
        async move { client.post("/api/setup", body).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    let made = statuses
        .iter()
        .filter(|status| **status == StatusCode::CREATED);
    assert_eq!(made.count(), 1, "{statuses:?}");
    let lost = statuses
        .iter()
        .filter(|status| **status == StatusCode::CONFLICT);
    assert_eq!(lost.count(), 5, "{statuses:?}");
    let admins: i64 = app.sql("SELECT COUNT(*) FROM admin_user").await;
    assert_eq!(admins, 1);
}

#[tokio::test]
async fn a_refused_input_does_not_use_the_link_up() {
    let app = TestApp::start().await;
    let token = offer(&app).await;
    let client = app.client();
    for (field, value) in [
        ("password", "short"),
        ("password", "Password1234"),
        ("username", "a b"),
        ("username", ""),
        ("email", "nowhere"),
    ] {
        let mut body = admin(&token);
        body[field] = json!(value);
        let answer = client.post("/api/setup", body).await;
        assert_eq!(answer.code(), "invalid_input");
        assert!(
            answer.json()["error"]["fields"][field].is_string(),
            "{answer:?}"
        );
    }
    assert_eq!(
        client.post("/api/setup", admin(&token)).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn with_an_administrator_there_is_no_link() {
    let app = TestApp::start().await;
    let token = offer(&app).await;
    app.setup_admin().await;
    assert!(app.state.auth.offer_setup().await.unwrap().is_none());
    let answer = app.client().post("/api/setup", admin(&token)).await;
    assert_eq!(answer.code(), "setup_complete");
    let rows: i64 = app.sql("SELECT COUNT(*) FROM setup_tokens").await;
    assert_eq!(rows, 0);
}
