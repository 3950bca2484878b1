//! The audit log, read.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::app::{TestApp, TestClient, USERNAME};

async fn items(client: &TestClient, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("/api/audit?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat_while_lines_are_added() {
    let (app, client) = TestApp::with_admin().await;
    app.execute(
        "INSERT INTO audit_log (action, created_at) SELECT 'test.line', now() FROM generate_series(1, 55)",
    )
    .await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("/api/audit?limit=10&action=test.line{cursor}");
        let page = client.get(&query).await.json();
        for item in page["items"].as_array().unwrap() {
            seen.push(item["id"].as_i64().unwrap());
        }
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
        app.execute("INSERT INTO audit_log (action) VALUES ('test.line')")
            .await;
    }
    assert_eq!(seen.len(), 55);
    assert!(
        seen.windows(2).all(|pair| pair[0] == pair[1] + 1),
        "{seen:?}"
    );
}

#[tokio::test]
async fn filters_narrow_and_bad_ones_are_named() {
    let (app, client) = TestApp::with_admin().await;
    app.client()
        .at("203.0.113.9")
        .try_login(USERNAME, "wrong password")
        .await;
    let body = json!({ "value": 7 });
    client
        .put("/api/settings/backups.compression_level", body)
        .await;
    for (query, count) in [
        ("action=auth.login_failed", 1),
        ("action=auth.*&ip=203.0.113.0/24", 1),
        ("action=settings.*", 1),
        (
            "resource_type=setting&resource_id=backups.compression_level",
            1,
        ),
        ("username=ADMIN&action=settings.changed", 1),
        ("q=COMPRESSION_LEVEL", 1),
        ("q=%25", 0),
        ("from=2030-01-01T00:00:00Z", 0),
        ("to=2020-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(items(&client, query).await.len(), count, "{query}");
    }
    for (query, field) in [
        ("ip=nowhere", "ip"),
        ("limit=0", "limit"),
        ("limit=100000", "limit"),
        ("cursor=x", "cursor"),
        ("from=yesterday", "from"),
        ("colour=red", "colour"),
        ("q=a%00b", "query"),
    ] {
        let answer = client.get(&format!("/api/audit?{query}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        let fields = &answer.json()["error"]["fields"];
        assert!(fields.get(field).is_some(), "{query}: {fields}");
    }
}

#[tokio::test]
async fn what_a_stranger_sends_is_kept_on_one_line_and_no_nul_breaks_anything() {
    let (app, client) = TestApp::with_admin().await;
    for name in ["a\u{0}b", "a\nauth.login_success admin", "x\u{1b}[2J"] {
        let answer = app.client().try_login(name, "wrong password").await;
        assert!(answer.status.is_client_error(), "{name:?}: {answer:?}");
    }
    for item in items(&client, "action=auth.login_failed").await {
        let name = item["username"].as_str().unwrap_or_default();
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
}

#[tokio::test]
async fn every_action_is_listed_for_the_filter() {
    let (_app, client) = TestApp::with_admin().await;
    let answer = client.get("/api/audit/actions").await.json();
    let names = answer["items"].as_array().unwrap();
    assert!(names.contains(&json!("backup.deleted")), "{names:?}");
}
