//! Setting e-mail up, trying it, and what is kept and shown of it.

use flowkeep::features::email::{PlainRequest, SendRequest, Tone};
use flowkeep::platform::mail::Importance;
use http::StatusCode;
use mail_parser::MessageParser;
use mailin::AuthMechanism;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{allow_private, config, with_admin};
use crate::support::app::{TestApp, TestClient};
use crate::support::smtp::{Behaviour, Encryption, SmtpServer, USER};

const CONFIG: &str = "/api/email/config";

async fn server() -> SmtpServer {
    SmtpServer::start(Behaviour::new(Encryption::StartTls).login(AuthMechanism::Plain)).await
}

async fn set_up() -> (TestApp, TestClient, SmtpServer) {
    let (app, client) = with_admin().await;
    let server = server().await;
    let answer = client.put(CONFIG, config(&server, "starttls")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    (app, client, server)
}

fn subject(data: &[u8]) -> String {
    let parsed = MessageParser::default().parse(data).unwrap();
    parsed.subject().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_set_up_is_shown_without_the_password_tried_and_kept() {
    let (app, client) = with_admin().await;
    let empty = client.get(CONFIG).await.json();
    assert_eq!(
        (&empty["is_set"], &empty["has_password"]),
        (&json!(false), &json!(false))
    );
    for path in ["/api/email/test", "/api/email/check"] {
        assert_eq!(
            client.post(path, json!({})).await.code(),
            "email_not_configured"
        );
    }
    let server = server().await;
    let answer = client.put(CONFIG, config(&server, "starttls")).await.json();
    assert_eq!(answer["has_password"], true, "{answer}");
    assert_eq!(answer["effective_port"], server.port());

    let answer = client.post("/api/email/check", json!({})).await.json();
    assert_eq!(answer["is_ok"], true, "{answer}");
    assert!(answer["response_time_ms"].is_u64(), "{answer}");
    let answer = client.post("/api/email/test", json!({})).await.json();
    assert_eq!(
        (&answer["status"], &answer["recipient"]),
        (&json!("success"), &json!("ann@example.org"))
    );
    assert_eq!(answer["tested_by_name"], "admin", "{answer}");
    assert!(answer["response_time_ms"].is_u64(), "{answer}");
    assert_eq!(answer["smtp_response"], "250 2.0.0 queued as 4711");
    let body = json!({ "to": "bob@example.org", "template_key": "backup_failed" });
    let answer = client.post("/api/email/test", body).await.json();
    assert_eq!(answer["status"], "success", "{answer}");
    let received = server.received();
    assert!(subject(&received[0].data).ends_with("can send e-mail"));
    assert!(subject(&received[1].data).starts_with("Flowkeep looks after"));
    assert!(subject(&received[2].data).starts_with("[Test] Backup FAILED on"));
    assert_eq!(received[2].to, ["bob@example.org"]);

    let page = client.get("/api/email/test-history?limit=1").await.json();
    assert_eq!(page["items"][0]["template_key"], "backup_failed");
    let next = page["next_cursor"].as_str().unwrap();
    let page = client
        .get(&format!("/api/email/test-history?cursor={next}"))
        .await
        .json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["items"][0]["template_key"], "test_email");
    let fields: Vec<String> = app
        .sql("SELECT encrypted_fields FROM system_config WHERE config_type = 'email'")
        .await;
    assert_eq!(fields, ["password"]);
    assert!(
        app.audit_actions()
            .await
            .contains(&"email.configured".to_owned())
    );
    assert!(
        app.events()
            .await
            .contains(&"management.settings_changed".to_owned())
    );
}

#[tokio::test]
async fn the_password_is_in_no_answer_no_history_no_log_and_no_plain_column() {
    let (app, client, server) = set_up().await;
    client.post("/api/email/test", json!({})).await;
    // The same again, but the server does not know the password any more.
    let mut wrong = config(&server, "starttls");
    wrong["password"] = json!("another very secret word");
    client.put(CONFIG, wrong).await;
    let answer = client.post("/api/email/test", json!({})).await;
    assert_eq!(answer.json()["field"], "password", "{answer:?}");
    assert_eq!(answer.json()["smtp_code"], 535);
    let mut seen = answer.text();
    for path in [
        CONFIG,
        "/api/email/test-history",
        "/api/audit",
        "/api/settings",
    ] {
        seen.push_str(&client.get(path).await.text());
    }
    seen.push_str(&client.post("/api/email/check", json!({})).await.text());
    for table in [
        "system_config",
        "email_test_history",
        "audit_log",
        "event_outbox",
    ] {
        let sql = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(app.state.db.pool())
            .await
            .unwrap();
        seen.push_str(&rows);
    }
    assert!(seen.contains("localhost") && seen.contains("Flowkeep at home"));
    assert!(!seen.contains("secret word"), "{seen}");
}

#[tokio::test]
async fn rotation_seals_the_password_anew_and_mail_still_goes_out() {
    let (app, client, server) = set_up().await;
    let sealed = "SELECT config->'password'->>'key_id' FROM system_config";
    let before: String = app.sql(sealed).await;
    client.reauthenticate().await;
    let answer = client
        .post("/api/settings/encryption/rotate", json!({}))
        .await;
    assert_eq!(answer.json()["encrypted_values"], 1, "{answer:?}");
    let after: String = app.sql(sealed).await;
    assert_ne!(before, after);
    let answer = client.post("/api/email/test", json!({})).await.json();
    assert_eq!(answer["status"], "success", "{answer}");
    assert_eq!(server.received()[0].login.as_deref(), Some(USER));
}

#[tokio::test]
async fn a_saved_password_stays_and_goes_to_no_other_server() {
    let (_app, client, server) = set_up().await;
    let mut again = config(&server, "starttls");
    again.as_object_mut().unwrap().remove("password");
    again["from_name"] = json!("Another name");
    let answer = client.put(CONFIG, again.clone()).await.json();
    assert_eq!(
        (&answer["has_password"], &answer["from_name"]),
        (&json!(true), &json!("Another name"))
    );
    assert_eq!(
        client.post("/api/email/test", json!({})).await.json()["status"],
        "success"
    );
    for (field, value) in [
        ("smtp_host", json!("evil.example")),
        ("smtp_port", json!(2525)),
        ("username", json!("eve@example.org")),
        ("security", json!("none")),
    ] {
        let mut moved = again.clone();
        moved[field] = value;
        let answer = client.put(CONFIG, moved).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        let why = answer.json()["error"]["fields"]["password"].to_string();
        assert!(why.contains("enter it again"), "{field}: {why}");
    }
    // Without a login there is nothing to keep.
    again.as_object_mut().unwrap().remove("username");
    let answer = client.put(CONFIG, again).await.json();
    assert_eq!(answer["has_password"], false, "{answer}");
}

#[tokio::test]
async fn every_bad_field_is_named_with_its_remedy() {
    let (_app, client) = with_admin().await;
    let refused = async |body: Value, expected: &[(&str, &str)]| {
        let answer = client.put(CONFIG, body).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{answer:?}"
        );
        let fields = answer.json()["error"]["fields"].clone();
        for (field, words) in expected {
            let why = fields[field].as_str().unwrap_or_default();
            assert!(why.contains(words), "{field}: {fields}");
        }
        assert_eq!(
            fields.as_object().unwrap().len(),
            expected.len(),
            "{fields}"
        );
    };
    let evil = "a@example.org\r\nBcc: eve@example.com";
    refused(
        json!({
            "provider": "smtp", "from_email": "nobody", "from_name": "x\r\nBcc: eve@example.com",
            "reply_to": evil, "to": ["ann"], "smtp_port": 0, "password": "x",
        }),
        &[
            ("from_email", "name@example.com"),
            ("from_name", "line break"),
            ("reply_to", "line break"),
            ("to", "name@example.com"),
            ("smtp_host", "mail.example.com"),
            ("smtp_port", "587"),
            ("password", "user name"),
        ],
    )
    .await;
    let from = "box@example.org";
    refused(
        json!({ "provider": "gmail", "from_email": from }),
        &[("password", "App passwords")],
    )
    .await;
    refused(
        json!({ "provider": "sendgrid", "from_email": from }),
        &[("password", "API key")],
    )
    .await;
    refused(
        json!({ "provider": "mailgun", "from_email": from, "region": "mars", "password": "x" }),
        &[("region", "us or eu"), ("username", "postmaster@")],
    )
    .await;
    refused(
        json!({ "provider": "ses", "from_email": from, "username": "AKIA", "password": "x", "security": "none" }),
        &[("region", "eu-west-1"), ("security", "starttls or tls")],
    )
    .await;
    refused(
        json!({ "provider": "smtp", "from_email": from, "smtp_host": "http://mail.example.com:25/" }),
        &[("smtp_host", "mail.example.com")],
    )
    .await;
    assert_eq!(client.get(CONFIG).await.json()["is_set"], false);
}

