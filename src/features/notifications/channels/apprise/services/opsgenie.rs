//! Opsgenie, and its successor in Jira Service Management: the same API at two places.

use super::prelude::*;

const KEY: Field = Field::secret("api_key", "API key", Place::Host)
    .required()
    .help("Teams, your team, Integrations, API.");
const TARGETS: Field = Field::list("targets", "Responders", Place::Targets(0))
    .help("#team, @user, *schedule, ^escalation. Empty: the integration's own.");
const REGION: Field = Field::choice("region", "Region", &["us", "eu"], Place::Query("region"));
const PRIORITY: Field = Field::choice(
    "priority",
    "Priority",
    &["P1", "P2", "P3", "P4", "P5"],
    Place::Query("priority"),
)
.help("P1 is the highest. Empty: as the rule says.");
const ENTITY: Field = Field::text("entity", "Entity", Place::Query("entity"));
const ALIAS: Field =
    Field::text("alias", "Alias", Place::Query("alias")).help("Empty: one for each trouble.");
const TAGS: Field = Field::list("tags", "Tags", Place::Query("tags"));
const DETAILS: Field = Field::pairs("details", "Details", Place::QueryPrefix('+'));

/// Opsgenie.
pub static OPSGENIE: Definition = Definition {
    id: "opsgenie",
    name: "Opsgenie",
    schemes: &["opsgenie"],
    docs: "https://docs.opsgenie.com/docs/alert-api",
    example: "opsgenie://apikey/%23team",
    fields: &[KEY, TARGETS, REGION, PRIORITY, ENTITY, ALIAS, TAGS, DETAILS],
    limits: Limits::new(130, 15_000, 500),
    build: |fields| {
        plain(fields, |fields, message, _| {
            let base = match fields.text("region") {
                "eu" => "https://api.eu.opsgenie.com/v2/alerts",
                _ => "https://api.opsgenie.com/v2/alerts",
            };
            requests(base, fields, message)
        })
    },
    parse: Some(|url| parse(&OPSGENIE, url)),
    ..Definition::PLAIN
};

/// Jira Service Management's operations.
pub static JIRA: Definition = Definition {
    id: "jira",
    name: "Jira Service Management",
    schemes: &["jira"],
    docs: "https://developer.atlassian.com/cloud/jira/service-desk-ops/rest/v1/",
    example: "jira://apikey/%23team",
    // One address for all regions; the word is in Apprise's URLs.
    fields: &[KEY, TARGETS, REGION, PRIORITY, ENTITY, ALIAS, TAGS, DETAILS],
    limits: Limits::new(130, 15_000, 500),
    build: |fields| {
        plain(fields, |fields, message, _| {
            let base = "https://api.atlassian.com/jsm/ops/integration/v2/alerts";
            requests(base, fields, message)
        })
    },
    parse: Some(|url| parse(&JIRA, url)),
    ..Definition::PLAIN
};

/// Apprise takes words and numbers for the priority too.
fn parse(definition: &'static Definition, url: &AppriseUrl) -> Result<Fields, Misfit> {
    let mut url = url.clone();
    if let Some(word) = url.query.get_mut("priority") {
        let level = match word.to_ascii_lowercase().as_str() {
            "low" | "1" => "P5",
            "moderate" | "2" => "P4",
            "normal" | "3" => "P3",
            "high" | "4" => "P2",
            "emergency" | "5" => "P1",
            _ => "",
        };
        if !level.is_empty() {
            level.clone_into(word);
        }
    }
    codec::parse(definition, &url)
}

fn responder(target: &str) -> Value {
    let (kind, name) = match target.chars().next() {
        Some('@') => ("user", &target[1..]),
        Some('*') => ("schedule", &target[1..]),
        Some('^') => ("escalation", &target[1..]),
        Some('#') => ("team", &target[1..]),
        _ => ("team", target),
    };
    let is_id = uuid::Uuid::try_parse(name).is_ok();
    let field = match (is_id, kind) {
        (true, _) => "id",
        (false, "user") => "username",
        (false, _) => "name",
    };
    json!({ "type": kind, field: name })
}

fn requests(base: &str, fields: &Fields, message: &Message) -> Result<Vec<Request>, Misfit> {
    // What closes an alert finds it by its alias, of which 512 characters count.
    let alias = cut(fields.given("alias").unwrap_or(&message.key), 512);
    let authorized = |request: Request| {
        request.header(
            "Authorization",
            format!("GenieKey {}", fields.text("api_key")),
        )
    };
    if message.tone == Tone::Success {
        let mut url = at(base, &[&alias, "close"])?;
        url.query_pairs_mut().append_pair("identifierType", "alias");
        let note = json!({ "source": "Flowkeep", "note": cut(&message.text(), 25_000) });
        return Ok(vec![authorized(Request::post_json(url, note))]);
    }
    let words = Words::of(message, OPSGENIE.limits, Acknowledge::InText);
    let priority = fields.given("priority").unwrap_or(match message.priority {
        Priority::Low => "P5",
        Priority::Normal => "P3",
        Priority::High => "P2",
        Priority::Critical => "P1",
    });
    let mut body = json!({
        "message": words.title,
        "description": words.body,
        "alias": alias,
        "source": "Flowkeep",
        "priority": priority,
    });
    let responders: Vec<_> = fields.list("targets").into_iter().map(responder).collect();
    if !responders.is_empty() {
        // All of them on one alert: alerts with the same alias are one.
        body["responders"] = responders.into();
    }
    if let Some(entity) = fields.given("entity") {
        body["entity"] = entity.into();
    }
    let tags = fields.list("tags");
    if !tags.is_empty() {
        body["tags"] = tags.into();
    }
    let link = message.link.as_ref().map(Url::as_str);
    let details = fields
        .pairs("details")
        .into_iter()
        .chain(link.map(|link| ("link", link)));
    let details: Value = object(details);
    if details
        .as_object()
        .is_some_and(|details| !details.is_empty())
    {
        body["details"] = details;
    }
    Ok(vec![authorized(Request::post_json(at(base, &[])?, body))])
}
