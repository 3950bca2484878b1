//! What is there, now and in backups of every kind.

use http::StatusCode;
use serde_json::{Value, json};

use super::{ask, change, contents, get, id_of, story};
use crate::backups::Story;
use crate::support::app::TestApp;

/// What a list says of each workflow, without what only some archives know.
fn versions(list: &Value) -> Vec<(String, String, bool)> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            (text("id"), text("content_sha256"), one["is_active"] == true)
        })
        .collect()
}

#[tokio::test]
async fn every_kind_of_backup_lists_what_n8n_has_without_a_restore() {
    let story = story().await;
    change(
        &story,
        "INSERT INTO tag_entity (id, name) VALUES ('tag1', 'prod'); \
         INSERT INTO workflows_tags SELECT id, 'tag1' FROM workflow_entity WHERE name = 'Order intake'; \
         INSERT INTO folder (id, name, \"projectId\") SELECT 'f1', 'Shop', id FROM project LIMIT 1; \
         INSERT INTO folder (id, name, \"projectId\", \"parentFolderId\") SELECT 'f2', 'Orders', id, 'f1' FROM project LIMIT 1; \
         UPDATE workflow_entity SET \"parentFolderId\" = 'f2' WHERE name = 'Order intake'; \
         INSERT INTO variables (id, key, value) VALUES ('v1', 'region', 'a secret region')",
    )
    .await;
    let live = get(&story, "/api/flows/list").await;
    assert_eq!(live["origin"], "database");
    assert_eq!(live["items"].as_array().unwrap().len(), 6);
    let order = live["items"].as_array().unwrap().iter();
    let order = order
        .clone()
        .find(|one| one["name"] == "Order intake")
        .unwrap();
    assert_eq!(
        (&order["tags"], &order["folder"], &order["node_count"]),
        (&json!(["prod"]), &json!("Shop / Orders"), &json!(3))
    );
    for kind in ["postgres_n8n", "flows"] {
        let backup = story.made(kind).await;
        let found = contents(&story, &backup).await;
        assert_eq!(versions(&found), versions(&live), "{kind}");
        assert_eq!(found["credentials"][0]["name"], "Fixture header", "{kind}");
        assert_eq!(found["variables"], json!(["region"]), "{kind}");
        assert!(!found.to_string().contains("a secret region"), "{kind}");
        assert!(!found.to_string().contains("U2FsdGVkX1"), "{kind}");
        assert_eq!(found["n8n_version"], "2.41.1", "{kind}");
    }
}

#[tokio::test]
async fn compression_encryption_and_a_lost_index_change_nothing() {
    let story = story().await;
    let live = versions(&get(&story, "/api/flows/list").await);
    for compression in ["none", "gzip", "zstd"] {
        let body = json!({ "backup_type": "postgres_n8n", "compression": compression });
        let answer = story.client.post("/api/backups/run", body).await;
        let backup = story.ended(answer.json()["id"].as_i64().unwrap()).await;
        assert_eq!(
            versions(&contents(&story, &backup).await),
            live,
            "{compression}"
        );
    }
    let backup = story.made("postgres_n8n").await;
    let index = format!("{}.index.json", story.path_of(&backup).display());
    std::fs::remove_file(index).unwrap();
    assert_eq!(
        versions(&contents(&story, &backup).await),
        live,
        "without its index"
    );
    story.client.reauthenticate().await;
    let answer = story
        .client
        .put("/api/backups/encryption", json!({ "enabled": true }))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let backup = story.made("postgres_n8n").await;
    assert_eq!(backup["encryption"], "age");
    assert_eq!(
        versions(&contents(&story, &backup).await),
        live,
        "encrypted"
    );
}

#[tokio::test]
async fn a_whole_server_is_searched_for_its_n8n() {
    let story = story().await;
    let own = crate::support::postgres::OwnCluster::start().await;
    let info = own.conninfo();
    let dump = crate::support::postgres::dump(&story.source, &["--format=custom"]).await;
    crate::support::postgres::load(&info, &dump).await;
    story.connect(&info).await;
    let live = versions(&get(&story, "/api/flows/list").await);
    let backup = story.made("postgres_full").await;
    assert_eq!(versions(&contents(&story, &backup).await), live);
}

