//! More push messages: Prowl, Pushy, Join, Simplepush, ServerChan.

use super::prelude::*;

/// Prowl.
pub static PROWL: Definition = Definition {
    id: "prowl",
    name: "Prowl",
    schemes: &["prowl"],
    docs: "https://www.prowlapp.com/api.php#add",
    example: "prowl://wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
    fields: &[
        Field::secret("api_key", "API key", Place::Host)
            .required()
            .help("prowlapp.com, API Keys."),
        Field::secret("provider_key", "Provider key", Place::Path(0)),
        Field::integer("priority", "Priority", (-2, 2), Place::Query("priority"))
            .help("Empty: as the rule says."),
    ],
    limits: Limits::new(1_024, 10_000, 1_000),
    build: |fields| {
        judged_by(fields, prowl, |status, _| {
            // Its refusals are XML, and 406 means: too many for now.
            (status == 406).then(|| Rejection {
                why: "it refused: the limit of messages is reached".to_owned(),
                is_transient: true,
                retry_after: None,
            })
        })
    },
    parse: Some(|url| {
        let mut url = url.clone();
        numbered(&mut url);
        codec::parse(&PROWL, &url)
    }),
    ..Definition::PLAIN
};

/// Apprise takes words for these priorities too.
fn numbered(url: &mut AppriseUrl) {
    if let Some(word) = url.query.get_mut("priority") {
        let number = match word.to_ascii_lowercase().as_str() {
            "low" | "very low" => "-2",
            "moderate" => "-1",
            "normal" => "0",
            "high" => "1",
            "emergency" => "2",
            _ => return,
        };
        number.clone_into(word);
    }
}

fn priority(fields: &Fields, message: &Message) -> i64 {
    fields
        .integer("priority")
        .unwrap_or(match message.priority {
            Priority::Low => -1,
            Priority::Normal => 0,
            Priority::High => 1,
            Priority::Critical => 2,
        })
}

fn prowl(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, PROWL.limits, Acknowledge::InText);
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let mut form = vec![
        pair("apikey", fields.text("api_key").to_owned()),
        pair("application", "Flowkeep".to_owned()),
        pair("event", words.title),
        pair("description", words.body),
        pair("priority", priority(fields, message).to_string()),
    ];
    if let Some(key) = fields.given("provider_key") {
        form.push(pair("providerkey", key.to_owned()));
    }
    if let Some(link) = message
        .link
        .as_ref()
        .filter(|link| link.as_str().len() <= 512)
    {
        form.push(pair("url", link.to_string()));
    }
    let url = at("https://api.prowlapp.com/publicapi/add", &[])?;
    Ok(vec![Request::post_form(url, form)])
}

/// Pushy.
pub static PUSHY: Definition = Definition {
    id: "pushy",
    name: "Pushy",
    schemes: &["pushy"],
    docs: "https://pushy.me/docs/api/send-notifications",
    example: "pushy://apikey/devicetoken",
    fields: &[
        Field::secret("api_key", "Secret API key", Place::Host)
            .required()
            .help("Dashboard, your app, API Authentication."),
        Field::list("targets", "Devices and topics", Place::Targets(0))
            .required()
            .help("Tokens of devices, or #topics."),
        Field::text("sound", "Sound", Place::Query("sound")),
        Field::integer("badge", "Badge", (0, 99_999), Place::Query("badge")),
    ],
    // It takes 4 KB for all of it, and the text is in it twice.
    limits: Limits::new(250, 1_500, 500),
    build: |fields| {
        judged_by(fields, pushy, |status, body| {
            let is_fine = |said: &Value| said["success"] != Value::Bool(false);
            if status == 200 {
                judged(body, is_fine, |_| false)
            } else {
                None
            }
        })
    },
    ..Definition::PLAIN
};

fn pushy(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of_bytes(message, PUSHY.limits, Acknowledge::InText);
    let mut url = at("https://api.pushy.me/push", &[])?;
    url.query_pairs_mut()
        .append_pair("api_key", fields.text("api_key"));
    let targets = fields.list("targets").into_iter();
    Ok(targets
        .map(|target| {
            let mut shown = json!({ "title": words.title, "body": words.body });
            if let Some(sound) = fields.given("sound") {
                shown["sound"] = sound.into();
            }
            if let Some(badge) = fields.integer("badge") {
                shown["badge"] = badge.into();
            }
            let link = message.link.as_ref().map(Url::as_str);
            let body = json!({
                // Pushy itself writes topics with a slash in front.
                "to": target.strip_prefix('#').map_or_else(|| target.to_owned(), |topic| format!("/topics/{topic}")),
                "data": { "message": words.body, "url": link },
                "notification": shown,
            });
            Request::post_json(url.clone(), body)
        })
        .collect())
}

