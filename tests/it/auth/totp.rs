//! The second factor.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::support::app::{PASSWORD, TestApp, TestClient, TestResponse, USERNAME};

const SESSION: &str = "__Host-flowkeep_session";

/// An authenticator app.
struct Phone(Totp);

impl Phone {
    fn new(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).unwrap();
        Self(Builder::new().with_secret(secret).build().unwrap())
    }

    fn code(&self, app: &TestApp) -> String {
        let seconds = u64::try_from(app.now().timestamp()).unwrap();
        self.0.generate(seconds).to_string()
    }
}

async fn enabled() -> (TestApp, TestClient, Phone, Vec<String>) {
    let (app, client) = TestApp::with_admin().await;
    client.reauthenticate().await;
    let setup = client.post("/api/auth/totp/setup", json!({})).await.json();
    let phone = Phone::new(setup["secret"].as_str().unwrap());
    let body = json!({ "code": phone.code(&app) });
    let answer = client.post("/api/auth/totp/enable", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let codes = answer.json()["recovery_codes"].as_array().unwrap().clone();
    let codes = codes.iter().map(|code| code.as_str().unwrap().to_owned());
    (app, client, phone, codes.collect())
}

async fn login_with(client: &TestClient, field: &str, code: &str) -> TestResponse {
    let mut body = json!({ "username": USERNAME, "password": PASSWORD });
    body[field] = json!(code);
    client.post("/api/auth/login", body).await
}

#[tokio::test]
async fn with_it_on_a_login_needs_password_and_code_together() {
    let (app, _client, phone, _) = enabled().await;
    app.advance(TimeDelta::seconds(30));
    let browser = app.client();
    let answer = browser.try_login(USERNAME, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.code(), "totp_required");
    // No half-open session: nothing that could be used for anything.
    assert!(!answer.headers.contains_key("set-cookie"));
    let wrong = browser.try_login(USERNAME, "wrong password").await;
    assert_eq!(wrong.code(), "invalid_credentials");

    let answer = login_with(&browser, "totp_code", &phone.code(&app)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["user"]["totp_enabled"], true);
    assert_eq!(answer.json()["user"]["recovery_codes_left"], 10);
}

#[tokio::test]
async fn a_code_is_good_for_its_step_and_its_neighbours() {
    let (app, _client, phone, _) = enabled().await;
    app.advance(TimeDelta::minutes(10));
    let now = phone.code(&app);
    app.advance(TimeDelta::seconds(60));
    let late = login_with(&app.client(), "totp_code", &now).await;
    assert_eq!(late.code(), "invalid_credentials");
    assert!(late.json()["error"]["fields"]["totp_code"].is_string());
    let current = phone.code(&app);
    app.advance(TimeDelta::seconds(30));
    let answer = login_with(&app.client(), "totp_code", &current).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn cve_2026_27855_a_code_works_once_even_in_parallel() {
    let (app, _client, phone, _) = enabled().await;
    // The code that turned it on is used up, too.
    let answer = login_with(&app.client(), "totp_code", &phone.code(&app)).await;
    assert_eq!(answer.code(), "invalid_credentials");
    app.advance(TimeDelta::seconds(30));
    let code = phone.code(&app);
    let tries = (0..4).map(|_| {
        let (browser, code) = (app.client(), code.clone());
        async move { login_with(&browser, "totp_code", &code).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    let ok = statuses.iter().filter(|status| **status == StatusCode::OK);
    assert_eq!(ok.count(), 1, "{statuses:?}");
    // Nor does it work in the neighbouring window, nor an older one after it.
    app.advance(TimeDelta::seconds(30));
    let answer = login_with(&app.client(), "totp_code", &code).await;
    assert_ne!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn cve_2026_27801_wrong_codes_count_and_a_right_password_resets_nothing() {
    let (app, _client, phone, _) = enabled().await;
    app.advance(TimeDelta::seconds(30));
    for _ in 0..5 {
        let browser = app.client();
        assert_eq!(
            browser.try_login(USERNAME, PASSWORD).await.code(),
            "totp_required"
        );
        let answer = login_with(&browser, "totp_code", "000000").await;
        assert_eq!(answer.code(), "invalid_credentials");
    }
    let answer = login_with(&app.client(), "totp_code", &phone.code(&app)).await;
    assert_eq!(answer.status, StatusCode::LOCKED);
    assert_eq!(
        app.client().try_login(USERNAME, PASSWORD).await.status,
        StatusCode::LOCKED
    );
}

#[tokio::test]
async fn a_recovery_code_stands_in_once() {
    let (app, _client, _phone, codes) = enabled().await;
    assert_eq!(codes.len(), 10);
    let typed = codes[0].to_uppercase().replace('-', " ");
    let answer = login_with(&app.client(), "recovery_code", &typed).await;
    assert_eq!(
        answer.json()["user"]["recovery_codes_left"],
        9,
        "{answer:?}"
    );
    let again = login_with(&app.client(), "recovery_code", &codes[0]).await;
    assert_eq!(again.code(), "invalid_credentials");
    let tries = (0..4).map(|_| {
        let (browser, code) = (app.client(), codes[1].clone());
        async move { login_with(&browser, "recovery_code", &code).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    let ok = statuses.iter().filter(|status| **status == StatusCode::OK);
    assert_eq!(ok.count(), 1, "{statuses:?}");
    assert!(
        app.audit_actions()
            .await
            .contains(&"auth.recovery_code_used".to_owned())
    );
    let hash: String = app
        .sql("SELECT code_hash FROM admin_recovery_codes LIMIT 1")
        .await;
    assert_eq!(hash.len(), 64, "only hashes are stored");
}

#[tokio::test]
async fn the_secret_is_stored_sealed() {
    let (app, _client, _phone, _) = enabled().await;
    let sealed: Value = app
        .sql("SELECT totp_secret_encrypted FROM admin_user")
        .await;
    assert!(sealed["key_id"].is_string());
    let plain: i64 = app
        .sql("SELECT COUNT(*) FROM admin_user WHERE totp_secret IS NOT NULL OR totp_pending_encrypted IS NOT NULL")
        .await;
    assert_eq!(plain, 0);
}

#[tokio::test]
async fn dangerous_acts_need_the_code_as_well() {
    let (app, client, phone, _) = enabled().await;
    app.advance(TimeDelta::minutes(11));
    let body = json!({ "password": PASSWORD });
    let answer = client.post("/api/auth/reauthenticate", body).await;
    assert_eq!(answer.code(), "totp_required");
    let body = json!({ "password": PASSWORD, "totp_code": phone.code(&app) });
    let answer = client.post("/api/auth/reauthenticate", body).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn turning_it_on_or_off_needs_the_password_and_ends_other_sessions() {
    let (app, client) = TestApp::with_admin().await;
    for path in ["setup", "disable", "recovery-codes"] {
        let path = format!("/api/auth/totp/{path}");
        let answer = client.post(&path, json!({})).await;
        assert_eq!(answer.code(), "reauthentication_required", "{path}");
    }
    let other = app.client();
    other.login().await;
    client.reauthenticate().await;
    let setup = client.post("/api/auth/totp/setup", json!({})).await.json();
    assert!(setup["qr_svg"].as_str().unwrap().starts_with("<svg"));
    let phone = Phone::new(setup["secret"].as_str().unwrap());
    let wrong = client
        .post("/api/auth/totp/enable", json!({ "code": "000000" }))
        .await;
    assert_eq!(wrong.code(), "invalid_input");
    assert!(other.get("/api/auth/verify").await.status.is_success());
    let body = json!({ "code": phone.code(&app) });
    client.post("/api/auth/totp/enable", body).await;
    assert_eq!(
        other.get("/api/auth/verify").await.status,
        StatusCode::UNAUTHORIZED
    );

    let renewed = client
        .post("/api/auth/totp/recovery-codes", json!({}))
        .await;
    assert_eq!(
        renewed.json()["recovery_codes"].as_array().unwrap().len(),
        10
    );
    let answer = client.post("/api/auth/totp/disable", json!({})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    app.client().login().await;
    let answer = client.post("/api/auth/totp/disable", json!({})).await;
    assert_eq!(answer.code(), "totp_not_enabled");
}

#[tokio::test]
async fn cve_2026_44460_the_secret_in_use_is_shown_to_nobody_again() {
    let (app, client) = TestApp::with_admin().await;
    client.reauthenticate().await;
    let setup = client.post("/api/auth/totp/setup", json!({})).await.json();
    let secret = setup["secret"].as_str().unwrap();
    let body = json!({ "code": Phone::new(secret).code(&app) });
    let answer = client.post("/api/auth/totp/enable", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    // Whoever knows the password and not the code.
    let half = app.client();
    let asked = half.try_login(USERNAME, PASSWORD).await;
    assert_eq!(asked.code(), "totp_required");
    let answer = half.post("/api/auth/totp/setup", json!({})).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    // And the account's own session, which has just said its password.
    let refused = client.post("/api/auth/totp/setup", json!({})).await;
    assert_eq!(refused.code(), "totp_already_enabled");
    let me = client.get("/api/auth/session").await;
    assert_eq!(me.json()["user"]["totp_enabled"], true);
    for said in [asked, answer, refused, me] {
        let body = String::from_utf8_lossy(&said.body);
        assert!(!body.contains(secret) && !body.contains("<svg"), "{body}");
    }
}

#[tokio::test]
async fn a_set_up_that_took_too_long_or_never_began_is_refused() {
    let (app, client) = TestApp::with_admin().await;
    let answer = client
        .post("/api/auth/totp/enable", json!({ "code": "000000" }))
        .await;
    assert_eq!(answer.code(), "totp_not_pending");
    client.reauthenticate().await;
    let setup = client.post("/api/auth/totp/setup", json!({})).await.json();
    let phone = Phone::new(setup["secret"].as_str().unwrap());
    app.advance(TimeDelta::minutes(15));
    let body = json!({ "code": phone.code(&app) });
    let answer = client.post("/api/auth/totp/enable", body).await;
    assert_eq!(answer.code(), "totp_not_pending");
    assert!(client.cookie(SESSION).is_some());
}
