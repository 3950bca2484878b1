//! Copies in buckets and on other machines.

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use flowkeep::features::recovery::open;
use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::backups::Story;
use crate::support::app::{TestApp, TestResponse};
use crate::support::daemon::{output, program};
use crate::support::postgres::{
    connect, empty_database_on, migrated_database, server_majors, url_of,
};
use crate::support::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use crate::support::sshd::Sshd;

const BASE: &str = "/api/backups/destinations";

async fn story() -> Story {
    Story::begin(*server_majors().await.first().unwrap()).await
}

fn bucket(server: &S3Server) -> Value {
    json!({
        "name": "Cloud",
        "s3": {
            "endpoint": server.endpoint(), "bucket": BUCKET, "prefix": "box/one",
            "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY,
        }
    })
}

fn machine(server: &Sshd) -> Value {
    json!({
        "name": "Other",
        "sftp": {
            "host": "127.0.0.1", "port": server.port, "user": whoami(), "folder": server.store(),
            "private_key": server.private_key(),
        }
    })
}

fn whoami() -> String {
    std::env::var("USER")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "root".to_owned())
}

async fn add(story: &Story, body: &Value) -> Value {
    let answer = story.client.post(BASE, body.clone()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    of(story, body["name"].as_str().unwrap()).await
}

/// Asks for a place in which one value is another one, and is refused.
async fn refused(story: &Story, mut body: Value, change: (&str, &str, &str)) -> TestResponse {
    let (section, key, value) = change;
    let object = if section.is_empty() {
        &mut body
    } else {
        &mut body[section]
    };
    object[key] = json!(value);
    let answer = story.client.post(BASE, body).await;
    assert_eq!(answer.status, 422, "{key}: {answer:?}");
    answer
}

async fn of(story: &Story, name: &str) -> Value {
    let all = story.client.get(BASE).await.json();
    let items = all["items"].as_array().unwrap().clone();
    items.into_iter().find(|item| item["name"] == name).unwrap()
}

async fn backup(story: &Story) -> Value {
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["status"], "success", "{backup}");
    backup
}

async fn sweep(story: &Story) {
    story.app.state.destinations.sweep().await.unwrap();
}

fn stored(story: &Story, backup: &Value) -> std::path::PathBuf {
    let dir = story.app.data_dir.path().join("backups/postgres_n8n");
    dir.join(backup["filename"].as_str().unwrap())
}

/// More than one part.
async fn large(story: &Story) {
    let mut source = connect(&story.source).await;
    let sql = "INSERT INTO execution_data SELECT g, (SELECT string_agg(md5(random()::text), '') \
               FROM generate_series(1, 3000) x WHERE g > 0) FROM generate_series(1001, 1250) g";
    sqlx::query(sql).execute(&mut source).await.unwrap();
}

