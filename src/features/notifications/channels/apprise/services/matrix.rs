//! Matrix: rooms on any homeserver.

use super::prelude::*;
use http::Method;

/// Matrix.
pub static MATRIX: Definition = Definition {
    id: "matrix",
    name: "Matrix",
    schemes: &["matrix", "matrixs"],
    docs: "https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid",
    example: "matrixs://syt_token@matrix.example.org/#room",
    fields: &[
        HOST.help("The homeserver."),
        PORT,
        TLS,
        Field::secret("token", "Access token", Place::Custom)
            .help("Element: All settings, Help & About, Access Token. Or a name and a password."),
        Field::text("user", "User name", Place::Custom),
        Field::secret("password", "Password", Place::Custom),
        Field::list("rooms", "Rooms", Place::Targets(0))
            .required()
            .help("#alias, #alias:server or !id:server.")
            .example("#alerts:example.org"),
        Field::choice(
            "discovery",
            "Ask where the homeserver is",
            &["yes", "no"],
            Place::Query("discovery"),
        )
        .help("By /.well-known/matrix/client; yes unless said otherwise."),
        Field::choice(
            "msgtype",
            "Kind of message",
            &["text", "notice"],
            Place::Query("msgtype"),
        ),
    ],
    // An event holds 65,536 bytes, and the text is in it twice, once escaped.
    limits: Limits::new(250, 7_000, 500),
    build: |fields| {
        let has_login = fields.given("user").is_some() && fields.given("password").is_some();
        if fields.given("token").is_none() && !has_login {
            return Err(Misfit::new(
                "token",
                "a token, or a name and a password are needed",
            ));
        }
        server(fields)?;
        in_headers(fields, &["token"])?;
        asking(Matrix {
            fields: fields.clone(),
        })
    },
    parse: Some(|url| {
        let mut plain = url.clone();
        // These are about keys, and about which homeserver.
        for name in ["autoverify", "hsreq"] {
            plain.query.remove(name);
        }
        let mut fields = codec::parse(&MATRIX, &plain)?;
        match (&url.user, &url.password) {
            (Some(user), Some(password)) => {
                fields.set("user", user.clone());
                fields.set("password", password.clone());
            }
            (Some(token), None) | (None, Some(token)) => fields.set("token", token.clone()),
            (None, None) => {}
        }
        Ok(fields)
    }),
    compose: Some(|fields| {
        let mut url = codec::compose(&MATRIX, fields);
        if let Some(token) = fields.given("token") {
            url.user = Some(token.to_owned());
        } else {
            url.user = fields.given("user").map(ToOwned::to_owned);
            url.password = fields.given("password").map(ToOwned::to_owned);
        }
        url
    }),
    ..Definition::PLAIN
};

struct Matrix {
    fields: Fields,
}

impl Matrix {
    fn api(base: &Url, segments: &[&str]) -> Result<Url, String> {
        let mut all = vec!["_matrix", "client", "v3"];
        all.extend(segments);
        under(base.clone(), &all).map_err(|misfit| misfit.to_string())
    }

    fn login(&self, base: &Url) -> Result<Step, String> {
        let url = Self::api(base, &["login"])?;
        let body = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": self.fields.text("user") },
            "password": self.fields.text("password"),
            // The same device each time: a new one for every message would fill the account's list.
            "device_id": "FLOWKEEP",
            "initial_device_display_name": "Flowkeep",
        });
        Ok(Step::Login(Request::post_json(url, body)))
    }

    fn get(url: Url, token: Option<&str>) -> Request {
        let request = Request {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Body::Empty,
        };
        match token {
            Some(token) => request.bearer(token),
            None => request,
        }
    }

    fn content(&self, message: &Message) -> Value {
        let words = Words::of(message, MATRIX.limits, Acknowledge::Apart);
        let mut text = words.marked(str::to_owned, ("", ""));
        let mut html = words
            .marked(markup, ("<strong>", "</strong>"))
            .replace('\n', "<br>");
        let links = [
            ("Details", &message.link),
            ("Acknowledge", &message.acknowledge),
        ];
        for (label, url) in links {
            if let Some(url) = url {
                let _ = write!(text, "\n{label}: {url}");
                let _ = write!(html, "<br><a href=\"{}\">{label}</a>", markup(url.as_str()));
            }
        }
        let is_notice = self.fields.text("msgtype") == "notice";
        json!({
            "msgtype": if is_notice { "m.notice" } else { "m.text" },
            "body": text,
            "format": "org.matrix.custom.html",
            "formatted_body": html,
            // Says that nobody is mentioned, whatever the text looks like.
            "m.mentions": {},
        })
    }
}

