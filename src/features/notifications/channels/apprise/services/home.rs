//! At home: Home Assistant, IFTTT, MQTT.

use super::prelude::*;
use crate::features::notifications::channels::mqtt::MqttRoute;

/// Home Assistant.
pub static HOME_ASSISTANT: Definition = Definition {
    id: "hassio",
    name: "Home Assistant",
    schemes: &["hassio", "hassios"],
    docs: "https://developers.home-assistant.io/docs/api/rest/",
    example: "hassios://ha.example.org/token",
    fields: &[
        HOST,
        PORT.help("Empty: 443 with TLS, else 8123."),
        TLS,
        Field::secret("token", "Long-lived access token", Place::Custom)
            .required()
            .help("Your profile, Security."),
        Field::list("services", "Services", Place::Custom)
            .help("notify services, as mobile_app_phone or script.turn_on:target. Empty: a persistent notification.")
            .example("mobile_app_phone"),
        Field::text("nid", "Notification id", Place::Query("nid")).help("Later ones take the place of earlier."),
        Field::text("prefix", "Path of the server", Place::Query("prefix")),
    ],
    limits: Limits::new(250, 15_000, 0),
    build: |fields| plain(fields, home_assistant),
    parse: Some(|url| {
        let mut url = url.clone();
        let named = ["accesstoken", "token"].map(|name| url.query.remove(name));
        let mut fields = codec::parse(&HOME_ASSISTANT, &url)?;
        let mut path = url.path.clone();
        let token = match named.into_iter().flatten().next() {
            Some(token) => Some(token),
            None if path.is_empty() => None,
            None => {
                // Tokens are JSON web tokens; any other word is one if it comes last.
                let found = path.iter().position(|part| part.starts_with("eyJ"));
                Some(path.remove(found.unwrap_or(path.len() - 1)))
            }
        };
        fields.set("token", token.unwrap_or_default());
        let more = url.query.get("to").map_or("", String::as_str).split(',');
        path.extend(more.filter(|word| !word.is_empty()).map(ToOwned::to_owned));
        fields.set("services", path);
        Ok(fields)
    }),
    compose: Some(|fields| {
        let mut url = codec::compose(&HOME_ASSISTANT, fields);
        // The token in the query keeps it apart from the services.
        url.path = fields.list("services").into_iter().map(ToOwned::to_owned).collect();
        let token = fields.text("token").to_owned();
        if url.path.is_empty() {
            url.path.push(token);
        } else {
            url.query.insert("token".to_owned(), token);
        }
        url
    }),
    ..Definition::PLAIN
};

fn home_assistant(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, HOME_ASSISTANT.limits, Acknowledge::InText);
    let base = server_with(fields, Some(8_123))?;
    let mut requests = Vec::new();
    for service in each(fields.list("services")) {
        let mut body = json!({ "title": words.title, "message": words.body });
        let (domain, name) = match service {
            None => {
                let fallback = message.id.to_string();
                body["notification_id"] = fields.given("nid").unwrap_or(&fallback).into();
                ("persistent_notification", "create")
            }
            Some(service) => {
                let (service, targets) = service.split_once(':').unwrap_or((service, ""));
                if !targets.is_empty() {
                    body["target"] = targets.split(',').collect();
                }
                service.split_once('.').unwrap_or(("notify", service))
            }
        };
        let mut path = segments(fields, "prefix");
        path.extend(["api", "services", domain, name]);
        let url = under(base.clone(), &path)?;
        requests.push(Request::post_json(url, body).bearer(fields.text("token")));
    }
    Ok(requests)
}

