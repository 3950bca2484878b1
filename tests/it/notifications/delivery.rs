//! Deliveries: what is tried again, what is not, and that nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use flowkeep::platform::events::Severity;
use http::StatusCode;
use serde_json::json;

use super::{Told, add_webhook, happen};
use crate::support::receiver::{Receiver, status};

async fn failed(told: &Told) {
    happen(
        &told.app,
        "backup.failed",
        Severity::Error,
        json!({ "message": "x" }),
    )
    .await;
}

#[tokio::test]
async fn f57_a_target_that_fails_is_tried_again_with_the_same_id_and_longer_waits() {
    let told =
        Told::by(Receiver::answering(|at, _| status(if at < 3 { 503 } else { 200 })).await).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told).await;
    told.run().await;
    let row = told.history().await.remove(0);
    assert_eq!(
        (row["status"].as_str(), row["retry_count"].as_i64()),
        (Some("pending"), Some(1))
    );
    assert!(
        row["error_message"].as_str().unwrap().contains("503"),
        "{row}"
    );
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1, "not before its time");
    for seconds in [7, 40, 160] {
        told.app.advance(TimeDelta::seconds(seconds));
        told.run().await;
    }
    let came = told.receiver.came();
    assert_eq!(came.len(), 4);
    let ids: BTreeSet<_> = came
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert_eq!(ids.len(), 1, "every attempt carries the same id");
    let row = told.history().await.remove(0);
    assert_eq!(
        (row["status"].as_str(), row["retry_count"].as_i64()),
        (Some("sent"), Some(3))
    );
    let service = told
        .client
        .get(&format!("/api/notifications/services/{}", told.service_id))
        .await
        .json();
    assert!(
        service["failing_since"].is_null() && service["last_success"].is_string(),
        "{service}"
    );
}

#[tokio::test]
async fn f57_a_server_that_asks_to_be_left_alone_is() {
    let told = Told::by(
        Receiver::answering(|at, _| {
            let mut answer = status(if at == 0 { 429 } else { 200 });
            answer
                .headers_mut()
                .insert("retry-after", "600".parse().unwrap());
            answer
        })
        .await,
    )
    .await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told).await;
    told.run().await;
    told.app.advance(TimeDelta::seconds(599));
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1);
    told.app.advance(TimeDelta::seconds(1));
    told.run().await;
    assert_eq!(told.receiver.came().len(), 2);
}

#[tokio::test]
async fn f57_what_cannot_work_is_not_tried_again() {
    for code in [400, 401, 404, 302] {
        let told = Told::by(Receiver::answering(move |_, _| status(code)).await).await;
        told.rule(json!({ "event_type": "backup.failed" })).await;
        failed(&told).await;
        told.run().await;
        let row = told.history().await.remove(0);
        assert_eq!(row["status"], "failed", "{code}: {row}");
        assert!(
            row["error_message"]
                .as_str()
                .unwrap()
                .contains(&code.to_string()),
            "{row}"
        );
    }
}

#[tokio::test]
async fn f57_a_target_that_is_gone_is_switched_off_and_says_why() {
    let told = Told::by(Receiver::answering(|_, _| status(410)).await).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told).await;
    told.run().await;
    let service = told
        .client
        .get(&format!("/api/notifications/services/{}", told.service_id))
        .await
        .json();
    assert_eq!(service["enabled"], false);
    assert!(
        service["disabled_reason"].as_str().unwrap().contains("410"),
        "{service}"
    );
    failed(&told).await;
    told.run().await;
    let row = told.history().await.remove(0);
    assert_eq!(
        (row["status"].as_str(), row["skip_code"].as_str()),
        (Some("skipped"), Some("service_disabled"))
    );
    assert_eq!(told.receiver.came().len(), 1);
}

#[tokio::test]
async fn f57_nobody_there_and_a_wrong_certificate_are_told_as_what_they_are() {
    let told = Told::start().await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    let port = told.receiver.url.rsplit(':').next().unwrap();
    for (url, words) in [
        (format!("https://127.0.0.1:{port}/"), ""),
        ("http://nobody.invalid/".to_owned(), "nobody.invalid"),
    ] {
        let body = json!({ "name": "hook", "service_type": "webhook", "config": { "url": url } });
        let path = format!("/api/notifications/services/{}", told.service_id);
        assert_eq!(told.client.put(&path, body).await.status, StatusCode::OK);
        let tested = told
            .client
            .post(&format!("{path}/test"), json!({}))
            .await
            .json();
        assert_eq!(tested["is_delivered"], false, "{tested}");
        assert_eq!(tested["field"], "url", "{tested}");
        assert!(
            tested["error"].as_str().unwrap().contains(words),
            "{tested}"
        );
    }
}