#[tokio::test]
async fn a_bucket_gets_every_good_backup_whole_and_loses_it_with_its_original() {
    let server = S3Server::start().await;
    let story = story().await;
    let there = add(&story, &bucket(&server)).await;
    assert_eq!(there["kind"], "s3");
    let address = there["path"].as_str().unwrap();
    assert!(address.ends_with("/backups/box/one"), "{address}");
    large(&story).await;
    let first = backup(&story).await;
    sweep(&story).await;
    assert!(server.faults.parts.load(Ordering::SeqCst) >= 2, "in parts");
    let name = first["filename"].as_str().unwrap();
    let object = server
        .root
        .path()
        .join(BUCKET)
        .join("box/one/flowkeep/postgres_n8n")
        .join(name);
    assert_eq!(
        std::fs::read(object).unwrap(),
        std::fs::read(stored(&story, &first)).unwrap()
    );
    let there = of(&story, "Cloud").await;
    assert_eq!(
        (&there["copied"], &there["queued"]),
        (&json!(1), &json!(0)),
        "{there}"
    );
    assert_eq!(server.objects().len(), 4, "{:?}", server.objects());

    // Neither the API, nor the log of what was done, nor the database as it stands has the secret key.
    let all: String = story
        .app
        .sql(
            "SELECT (SELECT string_agg(t::text, ' ') FROM audit_log t) || \
              (SELECT string_agg(t::text, ' ') FROM backup_destinations t)",
        )
        .await;
    let listed = story.client.get(BASE).await.text();
    for text in [all, listed] {
        assert!(!text.contains(SECRET_KEY), "{text}");
    }
    // A new data key, and it still opens.
    story.client.reauthenticate().await;
    let rotated = story
        .client
        .post("/api/settings/encryption/rotate", json!({}))
        .await;
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
    let test = format!("{BASE}/{}/test", there["id"]);
    let tested = story.client.post(&test, json!({})).await.json();
    assert_eq!(tested["items"][0]["last_error"], Value::Null, "{tested}");

    let delete = format!("/api/backups/{}?confirm=last_good", first["id"]);
    assert_eq!(
        story.client.delete(&delete).await.status,
        StatusCode::NO_CONTENT
    );
    sweep(&story).await;
    assert_eq!(server.objects(), ["box/one/.flowkeep-destination"]);
}

