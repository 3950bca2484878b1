//! Rules: which events they tell, when, and what is refused.

use chrono::TimeDelta;
use flowkeep::platform::events::Severity;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Told, happen};

#[tokio::test]
async fn an_event_is_told_to_those_whose_rules_are_for_it() {
    let told = Told::start().await;
    told.rule(json!({ "name": "failed", "event_type": "backup.failed", "priority": "high" }))
        .await;
    told.rule(json!({ "name": "group", "event_type": "backup.*", "conditions": { "severity_threshold": "critical" } })).await;
    told.rule(json!({ "name": "pattern", "event_type": "*", "event_pattern": "\"code\":\"disk_(full|slow)\"" })).await;
    told.rule(json!({ "name": "off", "event_type": "*", "enabled": false }))
        .await;
    let data = json!({ "id": 7, "backup_type": "postgres_n8n", "code": "disk_full", "message": "No room." });
    let event = happen(&told.app, "backup.failed", Severity::Error, data.clone()).await;
    told.run().await;
    let history = told.history().await;
    let names: Vec<_> = history
        .iter()
        .map(|row| row["rule_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["pattern", "failed"]);
    assert!(
        history.iter().all(|row| row["status"] == "sent"),
        "{history:?}"
    );
    let came = told.receiver.came();
    assert_eq!(came.len(), 2);
    let body = came[0].json();
    assert_eq!(body["type"], "backup.failed");
    assert_eq!(body["data"]["title"], "Backup failed: n8n's database");
    assert_eq!(body["data"]["message"], "No room.");
    assert_eq!(body["data"]["event"], data);
    assert_eq!(
        came[0].header("webhook-id"),
        body["data"]["id"].as_str().unwrap()
    );
    let details = told
        .client
        .get(&format!("/api/notifications/history/{}", history[0]["id"]))
        .await
        .json();
    assert_eq!(details["event_id"], event.event_id.to_string());
    assert_eq!(details["response_status"], 200);
    // Once decided it is decided.
    told.run().await;
    assert_eq!(told.receiver.came().len(), 2);
}

#[tokio::test]
async fn a_rule_says_it_in_its_own_words_and_without_details_if_asked() {
    let told = Told::start().await;
    told.rule(json!({
        "event_type": "backup.failed", "include_details": false,
        "custom_title": "{{ event.label }} ({{ backup_type | kind }})",
        "custom_message": "{% if code == 'disk_full' %}Make room: {{ message }}{% endif %}",
    }))
    .await;
    happen(
        &told.app,
        "backup.failed",
        Severity::Error,
        json!({ "backup_type": "flows", "code": "disk_full", "message": "x" }),
    )
    .await;
    told.run().await;
    let body = told.receiver.came()[0].json();
    assert_eq!(body["data"]["title"], "Backup failed (workflows)");
    assert_eq!(body["data"]["message"], "Make room: x");
    assert_eq!(body["data"]["event"], Value::Null);
}

#[tokio::test]
async fn a_cooldown_is_kept_over_a_restart_and_what_it_holds_back_is_in_the_history() {
    let told = Told::start().await;
    told.rule(json!({ "event_type": "container.unhealthy", "cooldown_minutes": 30 }))
        .await;
    let unhealthy = |name: &'static str| {
        let app = &told.app;
        async move {
            happen(
                app,
                "container.unhealthy",
                Severity::Error,
                json!({ "container": name }),
            )
            .await
        }
    };
    unhealthy("a").await;
    told.run().await;
    told.app.advance(TimeDelta::minutes(29));
    unhealthy("a").await;
    unhealthy("b").await;
    let again = crate::support::app::TestApp::builder()
        .beside(&told.app)
        .start()
        .await;
    again.advance(TimeDelta::minutes(29));
    again.state.notifications.run_once().await.unwrap();
    let history = told.history().await;
    let states: Vec<_> = history
        .iter()
        .rev()
        .map(|row| {
            (
                row["title"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("a is unhealthy", "sent"),
            ("a is unhealthy", "skipped"),
            ("b is unhealthy", "sent")
        ]
    );
    assert_eq!(history[1]["skip_code"], "cooldown");
    assert!(
        history[1]["error_message"]
            .as_str()
            .unwrap()
            .contains("12:00"),
        "{}",
        history[1]
    );
    told.app.advance(TimeDelta::minutes(1));
    unhealthy("a").await;
    told.run().await;
    assert_eq!(told.receiver.came().len(), 3);
}

#[tokio::test]
async fn quiet_hours_hold_back_and_end_with_one_digest() {
    let told = Told::start().await;
    // It is 12:00 UTC, which is 21:00 in Tokyo.
    told.rule(json!({ "event_type": "backup.*", "conditions": {
        "quiet_hours": { "from": "20:00", "to": "07:30", "timezone": "Asia/Tokyo" }, "quiet_except": "critical",
    } })).await;
    for id in 0..3 {
        happen(
            &told.app,
            "backup.failed",
            Severity::Error,
            json!({ "id": id, "message": format!("reason {id}") }),
        )
        .await;
    }
    happen(
        &told.app,
        "backup.warning",
        Severity::Critical,
        json!({ "message": "now" }),
    )
    .await;
    told.run().await;
    let came = told.receiver.came();
    assert_eq!(came.len(), 1, "only what is critical");
    assert_eq!(came[0].json()["data"]["message"], "now");
    told.app.advance(TimeDelta::minutes(10 * 60 + 29));
    told.run().await;
    assert_eq!(told.receiver.came().len(), 1);
    told.app.advance(TimeDelta::minutes(1));
    told.run().await;
    let came = told.receiver.came();
    assert_eq!(came.len(), 2);
    let digest = came[1].json();
    assert_eq!(
        digest["data"]["title"],
        "3 × Backup failed, from quiet hours"
    );
    for id in 0..3 {
        assert!(
            digest["data"]["message"]
                .as_str()
                .unwrap()
                .contains(&format!("reason {id}")),
            "{digest}"
        );
    }
    assert_eq!(told.history().await[0]["event_count"], 3);
}

#[tokio::test]
async fn similar_events_within_a_window_come_as_one() {
    let told = Told::start().await;
    told.rule(json!({ "event_type": "container.*", "conditions": { "batch": { "window_seconds": 300 } } })).await;
    for (event_type, name) in [
        ("container.stopped", "a"),
        ("container.stopped", "b"),
        ("container.unhealthy", "a"),
    ] {
        happen(
            &told.app,
            event_type,
            Severity::Warning,
            json!({ "container": name }),
        )
        .await;
        told.run().await;
        told.app.advance(TimeDelta::minutes(1));
    }
    assert!(told.receiver.came().is_empty());
    told.app.advance(TimeDelta::minutes(5));
    told.run().await;
    let mut titles: Vec<_> = told
        .receiver
        .came()
        .iter()
        .map(|one| one.json()["data"]["title"].as_str().unwrap().to_owned())
        .collect();
    titles.sort();
    assert_eq!(
        titles,
        ["2 × Container stopped, gathered", "a is unhealthy"],
        "one of a kind is told as itself"
    );
}

#[tokio::test]
async fn f59_a_thousand_failures_in_a_minute_are_grouped_and_none_is_lost() {
    let told = Told::start().await;
    told.rule(json!({ "event_type": "backup.failed" })).await;
    for id in 0..1_000 {
        let event = flowkeep::platform::events::Event::now(
            &told.app.state.ids,
            &told.app.state.clock,
            "backup.failed",
            Severity::Error,
            json!({ "id": id }),
        );
        flowkeep::platform::events::record(told.app.state.db.orm(), &event)
            .await
            .unwrap();
    }
    told.run().await;
    assert_eq!(told.receiver.came().len(), 10, "the limit of a minute");
    told.app.advance(TimeDelta::minutes(2));
    told.run().await;
    let came = told.receiver.came();
    assert_eq!(came.len(), 11);
    assert_eq!(
        came[10].json()["data"]["title"],
        "990 × Backup failed, within a minute"
    );
    let told_of: i64 = told
        .app
        .sql("SELECT SUM(event_count)::bigint FROM notification_history")
        .await;
    assert_eq!(told_of, 1_000);
}

#[tokio::test]
async fn a_rule_is_tried_on_past_events_and_nothing_is_sent_or_kept() {
    let told = Told::start().await;
    for at in 0..5 {
        happen(
            &told.app,
            "backup.failed",
            Severity::Error,
            json!({ "id": at, "backup_type": "flows" }),
        )
        .await;
        told.app.advance(TimeDelta::minutes(10));
    }
    happen(
        &told.app,
        "backup.success",
        Severity::Info,
        json!({ "id": 9 }),
    )
    .await;
    told.run().await;
    let rule = json!({ "name": "r", "event_type": "backup.failed", "service_id": told.service_id, "cooldown_minutes": 25 });
    let trial = told
        .client
        .post(
            "/api/notifications/rules/try",
            json!({ "rule": rule, "days": 1 }),
        )
        .await
        .json();
    let counts: Vec<_> = ["matched", "told", "gathered", "skipped"]
        .iter()
        .map(|one| trial[*one].as_i64().unwrap())
        .collect();
    assert_eq!(counts, [5, 2, 0, 3], "{trial}");
    assert_eq!(trial["items"][0]["outcome"], "skipped", "the newest first");
    assert_eq!(trial["items"][1]["outcome"], "told");
    assert!(told.receiver.came().is_empty() && told.history().await.is_empty());
}

#[tokio::test]
async fn bad_rules_name_the_field_and_the_remedy() {
    let told = Told::start().await;
    let long = "a".repeat(300);
    for (rule, field, remedy) in [
        (json!({ "name": " " }), "name", "1 to 100"),
        (
            json!({ "event_type": "backup.exploded" }),
            "event_type",
            "backup.*",
        ),
        (json!({ "event_type": "ba*" }), "event_type", "backup.*"),
        (
            json!({ "event_pattern": "(" }),
            "event_pattern",
            "unclosed group",
        ),
        (
            json!({ "event_pattern": "(a{1000}){1000}" }),
            "event_pattern",
            "smaller",
        ),
        (json!({ "event_pattern": long }), "event_pattern", "255"),
        (
            json!({ "event_pattern": "(?=a)" }),
            "event_pattern",
            "look-around",
        ),
        (json!({ "service_id": 4711 }), "service_id", "choose"),
        (json!({ "priority": "loud" }), "priority", "critical"),
        (json!({ "cooldown_minutes": -1 }), "cooldown_minutes", "0"),
        (
            json!({ "custom_title": "{{ broken" }),
            "custom_title",
            "line 1",
        ),
        (
            json!({ "custom_message": "{% include 'x' %}" }),
            "custom_message",
            "there are if and for",
        ),
        (
            json!({ "conditions": { "time_range": { "from": "25:00", "to": "07:00" } } }),
            "conditions.time_range.from",
            "22:00",
        ),
        (
            json!({ "conditions": { "quiet_hours": { "from": "22:00", "to": "07:00", "timezone": "Mars/Base" } } }),
            "conditions.quiet_hours.timezone",
            "Europe/Berlin",
        ),
        (
            json!({ "conditions": { "quiet_hours": { "from": "00:00", "to": "00:00" } } }),
            "conditions.quiet_hours",
            "never end",
        ),
        (
            json!({ "conditions": { "data": [{ "field": "a..b", "op": "eq", "value": 1 }] } }),
            "conditions.data.0.field",
            "dots",
        ),
        (
            json!({ "conditions": { "data": [{ "field": "a", "op": "gt", "value": "many" }] } }),
            "conditions.data.0.value",
            "number",
        ),
        (
            json!({ "conditions": { "batch": { "window_seconds": 1 } } }),
            "conditions.batch.window_seconds",
            "10",
        ),
        (
            json!({ "conditions": { "escalation": [{ "after_minutes": 5, "service_id": 4711 }] } }),
            "conditions.escalation.0.service_id",
            "choose",
        ),
    ] {
        let mut whole = json!({ "name": "r", "event_type": "*", "service_id": told.service_id });
        super::merge(&mut whole, rule.clone());
        let answer = told.client.post("/api/notifications/rules", whole).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{rule}: {answer:?}"
        );
        let fields = answer.json()["error"]["fields"].clone();
        let (name, why) = fields.as_object().unwrap().iter().next().unwrap();
        assert_eq!(name, field, "{rule}: {fields}");
        assert!(why.to_string().contains(remedy), "{rule}: {fields}");
    }
    assert_eq!(
        told.client.get("/api/notifications/rules").await.json()["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_pattern_that_ruins_other_engines_is_matched_at_once() {
    let told = Told::start().await;
    told.rule(json!({ "event_type": "backup.failed", "event_pattern": "(a+)+$" }))
        .await;
    happen(
        &told.app,
        "backup.failed",
        Severity::Error,
        json!({ "message": format!("{}!", "a".repeat(10_000)) }),
    )
    .await;
    told.run().await;
    assert!(
        told.receiver.came().is_empty(),
        "it does not match, and says so in linear time"
    );
}
