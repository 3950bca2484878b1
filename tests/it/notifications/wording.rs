//! What a message becomes at the edges of what services take.

use flowkeep::features::notifications::channels::apprise::Target;
use flowkeep::features::notifications::channels::message::{Message, Tone};
use flowkeep::features::notifications::channels::{form::Fields, ntfy, webhook};
use serde_json::{Value, json};

use super::wire::{Arrived, Receiver, Reply};
use super::{message, now};

fn target(url: &str) -> Target {
    Target::read(url).unwrap_or_else(|misfit| panic!("{url}: {misfit}"))
}

/// The one request that a message becomes.
async fn told(target: &Target, message: &Message) -> Arrived {
    let receiver = Receiver::start(Reply::fine()).await;
    receiver.deliver(target, message).await.unwrap();
    receiver.arrived().pop().unwrap()
}

fn json_of(arrived: &Arrived) -> Value {
    serde_json::from_str(&arrived.body).unwrap()
}

#[tokio::test]
async fn what_has_to_be_escaped_leaves_the_line_that_acknowledges_whole() {
    for (url, letter, most) in [
        (
            "rockets://user:password-password-password-password@chat.example.org/#general",
            "@",
            1_000,
        ),
        ("rockets://a/b@chat.example.org", "@", 1_000),
        ("gchat://space/key/token", "<", 4_000),
        ("lark://b1c2d3e4-0000", "<", 18_000),
        ("nctalks://u:p@nc.example.org/room", "@", 15_000),
        ("wxteams://Y2lzY29zcGFyazovL3VzL1dFQkhPT0s", "_\n", 1_000),
    ] {
        let long = Message {
            body: letter.repeat(30_000),
            ..message()
        };
        let arrived = told(&target(url), &long).await;
        let texts = arrived.texts();
        let text = texts.iter().max_by_key(|text| text.len()).unwrap();
        assert!(
            text.contains("/ack/k3y?x=1&y=2"),
            "{url}: {}",
            &text[text.len() - 200..]
        );
        assert!(
            text.chars().count() <= most,
            "{url}: {}",
            text.chars().count()
        );
    }
}

#[tokio::test]
async fn limits_are_counted_as_the_service_counts_them() {
    let of = |letter: &str| Message {
        body: letter.repeat(20_000),
        ..message()
    };
    let webex = target("wxteams://abcdefghijklmnopqrstuvwxyz/room1");
    let text = json_of(&told(&webex, &of("Ƀ\n")).await)["markdown"].clone();
    assert!(
        text.as_str().unwrap().len() <= 7_439,
        "{}",
        text.as_str().unwrap().len()
    );
    // What Apple and Pushy take, all of it together.
    for url in ["barks://api.day.app/devicekey", "pushy://apikey/device"] {
        let arrived = told(&target(url), &of("Ƀ")).await;
        assert!(arrived.body.len() <= 4_096, "{url}: {}", arrived.body.len());
    }
    let line = target("line://token/user");
    let text = json_of(&told(&line, &of("😀")).await)["messages"][0]["text"].clone();
    let units = text.as_str().unwrap().encode_utf16().count();
    assert!((4_900..=5_000).contains(&units), "{units}");
    // Line breaks and quotes count twice in what ntfy reads.
    let ntfy = target("ntfys://ntfy.example.org/alerts");
    let arrived = told(&ntfy, &of("\"\n")).await;
    assert!(arrived.body.len() <= 8_192, "{}", arrived.body.len());
}

#[tokio::test]
async fn a_link_to_a_machine_without_a_public_name_is_left_out_where_it_would_be_refused() {
    let discord = target("discord://4174216298/token");
    let mut inside = message();
    inside.link = Some("http://flowkeep:8080/notifications".parse().unwrap());
    let embed = json_of(&told(&discord, &inside).await)["embeds"][0].clone();
    assert!(embed["url"].is_null(), "{embed}");
    let arrived = told(&discord, &message()).await;
    assert!(json_of(&arrived)["embeds"][0]["url"].is_string());
    assert!(arrived.uri.contains("wait=true"), "{}", arrived.uri);
}

#[tokio::test]
async fn the_end_of_a_trouble_opens_no_incident_where_it_cannot_close_one() {
    let over = Message {
        tone: Tone::Success,
        ..message()
    };
    for url in [
        "betterstack://token123",
        "spike://abcdefghijklmnopqrstuvwxyz012345",
    ] {
        let receiver = Receiver::start(Reply::fine()).await;
        let delivered = receiver.deliver(&target(url), &over).await.unwrap();
        assert!(receiver.arrived().is_empty(), "{url}");
        assert!(
            delivered.words.contains("nothing was sent"),
            "{delivered:?}"
        );
        receiver.deliver(&target(url), &message()).await.unwrap();
        assert_eq!(receiver.arrived().len(), 1);
    }
}

