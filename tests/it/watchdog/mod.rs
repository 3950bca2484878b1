//! The watch over n8n's executions, on the database of a real n8n 2.41.

mod faults;

use chrono::{DateTime, TimeDelta, Utc};
use flowkeep::features::host::{HostSample, Mounts, N8nNow};
use flowkeep::features::watchdog::{WatchdogParts, WatchdogService};
use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::backups::Story;
use crate::flows;
use crate::support::postgres::{connect, url_of};

const FAILED: &str = r#"[{"startData":"1","resultData":"2"},{},{"error":"3","runData":"4","lastNodeExecuted":"7"},{"message":"5","node":"6"},{},"connect ECONNREFUSED 10.0.0.5:443",{"name":"7"},"HTTP Request"]"#;

/// A run as n8n writes it.
#[derive(Clone)]
struct Run<'a> {
    workflow: &'a str,
    status: &'a str,
    mode: &'a str,
    started: DateTime<Utc>,
    stopped: Option<DateTime<Utc>>,
    wait_till: Option<DateTime<Utc>>,
    data: &'a str,
}

fn schedule_trigger(interval: &Value) -> Value {
    json!({ "id": "1", "name": "Trigger", "type": "n8n-nodes-base.scheduleTrigger", "typeVersion": 1.2,
        "position": [0, 0], "parameters": { "rule": { "interval": [interval] } } })
}

struct Watch {
    story: Story,
    n8n: PgConnection,
}

impl Watch {
    /// An application that looks after the sample n8n, a day after its last run, and has looked once.
    async fn begin() -> Self {
        let story = flows::story().await;
        story
            .app
            .advance("2026-11-22T12:00:00Z".parse::<DateTime<Utc>>().unwrap() - story.app.now());
        story.client.login().await;
        let n8n = connect(&story.source).await;
        let mut watch = Self { story, n8n };
        watch.look().await;
        assert!(watch.events().await.is_empty());
        watch
    }

    fn now(&self) -> DateTime<Utc> {
        self.story.app.now()
    }

    fn pass(&self, minutes: i64) {
        self.story.app.advance(TimeDelta::minutes(minutes));
    }

    async fn look(&mut self) {
        self.story.app.state.watchdog.look().await.unwrap();
    }

    /// Another daemon on the same database, which remembers nothing.
    fn restarted(&self) -> WatchdogService {
        let state = &self.story.app.state;
        WatchdogService::new(WatchdogParts {
            db: state.db.clone(),
            n8n: state.n8n.clone(),
            host: state.host.clone(),
            settings: state.settings.clone(),
            events: state.events.clone(),
            clock: state.clock.clone(),
            ids: state.ids.clone(),
        })
    }

    /// Lets looks fail, as when the password of n8n's database was changed.
    async fn cannot_look(&self) {
        self.story.app.state.watchdog.look().await.unwrap_err();
    }

    /// Every event but those of settings, in order.
    async fn all_events(&self) -> Vec<String> {
        let all = self.story.app.events().await.into_iter();
        all.filter(|one| one.starts_with("workflow.") || one.starts_with("n8n."))
            .collect()
    }

    async fn connect_to(&self, url: &str) {
        let body = json!({ "database_url": url });
        let answer = self.story.client.put("/api/n8n/connection", body).await;
        assert!(answer.status.is_success(), "{}", answer.text());
    }

    async fn id_of(&mut self, name: &str) -> String {
        let sql = "SELECT id FROM workflow_entity WHERE name = $1";
        sqlx::query_scalar(sql)
            .bind(name.to_owned())
            .fetch_one(&mut self.n8n)
            .await
            .unwrap()
    }

    fn run<'a>(&self, workflow: &'a str, status: &'a str) -> Run<'a> {
        Run {
            workflow,
            status,
            mode: "webhook",
            started: self.now() - TimeDelta::seconds(2),
            stopped: Some(self.now()),
            wait_till: None,
            data: FAILED,
        }
    }

