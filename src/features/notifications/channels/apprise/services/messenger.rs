//! Messengers: Signal over its REST server, WhatsApp's Cloud API, LINE.

use super::prelude::*;

/// Signal, over signal-cli-rest-api.
pub static SIGNAL: Definition = Definition {
    id: "signal",
    name: "Signal",
    schemes: &["signal", "signals"],
    docs: "https://bbernhard.github.io/signal-cli-rest-api/",
    example: "signals://signal.example.org/+15551233456/+15551234567",
    fields: &[
        HOST.help("Where signal-cli-rest-api runs."),
        PORT,
        TLS,
        USER,
        PASSWORD,
        Field::text("from", "From", Place::Path(0))
            .required()
            .help("The number that is registered there."),
        Field::list("to", "Receivers", Place::Targets(1))
            .help("Numbers, or group.… ids. Empty: the sender itself."),
    ],
    limits: Limits::new(0, 2_000, 500),
    build: |fields| plain(fields, signal),
    ..Definition::PLAIN
};

fn phone(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    format!("+{digits}")
}

fn signal(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, SIGNAL.limits, Acknowledge::InText);
    let url = under(server_with_login(fields)?, &["v2", "send"])?;
    let from = phone(fields.text("from"));
    if from.len() < 7 {
        return Err(Misfit::new("from", "it is no number of a phone"));
    }
    let mut receivers = fields.list("to");
    if receivers.is_empty() {
        receivers.push(&from);
    }
    let requests = receivers.into_iter().map(|to| {
        let is_phone = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')');
        let to = if to.chars().all(is_phone) {
            phone(to)
        } else {
            let id = to.trim_start_matches(['@', '#']);
            let id = id.strip_prefix("group.").unwrap_or(id);
            format!("group.{id}")
        };
        let body = json!({
            "message": words.body,
            "number": from,
            "recipients": [to],
            "text_mode": "normal",
        });
        Request::post_json(url.clone(), body)
    });
    Ok(requests.collect())
}

/// WhatsApp's Cloud API.
pub static WHATSAPP: Definition = Definition {
    id: "whatsapp",
    name: "WhatsApp",
    schemes: &["whatsapp"],
    docs: "https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages",
    example: "whatsapp://token@1234567890/15551234567",
    fields: &[
        Field::secret("token", "Access token", Place::Custom)
            .required()
            .help("WhatsApp, API Setup."),
        Field::text("from", "Phone number id", Place::Host)
            .required()
            .help("Not the number: the id beside it."),
        Field::list("to", "Numbers", Place::Targets(0))
            .required()
            .help("With the country's code."),
        Field::text("template", "Template", Place::Custom)
            .help("Needed unless the receiver wrote within the last day."),
        Field::text("language", "Its language", Place::Query("lang")).example("en_US"),
        Field::pairs("parameters", "Its parameters", Place::QueryPrefix(':'))
            .help("A position and its text; or body or type, and the position of it."),
    ],
    limits: Limits::new(0, 1_024, 1_000),
    build: |fields| plain(fields, whatsapp),
    parse: Some(|url| {
        let mut named = url.clone();
        if let Some(language) = named.query.remove("language") {
            named.query.insert("lang".to_owned(), language);
        }
        let mut fields = codec::parse(&WHATSAPP, &named)?;
        match (&url.user, &url.password) {
            (Some(template), Some(token)) => {
                fields.set("template", template.clone());
                fields.set("token", token.clone());
            }
            (Some(token), None) | (None, Some(token)) => fields.set("token", token.clone()),
            (None, None) => {}
        }
        Ok(fields)
    }),
    compose: Some(|fields| {
        let mut url = codec::compose(&WHATSAPP, fields);
        let token = Some(fields.text("token").to_owned());
        match fields.given("template") {
            Some(template) => {
                url.user = Some(template.to_owned());
                url.password = token;
            }
            None => url.user = token,
        }
        url
    }),
    ..Definition::PLAIN
};

/// A parameter holds no line break, no tab, and no more than four spaces on end: WhatsApp refuses the message.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn whatsapp(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, WHATSAPP.limits, Acknowledge::InText);
    let url = at(
        "https://graph.facebook.com/v21.0",
        &[fields.text("from"), "messages"],
    )?;
    let flat = flat(&words.body);
    let mut placed = Vec::new();
    for (name, value) in fields.pairs("parameters") {
        let (position, text) = match name {
            "body" => (value, flat.as_str()),
            "type" => (value, message.tone.as_str()),
            position => (position, value),
        };
        let text = self::flat(text);
        let position = position.parse::<u8>();
        let position = position.map_err(|_| Misfit::new("parameters", "a position is a number"))?;
        placed.push((position, text));
    }
    placed.sort_unstable();
    let placed = placed.into_iter();
    let parameters: Vec<_> = placed
        .map(|(_, text)| json!({ "type": "text", "text": text }))
        .collect();
    let requests = fields.list("to").into_iter().map(|to| {
        let mut body = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": phone(to),
        });
        if let Some(template) = fields.given("template") {
            let language = fields.given("language").unwrap_or("en_US");
            body["type"] = "template".into();
            body["template"] = json!({ "name": template, "language": { "code": language } });
            if !parameters.is_empty() {
                body["template"]["components"] =
                    json!([{ "type": "body", "parameters": parameters }]);
            }
        } else {
            body["type"] = "text".into();
            body["text"] = json!({ "body": words.body });
        }
        Request::post_json(url.clone(), body).bearer(fields.text("token"))
    });
    Ok(requests.collect())
}

/// LINE.
pub static LINE: Definition = Definition {
    id: "line",
    name: "LINE",
    schemes: &["line"],
    docs: "https://developers.line.biz/en/reference/messaging-api/#send-push-message",
    example: "line://channeltoken/U0123456789abcdef",
    fields: &[
        Field::secret("token", "Channel access token", Place::Host)
            .required()
            .help("Messaging API, Channel access token."),
        Field::list("to", "Receivers", Place::Targets(0))
            .required()
            .help("Ids of users, groups or rooms."),
    ],
    limits: Limits::new(0, 5_000, 500),
    build: |fields| {
        known_by(
            fields,
            line,
            |_, _| None,
            |status, body| status == 409 && body.contains("retry key is already accepted"),
        )
    },
    parse: Some(|url| {
        let mut url = url.clone();
        // Tokens end with an equals sign and hold slashes, which Apprise's URLs may show.
        if let Some(end) = url.path.iter().position(|part| part.ends_with('=')) {
            let rest: Vec<_> = url.path.drain(..=end).collect();
            url.host = format!("{}/{}", url.host, rest.join("/"));
        }
        codec::parse(&LINE, &url)
    }),
    ..Definition::PLAIN
};

fn line(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of_utf16(message, LINE.limits, Acknowledge::InText);
    let url = at("https://api.line.me/v2/bot/message/push", &[])?;
    let requests = fields
        .list("to")
        .into_iter()
        .zip(0_u128..)
        .map(|(to, part)| {
            let body = json!({ "to": to, "messages": [{ "type": "text", "text": words.body }] });
            // It wants a UUID, the same in every attempt and another for each receiver.
            let key = uuid::Uuid::from_u128(message.id.as_u128() ^ part);
            Request::post_json(url.clone(), body)
                .bearer(fields.text("token"))
                .header("X-Line-Retry-Key", key.to_string())
        });
    Ok(requests.collect())
}