#[tokio::test]
async fn a_host_that_is_not_there_is_named_by_its_field_and_one_that_answers_is_not() {
    let told = Told::by(Receiver::answering(|_, _| status(500)).await).await;
    let busy = told.receiver.url.rsplit(':').next().unwrap().to_owned();
    let test = async |service_type: &str, url: &str| {
        let draft = json!({ "service_type": service_type, "config": { "url": url } });
        let path = "/api/notifications/services/test";
        let tested = told.client.post(path, draft).await.json();
        assert_eq!(tested["is_delivered"], false, "{url}: {tested}");
        tested
    };
    for (url, field) in [
        ("gotify://nobody.invalid/AbCdEfGhIjKlMnO", "host"),
        (
            "mailto://me:secret@example.org/?smtp=nobody.invalid",
            "smtp",
        ),
        ("mqtt://nobody.invalid/topic", "host"),
        ("json://169.254.169.254/x", "host"),
    ] {
        let tested = test("apprise", url).await;
        assert_eq!(tested["field"], field, "{url}: {tested}");
    }
    let tested = test("apprise", &format!("json://127.0.0.1:{busy}/x")).await;
    assert_eq!(
        (&tested["field"], &tested["status"]),
        (&json!(null), &json!(500))
    );
}

#[tokio::test]
async fn f59_when_a_channel_fails_the_next_in_order_is_told() {
    let told = Told::by(Receiver::answering(|_, _| status(500)).await).await;
    let second = Receiver::start().await;
    let last = Receiver::start().await;
    add_webhook(&told.client, "last", &last).await;
    let id = add_webhook(&told.client, "second", &second).await;
    let body = json!({ "name": "second", "service_type": "webhook", "priority": 5, "config": {} });
    let answer = told
        .client
        .put(&format!("/api/notifications/services/{id}"), body)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told).await;
    for seconds in [0, 7, 40, 0] {
        told.app.advance(TimeDelta::seconds(seconds));
        told.run().await;
    }
    let came = second.came();
    assert_eq!(
        (came.len(), last.came().len()),
        (1, 0),
        "the preferred one, once"
    );
    assert!(
        came[0].json()["data"]["message"]
            .as_str()
            .unwrap()
            .contains("hook could not be reached"),
        "{:?}",
        came[0].json()
    );
    let service = told
        .client
        .get(&format!("/api/notifications/services/{}", told.service_id))
        .await
        .json();
    assert!(
        service["failing_since"].is_string()
            && service["last_error"].as_str().unwrap().contains("500"),
        "{service}"
    );
}

#[tokio::test]
async fn a_message_that_failed_is_sent_again_by_hand_and_one_that_was_sent_is_not() {
    let told =
        Told::by(Receiver::answering(|at, _| status(if at == 0 { 400 } else { 200 })).await).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told).await;
    told.run().await;
    let row = told.history().await.remove(0);
    let path = format!("/api/notifications/retry/{}", row["id"]);
    let again = told.client.post(&path, json!({})).await;
    assert_eq!(
        (again.status, again.json()["status"].as_str()),
        (StatusCode::OK, Some("pending"))
    );
    told.run().await;
    assert_eq!(told.history().await[0]["status"], "sent");
    let twice = told.client.post(&path, json!({})).await;
    assert_eq!(
        (twice.status, twice.code()),
        (StatusCode::CONFLICT, "not_retryable".to_owned())
    );
    assert_eq!(
        told.client
            .post("/api/notifications/retry/4711", json!({}))
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn f58_an_attempt_that_was_cut_off_is_made_again_with_the_same_id() {
    let told = Told::start().await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told).await;
    told.run().await;
    // As if the daemon had died after the remote accepted and before that was noted.
    told.app.execute("UPDATE notification_history SET status = 'pending', sent_at = NULL, next_retry = '2026-03-01T12:00:00Z', lease_expires_at = '2026-03-01T12:15:00Z'").await;
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1, "somebody may still be at it");
    told.app.advance(TimeDelta::minutes(15));
    told.run().await;
    let came = told.receiver.came();
    assert_eq!(came.len(), 2);
    assert_eq!(came[0].header("webhook-id"), came[1].header("webhook-id"));
}