#[tokio::test]
async fn a_parameter_of_a_template_has_no_line_breaks_tabs_and_runs_of_spaces() {
    let whatsapp =
        target("whatsapp://alert:token@1234567890/15551234567?:body=1&:2=a%20%20%20%20%20b");
    let odd = Message {
        body: "one\ttwo\r\nthree      four".to_owned(),
        ..message()
    };
    let body = json_of(&told(&whatsapp, &odd).await);
    let parameters = &body["template"]["components"][0]["parameters"];
    let texts: Vec<_> = [0, 1]
        .map(|at| parameters[at]["text"].as_str().unwrap())
        .into();
    assert!(texts[0].contains("one two three four"), "{texts:?}");
    assert_eq!(texts[1], "a b");
}

#[tokio::test]
async fn a_message_that_was_taken_before_counts_as_taken() {
    for (url, code, said) in [
        (
            "resend://re_a:from@example.org/to@example.com",
            409,
            r#"{"name":"invalid_idempotent_request"}"#,
        ),
        (
            "line://token/user",
            409,
            r#"{"message":"The retry key is already accepted"}"#,
        ),
    ] {
        let receiver = Receiver::start(Reply::new(code, said)).await;
        let delivered = receiver.deliver(&target(url), &message()).await;
        assert!(delivered.is_ok(), "{url}: {delivered:?}");
    }
    let line = target("line://token/user1/user2");
    let receiver = Receiver::start(Reply::fine()).await;
    receiver.deliver(&line, &message()).await.unwrap();
    receiver.deliver(&line, &message()).await.unwrap();
    let keys: Vec<_> = receiver
        .arrived()
        .iter()
        .map(|one| one.header("x-line-retry-key").unwrap().to_owned())
        .collect();
    assert_eq!((&keys[0], &keys[1]), (&keys[2], &keys[3]));
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[0], message().id.to_string());
    let foreign = target("resend://re_a:from@example.org/j%C3%BCrgen@example.com");
    assert!(
        told(&foreign, &message())
            .await
            .header("idempotency-key")
            .is_some()
    );
}

/// A service of ntfy's own kind, as the form gives it.
fn phone(fields: Value) -> Result<Target, String> {
    let fields = fields.as_object().unwrap().clone().into_iter().collect();
    let target = Target {
        definition: &ntfy::DEFINITION,
        fields: Fields(fields),
        is_verified: true,
    };
    match target.build() {
        Ok(_) => Ok(target),
        Err(misfit) => Err(misfit.to_string()),
    }
}

#[tokio::test]
async fn ntfys_own_kind_says_all_that_its_form_asks() {
    let full = phone(json!({
        "server": "https://ntfy.example.org:8443", "topic": "alerts", "priority": "max", "tags": ["warning", "n8n"],
        "token": "tk_abc", "click": "https://n8n.example.org/",
        "actions": "view, \"Open, now\", https://n8n.example.org/?a=1, clear=true; \
                    http, Restart, https://hooks.example.org/r, method=PUT, headers.X-Key=k, body='{\"a\": 1, \"b\": 2}'; \
                    broadcast, Lights, extras.cmd=on",
    }))
    .unwrap();
    let mut plain = message();
    plain.acknowledge = None;
    let arrived = told(&full, &plain).await;
    assert_eq!(arrived.origin, "https://ntfy.example.org:8443");
    assert_eq!(arrived.header("authorization"), Some("Bearer tk_abc"));
    let body = json_of(&arrived);
    assert_eq!(
        (
            &body["topic"],
            &body["priority"],
            &body["tags"],
            &body["click"]
        ),
        (
            &json!("alerts"),
            &json!(5),
            &json!(["warning", "n8n"]),
            &json!("https://n8n.example.org/")
        )
    );
    assert_eq!(
        body["actions"],
        json!([
            { "action": "view", "label": "Open, now", "url": "https://n8n.example.org/?a=1", "clear": true },
            { "action": "http", "label": "Restart", "url": "https://hooks.example.org/r", "method": "PUT",
              "headers": { "X-Key": "k" }, "body": "{\"a\": 1, \"b\": 2}" },
            { "action": "broadcast", "label": "Lights", "extras": { "cmd": "on" } },
        ])
    );
    let login =
        phone(json!({ "topic": "alerts", "username": "ann", "password": "s3cr3t" })).unwrap();
    let arrived = told(&login, &plain).await;
    assert_eq!(arrived.origin, "https://ntfy.sh");
    assert_eq!(
        arrived.header("authorization"),
        Some("Basic YW5uOnMzY3IzdA==")
    );
}

