//! Rocket.Chat: webhooks, and accounts.

use super::prelude::*;

/// Rocket.Chat.
pub static ROCKET_CHAT: Definition = Definition {
    id: "rocketchat",
    name: "Rocket.Chat",
    schemes: &["rocket", "rockets"],
    docs: "https://developer.rocket.chat/apidocs/post-message",
    example: "rockets://user:password@chat.example.org/#general",
    fields: &[
        HOST,
        PORT,
        TLS,
        Field::secret("webhook", "Webhook", Place::Custom)
            .help("What follows /hooks/ in the webhook's address: two parts. Or a name and a password.")
            .example("5f1a/GZ3xRb"),
        Field::text("user", "User name or id", Place::Custom),
        Field::secret("password", "Password or token", Place::Custom)
            .help("A personal access token goes with the user's id and the kind “token”."),
        Field::choice("mode", "Kind of login", &["basic", "token"], Place::Custom)
            .help("Empty: a token if it is longer than 32 characters."),
        Field::list("targets", "Channels", Place::Targets(0))
            .help("#channel, @person or a room's id. An account needs one; a webhook has its own."),
    ],
    limits: Limits::new(0, 1_000, 1_000),
    build,
    parse: Some(parse),
    compose: Some(|fields| {
        let mut url = codec::compose(&ROCKET_CHAT, fields);
        if let Some(webhook) = fields.given("webhook") {
            url.user = Some(webhook.to_owned());
        } else {
            url.user = fields.given("user").map(ToOwned::to_owned);
            url.password = fields.given("password").map(ToOwned::to_owned);
            if let Some(mode) = fields.given("mode") {
                url.query.insert("mode".to_owned(), mode.to_owned());
            }
        }
        url
    }),
    ..Definition::PLAIN
};

fn build(fields: &Fields) -> Result<Transport, Misfit> {
    if fields.given("webhook").is_some() {
        return judged_by(fields, webhook, judge);
    }
    if fields.given("user").is_none() || fields.given("password").is_none() {
        return Err(Misfit::new(
            "webhook",
            "a webhook, or a name and a password are needed",
        ));
    }
    if fields.list("targets").is_empty() {
        return Err(Misfit::new("targets", "an account needs a channel"));
    }
    server(fields)?;
    in_headers(fields, &["user", "password"])?;
    asking(Account {
        fields: fields.clone(),
    })
}

fn parse(url: &AppriseUrl) -> Result<Fields, Misfit> {
    let mut url = url.clone();
    let mut webhook = None;
    // rocket://ab/cd@host: the slash is the webhook's, and so the host is in the path.
    if url.user.is_none()
        && let Some((second, host)) = url.path.first().and_then(|part| part.split_once('@'))
    {
        webhook = Some(format!("{}/{second}", url.host));
        let host = host.to_owned();
        url.path.remove(0);
        url.set_authority(&host)?;
    }
    let mode = url.query.remove("mode");
    let named = url.query.remove("webhook");
    let mut fields = codec::parse(&ROCKET_CHAT, &url)?;
    let in_user = url.user.clone().filter(|_| url.password.is_none());
    if let Some(webhook) = webhook.or(named).or(in_user) {
        fields.set("webhook", webhook);
    } else {
        fields.set("user", url.user.unwrap_or_default());
        fields.set("password", url.password.unwrap_or_default());
        fields.set("mode", mode.unwrap_or_default());
    }
    Ok(fields)
}

/// Its own API mentions people by `@name`; nothing that an event says may.
fn said(message: &Message) -> String {
    let safe = message.escaped(|text| text.replace('@', "@\u{200b}"));
    Words::of(&safe, ROCKET_CHAT.limits, Acknowledge::InText).body
}

fn webhook(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let mut path = vec!["hooks"];
    path.extend(segments(fields, "webhook"));
    let url = under(server(fields)?, &path)?;
    let targets = each(fields.list("targets")).into_iter();
    Ok(targets
        .map(|target| Request::post_json(url.clone(), addressed(said(message), target)))
        .collect())
}

fn addressed(text: String, target: Option<&str>) -> Value {
    let mut body = json!({ "text": text });
    match target {
        Some(name) if name.starts_with(['#', '@']) => body["channel"] = name.into(),
        Some(room) => body["roomId"] = room.into(),
        None => {}
    }
    body
}

struct Account {
    fields: Fields,
}

impl HttpService for Account {
    fn step(&self, message: &Message, answers: &[Value], _: DateTime<Utc>) -> Result<Step, String> {
        let base = server(&self.fields).map_err(|misfit| misfit.to_string())?;
        let api = |name: &str| {
            under(base.clone(), &["api", "v1", name]).map_err(|misfit| misfit.to_string())
        };
        let (user, password) = (self.fields.text("user"), self.fields.text("password"));
        let is_token = match self.fields.given("mode") {
            Some(mode) => mode == "token",
            None => password.len() > 32,
        };
        let (id, token) = if is_token {
            (user, password)
        } else if let Some(answer) = answers.first() {
            let word = |name: &str| {
                let word = answer
                    .pointer(&format!("/data/{name}"))
                    .and_then(Value::as_str);
                word.ok_or_else(|| format!("the answer to the login holds no {name}"))
            };
            (word("userId")?, word("authToken")?)
        } else {
            let form = vec![
                ("username".to_owned(), user.to_owned()),
                ("password".to_owned(), password.to_owned()),
            ];
            return Ok(Step::Login(Request::post_form(api("login")?, form)));
        };
        let url = api("chat.postMessage")?;
        let targets = self.fields.list("targets").into_iter();
        let requests = targets.map(|target| {
            Request::post_json(url.clone(), addressed(said(message), Some(target)))
                .header("X-Auth-Token", token)
                .header("X-User-Id", id)
        });
        Ok(Step::Deliver(requests.collect()))
    }

    fn rejection(&self, status: u16, body: &str) -> Option<Rejection> {
        judge(status, body)
    }
}

fn judge(status: u16, body: &str) -> Option<Rejection> {
    let is_fine = |said: &Value| said["success"] != Value::Bool(false) && said["status"] != "error";
    if status == 200 {
        judged(body, is_fine, |_| false)
    } else {
        None
    }
}
