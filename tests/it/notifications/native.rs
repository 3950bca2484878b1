//! What arrives at the services, and how their answers are read.

use std::collections::BTreeSet;
use std::time::Duration;

use flowkeep::features::notifications::channels::apprise::{Target, definitions, find};
use flowkeep::features::notifications::channels::message::Tone;
use serde_json::Value;

use super::message;
use super::targets::{OTHERS, TARGETS};
use super::wire::{Receiver, Reply};

fn target(url: &str) -> Target {
    Target::read(url).unwrap_or_else(|misfit| panic!("{url}: {misfit}"))
}

fn named(name: &str) -> Target {
    let (_, url) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    target(url)
}

#[test]
fn every_service_has_a_case() {
    let urls = TARGETS.iter().map(|(_, url)| url).chain(OTHERS);
    let tried: BTreeSet<_> = urls.map(|url| target(url).definition.id).collect();
    let all: BTreeSet<_> = definitions()
        .iter()
        .map(|definition| definition.id)
        .collect();
    assert_eq!(tried, all);
    assert!(all.len() >= 42, "{}", all.len());
}

#[tokio::test]
async fn every_service_is_told_what_it_documents() {
    for (name, url) in TARGETS {
        let receiver = Receiver::start(Reply::fine()).await;
        let delivered = receiver.deliver(&target(url), &message()).await;
        delivered.unwrap_or_else(|undelivered| panic!("{name}: {undelivered:?}"));
        let arrived = receiver.arrived();
        for request in &arrived {
            let key = request.header("idempotency-key").unwrap_or_default();
            assert!(
                key.is_empty() || key.starts_with(&message().id.to_string()),
                "{name}"
            );
        }
        let shown: Vec<_> = arrived.iter().map(super::wire::Arrived::shown).collect();
        insta::assert_json_snapshot!(format!("told_{name}"), shown);
    }
}

#[tokio::test]
async fn those_on_call_are_told_that_the_trouble_is_over() {
    let names = [
        "pagerduty",
        "opsgenie",
        "jira",
        "splunk",
        "pagertree",
        "signl4",
        "squadcast",
        "goalert",
        "incidentio",
        "ilert",
        "firehydrant",
    ];
    let mut over = message();
    over.tone = Tone::Success;
    let mut shown = Vec::new();
    for name in names {
        let receiver = Receiver::start(Reply::fine()).await;
        receiver.deliver(&named(name), &over).await.unwrap();
        let [request] = receiver.arrived().try_into().unwrap();
        shown.push(request.shown());
    }
    insta::assert_json_snapshot!(shown);
}

#[tokio::test]
async fn nothing_is_longer_than_a_service_takes() {
    let mut long = message();
    long.title = "Ŧ".repeat(5_000);
    long.body = "Ƀ".repeat(60_000);
    // Marks and links around the text, which do not count or are counted on top.
    let around = 300;
    for (name, url) in TARGETS {
        let target = target(url);
        let limits = target.definition.limits;
        let receiver = Receiver::start(Reply::fine()).await;
        let delivered = receiver.deliver(&target, &long).await;
        delivered.unwrap_or_else(|undelivered| panic!("{name}: {undelivered:?}"));
        for text in receiver
            .arrived()
            .iter()
            .flat_map(super::wire::Arrived::texts)
        {
            let count = |wanted: char| text.chars().filter(|c| *c == wanted).count();
            let most = match (count('Ŧ'), count('Ƀ')) {
                (0, 0) => continue,
                (_, 0) if limits.title_chars > 0 => limits.title_chars,
                // Opsgenie's note on closing is of its own.
                _ => limits.body_chars + limits.title_chars + around,
            };
            let length = text.chars().count();
            assert!(length <= most, "{name}: {length} instead of {most}");
            let marks = count('Ƀ');
            assert!(marks <= limits.body_chars, "{name}: {marks}");
        }
    }
}

#[tokio::test]
async fn what_is_cut_keeps_the_line_that_acknowledges() {
    let mut long = message();
    long.body = "Ƀ".repeat(60_000);
    for name in ["discord", "gotify", "twilio", "wecom"] {
        let receiver = Receiver::start(Reply::fine()).await;
        receiver.deliver(&named(name), &long).await.unwrap();
        let texts = receiver.arrived()[0].texts();
        let text = texts.iter().find(|text| text.contains('Ƀ')).unwrap();
        assert!(text.contains("/ack/k3y?x=1&y=2"), "{name}");
    }
}

