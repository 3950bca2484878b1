//! Retention on a real catalogue and real files.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use chrono::TimeDelta;
use flowkeep::features::audit::Actor;
use flowkeep::features::backups::BackupType;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::app::{TestApp, TestClient};

const KIND: BackupType = BackupType::PostgresN8n;
const BASE: &str = "/api/backups/retention/postgres_n8n";

/// A good backup of some days ago, with a file. Returns its number and path.
async fn backup(app: &TestApp, days_ago: i64, proof: &str) -> (i32, PathBuf) {
    let dir = app.state.config.data.backup_dir().join(KIND.as_str());
    std::fs::create_dir_all(&dir).unwrap();
    let taken_at = app.now() - TimeDelta::days(days_ago);
    let name = format!("n8n-{days_ago}-{proof}.dump.zst");
    let path = dir.join(&name);
    std::fs::write(&path, b"0123456789").unwrap();
    let id: i32 = sqlx::query_scalar(
        "INSERT INTO backup_history (backup_type, filename, filepath, started_at, status, \
         compressed_size, verification_status, database_name, source_identity, trigger) \
         VALUES ('postgres_n8n', $1, $2, $3, 'success', 10, $4, 'n8n', 'x', 'schedule') RETURNING id",
    )
    .bind(&name)
    .bind(path.to_str().unwrap())
    .bind(taken_at)
    .bind(proof)
    .fetch_one(app.state.db.pool())
    .await
    .unwrap();
    (id, path)
}

async fn set(client: &TestClient, daily: u32) {
    let body = json!({
        "keep_hourly": 0, "keep_daily": daily, "keep_weekly": 0, "keep_monthly": 0,
    });
    let answer = client.put(BASE, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

async fn left(app: &TestApp) -> Vec<i32> {
    sqlx::query_scalar("SELECT id FROM backup_history WHERE deleted_at IS NULL ORDER BY id")
        .fetch_all(app.state.db.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_preview_says_why_each_stays_or_goes_and_the_run_does_just_that() {
    let (app, client) = TestApp::with_admin().await;
    let mut paths = Vec::new();
    for day in 0..6 {
        paths.push(backup(&app, day, "pending").await);
    }
    let (proven, proven_path) = backup(&app, 10, "passed").await;
    set(&client, 2).await;
    let preview = client.get(&format!("{BASE}/preview")).await.json();
    assert_eq!(preview["would_delete"], 4, "{preview}");
    assert_eq!(preview["would_free_bytes"], 40);
    let items = preview["items"].as_array().unwrap();
    assert_eq!(items.len(), 7);
    let of = |id: i32| items.iter().find(|item| item["id"] == id).unwrap();
    assert_eq!(of(paths[0].0)["keep"], json!(["newest_good", "daily"]));
    assert_eq!(of(paths[3].0)["delete"], "retention_policy");
    assert_eq!(of(proven)["keep"], json!(["newest_proven"]));
    // Other values are tried without being saved.
    let other = client
        .get(&format!("{BASE}/preview?keep_daily=5"))
        .await
        .json();
    assert_eq!(other["would_delete"], 1);
    assert_eq!(left(&app).await.len(), 7);

    let run = json!({ "confirm_count": 4 });
    let answer = client.post(&format!("{BASE}/run"), run.clone()).await;
    assert_eq!(answer.code(), "reauthentication_required");
    client.reauthenticate().await;
    let too_few = client
        .post(&format!("{BASE}/run"), json!({ "confirm_count": 3 }))
        .await;
    assert_eq!(too_few.code(), "not_confirmed");
    let answer = client.post(&format!("{BASE}/run"), run).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["deleted"].as_array().unwrap().len(), 4);
    assert_eq!(left(&app).await, [paths[0].0, paths[1].0, proven]);
    assert!(proven_path.exists() && paths[0].1.exists());
    assert!(paths[2..].iter().all(|(_, path)| !path.exists()));
    let by: String = app
        .sql("SELECT DISTINCT deleted_by FROM backup_history WHERE deleted_at IS NOT NULL")
        .await;
    assert_eq!(by, "retention_policy");
}

#[tokio::test]
async fn an_unattended_run_deletes_half_at_most_and_never_what_is_pinned() {
    let (app, client) = TestApp::with_admin().await;
    let mut ids = Vec::new();
    for day in 0..10 {
        ids.push(backup(&app, day, "pending").await.0);
    }
    let pin = format!("/api/backups/{}/pin", ids[9]);
    let answer = client.put(&pin, json!({ "is_pinned": true })).await;
    assert_eq!(answer.json()["is_pinned"], true, "{answer:?}");
    set(&client, 1).await;
    let first = app
        .state
        .retention
        .sweep(&Actor::system(), KIND, None)
        .await
        .unwrap();
    assert_eq!((first.deleted.len(), first.postponed), (5, 3));
    for _ in 0..4 {
        app.state.retention.sweep_all().await;
    }
    assert_eq!(left(&app).await, [ids[0], ids[9]]);
    client.put(&pin, json!({ "is_pinned": false })).await;
    app.state.retention.sweep_all().await;
    assert_eq!(left(&app).await, [ids[0]]);
}

#[tokio::test]
async fn f29_a_policy_that_would_delete_more_than_half_is_told_once_a_day_until_it_is_done() {
    let (app, client) = TestApp::with_admin().await;
    for day in 0..16 {
        backup(&app, day, "pending").await;
    }
    set(&client, 1).await;
    app.state.retention.sweep_all().await;
    // Neither the next hour nor another daemon tells the same again.
    let other = TestApp::builder().beside(&app).start().await;
    other.state.retention.sweep_all().await;
    let told = app.told("backup.warning").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["code"], &told[0]["backup_type"]),
        (&json!("retention_capped"), &json!("postgres_n8n"))
    );
    let message = told[0]["message"].as_str().unwrap();
    assert!(message.contains("8 went, 7 wait"), "{message}");
    app.advance(TimeDelta::hours(25));
    app.state.retention.sweep_all().await;
    assert_eq!(app.told("backup.warning").await.len(), 2);
    for _ in 0..3 {
        app.state.retention.sweep_all().await;
    }
    assert_eq!(left(&app).await, [1]);
    assert_eq!(app.told("backup.warning").await.len(), 2);
    let ended = app.told("backup.recovered").await;
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0]["trouble"], "retention:postgres_n8n");
}

