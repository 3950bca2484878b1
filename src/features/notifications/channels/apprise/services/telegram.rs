//! Telegram: a bot that writes to people, groups and channels.

use super::prelude::*;

/// Telegram.
pub static TELEGRAM: Definition = Definition {
    id: "tgram",
    name: "Telegram",
    schemes: &["tgram"],
    aliases: &["telegram"],
    docs: "https://core.telegram.org/bots/api#sendmessage",
    example: "tgram://123456789:AAEhBP0av28qY0cXwLz9nR1/12315544",
    fields: &[
        Field::secret("token", "Bot token", Place::Host)
            .required()
            .help("From @BotFather.")
            .example("123456789:AAEhBP0av28qY0cXwLz9nR1"),
        Field::list("chats", "Chats", Place::Targets(0))
            .required()
            .help(
                "A chat's number, or @name of a public channel; number:topic for a topic of a group. The bot \
                 must have been written to, or be a member.",
            )
            .example("12315544"),
        Field::integer("topic", "Topic", (1, i64::MAX), Place::Query("topic"))
            .help("For all chats that name none."),
        Field::boolean("silent", "Without a sound", Place::Query("silent")),
        Field::boolean("preview", "Show previews of links", Place::Query("preview")),
    ],
    limits: Limits::new(0, 4_096, 1_000),
    build: |fields| judged_by(fields, requests, judge),
    parse: Some(|url| {
        let mut fields = codec::parse(&TELEGRAM, url)?;
        // Before it stood the bot's name, which is of no use.
        let token = match (&url.password, &url.user) {
            (Some(password), Some(_)) => format!("{password}:{}", url.host),
            _ => url.host.clone(),
        };
        let token = token.strip_prefix("bot").unwrap_or(&token);
        fields.set("token", token);
        if let Some(topic) = url.query.get("thread").and_then(|topic| topic.parse::<i64>().ok()) {
            fields.set("topic", topic);
        }
        Ok(fields)
    }),
    ..Definition::PLAIN
};

fn requests(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let token = fields.text("token");
    let is_token = token.split_once(':').is_some_and(|(id, secret)| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        !id.is_empty()
            && id.bytes().all(|byte| byte.is_ascii_digit())
            && secret.bytes().all(is_word)
    });
    if !is_token {
        return Err(Misfit::new("token", "it is a number, a colon and a word"));
    }
    // Telegram refuses a message with a button that leads to a machine without a public name.
    let button = message
        .acknowledge
        .as_ref()
        .filter(|url| is_public_name(url));
    let link = message.link.as_ref().filter(|url| is_public_name(url));
    let place = if button.is_some() {
        Acknowledge::Apart
    } else {
        Acknowledge::InText
    };
    let words = Words::of(message, TELEGRAM.limits, place);
    // The first line is the title; limits count what is shown, not the marks.
    let text = match words.body.split_once('\n') {
        Some((title, rest)) => format!("<b>{}</b>\n{}", markup(title), markup(rest)),
        None => format!("<b>{}</b>", markup(&words.body)),
    };
    let mut buttons = Vec::new();
    if let Some(url) = button {
        buttons.push(json!({ "text": "Acknowledge", "url": url }));
    }
    if let Some(url) = link {
        buttons.push(json!({ "text": "Details", "url": url }));
    }
    let is_silent = fields.is_on("silent") || message.priority == Priority::Low;
    let url = Url::parse(&format!("https://api.telegram.org/bot{token}/sendMessage"))
        .map_err(|error| Misfit::new("token", error.to_string()))?;
    let chats = fields.list("chats").into_iter().map(|target| {
        let (chat, topic) = match target.split_once(':') {
            Some((chat, topic)) => (chat, topic.parse::<i64>().ok()),
            None => (target, None),
        };
        let chat: Value = chat.parse::<i64>().map_or_else(|_| chat.into(), Into::into);
        let mut body = json!({
            "chat_id": chat,
            "text": text,
            "parse_mode": "HTML",
            "disable_notification": is_silent,
            "link_preview_options": { "is_disabled": !fields.is_on("preview") },
        });
        if let Some(topic) = topic.or_else(|| fields.integer("topic")) {
            body["message_thread_id"] = topic.into();
        }
        if !buttons.is_empty() {
            body["reply_markup"] = json!({ "inline_keyboard": [buttons] });
        }
        Request::post_json(url.clone(), body)
    });
    Ok(chats.collect())
}

fn judge(status: u16, body: &str) -> Option<Rejection> {
    // A 429 says in the body how long to wait.
    let is_later = |_: &Value| status == 429 || status >= 500;
    judged(body, |said| said["ok"] != Value::Bool(false), is_later)
}
