//! Nothing goes unheard: what happens when a channel, a rule or the daemon itself is gone at the wrong moment.

use chrono::TimeDelta;
use flowkeep::platform::events::Severity;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Told, add_webhook, happen};
use crate::support::receiver::{Receiver, status};

async fn failed(told: &Told, message: &str) {
    let data = json!({ "backup_type": message, "message": message });
    happen(&told.app, "backup.failed", Severity::Error, data).await;
}

async fn details(told: &Told, row: &Value) -> Value {
    let path = format!("/api/notifications/history/{}", row["id"]);
    told.client.get(&path).await.json()
}

async fn service(told: &Told, id: i64) -> Value {
    let path = format!("/api/notifications/services/{id}");
    told.client.get(&path).await.json()
}

async fn skipped(told: &Told) -> Vec<String> {
    let rows = told.history().await;
    let codes = rows.iter().filter_map(|row| row["skip_code"].as_str());
    codes.map(str::to_owned).collect()
}

fn messages(receiver: &Receiver) -> Vec<String> {
    let text = |one: Value| one["data"]["message"].as_str().unwrap().to_owned();
    receiver.came().iter().map(|one| text(one.json())).collect()
}

/// One that fails with these words in its answer until the clock says otherwise.
async fn failing(code: u16) -> Receiver {
    Receiver::answering(move |_, _| status(code)).await
}

#[tokio::test]
async fn an_answer_of_bytes_that_no_text_holds_is_an_answer() {
    let told = Told::by(
        Receiver::answering(|_, _| axum::response::Response::new(b"GIF\0\x01ok".to_vec().into()))
            .await,
    )
    .await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told, "x").await;
    told.run().await;
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1, "told once");
    let row = told.history().await.remove(0);
    assert_eq!(row["status"], "sent");
    assert_eq!(details(&told, &row).await["response_text"], "GIFok");
}

#[tokio::test]
async fn every_attempt_is_kept_with_its_answer() {
    let told =
        Told::by(Receiver::answering(|at, _| status(if at < 2 { 503 } else { 200 })).await).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told, "x").await;
    for seconds in [0, 7, 40] {
        told.app.advance(TimeDelta::seconds(seconds));
        told.run().await;
    }
    let row = told.history().await.remove(0);
    let details = details(&told, &row).await;
    let attempts = details["attempts"].as_array().unwrap();
    let outcomes: Vec<_> = attempts
        .iter()
        .map(|one| {
            (
                one["outcome"].as_str().unwrap(),
                one["response_status"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(outcomes, [("failed", 503), ("failed", 503), ("sent", 200)]);
    assert!(
        attempts[0]["error"].as_str().unwrap().contains("503"),
        "{details}"
    );
}

#[tokio::test]
async fn f59_after_a_channel_is_gone_another_one_is_told_of_everything_and_that_it_is_gone() {
    let told = Told::by(failing(410).await).await;
    let other = Receiver::start().await;
    let other_id = add_webhook(&told.client, "other", &other).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    told.rule(json!({ "event_type": "management.service_off", "service_id": other_id }))
        .await;
    failed(&told, "first").await;
    told.run().await;
    told.run().await;
    failed(&told, "second").await;
    told.run().await;
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1, "it is asked no more");
    let came = messages(&other);
    assert_eq!(came.len(), 3, "{came:?}");
    assert!(came.iter().any(|one| one.contains("first")), "{came:?}");
    assert!(came.iter().any(|one| one.contains("second")), "{came:?}");
    assert!(
        came.iter().any(|one| one.starts_with("It answered 410")),
        "{came:?}"
    );
    assert!(
        told.app
            .audit_actions()
            .await
            .contains(&"notification.service_changed".to_owned())
    );
    // One that somebody switched off on purpose stays silent.
    let body = json!({ "name": "hook", "service_type": "webhook", "config": {}, "enabled": true });
    let path = format!("/api/notifications/services/{}", told.service_id);
    assert_eq!(
        told.client.put(&path, body.clone()).await.status,
        StatusCode::OK
    );
    let mut off = body;
    off["enabled"] = json!(false);
    assert_eq!(told.client.put(&path, off).await.status, StatusCode::OK);
    failed(&told, "third").await;
    told.run().await;
    told.run().await;
    assert!(!messages(&other).iter().any(|one| one.contains("third")));
}

#[tokio::test]
async fn f05_what_was_in_flight_when_a_daemon_died_goes_on_when_the_next_one_starts() {
    let told = Told::start().await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told, "x").await;
    told.app.state.notifications.dispatch().await.unwrap();
    told.app
        .execute(
            "UPDATE notification_history SET lease_expires_at = next_retry + INTERVAL '15 minutes'",
        )
        .await;
    let lifecycle = &told.app.state.lifecycle;
    let stop = lifecycle.soft().child_token();
    let (notifications, over) = (told.app.state.notifications.clone(), stop.clone());
    lifecycle.spawn(
        "notifications",
        async move { notifications.work(over).await },
    );
    let limit = std::time::Duration::from_secs(10);
    let came = tokio::time::timeout(limit, told.receiver.wait_for(1)).await;
    came.expect("nobody waits for a lease whose holder is dead");
    stop.cancel();
}

#[tokio::test]
async fn f05_a_failure_and_what_stands_in_for_it_are_noted_together_or_not_at_all() {
    let told = Told::by(failing(400).await).await;
    let other = Receiver::start().await;
    add_webhook(&told.client, "other", &other).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    told.app
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$",
        )
        .await;
    told.app
        .execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON notification_history FOR EACH ROW \
             WHEN (NEW.fallback_of IS NOT NULL) EXECUTE FUNCTION refuse()",
        )
        .await;
    failed(&told, "x").await;
    assert!(told.app.state.notifications.run_once().await.is_err());
    assert_eq!(told.history().await[0]["status"], "pending");
    told.app
        .execute("DROP TRIGGER refuse ON notification_history")
        .await;
    told.run().await;
    told.run().await;
    assert_eq!(other.came().len(), 1);
    let states: Vec<_> = told
        .history()
        .await
        .iter()
        .map(|row| row["status"].clone())
        .collect();
    assert_eq!(states, ["sent", "failed"]);
}

