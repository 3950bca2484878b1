//! Backups that are no dump of one database: a whole server, configuration, workflows.

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::Connection;

use super::source::Story;
use crate::support::app::TestApp;
use crate::support::postgres::{OwnCluster, connect, server_majors};

async fn story() -> Story {
    Story::begin(*server_majors().await.first().unwrap()).await
}

/// The files of a tar archive, as the tools of anybody read it.
fn unpack(path: &PathBuf) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let name = path.to_str().unwrap();
    let plain = match name.strip_suffix(".zst") {
        Some(_) => zstd::decode_all(&bytes[..]).unwrap(),
        None => bytes,
    };
    let mut files = Vec::new();
    for entry in tar::Archive::new(&plain[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.push((name, content));
    }
    files
}

#[tokio::test]
async fn the_configuration_is_packed_proven_by_hash_and_its_key_is_known() {
    let story = story().await;
    let home = tempfile::tempdir().unwrap();
    let n8n = home.path().join(".n8n");
    std::fs::create_dir_all(n8n.join("nodes/node_modules/big")).unwrap();
    std::fs::create_dir_all(n8n.join("binaryData")).unwrap();
    std::fs::write(n8n.join("config"), r#"{"encryptionKey":"the-key-of-n8n"}"#).unwrap();
    std::fs::write(n8n.join("nodes/package.json"), "{}").unwrap();
    std::fs::write(n8n.join("nodes/node_modules/big/x.js"), "x").unwrap();
    std::fs::write(n8n.join("binaryData/blob"), "x").unwrap();
    std::os::unix::fs::symlink("config", n8n.join("link")).unwrap();
    let env = home.path().join("n8n.env");
    std::fs::write(&env, "N8N_HOST=localhost\n").unwrap();

    let body = json!({ "backup_type": "n8n_config" });
    let answer = story.client.post("/api/backups/run", body).await;
    assert_eq!(answer.code(), "no_config_paths");
    let setting = "/api/settings/n8n.config_paths";
    for bad in [
        json!(["relative/path"]),
        json!(["/a/../b"]),
        json!("/a"),
        json!([7]),
    ] {
        let answer = story.client.put(setting, json!({ "value": bad })).await;
        assert_eq!(answer.status, 422, "{bad}");
    }
    let paths = json!([n8n.to_str().unwrap(), env.to_str().unwrap()]);
    assert_eq!(
        story
            .client
            .put(setting, json!({ "value": paths }))
            .await
            .status,
        200
    );

    let backup = story.made("n8n_config").await;
    assert!(backup["filename"].as_str().unwrap().ends_with(".tar.zst"));
    let path = story.path_of(&backup);
    let files = unpack(&path);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = |end: &str| names.iter().any(|name| name.ends_with(end));
    assert!(
        wanted(".n8n/config") && wanted("n8n.env") && wanted("nodes/package.json"),
        "{names:?}"
    );
    assert!(wanted("/link"), "{names:?}");
    assert!(
        !names
            .iter()
            .any(|name| name.contains("node_modules") || name.contains("binaryData"))
    );

    let body = json!({ "encryption_key": "the-key-of-n8n" });
    story.client.put("/api/n8n/connection", body).await;
    let id = backup["id"].as_i64().unwrap();
    let proof = story.proof(id).await;
    assert_eq!(proof["passed"], true, "{proof}");
    let body = json!({ "encryption_key": "another" });
    story.client.put("/api/n8n/connection", body).await;
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("could_not_verify"), &json!("wrong_encryption_key"))
    );

    // One file that is not what was written is named, even with the archive's own hash in order.
    let mut plain = zstd::decode_all(&std::fs::read(&path).unwrap()[..]).unwrap();
    let at = plain
        .windows(9)
        .position(|part| part == b"localhost")
        .unwrap();
    plain[at] = b'L';
    let changed = zstd::encode_all(&plain[..], 3).unwrap();
    std::fs::write(&path, &changed).unwrap();
    let sql = "UPDATE backup_history SET checksum = $1, compressed_size = $2 WHERE id = $3";
    sqlx::query(sql)
        .bind(hex::encode(Sha256::digest(&changed)))
        .bind(i64::try_from(changed.len()).unwrap())
        .bind(i32::try_from(id).unwrap())
        .execute(story.app.state.db.pool())
        .await
        .unwrap();
    let proof = story.proof(id).await;
    assert_eq!(proof["code"], "files_differ", "{proof}");
    assert!(
        proof["message"].as_str().unwrap().contains("n8n.env"),
        "{proof}"
    );

    // A path that is gone is told with the remedy, and nothing is published.
    std::fs::remove_file(&env).unwrap();
    let body = json!({ "backup_type": "n8n_config" });
    let id = story.client.post("/api/backups/run", body).await.json()["id"].as_i64();
    let failed = story.ended(id.unwrap()).await;
    assert_eq!(failed["failure_code"], "config_unreadable", "{failed}");
    assert!(
        failed["error_message"]
            .as_str()
            .unwrap()
            .contains("n8n.env")
    );
}

