//! What is secret does not come out: not by what a server says, not at another place, not in a test.

use axum::body::Body;
use flowkeep::features::notifications::channels::Parts;
use flowkeep::features::notifications::channels::apprise::Target;
use flowkeep::platform::events::Severity;
use http::StatusCode;
use serde_json::{Value, json};

use super::targets::TARGETS;
use super::wire::{Arrived, Receiver, Reply};
use super::{Told, add_webhook, allow_private, happen, message};
use crate::support::app::{TestApp, TestClient};
use crate::support::receiver::{Receiver as Server, status};

/// Says all that it was told, as a chatty server does.
fn chatty(request: &Arrived) -> Reply {
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let said = format!("{} {} {}", request.method, request.uri, headers.join(", "));
    Reply::new(
        404,
        json!({ "message": said.replace('/', "\\/") }).to_string(),
    )
}

#[tokio::test]
async fn a_server_that_repeats_the_whole_request_tells_nobody_a_secret() {
    for (name, url) in TARGETS {
        let target = Target::read(url).unwrap();
        for answer in [chatty as fn(&Arrived) -> Reply, |request: &Arrived| {
            Reply::new(404, format!("no route for {}", request.uri))
        }] {
            let receiver = Receiver::answering(answer).await;
            let parts = Parts::default();
            let attempt = receiver.attempt(&target, &message(), parts).await;
            let sent = attempt.payload.unwrap_or_default();
            let undelivered = attempt.outcome.expect_err(name);
            for secret in target.secrets().iter().filter(|secret| secret.len() > 3) {
                // Words that every address holds are none of the secret's own.
                let own = secret
                    .split('/')
                    .filter(|part| part.len() > 3 && *part != "path");
                for part in own {
                    assert!(!sent.contains(part), "{name}: {sent}");
                    assert!(
                        !undelivered.why.contains(part),
                        "{name}: {}",
                        undelivered.why
                    );
                }
            }
            for basic in ["dXNlcjpwYXNz", "OmZlZGNiYTk4", "YXBpOmtleS1jY2M"] {
                assert!(
                    !undelivered.why.contains(basic),
                    "{name}: {}",
                    undelivered.why
                );
            }
        }
    }
}

#[tokio::test]
async fn a_secret_that_a_long_answer_is_cut_in_is_not_told_in_part() {
    let target = Target::read("tgram://123456789:abcdefg_hijklmnop/1").unwrap();
    for length in 250..300 {
        let words = format!("{} 123456789:abcdefg_hijklmnop", "x".repeat(length));
        let answer = json!({ "ok": false, "description": words }).to_string();
        let receiver = Receiver::start(Reply::new(400, answer)).await;
        let undelivered = receiver.deliver(&target, &message()).await.unwrap_err();
        assert!(!undelivered.why.contains("12345"), "{}", undelivered.why);
    }
}

const CONFIG: &str = "hidden-path";