#[tokio::test]
async fn f57_who_asks_to_be_left_alone_is_with_all_that_waits_for_it() {
    let told = Told::by(
        Receiver::answering(|at, _| {
            let mut answer = status(if at == 0 { 429 } else { 200 });
            answer
                .headers_mut()
                .insert("retry-after", "35".parse().unwrap());
            answer
        })
        .await,
    )
    .await;
    // One at a time, as people read.
    let body = json!({ "name": "phone", "service_type": "ntfy", "config": { "server": told.receiver.url, "topic": "t" } });
    let made = told.client.post("/api/notifications/services", body).await;
    let phone = made.json()["id"].as_i64().unwrap();
    told.rule(json!({ "event_type": "backup.failed", "service_id": phone }))
        .await;
    for at in 0..4 {
        failed(&told, &format!("m{at}")).await;
    }
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1, "the others wait too");
    let tries: i64 = told
        .app
        .sql("SELECT SUM(retry_count)::bigint FROM notification_history")
        .await;
    assert_eq!(tries, 1, "and use up no attempt");
    failed(&told, "later").await;
    told.app.advance(TimeDelta::seconds(34));
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1, "also what comes later");
    told.app.advance(TimeDelta::seconds(10));
    told.run().await;
    assert_eq!(told.receiver.came().len(), 6);
    assert!(service(&told, phone).await["failing_since"].is_null());
}

#[tokio::test]
async fn f59_while_a_channel_is_left_alone_for_long_another_one_is_told_after_two_minutes() {
    let told = Told::by(
        Receiver::answering(|_, _| {
            let mut answer = status(429);
            answer
                .headers_mut()
                .insert("retry-after", "86400".parse().unwrap());
            answer
        })
        .await,
    )
    .await;
    let other = Receiver::start().await;
    add_webhook(&told.client, "other", &other).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told, "first").await;
    told.run().await;
    failed(&told, "second").await;
    told.run().await;
    assert!(other.came().is_empty());
    told.app.advance(TimeDelta::minutes(2));
    told.run().await;
    told.run().await;
    let came = messages(&other);
    assert_eq!(came.len(), 2, "{came:?}");
    assert!(
        came[0].contains("hook could not be reached: it answered 429"),
        "{came:?}"
    );
    told.app.advance(TimeDelta::minutes(2));
    told.run().await;
    assert_eq!(other.came().len(), 2, "once");
}

