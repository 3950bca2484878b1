//! Copies at other places.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use http::StatusCode;
use rustix::mount::MountFlags;
use serde_json::{Value, json};

use crate::backups::{Story, until};
use crate::support::app::TestApp;
use crate::support::disk;
use crate::support::postgres::{empty_database_on, server_majors};

const BASE: &str = "/api/backups/destinations";

async fn story() -> Story {
    Story::begin(*server_majors().await.first().unwrap()).await
}

async fn add(story: &Story, name: &str, path: &Path) -> Value {
    let body = json!({ "name": name, "path": path });
    let answer = story.client.post(BASE, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.into_iter().find(|item| item["name"] == name).unwrap()
}

async fn of(story: &Story, name: &str) -> Value {
    let all = story.client.get(BASE).await.json();
    let items = all["items"].as_array().unwrap().clone();
    items.into_iter().find(|item| item["name"] == name).unwrap()
}

fn files(root: &Path) -> Vec<String> {
    let (mut names, mut folders) = (Vec::new(), vec![root.join("flowkeep")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                names.push(entry.file_name().to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
}

async fn backup(story: &Story) -> Value {
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["status"], "success", "{backup}");
    backup
}

#[tokio::test]
async fn every_good_backup_is_copied_whole_and_leaves_with_its_original() {
    let story = story().await;
    let first = backup(&story).await;
    story.app.advance(TimeDelta::minutes(1));
    let place = tempfile::tempdir().unwrap();
    add(&story, "NAS", place.path()).await;
    let second = backup(&story).await;
    story.app.state.destinations.sweep().await.unwrap();
    assert_eq!(files(place.path()), story.files(), "the same files as here");
    let copies = format!("/api/backups/history/{}/copies", second["id"]);
    let copies = story.client.get(&copies).await.json();
    assert_eq!(
        (
            &copies["items"][0]["status"],
            &copies["items"][0]["destination"]
        ),
        (&json!("copied"), &json!("NAS"))
    );
    let there = of(&story, "NAS").await;
    assert_eq!((&there["copied"], &there["queued"]), (&json!(2), &json!(0)));
    assert!(there["free_bytes"].as_u64().unwrap() > 0);
    // The copy is a backup of its own: it can be proven without Flowkeep's database.
    let name = second["filename"].as_str().unwrap();
    let copied = std::fs::read(place.path().join("flowkeep/postgres_n8n").join(name)).unwrap();
    let original = story
        .app
        .data_dir
        .path()
        .join("backups/postgres_n8n")
        .join(name);
    assert_eq!(copied, std::fs::read(original).unwrap());

    story.client.reauthenticate().await;
    let delete = format!("/api/backups/{}", first["id"]);
    assert_eq!(
        story.client.delete(&delete).await.status,
        StatusCode::NO_CONTENT
    );
    story.app.state.destinations.sweep().await.unwrap();
    assert_eq!(files(place.path()), story.files());
    // Forgotten, it keeps what it has.
    let forget = format!("{BASE}/{}", there["id"]);
    assert_eq!(
        story.client.delete(&forget).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(files(place.path()).len(), 3);
}

#[tokio::test]
async fn f13_nothing_is_written_where_the_share_is_not_mounted() {
    let story = story().await;
    let (missing, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nas = add(&story, "NAS", missing.path()).await;
    add(&story, "USB", other.path()).await;
    // The mount point is there, and what was mounted on it is not.
    std::fs::remove_file(missing.path().join(".flowkeep-destination")).unwrap();
    backup(&story).await;
    story.app.state.destinations.sweep().await.unwrap();
    assert_eq!(
        std::fs::read_dir(missing.path()).unwrap().count(),
        0,
        "0 bytes"
    );
    assert_eq!(files(other.path()).len(), 3, "the other one has its copy");
    let there = of(&story, "NAS").await;
    assert_eq!(there["last_error_code"], "not_mounted", "{there}");
    assert_eq!(there["queued"], 1);
    let warnings = |events: Vec<String>| {
        let warnings = events.iter().filter(|event| *event == "backup.warning");
        warnings.count()
    };
    assert_eq!(warnings(story.app.events().await), 1);
    // It waits before it tries again, and does not tell the same again.
    story.app.state.destinations.sweep().await.unwrap();
    story.app.advance(TimeDelta::minutes(2));
    story.app.state.destinations.sweep().await.unwrap();
    assert_eq!(warnings(story.app.events().await), 1);
    let copies: i32 = story
        .app
        .sql("SELECT max(attempts) FROM backup_copies WHERE status = 'queued'")
        .await;
    assert_eq!(copies, 2);
    // Mounted again, it catches up.
    let sentinel: String = story
        .app
        .sql("SELECT sentinel::text FROM backup_destinations WHERE name = 'NAS'")
        .await;
    std::fs::write(missing.path().join(".flowkeep-destination"), sentinel).unwrap();
    story.app.advance(TimeDelta::hours(3));
    story.client.login().await;
    story.app.state.destinations.sweep().await.unwrap();
    assert_eq!(files(missing.path()).len(), 3);
    let test = format!("{BASE}/{}/test", nas["id"]);
    assert_eq!(
        story.client.post(&test, json!({})).await.status,
        StatusCode::OK
    );
    assert_eq!(of(&story, "NAS").await["last_error"], Value::Null);
    // Another disk at the same place is noticed too.
    let another = "11111111-1111-4111-8111-111111111111";
    std::fs::write(missing.path().join(".flowkeep-destination"), another).unwrap();
    story.client.post(&test, json!({})).await;
    assert_eq!(
        of(&story, "NAS").await["last_error_code"],
        "another_destination"
    );
}

#[tokio::test]
async fn a_copy_that_fails_is_noted_and_told_or_neither_and_its_end_is_told_once() {
    let story = story().await;
    let place = tempfile::tempdir().unwrap();
    let nas = add(&story, "NAS", place.path()).await;
    let sentinel = place.path().join(".flowkeep-destination");
    let kept = std::fs::read(&sentinel).unwrap();
    std::fs::remove_file(&sentinel).unwrap();
    backup(&story).await;
    let sweep = async || story.app.state.destinations.sweep().await;
    story.app.refuse_event("backup.warning").await;
    assert!(sweep().await.is_err());
    assert_eq!(of(&story, "NAS").await["last_error_code"], Value::Null);
    let attempts = "SELECT attempts FROM backup_copies";
    assert_eq!(story.app.sql::<i32>(attempts).await, 0);
    story.app.accept_events().await;
    // Somebody looked at it before it is told: it is told nevertheless.
    let test = format!("{BASE}/{}/test", nas["id"]);
    story.client.post(&test, json!({})).await;
    assert_eq!(of(&story, "NAS").await["last_error_code"], "not_mounted");
    sweep().await.unwrap();
    let told = story.app.told("backup.warning").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["code"], "not_mounted");
    assert!(story.app.told("backup.recovered").await.is_empty());
    std::fs::write(&sentinel, kept).unwrap();
    story.app.advance(TimeDelta::hours(3));
    story.client.login().await;
    for _ in 0..2 {
        backup(&story).await;
        sweep().await.unwrap();
    }
    let ended = story.app.told("backup.recovered").await;
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0]["trouble"], told[0]["trouble"]);
    assert_eq!(story.app.told("backup.warning").await.len(), 1);
}

#[tokio::test]
async fn f09_f12_a_full_or_read_only_destination_fails_alone_and_leaves_no_half_copy() {
    let Some(disk) = disk::small("64k") else {
        return;
    };
    let story = story().await;
    let other = tempfile::tempdir().unwrap();
    add(&story, "Full", disk.path()).await;
    add(&story, "Roomy", other.path()).await;
    std::fs::write(disk.path().join("filler"), vec![0; 40_000]).unwrap();
    backup(&story).await;
    story.app.state.destinations.sweep().await.unwrap();
    assert_eq!(of(&story, "Full").await["last_error_code"], "no_space");
    assert!(files(disk.path()).is_empty(), "{:?}", files(disk.path()));
    assert_eq!(files(other.path()).len(), 3);

    rustix::mount::mount_remount(disk.path(), MountFlags::RDONLY, c"size=64k").unwrap();
    story.app.advance(TimeDelta::hours(3));
    story.client.login().await;
    story.app.state.destinations.sweep().await.unwrap();
    assert_eq!(of(&story, "Full").await["last_error_code"], "read_only");
}

#[tokio::test]
async fn f14_a_destination_that_hangs_holds_up_nothing_else() {
    let source = empty_database_on(*server_majors().await.first().unwrap()).await;
    let builder = TestApp::builder().patience(Duration::from_millis(800));
    let story = Story::begin_with(source, builder).await;
    let (hanging, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    add(&story, "A hanging share", hanging.path()).await;
    add(&story, "Another", other.path()).await;
    // Whoever reads a pipe without a writer waits in the kernel, as on a share whose server is gone.
    let sentinel = hanging.path().join(".flowkeep-destination");
    let kept = std::fs::read(&sentinel).unwrap();
    std::fs::remove_file(&sentinel).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &sentinel,
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    backup(&story).await;
    let verify = async || story.client.get("/api/auth/verify").await.status;
    let (swept, status) = tokio::join!(story.app.state.destinations.sweep(), verify());
    swept.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(files(other.path()).len(), 3);
    let there = of(&story, "A hanging share").await;
    assert_eq!(
        there["last_error_code"], "storage_not_responding",
        "{there}"
    );
    assert_eq!(
        there["free_bytes"],
        Value::Null,
        "it is not asked again while it hangs"
    );
    // The share is back: the waiting thread ends, and the copy is made.
    let mut writer = std::fs::File::options()
        .write(true)
        .open(&sentinel)
        .unwrap();
    writer.write_all(&kept).unwrap();
    drop(writer);
    std::fs::remove_file(&sentinel).unwrap();
    std::fs::write(&sentinel, &kept).unwrap();
    story.app.advance(TimeDelta::hours(3));
    story.client.login().await;
    until("the copy", || async {
        story.app.state.destinations.sweep().await.unwrap();
        story.app.advance(TimeDelta::hours(3));
        (files(hanging.path()).len() == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_backup_that_is_not_what_was_written_is_not_spread() {
    let story = story().await;
    let place = tempfile::tempdir().unwrap();
    let made = backup(&story).await;
    let path = story
        .app
        .data_dir
        .path()
        .join("backups/postgres_n8n")
        .join(made["filename"].as_str().unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[50] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let next = backup(&story).await;
    add(&story, "NAS", place.path()).await;
    story.app.state.destinations.sweep().await.unwrap();
    let names = files(place.path());
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[0].starts_with(next["filename"].as_str().unwrap()));
    assert_eq!(
        of(&story, "NAS").await["last_error_code"],
        "checksum_mismatch"
    );
    // That the others arrive is no end of it, so it is told once and no more.
    for _ in 0..2 {
        story.app.advance(TimeDelta::hours(3));
        story.client.login().await;
        backup(&story).await;
        story.app.state.destinations.sweep().await.unwrap();
    }
    let told = story.app.told("backup.warning").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(story.app.told("backup.recovered").await.is_empty());
}

#[tokio::test]
async fn a_folder_that_cannot_be_one_is_named_with_the_remedy() {
    let story = story().await;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let own = story.app.data_dir.path().join("backups");
    for (path, words) in [
        ("relative/path".to_owned(), "whole path"),
        ("/tmp/../etc".to_owned(), "whole path"),
        ("/no/such/folder".to_owned(), "mount the share first"),
        (file.display().to_string(), "no folder"),
        (own.display().to_string(), "would be lost with it"),
        (
            own.join("sub").display().to_string(),
            "would be lost with it",
        ),
        (
            story.app.data_dir.path().display().to_string(),
            "would be lost with it",
        ),
    ] {
        let body = json!({ "name": "x", "path": path });
        let answer = story.client.post(BASE, body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        let why = answer.json()["error"]["fields"]["path"].to_string();
        assert!(why.contains(words), "{path}: {why}");
    }
    add(&story, "NAS", place.path()).await;
    let again = json!({ "name": "NAS", "path": place.path() });
    let answer = story.client.post(BASE, again).await;
    assert!(
        answer.text().contains("is there already"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_schedules_backups_go_where_it_says_and_an_unknown_place_is_named() {
    let story = story().await;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nas = add(&story, "NAS", first.path()).await;
    add(&story, "USB", second.path()).await;
    let schedule = |ids: Value| {
        json!({
            "name": "Nightly", "backup_type": "postgres_n8n", "frequency": "daily", "hour": 2,
            "destination_ids": ids,
        })
    };
    let path = "/api/backups/schedules";
    let refused = story.client.post(path, schedule(json!([4711]))).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = &refused.json()["error"]["fields"];
    assert!(
        fields["destination_ids"].to_string().contains("4711"),
        "{fields}"
    );
    let made = story.client.post(path, schedule(json!([nas["id"]]))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.json()["destination_ids"], json!([nas["id"]]));
    backup(&story).await;
    story
        .app
        .execute("UPDATE backup_history SET schedule_id = (SELECT id FROM backup_schedules)")
        .await;
    story.app.state.destinations.sweep().await.unwrap();
    assert_eq!(files(first.path()).len(), 3);
    assert_eq!(files(second.path()).len(), 0);
    // What somebody makes by hand goes everywhere.
    backup(&story).await;
    story.app.state.destinations.sweep().await.unwrap();
    assert_eq!(
        (files(first.path()).len(), files(second.path()).len()),
        (6, 3)
    );
}

#[tokio::test]
async fn f13_a_share_that_goes_away_and_comes_back_is_told_once_each() {
    let story = story().await;
    let place = tempfile::tempdir().unwrap();
    add(&story, "NAS", place.path()).await;
    let sentinel = place.path().join(".flowkeep-destination");
    let id = std::fs::read(&sentinel).unwrap();
    let nfs = |events: Vec<String>| {
        let mut events = events;
        events.retain(|event| event.starts_with("system.nfs"));
        events
    };
    let watch = || async {
        story.app.state.destinations.watch().await.unwrap();
        nfs(story.app.events().await)
    };
    assert!(watch().await.is_empty(), "all is well from the beginning");
    std::fs::remove_file(&sentinel).unwrap();
    assert_eq!(watch().await, ["system.nfs_disconnected"]);
    assert_eq!(watch().await.len(), 1, "told once");
    std::fs::create_dir(&sentinel).unwrap();
    assert_eq!(watch().await[1..], ["system.nfs_error"]);
    std::fs::remove_dir(&sentinel).unwrap();
    std::fs::write(&sentinel, &id).unwrap();
    assert_eq!(watch().await[2..], ["system.nfs_connected"]);
    let message: String = story
        .app
        .sql("SELECT data->>'message' FROM event_outbox WHERE event_type = 'system.nfs_disconnected'")
        .await;
    assert!(
        message.starts_with("NAS: ") && message.contains("not mounted"),
        "{message}"
    );
}
