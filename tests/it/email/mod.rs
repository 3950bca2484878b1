//! E-mail, against a real server.

mod mailer;
mod news;
mod routes;
mod templates;
mod trust;

use serde_json::{Value, json};

use crate::support::app::{TestApp, TestClient};
use crate::support::smtp::{SECRET, SmtpServer, USER};

/// An application that may ask this machine.
async fn with_admin() -> (TestApp, TestClient) {
    let (app, client) = TestApp::with_admin().await;
    allow_private(&client, true).await;
    (app, client)
}

async fn allow_private(client: &TestClient, is_allowed: bool) {
    let path = "/api/settings/notifications.allow_private_networks";
    let answer = client.put(path, json!({ "value": is_allowed })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A configuration for a server of the tests.
fn config(server: &SmtpServer, security: &str) -> Value {
    json!({
        "provider": "smtp", "smtp_host": "localhost", "smtp_port": server.port(), "security": security,
        "username": USER, "password": SECRET, "from_email": USER, "from_name": "Flowkeep at home",
        "to": ["ann@example.org"], "verify_certificate": false,
    })
}
