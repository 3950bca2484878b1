//! n8n's public API when it does not do what one hopes: a stand-in that refuses, lies and stalls. What it does when
//! all is well is tried on a real n8n by `scripts/n8n-time-machine`.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{ask, change, contents, get, id_of, restore, story};
use crate::backups::Story;

/// What it was asked, with the key that came along.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A server that answers by `answer`, and what it was asked.
async fn stand_in(story: &Story, answer: fn(&str, &str) -> Response) -> (String, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let app = Router::new().fallback(move |request: Request| {
        let key = request.headers().get("x-n8n-api-key");
        let key = key.map_or("", |key| key.to_str().unwrap()).to_owned();
        let path = request.uri().to_string();
        let method = request.method().to_string();
        noted.lock().push((format!("{method} {path}"), key));
        async move { answer(&method, &path) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    story.app.state.lifecycle.spawn("stand-in", async move {
        axum::serve(listener, app).await.unwrap();
    });
    (url, asked)
}

fn reply(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, body.to_string()).into_response()
}

async fn tested(story: &Story, url: &str) -> Value {
    let body = json!({ "url": url, "key": "the-api-key" });
    let answer = story.client.post("/api/n8n/api/test", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(!answer.text().contains("the-api-key"));
    answer.json()
}

#[tokio::test]
async fn an_api_that_cannot_be_used_is_told_by_what_is_wrong() {
    let story = story().await;
    let (unknown, _) = stand_in(&story, |_, _| {
        reply(401, &json!({ "message": "unauthorized" }))
    })
    .await;
    let (no_scope, _) = stand_in(&story, |_, path| {
        if path.contains("/tags") {
            reply(403, &json!({ "message": "Forbidden" }))
        } else {
            reply(200, &json!({ "data": [] }))
        }
    })
    .await;
    let (page, _) = stand_in(&story, |_, _| "<html>hello</html>".into_response()).await;
    let (broken, _) = stand_in(&story, |_, _| {
        reply(500, &json!({ "message": "out of order" }))
    })
    .await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for (url, words) in [
        (unknown.as_str(), "does not know the API key"),
        (&no_scope, "may not list tags"),
        (&page, "is not n8n's public API"),
        (&broken, "out of order (500)"),
        (nobody.as_str(), "does not answer"),
    ] {
        let report = tested(&story, url).await;
        assert_eq!(report["ok"], false, "{url}");
        let message = report["message"].as_str().unwrap();
        assert!(message.contains(words), "{url}: {message}");
    }
    let (fine, _) = stand_in(&story, |_, path| match path {
        "/api/v1/discover" => reply(
            200,
            &json!({ "data": { "scopes": ["workflow:list", "tag:list"] } }),
        ),
        _ => reply(200, &json!({ "data": [] })),
    })
    .await;
    let report = tested(&story, &fine).await;
    assert_eq!(report["message"], Value::Null);
    assert!(
        report["missing_scopes"]
            .as_array()
            .unwrap()
            .contains(&json!("workflow:update")),
        "{report}"
    );
    for url in ["ftp://n8n", "n8n:5678", "http://user:word@n8n", ""] {
        let answer = story
            .client
            .put("/api/n8n/api", json!({ "url": url, "key": "k" }))
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{url}");
        assert!(answer.json()["error"]["fields"].get("url").is_some());
    }
}

#[tokio::test]
async fn the_key_goes_to_the_address_it_was_given_for_and_nowhere_else() {
    let story = story().await;
    let (n8n, asked) = stand_in(&story, |_, _| reply(200, &json!({ "data": [] }))).await;
    let (other, elsewhere) = stand_in(&story, |_, _| reply(200, &json!({ "data": [] }))).await;
    let body = json!({ "url": n8n, "key": "the-api-key" });
    let saved = story.client.put("/api/n8n/api", body).await.json();
    assert_eq!(saved, json!({ "url": format!("{n8n}/"), "has_key": true }));
    story.client.post("/api/n8n/api/test", json!({})).await;
    assert!(asked.lock().iter().all(|(_, key)| key == "the-api-key"));
    for (path, body) in [
        ("/api/n8n/api/test", json!({ "url": other })),
        ("/api/n8n/api", json!({ "url": other })),
    ] {
        let answer = if path.ends_with("test") {
            story.client.post(path, body).await
        } else {
            story.client.put(path, body).await
        };
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}: {}",
            answer.text()
        );
    }
    assert!(elsewhere.lock().is_empty(), "{:?}", elsewhere.lock());
    // Nor by a redirect.
    let (hop, hopped) = stand_in(&story, |_, _| {
        (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response()
    })
    .await;
    assert_eq!(tested(&story, &hop).await["ok"], false);
    assert_eq!(hopped.lock().len(), 1);
    let stored = story
        .app
        .sql::<String>("SELECT string_agg(value::text, ' ') FROM settings")
        .await;
    assert!(!stored.contains("the-api-key"));
    assert_eq!(
        story.client.delete("/api/n8n/api").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(get(&story, "/api/n8n/api").await["has_key"], false);
    let actions = story.app.audit_actions().await;
    assert!(
        actions.contains(&"n8n.api_set".to_owned())
            && actions.contains(&"n8n.api_forgotten".to_owned())
    );
}

#[tokio::test]
async fn a_key_without_the_scope_changes_nothing_and_leaves_nothing_half_done() {
    let story = story().await;
    change(
        &story,
        "INSERT INTO tag_entity (id, name) VALUES ('t1', 'prod'); \
         INSERT INTO workflows_tags SELECT id, 't1' FROM workflow_entity WHERE name = 'Order intake'",
    )
    .await;
    let backup = story.made("postgres_n8n").await;
    let id = id_of(&contents(&story, &backup).await, "Order intake");
    change(
        &story,
        "UPDATE workflow_entity SET nodes = '[]' WHERE name = 'Order intake'",
    )
    .await;
    // It lists and creates, and must not tag.
    let (n8n, asked) = stand_in(&story, |method, path| match (method, path) {
        ("POST", "/api/v1/workflows") => reply(200, &json!({ "id": "made-by-n8n", "name": "x" })),
        ("GET", _) => reply(200, &json!({ "data": [] })),
        ("DELETE", _) => reply(200, &json!({})),
        _ => reply(403, &json!({ "message": "Forbidden" })),
    })
    .await;
    story
        .client
        .put("/api/n8n/api", json!({ "url": n8n, "key": "k" }))
        .await;
    let rows = "SELECT string_agg(id || nodes::text, ',' ORDER BY id) FROM workflow_entity";
    let before = ask(&story, rows).await;
    let body =
        json!({ "backup_id": backup["id"], "workflow_ids": [id], "on_conflict": "overwrite" });
    let item = restore(&story, body.clone()).await;
    assert_eq!(
        (&item["way"], &item["status"]),
        (&json!("api"), &json!("failed")),
        "{item}"
    );
    let message = item["message"].as_str().unwrap();
    assert!(
        message.contains("changed in n8n meanwhile") || message.contains("may not"),
        "{message}"
    );
    assert_eq!(ask(&story, rows).await, before);
    let mut body = body;
    body["on_conflict"] = json!("rename");
    let item = restore(&story, body).await;
    assert_eq!(item["status"], "failed", "{item}");
    assert!(
        item["message"]
            .as_str()
            .unwrap()
            .contains("may not create a tag"),
        "{item}"
    );
    assert_eq!(ask(&story, rows).await, before);
    let asked = asked.lock();
    let paths: Vec<&str> = asked.iter().map(|(path, _)| path.as_str()).collect();
    assert!(paths.contains(&"POST /api/v1/workflows"), "{paths:?}");
    let gone = "DELETE /api/v1/workflows/made%2Dby%2Dn8n";
    assert!(
        paths.contains(&gone),
        "what could not be finished goes again: {paths:?}"
    );
}

#[tokio::test]
async fn where_only_the_api_is_left_workflows_are_listed_over_it_page_by_page() {
    let story = story().await;
    let (n8n, _) = stand_in(&story, |_, path| {
        let flow = |id: &str| json!({ "id": id, "name": id, "active": false, "nodes": [], "connections": {}, "tags": [{ "id": "t", "name": "prod" }] });
        if path.contains("cursor=next%3D") {
            reply(200, &json!({ "data": [flow("b")], "nextCursor": null }))
        } else {
            reply(200, &json!({ "data": [flow("a")], "nextCursor": "next=" }))
        }
    })
    .await;
    story
        .client
        .put("/api/n8n/api", json!({ "url": n8n, "key": "k" }))
        .await;
    let nowhere = json!({ "database_url": "postgres://n8n:x@127.0.0.1:1/n8n" });
    story.client.put("/api/n8n/connection", nowhere).await;
    let list = get(&story, "/api/flows/list").await;
    assert_eq!(list["origin"], "api");
    assert_eq!(
        (
            list["items"].as_array().unwrap().len(),
            &list["items"][1]["tags"]
        ),
        (2, &json!(["prod"]))
    );
}
