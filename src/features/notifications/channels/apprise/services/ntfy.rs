//! ntfy: topics on ntfy.sh or a server of one's own.

use super::prelude::*;

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
            let over = body.to_string().len().saturating_sub(MOST_JSON);
            if over > 0 {
                let room = words.body.len().saturating_sub(over);
                body["message"] = cut_bytes(&words.body, room).into();
            }
            let request = Request::post_json(base.clone(), body);
            match token {
                Some(token) => request.bearer(token),
                None => request,
            }
        })
        .collect())
}

/// ntfy reads no more of a message: twice what its text may be, and line breaks and quotes count twice.
const MOST_JSON: usize = 8_000;
/// ntfy shows no more.
const MOST_ACTIONS: usize = 3;

const ACTIONS: [&str; 4] = ["view", "http", "broadcast", "copy"];

/// Reads buttons in ntfy's short form: `view, LABEL, URL, clear=true; http, LABEL, URL, method=PUT, body='…'`.
fn actions(text: &str) -> Result<Vec<Value>, Misfit> {
    let read = split(text, ';')?
        .into_iter()
        .filter(|part| !part.is_empty());
    let read = read
        .map(|part| action(&part))
        .collect::<Result<Vec<_>, _>>()?;
    if read.len() > MOST_ACTIONS {
        return Err(unfit("ntfy shows three buttons, and there are more"));
    }
    Ok(read)
}

fn unfit(why: &str) -> Misfit {
    let example = "as in: view, Open n8n, https://n8n.example.org, clear=true";
    Misfit::new("actions", format!("{why}; up to three buttons {example}"))
}

/// Splits where no quotes stand around.
fn split(text: &str, at: char) -> Result<Vec<String>, Misfit> {
    let (mut parts, mut part, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match quote {
            None if c == at => parts.push(std::mem::take(&mut part)),
            // Quotes stand around a whole value; one within a word is a letter.
            None if matches!(c, '"' | '\'') && part.trim_end().ends_with([',', '=']) => {
                quote = Some(c);
                part.push(c);
            }
            None if matches!(c, '"' | '\'') && part.trim().is_empty() => {
                quote = Some(c);
                part.push(c);
            }
            _ => {
                if quote == Some(c) {
                    quote = None;
                }
                part.push(c);
            }
        }
    }
    if quote.is_some() {
        return Err(unfit("a quote is not closed"));
    }
    parts.push(part);
    Ok(parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .collect())
}

fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// One button: an action, a label, an address, and what the action takes beside.
fn action(text: &str) -> Result<Value, Misfit> {
    let mut button = json!({});
    let mut place = 0;
    for word in split(text, ',')? {
        let named = word
            .split_once('=')
            .map(|(name, value)| (name.trim(), unquoted(value.trim())));
        match named {
            Some((
                name @ ("action" | "label" | "url" | "method" | "body" | "intent" | "value"),
                value,
            )) => {
                button[name] = value.into();
            }
            Some(("clear", value)) => {
                let is_yes = match value {
                    "true" | "yes" | "1" => true,
                    "false" | "no" | "0" => false,
                    _ => return Err(unfit("clear is true or false")),
                };
                button["clear"] = is_yes.into();
            }
            Some((name, value)) if name.starts_with("headers.") || name.starts_with("extras.") => {
                let (group, key) = name.split_once('.').unwrap_or_default();
                button[group][key] = value.into();
            }
            _ => {
                let name = match (place, button["action"].as_str()) {
                    (0, _) => "action",
                    (1, _) => "label",
                    (2, Some("view" | "http")) => "url",
                    (2, Some("copy")) => "value",
                    _ => return Err(unfit(&format!("{word} means nothing there"))),
                };
                if name == "action" && !ACTIONS.contains(&word.as_str()) {
                    return Err(unfit("a button begins with view, http, broadcast or copy"));
                }
                button[name] = unquoted(&word).into();
                place += 1;
            }
        }
    }
    let has = |name: &str| button[name].as_str().is_some_and(|text| !text.is_empty());
    if !has("label") {
        return Err(unfit("a button has a label"));
    }
    let is_web = |schemes: &[&str]| {
        let url = button["url"].as_str().and_then(|url| Url::parse(url).ok());
        url.is_some_and(|url| schemes.is_empty() || schemes.contains(&url.scheme()))
    };
    match button["action"].as_str() {
        Some("view") if is_web(&[]) => Ok(button),
        Some("http") if is_web(&["http", "https"]) => Ok(button),
        Some("view" | "http") => Err(unfit("its address is none")),
        Some("broadcast") => Ok(button),
        Some("copy") if has("value") => Ok(button),
        _ => Err(unfit("a button begins with view, http, broadcast or copy")),
    }
}