#[tokio::test]
async fn f60_what_is_new_is_tried_before_what_failed() {
    let told = Told::by(failing(500).await).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    for at in 0..3 {
        failed(&told, &format!("old {at}")).await;
    }
    told.run().await;
    told.app.advance(TimeDelta::seconds(7));
    failed(&told, "new").await;
    told.run().await;
    let came = messages(&told.receiver);
    assert_eq!(came[3], "new", "{came:?}");
}

#[tokio::test]
async fn what_was_taken_counts_no_more_when_the_service_goes_elsewhere() {
    let told = Told::by(failing(400).await).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told, "x").await;
    told.run().await;
    told.app
        .execute(r#"UPDATE notification_history SET parts = '{"taken": [0]}'"#)
        .await;
    let path = format!("/api/notifications/services/{}", told.service_id);
    let same = json!({ "name": "renamed", "service_type": "webhook", "config": {} });
    assert_eq!(told.client.put(&path, same).await.status, StatusCode::OK);
    let parts: bool = told
        .app
        .sql("SELECT parts IS NOT NULL FROM notification_history")
        .await;
    assert!(parts, "another name is no other place");
    let url = format!("{}/elsewhere", told.receiver.url);
    let other = json!({ "name": "renamed", "service_type": "webhook", "config": { "url": url } });
    assert_eq!(told.client.put(&path, other).await.status, StatusCode::OK);
    let parts: bool = told
        .app
        .sql("SELECT parts IS NOT NULL FROM notification_history")
        .await;
    assert!(!parts);
}

#[tokio::test]
async fn a_retry_by_hand_has_three_days_of_its_own() {
    let told =
        Told::by(Receiver::answering(|at, _| status(if at == 0 { 400 } else { 503 })).await).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told, "x").await;
    told.run().await;
    told.app.advance(TimeDelta::days(5));
    told.client.login().await;
    let row = told.history().await.remove(0);
    let path = format!("/api/notifications/retry/{}", row["id"]);
    assert_eq!(
        told.client.post(&path, json!({})).await.status,
        StatusCode::OK
    );
    told.run().await;
    told.app.state.notifications.tidy().await.unwrap();
    assert_eq!(
        told.history().await[0]["status"],
        "pending",
        "it is tried on"
    );
    told.app.advance(TimeDelta::days(4));
    told.app.state.notifications.tidy().await.unwrap();
    told.client.login().await;
    assert_eq!(told.history().await[0]["skip_code"], "expired");
}

#[tokio::test]
async fn what_was_gathered_has_a_line_when_its_rule_is_off_or_gone() {
    let told = Told::start().await;
    let spare = Receiver::start().await;
    let spare_id = add_webhook(&told.client, "spare", &spare).await;
    let gather = |name: &str, service: i64| {
        json!({ "name": name, "event_type": "backup.failed", "service_id": service,
            "conditions": { "batch": { "window_seconds": 600, "by": "rule" } } })
    };
    let off = told.rule(gather("off", told.service_id)).await;
    let gone = told.rule(gather("gone", told.service_id)).await;
    told.rule(gather("service gone", spare_id)).await;
    failed(&told, "one").await;
    failed(&told, "two").await;
    told.run().await;
    let path = format!("/api/notifications/rules/{off}");
    let mut switched = gather("off", told.service_id);
    switched["enabled"] = json!(false);
    assert_eq!(
        told.client.put(&path, switched).await.status,
        StatusCode::OK
    );
    assert_eq!(
        told.client
            .delete(&format!("/api/notifications/rules/{gone}"))
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        told.client
            .delete(&format!("/api/notifications/services/{spare_id}"))
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    told.app.advance(TimeDelta::minutes(11));
    told.run().await;
    let mut codes = skipped(&told).await;
    codes.sort();
    assert_eq!(codes, ["rule_deleted", "rule_disabled", "service_deleted"]);
    let rows = told.history().await;
    assert!(rows.iter().all(|row| row["event_count"] == 2), "{rows:?}");
    assert!(told.receiver.came().is_empty() && spare.came().is_empty());
}

#[tokio::test]
async fn what_waits_for_a_service_that_is_deleted_says_so_at_once() {
    let told = Told::by(failing(503).await).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told, "x").await;
    told.run().await;
    let path = format!("/api/notifications/services/{}", told.service_id);
    assert_eq!(
        told.client.delete(&path).await.status,
        StatusCode::NO_CONTENT
    );
    let row = told.history().await.remove(0);
    assert_eq!(
        (row["status"].as_str(), row["skip_code"].as_str()),
        (Some("skipped"), Some("service_deleted"))
    );
}

