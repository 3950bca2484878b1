//! Alerts for whoever is on call: Splunk On-Call, PagerTree, SIGNL4, Squadcast, GoAlert.

use super::prelude::*;

fn is_over(message: &Message) -> bool {
    message.tone == Tone::Success
}

/// Splunk On-Call, VictorOps before.
pub static SPLUNK: Definition = Definition {
    id: "splunk",
    name: "Splunk On-Call",
    schemes: &["splunk"],
    aliases: &["victorops"],
    docs: "https://help.victorops.com/knowledge-base/rest-endpoint-integration-guide/",
    example: "splunk://routingkey@0123456789abcdef0123456789abcdef",
    fields: &[
        Field::text("routing_key", "Routing key", Place::User).required(),
        Field::secret("api_key", "API key", Place::Host)
            .required()
            .help("Integrations, REST Generic: what follows /alert/ in the address."),
        Field::text("entity", "Entity", Place::Path(0)).help("Empty: one for each trouble."),
    ],
    limits: Limits::new(250, 15_000, 500),
    build: |fields| {
        judged_by(fields, splunk, |status, body| {
            let is_fine = |said: &Value| said["result"] != "failure";
            if status == 200 {
                judged(body, is_fine, |_| false)
            } else {
                None
            }
        })
    },
    native: Some(|url| {
        let path = url
            .path()
            .strip_prefix("/integrations/generic/20131114/alert/")?;
        let (key, routing) = path.split_once('/')?;
        let mut fields = Fields::default();
        fields.set("api_key", key);
        fields.set("routing_key", routing.trim_matches('/'));
        (url.host_str() == Some("alert.victorops.com")).then_some(fields)
    }),
    ..Definition::PLAIN
};

fn splunk(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, SPLUNK.limits, Acknowledge::InText);
    let base = "https://alert.victorops.com/integrations/generic/20131114/alert";
    let url = at(base, &[fields.text("api_key"), fields.text("routing_key")])?;
    let kind = match message.tone {
        Tone::Info => "INFO",
        Tone::Success => "RECOVERY",
        Tone::Warning => "WARNING",
        Tone::Failure => "CRITICAL",
    };
    let mut body = json!({
        "message_type": kind,
        "entity_id": fields.given("entity").unwrap_or(&message.key),
        "entity_display_name": words.title,
        "state_message": words.body,
        "state_start_time": message.occurred_at.timestamp(),
        "monitoring_tool": "Flowkeep",
    });
    if let Some(link) = &message.link {
        body["alert_url"] = link.as_str().into();
    }
    Ok(vec![Request::post_json(url, body)])
}

/// PagerTree.
pub static PAGERTREE: Definition = Definition {
    id: "pagertree",
    name: "PagerTree",
    schemes: &["pagertree"],
    docs: "https://pagertree.com/docs/integration-guides/webhook",
    example: "pagertree://int_0123456789",
    fields: &[
        Field::secret("integration", "Integration", Place::Host)
            .required()
            .help("The last part of the webhook integration's address."),
        Field::choice(
            "urgency",
            "Urgency",
            &["silent", "low", "medium", "high", "critical"],
            Place::Query("urgency"),
        )
        .help("Empty: as the rule says."),
        Field::list("tags", "Tags", Place::Query("tags")),
    ],
    limits: Limits::new(250, 15_000, 500),
    build: |fields| plain(fields, pagertree),
    ..Definition::PLAIN
};

fn pagertree(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, PAGERTREE.limits, Acknowledge::InText);
    let url = at(
        "https://api.pagertree.com/integration",
        &[fields.text("integration")],
    )?;
    let mut body = json!({ "id": message.key, "event_type": "resolve" });
    if !is_over(message) {
        let urgency = fields.given("urgency").unwrap_or(match message.priority {
            Priority::Low => "low",
            Priority::Normal => "medium",
            Priority::High => "high",
            Priority::Critical => "critical",
        });
        body["event_type"] = "create".into();
        body["title"] = words.title.into();
        body["description"] = words.body.into();
        body["urgency"] = urgency.into();
        body["tags"] = fields.list("tags").into();
        body["meta"] = json!({ "link": message.link });
    }
    Ok(vec![Request::post_json(url, body)])
}

