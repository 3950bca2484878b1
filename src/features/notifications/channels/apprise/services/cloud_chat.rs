//! Chats of the big offices: Teams, Google Chat, Webex, Zulip.

use super::prelude::*;

/// Microsoft Teams, by a workflow.
pub static TEAMS: Definition = Definition {
    id: "workflows",
    name: "Microsoft Teams",
    schemes: &["workflows"],
    aliases: &["workflow"],
    docs: "https://learn.microsoft.com/en-us/connectors/teams/",
    example: "workflows://prod-01.westeurope.logic.azure.com:443/643a8bb3c6974d50/signature",
    fields: &[
        Field::text("host", "Host", Place::Host)
            .required()
            .help("From the address that the workflow “Post to a channel when a webhook request is received” shows.")
            .example("prod-01.westeurope.logic.azure.com"),
        PORT,
        Field::text("workflow", "Workflow", Place::Path(0))
            .required()
            .help("What follows /workflows/ in that address."),
        Field::secret("signature", "Signature", Place::Path(1))
            .required()
            .help("What follows sig= in that address."),
        Field::boolean("powerautomate", "Address of Power Automate", Place::Query("pa"))
            .help("Whether that address begins with /powerautomate/."),
        Field::text("route", "Routing id", Place::Query("route")).help("The number after /cu/, if there is one."),
        Field::text("version", "API version", Place::Query("ver")),
    ],
    limits: Limits::new(250, 5_000, 1_000),
    build: |fields| plain(fields, teams),
    parse: Some(|url| {
        let mut url = url.clone();
        let names = [("powerautomate", "pa"), ("api-version", "ver"), ("routeid", "route")];
        for (long, short) in names {
            if let Some(value) = url.query.remove(long) {
                url.query.insert(short.to_owned(), value);
            }
        }
        codec::parse(&TEAMS, &url)
    }),
    native: Some(|url| {
        let path = url.path().strip_suffix("/triggers/manual/paths/invoke")?;
        let (before, workflow) = path.rsplit_once("/workflows/")?;
        let asked = |name: &str| {
            let found = url.query_pairs().find(|(known, _)| known == name);
            found.map(|(_, value)| value.into_owned())
        };
        let mut fields = Fields::default();
        fields.set("host", url.host_str()?);
        if let Some(port) = url.port() {
            fields.set("port", port);
        }
        fields.set("workflow", workflow);
        fields.set("signature", asked("sig")?);
        fields.set("version", asked("api-version").unwrap_or_default());
        fields.set("powerautomate", before.starts_with("/powerautomate/"));
        fields.set("route", before.rsplit_once("/cu/").map_or("", |(_, id)| id));
        Some(fields)
    }),
    ..Definition::PLAIN
};

fn teams(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, TEAMS.limits, Acknowledge::Apart);
    let mut secure = fields.clone();
    secure.set("tls", true);
    let (mut path, fallback) = if fields.is_on("powerautomate") {
        (
            vec!["powerautomate", "automations", "direct"],
            "2022-03-01-preview",
        )
    } else {
        (Vec::new(), "2016-06-01")
    };
    if let Some(route) = fields.given("route") {
        path.extend(["cu", route]);
    }
    path.extend(["workflows", fields.text("workflow")]);
    path.extend(["triggers", "manual", "paths", "invoke"]);
    let mut url = under(server(&secure)?, &path)?;
    url.query_pairs_mut()
        .append_pair("api-version", fields.given("version").unwrap_or(fallback))
        .append_pair("sp", "/triggers/manual/run")
        .append_pair("sv", "1.0")
        .append_pair("sig", fields.text("signature"));
    let color = match message.tone {
        Tone::Info => "accent",
        Tone::Success => "good",
        Tone::Warning => "warning",
        Tone::Failure => "attention",
    };
    let links = [
        ("Acknowledge", &message.acknowledge),
        ("Details", &message.link),
    ];
    let actions: Vec<_> = links
        .iter()
        .filter_map(|(title, url)| {
            let url = url.as_ref()?;
            Some(json!({ "type": "Action.OpenUrl", "title": title, "url": url }))
        })
        .collect();
    // Cards break lines at empty ones only.
    let text = markdown(&words.body).replace('\n', "\n\n");
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {
                "type": "TextBlock", "text": markdown(&words.title), "weight": "Bolder", "size": "Large",
                "color": color, "wrap": true
            },
            { "type": "TextBlock", "text": text, "wrap": true },
        ],
        "actions": actions,
        "msteams": { "width": "full" },
    });
    let body = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card,
        }],
    });
    Ok(vec![Request::post_json(url, body)])
}