#[tokio::test]
async fn each_provider_is_asked_as_it_wants_to_be() {
    let (_app, client) = with_admin().await;
    let server = server().await;
    for (provider, extra, host) in [
        ("gmail_relay", json!({}), "smtp-relay.gmail.com"),
        (
            "gmail",
            json!({ "password": "abcd efgh ijkl mnop" }),
            "smtp.gmail.com",
        ),
        (
            "sendgrid",
            json!({ "password": "SG.x" }),
            "smtp.sendgrid.net",
        ),
        (
            "mailgun",
            json!({ "username": "postmaster@mg.example.com", "password": "x", "region": "eu" }),
            "smtp.eu.mailgun.org",
        ),
        (
            "ses",
            json!({ "username": "AKIA", "password": "x", "region": "eu-west-1", "is_iam_key": true }),
            "email-smtp.eu-west-1.amazonaws.com",
        ),
    ] {
        let mut body = json!({ "provider": provider, "from_email": "box@example.org" });
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let answer = client.put(CONFIG, body.clone()).await.json();
        assert_eq!(answer["effective_host"], host, "{answer}");
        assert_eq!(
            (&answer["effective_port"], &answer["effective_security"]),
            (&json!(587), &json!("starttls"))
        );
        assert_eq!(answer["has_password"], provider != "gmail_relay");
        // The override sends the same login elsewhere: here it is refused, being another's.
        body["smtp_host"] = json!("localhost");
        body["smtp_port"] = json!(server.port());
        body["verify_certificate"] = json!(false);
        assert_eq!(client.put(CONFIG, body).await.status, StatusCode::OK);
        let answer = client.post("/api/email/check", json!({})).await.json();
        assert_eq!(answer["is_ok"], provider == "gmail_relay", "{answer}");
    }
}

