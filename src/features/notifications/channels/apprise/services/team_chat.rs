//! Chats of teams on servers of their own: Mattermost, Rocket.Chat, Synology Chat.

use super::prelude::*;

/// Mattermost.
pub static MATTERMOST: Definition = Definition {
    id: "mattermost",
    name: "Mattermost",
    schemes: &["mmost", "mmosts"],
    docs: "https://developers.mattermost.com/integrate/webhooks/incoming/",
    example: "mmosts://chat.example.org/3ccdd113474722377935511fc85d3dd4",
    fields: &[
        HOST,
        PORT,
        TLS,
        Field::text("path", "Path of the server", Place::PathBeforeLast)
            .help("Only if Mattermost is not at the root."),
        Field::secret("token", "Webhook", Place::LastPath)
            .required()
            .help("The last part of the incoming webhook's address, after /hooks/."),
        Field::list("channels", "Channels", Place::Query("channel"))
            .help("Names of channels, or @person. Empty: the webhook's own."),
        Field::text("name", "Shown as", Place::User),
    ],
    limits: Limits::new(250, 4_000, 100),
    build: |fields| plain(fields, mattermost),
    parse: Some(|url| {
        let mut url = url.clone();
        // All these names mean the same.
        let named = ["channel", "channels", "to"].map(|name| url.query.remove(name));
        let named: Vec<_> = named.into_iter().flatten().collect();
        if !named.is_empty() {
            url.query.insert("channel".to_owned(), named.join(","));
        }
        if let Some(name) = url.query.remove("botname") {
            url.user = Some(name);
        }
        codec::parse(&MATTERMOST, &url)
    }),
    native: Some(|url| {
        let path: Vec<_> = url.path_segments()?.collect();
        let [before @ .., "hooks", token] = path.as_slice() else {
            return None;
        };
        let host = url.host_str()?;
        let mut fields = Fields::default();
        fields.set("host", host);
        fields.set("tls", url.scheme() == "https");
        fields.set("token", *token);
        fields.set("path", before.join("/"));
        if let Some(port) = url.port() {
            fields.set("port", port);
        }
        // Others have /hooks/ too.
        host.contains("mattermost").then_some(fields)
    }),
    ..Definition::PLAIN
};

fn mattermost(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, MATTERMOST.limits, Acknowledge::Apart);
    let mut path = segments(fields, "path");
    path.extend(["hooks", fields.text("token")]);
    let url = under(server(fields)?, &path)?;
    let text = linked_markdown(&words.body, message, MATTERMOST.limits.body_chars);
    let mut attachment = json!({
        "fallback": words.title,
        "color": message.tone.color_hex(),
        "title": words.title,
        "text": text,
    });
    if let Some(link) = &message.link {
        attachment["title_link"] = link.as_str().into();
    }
    let channels = each(fields.list("channels")).into_iter();
    Ok(channels
        .map(|channel| {
            let mut body = json!({ "attachments": [attachment] });
            if let Some(channel) = channel {
                body["channel"] = channel.trim_start_matches(['#', '+']).into();
            }
            if let Some(name) = fields.given("name") {
                body["username"] = name.into();
            }
            Request::post_json(url.clone(), body)
        })
        .collect())
}

/// Synology Chat.
pub static SYNOLOGY: Definition = Definition {
    id: "synology",
    name: "Synology Chat",
    schemes: &["synology", "synologys"],
    docs: "https://kb.synology.com/en-global/DSM/help/Chat/chat_integration",
    example: "synologys://nas.example.org:5001/token",
    fields: &[
        HOST,
        PORT,
        TLS,
        USER,
        PASSWORD,
        Field::secret("token", "Token", Place::Path(0))
            .required()
            .help("Integration, Incoming Webhooks: what follows token= in the address."),
        Field::pairs("headers", "Headers", Place::QueryPrefix('+')),
    ],
    limits: Limits::new(0, 2_000, 500),
    build: |fields| {
        judged_by(fields, synology, |status, body| {
            let is_fine = |said: &Value| said["success"] != Value::Bool(false);
            // 411: too many messages; they come back later.
            let is_later = |said: &Value| said.pointer("/error/code") == Some(&json!(411));
            if status == 200 {
                judged(body, is_fine, is_later)
            } else {
                None
            }
        })
    },
    ..Definition::PLAIN
};

fn synology(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, SYNOLOGY.limits, Acknowledge::Apart);
    // Links are written as in Slack, so the signs around them must not come from elsewhere.
    let mut text = words.body.replace('<', "‹").replace('>', "›");
    if let Some(acknowledge) = &message.acknowledge {
        let _ = write!(text, "\n<{acknowledge}|Acknowledge>");
    }
    let mut url = server(fields)?;
    login(&mut url, fields.text("user"), fields.text("password"));
    let mut url = under(url, &["webapi", "entry.cgi"])?;
    url.query_pairs_mut()
        .append_pair("api", "SYNO.Chat.External")
        .append_pair("method", "incoming")
        .append_pair("version", "2")
        .append_pair("token", fields.text("token"));
    let payload = json!({ "text": text }).to_string();
    let request = Request::post_form(url, vec![("payload".to_owned(), payload)]);
    Ok(vec![with_headers(fields, request)?])
}
