//! Encrypted backups, opened with Flowkeep and with the public tool `age`.

use std::path::PathBuf;
use std::process::{Command, Output};

use flowkeep::features::recovery::open;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};

use super::source::Story;
use crate::support::app::TestApp;
use crate::support::daemon::{output, program};
use crate::support::postgres::{OwnCluster, connect, installations, server_majors, url_of};

const ENCRYPTION: &str = "/api/backups/encryption";

async fn sealed_story(major: u32) -> Story {
    let story = Story::begin(major).await;
    switch_on(&story).await;
    story
}

async fn switch_on(story: &Story) {
    story.client.reauthenticate().await;
    let state = story
        .client
        .put(ENCRYPTION, json!({ "enabled": true }))
        .await;
    assert_eq!(state.status, 200, "{}", state.message());
    assert!(
        state.json()["public_key"]
            .as_str()
            .unwrap()
            .starts_with("age1")
    );
}

async fn made(story: &Story, kind: &str) -> Value {
    let answer = story
        .client
        .post("/api/backups/run", json!({ "backup_type": kind }))
        .await;
    assert_eq!(answer.status, 202, "{}", answer.message());
    let backup = story.ended(answer.json()["id"].as_i64().unwrap()).await;
    assert_eq!(backup["status"], "success", "{backup}");
    backup
}

fn path_of(story: &Story, backup: &Value) -> PathBuf {
    let dir = story.app.data_dir.path().join("backups");
    dir.join(backup["backup_type"].as_str().unwrap())
        .join(backup["filename"].as_str().unwrap())
}

/// The keys, as the recovery kit gives them to their owner.
async fn keys_in_the_kit(story: &Story) -> String {
    let passphrase = "five random words are good";
    story.client.reauthenticate().await;
    let kit = story
        .client
        .post("/api/recovery-kit", json!({ "passphrase": passphrase }))
        .await;
    let contents = open(&kit.body, &SecretString::from(passphrase)).unwrap();
    assert!(contents.configuration.encrypts_backups);
    contents
        .backup_identities
        .unwrap()
        .expose_secret()
        .to_owned()
}

#[tokio::test]
async fn f25_every_type_is_encrypted_and_proven_and_nothing_plain_lies_about() {
    // A server of its own: the whole of it is backed up.
    let cluster = OwnCluster::start().await;
    let story = Story::begin_with(cluster.conninfo(), TestApp::builder()).await;
    switch_on(&story).await;
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".n8n");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("config"), "{\"encryptionKey\":\"k\"}").unwrap();
    let paths = json!({ "value": [config.to_str().unwrap()] });
    story
        .client
        .put("/api/settings/n8n.config_paths", paths)
        .await;
    for kind in ["postgres_n8n", "postgres_full", "flows", "n8n_config"] {
        let backup = made(&story, kind).await;
        assert_eq!(backup["encryption"], "age", "{backup}");
        let path = path_of(&story, &backup);
        assert!(
            path.extension().is_some_and(|end| end == "age"),
            "{}",
            path.display()
        );
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(b"age-encryption.org/v1\n-> X25519 "));
        assert_eq!(
            bytes.len() as u64,
            backup["compressed_size"].as_u64().unwrap()
        );
        let proof = story.proof(backup["id"].as_i64().unwrap()).await;
        assert_eq!(proof["verdict"], "passed", "{kind}: {proof}");
        assert_eq!(
            (&proof["checks"][1]["name"], &proof["checks"][1]["status"]),
            (&json!("opens"), &json!("passed")),
            "{proof}"
        );
    }
    let left: Vec<String> = story
        .files()
        .into_iter()
        .filter(|name| !name.contains(".age"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn f25_the_public_tool_and_the_kits_script_open_an_encrypted_backup() {
    let major = *server_majors().await.first().unwrap();
    let story = sealed_story(major).await;
    let backup = made(&story, "postgres_n8n").await;
    let work = tempfile::tempdir().unwrap();
    std::fs::write(
        work.path().join("backup-age.key"),
        keys_in_the_kit(&story).await,
    )
    .unwrap();
    let script = work.path().join("restore.sh");
    let text = include_str!("../../../src/features/recovery/restore.sh");
    std::fs::write(&script, text).unwrap();
    let mut admin = connect(&story.source).await;
    let drop = "DROP DATABASE IF EXISTS by_age_and_script";
    sqlx::query(drop).execute(&mut admin).await.unwrap();
    let programs = installations().await;
    let programs = programs.client_for(major).unwrap().bin_dir.clone();
    #[expect(clippy::disallowed_methods, reason = "what a user would type")]
    let mut command = Command::new("/bin/sh");
    let info = &story.source;
    let flowkeep::platform::postgres::Host::Socket(dir) = &info.host else {
        panic!("the test server has a socket");
    };
    command
        .arg(&script)
        .arg(path_of(&story, &backup))
        .arg("postgres:///by_age_and_script")
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("PGHOST", dir)
        .env("PGPORT", info.port.to_string())
        .env("PGUSER", &info.user)
        .env(
            "PGPASSWORD",
            info.password.as_ref().unwrap().expose_secret(),
        );
    let restored = output(command).await;
    assert!(restored.status.success(), "{restored:?}");
    let mut there = connect(&story.source.with_database("by_age_and_script")).await;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM workflow_entity")
        .fetch_one(&mut there)
        .await
        .unwrap();
    assert_eq!(count, 20);
    there.close().await.unwrap();
}

#[tokio::test]
async fn f24_f25_a_file_in_another_backups_place_is_named_though_every_hash_agrees() {
    let story = sealed_story(*server_majors().await.first().unwrap()).await;
    let first = made(&story, "postgres_n8n").await;
    let second = made(&story, "postgres_n8n").await;
    std::fs::copy(path_of(&story, &first), path_of(&story, &second)).unwrap();
    // Whoever can write the catalogue as well makes the hashes agree.
    let sql = format!(
        "UPDATE backup_history b SET checksum = a.checksum, compressed_size = a.compressed_size \
         FROM backup_history a WHERE a.id = {} AND b.id = {}",
        first["id"], second["id"]
    );
    sqlx::query(AssertSqlSafe(sql))
        .execute(story.app.state.db.pool())
        .await
        .unwrap();
    let proof = story.proof(second["id"].as_i64().unwrap()).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("failed"), &json!("wrong_backup")),
        "{proof}"
    );
}

