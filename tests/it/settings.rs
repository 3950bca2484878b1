//! Settings and the vault: what is changed, what never comes out, what survives rotation.

use flowkeep::features::audit::Actor;
use flowkeep::features::settings::Key;
use http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::app::{TestApp, TestClient};

const URL: &str = "postgres://n8n:very-secret-word@db.example/n8n";
const KEY: &str = "another-very-secret-word";

async fn with_secrets() -> (TestApp, TestClient) {
    let (app, client) = TestApp::with_admin().await;
    let body = json!({ "database_url": URL, "encryption_key": KEY });
    let answer = client.put("/api/n8n/connection", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    (app, client)
}

fn saved(app: &TestApp) -> Option<String> {
    let secret = app.state.settings.secret(Key::N8nDatabaseUrl);
    secret.unwrap().map(|text| text.expose_secret().to_owned())
}

/// How often a change of settings was told.
async fn told(app: &TestApp) -> usize {
    let events = app.events().await;
    let changed = events
        .iter()
        .filter(|event| *event == "management.settings_changed");
    changed.count()
}

#[tokio::test]
async fn a_changed_setting_is_used_audited_told_and_can_be_reset() {
    let (app, client) = TestApp::with_admin().await;
    let path = "/api/settings/backups.compression_level";
    let answer = client.put(path, json!({ "value": 7 })).await.json();
    assert_eq!(
        (&answer["value"], &answer["default"], &answer["is_set"]),
        (&json!(7), &json!(3), &json!(true))
    );
    assert_eq!(answer["updated_by"], "admin");
    assert_eq!(app.state.settings.integer(Key::BackupCompressionLevel), 7);
    let details: Value = app
        .sql("SELECT details FROM audit_log WHERE action = 'settings.changed'")
        .await;
    assert_eq!(details, json!({ "from": 3, "to": 7 }));
    assert_eq!(told(&app).await, 1);
    let answer = client.delete(path).await.json();
    assert_eq!(
        (&answer["value"], &answer["is_set"]),
        (&json!(3), &json!(false))
    );
    assert_eq!(app.state.settings.integer(Key::BackupCompressionLevel), 3);
}

#[tokio::test]
async fn a_value_that_does_not_fit_changes_nothing_and_says_what_would() {
    let (app, client) = TestApp::with_admin().await;
    for (key, value, part) in [
        ("backups.compression_level", json!(20), "between 1 and 19"),
        ("backups.compression", json!("rar"), "zstd, gzip, none"),
        ("verification.after_backup", json!("yes"), "true or false"),
    ] {
        let path = format!("/api/settings/{key}");
        let answer = client.put(&path, json!({ "value": value })).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let why = answer.json()["error"]["fields"]["value"].to_string();
        assert!(why.contains(part), "{why}");
    }
    // Secrets and what is not there have no such route.
    for key in ["n8n.database_url", "no.such.setting", "../audit"] {
        let path = format!("/api/settings/{key}");
        let answer = client.put(&path, json!({ "value": "x" })).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{key}");
    }
    assert_eq!(app.sql::<i64>("SELECT count(*) FROM settings").await, 0);
    assert_eq!(told(&app).await, 0);
}

#[tokio::test]
async fn the_watchdogs_time_zone_is_a_real_one_or_empty() {
    let (_app, client) = TestApp::with_admin().await;
    let path = "/api/settings/watchdog.time_zone";
    for (value, is_right) in [("Europe/Berlin", true), ("", true), ("Berlin", false)] {
        let answer = client.put(path, json!({ "value": value })).await;
        assert_eq!(answer.status.is_success(), is_right, "{}", answer.text());
    }
    let answer = client.put(path, json!({ "value": "GMT+25" })).await.json();
    let why = answer["error"]["fields"]["value"].to_string();
    assert!(why.contains("as in Europe/Berlin, or empty"), "{why}");
    let path = "/api/settings/general.time_zone";
    let answer = client.put(path, json!({ "value": "" })).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_disk_is_not_nearly_full_before_it_fills_up() {
    let (app, client) = TestApp::with_admin().await;
    let (warning, critical) = (
        "/api/settings/host.disk_warning_percent",
        "/api/settings/host.disk_critical_percent",
    );
    for (path, value, part) in [
        (critical, 80, "must be at least 85"),
        (warning, 96, "must be at most 95"),
    ] {
        let answer = client.put(path, json!({ "value": value })).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let why = answer.json()["error"]["fields"]["value"].to_string();
        assert!(why.contains(part) && why.contains("first"), "{why}");
    }
    for (path, value) in [(warning, 70), (critical, 80), (warning, 80)] {
        let answer = client.put(path, json!({ "value": value })).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    // The default would be above the other one now.
    let answer = client.delete(warning).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(app.state.settings.integer(Key::HostDiskWarningPercent), 80);
    // Taken from elsewhere, a pair that contradicts itself is left out, and the rest is taken.
    let values = [
        ("host.disk_warning_percent", json!(99)),
        ("host.cpu_percent", json!(77)),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let settings = &app.state.settings;
    settings
        .restore_values(&Actor::cli(), &values.into())
        .await
        .unwrap();
    assert_eq!(settings.integer(Key::HostDiskWarningPercent), 80);
    assert_eq!(settings.integer(Key::HostCpuPercent), 77);
}

#[tokio::test]
async fn secrets_are_in_no_answer_no_audit_line_no_event_and_no_plain_column() {
    let (app, client) = with_secrets().await;
    let mut seen = String::new();
    for path in [
        "/api/n8n/connection",
        "/api/settings",
        "/api/settings/encryption",
        "/api/audit",
        "/api/about",
        "/metrics",
    ] {
        seen.push_str(&client.get(path).await.text());
    }
    for table in ["settings", "audit_log", "event_outbox", "encryption_keys"] {
        let sql = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(app.state.db.pool())
            .await
            .unwrap();
        seen.push_str(&rows);
    }
    assert!(seen.contains("db.example"), "the test looks at nothing");
    assert!(!seen.contains("secret-word"), "{seen}");
}

#[tokio::test]
async fn a_value_that_was_moved_or_changed_in_the_database_does_not_open() {
    let (app, _client) = with_secrets().await;
    app.execute(
        "UPDATE settings SET value = (SELECT value FROM settings WHERE key = 'n8n.database_url') \
         WHERE key = 'n8n.encryption_key'",
    )
    .await;
    app.state.settings.load().await.unwrap();
    let error = app.state.settings.secret(Key::N8nEncryptionKey);
    assert!(error.unwrap_err().to_string().contains("moved"));
    assert_eq!(saved(&app).as_deref(), Some(URL));

    for (change, part) in [
        ("jsonb_set(value, '{v}', '2')", "malformed"),
        ("jsonb_set(value, '{key_id}', '\"nobody\"')", "unknown"),
        ("jsonb_set(value, '{data}', '\"AAAA\"')", "does not open"),
        ("'\"plain text\"'", "malformed"),
    ] {
        let original: Value = app
            .sql("SELECT value FROM settings WHERE key = 'n8n.database_url'")
            .await;
        let sql = format!("UPDATE settings SET value = {change} WHERE key = 'n8n.database_url'");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(app.state.db.pool())
            .await
            .unwrap();
        app.state.settings.load().await.unwrap();
        let error = app.state.settings.secret(Key::N8nDatabaseUrl).unwrap_err();
        assert!(error.to_string().contains(part), "{change}: {error}");
        sqlx::query("UPDATE settings SET value = $1 WHERE key = 'n8n.database_url'")
            .bind(original)
            .execute(app.state.db.pool())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn rotation_seals_every_secret_anew_and_the_old_key_is_of_no_more_use() {
    let (app, client) = with_secrets().await;
    let sealed = "SELECT string_agg(value->>'key_id', ',') FROM settings WHERE is_secret";
    let before: String = app.sql(sealed).await;
    assert_eq!(
        client
            .post("/api/settings/encryption/rotate", json!({}))
            .await
            .code(),
        "reauthentication_required"
    );
    client.reauthenticate().await;
    let answer = client
        .post("/api/settings/encryption/rotate", json!({}))
        .await
        .json();
    assert_eq!(answer["encrypted_values"], 2);
    let keys = answer["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    let active: Vec<_> = keys.iter().filter(|key| key["is_active"] == true).collect();
    assert_eq!(active.len(), 1);
    let after: String = app.sql(sealed).await;
    let active = active[0]["key_id"].as_str().unwrap();
    assert_eq!(after, format!("{active},{active}"));
    assert_ne!(before, after);
    assert_eq!(saved(&app).as_deref(), Some(URL));
    app.execute("DELETE FROM encryption_keys WHERE NOT is_active")
        .await;
    app.state.settings.load().await.unwrap();
    assert_eq!(saved(&app).as_deref(), Some(URL));
}

#[tokio::test]
async fn another_process_may_rotate_and_this_one_goes_on() {
    let (app, client) = with_secrets().await;
    let other = TestApp::builder().beside(&app).start().await;
    let rotated = other.state.settings.rotate_keys(&Actor::cli()).await;
    rotated.unwrap();
    // What is in memory still opens, and what is read anew does too.
    assert_eq!(saved(&app).as_deref(), Some(URL));
    let body = json!({ "encryption_key": "third" });
    assert_eq!(
        client.put("/api/n8n/connection", body).await.status,
        StatusCode::OK
    );
    assert_eq!(saved(&app).as_deref(), Some(URL));
    let keys: i64 = app
        .sql("SELECT count(DISTINCT value->>'key_id') FROM settings WHERE is_secret")
        .await;
    assert_eq!(keys, 1, "a secret was sealed under the retired key");
}

#[tokio::test]
async fn rotation_beside_writers_leaves_nothing_under_a_retired_key() {
    let (app, client) = with_secrets().await;
    let writers = async {
        for number in 0..20 {
            let body = json!({ "encryption_key": format!("key {number}") });
            let answer = client.put("/api/n8n/connection", body).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
    };
    let other = TestApp::builder().beside(&app).start().await;
    let rotations = async {
        for _ in 0..10 {
            let rotated = other.state.settings.rotate_keys(&Actor::cli()).await;
            rotated.unwrap();
        }
    };
    tokio::join!(writers, rotations);
    let stale: i64 = app
        .sql(
            "SELECT count(*) FROM settings s JOIN encryption_keys k ON k.key_id = s.value->>'key_id' \
             WHERE s.is_secret AND NOT k.is_active",
        )
        .await;
    assert_eq!(stale, 0);
    app.state.settings.load().await.unwrap();
    assert_eq!(saved(&app).as_deref(), Some(URL));
}

#[tokio::test]
async fn a_change_whose_audit_line_fails_does_not_happen() {
    let (app, client) = TestApp::with_admin().await;
    app.execute(
        "ALTER TABLE audit_log ADD CONSTRAINT no_more CHECK (action <> 'settings.changed')",
    )
    .await;
    let path = "/api/settings/backups.compression_level";
    let answer = client.put(path, json!({ "value": 7 })).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.text().contains("no_more"), "{}", answer.text());
    assert_eq!(app.sql::<i64>("SELECT count(*) FROM settings").await, 0);
    assert_eq!(told(&app).await, 0);
    assert_eq!(client.get("/api/settings").await.status, StatusCode::OK);
}