    async fn add(&mut self, run: Run<'_>) -> i32 {
        let id: i32 = sqlx::query_scalar(
            "INSERT INTO execution_entity (finished, mode, status, \"workflowId\", \"startedAt\", \"stoppedAt\", \"waitTill\", \"createdAt\") \
             VALUES ($1 = 'success', $2, $1, $3, $4, $5, $6, $4) RETURNING id",
        )
        .bind(run.status.to_owned())
        .bind(run.mode.to_owned())
        .bind(run.workflow.to_owned())
        .bind(run.started)
        .bind(run.stopped)
        .bind(run.wait_till)
        .fetch_one(&mut self.n8n)
        .await
        .unwrap();
        sqlx::query("INSERT INTO execution_data (\"executionId\", \"workflowData\", data) VALUES ($1, '{}', $2)")
            .bind(id)
            .bind(run.data.to_owned())
            .execute(&mut self.n8n)
            .await
            .unwrap();
        id
    }

    async fn change(&mut self, sql: String) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut self.n8n)
            .await
            .unwrap();
    }

    /// n8n counts a run of a workflow that ended well at a moment.
    async fn count(&mut self, workflow: &str, at: DateTime<Utc>) {
        self.change(format!(
            "INSERT INTO workflow_statistics (\"workflowId\", name, count, \"rootCount\", \"latestEvent\") \
             VALUES ('{workflow}', 'production_success', 1, 1, '{at}') \
             ON CONFLICT (\"workflowId\", name) DO UPDATE SET \"latestEvent\" = '{at}'"
        ))
        .await;
    }

    /// Events of workflows, and what they say.
    async fn told(&self) -> Vec<(String, Value)> {
        sqlx::query_as("SELECT event_type, data FROM event_outbox WHERE event_type LIKE 'workflow.%' ORDER BY id")
            .fetch_all(self.story.app.state.db.pool())
            .await
            .unwrap()
    }

    async fn events(&self) -> Vec<String> {
        self.told().await.into_iter().map(|told| told.0).collect()
    }

    async fn watchdog(&self) -> Value {
        flows::get(&self.story, "/api/watchdog").await
    }

    async fn incident(&self) -> Value {
        let found = self.watchdog().await;
        let open = found["open"].as_array().unwrap();
        assert_eq!(open.len(), 1, "{found}");
        open[0].clone()
    }

    async fn nothing_is_open(&self) {
        let found = self.watchdog().await;
        assert_eq!(found["open"], json!([]), "{found}");
    }

    async fn set(&self, name: &str, value: Value) {
        let path = format!("/api/settings/{name}");
        let answer = self
            .story
            .client
            .put(&path, json!({ "value": value }))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    /// Publishes a workflow with this trigger, as of this moment.
    async fn schedule(
        &mut self,
        name: &str,
        interval: Value,
        zone: &str,
        since: DateTime<Utc>,
    ) -> String {
        let nodes = json!([schedule_trigger(&interval)]);
        self.publish(name, &nodes, zone, since).await
    }

    /// Publishes a workflow with this trigger and a webhook beside it.
    async fn schedule_beside_a_webhook(&mut self, name: &str, interval: Value) -> String {
        let webhook = json!({ "id": "2", "name": "Webhook", "type": "n8n-nodes-base.webhook", "typeVersion": 2,
            "position": [0, 200], "parameters": { "path": "busy" } });
        let nodes = json!([schedule_trigger(&interval), webhook]);
        let since = self.now() - TimeDelta::days(3);
        self.publish(name, &nodes, "UTC", since).await
    }

    async fn publish(
        &mut self,
        name: &str,
        nodes: &Value,
        zone: &str,
        since: DateTime<Utc>,
    ) -> String {
        let id = self.id_of(name).await;
        self.change(format!(
            "UPDATE workflow_history SET nodes = '{nodes}' WHERE \"workflowId\" = '{id}'; \
             UPDATE workflow_entity SET active = TRUE, \"activeVersionId\" = trim(\"versionId\"), \
             settings = '{{\"timezone\":\"{zone}\"}}' WHERE id = '{id}'; \
             INSERT INTO workflow_publish_history (\"workflowId\", \"versionId\", event, \"createdAt\") \
             SELECT id, trim(\"versionId\"), 'activated', '{since}' FROM workflow_entity WHERE id = '{id}'"
        ))
        .await;
        id
    }
}

