//! ntfy: topics on ntfy.sh or a server of one's own.

use super::prelude::*;
use http::HeaderValue;

/// ntfy.
pub static NTFY: Definition = Definition {
    id: "ntfy",
    name: "ntfy",
    schemes: &["ntfy", "ntfys"],
    docs: "https://docs.ntfy.sh/publish/#publish-as-json",
    example: "ntfys://ntfy.example.org/alerts",
    fields: &[
        Field::text("host", "Host", Place::Custom).help("Empty: ntfy.sh."),
        PORT,
        TLS,
        USER,
        PASSWORD,
        Field::secret("token", "Access token", Place::Query("token"))
            .help("Instead of a name and a password: Account, Access tokens."),
        Field::list("topics", "Topics", Place::Custom)
            .required()
            .example("alerts"),
        Field::choice(
            "priority",
            "Priority",
            &["min", "low", "default", "high", "max"],
            Place::Query("priority"),
        )
        .help("Empty: as the rule says."),
        Field::list("tags", "Tags", Place::Query("xtags")).help("Words, or names of emojis."),
        Field::text("click", "Opens on a tap", Place::Query("click"))
            .help("Empty: the message's own page."),
        Field::text("actions", "Buttons", Place::Query("actions"))
            .help("Up to three as ntfy writes them, with semicolons between. One makes room if there is an alert to acknowledge.")
            .example("view, Open n8n, https://n8n.example.org"),
        Field::text("email", "Also by e-mail to", Place::Query("email")),
        Field::text("delay", "Delay", Place::Query("delay")).example("30min"),
    ],
    limits: Limits::new(200, 4_096, 500),
    build: |fields| plain(fields, requests),
    parse: Some(parse),
    compose: Some(|fields| {
        let mut url = codec::compose(&NTFY, fields);
        if let Some(host) = fields.given("host") {
            host.clone_into(&mut url.host);
        } else {
            "ntfys".clone_into(&mut url.scheme);
            "ntfy.sh".clone_into(&mut url.host);
        }
        url.path = fields
            .list("topics")
            .into_iter()
            .map(ToOwned::to_owned)
            .collect();
        url
    }),
    native: Some(|url| {
        let topic = url.path().trim_matches('/');
        let mut fields = Fields::default();
        fields.set("topics", vec![topic]);
        (url.host_str() == Some("ntfy.sh") && !topic.is_empty()).then_some(fields)
    }),
    ..Definition::PLAIN
};

fn parse(url: &AppriseUrl) -> Result<Fields, Misfit> {
    let mut url = url.clone();
    // tags= is Apprise's own word; older URLs use it for ntfy's.
    if let Some(tags) = url.query.remove("tags") {
        url.query.entry("xtags".to_owned()).or_insert(tags);
    }
    let auth = url.query.remove("auth");
    let mode = url.query.remove("mode");
    let mut fields = codec::parse(&NTFY, &url)?;
    let mut topics = url.targets(0);
    let is_cloud = match mode.as_deref() {
        Some(mode) => mode == "cloud",
        None => topics.is_empty() || url.host == "ntfy.sh",
    };
    if is_cloud {
        if url.host != "ntfy.sh" && !url.host.is_empty() {
            topics.insert(0, url.host.clone());
        }
        fields.0.remove("port");
        fields.0.remove("tls");
    } else {
        fields.set("host", url.host.clone());
    }
    fields.set("topics", topics);
    // tk_… in place of a name or a password.
    let is_token = |word: &str| word.starts_with("tk_") || auth.as_deref() == Some("token");
    let word = url.password.as_ref().or(url.user.as_ref());
    if let Some(token) = word.filter(|word| is_token(word)) {
        fields.set("token", token.clone());
        fields.0.remove("user");
        fields.0.remove("password");
    }
    Ok(fields)
}

fn requests(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    // ntfy counts bytes, and makes a file of what is longer.
    let words = Words::of_bytes(message, NTFY.limits, Acknowledge::Apart);
    let mut base = if fields.given("host").is_some() {
        server(fields)?
    } else {
        at("https://ntfy.sh", &[])?
    };
    let token = fields.given("token");
    if token.is_none() && fields.given("user").is_some() {
        login(&mut base, fields.text("user"), fields.text("password"));
    }
    let priority = match (fields.text("priority"), message.priority) {
        ("min", _) => 1,
        ("low", _) | ("", Priority::Low) => 2,
        ("high", _) | ("", Priority::High) => 4,
        ("max", _) | ("", Priority::Critical) => 5,
        _ => 3,
    };
    let mut buttons = actions(fields.text("actions"))?;
    if let Some(url) = &message.acknowledge {
        buttons.insert(
            0,
            json!({ "action": "view", "label": "Acknowledge", "url": url, "clear": true }),
        );
    }
    buttons.truncate(MOST_ACTIONS);
    let topics = fields.list("topics").into_iter();
    Ok(topics
        .map(|topic| {
            let mut body = json!({
                "topic": topic,
                "title": words.title,
                "message": words.body,
                "priority": priority,
            });
            let click = message.link.as_ref().map(Url::as_str);
            if let Some(click) = fields.given("click").or(click) {
                body["click"] = click.into();
            }
            let tags = fields.list("tags");
            if !tags.is_empty() {
                body["tags"] = tags.into();
            }
            for name in ["email", "delay"] {
                if let Some(value) = fields.given(name) {
                    body[name] = value.into();
                }
            }
            if !buttons.is_empty() {
                body["actions"] = buttons.clone().into();
            }
            let request = Request::post_json(base.clone(), body);
            match token {
                Some(token) if HeaderValue::from_str(token).is_ok() => request.bearer(token),
                _ => request,
            }
        })
        .collect())
}

/// ntfy shows no more.
const MOST_ACTIONS: usize = 3;

/// Reads buttons in ntfy's short form: `view, LABEL, URL; http, LABEL, URL`.
fn actions(text: &str) -> Result<Vec<Value>, Misfit> {
    let wrong = || {
        let why = "is up to three buttons as in: view, Open n8n, https://n8n.example.org";
        Misfit::new("actions", why)
    };
    let parts = text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let read = parts.map(|part| {
        let mut words = part.splitn(3, ',').map(str::trim);
        let (action, label, url) = (words.next(), words.next(), words.next());
        let action = action.filter(|word| matches!(*word, "view" | "http"));
        let url = url.and_then(|url| Url::parse(url).ok());
        match (action, label.filter(|label| !label.is_empty()), url) {
            (Some(action), Some(label), Some(url)) => {
                Ok(json!({ "action": action, "label": label, "url": url }))
            }
            _ => Err(wrong()),
        }
    });
    let read = read.collect::<Result<Vec<_>, _>>()?;
    if read.len() > MOST_ACTIONS {
        return Err(wrong());
    }
    Ok(read)
}
