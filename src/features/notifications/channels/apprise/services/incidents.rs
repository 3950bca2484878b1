//! Services that make incidents of alerts: incident.io, Better Stack, iLert, Spike, FireHydrant.

use super::prelude::*;

fn is_over(message: &Message) -> bool {
    message.tone == Tone::Success
}

/// incident.io.
pub static INCIDENT_IO: Definition = Definition {
    id: "incidentio",
    name: "incident.io",
    schemes: &["incidentio"],
    docs: "https://api-docs.incident.io/tag/Alert-Events-V2",
    example: "incidentio://01GW2G3V0S59R238FAHPDS1R66/token",
    fields: &[
        Field::text("source", "Alert source", Place::Host)
            .required()
            .help("Alerts, Sources, HTTP: the last part of the address."),
        Field::secret("token", "Token", Place::Path(0)).required(),
        Field::pairs("metadata", "Details", Place::QueryPrefix('+')),
    ],
    limits: Limits::new(250, 15_000, 500),
    build: |fields| plain(fields, incident_io),
    ..Definition::PLAIN
};

fn incident_io(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, INCIDENT_IO.limits, Acknowledge::InText);
    let base = "https://api.incident.io/v2/alert_events/http";
    let url = at(base, &[fields.text("source")])?;
    let mut body = json!({
        "title": words.title,
        "description": words.body,
        "status": if is_over(message) { "resolved" } else { "firing" },
        "deduplication_key": message.key,
    });
    if let Some(link) = &message.link {
        body["source_url"] = link.as_str().into();
    }
    let metadata = fields.pairs("metadata");
    if !metadata.is_empty() {
        body["metadata"] = object(metadata);
    }
    Ok(vec![
        Request::post_json(url, body).bearer(fields.text("token")),
    ])
}

/// Better Stack.
pub static BETTER_STACK: Definition = Definition {
    id: "betterstack",
    name: "Better Stack",
    schemes: &["betterstack"],
    docs: "https://betterstack.com/docs/uptime/api/create-a-new-incident/",
    example: "betterstack://token/owner@example.org",
    fields: &[
        Field::secret("token", "API token", Place::Host)
            .required()
            .help("Integrations, API tokens."),
        Field::text("from", "Requester", Place::Custom)
            .help("An address of e-mail; needed if the token is global."),
        Field::list("teams", "Teams", Place::Custom).help("Empty: the token's own."),
        Field::text("policy", "Escalation policy", Place::Query("policy")),
    ],
    limits: Limits::new(250, 15_000, 500),
    build: |fields| plain(fields, better_stack),
    parse: Some(|url| {
        if url.user.is_some() {
            let why =
                "Better Stack's logs (token@host) are no notifications; write betterstack://token";
            return Err(Misfit::new("url", why));
        }
        let mut url = url.clone();
        let named = url.query.remove("from");
        let mut fields = codec::parse(&BETTER_STACK, &url)?;
        let targets = url.targets(0);
        let (people, teams): (Vec<_>, Vec<_>) =
            targets.into_iter().partition(|target| target.contains('@'));
        if let Some(from) = named.or_else(|| people.into_iter().next()) {
            fields.set("from", from);
        }
        fields.set("teams", teams);
        Ok(fields)
    }),
    compose: Some(|fields| {
        let mut url = codec::compose(&BETTER_STACK, fields);
        let path = fields.given("from").into_iter().chain(fields.list("teams"));
        url.path = path.map(ToOwned::to_owned).collect();
        url
    }),
    ..Definition::PLAIN
};

fn better_stack(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    // What is over would open an incident: only its own number closes one, and that is not kept.
    if is_over(message) {
        return Ok(Vec::new());
    }
    let words = Words::of(message, BETTER_STACK.limits, Acknowledge::InText);
    let url = at("https://incidents.betterstack.com/api/v3/incidents", &[])?;
    let teams = each(fields.list("teams")).into_iter();
    Ok(teams
        .map(|team| {
            let mut body = json!({
                "summary": words.title,
                "name": words.title,
                "description": words.body,
            });
            let more = [
                ("requester_email", fields.given("from")),
                ("policy_id", fields.given("policy")),
                ("team_name", team),
            ];
            for (name, value) in more {
                if let Some(value) = value {
                    body[name] = value.into();
                }
            }
            Request::post_json(url.clone(), body).bearer(fields.text("token"))
        })
        .collect())
}