#[tokio::test]
async fn what_was_gathered_comes_after_quiet_hours_that_began_meanwhile() {
    let told = Told::start().await;
    // It is 12:00 UTC when a test begins.
    told.rule(json!({ "event_type": "backup.failed", "conditions": {
        "batch": { "window_seconds": 3600, "by": "rule" },
        "quiet_hours": { "from": "12:30", "to": "15:00", "timezone": "UTC" },
    } }))
    .await;
    failed(&told, "one").await;
    failed(&told, "two").await;
    told.run().await;
    told.app.advance(TimeDelta::minutes(61));
    told.run().await;
    assert!(told.receiver.came().is_empty(), "it is quiet");
    told.app.advance(TimeDelta::hours(2));
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1);
}

#[tokio::test]
async fn a_rule_that_was_switched_off_is_off_also_if_another_one_lies_in_the_future() {
    let told = Told::start().await;
    let on = told.rule(json!({ "event_type": "backup.failed" })).await;
    told.rule(json!({ "name": "ahead", "event_type": "flow.restored" }))
        .await;
    told.app
        .execute("UPDATE notification_rules SET updated_at = '2031-01-01' WHERE name = 'ahead'")
        .await;
    failed(&told, "x").await;
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1);
    let off = json!({ "name": "r", "event_type": "backup.failed", "service_id": told.service_id, "enabled": false });
    assert_eq!(
        told.client
            .put(&format!("/api/notifications/rules/{on}"), off)
            .await
            .status,
        StatusCode::OK
    );
    failed(&told, "y").await;
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1);
}

#[tokio::test]
async fn outside_its_hours_a_rule_is_silent_and_says_so() {
    let told = Told::start().await;
    // 12:00 UTC on a Sunday is 21:00 in Tokyo.
    let hours = |from: &str, to: &str| json!({ "from": from, "to": to, "timezone": "Asia/Tokyo", "days": [6] });
    told.rule(json!({ "event_type": "backup.failed", "conditions": { "time_range": hours("20:00", "22:00") } })).await;
    told.rule(json!({ "event_type": "backup.failed", "conditions": { "time_range": hours("08:00", "20:00") } })).await;
    failed(&told, "x").await;
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1);
    assert_eq!(skipped(&told).await, ["out_of_hours"]);
}

#[tokio::test]
async fn a_cooldown_is_for_each_thing_each_type_or_the_whole_rule() {
    for (kind, told_of) in [("subject", 3), ("event_type", 2), ("rule", 1)] {
        let told = Told::start().await;
        told.rule(json!({ "event_type": "backup.*", "cooldown_minutes": 30,
            "conditions": { "cooldown_for": kind, "severity_threshold": "error" } }))
            .await;
        for (event, about) in [
            ("failed", "a"),
            ("failed", "a"),
            ("failed", "b"),
            ("warning", "b"),
        ] {
            let data = json!({ "backup_type": about, "message": "x" });
            happen(&told.app, &format!("backup.{event}"), Severity::Error, data).await;
        }
        told.run().await;
        assert_eq!(told.receiver.came().len(), told_of, "{kind}");
    }
}

#[tokio::test]
async fn a_trial_shows_the_words_and_what_is_wrong_with_them() {
    let told = Told::start().await;
    failed(&told, "no room").await;
    let rule = json!({ "name": "r", "event_type": "backup.failed", "service_id": told.service_id,
        "custom_message": "Look: {{ message | upper }}", "custom_title": "{% if message == 'no room' %}{{ message | first | length }}{% endif %}" });
    let trial = told
        .client
        .post("/api/notifications/rules/try", json!({ "rule": rule }))
        .await
        .json();
    let item = &trial["items"][0];
    assert_eq!(
        (item["message"].as_str(), trial["is_cut"].as_bool()),
        (Some("Look: NO ROOM"), Some(false)),
        "{trial}"
    );
    let rule = json!({ "name": "r", "event_type": "backup.failed", "service_id": told.service_id,
        "custom_message": "{% if message == 'no room' %}{{ message | round }}{% endif %}" });
    let trial = told
        .client
        .post("/api/notifications/rules/try", json!({ "rule": rule }))
        .await
        .json();
    assert!(trial["items"][0]["fault"].is_string(), "{trial}");
    assert_eq!(
        trial["items"][0]["message"], "no room",
        "the usual words take its place"
    );
}