#[tokio::test]
async fn f60_what_waits_too_long_or_for_too_full_a_queue_ends_and_says_so() {
    let told = Told::by(Receiver::answering(|_, _| status(500)).await).await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    failed(&told).await;
    told.run().await;
    told.app.advance(TimeDelta::days(4));
    told.client.login().await;
    told.app.state.notifications.tidy().await.unwrap();
    let row = told.history().await.remove(0);
    assert_eq!(
        (row["status"].as_str(), row["skip_code"].as_str()),
        (Some("failed"), Some("expired"))
    );
    assert!(
        row["error_message"].as_str().unwrap().contains("500"),
        "{row}"
    );
    told.app.execute(
        "INSERT INTO notification_history (event_type, service_id, status, next_retry, created_at) \
         SELECT 'backup.failed', s.id, 'pending', '2030-01-01', '2026-03-05' FROM notification_services s, generate_series(1, 10005)",
    ).await;
    told.app.state.notifications.tidy().await.unwrap();
    let full: i64 = told
        .app
        .sql("SELECT COUNT(*) FROM notification_history WHERE skip_code = 'queue_full'")
        .await;
    assert_eq!(full, 5);
    let newest: bool = told
        .app
        .sql(
            "SELECT (SELECT MAX(id) FROM notification_history WHERE skip_code = 'queue_full') < \
         (SELECT MIN(id) FROM notification_history WHERE status = 'pending')",
        )
        .await;
    assert!(newest, "the oldest give way");
}

#[tokio::test]
async fn f05_f60_the_daemon_tells_within_a_second_and_a_stalling_target_holds_up_no_other() {
    let told = Told::start().await;
    let stalling = Receiver::answering(|_, _| {
        let never = futures_util::stream::pending::<std::io::Result<Vec<u8>>>();
        axum::response::Response::new(axum::body::Body::from_stream(never))
    })
    .await;
    let stalls = add_webhook(&told.client, "stalls", &stalling).await;
    told.rule(json!({ "event_type": "backup.failed", "service_id": stalls }))
        .await;
    let all = json!({ "event_type": "backup.failed", "conditions": { "max_per_minute": 0 } });
    told.rule(all).await;
    // A crash after the commit told nobody: the row is all there is.
    let event = flowkeep::platform::events::Event::now(
        &told.app.state.ids,
        &told.app.state.clock,
        "backup.failed",
        Severity::Error,
        json!({ "message": "before" }),
    );
    flowkeep::platform::events::record(told.app.state.db.orm(), &event)
        .await
        .unwrap();
    let stop = told.app.state.lifecycle.soft().clone();
    let notifications = told.app.state.notifications.clone();
    let working = stop.child_token();
    let over = working.clone();
    told.app.state.lifecycle.spawn(
        "notifications",
        async move { notifications.work(over).await },
    );
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, told.receiver.wait_for(1))
        .await
        .expect("what a crash left is told");
    for at in 0..20 {
        happen(
            &told.app,
            "backup.failed",
            Severity::Error,
            json!({ "message": at }),
        )
        .await;
        tokio::time::timeout(limit, told.receiver.wait_for(at + 2))
            .await
            .expect("each is told while the other stalls");
    }
    working.cancel();
}

#[tokio::test]
async fn two_daemons_deliver_each_message_once() {
    let told = Told::start().await;
    told.rule(json!({ "event_type": "backup.failed", "conditions": { "max_per_minute": 0 } }))
        .await;
    let other = crate::support::app::TestApp::builder()
        .beside(&told.app)
        .start()
        .await;
    for _ in 0..100 {
        failed(&told).await;
    }
    let (one, two) = tokio::join!(
        told.app.state.notifications.run_once(),
        other.state.notifications.run_once()
    );
    one.unwrap();
    two.unwrap();
    told.run().await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for came in told.receiver.came() {
        *times
            .entry(came.header("webhook-id").to_owned())
            .or_default() += 1;
    }
    assert_eq!(times.len(), 100);
    assert!(times.values().all(|count| *count == 1), "{times:?}");
}

#[tokio::test]
async fn a_service_is_not_told_faster_than_it_takes() {
    let told = Told::start().await;
    let body = json!({ "name": "phone", "service_type": "ntfy", "config": { "server": told.receiver.url, "topic": "alerts" } });
    let made = told.client.post("/api/notifications/services", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    told.rule(json!({ "event_type": "backup.failed", "service_id": made.json()["id"] }))
        .await;
    for _ in 0..3 {
        failed(&told).await;
    }
    let types = told
        .client
        .get("/api/notifications/service-types")
        .await
        .json();
    let ntfy = types["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["service"] == "ntfy");
    let interval = Duration::from_millis(ntfy.unwrap()["limits"]["interval_ms"].as_u64().unwrap());
    assert!(!interval.is_zero());
    let started = std::time::Instant::now();
    told.run().await;
    assert_eq!(told.receiver.came().len(), 3);
    assert!(started.elapsed() >= interval * 2, "{:?}", started.elapsed());
    assert_eq!(told.receiver.came()[0].json()["topic"], "alerts");
}
