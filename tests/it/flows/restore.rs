//! Workflows put back: F43 and what belongs to it. What n8n does with them afterwards is tried on a real one by
//! `scripts/n8n-time-machine`.

use http::StatusCode;
use serde_json::{Value, json};

use super::{ask, change, contents, get, id_of, restore, story};
use crate::backups::Story;
use crate::support::postgres::{SAMPLE_KEY, connect};

const DELETE_ORDER: &str = "DELETE FROM workflow_entity WHERE name = 'Order intake'";
const ORDER: &str = "SELECT concat_ws('|', name, active, nodes::text, \"staticData\"::text, trim(\"versionId\"), \
    (SELECT role FROM shared_workflow s WHERE s.\"workflowId\" = w.id), \
    (SELECT count(*) FROM workflow_history h WHERE h.\"versionId\" = trim(w.\"versionId\"))) \
    FROM workflow_entity w WHERE name = 'Order intake'";

async fn begin() -> (Story, Value, String) {
    let story = story().await;
    let backup = story.made("postgres_n8n").await;
    let id = id_of(&contents(&story, &backup).await, "Order intake");
    (story, backup, id)
}

fn wish(backup: &Value, id: &str, on_conflict: &str) -> Value {
    json!({ "backup_id": backup["id"], "workflow_ids": [id], "on_conflict": on_conflict })
}

