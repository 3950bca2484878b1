//! Who is told what, and what becomes of it.

mod apprise;
mod delivery;
mod escalation;
mod inside;
mod kills;
mod leaks;
mod mqtt;
mod native;
mod rules;
mod services;
mod several;
mod targets;
mod unheard;
mod wire;
mod wording;

use chrono::{DateTime, Utc};
use flowkeep::features::notifications::channels::message::{Message, Priority, Tone};
use flowkeep::platform::events::{self, Event, Severity};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::uuid;

use crate::support::app::{TestApp, TestClient};
use crate::support::receiver::Receiver;

/// An application that tells a receiver on this machine.
struct Told {
    app: TestApp,
    client: TestClient,
    receiver: Receiver,
    service_id: i64,
}

impl Told {
    async fn start() -> Self {
        Self::by(Receiver::start().await).await
    }

    async fn by(receiver: Receiver) -> Self {
        let (app, client) = TestApp::with_admin().await;
        allow_private(&client).await;
        // What the setup itself caused is told to nobody.
        app.state.notifications.run_once().await.unwrap();
        let service_id = add_webhook(&client, "hook", &receiver).await;
        Self {
            app,
            client,
            receiver,
            service_id,
        }
    }

    /// Adds a rule; what is not given is as usual. Returns its id.
    async fn rule(&self, rule: Value) -> i64 {
        let mut whole = json!({ "name": "r", "event_type": "*", "service_id": self.service_id });
        merge(&mut whole, rule);
        let made = self.client.post("/api/notifications/rules", whole).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        // The change of settings that this is, is not what tests are about.
        self.app
            .execute("UPDATE event_outbox SET dispatched_at = NOW() WHERE dispatched_at IS NULL")
            .await;
        made.json()["id"].as_i64().unwrap()
    }

    async fn run(&self) {
        self.app.state.notifications.run_once().await.unwrap();
    }

    async fn history(&self) -> Vec<Value> {
        let page = self
            .client
            .get("/api/notifications/history?limit=200")
            .await
            .json();
        page["items"].as_array().unwrap().clone()
    }
}

fn merge(into: &mut Value, from: Value) {
    let Value::Object(from) = from else {
        panic!("not an object")
    };
    for (key, value) in from {
        into[key] = value;
    }
}

async fn allow_private(client: &TestClient) {
    let path = "/api/settings/notifications.allow_private_networks";
    let answer = client.put(path, json!({ "value": true })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

async fn add_webhook(client: &TestClient, name: &str, receiver: &Receiver) -> i64 {
    let body = json!({ "name": name, "service_type": "webhook", "config": { "url": format!("{}/{name}", receiver.url) } });
    let made = client.post("/api/notifications/services", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.json()["id"].as_i64().unwrap()
}

/// Something happens, as features let it: in a transaction, and then it is told.
async fn happen(app: &TestApp, event_type: &str, severity: Severity, data: Value) -> Event {
    let event = Event::now(&app.state.ids, &app.state.clock, event_type, severity, data);
    let tx = app.state.db.begin().await.unwrap();
    events::record(&tx, &event).await.unwrap();
    tx.commit().await.unwrap();
    app.state.events.publish(event.clone());
    event
}

/// A moment for signatures.
fn now() -> DateTime<Utc> {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A message with all that a service may stumble over.
fn message() -> Message {
    Message {
        id: uuid!("01890a5d-ac96-774b-bcce-b302099a8057"),
        event_type: "backups.failed".to_owned(),
        severity: Severity::Error,
        priority: Priority::High,
        tone: Tone::Failure,
        title: "Backup <failed> & \"late\"".to_owned(),
        body: "It's *one* _two_ `x` [a](b) @channel @everyone <!here> <users/all>\nLine & two ]]> 100%"
            .to_owned(),
        link: Some("https://box.example.org/backups/7?a=1&b=2".parse().unwrap()),
        acknowledge: Some("https://box.example.org/ack/k3y?x=1&y=2".parse().unwrap()),
        key: "backups:n8n".to_owned(),
        occurred_at: "2026-01-02T03:00:00Z".parse().unwrap(),
        data: Value::Null,
    }
}