#[tokio::test]
async fn a_workflow_that_is_gone_is_found_by_what_was_in_it() {
    let story = story().await;
    let backup = story.made("postgres_n8n").await;
    story.app.state.flows.look_into_backups().await.unwrap();
    let id = id_of(&contents(&story, &backup).await, "Call with a credential");
    change(
        &story,
        "UPDATE workflow_entity SET \"activeVersionId\" = NULL; DELETE FROM workflow_published_version; \
         DELETE FROM workflow_entity WHERE name = 'Call with a credential'",
    )
    .await;
    for text in ["CREDENTIAL", "httprequest", "Fixture head", &id[..8]] {
        let hits = get(
            &story,
            &format!("/api/flows/search?q={}", text.replace(' ', "%20")),
        )
        .await;
        assert_eq!(id_of(&hits, "Call with a credential"), id, "{text}");
    }
    let gone = get(&story, "/api/flows/search?deleted=true").await;
    assert_eq!(gone["items"].as_array().unwrap().len(), 1, "{gone}");
    assert_eq!(gone["items"][0]["is_live"], false);
    assert_eq!(
        gone["items"][0]["newest"],
        format!("backup:{}", backup["id"])
    );
    assert_eq!(gone["pending_backups"], 0);
    // A pattern's own characters are letters here.
    for text in ["%25", "_____________________", "%5C"] {
        let none = get(&story, &format!("/api/flows/search?q={text}")).await;
        assert_eq!(none["items"], json!([]), "{text}");
    }
    let all = get(&story, "/api/flows/search?limit=4").await;
    assert_eq!(
        (all["items"].as_array().unwrap().len(), &all["has_more"]),
        (4, &json!(true))
    );
    let rest = get(&story, "/api/flows/search?limit=4&offset=4").await;
    assert_eq!(
        (rest["items"].as_array().unwrap().len(), &rest["has_more"]),
        (2, &json!(false))
    );
    for (query, field) in [("limit=0", "limit"), ("offset=-1", "offset"), ("x=1", "x")] {
        let answer = story
            .client
            .get(&format!("/api/flows/search?{query}"))
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(
            answer.json()["error"]["fields"].get(field).is_some(),
            "{}",
            answer.text()
        );
    }
    // What was deleted is not found any more: nothing could be had of it.
    story.client.reauthenticate().await;
    let path = format!("/api/backups/{}?confirm=last_good", backup["id"]);
    assert_eq!(
        story.client.delete(&path).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(get(&story, "/api/flows/search").await["items"], json!([]));
    story.app.state.flows.look_into_backups().await.unwrap();
    let left = story
        .app
        .sql::<i64>("SELECT count(*) FROM flow_versions")
        .await;
    assert_eq!(left, 0, "nothing of it is kept");
    let answer = story
        .client
        .get(&format!("/api/flows/from-backup/{}", backup["id"]))
        .await;
    assert_eq!(answer.status, StatusCode::GONE, "{}", answer.text());
}

#[tokio::test]
async fn a_workflow_has_a_history_over_backups_and_any_two_versions_compare() {
    let story = story().await;
    let first = story.made("postgres_n8n").await;
    story.made("flows").await;
    change(
        &story,
        "UPDATE workflow_entity SET nodes = replace(nodes::text, 'order', 'ORDER')::json, \
         \"updatedAt\" = now() WHERE name = 'Order intake'",
    )
    .await;
    let third = story.made("postgres_n8n").await;
    change(
        &story,
        "UPDATE workflow_entity SET name = 'Order desk' WHERE name = 'Order intake'",
    )
    .await;
    story.app.state.flows.look_into_backups().await.unwrap();
    let id = id_of(&contents(&story, &first).await, "Order intake");
    let history = get(&story, &format!("/api/flows/history/{id}")).await;
    let versions = history["versions"].as_array().unwrap();
    let names: Vec<_> = versions
        .iter()
        .map(|one| one["version"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names[0], "live");
    let of = |version: &str| {
        versions
            .iter()
            .find(|one| one["version"] == version)
            .unwrap()
    };
    let (first, third) = (
        format!("backup:{}", first["id"]),
        format!("backup:{}", third["id"]),
    );
    assert_ne!(of(&first)["content_sha256"], of(&third)["content_sha256"]);
    assert_ne!(of("live")["content_sha256"], of(&third)["content_sha256"]);
    assert_eq!(
        versions[2]["is_unchanged"], true,
        "the second backup found what the first did"
    );
    let compared = get(&story, &format!("/api/flows/diff/{id}?from={first}")).await;
    let diff = &compared["diff"];
    assert_eq!(diff["is_same"], false);
    assert_eq!(diff["fields"][0]["path"], "name");
    let changed: Vec<_> = diff["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["fate"] == "changed")
        .collect();
    assert_eq!(changed.len(), 1, "{diff}");
    assert_eq!(
        changed[0]["changes"][0]["path"],
        "parameters.assignments.assignments[0].value"
    );
    assert_eq!(
        (&compared["old"]["name"], &compared["new"]["name"]),
        (&json!("Order intake"), &json!("Order desk"))
    );
    let same = get(
        &story,
        &format!("/api/flows/diff/{id}?from={third}&to={third}"),
    )
    .await;
    assert_eq!(same["diff"]["is_same"], true);
    let version = get(&story, &format!("/api/flows/version/{id}?version={first}")).await;
    assert_eq!(version["name"], "Order intake");
    for path in [
        "history/nobody".to_owned(),
        format!("version/{id}?version=backup:999"),
        format!("version/nobody?version={first}"),
        "export/nobody".to_owned(),
    ] {
        let answer = story.client.get(&format!("/api/flows/{path}")).await;
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{path}: {}",
            answer.text()
        );
    }
    let answer = story
        .client
        .get(&format!("/api/flows/diff/{id}?from=yesterday"))
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.json()["error"]["fields"]["from"]
            .as_str()
            .unwrap()
            .contains("backup:")
    );
}

#[tokio::test]
async fn workflows_are_handed_out_as_n8n_imports_them_and_that_is_noted() {
    let story = story().await;
    let list = get(&story, "/api/flows/list").await;
    let id = id_of(&list, "Invoice – Überweisung ✓");
    let answer = story.client.get(&format!("/api/flows/export/{id}")).await;
    assert!(
        answer
            .header("content-disposition")
            .contains("filename*=UTF-8''Invoice")
    );
    let flow = answer.json();
    assert_eq!((&flow["active"], &flow["id"]), (&json!(false), &json!(id)));
    assert!(flow.get("activeVersionId").is_none() && flow.get("shared").is_none());
    let answer = story.client.post("/api/flows/export/bulk", json!({})).await;
    assert_eq!(answer.header("content-type"), "application/zip");
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(answer.body)).unwrap();
    assert_eq!(zip.len(), 6);
    let file: Value = serde_json::from_reader(zip.by_index(0).unwrap()).unwrap();
    assert!(file["nodes"].is_array());
    let body = json!({ "ids": ["nobody"] });
    let answer = story.client.post("/api/flows/export/bulk", body).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let events = story.app.events().await;
    assert_eq!(
        events
            .iter()
            .filter(|event| *event == "flow.extracted")
            .count(),
        2
    );
    let actions = story.app.audit_actions().await;
    assert_eq!(
        actions
            .iter()
            .filter(|action| *action == "flow.extracted")
            .count(),
        2
    );
}