fn word<'a>(answer: &'a Value, name: &str) -> Result<&'a str, String> {
    let word = answer[name].as_str().filter(|word| !word.is_empty());
    word.ok_or_else(|| format!("the answer holds no {name}"))
}

impl HttpService for Matrix {
    fn step(&self, message: &Message, answers: &[Value], _: DateTime<Utc>) -> Result<Step, String> {
        let mut base = server(&self.fields).map_err(|misfit| misfit.to_string())?;
        let before = answers.len();
        let mut answers = answers.iter();
        if self.fields.text("discovery") != "no" {
            let Some(answer) = answers.next() else {
                let segments = [".well-known", "matrix", "client"];
                let url = under(base, &segments).map_err(|misfit| misfit.to_string())?;
                return Ok(Step::Try(Self::get(url, None)));
            };
            let found = answer
                .pointer("/m.homeserver/base_url")
                .and_then(Value::as_str);
            let found = found.and_then(|found| Url::parse(found).ok());
            // Never from TLS to none.
            base = found
                .filter(|found| found.scheme() == "https" || base.scheme() == "http")
                .unwrap_or(base);
        }
        let rooms = self.fields.list("rooms");
        // An alias without its server is one of the account's.
        let is_short = |room: &str| !room.starts_with('!') && !room.contains(':');
        let (token, account) = match self.fields.given("token") {
            Some(token) if rooms.iter().any(|room| is_short(room)) => {
                let Some(answer) = answers.next() else {
                    let url = Self::api(&base, &["account", "whoami"])?;
                    return Ok(Step::Ask(Self::get(url, Some(token))));
                };
                (token, word(answer, "user_id")?)
            }
            Some(token) => (token, ""),
            None => match answers.next() {
                Some(answer) => (word(answer, "access_token")?, word(answer, "user_id")?),
                None => return self.login(&base),
            },
        };
        let home = account.split_once(':').map_or("", |(_, home)| home);
        let asked = before.saturating_sub(answers.len());
        let mut parts = Vec::new();
        for (at, room) in rooms.into_iter().enumerate() {
            let room = if is_short(room) {
                format!("#{}:{home}", room.trim_start_matches('#'))
            } else {
                room.to_owned()
            };
            let Some(answer) = answers.next() else {
                let url = Self::api(&base, &["join", &room])?;
                return Ok(Step::Try(Request::post_json(url, json!({})).bearer(token)));
            };
            // A room that does not let us in says so for itself, and not for the others.
            let Ok(id) = word(answer, "room_id") else {
                parts.push(Part::Refused(asked + at));
                continue;
            };
            let transaction = message.id.to_string();
            let url = Self::api(
                &base,
                &["rooms", id, "send", "m.room.message", &transaction],
            )?;
            let mut request = Request::post_json(url, self.content(message)).bearer(token);
            request.method = Method::PUT;
            parts.push(Part::Send(request));
        }
        Ok(Step::Each(parts))
    }

    fn rejection(&self, status: u16, body: &str) -> Option<Rejection> {
        // Too many requests: the wait is in the body, in milliseconds.
        let said: Value = serde_json::from_str(body).ok()?;
        let wait = said["retry_after_ms"].as_u64().filter(|_| status == 429)?;
        Some(Rejection {
            why: "it refused: too many messages".to_owned(),
            is_transient: true,
            retry_after: Some(std::time::Duration::from_millis(wait)),
        })
    }
}