#[test]
fn a_button_that_ntfy_would_not_understand_is_refused_with_the_reason() {
    for (actions, why) in [
        ("open, n8n, https://n8n.example.org", "begins with"),
        ("view, , https://n8n.example.org", "label"),
        ("view, Open, nowhere", "address"),
        ("http, Open, mailto:a@b.org", "address"),
        ("view, Open, https://a.org, clear=maybe", "true or false"),
        ("view, Open, https://a.org, surplus", "surplus"),
        ("view, \"Open, https://a.org", "not closed"),
        ("view,a,b:c; view,a,b:c; view,a,b:c; view,a,b:c", "three"),
    ] {
        let refused = phone(json!({ "topic": "alerts", "actions": actions })).unwrap_err();
        assert!(refused.contains(why), "{actions}: {refused}");
    }
}

fn hook(fields: Value) -> Target {
    let fields = fields.as_object().unwrap().clone().into_iter().collect();
    Target {
        definition: &webhook::DEFINITION,
        fields: Fields(fields),
        is_verified: true,
    }
}

#[tokio::test]
async fn a_template_is_sent_and_signed_as_another_program_signs_it() {
    let signed = hook(json!({
        "url": "https://hooks.example.org/h", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "template": "{\"text\": {{ title | tojson }}, \"disk\": {{ data.disk | tojson }}}",
    }));
    let short = Message {
        title: "A".to_owned(),
        data: json!({ "disk": { "percent": 97 } }),
        ..message()
    };
    let arrived = told(&signed, &short).await;
    assert_eq!(arrived.body, r#"{"text": "A", "disk": {"percent":97}}"#);
    assert_eq!(
        arrived.header("webhook-timestamp"),
        Some(now().timestamp().to_string().as_str())
    );
    // Made with Python's hmac of id, time and body.
    assert_eq!(
        arrived.header("webhook-signature"),
        Some("v1,naV3o4vD312qrLQcNy6XpfKjBm0R4ITNNXC1Nl3HMYY=")
    );
}

#[tokio::test]
async fn what_is_too_large_here_or_there_goes_out_without_its_details() {
    let plain = hook(json!({ "url": "https://hooks.example.org/h" }));
    let details = |bytes: usize| Message {
        data: json!({ "log": "x".repeat(bytes) }),
        ..message()
    };
    let arrived = told(&plain, &details(10)).await;
    assert_eq!(json_of(&arrived)["data"]["event"]["log"], "x".repeat(10));
    // More than is sent at all.
    let arrived = told(&plain, &details(300 * 1024)).await;
    assert!(json_of(&arrived)["data"]["event"].is_null());
    // More than the other side takes.
    let receiver = Receiver::answering(|request| {
        Reply::new(if request.body.len() > 5_000 { 413 } else { 200 }, "")
    })
    .await;
    receiver.deliver(&plain, &details(9_000)).await.unwrap();
    let came = receiver.arrived();
    assert_eq!(came.len(), 2);
    assert!(!came[1].body.contains("xxx"));
    assert_eq!(came[0].header("webhook-id"), came[1].header("webhook-id"));
    // And it is told if it is too large even so.
    let receiver = Receiver::start(Reply::new(413, "")).await;
    let undelivered = receiver.deliver(&plain, &details(9_000)).await.unwrap_err();
    assert!(!undelivered.is_transient && undelivered.is_too_large);
}

#[tokio::test]
async fn robots_with_a_secret_are_told_with_a_signature() {
    // Made with Python's hmac: the time and the secret are the key of nothing.
    for url in [
        "feishu://s3cr3t-word@b1c2d3e4-0000",
        "lark://s3cr3t-word@b1c2d3e4-0000",
    ] {
        let body = json_of(&told(&target(url), &message()).await);
        assert_eq!(body["timestamp"], now().timestamp().to_string());
        assert_eq!(body["sign"], "fiuLpjn8a9eTEBgohdLnwPYAJQl0qxCzXZ6jN1v5AmU=");
        assert_eq!(target(url).write(), url);
    }
}