#[tokio::test]
async fn a_message_of_a_title_only_is_said_once() {
    let mut short = message();
    short.body = String::new();
    for (name, url) in TARGETS {
        let receiver = Receiver::start(Reply::fine()).await;
        let delivered = receiver.deliver(&target(url), &short).await;
        assert!(delivered.is_ok(), "{name}: {delivered:?}");
    }
    let receiver = Receiver::start(Reply::fine()).await;
    receiver.deliver(&named("telegram"), &short).await.unwrap();
    let texts = receiver.arrived()[0].texts();
    assert!(texts.contains(&"<b>Backup &lt;failed&gt; &amp; &quot;late&quot;</b>".to_owned()));
}

/// What services say about themselves: so many messages in so many seconds.
const RATES: &[(&str, u64, u64)] = &[
    // discord.com/developers/docs: webhooks, 5 in 2 s.
    ("discord", 5, 2),
    // api.slack.com/apis/rate-limits: incoming webhooks and chat.postMessage, one a second.
    ("slack", 1, 1),
    // core.telegram.org/bots/faq: one a second to a chat; 20 a minute to a group, which a 429 asks for.
    ("telegram", 1, 1),
    // docs.ntfy.sh: after a burst of 60, one in 5 s; its 429 is waited for. Our own floor is checked here.
    ("ntfy", 2, 1),
    // developers.google.com/workspace/chat/limits: one a second to a space.
    ("gchat", 1, 1),
    // learn.microsoft.com: incoming webhooks, 4 a second.
    ("teams", 4, 1),
    // developer.pagerduty.com: 120 a minute for a routing key.
    ("pagerduty", 120, 60),
    // open.dingtalk.com: 20 a minute for a robot.
    ("dingtalk", 20, 60),
    // developer.work.weixin.qq.com: 20 a minute for a robot.
    ("wecom", 20, 60),
    // open.feishu.cn and open.larksuite.com: 100 a minute for a robot.
    ("feishu", 100, 60),
    ("lark", 100, 60),
    // twilio.com/docs: a long code sends one segment a second.
    ("twilio", 1, 1),
    // docs.aws.amazon.com/ses: one a second in the sandbox, where an account begins.
    ("ses", 1, 1),
    // pushover.net/api: two at a time.
    ("pushover", 2, 1),
    // webex, zulip and rocket.chat: some requests a second, by their own settings.
    ("webex", 5, 1),
    ("rocketchat", 1, 1),
];

#[test]
fn no_service_is_told_faster_than_it_says() {
    for (name, count, seconds) in RATES {
        let limits = named(name).definition.limits;
        let needed = seconds * 1_000 / count;
        assert!(
            limits.interval_ms >= needed,
            "{name}: {}",
            limits.interval_ms
        );
    }
    // Whoever brings a server of their own says how much it takes; all others have a pace.
    let own = ["apprise", "form", "gotify", "hassio", "json", "mqtt", "xml"];
    for definition in definitions() {
        let is_own = own.contains(&definition.id);
        assert!(
            is_own || definition.limits.interval_ms > 0,
            "{}",
            definition.id
        );
    }
}

#[tokio::test]
async fn f57_every_service_that_asks_for_a_pause_gets_it() {
    for (name, url) in TARGETS {
        let busy = Reply::new(429, "{}").header("retry-after", "17");
        let receiver = Receiver::start(busy).await;
        let undelivered = receiver
            .deliver(&target(url), &message())
            .await
            .expect_err(name);
        assert!(undelivered.is_transient, "{name}: {undelivered:?}");
        let wait = undelivered.retry_after;
        assert_eq!(wait, Some(Duration::from_secs(17)), "{name}");
    }
}