#[tokio::test]
async fn failures_are_one_incident_told_once_until_a_success_proves_that_it_is_over() {
    let mut watch = Watch::begin().await;
    let body = json!({ "url": "http://127.0.0.1:2/", "key": "k" });
    assert!(
        watch
            .story
            .client
            .put("/api/n8n/api", body)
            .await
            .status
            .is_success()
    );
    let id = watch.id_of("Greeting by webhook").await;
    for _ in 0..2 {
        let run = watch.run(&id, "error");
        watch.add(run).await;
    }
    watch.look().await;
    watch.pass(1);
    let run = Run {
        status: "crashed",
        ..watch.run(&id, "error")
    };
    let last = watch.add(run).await;
    watch.look().await;
    watch.look().await;
    assert_eq!(watch.events().await, ["workflow.failing"], "told once");
    let incident = watch.incident().await;
    assert_eq!(incident["count"], 3);
    assert_eq!(incident["workflow_name"], "Greeting by webhook");
    assert_eq!(incident["last_node"], "HTTP Request");
    assert_eq!(incident["last_error"], "connect ECONNREFUSED 10.0.0.5:443");
    assert_eq!(
        incident["link"],
        format!("http://127.0.0.1:2/workflow/{id}/executions/{last}")
    );
    let told = watch.told().await[0].1.clone();
    assert_eq!(
        told["message"],
        "HTTP Request: connect ECONNREFUSED 10.0.0.5:443"
    );
    assert_eq!(told["count"], 2);
    // Neither a run by hand nor one that somebody cancelled says anything.
    watch.pass(1);
    for (mode, status) in [
        ("manual", "success"),
        ("manual", "error"),
        ("webhook", "canceled"),
    ] {
        let run = Run {
            mode,
            ..watch.run(&id, status)
        };
        watch.add(run).await;
    }
    watch.look().await;
    assert_eq!(watch.incident().await["count"], 3);
    watch.pass(1);
    let run = watch.run(&id, "success");
    watch.add(run).await;
    watch.look().await;
    watch.look().await;
    watch.nothing_is_open().await;
    assert_eq!(
        watch.events().await,
        ["workflow.failing", "workflow.recovered"]
    );
    let resolved = flows::get(&watch.story, "/api/watchdog/incidents").await;
    assert_eq!(resolved["items"][0]["resolution"], "success", "{resolved}");
    assert_eq!(resolved["items"][0]["count"], 3);
}

#[tokio::test]
async fn a_run_that_ends_after_later_ones_began_is_not_overlooked_and_a_restart_counts_nothing_twice()
 {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let slow = watch
        .add(Run {
            stopped: None,
            ..watch.run(&id, "running")
        })
        .await;
    let other = watch.id_of("Call with a credential").await;
    let run = watch.run(&other, "success");
    watch.add(run).await;
    watch.look().await;
    watch.nothing_is_open().await;
    watch.pass(1);
    let at = watch.now();
    watch
        .change(format!(
            "UPDATE execution_entity SET status = 'error', \"stoppedAt\" = '{at}' WHERE id = {slow}"
        ))
        .await;
    let restarted = watch.restarted();
    for _ in 0..2 {
        restarted.look().await.unwrap();
        watch.look().await;
    }
    assert_eq!(watch.incident().await["count"], 1);
    assert_eq!(watch.events().await, ["workflow.failing"]);
}

#[tokio::test]
async fn a_failure_that_came_and_went_between_two_looks_is_told_and_is_over() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let run = watch.run(&id, "error");
    watch.add(run).await;
    watch.pass(1);
    let run = watch.run(&id, "success");
    watch.add(run).await;
    watch.look().await;
    assert_eq!(
        watch.events().await,
        ["workflow.failing", "workflow.recovered"]
    );
    watch.nothing_is_open().await;
}

#[tokio::test]
async fn only_so_many_failures_in_a_row_are_told_and_old_ones_are_no_news() {
    let mut watch = Watch::begin().await;
    watch.set("watchdog.failures", json!(3)).await;
    let id = watch.id_of("Greeting by webhook").await;
    for (status, expected) in [
        ("error", 0),
        ("error", 0),
        ("success", 0),
        ("error", 0),
        ("error", 0),
        ("error", 1),
        ("error", 1),
    ] {
        let run = watch.run(&id, status);
        watch.add(run).await;
        watch.look().await;
        watch.pass(1);
        assert_eq!(watch.events().await.len(), expected);
    }
    // Another n8n, or the same from a backup: begun anew, and what failed days ago is not told.
    watch.pass(60 * 24 * 3);
    watch.story.client.login().await;
    watch
        .story
        .app
        .execute("UPDATE watchdog_state SET source = 'elsewhere', identity = NULL")
        .await;
    watch.look().await;
    watch.nothing_is_open().await;
}