#[tokio::test]
async fn f26_an_upload_that_dies_half_way_is_aborted_and_made_again_and_spoils_nothing() {
    let server = S3Server::start().await;
    let other = tempfile::tempdir().unwrap();
    let story = story().await;
    add(&story, &bucket(&server)).await;
    add(&story, &json!({ "name": "USB", "path": other.path() })).await;
    large(&story).await;
    let made = backup(&story).await;
    server.faults.parts_until_503.store(1, Ordering::SeqCst);
    sweep(&story).await;
    let there = of(&story, "Cloud").await;
    assert_eq!(
        (&there["copied"], &there["queued"]),
        (&json!(0), &json!(1)),
        "{there}"
    );
    assert_eq!(there["last_error_code"], "storage_failed", "{there}");
    assert_eq!(
        server.faults.aborted.load(Ordering::SeqCst),
        1,
        "the parts are given up"
    );
    assert_eq!(server.parts_left(), 0);
    assert_eq!(server.objects(), ["box/one/.flowkeep-destination"]);
    assert!(
        stored(&story, &made).exists(),
        "the backup's own file stays"
    );
    assert_eq!(
        of(&story, "USB").await["copied"],
        1,
        "the other place has its copy"
    );
    let copies = format!("/api/backups/history/{}/copies", made["id"]);
    let copies = story.client.get(&copies).await.json();
    let copy = copies["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["destination"] == "Cloud");
    assert_eq!(
        (&copy.unwrap()["status"], &copy.unwrap()["attempts"]),
        (&json!("queued"), &json!(1))
    );

    // Not before its time; then it goes through.
    server.faults.parts_until_503.store(0, Ordering::SeqCst);
    let before = server.faults.requests.load(Ordering::SeqCst);
    sweep(&story).await;
    assert_eq!(
        server.faults.requests.load(Ordering::SeqCst),
        before,
        "it waits"
    );
    story.app.advance(TimeDelta::minutes(2));
    sweep(&story).await;
    assert_eq!(of(&story, "Cloud").await["copied"], 1);
}

#[tokio::test]
async fn f26_a_server_that_says_nothing_is_given_up_and_a_storm_of_errors_is_waited_out() {
    let server = S3Server::start().await;
    let source = empty_database_on(*server_majors().await.first().unwrap()).await;
    let builder = TestApp::builder().patience(Duration::from_millis(400));
    let story = Story::begin_with(source, builder).await;
    add(&story, &bucket(&server)).await;
    backup(&story).await;
    server.faults.is_silent.store(true, Ordering::SeqCst);
    sweep(&story).await;
    let there = of(&story, "Cloud").await;
    assert_eq!(
        there["last_error_code"], "storage_not_responding",
        "{there}"
    );
    server.faults.is_silent.store(false, Ordering::SeqCst);
    server.faults.is_down.store(true, Ordering::SeqCst);
    story.app.advance(TimeDelta::minutes(2));
    sweep(&story).await;
    assert_eq!(of(&story, "Cloud").await["copied"], 0);
    server.faults.is_down.store(false, Ordering::SeqCst);
    story.app.advance(TimeDelta::hours(1));
    sweep(&story).await;
    assert_eq!(of(&story, "Cloud").await["copied"], 1);
}

#[tokio::test]
async fn a_bucket_that_vanishes_and_keys_that_are_refused_are_told_apart() {
    let server = S3Server::start().await;
    let story = story().await;
    for (field, section, key, value) in [
        ("secret_access_key", "s3", "secret_access_key", "wrong"),
        ("bucket", "s3", "bucket", "no-such-bucket"),
        ("bucket", "s3", "bucket", "Not A Bucket"),
        ("endpoint", "s3", "endpoint", "ftp://nas"),
        ("endpoint", "s3", "endpoint", "http://user:pw@nas"),
        ("endpoint", "s3", "endpoint", "http://127.0.0.1:1"),
        ("prefix", "s3", "prefix", "../up"),
        ("path", "", "path", "/mnt"),
    ] {
        let answer = refused(&story, bucket(&server), (section, key, value)).await;
        let fields = &answer.json()["error"]["fields"];
        assert!(fields.get(field).is_some(), "{field}: {fields}");
        assert!(!answer.text().contains(SECRET_KEY));
    }
    assert_eq!(
        story.client.get(BASE).await.json()["items"],
        json!([]),
        "nothing was kept"
    );

    let there = add(&story, &bucket(&server)).await;
    backup(&story).await;
    std::fs::remove_dir_all(server.root.path().join(BUCKET)).unwrap();
    sweep(&story).await;
    assert_eq!(
        of(&story, "Cloud").await["last_error_code"],
        "no_such_bucket"
    );
    // Another bucket of the same name is not the place that was claimed: nothing is written there.
    std::fs::create_dir(server.root.path().join(BUCKET)).unwrap();
    story.app.advance(TimeDelta::hours(3));
    sweep(&story).await;
    assert_eq!(of(&story, "Cloud").await["last_error_code"], "not_mounted");
    assert!(server.objects().is_empty(), "{:?}", server.objects());
    // A key that was changed there is changed here.
    let path = format!("{BASE}/{}", there["id"]);
    let changed = story
        .client
        .put(&path, json!({ "enabled": true, "secret": "other" }))
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let test = story
        .client
        .post(&format!("{path}/test"), json!({}))
        .await
        .json();
    assert_eq!(
        test["items"][0]["last_error_code"], "credentials_refused",
        "{test}"
    );
}

#[tokio::test]
async fn another_machine_gets_copies_over_sftp_and_its_host_key_is_kept() {
    let mut server = Sshd::start().await;
    let story = story().await;
    let there = add(&story, &machine(&server)).await;
    assert_eq!(there["host_key"], server.host_key(), "{there}");
    large(&story).await;
    let first = backup(&story).await;
    sweep(&story).await;
    let copied = server
        .store()
        .join("flowkeep/postgres_n8n")
        .join(first["filename"].as_str().unwrap());
    assert_eq!(
        std::fs::read(copied).unwrap(),
        std::fs::read(stored(&story, &first)).unwrap()
    );
    let partials = std::fs::read_dir(server.store().join("flowkeep/.partial")).unwrap();
    assert_eq!(partials.count(), 0);

    // Switched off, then back: tried again in its time.
    server.stop();
    let second = backup(&story).await;
    sweep(&story).await;
    let there = of(&story, "Other").await;
    assert_eq!(there["last_error_code"], "cannot_connect", "{there}");
    server.start_again(false).await;
    story.app.advance(TimeDelta::minutes(2));
    sweep(&story).await;
    assert_eq!(of(&story, "Other").await["copied"], 2);

    // Somebody else answers in its place: nothing is sent to them.
    server.stop();
    server.start_again(true).await;
    let delete = format!("/api/backups/{}?confirm=last_good", first["id"]);
    story.client.reauthenticate().await;
    assert_eq!(
        story.client.delete(&delete).await.status,
        StatusCode::NO_CONTENT
    );
    sweep(&story).await;
    let there = of(&story, "Other").await;
    assert_eq!(there["last_error_code"], "host_key_changed", "{there}");
    drop(second);
}

#[tokio::test]
async fn what_sftp_refuses_is_told_by_field_and_leaves_no_secret_about() {
    let server = Sshd::start().await;
    let story = story().await;
    let stranger = Sshd::start().await;
    let other_key = stranger.private_key();
    let other_host = stranger.host_key();
    for (field, key, value) in [
        ("password", "private_key", other_key.as_str()),
        ("password", "private_key", "no key at all"),
        ("folder", "folder", "/no/such/folder"),
        ("host", "host", "-oProxyCommand=id"),
        ("user", "user", "a b"),
        ("host_key", "host_key", "nonsense"),
        ("host_key", "host_key", other_host.as_str()),
    ] {
        let answer = refused(&story, machine(&server), ("sftp", key, value)).await;
        let fields = &answer.json()["error"]["fields"];
        assert!(fields.get(field).is_some(), "{field}: {fields}");
        assert!(!answer.text().contains("PRIVATE KEY"), "{}", answer.text());
    }
    let left: Vec<_> = std::fs::read_dir(std::env::temp_dir())
        .unwrap()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("flowkeep-ssh-")
                && entry.path().join("key").exists()
                && std::fs::read_to_string(entry.path().join("key"))
                    .is_ok_and(|key| key.trim() == other_key.trim())
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_lost_file_comes_back_from_its_copy_and_an_empty_box_from_kit_and_bucket_alone() {
    let server = S3Server::start().await;
    let story = story().await;
    add(&story, &bucket(&server)).await;
    let made = backup(&story).await;
    sweep(&story).await;
    let file = stored(&story, &made);
    let original = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let fetch = format!("/api/backups/history/{}/fetch", made["id"]);
    let fetched = story.client.post(&fetch, json!({})).await;
    assert_eq!(fetched.status, StatusCode::NO_CONTENT, "{fetched:?}");
    assert_eq!(std::fs::read(&file).unwrap(), original);
    let proof = story.proof(made["id"].as_i64().unwrap()).await;
    assert_eq!(proof["verdict"], "passed", "{proof}");

    story.client.reauthenticate().await;
    let passphrase = "five random words are good";
    let kit = story
        .client
        .post("/api/recovery-kit", json!({ "passphrase": passphrase }))
        .await;
    let contents = open(&kit.body, &SecretString::from(passphrase)).unwrap();
    assert_eq!(contents.destinations.len(), 1);
    // A new box: nothing but the kit.
    let new_box = tempfile::tempdir().unwrap();
    let path = |name: &str| new_box.path().join(name).display().to_string();
    std::fs::write(path("kit"), &kit.body).unwrap();
    std::fs::write(path("passphrase"), passphrase).unwrap();
    let database = migrated_database().await;
    let mut recover: Command = program(&["recover", "--fetch", "--kit", &path("kit")]);
    recover
        .args(["--passphrase-file", &path("passphrase")])
        .env("DATABASE_URL", url_of(&database))
        .env("FLOWKEEP_DATA_DIR", path("data"));
    let output = output(recover).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said} {output:?}");
    assert!(
        said.contains("came from Cloud") && said.contains("1 backups"),
        "{said}"
    );
    let name = made["filename"].as_str().unwrap();
    let back = std::fs::read(new_box.path().join("data/backups/postgres_n8n").join(name)).unwrap();
    assert_eq!(back, original);
}
