//! What looks after backups once they are made: scrubbing, the catalogue's rebuild, the watch over
//! their age.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::source::Story;
use crate::support::app::TestApp;
use crate::support::postgres::server_majors;

async fn story() -> Story {
    Story::begin(*server_majors().await.first().unwrap()).await
}

fn path_of(story: &Story, backup: &Value) -> PathBuf {
    let dir = story.app.data_dir.path().join("backups/postgres_n8n");
    dir.join(backup["filename"].as_str().unwrap())
}

#[tokio::test]
async fn f23_a_thousand_random_corruptions_are_all_found_by_the_scrub() {
    let story = story().await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    let path = path_of(&story, &backup);
    let original = std::fs::read(&path).unwrap();
    let scrub = || story.app.state.verifications.scrub();
    assert_eq!(scrub().await.unwrap(), 0, "it is not due yet");
    story.app.advance(TimeDelta::days(8));
    assert_eq!(scrub().await.unwrap(), 0);
    let seed = u64::from(std::process::id());
    let mut random = StdRng::seed_from_u64(seed);
    for round in 0..1_000 {
        let mut bytes = original.clone();
        let what = match random.random_range(0..4_u8) {
            0 => {
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8_u8);
                "a flipped bit"
            }
            1 => {
                bytes.truncate(random.random_range(0..bytes.len()));
                "a cut end"
            }
            2 => {
                bytes.push(random.random());
                "one byte more"
            }
            _ => {
                let middle = random.random_range(1..bytes.len());
                bytes.rotate_left(middle);
                "parts in another order"
            }
        };
        if bytes == original {
            continue;
        }
        std::fs::write(&path, bytes).unwrap();
        story
            .app
            .execute(
                "UPDATE backup_history SET scrubbed_at = '2020-01-01', verification_status = 'pending'",
            )
            .await;
        let found = scrub().await.unwrap();
        assert_eq!(found, 1, "seed {seed}, round {round}: {what}");
    }
    story.client.login().await;
    let backup = story.backup(id).await;
    assert_eq!(backup["verification_status"], "failed");
    let events = story.app.events().await;
    assert!(events.contains(&"verification.failed".to_owned()));
}

#[tokio::test]
async fn f04_a_lost_catalogue_is_rebuilt_from_the_manifests_and_only_from_whole_files() {
    let story = story().await;
    let mut backups = Vec::new();
    for _ in 0..3 {
        let id = story.ask().await;
        backups.push(story.ended(id).await);
        story.app.advance(TimeDelta::minutes(1));
    }
    let broken = path_of(&story, &backups[2]);
    let mut bytes = std::fs::read(&broken).unwrap();
    bytes.truncate(100);
    std::fs::write(&broken, bytes).unwrap();
    // A new box: an empty catalogue, and the folder with the files.
    let folder = story.app.data_dir.path().join("backups");
    let arg = format!("--backup-dir={}", folder.display());
    let fresh = TestApp::builder().args(&[&arg]).start().await;
    std::fs::set_permissions(fresh.data_dir.path(), Permissions::from_mode(0o711)).unwrap();
    fresh.state.backups.settle().await.unwrap();
    fresh.state.backups.settle().await.unwrap();
    fresh.setup_admin().await;
    let client = fresh.client();
    client.login().await;
    let list = client.get("/api/backups/history").await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    for (item, original) in items.iter().rev().zip(&backups) {
        for field in [
            "filename",
            "checksum",
            "row_count",
            "table_count",
            "started_at",
            "n8n_version",
        ] {
            assert_eq!(item[field], original[field], "{field}");
        }
        assert_eq!(item["trigger"], "adopted");
        assert_eq!(item["verification_status"], "pending");
    }
    let id = i32::try_from(items[0]["id"].as_i64().unwrap()).unwrap();
    let subject = fresh.state.verifications.subject(id).await.unwrap();
    let outcome = fresh
        .state
        .verifications
        .prover()
        .prove(&subject, |_| {})
        .await;
    assert_eq!(outcome.code, "ok", "{}", outcome.message);
    assert!(broken.exists(), "what is not whole is left alone");
}

#[tokio::test]
async fn backups_older_than_their_schedule_promises_are_told_once_a_day() {
    let story = story().await;
    let schedules = &story.app.state.schedules;
    let body = json!({
        "name": "Nightly", "backup_type": "postgres_n8n", "frequency": "daily", "hour": 2,
    });
    story.client.post("/api/backups/schedules", body).await;
    let id = story.ask().await;
    story.ended(id).await;
    story
        .app
        .execute("UPDATE backup_history SET verification_status = 'passed'")
        .await;
    let stale = |events: Vec<String>| {
        let warnings = events.iter().filter(|event| *event == "backup.warning");
        warnings.count()
    };
    story.app.advance(TimeDelta::hours(49));
    schedules.tell_stale().await.unwrap();
    assert_eq!(
        stale(story.app.events().await),
        0,
        "two days and a grace are promised"
    );
    story.app.advance(TimeDelta::hours(2));
    for _ in 0..3 {
        schedules.tell_stale().await.unwrap();
    }
    assert_eq!(stale(story.app.events().await), 1);
    // Another daemon that takes the lead, or this one after a restart, does not tell it again.
    let other = TestApp::builder().beside(&story.app).start().await;
    other.advance(TimeDelta::hours(51));
    other.state.schedules.tell_stale().await.unwrap();
    assert_eq!(stale(story.app.events().await), 1);
    story.client.login().await;
    let overview = story.client.get("/api/overview").await.json();
    let attention = overview["attention"].as_array().unwrap();
    let found = attention
        .iter()
        .find(|item| item["code"] == "stale")
        .unwrap();
    assert!(
        found["message"]
            .as_str()
            .unwrap()
            .contains("no older than 50 hours"),
        "{found}"
    );
    story.app.advance(TimeDelta::hours(25));
    schedules.tell_stale().await.unwrap();
    assert_eq!(stale(story.app.events().await), 2);
    story.client.login().await;
    // A failed proof does not make it young again; a proven one does.
    let id = story.ask().await;
    story.ended(id).await;
    assert_eq!(schedules.stale().await.unwrap().len(), 1);
    story
        .app
        .execute("UPDATE backup_history SET verification_status = 'passed'")
        .await;
    assert!(schedules.stale().await.unwrap().is_empty());
    for _ in 0..2 {
        schedules.tell_stale().await.unwrap();
    }
    let ended = story.app.told("backup.recovered").await;
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0]["trouble"], "stale:postgres_n8n");
}