/// Join.
pub static JOIN: Definition = Definition {
    id: "join",
    name: "Join",
    schemes: &["join"],
    docs: "https://joaoapps.com/join/api/",
    example: "join://apikey/group.all",
    fields: &[
        Field::secret("api_key", "API key", Place::Host)
            .required()
            .help("joinjoaomgcd.appspot.com, Join API."),
        Field::list("devices", "Devices", Place::Targets(0)).help(
            "Ids or names of devices, or group.all, group.phone and so on. Empty: group.all.",
        ),
        Field::integer("priority", "Priority", (-2, 2), Place::Query("priority"))
            .help("Empty: as the rule says."),
    ],
    limits: Limits::new(250, 1_000, 500),
    build: |fields| {
        judged_by(fields, join, |status, body| {
            let is_fine = |said: &Value| said["success"] != Value::Bool(false);
            if status == 200 {
                judged(body, is_fine, |_| false)
            } else {
                None
            }
        })
    },
    parse: Some(|url| {
        let mut url = url.clone();
        numbered(&mut url);
        codec::parse(&JOIN, &url)
    }),
    ..Definition::PLAIN
};

fn join(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, JOIN.limits, Acknowledge::InText);
    let url = at(
        "https://joinjoaomgcd.appspot.com/_ah/api/messaging/v1/sendPush",
        &[],
    )?;
    let mut devices = fields.list("devices");
    if devices.is_empty() {
        devices.push("group.all");
    }
    let requests = devices.into_iter().map(|device| {
        // The groups' names may stand alone.
        let group = format!("group.{device}");
        let groups = [
            "all",
            "android",
            "chrome",
            "windows10",
            "phone",
            "tablet",
            "pc",
        ];
        let device = if groups.contains(&device) {
            &group
        } else {
            device
        };
        let is_id = device.starts_with("group.")
            || (device.len() == 32 && device.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let mut url = url.clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("apikey", fields.text("api_key"));
        query.append_pair("priority", &priority(fields, message).to_string());
        query.append_pair("title", &words.title);
        query.append_pair("text", &words.body);
        query.append_pair(if is_id { "deviceId" } else { "deviceNames" }, device);
        if let Some(link) = &message.link {
            query.append_pair("url", link.as_str());
        }
        drop(query);
        Request::post_form(url, Vec::new())
    });
    Ok(requests.collect())
}

/// Simplepush, without its encryption.
pub static SIMPLEPUSH: Definition = Definition {
    id: "spush",
    name: "Simplepush",
    schemes: &["spush"],
    aliases: &["simplepush"],
    docs: "https://simplepush.io/api",
    example: "spush://HuxgBB",
    fields: &[
        Field::secret("token", "API token", Place::Host).required(),
        Field::list("targets", "Topics", Place::Targets(0))
            .help("Topics and @members. Empty: whom the token belongs to."),
        Field::integer("priority", "Priority", (1, 5), Place::Query("priority")),
    ],
    limits: Limits::new(300, 7_000, 500),
    build: |fields| plain(fields, simplepush),
    parse: Some(|url| {
        // Apprise's URLs hold the password of its encryption there.
        if url.user.is_some() || url.password.is_some() {
            let why = "messages are not encrypted end to end from here; write spush://token if that is all right";
            return Err(Misfit::new("url", why));
        }
        codec::parse(&SIMPLEPUSH, url)
    }),
    ..Definition::PLAIN
};

fn simplepush(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, SIMPLEPUSH.limits, Acknowledge::InText);
    let url = at("https://api.simplepu.sh/v1/tasks/json", &[])?;
    let targets = each(fields.list("targets")).into_iter();
    Ok(targets
        .map(|target| {
            let mut body = json!({ "title": words.title, "content": words.body });
            match target.map(|target| (target, target.strip_prefix('@'))) {
                Some((_, Some(member))) => body["member"] = member.into(),
                Some((topic, None)) => body["topic"] = topic.trim_start_matches('#').into(),
                None => {}
            }
            if let Some(priority) = fields.integer("priority") {
                body["priority"] = priority.into();
            }
            Request::post_json(url.clone(), body).header("API-Token", fields.text("token"))
        })
        .collect())
}

/// ServerChan.
pub static SERVERCHAN: Definition = Definition {
    id: "schan",
    name: "ServerChan",
    schemes: &["schan"],
    docs: "https://sct.ftqq.com/",
    example: "schan://SCT1234abcd",
    fields: &[Field::secret("token", "SendKey", Place::Host)
        .required()
        .help("sct.ftqq.com, SendKey.")],
    limits: Limits::new(32, 15_000, 1_000),
    build: |fields| {
        judged_by(fields, serverchan, |status, body| {
            let is_fine = |said: &Value| said["code"].as_i64().is_none_or(|code| code == 0);
            if status == 200 {
                judged(body, is_fine, |_| false)
            } else {
                None
            }
        })
    },
    ..Definition::PLAIN
};

fn serverchan(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, SERVERCHAN.limits, Acknowledge::InText);
    let token = fields.text("token");
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Misfit::new("token", "it consists of letters and digits"));
    }
    let url = at("https://sctapi.ftqq.com", &[&format!("{token}.send")])?;
    let form = vec![
        ("title".to_owned(), words.title),
        ("desp".to_owned(), words.body.replace('\n', "\n\n")),
    ];
    Ok(vec![Request::post_form(url, form)])
}