#[tokio::test]
async fn the_welcome_goes_out_once_when_a_test_was_taken_for_the_first_time() {
    let (app, client, server) = set_up().await;
    let test = async || {
        client
            .post("/api/email/test", json!({ "to": "bob@example.org" }))
            .await
            .json()
    };
    let subjects = || {
        let all = server.received();
        all.iter().map(|one| subject(&one.data)).collect::<Vec<_>>()
    };
    // Not while nothing comes through, and not while e-mail is switched off.
    server.refuse("bob@", 550, "5.1.1 No such mailbox");
    assert_eq!(test().await["is_welcomed"], false);
    let mut wanted = config(&server, "starttls");
    wanted["is_enabled"] = json!(false);
    client.put(CONFIG, wanted.clone()).await;
    assert_eq!(test().await["is_welcomed"], false);
    wanted["is_enabled"] = json!(true);
    client.put(CONFIG, wanted.clone()).await;
    assert_eq!(subjects().len(), 1);
    // The server takes the test and not the welcome: the next test tries it again, and is none the worse.
    server.refuse("ann@", 451, "4.7.1 Later");
    let answer = test().await;
    assert_eq!(
        (&answer["status"], &answer["is_welcomed"]),
        (&json!("success"), &json!(false))
    );
    assert_eq!(test().await["is_welcomed"], true);
    let welcome = server.received().pop().unwrap();
    assert_eq!(welcome.to, ["ann@example.org"]);
    assert!(subject(&welcome.data).starts_with("Flowkeep looks after"));
    let parsed = MessageParser::default().parse(&welcome.data).unwrap();
    let text = parsed.body_text(0).unwrap();
    assert!(text.contains("admin has set up"), "{text}");
    // Once; saving anew does not make it forget.
    wanted["from_name"] = json!("Another name");
    client.put(CONFIG, wanted).await;
    assert_eq!(test().await["is_welcomed"], false);
    let count = subjects()
        .iter()
        .filter(|one| one.starts_with("Flowkeep looks after"))
        .count();
    assert_eq!(count, 1);
    let fields: Vec<String> = app
        .sql("SELECT encrypted_fields FROM system_config WHERE config_type = 'email'")
        .await;
    assert_eq!(fields, ["password"]);
}

#[tokio::test]
async fn recipients_that_the_server_refused_are_kept_with_its_words() {
    let (_app, client, server) = set_up().await;
    let mut wanted = config(&server, "starttls");
    wanted["to"] = json!(["ann@example.org", "gone@example.org"]);
    client.put(CONFIG, wanted).await;
    server.refuse("gone@", 550, "5.1.1 No such mailbox");
    let answer = client.post("/api/email/test", json!({})).await.json();
    assert_eq!(answer["status"], "success", "{answer}");
    assert_eq!(
        answer["refused"],
        json!([{ "recipient": "gone@example.org", "response": "550 5.1.1 No such mailbox" }])
    );
    let kept = client.get("/api/email/test-history").await.json()["items"][0].clone();
    assert_eq!(
        kept["error"],
        "refused: gone@example.org: 550 5.1.1 No such mailbox"
    );
    assert_eq!(kept["smtp_response"], "250 2.0.0 queued as 4711");
}