#[tokio::test]
async fn where_good_runs_are_not_kept_n8ns_own_counts_prove_that_it_is_over() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let run = watch.run(&id, "error");
    watch.add(run).await;
    watch.look().await;
    assert_eq!(watch.incident().await["kind"], "failing");
    watch.pass(10);
    let at = watch.now();
    watch
        .change(format!(
            "INSERT INTO workflow_statistics_delta (\"workflowId\", name, \"rootCountDelta\", \"createdAt\") \
             VALUES ('{id}', 'production_success', 1, '{at}')"
        ))
        .await;
    watch.look().await;
    watch.nothing_is_open().await;
    assert_eq!(
        watch.events().await,
        ["workflow.failing", "workflow.recovered"]
    );
}

#[tokio::test]
async fn runs_that_take_far_longer_than_usual_are_stuck_until_they_end() {
    let mut watch = Watch::begin().await;
    let (quick, slow) = (
        watch.id_of("Greeting by webhook").await,
        watch.id_of("Order intake").await,
    );
    // One that usually takes an hour.
    for days in 1..=6 {
        let started = watch.now() - TimeDelta::days(days);
        let stopped = Some(started + TimeDelta::hours(1));
        let run = Run {
            started,
            stopped,
            ..watch.run(&slow, "success")
        };
        watch.add(run).await;
    }
    let hung = watch
        .add(Run {
            stopped: None,
            ..watch.run(&quick, "running")
        })
        .await;
    watch
        .add(Run {
            stopped: None,
            ..watch.run(&slow, "running")
        })
        .await;
    // One that waits for somebody, and one that waits for tomorrow.
    for till in ["3000-01-01T00:00:00Z", "2026-11-24T12:00:00Z"] {
        let run = Run {
            stopped: None,
            wait_till: Some(till.parse().unwrap()),
            ..watch.run(&quick, "waiting")
        };
        watch.add(run).await;
    }
    watch.pass(29);
    watch.look().await;
    watch.nothing_is_open().await;
    watch.pass(16);
    watch.look().await;
    watch.look().await;
    let incident = watch.incident().await;
    assert_eq!(
        (&incident["kind"], &incident["last_execution_id"]),
        (&json!("stuck"), &json!(hung))
    );
    assert!(
        incident["detail"]
            .as_str()
            .unwrap()
            .contains("has been running for 45 minutes"),
        "{incident}"
    );
    assert_eq!(watch.events().await, ["workflow.stuck"]);
    // The slow one too, after three times its usual time.
    watch.pass(140);
    watch.look().await;
    let found = watch.watchdog().await;
    assert_eq!(found["open"].as_array().unwrap().len(), 2, "{found}");
    let at = watch.now();
    watch
        .change(format!("UPDATE execution_entity SET status = 'success', \"stoppedAt\" = '{at}' WHERE status = 'running'"))
        .await;
    watch.look().await;
    watch.nothing_is_open().await;
    assert_eq!(
        watch.events().await[2..],
        ["workflow.recovered", "workflow.recovered"]
    );
}

#[tokio::test]
async fn a_run_that_is_never_picked_up_or_never_woken_is_stuck() {
    let mut watch = Watch::begin().await;
    let (new, waiting) = (
        watch.id_of("Greeting by webhook").await,
        watch.id_of("Order intake").await,
    );
    watch
        .add(Run {
            stopped: None,
            ..watch.run(&new, "new")
        })
        .await;
    let till = Some(watch.now() + TimeDelta::minutes(5));
    watch
        .add(Run {
            stopped: None,
            wait_till: till,
            ..watch.run(&waiting, "waiting")
        })
        .await;
    watch.pass(31);
    watch.look().await;
    assert!(
        watch.incident().await["detail"]
            .as_str()
            .unwrap()
            .contains("picked up")
    );
    watch.pass(5);
    watch.look().await;
    assert_eq!(watch.events().await, ["workflow.stuck", "workflow.stuck"]);
}

