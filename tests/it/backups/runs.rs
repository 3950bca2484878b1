//! A backup from the request to the proof.

use serde_json::json;
use sqlx::Connection;

use super::source::{Story, until};
use crate::support::postgres::{connect, server_majors};

#[tokio::test]
async fn a_backup_is_made_and_proven_on_every_version() {
    for major in server_majors().await {
        let story = Story::begin(major).await;
        let id = story.ask().await;
        let backup = story.ended(id).await;
        assert_eq!(backup["status"], "success", "{major}: {backup}");
        assert_eq!(
            (&backup["table_count"], &backup["row_count"]),
            (&json!(4), &json!(1020))
        );
        assert_eq!(story.files().len(), 3, "{:?}", story.files());
        let proof = story.proof(id).await;
        assert_eq!(proof["passed"], true, "{major}: {proof}");
        let actions = story.app.audit_actions().await;
        assert!(
            actions.iter().any(|action| action == "backup.succeeded"),
            "{actions:?}"
        );
        let events = story.app.events().await;
        assert!(
            events.iter().any(|event| event == "backup.success"),
            "{events:?}"
        );
    }
}

#[tokio::test]
async fn the_file_is_handed_out_whole_and_in_part_and_by_number_only() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    let whole = story
        .client
        .get(&format!("/api/backups/download/{id}"))
        .await;
    assert_eq!(whole.status, 200);
    assert_eq!(
        whole.body.len() as u64,
        backup["compressed_size"].as_u64().unwrap()
    );
    let name = backup["filename"].as_str().unwrap();
    assert_eq!(
        whole.header("content-disposition"),
        format!("attachment; filename=\"{name}\"")
    );
    let range = story.client.clone().header("range", "bytes=10-19");
    let part = range.get(&format!("/api/backups/download/{id}")).await;
    assert_eq!((part.status.as_u16(), part.body.len()), (206, 10));
    assert_eq!(part.body[..], whole.body[10..20]);
    for path in ["../../master.key", "..%2f..%2fmaster.key", "0", "99999"] {
        let answer = story
            .client
            .get(&format!("/api/backups/download/{path}"))
            .await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn the_last_good_one_is_deleted_only_when_meant() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let id = story.ask().await;
    story.ended(id).await;
    let path = format!("/api/backups/{id}");
    assert_eq!(
        story.client.delete(&path).await.code(),
        "reauthentication_required"
    );
    story.client.reauthenticate().await;
    assert_eq!(story.client.delete(&path).await.code(), "last_good_backup");
    assert_eq!(story.files().len(), 3);
    assert_eq!(
        story
            .client
            .delete(&format!("{path}?confirm=last_good"))
            .await
            .status,
        204
    );
    assert!(story.files().is_empty(), "{:?}", story.files());
    let record = story.backup(id).await;
    assert_eq!(record["deleted_by"], "manual");
    assert_eq!(
        story
            .client
            .get(&format!("/api/backups/download/{id}"))
            .await
            .status,
        410
    );
}

#[tokio::test]
async fn f22_two_at_once_are_one() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let mut blocker = connect(&story.source).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE execution_data IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let id = story.ask().await;
    let body = json!({ "backup_type": "postgres_n8n" });
    let second = story.client.post("/api/backups/run", body).await;
    assert_eq!(
        (second.status.as_u16(), second.code().as_str()),
        (409, "backup_already_running")
    );
    assert_eq!(second.json()["error"]["fields"]["id"], id);
    blocker.close().await.unwrap();
    assert_eq!(story.ended(id).await["status"], "success");
}

#[tokio::test]
async fn f50_a_cancelled_backup_publishes_nothing() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let mut blocker = connect(&story.source).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE execution_data IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let id = story.ask().await;
    until("a partial file", || async {
        (!story.files().is_empty()).then_some(())
    })
    .await;
    let cancel = format!("/api/backups/history/{id}/cancel");
    assert_eq!(story.client.post(&cancel, json!({})).await.status, 202);
    blocker.close().await.unwrap();
    let backup = story.ended(id).await;
    assert_eq!(backup["failure_code"], "cancelled", "{backup}");
    assert!(story.files().is_empty(), "{:?}", story.files());
}

#[tokio::test]
async fn bad_requests_name_the_field() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    for (body, field) in [
        (json!({ "backup_type": "tape" }), "backup_type"),
        (
            json!({ "backup_type": "postgres_n8n", "compresion": "zstd" }),
            "compresion",
        ),
        (
            json!({ "backup_type": "postgres_n8n", "compression": "zstd", "compression_level": 99 }),
            "compression_level",
        ),
    ] {
        let answer = story.client.post("/api/backups/run", body.clone()).await;
        assert_eq!(answer.status, 422, "{body}");
        assert!(
            answer.json()["error"]["fields"].get(field).is_some(),
            "{}",
            answer.json()
        );
    }
}