#[tokio::test]
async fn a_check_that_fails_says_how_long_it_took() {
    let (_app, client, server) = set_up().await;
    let mut wrong = config(&server, "starttls");
    wrong["password"] = json!("another very secret word");
    client.put(CONFIG, wrong).await;
    let answer = client.post("/api/email/check", json!({})).await.json();
    assert_eq!(
        (&answer["is_ok"], &answer["field"]),
        (&json!(false), &json!("password"))
    );
    assert!(answer["response_time_ms"].is_u64(), "{answer}");
}

#[tokio::test]
async fn private_servers_are_asked_only_when_the_setting_allows_it() {
    let (_app, client, server) = set_up().await;
    allow_private(&client, false).await;
    let answer = client.post("/api/email/test", json!({})).await.json();
    assert_eq!(
        (&answer["status"], &answer["field"]),
        (&json!("failed"), &json!("smtp_host"))
    );
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("private address"),
        "{answer}"
    );
    assert_eq!(server.connections(), 0);
    allow_private(&client, true).await;
    let answer = client.post("/api/email/test", json!({})).await.json();
    assert_eq!(answer["status"], "success", "{answer}");
}

#[tokio::test]
async fn only_the_last_two_hundred_tests_are_kept() {
    let (app, client, _server) = set_up().await;
    app.execute(
        "INSERT INTO email_test_history (provider, recipient, status) \
         SELECT 'smtp', 'ann@example.org', 'failed' FROM generate_series(1, 300)",
    )
    .await;
    client.post("/api/email/test", json!({})).await;
    assert_eq!(
        app.sql::<i64>("SELECT count(*) FROM email_test_history")
            .await,
        200
    );
    let newest = client.get("/api/email/test-history").await.json();
    assert_eq!(newest["items"][0]["status"], "success");
}

#[tokio::test]
async fn news_is_sent_whatever_is_missing_and_repeated_under_the_same_id() {
    let (app, client, server) = set_up().await;
    let email = &app.state.email;
    assert!(email.is_configured().await.unwrap());
    let id = Uuid::from_u128(42);
    for _ in 0..2 {
        let variables = json!({ "message": "no room\r\nleft", "stored_bytes": 1_500 });
        let request = SendRequest {
            template_key: "backup_failed",
            variables: &variables,
            to: Some(vec!["bob@example.org".to_owned()]),
            message_id: id,
            subject: None,
            occurred_at: None,
            importance: Importance::Usual,
        };
        email.send(request).await.unwrap();
    }
    let link = "https://flowkeep.example.com/backups/1?a=1&b=2"
        .parse()
        .unwrap();
    let request = PlainRequest {
        title: "Disk\r\nBcc: eve@example.com <full>",
        body: "First <b>line</b>\nSecond line",
        tone: Tone::Careful,
        link: Some(&link),
        acknowledge: Some(&link),
        to: None,
        message_id: id,
        occurred_at: None,
        importance: Importance::Usual,
    };
    email.send_plain(request).await.unwrap();
    let received = server.received();
    let parsed: Vec<_> = received
        .iter()
        .map(|one| MessageParser::default().parse(&one.data).unwrap())
        .collect();
    assert_eq!(parsed[0].message_id(), parsed[1].message_id());
    assert!(parsed[0].subject().unwrap().ends_with(": no room left"));
    let text = parsed[0].body_text(0).unwrap();
    assert!(text.contains("unknown") && !text.contains("{{"), "{text}");
    assert_eq!(received[0].to, ["bob@example.org"]);
    assert_eq!(
        parsed[2].subject(),
        Some("Disk Bcc: eve@example.com <full>")
    );
    assert_eq!(received[2].to, ["ann@example.org"]);
    let html = parsed[2].body_html(0).unwrap();
    assert!(
        html.contains("First &lt;b&gt;line&lt;&#x2f;b&gt;<br>"),
        "{html}"
    );
    assert!(
        html.contains("Acknowledge") && !html.contains("@@"),
        "{html}"
    );
    assert!(
        parsed[2]
            .body_text(0)
            .unwrap()
            .contains("Open in Flowkeep: https://flowkeep.example.com/backups/1?a=1&b=2")
    );

    let mut off = config(&server, "starttls");
    off["is_enabled"] = json!(false);
    client.put(CONFIG, off).await;
    assert!(!email.is_configured().await.unwrap());
}
