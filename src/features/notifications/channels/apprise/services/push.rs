//! Push messages to phones: Gotify, Pushover, Pushbullet, Bark.

use super::prelude::*;

/// Gotify.
pub static GOTIFY: Definition = Definition {
    id: "gotify",
    name: "Gotify",
    schemes: &["gotify", "gotifys"],
    docs: "https://gotify.net/docs/pushmsg",
    example: "gotifys://gotify.example.org/AbCdEf123456789",
    fields: &[
        HOST,
        PORT,
        TLS,
        Field::text("path", "Path of the server", Place::PathBeforeLast)
            .help("Only if Gotify is not at the root."),
        Field::secret("token", "Token of the application", Place::LastPath)
            .required()
            .help("Apps, Create application."),
        Field::choice(
            "priority",
            "Priority",
            &["low", "moderate", "normal", "high", "emergency"],
            Place::Query("priority"),
        )
        .help("Empty: as the rule says."),
    ],
    limits: Limits::new(250, 15_000, 0),
    build: |fields| plain(fields, gotify),
    ..Definition::PLAIN
};

fn gotify(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, GOTIFY.limits, Acknowledge::InText);
    let mut path = segments(fields, "path");
    path.push("message");
    let url = under(server(fields)?, &path)?;
    let priority = match (fields.text("priority"), message.priority) {
        ("low", _) => 0,
        ("moderate", _) | ("", Priority::Low) => 3,
        ("high", _) | ("", Priority::High) => 8,
        ("emergency", _) | ("", Priority::Critical) => 10,
        _ => 5,
    };
    let mut body = json!({ "title": words.title, "message": words.body, "priority": priority });
    if let Some(link) = &message.link {
        body["extras"] = json!({ "client::notification": { "click": { "url": link } } });
    }
    let request = Request::post_json(url, body).header("X-Gotify-Key", fields.text("token"));
    Ok(vec![request])
}

/// Pushover.
pub static PUSHOVER: Definition = Definition {
    id: "pover",
    name: "Pushover",
    schemes: &["pover"],
    aliases: &["pushover"],
    docs: "https://pushover.net/api",
    example: "pover://uQiRzpo4DXghDmr9QzzfQu27cmVRsG@azGDORePK8gMaC0QOYAMyEEuzJnyUi",
    fields: &[
        Field::secret("user_key", "User key", Place::User)
            .required()
            .help("Of a person or a group."),
        Field::secret("token", "API token", Place::Host)
            .required()
            .help("Of an application made at pushover.net."),
        Field::list("devices", "Devices", Place::Targets(0)).help("Empty: all."),
        Field::choice(
            "priority",
            "Priority",
            &["low", "moderate", "normal", "high", "emergency"],
            Place::Query("priority"),
        )
        .help("Empty: as the rule says."),
        Field::text("sound", "Sound", Place::Query("sound")),
        Field::integer(
            "retry",
            "Emergency: again after (seconds)",
            (30, 10_800),
            Place::Query("interval"),
        ),
        Field::integer(
            "expire",
            "Emergency: for at most (seconds)",
            (30, 10_800),
            Place::Query("expire"),
        ),
    ],
    limits: Limits::new(250, 1_024, 500),
    build: |fields| {
        judged_by(fields, pushover, |status, body| {
            let is_fine = |said: &Value| said["status"] == json!(1);
            if status == 200 || status == 400 {
                judged(body, is_fine, |_| false)
            } else {
                None
            }
        })
    },
    ..Definition::PLAIN
};

fn pushover(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, PUSHOVER.limits, Acknowledge::Apart);
    let priority = match (fields.text("priority"), message.priority) {
        ("low", _) => -2,
        ("moderate", _) | ("", Priority::Low) => -1,
        ("high", _) | ("", Priority::High) => 1,
        ("emergency", _) | ("", Priority::Critical) => 2,
        _ => 0,
    };
    let mut form = vec![
        ("token".to_owned(), fields.text("token").to_owned()),
        ("user".to_owned(), fields.text("user_key").to_owned()),
        ("title".to_owned(), words.title),
        ("message".to_owned(), words.body),
        ("priority".to_owned(), priority.to_string()),
        (
            "timestamp".to_owned(),
            message.occurred_at.timestamp().to_string(),
        ),
    ];
    let mut add = |name: &str, value: String| form.push((name.to_owned(), value));
    let devices = fields.list("devices");
    if !devices.is_empty() {
        add("device", devices.join(","));
    }
    if let Some(sound) = fields.given("sound") {
        add("sound", sound.to_owned());
    }
    if priority == 2 {
        add("retry", fields.integer("retry").unwrap_or(300).to_string());
        add(
            "expire",
            fields.integer("expire").unwrap_or(3_600).to_string(),
        );
    }
    // There is room for one address.
    let links = [
        (&message.acknowledge, "Acknowledge"),
        (&message.link, "Details"),
    ];
    if let Some((url, title)) = links
        .into_iter()
        .find_map(|(url, title)| Some((url.as_ref()?, title)))
        && url.as_str().len() <= 512
    {
        add("url", url.to_string());
        add("url_title", title.to_owned());
    }
    let url = at("https://api.pushover.net/1/messages.json", &[])?;
    Ok(vec![Request::post_form(url, form)])
}