#[tokio::test]
async fn a_schedule_that_stops_is_told_in_its_own_zone_and_over_when_it_runs_again() {
    let mut watch = Watch::begin().await;
    let since = watch.now() - TimeDelta::days(3);
    let daily = json!({ "triggerAtHour": 14, "triggerAtMinute": 0 });
    let id = watch
        .schedule("Nightly clean-up", daily, "Europe/Berlin", since)
        .await;
    // 14:00 in Berlin is 13:00 UTC; it ran yesterday.
    let yesterday = "2026-11-21T13:00:03Z".parse().unwrap();
    let run = Run {
        mode: "trigger",
        started: yesterday,
        stopped: Some(yesterday),
        ..watch.run(&id, "success")
    };
    watch.add(run).await;
    watch.pass(65);
    watch.look().await;
    watch.nothing_is_open().await;
    let watched = watch.watchdog().await["watched"].clone();
    let of = watched
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["workflow_id"] == id.as_str())
        .unwrap();
    assert_eq!(of["last_run_at"], "2026-11-21T13:00:03Z");
    watch.pass(2);
    watch.look().await;
    watch.look().await;
    let incident = watch.incident().await;
    assert_eq!(
        (&incident["kind"], &incident["count"]),
        (&json!("missed"), &json!(1))
    );
    let detail = incident["detail"].as_str().unwrap();
    assert!(detail.starts_with("It should have run at 2026-11-22 14:00 (Europe/Berlin); it last ran at 2026-11-21 14:00"), "{detail}");
    assert_eq!(watch.events().await, ["workflow.missed"]);
    watch.pass(60 * 24);
    watch.story.client.login().await;
    watch.look().await;
    assert_eq!(watch.incident().await["count"], 2);
    let run = Run {
        mode: "trigger",
        ..watch.run(&id, "success")
    };
    watch.add(run).await;
    watch.look().await;
    watch.nothing_is_open().await;
    assert_eq!(
        watch.events().await,
        ["workflow.missed", "workflow.recovered"]
    );
}

#[tokio::test]
async fn f45_on_the_night_when_the_clocks_change_only_what_did_not_run_is_missed() {
    let mut watch = Watch::begin().await;
    // 28 March 2027, 02:30 is skipped in Berlin: due at 03:00 CEST, 01:00 UTC.
    watch
        .story
        .app
        .advance("2027-03-28T01:04:00Z".parse::<DateTime<Utc>>().unwrap() - watch.now());
    watch.story.client.login().await;
    let since = watch.now() - TimeDelta::days(3);
    let daily = json!({ "triggerAtHour": 2, "triggerAtMinute": 30 });
    let id = watch
        .schedule("Nightly clean-up", daily, "Europe/Berlin", since)
        .await;
    let before = "2027-03-27T01:30:02Z".parse().unwrap();
    let run = Run {
        mode: "trigger",
        started: before,
        stopped: Some(before),
        ..watch.run(&id, "success")
    };
    watch.add(run).await;
    watch.look().await;
    watch.nothing_is_open().await;
    watch.pass(3);
    watch.look().await;
    assert_eq!(
        watch.incident().await["first_seen_at"],
        "2027-03-28T01:00:00Z"
    );
}

#[tokio::test]
async fn interval_triggers_workflows_that_were_just_switched_on_and_runs_that_are_not_kept_are_understood()
 {
    let mut watch = Watch::begin().await;
    let every = json!({ "field": "minutes", "minutesInterval": 10 });
    let since = watch.now() - TimeDelta::minutes(3);
    let id = watch
        .schedule("Hourly report", every, "DEFAULT", since)
        .await;
    watch.look().await;
    watch.nothing_is_open().await;
    // No run is kept, but n8n counted one a minute ago.
    watch.pass(20);
    let at = watch.now() - TimeDelta::minutes(1);
    watch.count(&id, at).await;
    watch.look().await;
    watch.nothing_is_open().await;
    watch.pass(30);
    watch.look().await;
    assert_eq!(watch.incident().await["kind"], "missed");
    // Switched off, it is no longer expected.
    watch
        .change(format!(
            "UPDATE workflow_entity SET active = FALSE WHERE id = '{id}'"
        ))
        .await;
    watch.look().await;
    watch.nothing_is_open().await;
    let resolved = flows::get(
        &watch.story,
        &format!("/api/watchdog/incidents?workflow_id={id}"),
    )
    .await;
    assert_eq!(resolved["items"][0]["resolution"], "inactive");
    assert_eq!(
        watch.events().await,
        ["workflow.missed", "workflow.recovered"]
    );
}

