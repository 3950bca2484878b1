//! When nobody acknowledges, the next is told; and the bell.

use chrono::TimeDelta;
use flowkeep::platform::events::Severity;
use http::StatusCode;
use serde_json::json;

use super::{Told, add_webhook, allow_private, happen};
use crate::support::app::TestApp;
use crate::support::receiver::{Receiver, status};

/// An application that knows its own address.
async fn told() -> Told {
    let app = TestApp::builder()
        .args(&["--public-url", "https://keep.example.org/box"])
        .start()
        .await;
    app.setup_admin().await;
    let client = app.client();
    client.login().await;
    allow_private(&client).await;
    app.state.notifications.run_once().await.unwrap();
    let receiver = Receiver::start().await;
    let service_id = add_webhook(&client, "hook", &receiver).await;
    Told {
        app,
        client,
        receiver,
        service_id,
    }
}

fn token(link: &serde_json::Value) -> String {
    let link = link.as_str().unwrap();
    let token = link.strip_prefix("https://keep.example.org/box/acknowledge#token=");
    token.unwrap_or_else(|| panic!("{link}")).to_owned()
}

#[tokio::test]
async fn what_was_sent_is_kept_as_it_was_but_for_what_only_the_receiver_may_know() {
    let told = told().await;
    let next_id = add_webhook(&told.client, "next", &told.receiver).await;
    told.rule(
        json!({ "event_type": "backup.failed", "custom_title": "Look at {{ backup_type }}",
        "conditions": { "escalation": [{ "after_minutes": 10, "service_id": next_id }] } }),
    )
    .await;
    let data = json!({ "backup_type": "flows", "message": "x" });
    happen(&told.app, "backup.failed", Severity::Error, data).await;
    told.run().await;
    let came = told.receiver.came()[0].json();
    let token = token(&came["data"]["acknowledge"]);
    let row = told.history().await.remove(0);
    let path = format!("/api/notifications/history/{}", row["id"]);
    let details = told.client.get(&path).await.json();
    let payload = details["payload"].as_str().unwrap();
    let tag = token.rsplit('.').next().unwrap();
    assert_eq!(payload, came.to_string().replace(tag, "***"));
    assert!(payload.contains("Look at flows"), "{payload}");
}