/// iLert.
pub static ILERT: Definition = Definition {
    id: "ilert",
    name: "ilert",
    schemes: &["ilert"],
    docs: "https://api.ilert.com/api-docs/#tag/Events",
    example: "ilert://il1api0123456789",
    fields: &[
        Field::secret("key", "Integration key", Place::Host)
            .required()
            .help("Alert sources, API."),
        Field::choice(
            "priority",
            "Priority",
            &["high", "low"],
            Place::Query("priority"),
        )
        .help("Empty: as the rule says."),
        Field::text("route", "Routing key", Place::Query("route")),
        Field::pairs("labels", "Labels", Place::QueryPrefix('+')),
    ],
    limits: Limits::new(250, 15_000, 500),
    build: |fields| plain(fields, ilert),
    ..Definition::PLAIN
};

fn ilert(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, ILERT.limits, Acknowledge::Apart);
    let is_low = match fields.given("priority") {
        Some(word) => word == "low",
        None => message.priority < Priority::High,
    };
    let links = [
        ("Details", &message.link),
        ("Acknowledge in Flowkeep", &message.acknowledge),
    ];
    let links: Vec<_> = links
        .iter()
        .filter_map(|(text, url)| Some(json!({ "href": url.as_ref()?, "text": text })))
        .collect();
    let mut body = json!({
        "integrationKey": fields.text("key"),
        "eventType": if is_over(message) { "RESOLVE" } else { "ALERT" },
        "summary": words.title,
        "details": words.body,
        "alertKey": message.key,
        "priority": if is_low { "LOW" } else { "HIGH" },
        "links": links,
    });
    if let Some(route) = fields.given("route") {
        body["routingKey"] = route.into();
    }
    let labels = fields.pairs("labels");
    if !labels.is_empty() {
        body["labels"] = object(labels);
    }
    let url = at("https://api.ilert.com/api/events", &[])?;
    Ok(vec![Request::post_json(url, body)])
}

/// Spike.
pub static SPIKE: Definition = Definition {
    id: "spike",
    name: "Spike",
    schemes: &["spike"],
    docs: "https://docs.spike.sh/alerts/send-alerts-to-spike-using-api",
    example: "spike://abcdefghijklmnopqrstuvwxyz012345",
    fields: &[Field::secret("token", "Integration token", Place::Host)
        .required()
        .help("The last part of the integration's address.")],
    limits: Limits::new(250, 15_000, 500),
    build: |fields| plain(fields, spike),
    native: Some(|url| {
        let mut fields = Fields::default();
        fields.set(
            "token",
            url.path().strip_prefix("/v1/alerts/")?.trim_matches('/'),
        );
        (url.host_str() == Some("api.spike.sh")).then_some(fields)
    }),
    ..Definition::PLAIN
};

fn spike(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    // What is over would open an incident: one is closed by its title, and the news of its end has another.
    if is_over(message) {
        return Ok(Vec::new());
    }
    let words = Words::of(message, SPIKE.limits, Acknowledge::InText);
    let url = at("https://api.spike.sh/v1/alerts", &[fields.text("token")])?;
    let body = json!({ "message": words.title, "description": words.body });
    Ok(vec![Request::post_json(url, body)])
}

/// FireHydrant.
pub static FIREHYDRANT: Definition = Definition {
    id: "firehydrant",
    name: "FireHydrant",
    schemes: &["firehydrant"],
    docs: "https://docs.firehydrant.com/docs/signals-api-events",
    example: "firehydrant://token",
    fields: &[
        Field::secret("token", "Event source", Place::Host)
            .required()
            .help("Signals, Event Sources: the last part of the address."),
        Field::list("labels", "Tags", Place::Query("tags")),
        Field::pairs("annotations", "Annotations", Place::QueryPrefix('+')),
    ],
    limits: Limits::new(255, 15_000, 500),
    build: |fields| plain(fields, firehydrant),
    ..Definition::PLAIN
};

fn firehydrant(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, FIREHYDRANT.limits, Acknowledge::InText);
    let level = match message.tone {
        Tone::Info | Tone::Success => "INFO",
        Tone::Warning => "WARN",
        Tone::Failure if message.priority == Priority::Critical => "FATAL",
        Tone::Failure => "ERROR",
    };
    let mut body = json!({
        "summary": words.title,
        "body": words.body,
        "level": level,
        "status": if is_over(message) { "CLOSED" } else { "OPEN" },
        "idempotency_key": message.key,
    });
    if let Some(link) = &message.link {
        body["links"] = json!([{ "href": link, "text": "Details" }]);
    }
    let tags = fields.list("labels");
    if !tags.is_empty() {
        body["tags"] = tags.into();
    }
    let annotations = fields.pairs("annotations");
    if !annotations.is_empty() {
        body["annotations"] = object(annotations);
    }
    let url = at(
        "https://signals.firehydrant.com/v1/process",
        &[fields.text("token")],
    )?;
    Ok(vec![Request::post_json(url, body)])
}