/// Pushbullet.
pub static PUSHBULLET: Definition = Definition {
    id: "pbul",
    name: "Pushbullet",
    schemes: &["pbul"],
    docs: "https://docs.pushbullet.com/#create-push",
    example: "pbul://o.gn5kj6nfhv736I7jC3cj3QLRiyhgl98b",
    fields: &[
        Field::secret("token", "Access token", Place::Host)
            .required()
            .help("Settings, Account, Access Tokens."),
        Field::list("targets", "Receivers", Place::Targets(0))
            .help("Ids of devices, #channels, addresses of e-mail. Empty: all your devices."),
    ],
    limits: Limits::new(250, 15_000, 1_200),
    build: |fields| plain(fields, pushbullet),
    ..Definition::PLAIN
};

fn pushbullet(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, PUSHBULLET.limits, Acknowledge::InText);
    let url = at("https://api.pushbullet.com/v2/pushes", &[])?;
    let targets = each(fields.list("targets")).into_iter();
    Ok(targets
        .map(|target| {
            let mut body = json!({
                "type": "note",
                "title": words.title,
                "body": words.body,
                "guid": format!("{}{}", message.id, target.unwrap_or_default()),
            });
            if let Some(link) = &message.link {
                body["type"] = "link".into();
                body["url"] = link.as_str().into();
            }
            match target {
                Some(target) if target.starts_with('#') => body["channel_tag"] = target[1..].into(),
                Some(target) if target.contains('@') => body["email"] = target.into(),
                Some(target) => body["device_iden"] = target.into(),
                None => {}
            }
            Request::post_json(url.clone(), body).header("Access-Token", fields.text("token"))
        })
        .collect())
}

/// Bark.
pub static BARK: Definition = Definition {
    id: "bark",
    name: "Bark",
    schemes: &["bark", "barks"],
    docs: "https://bark.day.app/#/en-us/tutorial",
    example: "barks://api.day.app/devicekey",
    fields: &[
        HOST.example("api.day.app"),
        PORT,
        TLS,
        USER,
        PASSWORD,
        Field::secret("keys", "Keys of devices", Place::Targets(0))
            .required()
            .help("What follows the host in the address that the app shows. Several with commas between."),
        Field::choice(
            "level",
            "Level",
            &["active", "timeSensitive", "passive", "critical"],
            Place::Query("level"),
        )
        .help("Empty: as the rule says."),
        Field::text("sound", "Sound", Place::Query("sound")),
        Field::text("group", "Group", Place::Query("group")),
        Field::text("click", "Opens on a tap", Place::Query("click"))
            .help("Empty: the message's own page."),
        Field::integer("badge", "Badge", (0, 99_999), Place::Query("badge")),
        Field::integer("volume", "Volume", (0, 10), Place::Query("volume")),
    ],
    // Apple takes 4,096 bytes for all of it.
    limits: Limits::new(250, 2_500, 500),
    build: |fields| {
        judged_by(fields, bark, |status, body| {
            let is_fine = |said: &Value| {
                said["code"]
                    .as_i64()
                    .is_none_or(|code| code == 200 || code == 0)
            };
            // What Apple refused is told as a fault of the server, and stays refused.
            let is_lasting = ["PayloadTooLarge", "BadDeviceToken", "Unregistered", "DeviceTokenNotForTopic"]
                .iter()
                .any(|word| body.contains(word));
            if status == 200 || (status == 500 && is_lasting) {
                judged(body, is_fine, |_| false)
            } else {
                None
            }
        })
    },
    ..Definition::PLAIN
};

fn bark(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of_bytes(message, BARK.limits, Acknowledge::InText);
    let url = under(server_with_login(fields)?, &["push"])?;
    let level = fields.given("level").unwrap_or(match message.priority {
        Priority::Low => "passive",
        Priority::Normal => "active",
        Priority::High => "timeSensitive",
        Priority::Critical => "critical",
    });
    let keys = fields
        .text("keys")
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty());
    Ok(keys
        .map(|key| {
            let mut body = json!({
                "device_key": key.trim_start_matches('@'),
                "title": words.title,
                "body": words.body,
                "level": level,
                // A repetition takes the place of the first.
                "id": message.id,
            });
            let link = message.link.as_ref().map(Url::as_str);
            if let Some(click) = fields.given("click").or(link) {
                body["url"] = click.into();
            }
            for name in ["sound", "group"] {
                if let Some(value) = fields.given(name) {
                    body[name] = value.into();
                }
            }
            for name in ["badge", "volume"] {
                if let Some(value) = fields.integer(name) {
                    body[name] = value.into();
                }
            }
            Request::post_json(url.clone(), body)
        })
        .collect())
}