#[tokio::test]
async fn where_no_run_at_all_is_kept_a_schedule_that_stops_is_missed_from_when_it_was_first_seen_on()
 {
    let mut watch = Watch::begin().await;
    watch
        .change("DELETE FROM execution_entity".to_owned())
        .await;
    let hourly = json!({ "field": "hours", "triggerAtMinute": 0 });
    let since = watch.now() - TimeDelta::days(3);
    let id = watch.schedule("Hourly report", hourly, "UTC", since).await;
    watch.look().await;
    watch.nothing_is_open().await;
    watch.pass(64);
    watch.look().await;
    watch.nothing_is_open().await;
    watch.pass(3);
    watch.look().await;
    let incident = watch.incident().await;
    assert_eq!(incident["first_seen_at"], "2026-11-22T13:00:00Z");
    let detail = incident["detail"].as_str().unwrap();
    assert!(detail.ends_with("no run of it is known."), "{detail}");
    // Another daemon saw it later, and does not take that for a run.
    watch.pass(60);
    watch.restarted().look().await.unwrap();
    assert_eq!(watch.incident().await["count"], 2);
    let at = watch.now();
    watch.count(&id, at).await;
    watch.look().await;
    watch.nothing_is_open().await;
    assert_eq!(
        watch.events().await,
        ["workflow.missed", "workflow.recovered"]
    );
}

