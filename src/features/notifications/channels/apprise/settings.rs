//! Parameters of Apprise's URLs that mean something there which is not chosen here: those that say what happens
//! anyway are taken, and for the others there is a reason.

use crate::features::notifications::channels::form::Misfit;

/// Services, the parameter, the values that say what happens anyway, and why there is no other.
type Setting = (
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
    &'static str,
);

const ON_CALL: &[&str] = &[
    "pagerduty",
    "opsgenie",
    "jira",
    "splunk",
    "pagertree",
    "goalert",
    "incidentio",
    "ilert",
    "firehydrant",
];
const NO_LINK: &str = "a message leads to its own page in Flowkeep, and nowhere else";
const NO_KEY: &str = "each trouble has a key of its own, so that its end closes what it opened";
const NO_SECRECY: &str =
    "messages are not encrypted end to end from here; leave it out if that is all right";

const SETTINGS: &[Setting] = &[
    (
        ON_CALL,
        "action",
        &["map", "trigger", "create", "new"],
        "a trouble opens an alert and its end closes it; nothing else is chosen here",
    ),
    (
        &["incidentio", "ilert", "firehydrant", "goalert"],
        "dedup",
        &[],
        NO_KEY,
    ),
    (
        &["pagerduty", "incidentio", "ilert", "firehydrant"],
        "click",
        &[],
        NO_LINK,
    ),
    (
        &["discord"],
        "ping",
        &[],
        "no message calls anybody by name",
    ),
    (&["discord"], "href", &[], NO_LINK),
    (&["discord"], "url", &[], NO_LINK),
    (
        &["slack"],
        "mode",
        &["hook", "webhook", "bot"],
        "it follows from the token: xoxb-… is a bot's, three parts are a webhook's",
    ),
    (
        &["matrix"],
        "mode",
        &["off", "disabled"],
        "the homeserver itself is spoken to, and none of the webhooks for Matrix; for those write jsons://",
    ),
    (
        &["matrix"],
        "version",
        &["3", "v3"],
        "only version 3 of the client's API is spoken",
    ),
    (
        &["matrix"],
        "path",
        &[],
        "the homeserver itself is spoken to, and none of the webhooks for Matrix",
    ),
    (
        &["matrix"],
        "e2ee",
        &["no", "off", "false", "0"],
        NO_SECRECY,
    ),
    (
        &["mattermost"],
        "mode",
        &["webhook", "hook"],
        "only incoming webhooks are spoken, and no bots",
    ),
    (
        &["mattermost"],
        "team",
        &[],
        "an incoming webhook belongs to one team",
    ),
    (
        &["twilio"],
        "method",
        &["sms"],
        "messages are texts and no calls; w:number is WhatsApp",
    ),
    (&["pover"], "e2ee", &[], NO_SECRECY),
    (&["pover"], "url", &[], NO_LINK),
    (&["pover"], "url_title", &[], NO_LINK),
    (&["mailto"], "pgp", &["no", "off", "false", "0"], NO_SECRECY),
];

/// What an alert becomes by the kind of the news; Apprise writes its defaults into its URLs.
const KINDS: &[(&str, &[&str])] = &[
    (":info", &["note", "INFO"]),
    (":success", &["close", "RECOVERY"]),
    (":warning", &["new", "WARNING"]),
    (":failure", &["new", "CRITICAL"]),
];

/// Whether a parameter says what happens anyway; an error if it asks for what is not done here.
pub fn is_usual(service: &str, name: &str, value: &str) -> Result<bool, Misfit> {
    let found = SETTINGS
        .iter()
        .find(|(services, known, ..)| services.contains(&service) && *known == name);
    if let Some((_, _, usual, why)) = found {
        if usual.iter().any(|one| one.eq_ignore_ascii_case(value)) {
            return Ok(true);
        }
        return Err(Misfit::new(
            "url",
            format!("{name}={value} is not taken: {why}"),
        ));
    }
    let kind = KINDS
        .iter()
        .find(|(known, _)| *known == name && matches!(service, "opsgenie" | "jira" | "splunk"));
    match kind {
        Some((_, usual)) if usual.contains(&value) => Ok(true),
        Some(_) => {
            let why = "which news opens and closes an alert is not chosen here";
            Err(Misfit::new(
                "url",
                format!("{name}={value} is not taken: {why}"),
            ))
        }
        None => Ok(false),
    }
}
