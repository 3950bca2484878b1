//! Services: what is kept of them, what is shown, and how they are tried.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Told, add_webhook, allow_private};
use crate::support::app::TestApp;
use crate::support::receiver::{Receiver, status};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test]
async fn what_is_secret_goes_in_is_used_and_never_comes_out() {
    let (app, client) = TestApp::with_admin().await;
    allow_private(&client).await;
    let receiver = Receiver::start().await;
    let config = json!({
        "url": format!("{}/hidden-path", receiver.url), "secret": SECRET, "headers": { "X-Token": "hidden-token" },
    });
    let body = json!({ "name": "hook", "service_type": "webhook", "config": config });
    let made = client.post("/api/notifications/services", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let id = made.json()["id"].clone();
    let one = client
        .get(&format!("/api/notifications/services/{id}"))
        .await;
    let all = client.get("/api/notifications/services").await;
    let audit = client.get("/api/audit").await;
    for answer in [&made, &one, &all, &audit] {
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("hidden") && !text.contains(SECRET), "{text}");
    }
    let stored: String = app
        .sql("SELECT config::text || secret::text FROM notification_services")
        .await;
    assert!(
        !stored.contains("hidden") && !stored.contains(SECRET),
        "{stored}"
    );
    assert_eq!(
        one.json()["config"]["kept"],
        json!(["headers", "secret", "url"])
    );
    assert_eq!(
        one.json()["config"]["address"],
        format!("{}/…", receiver.url)
    );

    // A change that leaves the secrets out keeps them; null takes one away.
    let body = json!({ "name": "renamed", "service_type": "webhook", "config": { "method": "PUT", "headers": null } });
    let changed = client
        .put(&format!("/api/notifications/services/{id}"), body)
        .await;
    assert_eq!(
        changed.json()["config"]["kept"],
        json!(["secret", "url"]),
        "{changed:?}"
    );
    let tested = client
        .post(&format!("/api/notifications/services/{id}/test"), json!({}))
        .await;
    assert_eq!(tested.json()["is_delivered"], true, "{tested:?}");
    let came = receiver.came().remove(0);
    assert_eq!(
        (came.method.as_str(), came.path.as_str()),
        ("PUT", "/hidden-path")
    );
    assert_eq!(came.header("x-token"), "");
    assert!(came.header("webhook-signature").starts_with("v1,"));

    // Keys are rotated with everything else that is sealed.
    client.reauthenticate().await;
    let rotated = client
        .post("/api/settings/encryption/rotate", json!({}))
        .await;
    assert!(rotated.status.is_success(), "{rotated:?}");
    let tested = client
        .post(&format!("/api/notifications/services/{id}/test"), json!({}))
        .await;
    assert_eq!(tested.json()["is_delivered"], true, "{tested:?}");
}

#[tokio::test]
async fn bad_input_names_the_field_and_the_remedy_and_keeps_nothing() {
    let (_app, client) = TestApp::with_admin().await;
    for (body, field, remedy) in [
        (
            json!({ "name": "", "service_type": "email", "config": {} }),
            "name",
            "1 to 100",
        ),
        (
            json!({ "name": "x", "service_type": "pigeon", "config": {} }),
            "service_type",
            "webhook",
        ),
        (
            json!({ "name": "x", "service_type": "webhook", "config": {} }),
            "url",
            "missing",
        ),
        (
            json!({ "name": "x", "service_type": "webhook", "config": { "url": "no" } }),
            "url",
            "https://example.org",
        ),
        (
            json!({ "name": "x", "service_type": "webhook", "config": { "url": "https://a.example", "wrong": 1 } }),
            "wrong",
            "no such field",
        ),
        (
            json!({ "name": "x", "service_type": "webhook", "config": { "url": "https://a.example", "secret": "abc" } }),
            "secret",
            "whsec_",
        ),
        (
            json!({ "name": "x", "service_type": "apprise", "config": { "url": "pigeon://coop" } }),
            "url",
            "apprises://",
        ),
        (
            json!({ "name": "x", "service_type": "apprise", "config": {} }),
            "url",
            "discord://",
        ),
        (
            json!({ "name": "x", "service_type": "apprise", "config": { "service": "discord", "fields": {} } }),
            "",
            "missing",
        ),
        (
            json!({ "name": "x", "service_type": "ntfy", "config": { "topic": "a b" } }),
            "topic",
            "letters",
        ),
        (
            json!({ "name": "x", "service_type": "ntfy", "config": { "topic": "a", "actions": "open the door" } }),
            "actions",
            "view, Open n8n",
        ),
        (
            json!({ "name": "x", "service_type": "ntfy", "config": { "topic": "a", "server": "ftp://x" } }),
            "server",
            "https://",
        ),
        (
            json!({ "name": "x", "service_type": "email", "config": { "to": ["nobody"] } }),
            "to",
            "",
        ),
        (
            json!({ "name": "x", "service_type": "email", "config": { "to": ["a@b.example\r\nBcc: c@d.example"] } }),
            "to",
            "",
        ),
    ] {
        let answer = client
            .post("/api/notifications/services", body.clone())
            .await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{body}: {answer:?}"
        );
        let fields = answer.json()["error"]["fields"].clone();
        let (name, why) = fields.as_object().unwrap().iter().next().unwrap();
        assert!(field.is_empty() || name == field, "{body}: {fields}");
        assert!(why.to_string().contains(remedy), "{body}: {fields}");
    }
    let all = client.get("/api/notifications/services").await.json();
    assert_eq!(all["items"], json!([]));
}