/// IFTTT.
pub static IFTTT: Definition = Definition {
    id: "ifttt",
    name: "IFTTT",
    schemes: &["ifttt"],
    docs: "https://ifttt.com/maker_webhooks",
    example: "ifttt://webhookid/event",
    fields: &[
        Field::secret("webhook_id", "Key", Place::Host)
            .required()
            .help("Webhooks, Documentation."),
        Field::list("events", "Events", Place::Targets(0))
            .required()
            .help("Names of the applets' events."),
        Field::pairs("add", "More values", Place::QueryPrefix('+')),
        Field::pairs("remove", "Values to leave out", Place::QueryPrefix('-'))
            .help("value1, value2 or value3."),
    ],
    limits: Limits::new(250, 15_000, 500),
    build: |fields| plain(fields, ifttt),
    parse: Some(|url| {
        let mut url = url.clone();
        // ifttt://webhook@event is the other way to write it, and Apprise's own.
        if let Some(webhook) = url.user.take() {
            url.path
                .insert(0, std::mem::replace(&mut url.host, webhook));
        }
        codec::parse(&IFTTT, &url)
    }),
    native: Some(|url| {
        let id = url.path().strip_prefix("/use/")?;
        let mut fields = Fields::default();
        fields.set("webhook_id", id.trim_matches('/'));
        fields.set("events", vec!["flowkeep"]);
        (url.host_str() == Some("maker.ifttt.com")).then_some(fields)
    }),
    ..Definition::PLAIN
};

fn ifttt(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, IFTTT.limits, Acknowledge::InText);
    let mut body = json!({
        "value1": words.title,
        "value2": words.body,
        "value3": message.tone.as_str(),
    });
    for (name, value) in fields.pairs("add") {
        body[name] = value.into();
    }
    if let Some(body) = body.as_object_mut() {
        for (name, _) in fields.pairs("remove") {
            body.shift_remove(name);
        }
    }
    let mut requests = Vec::new();
    for event in fields.list("events") {
        let path = ["trigger", event, "with", "key", fields.text("webhook_id")];
        let url = at("https://maker.ifttt.com", &path)?;
        requests.push(Request::post_json(url, body.clone()));
    }
    Ok(requests)
}

/// MQTT.
pub static MQTT: Definition = Definition {
    id: "mqtt",
    name: "MQTT",
    schemes: &["mqtt", "mqtts"],
    docs: "https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html",
    example: "mqtts://user:password@broker.example.org/box/alerts",
    fields: &[
        HOST,
        PORT.help("Empty: 8883 with TLS, else 1883."),
        TLS,
        USER,
        PASSWORD,
        Field::list("topics", "Topics", Place::Custom)
            .required()
            .example("box/alerts"),
        Field::choice("qos", "Quality", &["0", "1", "2"], Place::Query("qos"))
            .help("0: at most once, 1: at least once, 2: once."),
        Field::boolean("retain", "Keep the last one", Place::Query("retain")),
    ],
    limits: Limits::new(0, 60_000, 0),
    build: |fields| {
        server(fields)?;
        let topics: Vec<_> = fields
            .list("topics")
            .into_iter()
            .map(ToOwned::to_owned)
            .collect();
        if topics.iter().any(|topic| topic.contains(['#', '+'])) {
            return Err(Misfit::new(
                "topics",
                "a topic to publish to has no wildcards (# and +)",
            ));
        }
        let is_tls = fields.is_on("tls");
        let port = fields
            .integer("port")
            .and_then(|port| u16::try_from(port).ok());
        let password = fields.text("password").to_owned();
        Ok(Transport::Mqtt(MqttRoute {
            host: fields.text("host").to_owned(),
            port: port.unwrap_or(if is_tls { 8_883 } else { 1_883 }),
            is_tls,
            is_verified: true,
            login: fields
                .given("user")
                .map(|user| (user.to_owned(), password.into())),
            topics,
            qos: fields.text("qos").parse().unwrap_or(0),
            is_retained: fields.is_on("retain"),
        }))
    },
    parse: Some(|url| {
        let mut url = url.clone();
        for name in ["version", "session", "client_id"] {
            url.query.remove(name);
        }
        let mut fields = codec::parse(&MQTT, &url)?;
        // The whole path is one topic, and commas separate several.
        let path = url.path.join("/");
        let more = url.query.get("to").map_or("", String::as_str);
        let topics = path.split(',').chain(more.split(','));
        let topics = topics.map(str::trim).filter(|topic| !topic.is_empty());
        fields.set("topics", topics.map(ToOwned::to_owned).collect::<Vec<_>>());
        Ok(fields)
    }),
    compose: Some(|fields| {
        let mut url = codec::compose(&MQTT, fields);
        let topics = fields.list("topics").join(",");
        url.path = topics.split('/').map(ToOwned::to_owned).collect();
        url
    }),
    ..Definition::PLAIN
};