#[tokio::test]
async fn if_nobody_acknowledges_the_next_is_told_until_somebody_does() {
    let told = told().await;
    let (second, third) = (Receiver::start().await, Receiver::start().await);
    let second_id = add_webhook(&told.client, "second", &second).await;
    let third_id = add_webhook(&told.client, "third", &third).await;
    told.rule(json!({ "event_type": "backup.failed", "conditions": { "escalation": [
        { "after_minutes": 10, "service_id": second_id }, { "after_minutes": 20, "service_id": third_id },
    ] } })).await;
    happen(
        &told.app,
        "backup.failed",
        Severity::Error,
        json!({ "backup_type": "flows", "message": "x" }),
    )
    .await;
    told.run().await;
    told.app.advance(TimeDelta::minutes(9));
    told.run().await;
    assert!(second.came().is_empty());
    told.app.advance(TimeDelta::minutes(1));
    told.run().await;
    let came = second.came();
    assert_eq!(came.len(), 1);
    let body = came[0].json();
    assert!(
        body["data"]["message"]
            .as_str()
            .unwrap()
            .starts_with("Nobody has acknowledged this for 10 minutes."),
        "{body}"
    );
    let token = token(&body["data"]["acknowledge"]);

    // Somebody without a session opens the link: looking changes nothing, the button does.
    let stranger = told.app.client();
    let looked = stranger
        .post(
            "/api/notifications/acknowledge/check",
            json!({ "token": token }),
        )
        .await;
    assert_eq!(
        (looked.status, looked.json()["status"].as_str()),
        (StatusCode::OK, Some("open")),
        "{looked:?}"
    );
    assert!(looked.json().get("id").is_none());
    let acknowledged = stranger
        .post("/api/notifications/acknowledge", json!({ "token": token }))
        .await;
    assert_eq!(
        acknowledged.json()["status"],
        "acknowledged",
        "{acknowledged:?}"
    );
    told.app.advance(TimeDelta::hours(2));
    told.run().await;
    assert!(third.came().is_empty(), "nobody further is told");
    assert!(
        told.app
            .audit_actions()
            .await
            .contains(&"notification.alert_acknowledged".to_owned())
    );
    // Again is fine, a forged or old link is not.
    let again = stranger
        .post("/api/notifications/acknowledge", json!({ "token": token }))
        .await;
    assert_eq!(again.status, StatusCode::OK);
    for bad in ["", "1.2.3", &format!("{}x", &token[..token.len() - 1])] {
        let refused = stranger
            .post("/api/notifications/acknowledge", json!({ "token": bad }))
            .await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::FORBIDDEN, "bad_link".to_owned()),
            "{bad}"
        );
    }
    told.app.advance(TimeDelta::days(4));
    let old = stranger
        .post("/api/notifications/acknowledge", json!({ "token": token }))
        .await;
    assert_eq!(old.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_recovery_of_the_same_thing_ends_the_escalation() {
    let told = told().await;
    let second = Receiver::start().await;
    let second_id = add_webhook(&told.client, "second", &second).await;
    told.rule(
        json!({ "event_type": "container.unhealthy", "conditions": { "escalation": [
        { "after_minutes": 10, "service_id": second_id },
    ] } }),
    )
    .await;
    for name in ["a", "b"] {
        happen(
            &told.app,
            "container.unhealthy",
            Severity::Error,
            json!({ "container": name }),
        )
        .await;
    }
    happen(
        &told.app,
        "container.recovered",
        Severity::Info,
        json!({ "container": "a" }),
    )
    .await;
    told.run().await;
    let alerts = told.client.get("/api/notifications/alerts").await.json();
    let states: Vec<_> = alerts["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["title"].as_str().unwrap(),
                one["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [("b is unhealthy", "open"), ("a is unhealthy", "resolved")]
    );
    told.app.advance(TimeDelta::minutes(11));
    told.run().await;
    assert_eq!(
        second.came().len(),
        1,
        "only for the one that is still unwell"
    );
    let id = &alerts["items"][0]["id"];
    let done = told
        .client
        .post(
            &format!("/api/notifications/alerts/{id}/acknowledge"),
            json!({}),
        )
        .await
        .json();
    assert_eq!(
        (done["status"].as_str(), done["closed_by"].as_str()),
        (Some("acknowledged"), Some("admin"))
    );
}

#[tokio::test]
async fn the_bell_counts_what_needs_a_look_and_forgets_what_was_seen() {
    let told = Told::start().await;
    let feed = || told.client.get("/api/notifications/feed?limit=5");
    let first = feed().await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    let newest = first.json()["items"][0]["id"].clone();
    let seen = told
        .client
        .post("/api/notifications/feed/seen", json!({ "id": newest }))
        .await;
    assert_eq!(seen.status, StatusCode::NO_CONTENT);
    happen(
        &told.app,
        "backup.started",
        Severity::Info,
        json!({ "id": 1, "backup_type": "flows" }),
    )
    .await;
    happen(
        &told.app,
        "backup.failed",
        Severity::Error,
        json!({ "id": 1, "message": "No room." }),
    )
    .await;
    let now = feed().await.json();
    assert_eq!(now["unseen"], 1, "{now}");
    assert_eq!(
        (
            now["items"][0]["title"].as_str(),
            now["items"][0]["is_seen"].as_bool()
        ),
        (Some("Backup failed"), Some(false))
    );
    let severe = told
        .client
        .get("/api/notifications/feed?severity=error")
        .await
        .json();
    assert_eq!(severe["items"].as_array().unwrap().len(), 1);
    told.client
        .post(
            "/api/notifications/feed/seen",
            json!({ "id": now["items"][0]["id"] }),
        )
        .await;
    assert_eq!(feed().await.json()["unseen"], 0);
    let before = told
        .client
        .get(&format!(
            "/api/notifications/feed?before={}&limit=1",
            now["items"][0]["id"]
        ))
        .await
        .json();
    assert_eq!(before["items"][0]["event_type"], "backup.started");
    assert_eq!(
        told.client
            .get("/api/notifications/feed?limit=0")
            .await
            .status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

async fn alerts(told: &Told) -> Vec<(String, String)> {
    let alerts = told.client.get("/api/notifications/alerts").await.json();
    let text = |one: &serde_json::Value, part: &str| one[part].as_str().unwrap().to_owned();
    let items = alerts["items"].as_array().unwrap();
    items
        .iter()
        .map(|one| (text(one, "title"), text(one, "status")))
        .collect()
}

async fn unhealthy(told: &Told, container: &str) {
    let data = json!({ "container": container });
    happen(&told.app, "container.unhealthy", Severity::Error, data).await;
}

#[tokio::test]
async fn what_comes_as_a_digest_after_quiet_hours_must_be_acknowledged_too() {
    let told = told().await;
    let second = Receiver::start().await;
    let second_id = add_webhook(&told.client, "second", &second).await;
    told.rule(json!({ "event_type": "container.*", "conditions": {
        "quiet_hours": { "from": "11:00", "to": "13:00", "timezone": "UTC" },
        "escalation": [{ "after_minutes": 10, "service_id": second_id }],
    } }))
    .await;
    for name in ["a", "b", "c"] {
        unhealthy(&told, name).await;
    }
    let over = json!({ "container": "c" });
    happen(&told.app, "container.recovered", Severity::Info, over).await;
    told.run().await;
    assert!(alerts(&told).await.is_empty(), "nobody was told yet");
    told.app.advance(TimeDelta::hours(1));
    told.run().await;
    let digest = told.receiver.came().remove(0).json();
    assert!(digest["data"]["acknowledge"].is_string(), "{digest}");
    assert_eq!(alerts(&told).await.len(), 1);
    told.app.advance(TimeDelta::minutes(10));
    told.run().await;
    let next = second.came().remove(0).json();
    let words = next["data"]["message"].as_str().unwrap();
    assert!(
        words.starts_with("Nobody has acknowledged") && words.contains("b is unhealthy"),
        "{next}"
    );
}

#[tokio::test]
async fn a_trouble_that_comes_back_after_everybody_was_told_is_told_to_everybody_again() {
    let told = told().await;
    let second = Receiver::start().await;
    let second_id = add_webhook(&told.client, "second", &second).await;
    told.rule(
        json!({ "event_type": "security.account_locked", "conditions": {
        "escalation": [{ "after_minutes": 10, "service_id": second_id }],
    } }),
    )
    .await;
    for times in 1..=2 {
        let data = json!({ "username": "admin" });
        happen(&told.app, "security.account_locked", Severity::Error, data).await;
        told.run().await;
        told.app.advance(TimeDelta::minutes(10));
        told.run().await;
        assert_eq!(second.came().len(), times);
        told.app.advance(TimeDelta::days(1));
        told.run().await;
    }
}

#[tokio::test]
async fn what_recovered_and_failed_again_is_open_and_good_news_never_is() {
    let told = told().await;
    let second = Receiver::start().await;
    let second_id = add_webhook(&told.client, "second", &second).await;
    told.rule(json!({ "event_type": "container.*", "conditions": {
        "escalation": [{ "after_minutes": 10, "service_id": second_id }],
    } }))
    .await;
    unhealthy(&told, "a").await;
    let over = json!({ "container": "a" });
    happen(&told.app, "container.recovered", Severity::Info, over).await;
    unhealthy(&told, "a").await;
    let begun = json!({ "container": "b" });
    happen(&told.app, "container.started", Severity::Info, begun).await;
    told.run().await;
    let states = alerts(&told).await;
    let states: Vec<_> = states.iter().map(|(_, status)| status.as_str()).collect();
    assert_eq!(states, ["open", "resolved"]);
}

#[tokio::test]
async fn a_step_that_could_not_be_told_in_time_is_not_told_after_the_acknowledgement() {
    let told = told().await;
    let second = Receiver::answering(|_, _| status(503)).await;
    let second_id = add_webhook(&told.client, "second", &second).await;
    told.rule(json!({ "event_type": "container.unhealthy", "conditions": {
        "escalation": [{ "after_minutes": 10, "service_id": second_id }],
    } }))
    .await;
    unhealthy(&told, "a").await;
    told.run().await;
    told.app.advance(TimeDelta::minutes(10));
    told.run().await;
    assert_eq!(second.came().len(), 1);
    let open = told.client.get("/api/notifications/alerts").await.json();
    let path = format!(
        "/api/notifications/alerts/{}/acknowledge",
        open["items"][0]["id"]
    );
    assert_eq!(
        told.client.post(&path, json!({})).await.status,
        StatusCode::OK
    );
    told.app.advance(TimeDelta::minutes(1));
    told.run().await;
    assert_eq!(second.came().len(), 1);
    let newest = told.history().await.remove(0);
    assert_eq!(
        (
            newest["skip_code"].as_str(),
            newest["escalation_step"].as_i64()
        ),
        (Some("acknowledged"), Some(1))
    );
}

#[tokio::test]
async fn a_step_that_nobody_would_hear_is_passed_over_at_once_and_a_rule_that_is_off_takes_none() {
    let told = told().await;
    let (second, third) = (Receiver::start().await, Receiver::start().await);
    let second_id = add_webhook(&told.client, "second", &second).await;
    let third_id = add_webhook(&told.client, "third", &third).await;
    let fourth_id = add_webhook(&told.client, "fourth", &third).await;
    let rule = json!({ "event_type": "container.unhealthy", "conditions": { "escalation": [
        { "after_minutes": 10, "service_id": second_id }, { "after_minutes": 20, "service_id": third_id },
        { "after_minutes": 30, "service_id": fourth_id },
    ] } });
    let id = told.rule(rule).await;
    let off =
        json!({ "name": "second", "service_type": "webhook", "config": {}, "enabled": false });
    let path = format!("/api/notifications/services/{second_id}");
    assert_eq!(told.client.put(&path, off).await.status, StatusCode::OK);
    unhealthy(&told, "a").await;
    told.run().await;
    told.app.advance(TimeDelta::minutes(10));
    told.run().await;
    assert_eq!((second.came().len(), third.came().len()), (0, 1));
    let lines = told.history().await;
    assert!(
        lines
            .iter()
            .any(|row| row["skip_code"] == "service_disabled" && row["escalation_step"] == 1),
        "{lines:?}"
    );

    // A service that goes takes its steps along; the rule can still be changed.
    assert_eq!(
        told.client.delete(&path).await.status,
        StatusCode::NO_CONTENT
    );
    let path = format!("/api/notifications/rules/{id}");
    let mut left = told.client.get(&path).await.json();
    let steps: Vec<_> = left["conditions"]["escalation"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["service_id"].clone())
        .collect();
    assert_eq!(steps, [json!(third_id), json!(fourth_id)]);
    for given in ["id", "created_at", "updated_at", "last_triggered", "fault"] {
        left.as_object_mut().unwrap().remove(given);
    }
    left["enabled"] = json!(false);
    let changed = told.client.put(&path, left).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    told.app.advance(TimeDelta::minutes(30));
    told.run().await;
    assert_eq!(
        third.came().len(),
        1,
        "a rule that is off tells nobody further"
    );
}

#[tokio::test]
async fn a_warning_ends_with_what_it_was_about_and_with_nothing_else() {
    let told = told().await;
    let rule = |event_type: &str| {
        json!({ "name": event_type, "event_type": event_type, "conditions": { "escalation": [
            { "after_minutes": 10, "service_id": told.service_id },
        ] } })
    };
    told.rule(rule("backup.warning")).await;
    told.rule(rule("container.restarted")).await;
    let (n8n, flows) = ("postgres_n8n", "flows");
    let stale = |kind: &str| json!({ "trouble": format!("stale:{kind}"), "backup_type": kind });
    let skipped = |kind: &str| json!({ "code": "run_skipped", "backup_type": kind });
    let container = |name: &str| json!({ "container": name });
    for (event_type, data) in [
        ("backup.warning", stale(n8n)),
        ("backup.warning", stale(flows)),
        ("backup.warning", skipped(n8n)),
        ("backup.warning", skipped(flows)),
        ("container.restarted", container("a")),
        ("container.restarted", container("b")),
    ] {
        happen(&told.app, event_type, Severity::Error, data).await;
    }
    told.run().await;
    let open = async || {
        let sql = "SELECT string_agg(subject, ' ' ORDER BY subject) FROM notification_alerts WHERE status = 'open'";
        told.app.sql::<String>(sql).await
    };
    assert_eq!(
        open().await,
        "backup:flows backup:postgres_n8n backup:stale:flows backup:stale:postgres_n8n container:a container:b"
    );
    // A new backup is there; it is not proven yet.
    for (event_type, data) in [
        ("backup.success", json!({ "id": 7, "backup_type": n8n })),
        ("container.recovered", container("a")),
    ] {
        happen(&told.app, event_type, Severity::Info, data).await;
    }
    told.run().await;
    assert_eq!(
        open().await,
        "backup:flows backup:stale:flows backup:stale:postgres_n8n container:b"
    );
    happen(&told.app, "backup.recovered", Severity::Info, stale(n8n)).await;
    told.run().await;
    assert_eq!(open().await, "backup:flows backup:stale:flows container:b");
}

#[tokio::test]
async fn a_restart_that_is_done_waits_for_nobody_and_one_that_does_not_end_does() {
    let told = told().await;
    let second = Receiver::start().await;
    let second_id = add_webhook(&told.client, "second", &second).await;
    told.rule(json!({ "event_type": "container.*", "conditions": {
        "escalation": [{ "after_minutes": 10, "service_id": second_id }],
    } }))
    .await;
    let done = json!({ "container": "n8n_app", "is_over": true, "message": "It runs again." });
    happen(&told.app, "container.restarted", Severity::Warning, done).await;
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1, "it is told");
    assert!(alerts(&told).await.is_empty());
    let storm = json!({ "container": "n8n_app", "message": "It does not come to rest." });
    happen(&told.app, "container.restarted", Severity::Error, storm).await;
    told.run().await;
    assert_eq!(alerts(&told).await.len(), 1);
}