async fn preview(story: &Story, body: Value) -> Value {
    let answer = story.client.post("/api/flows/restore/preview", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

fn notes(item: &Value) -> Vec<&str> {
    let notes = item["notes"].as_array().unwrap().iter();
    notes.map(|note| note["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn f43_a_deleted_workflow_comes_back_whole_inactive_and_once() {
    let (story, backup, id) = begin().await;
    change(
        &story,
        "UPDATE workflow_entity SET \"staticData\" = '{\"n\": 1}' WHERE name = 'Order intake'",
    )
    .await;
    let before = ask(&story, ORDER).await.unwrap();
    change(&story, DELETE_ORDER).await;
    let planned = preview(&story, wish(&backup, &id, "skip")).await;
    assert_eq!(
        (&planned["items"][0]["action"], &planned["items"][0]["way"]),
        (&json!("create"), &json!("sql"))
    );
    assert_eq!(ask(&story, ORDER).await, None, "a preview changes nothing");
    let item = restore(&story, wish(&backup, &id, "skip")).await;
    assert_eq!(
        (&item["status"], &item["target_id"]),
        (&json!("done"), &json!(id))
    );
    let after = ask(&story, ORDER).await.unwrap();
    let parts = |row: &str| row.split('|').map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (parts(&before), parts(&after));
    assert_eq!(before[2], after[2], "nodes");
    assert_eq!(
        (after[1].as_str(), after[4].as_str()),
        ("f", "workflow:owner")
    );
    assert_eq!(after[5], "1", "its version is in n8n's history");
    let again = restore(&story, wish(&backup, &id, "skip")).await;
    assert_eq!(
        (&again["action"], &again["status"]),
        (&json!("same"), &json!("skipped"))
    );
    let again = restore(&story, wish(&backup, &id, "overwrite")).await;
    assert_eq!(again["action"], "same", "a second run is a no-op");
    let events = story.app.events().await;
    assert_eq!(
        events
            .iter()
            .filter(|event| *event == "flow.restored")
            .count(),
        1
    );
    let actions = story.app.audit_actions().await;
    assert_eq!(
        actions
            .iter()
            .filter(|action| *action == "flow.restored")
            .count(),
        3
    );
}

#[tokio::test]
async fn f43_one_that_exists_is_left_or_copied_or_overwritten_and_given_back() {
    let (story, backup, id) = begin().await;
    change(
        &story,
        "UPDATE workflow_entity SET nodes = '[]', connections = '{}', \"updatedAt\" = now() + interval '1 year' \
         WHERE name = 'Order intake'",
    )
    .await;
    let broken = ask(&story, ORDER).await.unwrap();
    let item = restore(&story, wish(&backup, &id, "skip")).await;
    assert_eq!(
        (&item["action"], &item["status"]),
        (&json!("skip"), &json!("skipped"))
    );
    assert_eq!(ask(&story, ORDER).await.unwrap(), broken);

    let copy = restore(&story, wish(&backup, &id, "rename")).await;
    assert_eq!(
        (&copy["action"], &copy["status"]),
        (&json!("rename"), &json!("done")),
        "{copy}"
    );
    assert_ne!(copy["target_id"], id.as_str());
    assert_eq!(
        ask(&story, ORDER).await.unwrap(),
        broken,
        "the other is as it was"
    );
    let name = "SELECT name FROM workflow_entity WHERE name LIKE 'Order intake (%' AND NOT active";
    assert_eq!(ask(&story, name).await.unwrap(), "Order intake (restored)");
    assert_eq!(
        restore(&story, wish(&backup, &id, "rename")).await["action"],
        "same",
        "no second copy"
    );

    let planned = preview(&story, wish(&backup, &id, "overwrite")).await;
    let plan = &planned["items"][0];
    assert_eq!(plan["action"], "overwrite");
    assert!(notes(plan).contains(&"newer_in_n8n"), "{plan}");
    assert_eq!(plan["changes"]["nodes_added"], 3, "{plan}");
    let item = restore(&story, wish(&backup, &id, "overwrite")).await;
    assert_eq!(item["status"], "done", "{item}");
    assert_ne!(ask(&story, ORDER).await.unwrap(), broken);
    let path = format!("/api/flows/restores/items/{}/undo", item["id"]);
    assert_eq!(
        story.client.post(&path, json!({})).await.status,
        StatusCode::NO_CONTENT
    );
    let nodes = "SELECT nodes::text FROM workflow_entity WHERE name = 'Order intake'";
    assert_eq!(
        ask(&story, nodes).await.unwrap(),
        "[]",
        "what was overwritten is back"
    );
    let answer = story.client.post(&path, json!({})).await;
    assert_eq!(answer.code(), "already_undone");
    // A copy goes by its undo, unless somebody worked on it.
    let path = format!("/api/flows/restores/items/{}/undo", copy["id"]);
    change(
        &story,
        "UPDATE workflow_entity SET description = 'mine' WHERE name LIKE '%(restored)'",
    )
    .await;
    assert_eq!(
        story.client.post(&path, json!({})).await.code(),
        "changed_since"
    );
    change(
        &story,
        "UPDATE workflow_entity SET description = NULL WHERE name LIKE '%(restored)'",
    )
    .await;
    assert_eq!(
        story.client.post(&path, json!({})).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(ask(&story, name).await, None);
}

#[tokio::test]
async fn f43_what_runs_is_never_changed_behind_the_back_of_n8n() {
    let story = story().await;
    let backup = story.made("postgres_n8n").await;
    let id = id_of(&contents(&story, &backup).await, "Greeting by webhook");
    change(
        &story,
        "UPDATE workflow_entity SET description = 'changed' WHERE name = 'Greeting by webhook'",
    )
    .await;
    let item = restore(&story, wish(&backup, &id, "overwrite")).await;
    assert_eq!(
        (&item["action"], &item["status"]),
        (&json!("refused"), &json!("failed"))
    );
    assert!(
        item["message"]
            .as_str()
            .unwrap()
            .contains("deactivate it in n8n"),
        "{item}"
    );
    let row = "SELECT concat(active, description) FROM workflow_entity WHERE name = 'Greeting by webhook'";
    assert_eq!(ask(&story, row).await.unwrap(), "tchanged");
    // Beside it is fine, and the copy's webhook is its own.
    let copy = restore(&story, wish(&backup, &id, "rename")).await;
    assert_eq!(copy["status"], "done", "{copy}");
    let paths = "SELECT string_agg(nodes->0->'parameters'->>'path' || (nodes->0->>'webhookId'), ' ' ORDER BY name) FROM workflow_entity WHERE name LIKE 'Greeting%'";
    let paths = ask(&story, paths).await.unwrap();
    let paths: Vec<&str> = paths.split(' ').collect();
    assert!(
        paths.len() == 2 && paths[1].starts_with("fixture-greeting-"),
        "{paths:?}"
    );
    assert!(!paths[1].ends_with("fixture-greeting"), "{paths:?}");
}

#[tokio::test]
async fn f43_a_role_that_may_only_read_changes_nothing_and_says_what_to_do() {
    let (story, backup, id) = begin().await;
    change(&story, DELETE_ORDER).await;
    change(
        &story,
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flows_reader') THEN \
         CREATE ROLE flows_reader LOGIN PASSWORD 'reader'; END IF; END $$; \
         GRANT pg_read_all_data TO flows_reader",
    )
    .await;
    let mut reader = story.source.clone();
    (reader.user, reader.password) = ("flows_reader".to_owned(), Some("reader".into()));
    story.connect(&reader).await;
    let item = restore(&story, wish(&backup, &id, "overwrite")).await;
    assert_eq!(
        (&item["action"], &item["status"]),
        (&json!("refused"), &json!("failed"))
    );
    assert!(
        item["message"].as_str().unwrap().contains("API key"),
        "{item}"
    );
    assert_eq!(ask(&story, ORDER).await, None);
}

#[tokio::test]
async fn f43_missing_credentials_projects_nodes_and_workflows_are_named_before() {
    let story = story().await;
    change(
        &story,
        "INSERT INTO project (id, name, type) VALUES ('team1', 'Shop team', 'team'); \
         UPDATE shared_workflow SET \"projectId\" = 'team1' WHERE \"workflowId\" IN (SELECT id FROM workflow_entity WHERE name = 'Order intake'); \
         INSERT INTO tag_entity (id, name) VALUES ('t1', 'prod'); \
         INSERT INTO folder (id, name, \"projectId\") VALUES ('f1', 'Orders', 'team1'); \
         INSERT INTO workflows_tags SELECT id, 't1' FROM workflow_entity WHERE name = 'Order intake'; \
         UPDATE workflow_entity SET \"parentFolderId\" = 'f1', \"pinData\" = '{\"Start\": [{\"json\": {\"a\": 1}}]}', \
           settings = '{\"executionOrder\": \"v1\", \"errorWorkflow\": \"nobody\"}', nodes = '[ \
           {\"id\": \"1\", \"name\": \"Hook\", \"type\": \"n8n-nodes-base.webhook\", \"parameters\": {\"path\": \"fixture-greeting\"}}, \
           {\"id\": \"2\", \"name\": \"Mail\", \"type\": \"n8n-nodes-acme.mail\", \"parameters\": {}, \
             \"credentials\": {\"acmeApi\": {\"id\": \"gone\", \"name\": \"Acme\"}, \"httpHeaderAuth\": {\"id\": \"old\", \"name\": \"Fixture header\"}}}, \
           {\"id\": \"3\", \"name\": \"Call\", \"type\": \"n8n-nodes-base.executeWorkflow\", \"parameters\": {\"workflowId\": {\"value\": \"absent\"}}}]' \
         WHERE name = 'Order intake'",
    )
    .await;
    let backup = story.made("postgres_n8n").await;
    let id = id_of(&contents(&story, &backup).await, "Order intake");
    change(&story, DELETE_ORDER).await;
    change(
        &story,
        "DELETE FROM folder; DELETE FROM project WHERE id = 'team1'; DELETE FROM tag_entity",
    )
    .await;
    let planned = preview(&story, wish(&backup, &id, "skip")).await;
    let plan = &planned["items"][0];
    let notes = notes(plan);
    for wanted in [
        "credential_missing",
        "credential_remapped",
        "workflow_missing",
        "node_missing",
        "project_missing",
        "webhook_taken",
    ] {
        assert!(notes.contains(&wanted), "{wanted} in {notes:?}");
    }
    let item = restore(&story, wish(&backup, &id, "skip")).await;
    assert_eq!(item["status"], "done", "{item}");
    let facts = "SELECT concat_ws('|', (SELECT f.name FROM folder f WHERE f.id = w.\"parentFolderId\"), \
        (SELECT string_agg(t.name, ',') FROM workflows_tags wt JOIN tag_entity t ON t.id = wt.\"tagId\" WHERE wt.\"workflowId\" = w.id), \
        w.\"pinData\"::text, (SELECT p.type FROM shared_workflow s JOIN project p ON p.id = s.\"projectId\" WHERE s.\"workflowId\" = w.id), \
        nodes->1->'credentials'->'httpHeaderAuth'->>'id' = (SELECT id FROM credentials_entity WHERE name = 'Fixture header')) \
        FROM workflow_entity w WHERE name = 'Order intake'";
    assert_eq!(
        ask(&story, facts).await.unwrap(),
        r#"Orders|prod|{"Start":[{"json":{"a":1}}]}|personal|t"#
    );
}

#[tokio::test]
async fn f43_an_archive_of_a_newer_n8n_is_refused_unless_accepted() {
    let (story, backup, id) = begin().await;
    change(&story, DELETE_ORDER).await;
    change(
        &story,
        "DELETE FROM migrations WHERE id = (SELECT max(id) FROM migrations)",
    )
    .await;
    let planned = preview(&story, wish(&backup, &id, "skip")).await;
    assert_eq!(
        (&planned["is_newer"], &planned["notes"][0]["code"]),
        (&json!(true), &json!("newer_n8n"))
    );
    let answer = story
        .client
        .post("/api/flows/restore", wish(&backup, &id, "skip"))
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::CONFLICT, "newer_n8n")
    );
    assert_eq!(ask(&story, ORDER).await, None, "nothing was changed");
    let mut body = wish(&backup, &id, "skip");
    body["accept_newer"] = json!(true);
    assert_eq!(restore(&story, body).await["status"], "done");
}

#[tokio::test]
async fn f43_a_restore_that_fails_half_way_leaves_nothing() {
    let story = story().await;
    change(
        &story,
        "INSERT INTO tag_entity (id, name) VALUES ('t1', 'prod'); \
         INSERT INTO workflows_tags SELECT id, 't1' FROM workflow_entity WHERE name = 'Order intake'",
    )
    .await;
    let backup = story.made("postgres_n8n").await;
    let id = id_of(&contents(&story, &backup).await, "Order intake");
    change(&story, DELETE_ORDER).await;
    // The last thing that is written is refused.
    change(
        &story,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no tags today''; END'; \
         CREATE TRIGGER refuse BEFORE INSERT ON workflows_tags FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    let item = restore(&story, wish(&backup, &id, "skip")).await;
    assert_eq!(item["status"], "failed");
    assert!(
        item["message"].as_str().unwrap().contains("no tags today"),
        "{item}"
    );
    assert_eq!(ask(&story, ORDER).await, None);
    let left = "SELECT count(*)::text FROM workflow_history h WHERE NOT EXISTS (SELECT FROM workflow_entity w WHERE w.id = h.\"workflowId\")";
    assert_eq!(ask(&story, left).await.unwrap(), "0");
    change(&story, "DROP TRIGGER refuse ON workflows_tags").await;
    assert_eq!(
        restore(&story, wish(&backup, &id, "skip")).await["status"],
        "done"
    );
}

#[tokio::test]
async fn f43_a_workflow_that_somebody_saves_meanwhile_is_not_overwritten() {
    let (story, backup, id) = begin().await;
    change(
        &story,
        "UPDATE workflow_entity SET nodes = '[]' WHERE name = 'Order intake'",
    )
    .await;
    // Saved between the look and the write: the row is locked by whoever saves, and another version after it.
    let mut editor = connect(&story.source).await;
    sqlx::raw_sql("BEGIN; UPDATE workflow_entity SET nodes = '[1]', \"versionId\" = gen_random_uuid()::text WHERE name = 'Order intake'")
        .execute(&mut editor)
        .await
        .unwrap();
    let restoring = restore(&story, wish(&backup, &id, "overwrite"));
    let saving = async {
        crate::backups::until("the restore waits for the lock", || async {
            let waits = "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) OR NOT granted AND locktype = 'transactionid'";
            (ask(&story, waits).await.unwrap() != "0").then_some(())
        })
        .await;
        sqlx::raw_sql("COMMIT").execute(&mut editor).await.unwrap();
    };
    let (item, ()) = tokio::join!(restoring, saving);
    assert_eq!(item["status"], "failed", "{item}");
    assert!(
        item["message"]
            .as_str()
            .unwrap()
            .contains("changed in n8n meanwhile"),
        "{item}"
    );
    let nodes = "SELECT nodes::text FROM workflow_entity WHERE name = 'Order intake'";
    assert_eq!(ask(&story, nodes).await.unwrap(), "[1]");
}

#[tokio::test]
async fn f43_credentials_come_back_when_the_key_opens_them_and_are_refused_otherwise() {
    let story = story().await;
    let backup = story.made("postgres_n8n").await;
    let id = id_of(&contents(&story, &backup).await, "Call with a credential");
    let lose = "UPDATE workflow_entity SET active = false, \"activeVersionId\" = NULL; DELETE FROM workflow_published_version; \
        DELETE FROM workflow_entity WHERE name = 'Call with a credential'; DELETE FROM credentials_entity";
    let sealed = ask(&story, "SELECT data FROM credentials_entity")
        .await
        .unwrap();
    change(&story, lose).await;
    let mut body = wish(&backup, &id, "skip");
    let planned = preview(&story, body.clone()).await;
    assert_eq!(notes(&planned["items"][0]), ["credential_missing"]);
    body["with_credentials"] = json!(true);
    let planned = preview(&story, body.clone()).await;
    assert_eq!(notes(&planned["items"][0]), ["credential_restored"]);
    assert_eq!(restore(&story, body.clone()).await["status"], "done");
    let found = "SELECT data FROM credentials_entity c JOIN shared_credentials s ON s.\"credentialsId\" = c.id WHERE role = 'credential:owner'";
    assert_eq!(ask(&story, found).await.unwrap(), sealed, "as it was");
    // Another n8n with another key: refused without the old one, encrypted anew with it.
    change(&story, lose).await;
    change(&story, "DELETE FROM deployment_key").await;
    story
        .client
        .put(
            "/api/n8n/connection",
            json!({ "encryption_key": "quite another key" }),
        )
        .await;
    let planned = preview(&story, body.clone()).await;
    assert_eq!(notes(&planned["items"][0]), ["credential_missing"]);
    let note = planned["notes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|note| note["code"] == "credentials_locked");
    assert!(
        note.unwrap()["message"]
            .as_str()
            .unwrap()
            .contains("another key"),
        "{planned}"
    );
    body["source_encryption_key"] = json!("a wrong key");
    let planned = preview(&story, body.clone()).await;
    assert!(
        planned.to_string().contains("does not open them either"),
        "{planned}"
    );
    body["source_encryption_key"] = json!(SAMPLE_KEY.trim());
    let item = restore(&story, body).await;
    assert_eq!(item["status"], "done", "{item}");
    let anew = ask(&story, found).await.unwrap();
    assert_ne!(anew, sealed);
    let report = story
        .client
        .post("/api/n8n/connection/test", json!({}))
        .await
        .json();
    assert_eq!(
        report["key_check"]["outcome"], "proven",
        "the new key opens it: {report}"
    );
    let log = story
        .app
        .sql::<String>("SELECT string_agg(details::text, ' ') FROM audit_log")
        .await;
    assert!(!log.contains(SAMPLE_KEY.trim()) && !log.contains("quite another key"));
}

#[tokio::test]
async fn what_a_crash_cut_off_is_settled_by_what_n8n_has() {
    let (story, backup, id) = begin().await;
    change(&story, DELETE_ORDER).await;
    restore(&story, wish(&backup, &id, "skip")).await;
    let db = story.app.state.db.pool();
    sqlx::raw_sql(
        "UPDATE flow_restores SET status = 'running', finished_at = NULL; \
         UPDATE flow_restore_items SET status = 'running', result_sha256 = NULL; \
         INSERT INTO flow_restore_items (restore_id, workflow_id, name, action, status, content_sha256, target_id) \
           SELECT id, 'x', 'Never begun', 'create', 'pending', '', 'x' FROM flow_restores; \
         INSERT INTO flow_restore_items (restore_id, workflow_id, name, action, status, content_sha256, target_id) \
           SELECT id, 'y', 'Never there', 'create', 'running', '', 'y' FROM flow_restores",
    )
    .execute(db)
    .await
    .unwrap();
    story
        .app
        .execute("DELETE FROM event_outbox WHERE event_type = 'flow.restored'")
        .await;
    // What cannot be told is not settled.
    story.app.refuse_event("flow.restored").await;
    assert!(story.app.state.flows.settle().await.is_err());
    let status = "SELECT status FROM flow_restores";
    assert_eq!(story.app.sql::<String>(status).await, "running");
    story.app.accept_events().await;
    story.app.state.flows.settle().await.unwrap();
    let restore = get(&story, "/api/flows/restores/1").await;
    assert_eq!(restore["status"], "partly");
    let states: Vec<_> = restore["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["done", "failed", "failed"], "{restore}");
    assert!(
        restore["items"][1]["message"]
            .as_str()
            .unwrap()
            .contains("nothing was changed")
    );
    story.app.state.flows.settle().await.unwrap();
    let told = story.app.told("flow.restored").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (
            &told[0]["status"],
            &told[0]["workflows"],
            &told[0]["not_restored"]
        ),
        (
            &json!("partly"),
            &json!(["Order intake"]),
            &json!(["Never begun", "Never there"])
        ),
        "{told:?}"
    );
    let severity = "SELECT severity FROM event_outbox WHERE event_type = 'flow.restored'";
    assert_eq!(story.app.sql::<String>(severity).await, "warning");
    let audited = story.app.audit_actions().await;
    assert_eq!(
        audited.iter().filter(|one| *one == "flow.restored").count(),
        2,
        "by who asked, and by Flowkeep itself: {audited:?}"
    );
}

#[tokio::test]
async fn two_restores_at_once_are_refused_and_so_is_nonsense() {
    let (story, backup, id) = begin().await;
    let mut other = connect(&story.app.database).await;
    sqlx::query("SELECT pg_advisory_lock(x'00464c4f57525354'::bit(64)::bigint)")
        .execute(&mut other)
        .await
        .unwrap();
    let answer = story
        .client
        .post("/api/flows/restore", wish(&backup, &id, "skip"))
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::CONFLICT, "restore_running")
    );
    sqlx::Connection::close(other).await.unwrap();
    let many: Vec<String> = (0..501).map(|n| n.to_string()).collect();
    for (body, field) in [
        (json!({ "workflow_ids": [id] }), "source"),
        (json!({ "workflow_ids": [id], "source": "live" }), "source"),
        (
            json!({ "workflow_ids": [id], "source": "backup:x" }),
            "source",
        ),
        (
            json!({ "workflow_ids": [], "backup_id": backup["id"] }),
            "ids",
        ),
        (
            json!({ "workflow_ids": many, "backup_id": backup["id"] }),
            "ids",
        ),
        (
            json!({ "workflow_ids": [id], "backup_id": backup["id"], "project_id": "nobody" }),
            "project_id",
        ),
        (
            json!({ "workflow_ids": [id], "backup_id": backup["id"], "on_conflict": "destroy" }),
            "on_conflict",
        ),
    ] {
        for path in ["/api/flows/restore", "/api/flows/restore/preview"] {
            let answer = story.client.post(path, body.clone()).await;
            assert_eq!(
                answer.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{body}: {}",
                answer.text()
            );
            assert!(
                answer.json()["error"]["fields"].get(field).is_some(),
                "{body}: {}",
                answer.text()
            );
        }
    }
    for body in [
        wish(&backup, "nobody", "skip"),
        wish(&json!({ "id": 999 }), &id, "skip"),
    ] {
        let answer = story.client.post("/api/flows/restore", body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text());
    }
    assert_eq!(get(&story, "/api/flows/restores").await["items"], json!([]));
}

#[tokio::test]
async fn a_version_of_n8n_s_own_history_comes_back_and_old_copies_are_forgotten() {
    let (story, _, id) = begin().await;
    change(
        &story,
        "INSERT INTO workflow_history (\"versionId\", \"workflowId\", authors, nodes, connections, name) \
         SELECT 'old-version', id, 'Ada Admin', '[{\"id\": \"1\", \"name\": \"Start\", \"type\": \"n8n-nodes-base.manualTrigger\"}]', '{}', 'before the sale' \
         FROM workflow_entity WHERE name = 'Order intake'",
    )
    .await;
    let history = get(&story, &format!("/api/flows/history/{id}")).await;
    let versions = history["versions"].as_array().unwrap();
    let kept = versions
        .iter()
        .find(|one| one["version"] == "history:old-version")
        .unwrap();
    assert_eq!(
        (&kept["name"], &kept["node_count"]),
        (&json!("before the sale"), &json!(1))
    );
    let body = json!({ "source": "history:old-version", "workflow_ids": [id], "on_conflict": "overwrite" });
    let item = restore(&story, body).await;
    assert_eq!(
        (&item["status"], &item["can_undo"]),
        (&json!("done"), &json!(true)),
        "{item}"
    );
    let count =
        "SELECT json_array_length(nodes)::text FROM workflow_entity WHERE name = 'Order intake'";
    assert_eq!(ask(&story, count).await.unwrap(), "1");
    story.app.advance(chrono::TimeDelta::days(91));
    story.app.state.flows.look_into_backups().await.unwrap();
    let path = format!("/api/flows/restores/items/{}/undo", item["id"]);
    story.client.login().await;
    assert_eq!(
        story.client.post(&path, json!({})).await.code(),
        "undo_is_over"
    );
}