/// SIGNL4.
pub static SIGNL4: Definition = Definition {
    id: "signl4",
    name: "SIGNL4",
    schemes: &["signl4"],
    docs: "https://docs.signl4.com/integrations/webhook/webhook.html",
    example: "signl4://secret",
    fields: &[
        Field::secret("secret", "Team or integration secret", Place::Host).required(),
        Field::text("service", "Service", Place::Query("service")),
        Field::text("location", "Location", Place::Query("location")),
        Field::text(
            "scenario",
            "Alerting scenario",
            Place::Query("alerting_scenario"),
        )
        .help("single_ack, multi_ack or emergency."),
        Field::boolean("filtering", "Apply filters", Place::Query("filtering")),
    ],
    limits: Limits::new(250, 15_000, 500),
    build: |fields| plain(fields, signl4),
    ..Definition::PLAIN
};

fn signl4(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, SIGNL4.limits, Acknowledge::InText);
    let url = at(
        "https://connect.signl4.com/webhook",
        &[fields.text("secret")],
    )?;
    let mut body = json!({
        "title": words.title,
        "body": words.body,
        "X-S4-SourceSystem": "Flowkeep",
        "X-S4-ExternalID": message.key,
        "X-S4-Status": if is_over(message) { "resolved" } else { "new" },
    });
    let names = [
        ("service", "X-S4-Service"),
        ("location", "X-S4-Location"),
        ("scenario", "X-S4-AlertingScenario"),
    ];
    for (key, name) in names {
        if let Some(value) = fields.given(key) {
            body[name] = value.into();
        }
    }
    if fields.is_on("filtering") {
        body["X-S4-Filtering"] = true.into();
    }
    if let Some(link) = &message.link {
        body["Link"] = link.as_str().into();
    }
    Ok(vec![Request::post_json(url, body)])
}

/// Squadcast.
pub static SQUADCAST: Definition = Definition {
    id: "squadcast",
    name: "Squadcast",
    schemes: &["squadcast"],
    docs: "https://support.squadcast.com/integrations/incident-webhook-incident-webhook-api",
    example: "squadcast://abcdefghijklmnopqr",
    fields: &[
        Field::secret("key", "Key", Place::Host)
            .required()
            .help("Services, Alert Sources, Incident Webhook: the last part of the address."),
        Field::choice("region", "Region", &["us", "eu"], Place::Query("region")),
        Field::choice(
            "priority",
            "Priority",
            &["P1", "P2", "P3", "P4", "P5"],
            Place::Query("priority"),
        ),
        Field::pairs("tags", "Tags", Place::QueryPrefix('+')),
    ],
    limits: Limits::new(250, 15_000, 500),
    build: |fields| plain(fields, squadcast),
    ..Definition::PLAIN
};

fn squadcast(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, SQUADCAST.limits, Acknowledge::InText);
    let base = match fields.text("region") {
        "eu" => "https://api.eu.squadcast.com/v2/incidents/api",
        _ => "https://api.squadcast.com/v2/incidents/api",
    };
    let mut body = json!({
        "message": words.title,
        "description": words.body,
        "status": if is_over(message) { "resolve" } else { "trigger" },
        "event_id": message.key,
    });
    if let Some(priority) = fields.given("priority") {
        body["priority"] = priority.into();
    }
    let tags = fields.pairs("tags");
    if !tags.is_empty() {
        body["tags"] = object(tags);
    }
    Ok(vec![Request::post_json(
        at(base, &[fields.text("key")])?,
        body,
    )])
}

/// GoAlert.
pub static GOALERT: Definition = Definition {
    id: "goalert",
    name: "GoAlert",
    schemes: &["goalert", "goalerts"],
    docs: "https://goalert.me/docs/",
    example: "goalerts://goalert.example.org/8d4f9e1c-3a1e-4a0a-9a51-0a5f1c0b6f5e",
    fields: &[
        HOST,
        PORT,
        TLS,
        Field::text("path", "Path of the server", Place::PathBeforeLast)
            .help("Only if GoAlert is not at the root."),
        Field::secret("token", "Integration key", Place::LastPath)
            .required()
            .help("Services, Integration Keys, Generic API or Universal."),
        Field::pairs("meta", "Details", Place::QueryPrefix('+')),
    ],
    limits: Limits::new(1_024, 6_144, 500),
    build: |fields| plain(fields, goalert),
    ..Definition::PLAIN
};

fn goalert(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, GOALERT.limits, Acknowledge::InText);
    let mut path = segments(fields, "path");
    path.extend(["api", "v2", "generic", "incoming"]);
    let url = under(server(fields)?, &path)?;
    let mut body = json!({ "summary": words.title, "details": words.body, "dedup": message.key });
    if is_over(message) {
        body["action"] = "close".into();
    }
    let meta = fields.pairs("meta");
    if !meta.is_empty() {
        body["meta"] = object(meta);
    }
    Ok(vec![
        Request::post_json(url, body).bearer(fields.text("token")),
    ])
}