/// Service, status, answer, whether trying again helps, what it says then.
const REFUSALS: &[(&str, u16, &str, bool, &str)] = &[
    (
        "slack_bot",
        200,
        r#"{"ok":false,"error":"channel_not_found"}"#,
        false,
        "channel_not_found",
    ),
    (
        "slack_bot",
        200,
        r#"{"ok":false,"error":"ratelimited"}"#,
        true,
        "ratelimited",
    ),
    ("slack", 403, "invalid_token", false, "invalid_token"),
    (
        "discord",
        404,
        r#"{"message":"Unknown Webhook","code":10015}"#,
        false,
        "Unknown Webhook",
    ),
    (
        "telegram",
        400,
        r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#,
        false,
        "chat not found",
    ),
    (
        "telegram",
        502,
        r#"{"ok":false,"error_code":502,"description":"Bad Gateway"}"#,
        true,
        "Bad Gateway",
    ),
    (
        "ntfy",
        403,
        r#"{"code":40301,"http":403,"error":"forbidden"}"#,
        false,
        "forbidden",
    ),
    (
        "gotify",
        401,
        r#"{"error":"Unauthorized","errorDescription":"you need to provide a valid token"}"#,
        false,
        "Unauthorized",
    ),
    (
        "pushover",
        400,
        r#"{"user":"invalid","errors":["user identifier is invalid"],"status":0}"#,
        false,
        "user identifier is invalid",
    ),
    (
        "matrix",
        403,
        r#"{"errcode":"M_FORBIDDEN","error":"You are not invited"}"#,
        false,
        "You are not invited",
    ),
    (
        "matrix",
        429,
        r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":2000}"#,
        true,
        "too many",
    ),
    (
        "mattermost",
        400,
        r#"{"id":"web.incoming_webhook","message":"Couldn't find the channel"}"#,
        false,
        "find the channel",
    ),
    (
        "teams",
        401,
        r#"{"error":{"code":"DirectApiAuthorizationRequired","message":"no permission"}}"#,
        false,
        "no permission",
    ),
    (
        "rocketchat_webhook",
        200,
        r#"{"success":false,"error":"invalid-channel"}"#,
        false,
        "invalid-channel",
    ),
    (
        "gchat",
        429,
        r#"{"error":{"code":429,"message":"Resource exhausted"}}"#,
        true,
        "Resource exhausted",
    ),
    (
        "webex_bot",
        404,
        r#"{"message":"Could not find a room","errors":[{"description":"x"}]}"#,
        false,
        "find a room",
    ),
    (
        "zulip",
        400,
        r#"{"result":"error","msg":"Channel 'x' does not exist","code":"STREAM_DOES_NOT_EXIST"}"#,
        false,
        "does not exist",
    ),
    (
        "pagerduty",
        400,
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["x"]}"#,
        false,
        "invalid",
    ),
    (
        "opsgenie",
        422,
        r#"{"message":"Request body is not processable"}"#,
        false,
        "not processable",
    ),
    (
        "splunk",
        200,
        r#"{"result":"failure","message":"Unknown key"}"#,
        false,
        "Unknown key",
    ),
    (
        "vonage",
        200,
        r#"{"messages":[{"status":"4","error-text":"Bad Credentials"}]}"#,
        false,
        "Bad Credentials",
    ),
    (
        "vonage",
        200,
        r#"{"messages":[{"status":"1","error-text":"Throttled"}]}"#,
        true,
        "Throttled",
    ),
    (
        "twilio",
        400,
        r#"{"code":21211,"message":"The 'To' number is not valid"}"#,
        false,
        "is not valid",
    ),
    (
        "messagebird",
        422,
        r#"{"errors":[{"code":9,"description":"no (correct) recipients found","parameter":"recipients"}]}"#,
        false,
        "recipients found",
    ),
    (
        "plivo",
        401,
        r#"{"error":"Authentication failed"}"#,
        false,
        "Authentication failed",
    ),
    (
        "signal",
        400,
        r#"{"error":"Unregistered user"}"#,
        false,
        "Unregistered user",
    ),
    (
        "whatsapp",
        400,
        r#"{"error":{"message":"(#131030) Recipient not in allowed list","code":131030}}"#,
        false,
        "allowed list",
    ),
    (
        "line",
        400,
        r#"{"message":"The property, 'to', in the request body is invalid"}"#,
        false,
        "invalid",
    ),
    (
        "homeassistant",
        401,
        "401: Unauthorized",
        false,
        "401: Unauthorized",
    ),
    (
        "pushbullet",
        401,
        r#"{"error":{"code":"invalid_access_token","message":"Access token is missing"}}"#,
        false,
        "token is missing",
    ),
    (
        "bark",
        200,
        r#"{"code":400,"message":"failed to get device token"}"#,
        false,
        "device token",
    ),
    (
        "prowl",
        406,
        "<?xml version=\"1.0\"?><prowl><error code=\"406\">Not acceptable</error></prowl>",
        true,
        "limit",
    ),
    (
        "pushy",
        200,
        r#"{"success":false,"error":"The token is invalid"}"#,
        false,
        "token is invalid",
    ),
    (
        "join",
        200,
        r#"{"success":false,"errorMessage":"User not authenticated"}"#,
        false,
        "not authenticated",
    ),
    (
        "serverchan",
        200,
        r#"{"code":40001,"message":"bad pushtoken"}"#,
        false,
        "bad pushtoken",
    ),
    (
        "dingtalk",
        200,
        r#"{"errcode":310000,"errmsg":"sign not match"}"#,
        false,
        "sign not match",
    ),
    (
        "dingtalk",
        200,
        r#"{"errcode":130101,"errmsg":"send too fast"}"#,
        true,
        "too fast",
    ),
    (
        "feishu",
        200,
        r#"{"code":19024,"msg":"Key Words Not Found","data":{}}"#,
        false,
        "Key Words",
    ),
    (
        "lark",
        200,
        r#"{"code":11232,"msg":"frequency limited"}"#,
        true,
        "frequency",
    ),
    (
        "wecom",
        200,
        r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#,
        false,
        "invalid webhook",
    ),
    (
        "wecom",
        200,
        r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#,
        true,
        "freq",
    ),
    (
        "nctalk",
        404,
        r#"{"ocs":{"meta":{"status":"failure","statuscode":404}}}"#,
        false,
        "404",
    ),
    (
        "synology",
        200,
        r#"{"success":false,"error":{"code":411,"errors":"create post too fast"}}"#,
        true,
        "too fast",
    ),
    (
        "synology",
        200,
        r#"{"success":false,"error":{"code":404,"errors":"invalid token"}}"#,
        false,
        "invalid token",
    ),
    (
        "ifttt",
        401,
        r#"{"errors":[{"message":"You sent an invalid key."}]}"#,
        false,
        "invalid key",
    ),
    (
        "sendgrid",
        401,
        r#"{"errors":[{"message":"The provided authorization grant is invalid"}]}"#,
        false,
        "grant is invalid",
    ),
    (
        "resend",
        422,
        r#"{"statusCode":422,"message":"Invalid from field","name":"validation_error"}"#,
        false,
        "from field",
    ),
    ("mailgun", 401, "Forbidden", false, "Forbidden"),
    (
        "smtp2go",
        200,
        r#"{"data":{"succeeded":0,"failed":1,"failures":["bad recipient"]}}"#,
        false,
        "bad recipient",
    ),
    (
        "brevo",
        400,
        r#"{"code":"invalid_parameter","message":"sender is missing"}"#,
        false,
        "sender is missing",
    ),
    (
        "postmark",
        422,
        r#"{"ErrorCode":406,"Message":"Inactive recipient"}"#,
        false,
        "Inactive recipient",
    ),
    (
        "ses",
        403,
        "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>",
        false,
        "SignatureDoesNotMatch",
    ),
    (
        "apprise",
        424,
        r#"{"error":"One or more notification could not be sent"}"#,
        false,
        "could not be sent",
    ),
    // It says so, and sends nothing, when it knows no such key.
    ("apprise", 204, "", false, "no configuration"),
    ("apprise_2", 204, "", false, "no configuration"),
    (
        "ses",
        400,
        "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Maximum sending rate exceeded.</Message></Error></ErrorResponse>",
        true,
        "sending rate exceeded",
    ),
    (
        "ses",
        400,
        "<ErrorResponse><Error><Code>MessageRejected</Code><Message>Email address is not verified.</Message></Error></ErrorResponse>",
        false,
        "is not verified",
    ),
    (
        "prowl",
        401,
        "<?xml version=\"1.0\"?><prowl><error code=\"401\">Invalid API key &amp; more</error></prowl>",
        false,
        "Invalid API key & more",
    ),
    (
        "bark",
        500,
        r#"{"code":500,"message":"push failed: PayloadTooLarge"}"#,
        false,
        "PayloadTooLarge",
    ),
    (
        "bark",
        500,
        r#"{"code":500,"message":"push failed: ServiceUnavailable"}"#,
        true,
        "ServiceUnavailable",
    ),
    (
        "resend",
        409,
        r#"{"statusCode":409,"name":"concurrent_idempotent_requests","message":"in progress"}"#,
        true,
        "being taken",
    ),
    ("line", 409, r#"{"message":"Conflict"}"#, false, "Conflict"),
    ("json", 503, "down", true, "down"),
];