async fn add(client: &TestClient, body: Value) -> Value {
    let made = client.post("/api/notifications/services", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.json()
}

#[tokio::test]
async fn a_webhooks_path_comes_out_in_no_history_no_error_and_no_other_channel() {
    let told = Told::by(
        Server::answering(|_, came| {
            let words = format!(
                "The requested webhook \"{} {}\" is not registered.",
                came.method, came.path
            );
            let mut answer = status(404);
            *answer.body_mut() = Body::from(json!({ "message": words }).to_string());
            answer
        })
        .await,
    )
    .await;
    let other = Server::start().await;
    add_webhook(&told.client, "other", &other).await;
    let url = told
        .receiver
        .url
        .replace("http://", "http://ann:hidden-word@");
    let port = url.rsplit(':').next().unwrap();
    let made = [
        json!({ "name": "n8n", "service_type": "webhook", "priority": 9, "config": { "url": format!("{url}/webhook/{CONFIG}?key=hidden-key") } }),
        json!({ "name": "json", "service_type": "apprise", "config": { "url": format!("json://ann:hidden-word@127.0.0.1:{port}/webhook/{CONFIG}") } }),
        json!({ "name": "ntfy", "service_type": "ntfy", "config": { "server": told.receiver.url, "topic": "t", "token": "tk_hidden" } }),
    ];
    let mut shown = Vec::new();
    for body in made {
        let service = add(&told.client, body).await;
        let id = service["id"].clone();
        shown.push(service.to_string());
        let path = format!("/api/notifications/services/{id}");
        let tested = told.client.post(&format!("{path}/test"), json!({})).await;
        assert_eq!(tested.json()["is_delivered"], false, "{tested:?}");
        shown.push(tested.text());
        told.rule(
            json!({ "name": format!("r{id}"), "event_type": "backup.failed", "service_id": id }),
        )
        .await;
    }
    happen(
        &told.app,
        "backup.failed",
        Severity::Error,
        json!({ "message": "x" }),
    )
    .await;
    // What fails is told the next, which may fail too.
    for _ in 0..6 {
        told.run().await;
    }
    for path in ["services", "history?limit=200", "rules"] {
        let answer = told.client.get(&format!("/api/notifications/{path}")).await;
        shown.push(answer.text());
    }
    let heard = other.came();
    assert!(!heard.is_empty(), "what failed was told another channel");
    shown.extend(
        heard
            .iter()
            .map(|came| String::from_utf8_lossy(&came.body).into_owned()),
    );
    assert!(
        shown.iter().any(|text| text.contains("not registered")),
        "{shown:?}"
    );
    for text in &shown {
        assert!(!text.contains("hidden"), "{text}");
        assert!(!text.contains("YW5uOmhpZGRlbi13b3Jk"), "{text}");
    }
    let stored: String = told
        .app
        .sql("SELECT string_agg(config::text || COALESCE(secret::text, ''), ' ') FROM notification_services")
        .await;
    assert!(!stored.contains("hidden"), "{stored}");
}

#[tokio::test]
async fn what_was_kept_before_it_was_secret_is_not_shown_any_more() {
    let (app, client) = TestApp::with_admin().await;
    let made = add(
        &client,
        json!({ "name": "old", "service_type": "apprise", "config": { "url": "jsons://hooks.example.org/hidden-path" } }),
    )
    .await;
    let id = made["id"].clone();
    app.execute(
        "UPDATE notification_services SET secret = NULL, config = \
         '{\"service\": \"json\", \"fields\": {\"host\": \"hooks.example.org\", \"tls\": true, \"path\": \"hidden-path\"}, \
           \"kept\": [], \"verify\": true, \"address\": \"jsons://hooks.example.org/hidden-path\", \"tags\": []}'",
    )
    .await;
    let shown = client.get("/api/notifications/services").await;
    assert!(!shown.text().contains("hidden"), "{shown:?}");
    let config = &shown.json()["items"][0]["config"];
    assert_eq!(config["kept"], json!(["path"]), "{config}");
    assert_eq!(config["address"], "jsons://hooks.example.org/***");
    // The next change seals it.
    let body = json!({ "name": "old", "service_type": "apprise", "config": { "service": "json", "fields": { "host": "hooks.example.org", "tls": true } } });
    let changed = client
        .put(&format!("/api/notifications/services/{id}"), body)
        .await;
    assert_eq!(
        changed.json()["config"]["kept"],
        json!(["path"]),
        "{changed:?}"
    );
    let stored: String = app
        .sql("SELECT config::text FROM notification_services")
        .await;
    assert!(!stored.contains("hidden"), "{stored}");
}

#[tokio::test]
async fn a_kept_secret_goes_nowhere_else_and_never_less_protected() {
    let (_app, client) = TestApp::with_admin().await;
    allow_private(&client).await;
    let evil = Server::start().await;
    let (_, port) = evil.url.rsplit_once(':').unwrap();
    let port: u16 = port.parse().unwrap();
    let cases = [
        (
            json!({ "service_type": "webhook", "config": { "url": "https://hooks.example.org/a", "headers": { "X-Token": "hidden" } } }),
            vec![
                json!({ "url": evil.url }),
                json!({ "url": "http://hooks.example.org/a" }),
                json!({ "verify": false }),
            ],
            vec![
                json!({ "url": "https://HOOKS.example.org/other" }),
                json!({ "method": "PUT" }),
            ],
            "headers",
        ),
        (
            json!({ "service_type": "ntfy", "config": { "topic": "a", "token": "tk_hidden", "server": "http://ntfy.example.org" } }),
            vec![
                json!({ "topic": "a", "server": evil.url }),
                json!({ "topic": "a" }),
            ],
            vec![
                json!({ "topic": "b", "server": "http://ntfy.example.org" }),
                json!({ "topic": "a", "server": "https://ntfy.example.org" }),
            ],
            "token",
        ),
        (
            json!({ "service_type": "apprise", "config": { "url": "gotifys://gotify.example.org/tokenABC" } }),
            vec![
                json!({ "service": "gotify", "fields": { "host": "127.0.0.1", "port": port } }),
                json!({ "service": "gotify", "fields": { "host": "gotify.example.org" } }),
                json!({ "service": "gotify", "fields": { "host": "gotify.example.org", "tls": true, "port": 8443 } }),
                json!({ "service": "gotify", "verify": false, "fields": { "host": "gotify.example.org", "tls": true } }),
            ],
            vec![
                json!({ "service": "gotify", "fields": { "host": "gotify.example.org", "tls": true, "priority": "low" } }),
            ],
            "token",
        ),
        (
            json!({ "service_type": "apprise", "config": { "url": "mailtos://user:hidden@example.org?smtp=smtp.example.org" } }),
            vec![
                json!({ "service": "mailto", "fields": { "host": "example.org", "user": "user", "smtp": "evil.example", "tls": true, "mode": "starttls" } }),
                json!({ "service": "mailto", "fields": { "host": "example.org", "user": "user", "smtp": "smtp.example.org", "mode": "insecure" } }),
            ],
            vec![
                json!({ "service": "mailto", "fields": { "host": "example.org", "user": "user", "smtp": "smtp.example.org", "mode": "ssl" } }),
            ],
            "password",
        ),
    ];
    for (at, (first, elsewhere, same, field)) in cases.into_iter().enumerate() {
        let mut body = first;
        body["name"] = format!("s{at}").into();
        let id = add(&client, body.clone()).await["id"].clone();
        let path = format!("/api/notifications/services/{id}");
        for config in elsewhere {
            body["config"] = config.clone();
            let changed = client.put(&path, body.clone()).await;
            assert_eq!(
                changed.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{config}: {changed:?}"
            );
            let fields = changed.json()["error"]["fields"].clone();
            let (name, why) = fields.as_object().unwrap().iter().next().unwrap();
            assert!(name == field || name == "url", "{config}: {changed:?}");
            assert!(
                why.to_string().contains("give it again"),
                "{config}: {changed:?}"
            );
            let draft = json!({ "service_type": body["service_type"], "config": config, "id": id });
            let tested = client.post("/api/notifications/services/test", draft).await;
            assert_eq!(
                tested.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{tested:?}"
            );
        }
        for config in same {
            body["config"] = config.clone();
            let changed = client.put(&path, body.clone()).await;
            assert_eq!(changed.status, StatusCode::OK, "{config}: {changed:?}");
        }
    }
    assert!(evil.came().is_empty());
}

#[tokio::test]
async fn cve_2026_46717_a_failed_test_does_not_show_what_stands_in_the_network_around() {
    let (_app, client) = TestApp::with_admin().await;
    allow_private(&client).await;
    let receiver = Server::answering(|_, _| {
        let mut page = status(403);
        *page.body_mut() = Body::from("the inside of the house");
        page
    })
    .await;
    let (_, port) = receiver.url.rsplit_once(':').unwrap();
    let drafts = [
        json!({ "service_type": "webhook", "config": { "url": receiver.url } }),
        json!({ "service_type": "apprise", "config": { "url": format!("json://127.0.0.1:{port}/x") } }),
        json!({ "service_type": "apprise", "config": { "url": format!("xml://127.0.0.1:{port}/x") } }),
        json!({ "service_type": "apprise", "config": { "url": format!("form://127.0.0.1:{port}/x?method=get") } }),
    ];
    for draft in drafts {
        let tested = client.post("/api/notifications/services/test", draft).await;
        assert_eq!(tested.json()["status"], 403, "{tested:?}");
        assert_eq!(tested.json()["error"], "it answered 403", "{tested:?}");
    }
}