/// Google Chat.
pub static GOOGLE_CHAT: Definition = Definition {
    id: "gchat",
    name: "Google Chat",
    schemes: &["gchat"],
    docs: "https://developers.google.com/workspace/chat/quickstart/webhooks",
    example: "gchat://AAAAspace/key/token",
    fields: &[
        Field::text("workspace", "Space", Place::Host)
            .required()
            .help("Apps & integrations, Webhooks: what follows /spaces/ in the address."),
        Field::secret("key", "Key", Place::Path(0))
            .required()
            .help("What follows key=."),
        Field::secret("token", "Token", Place::Path(1))
            .required()
            .help("What follows token=."),
        Field::text("thread", "Thread", Place::Path(2))
            .help("Any word: messages with the same one stay together."),
    ],
    limits: Limits::new(0, 4_000, 1_000),
    build: |fields| plain(fields, google_chat),
    parse: Some(|url| {
        let mut url = url.clone();
        // The other way to write it: gchat://space/?key=…&token=…&thread=…
        for name in ["key", "token", "thread"] {
            if let Some(value) = url.query.remove(name) {
                url.path.push(value);
            }
        }
        codec::parse(&GOOGLE_CHAT, &url)
    }),
    native: Some(|url| {
        let path = url.path().strip_prefix("/v1/spaces/")?;
        let mut fields = Fields::default();
        fields.set("workspace", path.strip_suffix("/messages")?);
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "key" | "token" => fields.set(&name, value.as_ref()),
                "threadKey" => fields.set("thread", value.as_ref()),
                _ => {}
            }
        }
        (url.host_str() == Some("chat.googleapis.com")).then_some(fields)
    }),
    ..Definition::PLAIN
};

fn google_chat(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    // <users/all> would call everybody, <address|words> would hide where a link leads.
    let safe = message.escaped(|text| text.replace('<', "<\u{200b}"));
    let words = Words::of(&safe, GOOGLE_CHAT.limits, Acknowledge::InText);
    let path = ["v1", "spaces", fields.text("workspace"), "messages"];
    let mut url = at("https://chat.googleapis.com", &path)?;
    url.query_pairs_mut()
        .append_pair("key", fields.text("key"))
        .append_pair("token", fields.text("token"));
    let mut body = json!({ "text": words.body });
    if let Some(thread) = fields.given("thread") {
        body["thread"] = json!({ "threadKey": thread });
        url.query_pairs_mut()
            .append_pair("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
    }
    Ok(vec![Request::post_json(url, body)])
}

/// Webex.
pub static WEBEX: Definition = Definition {
    id: "wxteams",
    name: "Webex",
    schemes: &["wxteams"],
    aliases: &["webex"],
    docs: "https://developer.webex.com/messaging/docs/api/v1/messages/create-a-message",
    example: "wxteams://Y2lzY29zcGFyazovL3VzL1dFQkhPT0svZjRlOTc2NDc2YTY2M2E",
    fields: &[
        Field::secret("token", "Webhook or bot token", Place::Host)
            .required()
            .help("The last part of an incoming webhook's address; with rooms, a bot's token."),
        Field::list("rooms", "Rooms", Place::Targets(0)).help("Ids of rooms, for a bot."),
        Field::choice("mode", "Kind", &["webhook", "bot"], Place::Query("mode"))
            .help("Empty: a bot if there are rooms."),
    ],
    limits: Limits::new(0, 7_000, 1_000),
    build: |fields| plain(fields, webex),
    native: Some(|url| {
        let token = url.path().strip_prefix("/v1/webhooks/incoming/")?;
        let mut fields = Fields::default();
        fields.set("token", token.trim_matches('/'));
        let host = url.host_str()?;
        ["webexapis.com", "api.ciscospark.com"]
            .contains(&host)
            .then_some(fields)
    }),
    ..Definition::PLAIN
};

/// What a message of a bot's may hold (developer.webex.com).
const WEBEX_BYTES: usize = 7_439;
/// And one by an incoming webhook.
const WEBHOOK_CHARS: usize = 1_000;

fn webex(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, WEBEX.limits, Acknowledge::Apart);
    let rooms = fields.list("rooms");
    let is_bot = match fields.given("mode") {
        Some(mode) => mode == "bot",
        None => !rooms.is_empty(),
    };
    let link = message.acknowledge.as_ref();
    let link = link.map_or(String::new(), |url| format!("\n\n[Acknowledge]({url})"));
    // Lines that end with two spaces are lines; the marks count, and bytes are what is counted.
    let text = markdown(&words.body).replace('\n', "  \n");
    let text = if is_bot {
        cut_bytes(&text, WEBEX_BYTES.saturating_sub(link.len())) + &link
    } else {
        cut(&text, WEBHOOK_CHARS.saturating_sub(link.chars().count())) + &link
    };
    if !is_bot {
        let url = at(
            "https://api.ciscospark.com/v1/webhooks/incoming",
            &[fields.text("token")],
        )?;
        return Ok(vec![Request::post_json(url, json!({ "markdown": text }))]);
    }
    if rooms.is_empty() {
        return Err(Misfit::new("rooms", "a bot needs a room"));
    }
    let url = at("https://webexapis.com/v1/messages", &[])?;
    let requests = rooms.into_iter().map(|room| {
        Request::post_json(url.clone(), json!({ "roomId": room, "markdown": text }))
            .bearer(fields.text("token"))
    });
    Ok(requests.collect())
}