#[tokio::test]
async fn refusals_are_understood_in_each_services_own_words() {
    for (name, status, answer, is_transient, words) in REFUSALS {
        let receiver = Receiver::start(Reply::new(*status, *answer)).await;
        let undelivered = receiver.deliver(&named(name), &message()).await;
        let undelivered = undelivered.expect_err(name);
        assert_eq!(
            undelivered.is_transient, *is_transient,
            "{name}: {undelivered:?}"
        );
        assert_eq!(undelivered.status, Some(*status), "{name}");
        assert!(
            undelivered.why.contains(words),
            "{name}: {}",
            undelivered.why
        );
    }
}

#[tokio::test]
async fn a_wait_in_the_body_counts() {
    let answer = r#"{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":7}}"#;
    let receiver = Receiver::start(Reply::new(429, answer)).await;
    let undelivered = receiver
        .deliver(&named("telegram"), &message())
        .await
        .unwrap_err();
    assert_eq!(undelivered.retry_after, Some(Duration::from_secs(7)));
    assert!(undelivered.is_transient);
}

#[tokio::test]
async fn statuses_say_whether_to_try_again() {
    let tried = async |reply: Reply| {
        let receiver = Receiver::start(reply).await;
        receiver
            .deliver(&named("json"), &message())
            .await
            .unwrap_err()
    };
    let busy = tried(Reply::new(429, "").header("retry-after", "12")).await;
    assert!(busy.is_transient);
    assert_eq!(busy.retry_after, Some(Duration::from_secs(12)));
    let gone = tried(Reply::new(410, "")).await;
    assert!(gone.is_gone && !gone.is_transient);
    let moved = tried(Reply::new(302, "").header("location", "http://127.0.0.1/other")).await;
    assert!(!moved.is_transient, "{moved:?}");
    assert!(moved.why.contains("redirect"), "{}", moved.why);
    let broken = tried(Reply::new(500, "")).await;
    assert!(broken.is_transient && broken.retry_after.is_none());
}

