//! In, out, and what stands in a guesser's way.

use chrono::TimeDelta;
use flowkeep::platform::http::rate_limit::Rates;
use http::StatusCode;
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, USERNAME};

const SESSION: &str = "__Host-flowkeep_session";
const DEVICE: &str = "__Host-flowkeep_device";

#[tokio::test]
async fn a_login_opens_the_api_and_a_logout_closes_it_at_once() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let client = app.client();
    let before = client.get("/api/auth/session").await;
    assert_eq!(before.code(), "unauthenticated");

    let answer = client.try_login(USERNAME, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.json()["token"].is_null());
    let session = client.get("/api/auth/session").await;
    assert_eq!(session.json()["user"]["username"], USERNAME);
    assert_eq!(session.json()["session"]["is_current"], true);

    let stolen = client.cookie(SESSION).unwrap();
    let answer = client.post("/api/auth/logout", json!({})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(client.cookie(SESSION), None);
    let thief = app.client();
    thief.set_cookie(SESSION, &stolen);
    for path in ["/api/auth/verify", "/api/auth/session"] {
        assert_eq!(thief.get(path).await.status, StatusCode::UNAUTHORIZED);
    }
    let done = ["auth.user_created", "auth.login_success", "auth.logout"];
    assert_eq!(app.audit_actions().await, done);
    let told = ["management.user_created", "security.login_success"];
    assert_eq!(app.events().await, told);
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_cannot_be_told_apart() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let long = "x".repeat(5000);
    let before = app.state.auth.password_checks();
    let mut answers = Vec::new();
    for (name, password) in [
        (USERNAME, "wrong password"),
        ("nobody", "wrong password"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("adm\0in", PASSWORD),
        (USERNAME, &long),
        (&long, PASSWORD),
    ] {
        let answer = app.client().try_login(name, password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        answers.push((answer.body.clone(), answer.headers.clone()));
    }
    let first = &answers[0];
    assert!(answers.iter().all(|answer| answer == first), "{answers:#?}");
    // Equal time is asserted by equal work: one bcrypt for each.
    assert_eq!(app.state.auth.password_checks() - before, 7);
}

#[tokio::test]
async fn capitals_in_the_name_do_not_matter() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let answer = app.client().try_login("ADMIN", PASSWORD).await;
    assert_eq!(answer.json()["user"]["username"], USERNAME);
}

#[tokio::test]
async fn five_failures_lock_strangers_out_for_a_minute_and_a_known_browser_never() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let known = app.client();
    known.login().await;
    known.drop_cookie(SESSION);

    for name in [
        "admin", "Admin", "ADMIN", "aDmin", "admin", "nobody", "Nobody", "NOBODY", "nobody",
        "nobody",
    ] {
        let answer = app.client().try_login(name, "wrong password").await;
        assert_eq!(answer.code(), "invalid_credentials");
    }
    let mut refusals = Vec::new();
    for (name, password) in [
        (USERNAME, PASSWORD),
        (USERNAME, "wrong"),
        ("NObody", "wrong"),
    ] {
        let answer = app.client().try_login(name, password).await;
        assert_eq!(answer.status, StatusCode::LOCKED);
        assert_eq!(answer.json()["error"]["fields"]["retry_after_seconds"], 60);
        assert_eq!(answer.header("retry-after"), "60");
        refusals.push(answer.body);
    }
    assert!(refusals.iter().all(|body| body == &refusals[0]));
    known.login().await;
    assert!(
        app.events()
            .await
            .contains(&"security.account_locked".to_owned())
    );

    app.advance(TimeDelta::seconds(60));
    app.client().login().await;
}

#[tokio::test]
async fn cve_2026_27801_the_counter_survives_a_restart() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    for _ in 0..4 {
        app.client().try_login(USERNAME, "wrong password").await;
    }
    let again = TestApp::builder().beside(&app).start().await;
    again.client().try_login(USERNAME, "wrong password").await;
    let answer = again.client().try_login(USERNAME, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::LOCKED);
}

#[tokio::test]
async fn guesses_at_the_same_time_get_no_more_answers_than_guesses_in_a_row() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let guesses = (0..20).map(|number| {
        let client = app.client();
        async move {
            let guess = if number == 19 {
                PASSWORD
            } else {
                "wrong password"
            };
            client.try_login(USERNAME, guess).await.status
        }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    let of = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    let answered = of(StatusCode::UNAUTHORIZED);
    assert!(answered <= 9, "{statuses:?}");
    assert_eq!(answered + of(StatusCode::LOCKED) + of(StatusCode::OK), 20);
}

#[tokio::test]
async fn a_stolen_device_cookie_of_another_account_or_none_is_no_help() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let attacker = app.client();
    attacker.set_cookie(DEVICE, &"a".repeat(64));
    for _ in 0..5 {
        attacker.try_login(USERNAME, "wrong password").await;
    }
    assert_eq!(
        attacker.try_login(USERNAME, PASSWORD).await.status,
        StatusCode::LOCKED
    );
}

#[tokio::test]
async fn a_known_browser_has_a_limit_of_its_own() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let known = app.client();
    known.login().await;
    known.drop_cookie(SESSION);
    for _ in 0..5 {
        known.try_login(USERNAME, "wrong password").await;
    }
    assert_eq!(
        known.try_login(USERNAME, PASSWORD).await.status,
        StatusCode::LOCKED
    );
    app.client().login().await;
}

#[tokio::test]
async fn a_login_ends_the_session_it_came_with() {
    let (app, client) = TestApp::with_admin().await;
    let old = client.cookie(SESSION).unwrap();
    client.login().await;
    assert_ne!(client.cookie(SESSION).unwrap(), old);
    let fixed = app.client();
    fixed.set_cookie(SESSION, &old);
    assert_eq!(
        fixed.get("/api/auth/verify").await.status,
        StatusCode::UNAUTHORIZED
    );
    let sessions = client.get("/api/auth/sessions").await;
    assert_eq!(sessions.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_program_gets_a_token_and_no_cookie() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let body = json!({ "username": USERNAME, "password": PASSWORD, "issue": "token" });
    let answer = app.client().post("/api/auth/login", body).await;
    assert!(!answer.headers.contains_key("set-cookie"));
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 64);
    let program = app.client().bearer(&token);
    assert_eq!(
        program.get("/api/auth/session").await.status,
        StatusCode::OK
    );
    let row: String = app.sql("SELECT token FROM sessions").await;
    assert_ne!(row, token, "only the hash is stored");
}

#[tokio::test]
async fn the_sixth_login_of_an_address_within_a_minute_waits_and_others_do_not() {
    let app = TestApp::builder().rates(Rates::default()).start().await;
    app.setup_admin().await;
    let busy = app.client().at("203.0.113.7");
    for _ in 0..5 {
        let answer = busy.without_cookies().try_login("nobody", "wrong").await;
        assert_eq!(answer.code(), "invalid_credentials");
    }
    let answer = busy.try_login(USERNAME, PASSWORD).await;
    assert_eq!(answer.code(), "rate_limited");
    assert!(answer.message().contains("Try again in"), "{answer:?}");
    assert_ne!(answer.header("retry-after"), "");
    app.client().at("203.0.113.8").login().await;
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let app = TestApp::start().await;
    let body = json!({ "username": "a", "password": "b", "is_admin": true });
    let answer = app.client().post("/api/auth/login", body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.json()["error"]["fields"]["is_admin"].is_string(),
        "{answer:?}"
    );
}
