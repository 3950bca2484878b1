//! Schedules: made, foreseen, acted on once.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use chrono::{DateTime, TimeDelta, Utc};
use flowkeep::platform::leader::{Ballot, Lead};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::backups::{Story, until};
use crate::support::app::{TestApp, TestClient};
use crate::support::postgres::{connect, server_majors};

const BASE: &str = "/api/backups/schedules";

async fn lead(app: &TestApp) -> Lead {
    match app.state.candidacy.ask().await.unwrap() {
        Ballot::Won(lead) => lead,
        Ballot::Lost(holder) => panic!("{holder:?} leads"),
    }
}

async fn create(client: &TestClient, body: Value) -> Value {
    let answer = client.post(BASE, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

fn daily(hour: u32) -> Value {
    json!({
        "name": "Nightly", "backup_type": "postgres_n8n", "frequency": "daily", "hour": hour,
        "minute": 30, "timezone": "Europe/Berlin",
    })
}

async fn runs(app: &TestApp) -> Vec<(String, DateTime<Utc>)> {
    sqlx::query_as("SELECT status, due_at FROM schedule_runs WHERE kind = 'backup' ORDER BY due_at")
        .fetch_all(app.state.db.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_schedule_is_made_foreseen_changed_paused_and_deleted() {
    let (app, client) = TestApp::with_admin().await;
    let made = create(&client, daily(2)).await;
    // The clock of the test: 1 March 2026, 12:00 UTC.
    assert_eq!(made["next_run"], "2026-03-02T01:30:00Z", "{made}");
    assert_eq!(made["compression"], "zstd");
    let job: String = app
        .sql("SELECT convert_from(job_state, 'UTF8') FROM apscheduler_jobs WHERE id = 'backup:1'")
        .await;
    assert!(job.contains("\"misfire_grace_seconds\":3600"), "{job}");
    let upcoming = client.get(&format!("{BASE}/upcoming?days=7")).await.json();
    let kinds: Vec<_> = upcoming["items"].as_array().unwrap().iter().collect();
    assert_eq!(kinds.len(), 8, "seven backups and a proof: {upcoming}");
    let mut changed = daily(2);
    changed["enabled"] = json!(false);
    let path = format!("{BASE}/{}", made["id"]);
    let paused = client.put(&path, changed).await.json();
    assert_eq!(
        (&paused["enabled"], &paused["next_run"]),
        (&json!(false), &Value::Null)
    );
    let jobs = "SELECT count(*) FROM apscheduler_jobs WHERE id LIKE 'backup:%'";
    assert_eq!(app.sql::<i64>(jobs).await, 0);
    assert_eq!(client.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.get(&path).await.status, StatusCode::NOT_FOUND);
    let actions = app.audit_actions().await;
    assert_eq!(
        actions[actions.len() - 3..],
        ["schedule.created", "schedule.changed", "schedule.deleted"]
    );
}

#[tokio::test]
async fn values_that_make_no_sense_are_named_with_the_remedy() {
    let (app, client) = TestApp::with_admin().await;
    for (field, value, words) in [
        ("hour", json!(24), "between 0 and 23"),
        ("hour", Value::Null, "is needed"),
        ("minute", json!(60), "between 0 and 59"),
        ("timezone", json!("Europe/Atlantis"), "Europe/Berlin"),
        ("timezone", json!("+02:00"), "Europe/Berlin"),
        ("name", json!("  "), "give it a name"),
        ("compression", json!("rar"), "zstd"),
        ("frequency", json!("sometimes"), "hourly"),
        ("backup_type", json!("tape"), "postgres_n8n"),
        ("cron", json!("* * * * *"), "unknown field"),
    ] {
        let mut body = daily(2);
        body[field] = value;
        let answer = client.post(BASE, body.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let why = answer.json()["error"]["fields"][field].to_string();
        assert!(why.contains(words), "{field}: {why}");
    }
    let monthly = json!({
        "name": "x", "backup_type": "postgres_n8n", "frequency": "monthly", "hour": 1, "day_of_month": 31,
    });
    let why =
        client.post(BASE, monthly).await.json()["error"]["fields"]["day_of_month"].to_string();
    assert!(why.contains("between 1 and 28"), "{why}");
    let weekly = json!({
        "name": "x", "backup_type": "postgres_n8n", "frequency": "weekly", "hour": 1, "day_of_week": 7,
    });
    let why = client.post(BASE, weekly).await.json()["error"]["fields"]["day_of_week"].to_string();
    assert!(why.contains("0 is Monday"), "{why}");
    assert_eq!(
        app.sql::<i64>("SELECT count(*) FROM backup_schedules")
            .await,
        0
    );
    let proofs = "/api/backups/verification/schedule";
    for (body, field) in [
        (
            json!({ "enabled": true, "frequency": "hourly", "hour": 1, "verify_latest_count": 5 }),
            "frequency",
        ),
        (
            json!({ "enabled": true, "frequency": "daily", "hour": 1, "verify_latest_count": 0 }),
            "verify_latest_count",
        ),
        (
            json!({ "enabled": true, "frequency": "daily", "hour": 99, "verify_latest_count": 5 }),
            "hour",
        ),
    ] {
        let answer = client.put(proofs, body).await;
        assert!(
            answer.json()["error"]["fields"].get(field).is_some(),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_due_backup_is_made_proven_by_schedule_and_followed_to_its_end() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    std::fs::set_permissions(story.app.data_dir.path(), Permissions::from_mode(0o711)).unwrap();
    let schedules = &story.app.state.schedules;
    create(&story.client, daily(14)).await;
    let lead = lead(&story.app).await;
    schedules.tick(lead.term).await.unwrap();
    assert!(runs(&story.app).await.is_empty());
    // 14:30 in Berlin is 13:30 UTC.
    story.app.advance(TimeDelta::minutes(91));
    schedules.tick(lead.term).await.unwrap();
    schedules.tick(lead.term).await.unwrap();
    let backup = story.ended(1).await;
    assert_eq!(
        (&backup["status"], &backup["trigger"]),
        (&json!("success"), &json!("schedule")),
        "{backup}"
    );
    schedules.tick(lead.term).await.unwrap();
    let history = story.client.get(&format!("{BASE}/1/runs")).await.json();
    assert_eq!(history["items"][0]["status"], "succeeded", "{history}");
    assert_eq!(history["items"][0]["backup_id"], 1);
    let schedule = story.client.get(&format!("{BASE}/1")).await.json();
    assert_eq!(schedule["last_run"], "2026-03-01T13:30:00Z");
    assert_eq!(schedule["next_run"], "2026-03-02T13:30:00Z");

    let body =
        json!({ "enabled": true, "frequency": "daily", "hour": 20, "verify_latest_count": 3 });
    let answer = story
        .client
        .put("/api/backups/verification/schedule", body)
        .await;
    assert_eq!(answer.json()["next_run"], "2026-03-01T20:00:00Z");
    story.app.advance(TimeDelta::hours(7));
    schedules.tick(lead.term).await.unwrap();
    let queued: i64 = story
        .app
        .sql("SELECT count(*) FROM verification_runs WHERE trigger = 'schedule'")
        .await;
    assert_eq!(queued, 1);
}

#[tokio::test]
async fn f08_a_scheduled_backup_that_fails_for_a_passing_reason_is_tried_again() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let schedules = &story.app.state.schedules;
    create(&story.client, daily(14)).await;
    let mut gone = story.source.clone();
    gone.host = flowkeep::platform::postgres::Host::Tcp("127.0.0.1".to_owned());
    gone.port = 1;
    story.connect(&gone).await;
    let lead = lead(&story.app).await;
    schedules.tick(lead.term).await.unwrap();
    story.app.advance(TimeDelta::minutes(91));
    schedules.tick(lead.term).await.unwrap();
    let failed = story.ended(1).await;
    assert_eq!(failed["failure_code"], "cannot_connect", "{failed}");
    schedules.tick(lead.term).await.unwrap();
    assert_eq!(runs(&story.app).await[0].0, "queued");
    // The server is back before the second attempt.
    story.connect(&story.source).await;
    schedules.tick(lead.term).await.unwrap();
    assert_eq!(
        story
            .app
            .sql::<i64>("SELECT count(*) FROM backup_history")
            .await,
        1
    );
    story.app.advance(TimeDelta::minutes(2));
    schedules.tick(lead.term).await.unwrap();
    assert_eq!(story.ended(2).await["status"], "success");
    schedules.tick(lead.term).await.unwrap();
    assert_eq!(runs(&story.app).await[0].0, "succeeded");
    let successes = "SELECT count(*) FROM backup_history WHERE status = 'success'";
    assert_eq!(story.app.sql::<i64>(successes).await, 1);
}

#[tokio::test]
async fn f46_missed_due_times_are_one_run_within_the_hour_and_told_after_it() {
    let (app, client) = TestApp::with_admin().await;
    let hourly = json!({
        "name": "Often", "backup_type": "postgres_n8n", "frequency": "hourly", "minute": 0,
    });
    create(&client, hourly).await;
    create(&client, daily(14)).await;
    let lead = lead(&app).await;
    app.state.schedules.tick(lead.term).await.unwrap();
    // Asleep from 12:00 to 16:10.
    app.advance(TimeDelta::minutes(250));
    app.state.schedules.tick(lead.term).await.unwrap();
    app.state.schedules.tick(lead.term).await.unwrap();
    let seen = runs(&app).await;
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    // No n8n is connected, so what was begun has failed.
    assert_eq!(
        seen,
        [
            ("missed".to_owned(), at("2026-03-01T13:30:00Z")),
            ("failed".to_owned(), at("2026-03-01T16:00:00Z")),
        ]
    );
    let warned = app.events().await;
    assert!(warned.contains(&"backup.warning".to_owned()), "{warned:?}");
}

#[tokio::test]
async fn f47_a_clock_that_jumps_back_or_ahead_runs_nothing_twice() {
    let (app, client) = TestApp::with_admin().await;
    create(&client, daily(14)).await;
    let lead = lead(&app).await;
    let tick = async || {
        app.state.schedules.tick(lead.term).await.unwrap();
    };
    tick().await;
    app.advance(TimeDelta::minutes(95));
    tick().await;
    assert_eq!(runs(&app).await.len(), 1);
    app.advance(TimeDelta::hours(-1));
    tick().await;
    app.advance(TimeDelta::minutes(59));
    tick().await;
    assert_eq!(runs(&app).await.len(), 1);
    // Years ahead by mistake, and back: nothing waits for years.
    app.advance(TimeDelta::days(2_000));
    tick().await;
    app.advance(TimeDelta::days(-2_000));
    tick().await;
    let next: DateTime<Utc> = app.sql("SELECT next_run FROM backup_schedules").await;
    assert_eq!(
        next,
        "2026-03-02T13:30:00Z".parse::<DateTime<Utc>>().unwrap()
    );
}

#[tokio::test]
async fn f49_a_former_leader_notes_no_due_time() {
    let (app, client) = TestApp::with_admin().await;
    create(&client, daily(14)).await;
    let old = lead(&app).await;
    let term = old.term;
    drop(old);
    let other = TestApp::builder().beside(&app).start().await;
    let _new = until("the lead", || async {
        match other.state.candidacy.ask().await.unwrap() {
            Ballot::Won(lead) => Some(lead),
            Ballot::Lost(_) => None,
        }
    })
    .await;
    app.advance(TimeDelta::minutes(95));
    app.state.schedules.tick(term).await.unwrap();
    assert!(runs(&app).await.is_empty());
    // Nor does it begin what the new leader noted.
    app.execute(
        "INSERT INTO schedule_runs (kind, schedule_id, due_at, status, created_at) \
         VALUES ('backup', 1, now(), 'queued', now())",
    )
    .await;
    app.state.schedules.tick(term).await.unwrap();
    assert_eq!(runs(&app).await[0].0, "queued");
}

#[tokio::test]
async fn a_simulated_year_runs_every_due_time_once() {
    let (app, client) = TestApp::with_admin().await;
    create(&client, daily(2)).await;
    let others = [
        json!({ "name": "Weekly", "backup_type": "postgres_n8n", "frequency": "weekly", "hour": 2,
                "day_of_week": 6, "timezone": "America/Chicago" }),
        json!({ "name": "Monthly", "backup_type": "postgres_n8n", "frequency": "monthly", "hour": 0,
                "day_of_month": 28, "timezone": "Australia/Lord_Howe" }),
    ];
    for body in others {
        create(&client, body).await;
    }
    let lead = lead(&app).await;
    let end = app.now() + TimeDelta::days(365);
    while app.now() < end {
        let next = app.state.schedules.tick(lead.term).await.unwrap().unwrap();
        app.advance((next - app.now()).max(TimeDelta::seconds(1)));
        // The lease is the database's time, which stands almost still here.
        app.execute(
            "UPDATE leader_leases SET expires_at = clock_timestamp() + interval '1 minute'",
        )
        .await;
    }
    for (schedule, expected) in [(1, 365..=366), (2, 52..=53), (3, 12..=12)] {
        let sql = "SELECT count(*) FROM schedule_runs WHERE kind = 'backup' AND schedule_id = $1";
        let count: i64 = sqlx::query_scalar(sql)
            .bind(schedule)
            .fetch_one(app.state.db.pool())
            .await
            .unwrap();
        assert!(expected.contains(&count), "{schedule}: {count}");
    }
    let missed = "SELECT count(*) FROM schedule_runs WHERE status = 'missed'";
    assert_eq!(app.sql::<i64>(missed).await, 0);
}

#[tokio::test]
async fn the_dead_mans_ping_goes_out_while_promises_are_kept_and_stops_when_one_is_broken() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let (calls, status) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU16::new(200)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/ping/a-secret-token",
        listener.local_addr().unwrap()
    );
    let (called, answered) = (Arc::clone(&calls), Arc::clone(&status));
    let router = axum::Router::new().fallback(move || async move {
        called.fetch_add(1, Ordering::SeqCst);
        axum::http::StatusCode::from_u16(answered.load(Ordering::SeqCst)).unwrap()
    });
    story.app.state.lifecycle.spawn("listener", async move {
        let _ = axum::serve(listener, router).await;
    });
    let schedules = &story.app.state.schedules;
    let ping = async || format!("{:?}", schedules.ping().await.unwrap());
    assert_eq!(ping().await, "NotSet");
    let path = "/api/settings/backups.ping_url";
    let refused = story
        .client
        .put(path, json!({ "value": "gopher://x" }))
        .await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let set = story.client.put(path, json!({ "value": url })).await;
    assert_eq!(set.status, 200, "{set:?}");
    assert!(!set.text().contains("a-secret-token"));
    assert_eq!(ping().await, "Sent");
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    // The other side is broken: told once, without the URL.
    status.store(500, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(ping().await, "Failed(\"the server answered 500\")");
    }
    let told: Vec<String> = story.app.events().await;
    assert_eq!(
        told.iter()
            .filter(|event| *event == "backup.warning")
            .count(),
        1
    );
    let outbox: String = story
        .app
        .sql("SELECT string_agg(data::text, ' ') FROM event_outbox")
        .await;
    assert!(
        outbox.contains("500") && !outbox.contains("a-secret-token"),
        "{outbox}"
    );
    // Nor does another daemon tell it that takes the lead meanwhile.
    let other = TestApp::builder().beside(&story.app).start().await;
    let failed = other.state.schedules.ping().await.unwrap();
    assert!(format!("{failed:?}").contains("500"), "{failed:?}");
    assert_eq!(story.app.told("backup.warning").await.len(), 1);
    status.store(200, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(ping().await, "Sent");
    }
    assert_eq!(story.app.told("backup.recovered").await.len(), 1);

    // A promise is broken: silence.
    let body = json!({ "name": "Nightly", "backup_type": "postgres_n8n", "frequency": "daily", "hour": 2 });
    let made = story.client.post("/api/backups/schedules", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    story.app.advance(chrono::TimeDelta::days(3));
    let before = calls.load(Ordering::SeqCst);
    assert_eq!(ping().await, "Withheld");
    assert_eq!(calls.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn a_due_backup_that_cannot_begin_ends_and_is_told_or_neither() {
    let (app, client) = TestApp::with_admin().await;
    create(&client, daily(14)).await;
    let lead = lead(&app).await;
    let tick = async || app.state.schedules.tick(lead.term).await;
    tick().await.unwrap();
    // As a later version may leave it to an earlier one.
    app.execute("UPDATE backup_schedules SET backup_type = 'tape'")
        .await;
    app.advance(TimeDelta::minutes(91));
    app.refuse_event("backup.warning").await;
    assert!(tick().await.is_err());
    assert_eq!(runs(&app).await[0].0, "queued");
    app.accept_events().await;
    for _ in 0..2 {
        tick().await.unwrap();
    }
    assert_eq!(runs(&app).await[0].0, "failed");
    let told = app.told("backup.warning").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["code"], &told[0]["backup_type"]),
        (&json!("run_failed"), &json!("tape"))
    );
}

#[tokio::test]
async fn a_due_backup_that_is_left_out_ends_and_is_told_or_neither() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    create(&story.client, daily(14)).await;
    let lead = lead(&story.app).await;
    let tick = async || story.app.state.schedules.tick(lead.term).await;
    tick().await.unwrap();
    let mut blocker = connect(&story.source).await;
    let sql = "BEGIN; LOCK TABLE execution_data IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(sql).execute(&mut blocker).await.unwrap();
    let id = story.ask().await;
    story.app.advance(TimeDelta::minutes(91));
    story.app.refuse_event("backup.warning").await;
    assert!(tick().await.is_err());
    assert_eq!(runs(&story.app).await[0].0, "queued");
    story.app.accept_events().await;
    for _ in 0..2 {
        tick().await.unwrap();
    }
    assert_eq!(runs(&story.app).await[0].0, "skipped");
    let told = story.app.told("backup.warning").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["code"], &told[0]["backup_type"]),
        (&json!("run_skipped"), &json!("postgres_n8n"))
    );
    blocker.close().await.unwrap();
    story.ended(id).await;
}