/// Zulip.
pub static ZULIP: Definition = Definition {
    id: "zulip",
    name: "Zulip",
    schemes: &["zulip"],
    docs: "https://zulip.com/api/send-message",
    example: "zulip://flowkeep@example/8FDxdyg8gQzYvKLBEsHeQN5oHF8LYvfP/alerts",
    fields: &[
        Field::text("bot", "Bot", Place::User)
            .required()
            .help("Its name, without -bot@ and what follows."),
        Field::text("organization", "Organization", Place::Host)
            .required()
            .help("The name in front of .zulipchat.com, or the host of a server of your own."),
        Field::secret("token", "API key", Place::Path(0))
            .required()
            .help("Settings, Bots."),
        Field::list("targets", "Channels", Place::Targets(1))
            .help("Channels, or people's addresses of e-mail. Empty: general."),
    ],
    limits: Limits::new(60, 10_000, 1_000),
    build: |fields| {
        judged_by(fields, zulip, |status, body| {
            let is_fine = |said: &Value| said["result"] != "error";
            if status == 200 {
                judged(body, is_fine, |_| false)
            } else {
                None
            }
        })
    },
    ..Definition::PLAIN
};

fn zulip(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, ZULIP.limits, Acknowledge::Apart);
    let organization = fields.text("organization");
    let host = if organization.contains('.') {
        organization.to_owned()
    } else {
        format!("{organization}.zulipchat.com")
    };
    let bot = fields.text("bot");
    let bot = if bot.contains('@') {
        bot.to_owned()
    } else {
        format!("{}-bot@{host}", bot.strip_suffix("-bot").unwrap_or(bot))
    };
    let mut place = Fields::default();
    place.set("tls", true);
    place.set("host", host);
    let mut url = server(&place).map_err(|misfit| Misfit::new("organization", misfit.why))?;
    login(&mut url, &bot, fields.text("token"));
    let url = under(url, &["api", "v1", "messages"])?;
    let mut targets = fields.list("targets");
    if targets.is_empty() {
        targets.push("general");
    }
    let text = linked_markdown(&words.body, message, ZULIP.limits.body_chars);
    let requests = targets.into_iter().map(|target| {
        let kind = if target.contains('@') {
            "private"
        } else {
            "stream"
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form = vec![
            pair("type", kind),
            pair("to", target.trim_start_matches('#')),
            pair("topic", &words.title),
            pair("content", &text),
        ];
        Request::post_form(url.clone(), form)
    });
    Ok(requests.collect())
}
