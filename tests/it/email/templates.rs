//! Templates: what they look like, what is refused, what stays.

use flowkeep::features::email::SendRequest;
use flowkeep::platform::mail::Importance;
use http::StatusCode;
use mail_parser::MessageParser;
use mailin::AuthMechanism;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{config, with_admin};
use crate::support::app::{TestApp, TestClient};
use crate::support::smtp::{Behaviour, Encryption, SmtpServer};

const KEYS: [&str; 7] = [
    "backup_success",
    "backup_failed",
    "verification_failed",
    "container_alert",
    "disk_warning",
    "test_email",
    "welcome",
];

fn path(key: &str) -> String {
    format!("/api/email/templates/{key}")
}

async fn preview(client: &TestClient, key: &str, draft: Value) -> Value {
    let answer = client.post(&format!("{}/preview", path(key)), draft).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn all_seven_look_as_mail_must() {
    let (_app, client) = TestApp::with_admin().await;
    let list = client.get("/api/email/templates").await.json();
    let keys: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys, KEYS);
    for key in KEYS {
        let template = client.get(&path(key)).await.json();
        assert_eq!(template["is_customized"], false);
        let shown = preview(&client, key, json!({})).await;
        let html = shown["html_body"].as_str().unwrap();
        let text = shown["text_body"].as_str().unwrap();
        for part in [
            "<!DOCTYPE html>",
            "role=\"presentation\"",
            "width=\"600\"",
            "name=\"color-scheme\" content=\"light dark\"",
            "prefers-color-scheme: dark",
            "display:none;mso-hide:all;max-height:0",
            "mso-padding-alt:11px 20px",
        ] {
            assert!(html.contains(part), "{key} lacks {part}");
        }
        for part in [
            "<img", "<script", "<link", "url(", "@import", "{{", "{%", "@@",
        ] {
            assert!(!html.contains(part), "{key} has {part}");
        }
        assert!(html.len() < 102_000, "Gmail cuts what is longer");
        assert_eq!(
            html.matches("<table").count(),
            html.matches("</table").count(),
            "{key}"
        );
        assert_eq!(
            html.matches("<tr").count(),
            html.matches("</tr").count(),
            "{key}"
        );
        assert_eq!(
            html.matches("<td").count(),
            html.matches("</td").count(),
            "{key}"
        );
        assert!(!text.contains("{{") && !text.contains('<'), "{key}: {text}");
        assert!(shown["subject"].as_str().unwrap().len() > 10);
        for variable in template["variables"].as_array().unwrap() {
            assert!(!variable["description"].as_str().unwrap().is_empty());
            assert!(!variable["sample"].as_str().unwrap().is_empty());
        }
    }
    assert_eq!(
        client.get(&path("nothing")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn whatever_a_variable_holds_it_is_text_in_the_mail() {
    let (app, client) = with_admin().await;
    let server =
        SmtpServer::start(Behaviour::new(Encryption::StartTls).login(AuthMechanism::Plain)).await;
    client
        .put("/api/email/config", config(&server, "starttls"))
        .await;
    for key in KEYS {
        let template = client.get(&path(key)).await.json();
        let evil = "<script>alert(1)</script>\"'&{{ 7 }}";
        let variables: serde_json::Map<_, _> = template["variables"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["name"].as_str().unwrap().to_owned(), json!(evil)))
            .collect();
        let variables = Value::Object(variables);
        let request = SendRequest {
            template_key: key,
            variables: &variables,
            to: None,
            message_id: Uuid::nil(),
            subject: None,
            occurred_at: None,
            importance: Importance::Usual,
        };
        app.state.email.send(request).await.unwrap();
        let received = server.received().pop().unwrap();
        let parsed = MessageParser::default().parse(&received.data).unwrap();
        let html = parsed.body_html(0).unwrap();
        assert!(
            !html.contains("<script") && html.contains("&lt;script&gt;"),
            "{key}"
        );
        assert!(!html.contains("\"'&{{"), "{key}");
        assert!(parsed.body_text(0).unwrap().contains(evil), "{key}");
        assert!(!parsed.subject().unwrap().contains('\n'));
    }
}

#[tokio::test]
async fn what_cannot_be_rendered_cannot_be_saved_and_the_line_is_named() {
    let (app, client) = TestApp::with_admin().await;
    let nested = "{% for a in path %}{% for b in path %}{% for c in path %}{% for d in path %}{% for e in path %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}";
    let huge = "{% for a in path %}@@{% endfor %}".replace("@@", &"x".repeat(60_000));
    for (field, source, line, words) in [
        ("html_body", "<p>\n{{ path\n</p>", Some(3), ""),
        ("html_body", "<p>\n{% if path %}\n</p>", None, ""),
        (
            "text_body",
            "\n\n{{ no_such }} {{ nor.this }}",
            Some(3),
            "no_such, nor is not known",
        ),
        ("subject", "{{ used_percents }}", Some(1), "used_percent,"),
        (
            "text_body",
            "a\n{{ path|nonsense }}",
            Some(2),
            "There are: upper",
        ),
        ("text_body", nested, None, "too many steps"),
        ("html_body", &huge, None, "larger than 256 KB"),
        (
            "text_body",
            "\n{{ path * 1000000 }}",
            Some(2),
            "not available",
        ),
        (
            "text_body",
            "{{ path ~ '}}' ~ path }}",
            Some(1),
            "not available",
        ),
        (
            "html_body",
            "{% set x = path %}",
            Some(1),
            "\"set\" is not available",
        ),
        (
            "html_body",
            "{% include 'secret' %}",
            Some(1),
            "\"include\" is not available",
        ),
        ("html_body", "{{ path|safe }}", Some(1), "There are: upper"),
        (
            "html_body",
            "{% autoescape false %}{{ path }}{% endautoescape %}",
            Some(1),
            "not available",
        ),
        ("subject", "two\nlines", None, "line break"),
        ("subject", "", None, "is empty"),
        ("subject", &"x".repeat(501), None, "500 characters"),
    ] {
        for (method, path) in [
            ("put", path("disk_warning")),
            ("post", format!("{}/preview", path("disk_warning"))),
        ] {
            let body = json!({ field: source });
            let answer = if method == "put" {
                client.put(&path, body).await
            } else {
                client.post(&path, body).await
            };
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{source}");
            let fields = &answer.json()["error"]["fields"];
            let why = fields[field].as_str().unwrap_or_default();
            assert!(why.contains(words), "{source}: {fields}");
            if let Some(line) = line {
                assert_eq!(fields[format!("{field}_line")], line, "{source}: {fields}");
                assert!(why.starts_with(&format!("line {line}: ")), "{why}");
            }
        }
    }
    let edited: i64 = app
        .sql("SELECT count(*) FROM email_templates WHERE is_customized")
        .await;
    assert_eq!(edited, 0);
    // What is harmless is not refused: quotes, comments, loops over a few, two things at fault at once.
    let body = json!({ "text_body": "{# * #}{{ path|default('a * b ~ c') }} {% if free %}{{ free|upper }}{% endif %}" });
    assert!(
        preview(&client, "disk_warning", body).await["text_body"]
            .as_str()
            .unwrap()
            .contains("9.1 GB")
    );
    let both = client
        .put(
            &path("welcome"),
            json!({ "subject": "{{ a }}", "html_body": "{{ b }}" }),
        )
        .await;
    let fields = both.json()["error"]["fields"].clone();
    assert!(
        fields["subject"].is_string() && fields["html_body"].is_string(),
        "{fields}"
    );
}

#[tokio::test]
async fn an_edited_template_survives_a_restart_and_the_default_comes_back() {
    let first = TestApp::builder().serve().await;
    first.setup_admin().await;
    let client = first.client();
    client.login().await;
    while first
        .sql::<i64>("SELECT count(*) FROM email_templates")
        .await
        < 7
    {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let default = client.get(&path("welcome")).await.json();
    let body = json!({ "subject": "Hello {{ username }}", "enabled": true });
    let edited = client.put(&path("welcome"), body).await.json();
    assert_eq!(
        (&edited["is_customized"], &edited["html_body"]),
        (&json!(true), &default["html_body"])
    );
    // Version before: a default that nobody edited.
    first
        .execute("UPDATE email_templates SET subject = 'old' WHERE template_key = 'test_email'")
        .await;

    let second = TestApp::builder().beside(&first).serve().await;
    let client = second.client();
    client.login().await;
    while second
        .sql::<String>("SELECT subject FROM email_templates WHERE template_key = 'test_email'")
        .await
        == "old"
    {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let kept = client.get(&path("welcome")).await.json();
    assert_eq!(
        (&kept["subject"], &kept["is_customized"]),
        (&json!("Hello {{ username }}"), &json!(true))
    );
    let shown = preview(&client, "welcome", json!({})).await;
    assert_eq!(shown["subject"], "Hello admin");
    let reset = client
        .post(&format!("{}/reset", path("welcome")), json!({}))
        .await
        .json();
    assert_eq!(
        (&reset["subject"], &reset["is_customized"]),
        (&default["subject"], &json!(false))
    );
    let actions = second.audit_actions().await;
    for action in ["email.template_changed", "email.template_reset"] {
        assert!(actions.contains(&action.to_owned()), "{actions:?}");
    }
    for app in [first, second] {
        app.state.lifecycle.stop();
    }
}

#[tokio::test]
async fn a_slip_in_a_stored_template_does_not_cost_the_news() {
    let (app, client) = with_admin().await;
    let server =
        SmtpServer::start(Behaviour::new(Encryption::StartTls).login(AuthMechanism::Plain)).await;
    client
        .put("/api/email/config", config(&server, "starttls"))
        .await;
    app.execute(
        "INSERT INTO email_templates (template_key, name, subject, html_body, text_body, is_customized) \
         VALUES ('disk_warning', 'x', '{{ path', '{{', '{{', TRUE)",
    )
    .await;
    let variables = json!({ "path": "/data", "used_percent": 93 });
    let request = SendRequest {
        template_key: "disk_warning",
        variables: &variables,
        to: None,
        message_id: Uuid::nil(),
        subject: None,
        occurred_at: None,
        importance: Importance::Usual,
    };
    app.state.email.send(request).await.unwrap();
    let received = server.received().remove(0);
    let parsed = MessageParser::default().parse(&received.data).unwrap();
    assert!(parsed.subject().unwrap().contains("/data"));
    assert!(parsed.subject().unwrap().contains("93 % full"));
}