#[tokio::test]
async fn what_was_taken_is_not_sent_again() {
    let receiver = Receiver::answering(|request| {
        let is_second = request.body.contains("@channel\"");
        Reply::new(if is_second { 500 } else { 200 }, "")
    })
    .await;
    let target = named("telegram");
    let undelivered = receiver.deliver(&target, &message()).await.unwrap_err();
    assert_eq!(undelivered.parts.taken, [0, 2].into());
    assert!(undelivered.is_transient, "{undelivered:?}");
    assert_eq!(receiver.arrived().len(), 3);
    let again = receiver
        .deliver_after(&target, &message(), undelivered.parts)
        .await;
    assert_eq!(again.unwrap_err().parts.taken, [0, 2].into());
    assert_eq!(receiver.arrived().len(), 4);
}

#[tokio::test]
async fn a_secret_that_a_server_repeats_is_not_told() {
    for (name, url) in TARGETS {
        let target = target(url);
        let answer = format!("I do not know {}", target.secrets().join(" or "));
        let receiver = Receiver::start(Reply::new(400, answer)).await;
        let undelivered = receiver.deliver(&target, &message()).await.expect_err(name);
        for secret in target.secrets().iter().filter(|secret| secret.len() > 3) {
            assert!(
                !undelivered.why.contains(secret.as_str()),
                "{name}: {}",
                undelivered.why
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again_and_no_secret_told() {
    let policy = || flowkeep::platform::outbound::Policy {
        allow_private: true,
    };
    let names = std::sync::Arc::new(flowkeep::platform::outbound::SystemNames);
    let outbound = flowkeep::platform::outbound::Outbound::new(names, policy);
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    // Port 9 of this machine is never asked, and so that one is refused for good.
    for (port, is_transient) in [(port, true), (9, false)] {
        let url = format!("json://user:s3cr3t-word@127.0.0.1:{port}/path");
        let flowkeep::features::notifications::channels::form::Transport::Http(service) =
            target(&url).build().unwrap()
        else {
            panic!("it is HTTP");
        };
        let undelivered = flowkeep::features::notifications::channels::deliver(
            &outbound,
            service.as_ref(),
            &message(),
            &super::wire::terms(),
        )
        .await
        .outcome
        .unwrap_err();
        assert_eq!(undelivered.is_transient, is_transient, "{undelivered:?}");
        assert!(!undelivered.why.contains("s3cr3t"), "{}", undelivered.why);
    }
}

#[test]
fn the_addresses_that_services_hand_out_are_understood() {
    let native = [
        (
            "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?thread_id=5",
            "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?thread=5",
        ),
        (
            "https://discordapp.com/api/v10/webhooks/4174216298/JHMH",
            "discord://4174216298/JHMH",
        ),
        (
            "https://hooks.slack.com/services/T1/A1/TII",
            "slack://T1/A1/TII",
        ),
        (
            "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=k%3D1&token=t%2Fb&threadKey=th",
            "gchat://AAAA/k=1/t%2Fb/th",
        ),
        (
            "https://prod-01.westeurope.logic.azure.com:443/workflows/643a/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abc",
            "workflows://prod-01.westeurope.logic.azure.com/643a/abc?ver=2016-06-01",
        ),
        (
            "https://x.environment.api.powerplatform.com/powerautomate/automations/direct/cu/07/workflows/643a/triggers/manual/paths/invoke?api-version=1&sp=x&sv=1.0&sig=abc",
            "workflows://x.environment.api.powerplatform.com/643a/abc?pa=yes&route=07&ver=1",
        ),
        (
            "https://webexapis.com/v1/webhooks/incoming/Y2lz",
            "wxteams://Y2lz",
        ),
        ("https://ntfy.sh/alerts", "ntfys://ntfy.sh/alerts"),
        (
            "https://mattermost.example.org:8065/sub/hooks/3ccd",
            "mmosts://mattermost.example.org:8065/sub/3ccd",
        ),
        (
            "https://oapi.dingtalk.com/robot/send?access_token=abc",
            "dingtalk://abc",
        ),
        (
            "https://open.feishu.cn/open-apis/bot/v2/hook/b1-c2",
            "feishu://b1-c2",
        ),
        (
            "https://open.larksuite.com/open-apis/bot/v2/hook/b1-c2",
            "lark://b1-c2",
        ),
        (
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a",
            "wecombot://693a",
        ),
        (
            "https://alert.victorops.com/integrations/generic/20131114/alert/key/route",
            "splunk://route@key",
        ),
        ("https://api.spike.sh/v1/alerts/abc", "spike://abc"),
        ("https://maker.ifttt.com/use/abc", "ifttt://abc/flowkeep"),
    ];
    for (address, url) in native {
        assert_eq!(target(address).write(), url);
    }
    let misfit = Target::read("https://example.org/hook").unwrap_err();
    assert_eq!(misfit.field, "url");
    assert!(misfit.why.contains("jsons://"), "{misfit}");
}

#[test]
fn an_unknown_scheme_is_named_together_with_the_way_out() {
    let misfit = Target::read("reddit://user:pass@app/secret/sub").unwrap_err();
    assert_eq!(misfit.field, "url");
    assert!(misfit.why.contains("reddit://") && misfit.why.contains("apprises://host/token"));
}

#[test]
fn a_form_with_a_mistake_names_the_field() {
    let read = |id: &str, fields: Value| {
        let misfit = Target::from_fields(id, fields.as_object().unwrap()).unwrap_err();
        (misfit.field, misfit.why)
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let cases = [
        ("discord", r#"{"webhook_id":"1"}"#, "webhook_token"),
        (
            "discord",
            r#"{"webhook_id":"1","webhook_token":"a","colour":"red"}"#,
            "colour",
        ),
        (
            "discord",
            r#"{"webhook_id":1,"webhook_token":"a"}"#,
            "webhook_id",
        ),
        ("gotify", r#"{"host":"h","token":"t","port":70000}"#, "port"),
        (
            "gotify",
            r#"{"host":"h","token":"t","priority":"loud"}"#,
            "priority",
        ),
        ("gotify", r#"{"host":"h","token":"t","tls":"yes"}"#, "tls"),
        ("telegram", "{}", "service"),
        ("tgram", r#"{"token":"1:a","chats":"5"}"#, "chats"),
        ("tgram", r#"{"token":"1:a","chats":["5\n6"]}"#, "chats"),
        ("json", r#"{"host":"h","headers":{"X":1}}"#, "headers"),
    ];
    for (id, fields, field) in cases {
        let (found, why) = read(id, json(fields));
        assert_eq!(found, field, "{id} {fields}: {why}");
    }
}

#[test]
fn what_cannot_be_sent_is_refused_before_it_is_kept() {
    let cases = [
        ("discord://abc/token", "webhook_id"),
        ("tgram://nonsense/5", "token"),
        ("slack://xoxb-1234-1234", "channels"),
        ("rockets://user:pass@chat.example.org", "targets"),
        ("matrixs://matrix.example.org/#room", "token"),
        ("json://host.example.org?+Host=other", "headers"),
        ("xml://host.example.org?:a%20b=c", "payload"),
        ("mqtt://broker.example.org/box/%23", "topics"),
        ("sendgrid://SG.a:from@example.org/nobody", "to"),
        ("ses://a@b.org/AK/secret/nowhere/c@d.org", "region"),
        ("gotify://exa%20mple.org/token", "host"),
        ("nctalks://u:p@nc.example.org/room?+Host=other", "headers"),
        (
            "synologys://nas.example.org/token?+Content-Length=1",
            "headers",
        ),
        (
            "apprises://host.example.org/token?+Transfer-Encoding=chunked",
            "headers",
        ),
        ("gotifys://gotify.example.org/t%C3%B6ken", "token"),
        ("ntfys://ntfy.example.org/alerts?token=tk_%C3%A4", "token"),
        ("matrixs://t%C3%B6ken@matrix.example.org/!room:x", "token"),
        ("rockets://%C3%BCser:pass@chat.example.org/#room", "user"),
        ("pover://***@azGDORePK8gM", "user_key"),
        ("jsons://host.example.org/hooks/***", "path"),
        ("spush://password@HuxgBB", "url"),
        ("matrixs://token@matrix.example.org/!room:x?e2ee=yes", "url"),
        ("mailtos://user:pass@example.org?pgp=yes", "url"),
        ("mmosts://mm.example.org/token?mode=bot", "url"),
        (
            "twilio://AC1:token@15551233456/15551234567?method=call",
            "url",
        ),
        ("discord://4174216298/token?ping=everyone", "url"),
        ("opsgenie://apikey?action=close", "url"),
    ];
    for (url, field) in cases {
        let misfit = match Target::read(url) {
            Ok(target) => target
                .build()
                .err()
                .unwrap_or_else(|| panic!("{url} is taken")),
            Err(misfit) => misfit,
        };
        assert_eq!(misfit.field, field, "{url}: {misfit}");
    }
}

#[test]
fn a_url_for_people_holds_no_secret() {
    for (name, url) in TARGETS {
        let target = target(url);
        let shown = target.redacted();
        assert!(
            shown.contains("***") || target.secrets().is_empty(),
            "{name}: {shown}"
        );
        for secret in target.secrets().iter().filter(|secret| secret.len() > 3) {
            assert!(!shown.contains(secret.as_str()), "{name}: {shown}");
        }
    }
}

#[test]
fn a_certificate_that_may_be_wrong_stays_so() {
    let lax = target("gotifys://gotify.example.org/token?verify=no");
    assert!(!lax.is_verified);
    assert_eq!(lax.write(), "gotifys://gotify.example.org/token?verify=no");
    assert!(
        target("gotifys://gotify.example.org/token?verify=yes&overflow=split&rto=4").is_verified
    );
}

#[test]
fn schemes_lead_to_one_service_each() {
    let mut seen = BTreeSet::new();
    for definition in definitions() {
        for scheme in definition.schemes.iter().chain(definition.aliases) {
            assert!(seen.insert(scheme), "{scheme} twice");
            assert_eq!(find(scheme).unwrap().id, definition.id);
        }
    }
    assert!(find("nothing").is_none());
}
