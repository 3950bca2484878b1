//! What went wrong elsewhere, tried here. The other advisories stand with the tests of the part
//! that they are about.

use std::num::NonZeroU32;

use flowkeep::platform::http::rate_limit::Rates;
use http::StatusCode;
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, USERNAME};

const SESSION: &str = "__Host-flowkeep_session";
const VERIFY: &str = "/api/auth/verify";

#[tokio::test]
async fn cve_2026_77561_made_up_names_lock_nobody_but_themselves() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    for number in 0..300 {
        let client = app.client().at("203.0.113.9");
        let answer = client.try_login(&format!("bogus{number}"), "wrong").await;
        assert_eq!(answer.code(), "invalid_credentials");
    }
    app.client().login().await;
}

#[tokio::test]
async fn cve_2026_47203_spellings_of_a_name_share_one_counter() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    for name in ["admin", "Admin", "ADMIN", "aDmIn", "admiN"] {
        app.client().try_login(name, "wrong password").await;
    }
    for name in ["admin", "ADMIn"] {
        let answer = app.client().try_login(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::LOCKED, "{name}");
    }
}

#[tokio::test]
async fn ghsa_f24x_a_session_planted_before_the_login_gains_nothing() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let victim = app.client();
    let planted = "c".repeat(64);
    victim.set_cookie(SESSION, &planted);
    victim.login().await;
    assert_ne!(victim.cookie(SESSION).unwrap(), planted);
    let attacker = app.client();
    attacker.set_cookie(SESSION, &planted);
    assert_eq!(attacker.get(VERIFY).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn ghsa_3q28_a_password_alone_gets_no_token_when_a_code_is_needed() {
    let (app, client) = TestApp::with_admin().await;
    app.execute("UPDATE admin_user SET totp_enabled = TRUE")
        .await;
    for issue in ["cookie", "token"] {
        let body = json!({ "username": USERNAME, "password": PASSWORD, "issue": issue });
        let answer = app.client().post("/api/auth/login", body).await;
        assert_eq!(answer.code(), "totp_required");
        assert!(!answer.headers.contains_key("set-cookie"));
        assert!(answer.json()["token"].is_null());
    }
    // A row that claims a second factor and holds no secret opens for no code.
    for code in ["", "000000"] {
        let body = json!({ "username": USERNAME, "password": PASSWORD, "totp_code": code });
        let answer = app.client().post("/api/auth/login", body).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{code:?}");
    }
    let body = json!({ "password": PASSWORD });
    let answer = client.post("/api/auth/reauthenticate", body).await;
    assert_eq!(answer.code(), "totp_required");
}

#[tokio::test]
async fn ghsa_g9v2_a_token_dies_with_the_logout() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let body = json!({ "username": USERNAME, "password": PASSWORD, "issue": "token" });
    let answer = app.client().post("/api/auth/login", body).await;
    let program = app
        .client()
        .bearer(answer.json()["token"].as_str().unwrap());
    assert_eq!(program.get(VERIFY).await.status, StatusCode::OK);
    program.post("/api/auth/logout", json!({})).await;
    assert_eq!(program.get(VERIFY).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        program.get("/api/auth/session").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn cve_2026_66753_line_breaks_in_a_name_make_no_header() {
    let (app, client) = TestApp::with_admin().await;
    app.execute("UPDATE admin_user SET username = E'adm\\r\\nRemote-Groups: root\\u00e9', email = E'a@b\\nX: y'")
        .await;
    app.state.auth.load().await.unwrap();
    let answer = client.get(VERIFY).await;
    assert_eq!(answer.header("remote-user"), "admRemote-Groups:root");
    assert_eq!(answer.header("remote-email"), "a@bX:y");
    assert_eq!(answer.headers.get_all("remote-groups").iter().count(), 1);
}

#[tokio::test]
async fn cve_2026_39858_forwarding_headers_of_strangers_are_ignored_everywhere() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let client = app
        .client()
        .at("203.0.113.5")
        .header("host", "box.lan:3333")
        .header("x-forwarded-for", "127.0.0.1")
        .header("x-real-ip", "127.0.0.1")
        .header("forwarded", "for=127.0.0.1;proto=https")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "localhost");
    client.login().await;
    let session = client.get("/api/auth/session").await.json();
    assert_eq!(session["session"]["ip_address"], "203.0.113.5");
    assert!(
        client.cookie(SESSION).is_none(),
        "it did not come over HTTPS"
    );
    let row: String = app
        .sql("SELECT host(ip_address) FROM audit_log WHERE action = 'auth.login_success'")
        .await;
    assert_eq!(row, "203.0.113.5");
}

#[tokio::test]
async fn another_sites_page_can_change_nothing() {
    let (_app, client) = TestApp::with_admin().await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let evil = client.clone().header(name, value);
        for path in [
            "/api/auth/logout",
            "/api/auth/login",
            "/api/auth/sessions/revoke-others",
        ] {
            let answer = evil.post(path, json!({})).await;
            assert_eq!(answer.code(), "cross_origin", "{path} {name}: {value}");
        }
    }
    assert_eq!(client.get(VERIFY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_31st_request_within_a_second_waits_but_not_health_and_verify() {
    let app = TestApp::builder().rates(Rates::default()).start().await;
    let client = app.client().at("203.0.113.4");
    let mut refused = 0;
    for _ in 0..40 {
        let answer = client.get("/api/auth/session").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.header("retry-after"), "1");
            refused += 1;
        }
    }
    assert!(refused > 0);
    for _ in 0..40 {
        assert_eq!(client.get("/api/health").await.status, StatusCode::OK);
        assert_eq!(client.get(VERIFY).await.status, StatusCode::UNAUTHORIZED);
    }
    let other = app.client().at("203.0.113.5");
    assert_eq!(
        other.get("/api/auth/session").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn cve_2026_43914_every_route_that_checks_a_password_has_a_limit() {
    // Plenty for the API as a whole, so that only the limit of each route counts.
    let rates = Rates {
        api_per_second: NonZeroU32::MAX,
        ..Rates::default()
    };
    let app = TestApp::builder().rates(rates).start().await;
    app.setup_admin().await;
    let client = app.client().at("203.0.113.4");
    client.login().await;
    let statuses = async |path: &'static str, body: serde_json::Value| {
        let mut statuses = Vec::new();
        for _ in 0..11 {
            let answer = match path {
                "/api/auth/password" => client.put(path, body.clone()).await,
                _ => client.post(path, body.clone()).await,
            };
            statuses.push(answer.status);
        }
        statuses
    };
    for (path, body) in [
        ("/api/auth/reauthenticate", json!({ "password": "wrong" })),
        (
            "/api/auth/password",
            json!({ "current_password": "wrong", "new_password": "short" }),
        ),
        ("/api/auth/totp/enable", json!({ "code": "000000" })),
        ("/api/setup/check", json!({ "token": "x" })),
    ] {
        let seen = statuses(path, body).await;
        assert!(
            seen.contains(&StatusCode::TOO_MANY_REQUESTS),
            "{path}: {seen:?}"
        );
    }
}
