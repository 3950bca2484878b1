//! The whole way: something happens, a rule tells a service of e-mail, a template says it, a server takes it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use flowkeep::platform::events::{self, Event, Severity};
use http::StatusCode;
use mail_parser::{Message, MessageParser};
use mailin::AuthMechanism;
use serde_json::{Value, json};

use super::{allow_private, config};
use crate::support::app::{TestApp, TestClient};
use crate::support::smtp::{Behaviour, Encryption, Received, SmtpServer};

const SERVICES: &str = "/api/notifications/services";

/// An application that knows its address and tells a mail server on this machine.
struct Mailed {
    app: TestApp,
    client: TestClient,
    server: SmtpServer,
}

impl Mailed {
    async fn start() -> Self {
        let app = TestApp::builder()
            .args(&["--public-url", "https://keep.example.org"])
            .start()
            .await;
        app.setup_admin().await;
        let client = app.client();
        client.login().await;
        allow_private(&client, true).await;
        let server =
            SmtpServer::start(Behaviour::new(Encryption::StartTls).login(AuthMechanism::Plain))
                .await;
        let answer = client
            .put("/api/email/config", config(&server, "starttls"))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        Self {
            app,
            client,
            server,
        }
    }

    /// Adds a service of e-mail and a rule for everything. Returns the service's id.
    async fn tell(&self, service: Value, rule: Value) -> i64 {
        let body = json!({ "name": "mail", "service_type": "email", "config": service });
        let made = self.client.post(SERVICES, body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let id = made.json()["id"].as_i64().unwrap();
        self.rule(id, rule).await;
        id
    }

    async fn rule(&self, service_id: i64, changes: Value) {
        let mut rule = json!({ "name": "r", "event_type": "*", "service_id": service_id });
        let changes = changes.as_object().unwrap().clone();
        rule.as_object_mut().unwrap().extend(changes);
        let made = self.client.post("/api/notifications/rules", rule).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        // What setting this up caused is not what the tests are about.
        self.app
            .execute("UPDATE event_outbox SET dispatched_at = NOW() WHERE dispatched_at IS NULL")
            .await;
    }

    async fn happen(&self, event_type: &str, severity: Severity, data: Value) {
        let state = &self.app.state;
        let event = Event::now(&state.ids, &state.clock, event_type, severity, data);
        let tx = state.db.begin().await.unwrap();
        events::record(&tx, &event).await.unwrap();
        tx.commit().await.unwrap();
        state.events.publish(event);
    }

    async fn run(&self) {
        self.app.state.notifications.run_once().await.unwrap();
    }

    async fn history(&self) -> Vec<Value> {
        let path = "/api/notifications/history?limit=200";
        let page = self.client.get(path).await.json();
        page["items"].as_array().unwrap().clone()
    }

    /// What came for an event, whole.
    async fn mailed(&self, event_type: &str, severity: Severity, data: Value) -> Received {
        let before = self.server.received().len();
        self.happen(event_type, severity, data).await;
        self.run().await;
        let mut received = self.server.received();
        assert_eq!(received.len(), before + 1, "{event_type}");
        received.remove(before)
    }

    async fn edit(&self, key: &str, change: Value) {
        let path = format!("/api/email/templates/{key}");
        let answer = self.client.put(&path, change).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
}

fn parse(received: &Received) -> Message<'_> {
    MessageParser::default().parse(&received.data).unwrap()
}

/// Subject, HTML and plain text in one, for what must or must not be in any of them.
fn all(received: &Received) -> String {
    let parsed = parse(received);
    let parts = [
        parsed.subject().unwrap().to_owned(),
        parsed.body_html(0).unwrap().into_owned(),
        parsed.body_text(0).unwrap().into_owned(),
    ];
    parts.join("\n").replace("\r\n", "\n")
}

fn severity(name: &Value) -> Severity {
    Severity::from_name(name.as_str().unwrap())
}

#[tokio::test]
async fn every_type_of_event_is_mailed_with_all_that_it_says_and_nothing_is_unknown() {
    let mailed = Mailed::start().await;
    mailed.tell(json!({}), json!({})).await;
    let types = mailed.client.get("/api/notifications/event-types").await;
    let mut subjects = BTreeMap::new();
    for one in types.json()["items"].as_array().unwrap() {
        let name = one["name"].as_str().unwrap();
        // Many at once would be gathered.
        mailed.app.advance(TimeDelta::minutes(2));
        let came = mailed
            .mailed(name, severity(&one["severity"]), one["sample"].clone())
            .await;
        let said = all(&came);
        for wrong in ["unknown", "undefined", "{{", "{%", "postgres_n8n ", "@@"] {
            assert!(!said.contains(wrong), "{name} says {wrong}: {said}");
        }
        subjects.insert(name.to_owned(), parse(&came).subject().unwrap().to_owned());
    }
    let host = &subjects["container.stopped"];
    let host = host
        .strip_prefix("Container n8n_worker on ")
        .and_then(|rest| rest.strip_suffix(": stopped"))
        .unwrap_or_else(|| panic!("{host}"));
    for (name, subject) in [
        (
            "backup.success",
            format!("Backup made: n8n's database on {host}"),
        ),
        (
            "verification.failed",
            format!("Backup 43 on {host} did not pass its proof"),
        ),
        (
            "container.recovered",
            format!("Container n8n_worker on {host}: recovered"),
        ),
        (
            "system.disk_warning",
            format!("Disk / on {host} is 86 % full"),
        ),
        (
            "system.disk_critical",
            format!("Disk / on {host} is 96 % full"),
        ),
        // No template, so the usual words.
        (
            "management.user_created",
            "Administrator admin was made".to_owned(),
        ),
    ] {
        assert_eq!(subjects[name], subject);
    }
}

#[tokio::test]
async fn a_disk_is_mailed_with_its_room_and_a_colour_as_bad_as_it_is() {
    let mailed = Mailed::start().await;
    mailed.tell(json!({}), json!({})).await;
    let data = json!({
        "mount": "/data", "percent": 91, "free_bytes": 9_100_000_000_u64,
        "total_bytes": 100_000_000_000_u64, "message": "m",
    });
    let warning = mailed
        .mailed("system.disk_warning", Severity::Warning, data.clone())
        .await;
    let critical = mailed
        .mailed("system.disk_critical", Severity::Critical, data)
        .await;
    for (came, heading, color) in [
        (&warning, "A disk is filling up", "#b45309"),
        (&critical, "A disk is nearly full", "#b91c1c"),
    ] {
        let said = all(came);
        for part in [
            heading,
            color,
            "Free:            9.1 GB",
            "Size:            100 GB",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let bad = mailed
        .mailed(
            "container.unhealthy",
            Severity::Error,
            json!({ "container": "w" }),
        )
        .await;
    let good = mailed
        .mailed(
            "container.recovered",
            Severity::Info,
            json!({ "container": "w" }),
        )
        .await;
    assert!(all(&bad).contains("bgcolor=\"#b91c1c\""));
    assert!(all(&good).contains("bgcolor=\"#15803d\""));
}

#[tokio::test]
async fn a_backup_that_could_not_be_proven_is_not_called_bad() {
    let mailed = Mailed::start().await;
    mailed.tell(json!({}), json!({})).await;
    let data = |status: &str| {
        json!({
            "id": 8, "backup_id": 43, "status": status, "code": "timeout",
            "message": "The verification took longer than 120 minutes.",
            "remedy": "Raise the time limit in the settings.",
        })
    };
    let unproven = mailed
        .mailed(
            "verification.failed",
            Severity::Warning,
            data("could_not_verify"),
        )
        .await;
    let said = all(&unproven);
    for part in [
        "could not be proven",
        "Nothing is known to be wrong",
        "Raise the time limit",
        "#b45309",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for part in ["Do not rely", "did not pass", "could_not_verify", "#b91c1c"] {
        assert!(!said.contains(part), "{part}: {said}");
    }
    let failed = mailed
        .mailed("verification.failed", Severity::Critical, data("failed"))
        .await;
    let said = all(&failed);
    for part in [
        "did not pass its proof",
        "Do not rely on this backup.",
        "#b91c1c",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn a_backup_is_mailed_in_words_and_claims_no_count_where_there_are_no_tables() {
    let mailed = Mailed::start().await;
    mailed.tell(json!({}), json!({})).await;
    let data = |kind: &str, tables: u32, rows: u32| {
        json!({
            "id": 5, "backup_type": kind, "filename": "f.zst", "stored_bytes": 1_500, "rows": rows,
            "tables": tables, "database": "n8n", "duration_ms": 83_000,
        })
    };
    let database = mailed
        .mailed("backup.success", Severity::Info, data("postgres_n8n", 3, 0))
        .await;
    let said = all(&database);
    for part in [
        "counted against the source",
        "Backup:          n8n's database, no. 5",
        "Rows:            0",
        "Took:            1 min 23 s",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let files = mailed
        .mailed("backup.success", Severity::Info, data("n8n_config", 0, 0))
        .await;
    let said = all(&files);
    assert!(said.contains("The file was written whole."), "{said}");
    assert!(
        !said.contains("counted") && !said.contains("rows"),
        "{said}"
    );
}

#[tokio::test]
async fn mail_that_comes_late_says_when_it_happened() {
    let mailed = Mailed::start().await;
    mailed.tell(json!({}), json!({})).await;
    let zone = json!({ "value": "Asia/Tokyo" });
    let answer = mailed
        .client
        .put("/api/settings/general.time_zone", zone)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    mailed
        .app
        .execute("UPDATE event_outbox SET dispatched_at = NOW() WHERE dispatched_at IS NULL")
        .await;
    let at = mailed.app.now().with_timezone(&chrono_tz::Asia::Tokyo);
    let happened = at.format("%Y-%m-%d %H:%M JST").to_string();
    for (event_type, data) in [
        (
            "backup.failed",
            json!({ "id": 1, "code": "c", "message": "m" }),
        ),
        ("workflow.stuck", json!({ "workflow": "w", "message": "m" })),
    ] {
        mailed.happen(event_type, Severity::Error, data).await;
    }
    mailed.server.refuse("ann@", 451, "4.7.1 Later");
    mailed.server.refuse("ann@", 451, "4.7.1 Later");
    mailed.run().await;
    assert!(mailed.server.received().is_empty());
    mailed.app.advance(TimeDelta::hours(3));
    mailed.run().await;
    let received = mailed.server.received();
    assert_eq!(received.len(), 2);
    for came in &received {
        let said = all(came);
        assert!(said.contains(&happened), "{happened}: {said}");
    }
}

#[tokio::test]
async fn an_edited_template_also_says_what_somebody_has_to_acknowledge() {
    let mailed = Mailed::start().await;
    let id = mailed
        .tell(json!({}), json!({ "event_type": "backup.success" }))
        .await;
    let escalation = json!({ "escalation": [{ "after_minutes": 10, "service_id": id }] });
    mailed
        .rule(id, json!({ "event_type": "backup.failed", "priority": "critical", "conditions": escalation }))
        .await;
    let data = json!({ "id": 43, "backup_type": "flows", "code": "no_space", "message": "Full." });
    let usual = all(&mailed
        .mailed("backup.failed", Severity::Error, data.clone())
        .await);
    for part in [
        "Earlier backups are untouched",
        "Open in Flowkeep: https://keep.example.org/notifications/history?message=",
        "Acknowledge: https://keep.example.org/acknowledge#token=",
        "Backup:          workflows",
    ] {
        assert!(usual.contains(part), "{part}: {usual}");
    }
    assert!(!usual.contains("Open Flowkeep"), "{usual}");
    let own = json!({ "subject": "OURS {{ id|length }} {{ message }}", "text_body": "{{ acknowledge }}" });
    mailed.edit("backup_failed", own).await;
    let mut data = data;
    data["backup_type"] = json!("postgres_full");
    let came = mailed.mailed("backup.failed", Severity::Error, data).await;
    let parsed = parse(&came);
    // A number has a length, as its sample had when the template was saved.
    assert_eq!(parsed.subject(), Some("OURS 2 Full."));
    let text = parsed.body_text(0).unwrap();
    assert!(
        text.starts_with("https://keep.example.org/acknowledge#token="),
        "{text}"
    );
    let header = |name: &'static str| parsed.header_raw(name).map(str::trim);
    assert_eq!(
        (header("Importance"), header("X-Priority")),
        (Some("high"), Some("1"))
    );
    // Nobody did: the second time there are words before the usual ones, which the template does not know.
    mailed.app.advance(TimeDelta::minutes(11));
    mailed.run().await;
    let last = mailed.server.received().pop().unwrap();
    assert!(
        all(&last).contains("Nobody has acknowledged this for"),
        "{}",
        all(&last)
    );
}

#[tokio::test]
async fn words_of_a_rule_and_news_without_its_data_go_out_in_the_plain_dress() {
    let mailed = Mailed::start().await;
    for key in ["backup_failed", "container_alert", "disk_warning"] {
        mailed.edit(key, json!({ "subject": "OURS" })).await;
    }
    let own = json!({ "event_type": "backup.failed", "custom_title": "Look: {{ message }}" });
    let id = mailed.tell(json!({}), own).await;
    let brief = json!({ "event_type": "container.*", "include_details": false });
    mailed.rule(id, brief).await;
    mailed.rule(id, json!({ "event_type": "system.*" })).await;
    let data = json!({ "id": 43, "code": "c", "message": "Full.", "container": "w", "mount": "/" });
    for (event_type, subject) in [
        ("backup.failed", "Look: Full."),
        ("container.stopped", "w stopped"),
        ("system.disk_critical", "OURS"),
    ] {
        let came = mailed
            .mailed(event_type, Severity::Error, data.clone())
            .await;
        assert_eq!(parse(&came).subject(), Some(subject));
    }
}

#[tokio::test]
async fn a_server_that_asks_to_wait_is_tried_again_and_one_that_refuses_is_not() {
    let mailed = Mailed::start().await;
    mailed.tell(json!({}), json!({})).await;
    let data = json!({ "id": 43, "code": "c", "message": "Full." });
    mailed.server.refuse("ann@", 451, "4.7.1 Greylisted");
    mailed
        .happen("backup.failed", Severity::Error, data.clone())
        .await;
    mailed.run().await;
    let row = mailed.history().await.remove(0);
    assert_eq!(row["status"], "pending", "{row}");
    assert!(
        row["error_message"].as_str().unwrap().contains("451"),
        "{row}"
    );
    mailed.app.advance(TimeDelta::seconds(10));
    mailed.run().await;
    assert_eq!(mailed.history().await[0]["status"], "sent");
    assert_eq!(mailed.server.received().len(), 1);

    *mailed.server.shared.content_answer.lock() = Some((554, "5.7.1 Looks like spam"));
    mailed.happen("backup.failed", Severity::Error, data).await;
    mailed.run().await;
    let row = mailed.history().await.remove(0);
    assert_eq!(row["status"], "failed", "{row}");
    assert!(
        row["error_message"]
            .as_str()
            .unwrap()
            .contains("Looks like spam"),
        "{row}"
    );
    mailed.app.advance(TimeDelta::days(1));
    mailed.run().await;
    assert_eq!(mailed.server.received().len(), 1);
}

#[tokio::test]
async fn recipients_that_the_server_refused_are_named_beside_what_was_delivered() {
    let mailed = Mailed::start().await;
    let to = json!({ "to": ["ann@example.org", "gone@example.org"] });
    mailed.tell(to, json!({})).await;
    let other = SmtpServer::start(Behaviour::new(Encryption::None)).await;
    let url = format!(
        "mailto://user@localhost:{}?from=box@example.org&to=bob@example.org,away@example.org",
        other.port()
    );
    let body = json!({ "name": "url", "service_type": "apprise", "config": { "url": url } });
    let made = mailed.client.post(SERVICES, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let id = made.json()["id"].as_i64().unwrap();
    mailed.rule(id, json!({ "priority": "low" })).await;
    mailed.server.refuse("gone@", 550, "5.1.1 No such mailbox");
    other.refuse("away@", 452, "4.2.2 Mailbox full");
    mailed
        .happen(
            "backup.failed",
            Severity::Error,
            json!({ "id": 43, "code": "c", "message": "Full." }),
        )
        .await;
    mailed.run().await;
    let said: Vec<String> =
        sqlx::query_scalar("SELECT response_text FROM notification_history ORDER BY service_id")
            .fetch_all(mailed.app.state.db.pool())
            .await
            .unwrap();
    assert_eq!(
        said,
        [
            "250 2.0.0 queued as 4711; refused: gone@example.org: 550 5.1.1 No such mailbox",
            "250 2.0.0 queued as 4711; refused: away@example.org: 452 4.2.2 Mailbox full",
        ]
    );
    assert_eq!(mailed.server.received()[0].to, ["ann@example.org"]);
    // By the URL's own server: without a password nobody signs in.
    let by_url = other.received().remove(0);
    assert_eq!(by_url.to, ["bob@example.org"]);
    assert_eq!(
        (by_url.login.as_deref(), by_url.from.as_str()),
        (None, "box@example.org")
    );
    let parsed = parse(&by_url);
    assert_eq!(parsed.subject(), Some("Backup failed"));
    assert_eq!(parsed.header_raw("Importance").map(str::trim), Some("low"));
}

#[tokio::test]
async fn a_service_that_names_nobody_says_where_recipients_are_given() {
    let mailed = Mailed::start().await;
    let mut nobody = config(&mailed.server, "starttls");
    nobody["to"] = json!([]);
    mailed.client.put("/api/email/config", nobody).await;
    mailed.tell(json!({}), json!({})).await;
    mailed
        .happen(
            "backup.failed",
            Severity::Error,
            json!({ "id": 43, "code": "c", "message": "Full." }),
        )
        .await;
    mailed.run().await;
    let row = mailed.history().await.remove(0);
    assert_eq!(row["status"], "failed", "{row}");
    assert!(
        row["error_message"]
            .as_str()
            .unwrap()
            .contains("on the page E-mail"),
        "{row}"
    );
    assert_eq!(mailed.server.connections(), 0);

    let many: Vec<_> = (0..51).map(|at| format!("a{at}@example.org")).collect();
    let body = json!({ "name": "many", "service_type": "email", "config": { "to": many } });
    let answer = mailed.client.post(SERVICES, body).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{answer:?}"
    );
    assert!(answer.text().contains("more than 50"), "{answer:?}");
}
