//! The way from version 2 and back.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::{Value, json};

use crate::backups::until;
use crate::support::app::{TestApp, TestClient};
use crate::support::daemon::{command, output};
use crate::support::postgres::{empty_database, url_of};

const BASE: &str = "/api/migration";

async fn begin() -> (TestApp, TestClient) {
    let (app, client) = TestApp::with_admin().await;
    client.reauthenticate().await;
    (app, client)
}

async fn file(folder: &std::path::Path) -> String {
    let url = url_of(&empty_database().await);
    format!(
        "# version 2\nN8N_DATABASE_URL='{url}'\nN8N_ENCRYPTION_KEY=\"a key of version 2\"\nTZ=Europe/Berlin\n\
         BACKUP_SCHEDULE=30 3 * * 0\nBACKUP_RETENTION_DAYS=21\nN8N_CONTAINER=n8n\nNFS_MOUNT_PATH={}\nLOG_COLOR=1\n",
        folder.display()
    )
}

/// What the way changes, as the API shows it.
async fn state(client: &TestClient) -> Value {
    let get = async |path: &str| client.get(path).await.json();
    let settings = get("/api/settings").await;
    let value = |key: &str| {
        let items = settings["items"].as_array().unwrap();
        items.iter().find(|item| item["key"] == key).unwrap()["value"].clone()
    };
    let retention = get("/api/backups/retention").await;
    let policy = retention["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["backup_type"] == "postgres_n8n");
    json!({
        "zone": value("general.time_zone"),
        "containers": value("n8n.containers"),
        "n8n": get("/api/n8n/connection").await["is_configured"],
        "schedules": get("/api/backups/schedules").await["items"].as_array().unwrap().len(),
        "days": policy.unwrap()["keep_daily"],
        "destinations": get("/api/backups/destinations").await["items"].as_array().unwrap().len(),
    })
}

fn statuses(answer: &Value) -> Vec<(String, String)> {
    let phases = answer["phases"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    phases
        .map(|phase| (text(&phase["phase"]), text(&phase["status"])))
        .collect()
}

#[tokio::test]
async fn version_2_is_taken_over_after_a_backup_and_given_back_within_thirty_days() {
    let (app, client) = begin().await;
    let folder = tempfile::tempdir().unwrap();
    let config = file(folder.path()).await;
    let before = state(&client).await;
    let preview = client
        .post("/api/migration/preview", json!({ "config": config }))
        .await
        .json();
    assert_eq!(
        (
            &preview["schedule"],
            &preview["retention_days"],
            &preview["ignored"]
        ),
        (&json!("weekly"), &json!(21), &json!(["LOG_COLOR"])),
        "{preview}"
    );
    assert_eq!(state(&client).await, before, "a preview changes nothing");

    let done = client.post(BASE, json!({ "config": config })).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    let names: Vec<String> = statuses(&done.json())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "backup",
            "settings",
            "n8n",
            "schedule",
            "retention",
            "destination",
            "done"
        ]
    );
    let expected = json!({
        "zone": "Europe/Berlin", "containers": "n8n", "n8n": true, "schedules": 1, "days": 21, "destinations": 1,
    });
    assert_eq!(state(&client).await, expected);
    let backup = &done.json()["phases"][1]["backup_id"];
    let made = client
        .get(&format!("/api/backups/history/{backup}"))
        .await
        .json();
    assert_eq!(
        (&made["backup_type"], &made["status"]),
        (&json!("postgres_mgmt"), &json!("success"))
    );
    let schedule = client.get("/api/backups/schedules").await.json()["items"][0].clone();
    assert_eq!(
        (&schedule["day_of_week"], &schedule["timezone"]),
        (&json!(6), &json!("Europe/Berlin"))
    );
    let told: String = app
        .sql("SELECT string_agg(t::text, ' ') FROM audit_log t")
        .await;
    let kept: String = app
        .sql("SELECT string_agg(t::text, ' ') FROM migration_state t")
        .await;
    assert!(!told.contains("a key of version 2") && !kept.contains("a key of version 2"));
    let again = client.post(BASE, json!({ "config": config })).await;
    assert_eq!(again.code(), "already_migrated");

    app.advance(TimeDelta::days(29));
    client.login().await;
    client.reauthenticate().await;
    let undone = client.post("/api/migration/undo", json!({})).await;
    assert_eq!(undone.status, StatusCode::OK, "{undone:?}");
    assert!(
        statuses(&undone.json())
            .iter()
            .all(|(_, status)| status == "rolled_back")
    );
    assert_eq!(state(&client).await, before);
    let nothing = client.post("/api/migration/undo", json!({})).await;
    assert_eq!(nothing.code(), "nothing_to_undo");
}

