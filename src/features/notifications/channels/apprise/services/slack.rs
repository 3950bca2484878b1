//! Slack: incoming webhooks, and bots.

use super::prelude::*;

/// Slack.
pub static SLACK: Definition = Definition {
    id: "slack",
    name: "Slack",
    schemes: &["slack"],
    docs: "https://api.slack.com/messaging/webhooks",
    example: "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    fields: &[
        Field::secret("webhook", "Webhook", Place::Custom)
            .help("What follows hooks.slack.com/services/ in the webhook's address: three parts.")
            .example("T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"),
        Field::secret("token", "Bot token", Place::Custom)
            .help(
                "Instead of a webhook: OAuth & Permissions, Bot User OAuth Token, with chat:write.",
            )
            .example("xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"),
        Field::list("channels", "Channels", Place::Custom)
            .help("#channel or @person, or their ids. A bot needs one; a webhook has its own."),
        Field::text("name", "Shown as", Place::User),
    ],
    limits: Limits::new(250, 8_000, 1_200),
    build: |fields| {
        if fields.given("webhook").is_some() == fields.given("token").is_some() {
            let why = "either a webhook or a bot token is needed";
            return Err(Misfit::new("webhook", why));
        }
        if fields.given("token").is_some() && fields.list("channels").is_empty() {
            return Err(Misfit::new("channels", "a bot needs a channel"));
        }
        judged_by(fields, requests, judge)
    },
    parse: Some(parse),
    compose: Some(compose),
    native: Some(|url| {
        let path = url.path().strip_prefix("/services/")?;
        let mut fields = Fields::default();
        fields.set("webhook", path.trim_matches('/'));
        (url.host_str() == Some("hooks.slack.com")).then_some(fields)
    }),
    ..Definition::PLAIN
};

fn parse(url: &AppriseUrl) -> Result<Fields, Misfit> {
    let mut fields = codec::parse(&SLACK, url)?;
    let is_token = url.host.to_ascii_lowercase().starts_with("xox");
    let channels = if is_token {
        fields.set("token", url.host.clone());
        url.targets(0)
    } else {
        let [b, c, ..] = url.path.as_slice() else {
            return Err(Misfit::new("url", "a webhook of Slack's has three parts"));
        };
        fields.set("webhook", format!("{}/{b}/{c}", url.host));
        url.targets(2)
    };
    fields.set("channels", channels);
    Ok(fields)
}

fn compose(fields: &Fields) -> AppriseUrl {
    let mut url = codec::compose(&SLACK, fields);
    let secret = fields.given("token").unwrap_or(fields.text("webhook"));
    let (host, rest) = secret.split_once('/').unwrap_or((secret, ""));
    host.clone_into(&mut url.host);
    let rest = rest.split('/').filter(|part| !part.is_empty());
    url.path = rest
        .chain(fields.list("channels"))
        .map(ToOwned::to_owned)
        .collect();
    url
}

/// Slack's own escapes: these three and no others.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn requests(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, SLACK.limits, Acknowledge::Apart);
    let mut text = escaped(&words.body);
    if let Some(acknowledge) = &message.acknowledge {
        let _ = write!(text, "\n<{acknowledge}|Acknowledge>");
    }
    let title = escaped(&words.title);
    let mut attachment = json!({
        "fallback": title,
        "color": message.tone.color_hex(),
        "title": title,
        "text": text,
        "ts": message.occurred_at.timestamp(),
    });
    if let Some(link) = &message.link {
        attachment["title_link"] = link.as_str().into();
    }
    let token = fields.given("token");
    let url = match token {
        Some(_) => at("https://slack.com/api/chat.postMessage", &[])?,
        None => at(
            "https://hooks.slack.com/services",
            &segments(fields, "webhook"),
        )?,
    };
    let channels = each(fields.list("channels")).into_iter();
    Ok(channels
        .map(|channel| {
            let mut body = json!({ "attachments": [attachment] });
            if let Some(channel) = channel {
                body["channel"] = channel.strip_prefix('+').unwrap_or(channel).into();
            }
            if let Some(name) = fields.given("name") {
                body["username"] = name.into();
            }
            let request = Request::post_json(url.clone(), body);
            match token {
                Some(token) => request.bearer(token),
                None => request,
            }
        })
        .collect())
}

fn judge(status: u16, body: &str) -> Option<Rejection> {
    if status != 200 {
        return None;
    }
    let is_later = |said: &Value| {
        let error = said["error"].as_str().unwrap_or_default();
        matches!(
            error,
            "ratelimited"
                | "rate_limited"
                | "internal_error"
                | "fatal_error"
                | "service_unavailable"
        )
    };
    judged(body, |said| said["ok"] != Value::Bool(false), is_later)
}