#[tokio::test]
async fn what_holds_no_workflows_says_so() {
    let story = story().await;
    let own = story.made("postgres_mgmt").await;
    let path = format!("/api/flows/from-backup/{}", own["id"]);
    let answer = story.client.get(&path).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::CONFLICT, "no_flows")
    );
    assert_eq!(
        story.client.get("/api/flows/from-backup/999").await.status,
        StatusCode::NOT_FOUND
    );
    // A dump whose tables went meanwhile, and one that is damaged.
    let backup = story.made("postgres_n8n").await;
    let path = story.path_of(&backup);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let answer = story
        .client
        .get(&format!("/api/flows/from-backup/{}", backup["id"]))
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::CONFLICT, "archive_unreadable"),
        "{}",
        answer.text()
    );
    assert_eq!(
        story.app.state.flows.look_into_backups().await.unwrap(),
        0,
        "it is not tried for ever"
    );
}

#[tokio::test]
async fn without_n8n_the_backups_still_have_what_they_have() {
    let story = story().await;
    let backup = story.made("postgres_n8n").await;
    let id = id_of(&contents(&story, &backup).await, "Hourly report");
    let nowhere = json!({ "database_url": "postgres://n8n:secret-word@127.0.0.1:1/n8n" });
    story.client.put("/api/n8n/connection", nowhere).await;
    let answer = story.client.get("/api/flows/list").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::CONFLICT, "n8n_database_away")
    );
    assert!(!answer.text().contains("secret-word"));
    let hits = get(&story, "/api/flows/search?q=hourly").await;
    assert_eq!(hits["items"][0]["id"], id);
    let history = get(&story, &format!("/api/flows/history/{id}")).await;
    assert_eq!(history["versions"].as_array().unwrap().len(), 1);
    let version = format!("/api/flows/export/{id}?version=backup:{}", backup["id"]);
    assert_eq!(get(&story, &version).await["name"], "Hourly report");
}

#[tokio::test]
async fn an_old_n8n_with_few_columns_is_read_too() {
    let source = crate::support::postgres::empty_database().await;
    let story = Story::begin_with(source, TestApp::builder()).await;
    let list = get(&story, "/api/flows/list").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 20);
    let backup = story.made("postgres_n8n").await;
    assert_eq!(
        contents(&story, &backup).await["items"]
            .as_array()
            .unwrap()
            .len(),
        20
    );
    assert_eq!(
        ask(&story, "SELECT count(*)::text FROM workflow_entity")
            .await
            .unwrap(),
        "20"
    );
}