#[tokio::test]
async fn f25_a_changed_key_opens_what_was_before_and_a_lost_one_says_nothing_of_the_backup() {
    let story = sealed_story(*server_majors().await.first().unwrap()).await;
    let before = made(&story, "postgres_n8n").await;
    let old = keys_in_the_kit(&story).await;
    let rotated = story
        .client
        .post(&format!("{ENCRYPTION}/rotate"), json!({}))
        .await
        .json();
    assert_eq!(rotated["former_keys"], 1, "{rotated}");
    let kit = story.client.get("/api/recovery-kit").await.json();
    assert_eq!(kit["is_outdated"], true, "the kit lacks the new key");
    let after = made(&story, "postgres_n8n").await;
    for backup in [&before, &after] {
        let proof = story.proof(backup["id"].as_i64().unwrap()).await;
        assert_eq!(proof["verdict"], "passed", "{proof}");
    }
    // The former key alone does not open what came after it.
    let work = tempfile::tempdir().unwrap();
    let key = work.path().join("old.key");
    std::fs::write(&key, old).unwrap();
    let file = path_of(&story, &after);
    let verify = |identity: Option<&PathBuf>, file: &PathBuf| {
        let mut command = program(&["verify", "--file", file.to_str().unwrap()]);
        if let Some(identity) = identity {
            command.args(["--identity-file", identity.to_str().unwrap()]);
        }
        command
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = output(verify(Some(&key), &file)).await;
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    assert!(said(&wrong).contains("another key"), "{}", said(&wrong));
    let none = output(verify(None, &file)).await;
    assert!(
        said(&none).contains("no key for backups is here"),
        "{}",
        said(&none)
    );
    let right = output(verify(Some(&key), &path_of(&story, &before))).await;
    assert!(right.status.success(), "{}", said(&right));
    // And back into a database of its own from the command line.
    let target = story.source.with_database("by_identity");
    let mut admin = connect(&story.source).await;
    let drop = "DROP DATABASE IF EXISTS by_identity";
    sqlx::query(drop).execute(&mut admin).await.unwrap();
    let before = path_of(&story, &before);
    let mut restore = program(&["restore", "--file", before.to_str().unwrap()]);
    restore
        .args(["--identity-file", key.to_str().unwrap()])
        .env("FLOWKEEP_RESTORE_URL", url_of(&target));
    let restored = output(restore).await;
    assert!(restored.status.success(), "{restored:?}");

    story
        .app
        .execute("DELETE FROM settings WHERE key = 'backups.identities'")
        .await;
    story.app.state.settings.load().await.unwrap();
    let proof = story.proof(after["id"].as_i64().unwrap()).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("could_not_verify"), &json!("no_backup_key")),
        "{proof}"
    );
    let answer = story
        .client
        .post("/api/backups/run", json!({ "backup_type": "postgres_n8n" }))
        .await;
    assert_eq!(
        answer.code(),
        "no_backup_key",
        "never plain when it should not be"
    );
}

#[tokio::test]
async fn a_further_public_key_opens_new_backups_too_and_a_bad_one_is_refused() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let body = json!({ "enabled": true, "recipients": ["age1nonsense"] });
    let asked = story.client.put(ENCRYPTION, body.clone()).await;
    assert_eq!(asked.code(), "reauthentication_required");
    story.client.reauthenticate().await;
    let refused = story.client.put(ENCRYPTION, body).await;
    assert_eq!(refused.status, 422);
    assert!(refused.message().contains("age1"), "{}", refused.message());
    assert_eq!(story.client.get(ENCRYPTION).await.json()["enabled"], false);
    // A key that somebody made with age-keygen and keeps elsewhere.
    let work = tempfile::tempdir().unwrap();
    let key = work.path().join("own.key");
    #[expect(clippy::disallowed_methods, reason = "what a user would type")]
    let mut keygen = Command::new("age-keygen");
    keygen.arg("-o").arg(&key);
    let generated = output(keygen).await;
    let public = String::from_utf8_lossy(&generated.stderr).into_owned();
    let public = public.trim().trim_start_matches("Public key: ").to_owned();
    let body = json!({ "enabled": true, "recipients": [public] });
    let state = story.client.put(ENCRYPTION, body).await;
    assert_eq!(state.json()["recipients"], json!([public]));
    let backup = made(&story, "postgres_n8n").await;
    let path = path_of(&story, &backup);
    let verified = output({
        let mut command = program(&["verify", "--file", path.to_str().unwrap()]);
        command.args(["--identity-file", key.to_str().unwrap()]);
        command
    })
    .await;
    assert!(verified.status.success(), "{verified:?}");
}