#[tokio::test]
async fn two_services_do_not_share_a_name() {
    let told = Told::start().await;
    let body = json!({ "name": "HOOK", "service_type": "webhook", "config": { "url": "https://a.example/" } });
    let answer = told.client.post("/api/notifications/services", body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.json()["error"]["fields"]["name"].is_string());
}

#[tokio::test]
async fn a_private_address_is_refused_with_the_remedy_until_the_setting_allows_it() {
    let (_app, client) = TestApp::with_admin().await;
    let receiver = Receiver::start().await;
    let id = add_webhook(&client, "hook", &receiver).await;
    let path = format!("/api/notifications/services/{id}/test");
    let test = || client.post(&path, json!({}));
    let refused = test().await.json();
    assert_eq!(refused["is_delivered"], false);
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("Allow private networks"),
        "{refused}"
    );
    assert!(receiver.came().is_empty());
    allow_private(&client).await;
    assert_eq!(test().await.json()["is_delivered"], true);
    let service = client
        .get(&format!("/api/notifications/services/{id}"))
        .await
        .json();
    assert_eq!(
        (&service["last_test_result"], &service["last_test_error"]),
        (&json!("success"), &Value::Null)
    );
}

#[tokio::test]
async fn cve_2026_46717_a_test_does_not_show_what_the_other_side_says() {
    let (_app, client) = TestApp::with_admin().await;
    allow_private(&client).await;
    let receiver = Receiver::answering(|_, _| {
        let mut page = status(200);
        *page.body_mut() = axum::body::Body::from("the inside of the house");
        page
    })
    .await;
    let draft = json!({ "service_type": "webhook", "config": { "url": receiver.url } });
    let tested = client.post("/api/notifications/services/test", draft).await;
    assert_eq!(tested.json()["is_delivered"], true, "{tested:?}");
    assert!(!String::from_utf8_lossy(&tested.body).contains("inside"));
}

#[tokio::test]
async fn a_pasted_address_fills_the_form_and_every_kind_has_one() {
    let (_app, client) = TestApp::with_admin().await;
    let types = client.get("/api/notifications/service-types").await.json();
    let types = types["items"].as_array().unwrap().clone();
    assert!(types.len() >= 33, "{}", types.len());
    for one in &types {
        assert!(!one["fields"].as_array().unwrap().is_empty(), "{one}");
    }
    let url = json!({ "url": "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js" });
    let read = client
        .post("/api/notifications/services/read-url", url)
        .await
        .json();
    assert_eq!(read["service"], "discord", "{read}");
    assert!(
        !read["address"].as_str().unwrap().contains("JHMHI8qBe7"),
        "{read}"
    );
    let body = json!({ "name": "d", "service_type": "apprise", "config": { "service": "discord", "fields": read["fields"], "tags": ["ops"] } });
    let made = client.post("/api/notifications/services", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.json()["config"]["tags"], json!(["ops"]));
    assert!(!String::from_utf8_lossy(&made.body).contains("JHMHI8qBe7"));
}

#[tokio::test]
async fn deleting_a_service_keeps_its_history() {
    let told = Told::start().await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    super::happen(
        &told.app,
        "backup.failed",
        flowkeep::platform::events::Severity::Error,
        json!({}),
    )
    .await;
    told.run().await;
    let gone = told
        .client
        .delete(&format!("/api/notifications/services/{}", told.service_id))
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let history = told.history().await;
    assert_eq!(history[0]["service_name"], "hook");
    assert_eq!(history[0]["service_id"], Value::Null);
    assert_eq!(
        told.client.get("/api/notifications/rules").await.json()["items"],
        json!([])
    );
    let again = told
        .client
        .post(
            &format!("/api/notifications/retry/{}", history[0]["id"]),
            json!({}),
        )
        .await;
    assert_eq!(again.status, StatusCode::CONFLICT);
}
