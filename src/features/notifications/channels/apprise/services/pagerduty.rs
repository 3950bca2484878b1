//! PagerDuty: events, version 2.

use super::prelude::*;

/// PagerDuty.
pub static PAGERDUTY: Definition = Definition {
    id: "pagerduty",
    name: "PagerDuty",
    schemes: &["pagerduty"],
    docs: "https://developer.pagerduty.com/docs/send-alert-event",
    example: "pagerduty://integrationkey@apikey",
    fields: &[
        Field::secret("integration_key", "Integration key", Place::User)
            .required()
            .help("Service, Integrations, Events API V2."),
        Field::secret("api_key", "API key", Place::Host)
            .help("Not needed for events; Apprise's URLs have one."),
        Field::text("source", "Source", Place::Path(0)).help("Empty: flowkeep."),
        Field::text("component", "Component", Place::Path(1)),
        Field::choice("region", "Region", &["us", "eu"], Place::Query("region")),
        Field::choice(
            "severity",
            "Severity",
            &["info", "warning", "error", "critical"],
            Place::Query("severity"),
        )
        .help("Empty: as the event is."),
        Field::text("group", "Group", Place::Query("group")),
        Field::text("class", "Class", Place::Query("class")),
        Field::text("dedup", "Deduplication key", Place::Query("dedup"))
            .help("Empty: one for each trouble."),
        Field::pairs("details", "Details", Place::QueryPrefix('+')),
    ],
    limits: Limits::new(0, 1_024, 500),
    build: |fields| plain(fields, requests),
    parse: Some(|url| {
        let mut fields = codec::parse(&PAGERDUTY, url)?;
        // Without an API key the integration key is the host.
        if url.user.is_none() && !url.host.is_empty() {
            fields.set("integration_key", url.host.clone());
            fields.0.remove("api_key");
        }
        Ok(fields)
    }),
    compose: Some(|fields| {
        let mut url = codec::compose(&PAGERDUTY, fields);
        if url.host.is_empty() {
            url.host = url.user.take().unwrap_or_default();
        }
        // The component is the second part, so there must be a first.
        if fields.given("component").is_some() && fields.given("source").is_none() {
            url.path.insert(0, "flowkeep".to_owned());
        }
        url
    }),
    ..Definition::PLAIN
};

fn requests(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, PAGERDUTY.limits, Acknowledge::Apart);
    let host = match fields.text("region") {
        "eu" => "https://events.eu.pagerduty.com",
        _ => "https://events.pagerduty.com",
    };
    let severity = fields.given("severity").unwrap_or(match message.tone {
        Tone::Info | Tone::Success => "info",
        Tone::Warning => "warning",
        Tone::Failure if message.priority == Priority::Critical => "critical",
        Tone::Failure => "error",
    });
    let links = [
        ("Details", &message.link),
        ("Acknowledge in Flowkeep", &message.acknowledge),
    ];
    let links: Vec<_> = links
        .iter()
        .filter_map(|(text, url)| Some(json!({ "href": url.as_ref()?, "text": text })))
        .collect();
    let is_resolved = message.tone == Tone::Success;
    let mut payload = json!({
        "summary": words.body,
        "severity": severity,
        "source": fields.given("source").unwrap_or("flowkeep"),
        "timestamp": message.occurred_at.to_rfc3339(),
    });
    for name in ["component", "group", "class"] {
        if let Some(value) = fields.given(name) {
            payload[name] = value.into();
        }
    }
    let details = fields.pairs("details");
    if !details.is_empty() {
        payload["custom_details"] = object(details);
    }
    let body = json!({
        "routing_key": fields.text("integration_key"),
        "event_action": if is_resolved { "resolve" } else { "trigger" },
        // PagerDuty takes 255 characters.
        "dedup_key": cut(fields.given("dedup").unwrap_or(&message.key), 255),
        "client": "Flowkeep",
        "payload": payload,
        "links": links,
    });
    let url = at(host, &["v2", "enqueue"])?;
    Ok(vec![Request::post_json(url, body)])
}
