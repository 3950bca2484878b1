//! The whole box is lost; the kit and the backup files are left.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use flowkeep::features::recovery::open;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

use crate::backups::Story;
use crate::support::daemon::{Daemon, output, program};
use crate::support::postgres::{connect, installations, migrated_database, server_majors, url_of};

const PASSPHRASE: &str = "five random words are good";

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story from the loss to the return"
)]
async fn a_lost_box_comes_back_from_its_kit_and_the_backup_files() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let body = json!({ "encryption_key": "n8n's own key" });
    story.client.put("/api/n8n/connection", body).await;
    let body = json!({ "value": 7 });
    story
        .client
        .put("/api/settings/backups.compression_level", body)
        .await;
    let backup = story.ask().await;
    let backup = story.ended(backup).await;
    let attention = story.client.get("/api/overview").await.text();
    assert!(
        attention.contains("There is no recovery kit yet"),
        "{attention}"
    );

    let path = "/api/recovery-kit";
    let body = json!({ "passphrase": PASSPHRASE });
    let refused = story.client.post(path, body.clone()).await;
    assert_eq!(refused.code(), "reauthentication_required");
    story.client.reauthenticate().await;
    let weak = story
        .client
        .post(path, json!({ "passphrase": "short" }))
        .await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    let kit = story.client.post(path, body).await;
    assert_eq!(kit.status, StatusCode::OK, "{kit:?}");
    let status = story.client.get(path).await.json();
    assert_eq!(status["is_outdated"], false, "{status}");
    let logged: String = story
        .app
        .sql("SELECT string_agg(t::text, ' ') FROM audit_log t")
        .await;
    assert!(logged.contains("recovery.kit_made") && !logged.contains(PASSPHRASE));
    let contents = open(&kit.body, &SecretString::from(PASSPHRASE)).unwrap();
    assert_eq!(contents.n8n_key.unwrap().expose_secret(), "n8n's own key");

    // A new box: an empty database, an empty data folder, the kit, a copy of the backups.
    let box_dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(box_dir.path(), Permissions::from_mode(0o711)).unwrap();
    let kit_file = box_dir.path().join("kit.tar.age");
    std::fs::write(&kit_file, &kit.body).unwrap();
    let backups = story.app.data_dir.path().join("backups");
    let database = migrated_database().await;
    let data = box_dir.path().join("data");
    let on_box = |args: &[&str]| {
        let mut command = program(args);
        command
            .env("DATABASE_URL", url_of(&database))
            .env("FLOWKEEP_DATA_DIR", &data)
            .env("FLOWKEEP_BACKUP_DIR", &backups);
        command
    };
    let recover = |passphrase: &str| {
        let file = box_dir.path().join("passphrase");
        std::fs::write(&file, passphrase).unwrap();
        on_box(&[
            "recover",
            "--kit",
            kit_file.to_str().unwrap(),
            "--passphrase-file",
            file.to_str().unwrap(),
        ])
    };
    let wrong = output(recover("five random words are bad")).await;
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        !wrong.status.success() && said.contains("passphrase is wrong"),
        "{said}"
    );
    assert!(!data.join("master.key").exists(), "nothing was begun");
    let right = output(recover(PASSPHRASE)).await;
    let said = String::from_utf8_lossy(&right.stdout).into_owned();
    assert!(right.status.success(), "{said}{right:?}");
    assert!(said.contains("1 backups"), "{said}");
    let mode = std::fs::metadata(data.join("master.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let password_file = box_dir.path().join("password");
    std::fs::write(&password_file, crate::support::app::PASSWORD).unwrap();
    let mut serve = on_box(&["serve"]);
    serve.env("FLOWKEEP_ADMIN_PASSWORD_FILE", &password_file);
    let daemon = Daemon::spawn(&mut serve).await;
    daemon.until_settled().await;
    let token = daemon.login().await;
    let get = async |path: &str| daemon.call("GET", path, Some(&token), None).await.1;
    let connection = get("/api/n8n/connection").await;
    assert_eq!(
        (
            &connection["is_configured"],
            &connection["has_encryption_key"]
        ),
        (&json!(true), &json!(true))
    );
    assert_eq!(connection["database"]["database"], story.source.database);
    let list = get("/api/backups/history").await;
    assert_eq!(list["items"][0]["checksum"], backup["checksum"], "{list}");
    let settings = get("/api/settings").await;
    let level = settings["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["key"] == "backups.compression_level");
    assert_eq!(level.unwrap()["value"], 7);
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn a_changed_key_makes_the_kit_outdated() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    story.client.reauthenticate().await;
    let body = json!({ "passphrase": PASSPHRASE });
    story.client.post("/api/recovery-kit", body).await;
    let body = json!({ "encryption_key": "a new key" });
    story.client.put("/api/n8n/connection", body).await;
    let status = story.client.get("/api/recovery-kit").await.json();
    assert_eq!(status["is_outdated"], true, "{status}");
    let attention = story.client.get("/api/overview").await.text();
    assert!(
        attention.contains("recovery kit is outdated"),
        "{attention}"
    );
}

#[tokio::test]
async fn the_kits_script_restores_without_flowkeep_and_refuses_a_changed_file() {
    let major = *server_majors().await.first().unwrap();
    let story = Story::begin(major).await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    let file = story
        .app
        .data_dir
        .path()
        .join("backups/postgres_n8n")
        .join(backup["filename"].as_str().unwrap());
    let work = tempfile::tempdir().unwrap();
    let script = work.path().join("restore.sh");
    std::fs::write(
        &script,
        include_str!("../../src/features/recovery/restore.sh"),
    )
    .unwrap();
    let programs = installations()
        .await
        .client_for(major)
        .unwrap()
        .bin_dir
        .clone();
    let mut admin = connect(&story.source).await;
    for name in ["by_script", "by_script_bad"] {
        sqlx::query(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}")))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    let run = |name: &str| {
        #[expect(clippy::disallowed_methods, reason = "what a user would type")]
        let mut command = Command::new("/bin/sh");
        // libpq takes the socket's folder and the login from the environment.
        let info = &story.source;
        let flowkeep::platform::postgres::Host::Socket(dir) = &info.host else {
            panic!("the test server has a socket");
        };
        let path = format!("{}:/usr/bin:/bin", programs.display());
        command
            .arg(&script)
            .arg(&file)
            .arg(format!("postgres:///{name}"))
            .env("PATH", path)
            .env("PGHOST", dir)
            .env("PGPORT", info.port.to_string())
            .env("PGUSER", &info.user)
            .env(
                "PGPASSWORD",
                info.password.as_ref().unwrap().expose_secret(),
            );
        output(command)
    };
    let restored = run("by_script").await;
    assert!(restored.status.success(), "{restored:?}");
    let mut there = connect(&story.source.with_database("by_script")).await;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM workflow_entity")
        .fetch_one(&mut there)
        .await
        .unwrap();
    assert_eq!(count, 20);
    there.close().await.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let refused = run("by_script_bad").await;
    assert!(!refused.status.success(), "{refused:?}");
    let made: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'by_script_bad')",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    assert!(
        !made,
        "nothing is begun with a file that is not what was written"
    );
}