#[tokio::test]
async fn f29_a_policy_that_cannot_be_carried_out_is_told_once_as_an_error() {
    let (app, client) = TestApp::with_admin().await;
    backup(&app, 0, "pending").await;
    backup(&app, 5, "pending").await;
    set(&client, 1).await;
    app.refuse_event("management.backup_deleted").await;
    for _ in 0..3 {
        app.state.retention.sweep_all().await;
    }
    assert_eq!(left(&app).await, [1, 2], "nothing goes without being told");
    let told = app.told("backup.warning").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["code"], "retention_failed");
    let severity = "SELECT severity FROM event_outbox WHERE event_type = 'backup.warning'";
    assert_eq!(app.sql::<String>(severity).await, "error");
    app.accept_events().await;
    app.state.retention.sweep_all().await;
    assert_eq!(left(&app).await, [1]);
    assert_eq!(app.told("backup.recovered").await.len(), 1);
}

#[tokio::test]
async fn f30_a_deletion_that_fails_is_tried_again_and_leaves_no_orphan() {
    let (app, client) = TestApp::with_admin().await;
    backup(&app, 0, "pending").await;
    let (id, path) = backup(&app, 5, "pending").await;
    set(&client, 1).await;
    // Not even root removes a folder as if it were a file.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    app.state.retention.sweep_all().await;
    let state = "SELECT deleted_at IS NOT NULL AND file_removed_at IS NULL FROM backup_history WHERE id = 2";
    assert!(app.sql::<bool>(state).await, "{id} is still to go");
    app.state.retention.sweep_all().await;
    let told = app.told("backup.warning").await;
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert_eq!(told[0]["code"], "files_left");
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, b"again").unwrap();
    app.state.retention.sweep_all().await;
    assert!(!path.exists());
    assert!(!app.sql::<bool>(state).await);
    let ended = app.told("backup.recovered").await;
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0]["trouble"], "retention:files");
}

#[tokio::test]
async fn f31_a_run_that_was_cut_off_converges_to_the_same_set() {
    let (app, client) = TestApp::with_admin().await;
    let mut paths = Vec::new();
    for day in 0..6 {
        paths.push(backup(&app, day, "pending").await.1);
    }
    set(&client, 2).await;
    // As a crash between the row and the file would leave it.
    app.execute("UPDATE backup_history SET deleted_at = now(), deleted_by = 'retention_policy' WHERE id = 6")
        .await;
    assert!(paths[5].exists());
    for _ in 0..3 {
        app.state.retention.sweep_all().await;
    }
    assert_eq!(left(&app).await, [1, 2]);
    assert!(paths[2..].iter().all(|path| !path.exists()));
}

#[tokio::test]
async fn f33_what_is_downloaded_or_proven_waits_for_its_end() {
    let (app, client) = TestApp::with_admin().await;
    backup(&app, 0, "pending").await;
    let (downloaded, path) = backup(&app, 5, "pending").await;
    let (proven, _) = backup(&app, 6, "running").await;
    std::fs::write(&path, vec![7; 3_000_000]).unwrap();
    set(&client, 1).await;
    let request = client.request(
        http::Method::GET,
        &format!("/api/backups/download/{downloaded}"),
        None,
    );
    let response = client.send(request).await;
    app.state.retention.sweep_all().await;
    assert_eq!(left(&app).await, [1, downloaded, proven]);
    drop(response);
    app.execute("UPDATE backup_history SET verification_status = 'pending' WHERE id = 3")
        .await;
    for _ in 0..2 {
        app.state.retention.sweep_all().await;
    }
    assert_eq!(left(&app).await, [1]);
}

#[tokio::test]
async fn bad_values_are_named_and_every_type_has_a_policy_from_the_start() {
    let (app, client) = TestApp::with_admin().await;
    let all = client.get("/api/backups/retention").await.json();
    let first: Vec<&Value> = all["items"].as_array().unwrap().iter().collect();
    assert!(first.len() >= 2, "{all}");
    assert_eq!(first[0]["keep_daily"], 7);
    for (body, field) in [
        (
            json!({ "keep_hourly": 0, "keep_daily": 0, "keep_weekly": 0, "keep_monthly": 0 }),
            "keep_daily",
        ),
        (
            json!({ "keep_hourly": 99_999, "keep_daily": 0, "keep_weekly": 0, "keep_monthly": 0 }),
            "keep_hourly",
        ),
        (
            json!({ "keep_hourly": 1, "keep_daily": 0, "keep_weekly": 0, "keep_monthly": 0, "max_total_size_gb": 0 }),
            "max_total_size_gb",
        ),
        (json!({ "keep_hourly": 1 }), "keep_daily"),
    ] {
        let answer = client.put(BASE, body.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let fields = &answer.json()["error"]["fields"];
        assert!(fields.get(field).is_some(), "{body}: {fields}");
    }
    let answer = client.put("/api/backups/retention/tapes", json!({})).await;
    assert!(answer.status.is_client_error());
    assert_eq!(
        app.audit_actions().await.last().unwrap(),
        "auth.login_success"
    );
    let dir = app.state.config.data.backup_dir();
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).unwrap();
}