#[tokio::test]
async fn workflows_are_packed_one_by_one_ready_for_import() {
    let story = story().await;
    let mut connection = connect(&story.source).await;
    sqlx::raw_sql(
        "CREATE TABLE tag_entity (id text, name text); \
         CREATE TABLE workflows_tags (\"workflowId\" text, \"tagId\" text); \
         INSERT INTO tag_entity VALUES ('t1', 'prod'); INSERT INTO workflows_tags VALUES ('w1', 't1'); \
         ALTER TABLE credentials_entity ADD COLUMN type text; \
         INSERT INTO credentials_entity VALUES ('c1', 'Slack', 'secret-ciphertext', 'slackApi'); \
         UPDATE workflow_entity SET active = true WHERE id = 'w1'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let backup = story.made("flows").await;
    assert_eq!(backup["row_count"], 20);
    let files = unpack(&story.path_of(&backup));
    assert_eq!(files.len(), 23);
    let file = |wanted: &str| -> Value {
        let (_, content) = files.iter().find(|(name, _)| name == wanted).unwrap();
        serde_json::from_slice(content).unwrap()
    };
    let flow = file("workflows/w1.json");
    assert_eq!(
        (&flow["name"], &flow["active"], &flow["tags"][0]["name"]),
        (&json!("Workflow 1"), &json!(false), &json!("prod"))
    );
    assert_eq!(
        file("credentials.json"),
        json!([{ "id": "c1", "name": "Slack", "type": "slackApi" }])
    );
    let listed = file("workflows.json");
    let active = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["was_active"] == true);
    assert_eq!(active.count(), 1);
    let all: Vec<u8> = files
        .iter()
        .flat_map(|(_, content)| content.clone())
        .collect();
    assert!(!String::from_utf8_lossy(&all).contains("secret-ciphertext"));
    let proof = story.proof(backup["id"].as_i64().unwrap()).await;
    assert_eq!(proof["passed"], true, "{proof}");
}

#[tokio::test]
async fn a_whole_server_is_dumped_and_every_database_proven_on_trial() {
    let own = OwnCluster::start().await;
    let story = Story::begin_with(own.conninfo(), TestApp::builder()).await;
    std::fs::set_permissions(story.app.data_dir.path(), Permissions::from_mode(0o711)).unwrap();
    let mut admin = connect(&story.source).await;
    for sql in [
        "CREATE DATABASE \"full test: one\" TEMPLATE template0",
        "CREATE ROLE full_reader LOGIN PASSWORD 'x'",
    ] {
        sqlx::query(sql).execute(&mut admin).await.unwrap();
    }
    let mut other = connect(&story.source.with_database("full test: one")).await;
    sqlx::raw_sql("CREATE TABLE things (id int); INSERT INTO things SELECT generate_series(1, 7)")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    let backup = story.made("postgres_full").await;
    assert_eq!(backup["row_count"], 1027);
    let path = story.path_of(&backup);
    let files = unpack(&path);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "globals.sql",
            "01-full_test__one.dump.zst",
            "02-postgres.dump.zst",
            "manifest.json"
        ]
    );
    let globals = String::from_utf8_lossy(&files[0].1);
    assert!(globals.contains("CREATE ROLE full_reader"), "{globals}");
    let id = backup["id"].as_i64().unwrap();
    let detail = story.backup(id).await;
    let tables = detail["tables"].as_array().unwrap();
    let things = json!({ "schema": "full test: one.public", "name": "things", "row_count": 7 });
    let is_listed = |table: &Value| {
        ["schema", "name", "row_count"]
            .iter()
            .all(|field| table[field] == things[field])
    };
    assert!(tables.iter().any(is_listed), "{tables:?}");
    let proof = story.proof(id).await;
    assert_eq!(proof["passed"], true, "{proof}");
    let message = proof["message"].as_str().unwrap();
    assert!(message.contains("all 5 tables"), "{message}");
    // Nothing is left of the proof.
    assert_eq!(story.files().len(), 3, "{:?}", story.files());
    own.stop().await;
}
