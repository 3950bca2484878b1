//! ntfy as a kind of its own: a server's address and a topic, in place of an Apprise URL.

use serde_json::Value;
use url::Url;

use super::apprise;
use super::form::{Definition, Field, Fields, Limits, Misfit, Place, Transport};

/// The server that everybody can use.
pub const PUBLIC: &str = "https://ntfy.sh";

/// What it asks for.
pub const DEFINITION: Definition = Definition {
    id: "ntfy",
    name: "ntfy",
    docs: "https://docs.ntfy.sh/publish/#publish-as-json",
    fields: &[
        Field::text("server", "Server", Place::Custom)
            .help("Empty: ntfy.sh.")
            .example("https://ntfy.example.org"),
        Field::text("topic", "Topic", Place::Custom)
            .required()
            .help("On a public server the topic is the password: take one that nobody guesses.")
            .example("n8n-alerts-x7Qp2"),
        Field::choice(
            "priority",
            "Priority",
            &["min", "low", "default", "high", "max"],
            Place::Custom,
        )
        .help("Empty: as the rule says."),
        Field::list("tags", "Tags", Place::Custom).help("Words, or names of emojis."),
        Field::secret("token", "Access token", Place::Custom)
            .help("Account, Access tokens. Or a name and a password:"),
        Field::text("username", "Name", Place::Custom),
        Field::secret("password", "Password", Place::Custom),
        Field::text("click", "Opens on a tap", Place::Custom)
            .help("Empty: the message's own page."),
        Field::text("actions", "Buttons", Place::Custom)
            .help("Up to three as ntfy writes them, with semicolons between.")
            .example("view, Open n8n, https://n8n.example.org; http, Restart, https://hooks.example.org/restart"),
    ],
    limits: Limits::new(200, 4_096, 500),
    build,
    ..Definition::PLAIN
};

/// It is spoken to as the service of Apprise's that it is.
fn build(fields: &Fields) -> Result<Transport, Misfit> {
    let same = apprise::definitions()
        .iter()
        .find(|one| one.id == DEFINITION.id);
    let same = same.ok_or_else(|| Misfit::new("topic", "ntfy is not known here"))?;
    let server = fields.given("server").unwrap_or(PUBLIC);
    let wrong = || {
        Misfit::new(
            "server",
            "must be a web address as in https://ntfy.example.org",
        )
    };
    let url = Url::parse(server).map_err(|_| wrong())?;
    let is_plain = url.path() == "/"
        && url.query().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_plain {
        return Err(wrong());
    }
    let topic = fields.text("topic");
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if topic.len() > 64 || !topic.chars().all(is_word) {
        let why = "has up to 64 letters, digits, hyphens and underscores";
        return Err(Misfit::new("topic", why));
    }
    let mut given = Fields::default();
    given.set("host", url.host_str().ok_or_else(wrong)?);
    if let Some(port) = url.port() {
        given.set("port", port);
    }
    given.set("tls", url.scheme() == "https");
    given.set("topics", Value::from(vec![topic]));
    for (from, to) in [
        ("priority", "priority"),
        ("tags", "tags"),
        ("token", "token"),
        ("username", "user"),
        ("password", "password"),
        ("click", "click"),
        ("actions", "actions"),
    ] {
        if let Some(value) = fields.0.get(from) {
            given.set(to, value.clone());
        }
    }
    (same.build)(&given)
}
