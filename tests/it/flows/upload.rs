//! Archives that somebody brings, of whatever kind and however broken.

use std::io::Write;

use axum::body::Body;
use flate2::write::GzEncoder;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{ask, change, get, id_of, restore, story};
use crate::backups::Story;
use crate::support::postgres::dump;

async fn upload(story: &Story, name: &str, bytes: impl Into<Body>) -> (StatusCode, Value) {
    let path = format!("/api/flows/archives?name={name}");
    let mut request = story.client.request(Method::POST, &path, None);
    *request.body_mut() = bytes.into();
    let answer = story.client.send(request).await;
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn versions(list: &Value) -> Vec<(&str, &str)> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|one| {
            (
                one["id"].as_str().unwrap(),
                one["content_sha256"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn dumps_that_others_made_are_read_whatever_their_form() {
    let story = story().await;
    change(
        &story,
        "UPDATE workflow_entity SET description = E'tab\\t line\\n back\\\\slash \\\\. end' WHERE name = 'Order intake'",
    )
    .await;
    let live = get(&story, "/api/flows/list").await;
    let custom = dump(&story.source, &["--format=custom"]).await;
    let plain = dump(&story.source, &["--format=custom", "--compress=0"]).await;
    let sql = dump(&story.source, &["--format=plain"]).await;
    for (name, bytes) in [
        ("n8n.dump", custom.clone()),
        ("plain.dump", plain.clone()),
        ("n8n.dump.gz", gzip(&custom)),
        ("n8n.dump.zst", zstd::encode_all(&plain[..], 1).unwrap()),
        ("n8n.sql", sql.clone()),
        ("n8n.sql.gz", gzip(&sql)),
    ] {
        let (status, archive) = upload(&story, name, bytes).await;
        assert_eq!(status, StatusCode::CREATED, "{name}: {archive}");
        assert_eq!(
            (&archive["name"], &archive["workflow_count"]),
            (&json!(name), &json!(6))
        );
        let found = get(
            &story,
            &format!("/api/flows/from-archive/{}", archive["id"]),
        )
        .await;
        assert_eq!(versions(&found), versions(&live), "{name}");
        assert_eq!(found["n8n_version"], "2.41.1");
        let kept = archive["stored_bytes"].as_i64().unwrap();
        assert!(
            kept < 60_000,
            "{name}: only what is n8n's is kept, not {kept} bytes"
        );
    }
    let listed = get(&story, "/api/flows/archives").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 6);
    let id = &listed["items"][0]["id"];
    let answer = story
        .client
        .delete(&format!("/api/flows/archives/{id}"))
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let left = std::fs::read_dir(story.app.data_dir.path().join("flow-archives")).unwrap();
    assert_eq!(
        left.count(),
        5,
        "its file went too, and nothing else is left over"
    );
    let answer = story
        .client
        .delete(&format!("/api/flows/archives/{id}"))
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let actions = story.app.audit_actions().await;
    assert!(
        actions.contains(&"flow.archive_uploaded".to_owned())
            && actions.contains(&"flow.archive_deleted".to_owned())
    );
}

#[tokio::test]
async fn a_workflow_of_an_upload_is_put_back_with_its_credential() {
    let story = story().await;
    let custom = dump(&story.source, &["--format=custom"]).await;
    let (_, archive) = upload(&story, "n8n.dump", custom).await;
    let source = format!("archive:{}", archive["id"]);
    let id = id_of(
        &get(&story, "/api/flows/list").await,
        "Call with a credential",
    );
    change(
        &story,
        "UPDATE workflow_entity SET active = false, \"activeVersionId\" = NULL; DELETE FROM workflow_published_version; \
         DELETE FROM workflow_entity; DELETE FROM credentials_entity",
    )
    .await;
    let body = json!({ "source": source, "workflow_ids": [id], "with_credentials": true });
    let item = restore(&story, body).await;
    assert_eq!(item["status"], "done", "{item}");
    let count = "SELECT concat((SELECT count(*) FROM workflow_entity), (SELECT count(*) FROM credentials_entity))";
    assert_eq!(ask(&story, count).await.unwrap(), "11");
    let history = get(&story, &format!("/api/flows/history/{id}")).await;
    assert_eq!(
        history["versions"].as_array().unwrap().len(),
        2,
        "{history}"
    );
}

#[tokio::test]
async fn what_was_exported_comes_in_again_as_it_was() {
    let story = story().await;
    change(
        &story,
        "UPDATE workflow_entity SET \"staticData\" = '{\"n\": 1.1}', \"pinData\" = '{\"Start\": [{\"json\": {\"x\": 9007199254740993}}]}', \
         meta = '{\"templateId\": \"7\"}', description = 'what it does' WHERE name = 'Order intake'",
    )
    .await;
    let backup = story.made("flows").await;
    let live = get(&story, "/api/flows/list").await;
    let zip = story
        .client
        .post("/api/flows/export/bulk", json!({}))
        .await
        .body;
    let order = id_of(&live, "Order intake");
    let one = story
        .client
        .get(&format!("/api/flows/export/{order}"))
        .await
        .body;
    let list: Value = serde_json::from_slice(&one).unwrap();
    let tar = std::fs::read(story.path_of(&backup)).unwrap();
    for (name, bytes, count) in [
        ("all.zip", zip.to_vec(), 6),
        ("order.json", one.to_vec(), 1),
        ("list.json", json!([list]).to_string().into_bytes(), 1),
        ("n8n-flows.tar.zst", tar, 6),
    ] {
        let (status, archive) = upload(&story, name, bytes).await;
        assert_eq!(status, StatusCode::CREATED, "{name}: {archive}");
        assert_eq!(archive["workflow_count"], count, "{name}");
        let found = get(
            &story,
            &format!("/api/flows/from-archive/{}", archive["id"]),
        )
        .await;
        let live = versions(&live);
        for version in versions(&found) {
            assert!(live.contains(&version), "{name}: {version:?}");
        }
        // Back in n8n each is what it was, to the last digit that n8n keeps.
        let row = "SELECT concat_ws('|', nodes::jsonb, connections::jsonb, settings::jsonb, \"staticData\"::jsonb, \
                   \"pinData\"::jsonb, meta::jsonb, description) FROM workflow_entity WHERE name = 'Order intake'";
        let before = ask(&story, row).await;
        change(
            &story,
            "DELETE FROM workflow_entity WHERE name = 'Order intake'",
        )
        .await;
        let body =
            json!({ "source": format!("archive:{}", archive["id"]), "workflow_ids": [order] });
        assert_eq!(restore(&story, body).await["status"], "done", "{name}");
        assert_eq!(ask(&story, row).await, before, "{name}");
    }
    // What the editor downloads has no id: it gets one.
    let mut anonymous = list.clone();
    anonymous.as_object_mut().unwrap().remove("id");
    let (_, archive) = upload(&story, "mine.json", anonymous.to_string()).await;
    let found = get(
        &story,
        &format!("/api/flows/from-archive/{}", archive["id"]),
    )
    .await;
    let id = found["items"][0]["id"].as_str().unwrap();
    assert_eq!(id.len(), 16);
    let body = json!({ "source": format!("archive:{}", archive["id"]), "workflow_ids": [id] });
    assert_eq!(restore(&story, body).await["action"], "create");
}

#[tokio::test]
async fn what_is_no_archive_or_a_broken_one_is_refused_and_not_kept() {
    let story = story().await;
    let custom = dump(&story.source, &["--format=custom"]).await;
    let sql = dump(&story.source, &["--format=plain"]).await;
    let table = b"COPY public.workflow_entity";
    let within = sql
        .windows(table.len())
        .position(|part| part == table)
        .unwrap()
        + 600;
    let other = story.app.database.clone();
    let foreign = dump(&other, &["--format=custom"]).await;
    let hostile =
        b"COPY public.workflow_entity (id, name) FROM stdin;\n\\! touch /tmp/owned\n".to_vec();
    for (name, bytes, word) in [
        ("empty", Vec::new(), "none of the archives"),
        ("noise", vec![7; 100_000], "none of the archives"),
        ("page.html", b"<html>".to_vec(), "none of the archives"),
        (
            "cut.dump",
            custom[..custom.len() / 2].to_vec(),
            "pg_restore",
        ),
        ("head.dump", custom[..300].to_vec(), "pg_restore"),
        ("cut.gz", gzip(&custom)[..5_000].to_vec(), "cannot"),
        ("cut.sql", sql[..within].to_vec(), "ends in the middle"),
        ("other.dump", foreign, "holds no n8n"),
        ("hostile.sql", hostile, "no"),
        (
            "secret.age",
            b"age-encryption.org/v1\n-> X".to_vec(),
            "age -d",
        ),
        ("list.json", b"[1, 2, 3]".to_vec(), "no workflow"),
        ("deep.json", "[".repeat(100_000).into_bytes(), "recursion"),
        ("cut.json", b"{\"nodes\": [".to_vec(), "cannot be read"),
        (
            "cut.zip",
            b"PK\x03\x04 and no more".to_vec(),
            "cannot be read",
        ),
    ] {
        let (status, answer) = upload(&story, name, bytes).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{name}: {answer}");
        let why = answer["error"]["fields"]["file"].as_str().unwrap();
        assert!(why.to_lowercase().contains(word), "{name}: {why}");
        assert!(
            !why.contains(story.app.data_dir.path().to_str().unwrap()),
            "{name}: {why}"
        );
    }
    let (status, answer) = upload(&story, "", custom).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert_eq!(get(&story, "/api/flows/archives").await["items"], json!([]));
    let left = std::fs::read_dir(story.app.data_dir.path().join("flow-archives")).unwrap();
    assert_eq!(left.count(), 0, "nothing is left of them");
}