#[tokio::test]
async fn after_thirty_days_it_stays() {
    let (app, client) = begin().await;
    let done = client
        .post(BASE, json!({ "config": "TZ=Europe/Berlin" }))
        .await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    app.advance(TimeDelta::days(31));
    client.login().await;
    client.reauthenticate().await;
    let refused = client.post("/api/migration/undo", json!({})).await;
    assert_eq!(refused.code(), "undo_is_over");
}

#[tokio::test]
async fn a_phase_that_fails_and_one_that_a_crash_cut_off_leave_everything_as_it_was() {
    let (app, client) = begin().await;
    let before = state(&client).await;
    let config = "TZ=Europe/Berlin\nBACKUP_SCHEDULE=@daily\nNFS_MOUNT_PATH=/no/such/mount\n";
    let failed = client.post(BASE, json!({ "config": config })).await;
    assert_eq!(failed.code(), "migration_failed", "{failed:?}");
    assert!(
        failed.message().contains("/no/such/mount"),
        "{}",
        failed.message()
    );
    assert_eq!(state(&client).await, before);
    let phases = statuses(&client.get(BASE).await.json());
    assert_eq!(
        phases.last().unwrap(),
        &("destination".to_owned(), "failed".to_owned())
    );

    let done = client
        .post(BASE, json!({ "config": "TZ=Europe/Berlin" }))
        .await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    app.execute("UPDATE migration_state SET status = 'in_progress' WHERE phase = 'done'")
        .await;
    app.state.migration.settle().await.unwrap();
    assert_eq!(state(&client).await, before);
}

#[tokio::test]
async fn bad_lines_are_all_named_and_an_n8n_that_is_connected_stays() {
    let (app, client) = begin().await;
    let config = "TZ=Mars\nBACKUP_SCHEDULE=* * * * *\n";
    let refused = client.post(BASE, json!({ "config": config })).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let why = refused.json()["error"]["fields"]["config"].to_string();
    assert!(
        why.contains("line 1 (TZ)") && why.contains("line 2 (BACKUP_SCHEDULE)"),
        "{why}"
    );
    assert_eq!(client.get(BASE).await.json()["phases"], json!([]));
    let mine = url_of(&empty_database().await);
    client
        .put("/api/n8n/connection", json!({ "database_url": mine }))
        .await;
    // From the command line, as whoever upgrades in a terminal.
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join("v2.env");
    std::fs::write(&path, "POSTGRES_HOST=elsewhere\nPOSTGRES_PASSWORD=x\n").unwrap();
    let migrate = command(&app, &["migrate-v2", "--file", path.to_str().unwrap()]);
    let output = output(migrate).await;
    assert!(output.status.success(), "{output:?}");
    app.state.settings.load().await.unwrap();
    let phases = client.get(BASE).await.json();
    let n8n = phases["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|phase| phase["phase"] == "n8n");
    assert!(
        n8n.unwrap()["details"]["kept"]
            .to_string()
            .contains("stays"),
        "{phases}"
    );
    until("the connection is still the own one", || async {
        let connection = client.get("/api/n8n/connection").await.json();
        (connection["database"]["host"] != "elsewhere").then_some(())
    })
    .await;
}