#[tokio::test]
async fn where_no_run_at_all_is_kept_n8ns_counts_say_at_once_when_a_schedule_stopped() {
    let mut watch = Watch::begin().await;
    watch
        .change("DELETE FROM execution_entity".to_owned())
        .await;
    let hourly = json!({ "field": "hours", "triggerAtMinute": 0 });
    let since = watch.now() - TimeDelta::days(3);
    let id = watch.schedule("Hourly report", hourly, "UTC", since).await;
    let at = "2026-11-22T08:00:04Z".parse().unwrap();
    watch.count(&id, at).await;
    watch.look().await;
    let incident = watch.incident().await;
    assert_eq!(incident["first_seen_at"], "2026-11-22T09:00:00Z");
    let detail = incident["detail"].as_str().unwrap();
    assert!(
        detail.contains("it last ran at 2026-11-22 08:00"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_busy_webhook_beside_a_schedule_does_not_hide_that_the_schedule_stopped() {
    let mut watch = Watch::begin().await;
    let hourly = json!({ "field": "hours", "triggerAtMinute": 0 });
    let id = watch
        .schedule_beside_a_webhook("Hourly report", hourly)
        .await;
    let run = Run {
        mode: "trigger",
        ..watch.run(&id, "success")
    };
    watch.add(run).await;
    watch.look().await;
    // The webhook runs on, and n8n counts it.
    for _ in 0..14 {
        watch.pass(5);
        let run = watch.run(&id, "success");
        watch.add(run).await;
        let at = watch.now() + TimeDelta::seconds(1);
        watch.count(&id, at).await;
        watch.look().await;
    }
    let incident = watch.incident().await;
    assert_eq!(
        (&incident["kind"], &incident["first_seen_at"]),
        (&json!("missed"), &json!("2026-11-22T13:00:00Z"))
    );
    // A daemon that begins now finds the last run of the schedule behind all those of the webhook.
    let at = watch.now();
    watch
        .change(format!(
            "INSERT INTO execution_entity (finished, mode, status, \"workflowId\", \"startedAt\", \"stoppedAt\", \"createdAt\") \
             SELECT TRUE, 'webhook', 'success', '{id}', '{at}', '{at}', '{at}' FROM generate_series(1, 300)"
        ))
        .await;
    let restarted = watch.restarted();
    restarted.look().await.unwrap();
    let detail = watch.incident().await["detail"].to_string();
    assert!(
        detail.contains("it last ran at 2026-11-22 11:59"),
        "{detail}"
    );
    let run = Run {
        mode: "trigger",
        ..watch.run(&id, "success")
    };
    watch.add(run).await;
    watch.look().await;
    watch.nothing_is_open().await;
}

#[tokio::test]
async fn a_schedule_beside_a_webhook_is_proven_by_n8ns_counts_where_good_runs_are_not_kept() {
    let mut watch = Watch::begin().await;
    let hourly = json!({ "field": "hours", "triggerAtMinute": 0 });
    let id = watch
        .schedule_beside_a_webhook("Hourly report", hourly)
        .await;
    // What failed is kept, and what somebody ran by hand.
    for (mode, status) in [("trigger", "error"), ("manual", "success")] {
        let run = Run {
            mode,
            ..watch.run(&id, status)
        };
        watch.add(run).await;
    }
    watch.look().await;
    for _ in 0..14 {
        watch.pass(5);
        let at = watch.now();
        watch.count(&id, at).await;
        watch.look().await;
    }
    let kinds = watch.watchdog().await["open"].to_string();
    assert!(!kinds.contains("missed"), "{kinds}");
    watch.pass(70);
    watch.look().await;
    assert_eq!(watch.incident().await["kind"], "missed");
}

#[tokio::test]
async fn n8ns_time_zone_is_learned_from_what_it_writes_down_and_trusted_only_then() {
    let mut watch = Watch::begin().await;
    let since = watch.now() - TimeDelta::days(3);
    let daily = json!({ "triggerAtHour": 21, "triggerAtMinute": 0 });
    let id = watch
        .schedule("Nightly clean-up", daily, "DEFAULT", since)
        .await;
    let found = watch.watchdog().await;
    assert_eq!(
        (&found["time_zone"], &found["time_zone_is_known"]),
        (&json!("America/New_York"), &json!(false))
    );
    // 21:00 in Tokyo is 12:00 UTC.
    let run = Run {
        mode: "trigger",
        data: r#"[{"resultData":"1"},"Asia/Tokyo (UTC+09:00)"]"#,
        ..watch.run(&id, "success")
    };
    watch.add(run).await;
    watch.look().await;
    let found = watch.watchdog().await;
    assert_eq!(
        (&found["time_zone"], &found["time_zone_is_known"]),
        (&json!("Asia/Tokyo"), &json!(true))
    );
    watch.pass(60 * 24 + 7);
    watch.story.client.login().await;
    watch.look().await;
    assert!(
        watch.incident().await["detail"]
            .as_str()
            .unwrap()
            .contains("21:00 (Asia/Tokyo)")
    );
    watch
        .set("watchdog.time_zone", json!("Europe/Berlin"))
        .await;
    watch.look().await;
    let incident = watch.incident().await;
    let detail = incident["detail"].as_str().unwrap();
    assert!(
        detail.contains("2026-11-22 21:00 (Europe/Berlin)"),
        "{detail}"
    );
}

#[tokio::test]
async fn while_n8n_is_down_nothing_is_missed_and_afterwards_that_explains_it() {
    let mut watch = Watch::begin().await;
    let since = watch.now() - TimeDelta::hours(2);
    let hourly = json!({ "field": "hours", "triggerAtMinute": 0 });
    let id = watch.schedule("Hourly report", hourly, "UTC", since).await;
    let run = Run {
        mode: "trigger",
        ..watch.run(&id, "success")
    };
    watch.add(run).await;
    let health = async |watch: &Watch, is_up: bool| {
        let sample = HostSample {
            at: watch.now(),
            ..HostSample::default()
        };
        let n8n = N8nNow {
            is_up: Some(is_up),
            ..N8nNow::default()
        };
        watch
            .story
            .app
            .state
            .host
            .observe(&sample, Some(&n8n), &Mounts::default())
            .await
            .unwrap();
    };
    for _ in 0..70 {
        watch.pass(1);
        health(&watch, false).await;
    }
    watch.look().await;
    watch.nothing_is_open().await;
    watch.pass(1);
    health(&watch, true).await;
    watch.pass(1);
    health(&watch, true).await;
    watch.look().await;
    let incident = watch.incident().await;
    assert!(
        incident["detail"]
            .as_str()
            .unwrap()
            .contains("n8n did not answer from 12:01 to 13:10 UTC"),
        "{incident}"
    );
}

#[tokio::test]
async fn of_a_muted_workflow_nobody_is_told_until_that_is_over_and_it_is_noted_all_the_same() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let path = format!("/api/watchdog/workflows/{id}/mute");
    let body = json!({ "hours": 2, "reason": "being rebuilt" });
    assert_eq!(
        watch.story.client.put(&path, body).await.status,
        StatusCode::NO_CONTENT
    );
    let run = watch.run(&id, "error");
    watch.add(run).await;
    watch.look().await;
    let incident = watch.incident().await;
    assert_eq!(incident["is_told"], false);
    assert!(watch.events().await.is_empty());
    assert_eq!(
        watch.watchdog().await["mutes"][0]["reason"],
        "being rebuilt"
    );
    let path = format!("/api/watchdog/incidents/{}/acknowledge", incident["id"]);
    let answer = watch.story.client.post(&path, json!({})).await;
    assert_eq!(
        answer.json()["acknowledged_by"],
        "admin",
        "{}",
        answer.text()
    );
    watch.pass(121);
    watch.look().await;
    assert_eq!(watch.events().await, ["workflow.failing"]);
    let actions = watch.story.app.audit_actions().await;
    assert!(actions.contains(&"watchdog.workflow_muted".to_owned()));
    assert!(actions.contains(&"watchdog.incident_acknowledged".to_owned()));
    let client = &watch.story.client;
    for (body, field) in [
        (json!({ "hours": 0 }), "hours"),
        (json!({ "reason": "x".repeat(501) }), "reason"),
    ] {
        let answer = client
            .put(&format!("/api/watchdog/workflows/{id}/mute"), body)
            .await;
        assert!(
            answer.json()["error"]["fields"].get(field).is_some(),
            "{}",
            answer.text()
        );
    }
    let answer = client
        .post("/api/watchdog/incidents/999/acknowledge", json!({}))
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_workflow_that_is_deleted_ends_its_incidents() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let run = watch.run(&id, "error");
    watch.add(run).await;
    watch.look().await;
    watch.incident().await;
    watch
        .change(format!(
            "UPDATE workflow_entity SET \"isArchived\" = TRUE WHERE id = '{id}'"
        ))
        .await;
    watch.look().await;
    watch.nothing_is_open().await;
    let told = watch.told().await;
    assert_eq!(told[1].1["message"], "It was switched off, or is gone.");
}

#[tokio::test]
async fn what_executions_take_is_shown_with_the_lines_that_free_it_by_a_role_that_can_only_read() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let day = watch.now();
    watch
        .change(format!(
            "INSERT INTO execution_entity (finished, mode, status, \"workflowId\", \"startedAt\", \"stoppedAt\", \"createdAt\") \
             SELECT TRUE, 'webhook', 'success', '{id}', at, at, at FROM \
             (SELECT now() - make_interval(days => n % 60) AS at FROM generate_series(0, 2999) n) times; \
             INSERT INTO execution_data (\"executionId\", \"workflowData\", data) \
             SELECT e.id, '{{}}', repeat(md5(e.id::text), 20) FROM execution_entity e \
             LEFT JOIN execution_data d ON d.\"executionId\" = e.id WHERE d.\"executionId\" IS NULL; ANALYZE"
        ))
        .await;
    let reader = format!("reader_{}", watch.story.source.database);
    watch
        .change(format!("CREATE ROLE \"{reader}\" LOGIN PASSWORD 'only-reads'; GRANT pg_read_all_data TO \"{reader}\""))
        .await;
    let mut only_reads = watch.story.source.clone();
    only_reads.user = reader;
    only_reads.password = Some(SecretString::from("only-reads"));
    let body = json!({ "database_url": url_of(&only_reads) });
    assert!(
        watch
            .story
            .client
            .put("/api/n8n/connection", body)
            .await
            .status
            .is_success()
    );
    watch.look().await;
    let advice = flows::get(&watch.story, "/api/watchdog/executions").await;
    assert_eq!(advice["is_unpruned"], true, "{advice}");
    assert_eq!(advice["is_estimate"], false);
    assert!(advice["runs"].as_i64().unwrap() >= 3_000);
    assert!(advice["table_bytes"].as_i64().unwrap() > advice["bytes"].as_i64().unwrap() / 2);
    assert_eq!(
        advice["workflows"][0]["workflow_name"],
        "Greeting by webhook"
    );
    let advised: Vec<&Value> = advice["options"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["is_advised"] == true)
        .collect();
    assert_eq!(advised.len(), 1, "{advice}");
    assert_eq!(
        advised[0]["lines"],
        json!([
            "EXECUTIONS_DATA_PRUNE=true",
            "EXECUTIONS_DATA_MAX_AGE=336",
            "EXECUTIONS_DATA_PRUNE_MAX_COUNT=10000"
        ])
    );
    let removes = advised[0]["removes_runs"].as_i64().unwrap();
    assert!((2_250..=2_400).contains(&removes), "{removes}");
    let sizes = flows::get(&watch.story, "/api/system/n8n-database").await;
    assert!(
        sizes["tables"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["name"] == "execution_data"),
        "{sizes}"
    );
    assert_eq!(watch.now(), day);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM execution_entity")
        .fetch_one(&mut watch.n8n)
        .await
        .unwrap();
    assert!(left >= 3_000, "Flowkeep deletes none");
    watch.n8n.close().await.unwrap();
}
