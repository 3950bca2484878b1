//! The kinds of services: what the form of each asks for, what of it may be shown, what is sealed.

use serde_json::{Map, Value, json};
use url::Url;

use super::channels::apprise::{self, Target};
use super::channels::form::{Definition, FieldKind, Fields, Misfit};
use super::channels::{mailbox, ntfy, webhook};

/// The kinds beside Apprise's services.
const OWN: [(&str, &Definition); 3] = [
    ("ntfy", &ntfy::DEFINITION),
    ("email", &mailbox::DEFINITION),
    ("webhook", &webhook::DEFINITION),
];
const MOST_TAGS: usize = 20;

/// Every kind: the type of the service, and what it asks for. The commonest first.
pub fn all() -> impl Iterator<Item = (&'static str, &'static Definition)> {
    let apprise = apprise::definitions().iter().map(|one| ("apprise", *one));
    OWN.into_iter().chain(apprise)
}

/// A service's configuration, checked.
#[derive(Debug)]
pub struct Prepared {
    /// What it is.
    pub definition: &'static Definition,
    /// Its values, the secret ones too.
    pub fields: Fields,
    /// Whether certificates must be right.
    pub is_verified: bool,
    /// Whether it is one of Apprise's, with an address.
    is_apprise: bool,
    tags: Vec<String>,
}

/// Reads a configuration as somebody gives it. What is secret and not given stays as `before` has it.
pub fn prepare(
    service_type: &str,
    config: &Value,
    before: Option<&Prepared>,
) -> Result<Prepared, Misfit> {
    let config = match config {
        Value::Object(config) => config.clone(),
        _ => return Err(Misfit::new("config", "must be an object")),
    };
    if service_type != "apprise" {
        let own = OWN.into_iter().find(|(name, _)| *name == service_type);
        let (_, definition) = own.ok_or_else(|| {
            Misfit::new("service_type", "must be apprise, ntfy, email or webhook")
        })?;
        let mut given = config;
        let is_verified = take_verify(&mut given)?;
        return finish(definition, false, given, before, is_verified, Vec::new());
    }
    let tags = tags(config.get("tags"))?;
    if let Some(url) = config
        .get("url")
        .and_then(Value::as_str)
        .filter(|url| !url.trim().is_empty())
    {
        let target = Target::read(url)?;
        target.build()?;
        return Ok(Prepared {
            definition: target.definition,
            fields: target.fields,
            is_verified: target.is_verified,
            is_apprise: true,
            tags,
        });
    }
    let id = config
        .get("service")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let definition = apprise::definitions()
        .iter()
        .copied()
        .find(|one| one.id == id);
    let definition = definition.ok_or_else(|| {
        Misfit::new(
            "url",
            "give an Apprise URL as in discord://id/token, or choose a service of the list",
        )
    })?;
    let mut given = match config.get("fields") {
        Some(Value::Object(fields)) => fields.clone(),
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err(Misfit::new("fields", "must be an object")),
    };
    let mut outer = config;
    let is_verified = take_verify(&mut outer)?;
    given.retain(|_, value| !value.is_null() || before.is_some());
    finish(definition, true, given, before, is_verified, tags)
}

fn take_verify(given: &mut Map<String, Value>) -> Result<bool, Misfit> {
    match given.remove("verify") {
        None | Some(Value::Null) => Ok(true),
        Some(Value::Bool(is_verified)) => Ok(is_verified),
        Some(_) => Err(Misfit::new("verify", "must be true or false")),
    }
}

fn tags(given: Option<&Value>) -> Result<Vec<String>, Misfit> {
    let wrong = || Misfit::new("tags", "must be up to 20 words");
    match given {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(given) => {
            let tags: Vec<String> = serde_json::from_value(given.clone()).map_err(|_| wrong())?;
            let is_word = |tag: &String| {
                !tag.is_empty()
                    && tag.len() <= 50
                    && !tag.chars().any(|c| c.is_control() || c.is_whitespace())
            };
            if tags.len() > MOST_TAGS || !tags.iter().all(is_word) {
                return Err(wrong());
            }
            Ok(tags)
        }
    }
}

fn finish(
    definition: &'static Definition,
    is_apprise: bool,
    mut given: Map<String, Value>,
    before: Option<&Prepared>,
    is_verified: bool,
    tags: Vec<String>,
) -> Result<Prepared, Misfit> {
    let mut kept = Vec::new();
    if let Some(before) = before.filter(|before| before.definition.id == definition.id) {
        let secret = definition
            .fields
            .iter()
            .filter(|field| is_secret(field.kind));
        for field in secret {
            // Nothing said about it means that it stays; null takes it away.
            if let (false, Some(value)) = (
                given.contains_key(field.key),
                before.fields.0.get(field.key),
            ) {
                given.insert(field.key.to_owned(), value.clone());
                kept.push(field.key);
            }
        }
    }
    let fields = apprise::check_fields(definition, &given)?;
    let prepared = Prepared {
        definition,
        fields,
        is_verified,
        is_apprise,
        tags,
    };
    // What cannot be put together must not be kept.
    (definition.build)(&prepared.fields)?;
    if let (Some(before), Some(key)) = (before, kept.first())
        && !Place::of(before).covers(&Place::of(&prepared))
    {
        let why = "give it again: the service is at another place now, or less protected, and what is kept goes only \
                   where it was given for";
        return Err(Misfit::new(key, why));
    }
    Ok(prepared)
}

/// Where secrets go, and how well they are protected on the way.
#[derive(Debug)]
struct Place {
    /// Hosts and the like, as they are written but for capitals.
    hosts: Vec<String>,
    port: Option<i64>,
    is_encrypted: bool,
    is_verified: bool,
}

impl Place {
    fn of(prepared: &Prepared) -> Self {
        let fields = &prepared.fields;
        let mut hosts: Vec<String> = ["host", "smtp", "organization", "discovery"]
            .map(|key| fields.text(key).to_ascii_lowercase())
            .into();
        let mut port = fields.integer("port");
        let mut is_encrypted = fields.is_on("tls");
        for key in ["server", "url"] {
            let Ok(url) = Url::parse(fields.text(key)) else {
                hosts.push(fields.text(key).to_ascii_lowercase());
                continue;
            };
            hosts.push(url.host_str().unwrap_or_default().to_ascii_lowercase());
            port = url.port().map(i64::from);
            is_encrypted = url.scheme() == "https";
        }
        if prepared.definition.id == "mailto" {
            is_encrypted = match fields.text("mode") {
                "" => is_encrypted,
                mode => mode != "insecure",
            };
        }
        Self {
            hosts,
            port,
            is_encrypted,
            is_verified: prepared.is_verified,
        }
    }

    /// Whether what was given for this one may go to the other: the same place, protected as well or better. With
    /// encryption may come another port.
    fn covers(&self, other: &Self) -> bool {
        let is_safer = other.is_encrypted && !self.is_encrypted;
        self.hosts == other.hosts
            && (self.port == other.port || is_safer)
            && (other.is_encrypted || !self.is_encrypted)
            && (other.is_verified || !self.is_verified)
    }
}

/// What of a configuration may be shown that was kept when less of it was secret.
pub fn shown(service_type: &str, mut public: Value) -> Value {
    let id = public["service"]
        .as_str()
        .unwrap_or(service_type)
        .to_owned();
    let Some((_, definition)) = all().find(|(kind, one)| *kind == service_type && one.id == id)
    else {
        return public;
    };
    let secret = definition
        .fields
        .iter()
        .filter(|field| is_secret(field.kind));
    let mut moved = Vec::new();
    if let Some(Value::Object(fields)) = public.get_mut("fields") {
        for field in secret {
            moved.extend(fields.remove(field.key).map(|_| Value::from(field.key)));
        }
    }
    if moved.is_empty() {
        return public;
    }
    if let Some(Value::Array(kept)) = public.get_mut("kept") {
        kept.extend(moved);
    }
    let mut fields = Fields::default();
    if let Some(Value::Object(known)) = public.get("fields") {
        fields.0.extend(known.clone());
    }
    for key in public["kept"].as_array().into_iter().flatten() {
        fields.set(key.as_str().unwrap_or_default(), "");
    }
    let target = Target {
        definition,
        fields,
        is_verified: public["verify"].as_bool().unwrap_or(true),
    };
    public["address"] = target.redacted().into();
    public
}

/// Puts together what is kept in two parts.
pub fn restore(service_type: &str, public: &Value, secret: &Value) -> Result<Prepared, Misfit> {
    let is_apprise = service_type == "apprise";
    let id = public
        .get("service")
        .and_then(Value::as_str)
        .unwrap_or(service_type);
    let found = all().find(|(kind, one)| *kind == service_type && one.id == id);
    let (_, definition) =
        found.ok_or_else(|| Misfit::new("service_type", format!("{id} is not known here")))?;
    let mut given = Map::new();
    for part in [public.get("fields"), secret.get("fields")] {
        if let Some(Value::Object(fields)) = part {
            given.extend(fields.clone());
        }
    }
    Ok(Prepared {
        definition,
        fields: apprise::check_fields(definition, &given)?,
        is_verified: public
            .get("verify")
            .and_then(Value::as_bool)
            .unwrap_or(true),
        is_apprise,
        tags: tags(public.get("tags"))?,
    })
}

/// Names with values are mostly headers, and those hold tokens.
fn is_secret(kind: FieldKind) -> bool {
    matches!(kind, FieldKind::Secret | FieldKind::Pairs)
}

impl Prepared {
    fn part(&self, wants_secret: bool) -> Map<String, Value> {
        let fields = self
            .definition
            .fields
            .iter()
            .filter(|field| is_secret(field.kind) == wants_secret);
        let values = fields.filter_map(|field| {
            Some((field.key.to_owned(), self.fields.0.get(field.key)?.clone()))
        });
        values.collect()
    }

    /// What may be shown.
    pub fn public(&self) -> Value {
        let mut kept: Vec<String> = self.part(true).keys().cloned().collect();
        kept.sort_unstable();
        json!({
            "service": self.definition.id,
            "fields": self.part(false),
            // The names of what is sealed.
            "kept": kept,
            "verify": self.is_verified,
            "address": self.address(),
            "tags": self.tags,
        })
    }

    fn address(&self) -> String {
        if self.is_apprise {
            return self.target().redacted();
        }
        match self.definition.id {
            "webhook" => webhook::origin(&self.fields),
            "ntfy" => format!(
                "{}/{}",
                self.fields.given("server").unwrap_or(ntfy::PUBLIC),
                self.fields.text("topic")
            ),
            _ => self.fields.list("to").join(", "),
        }
    }

    /// What is sealed, if anything is.
    pub fn secret(&self) -> Option<Value> {
        let secret = self.part(true);
        (!secret.is_empty()).then(|| json!({ "fields": secret }))
    }

    /// What is spoken to.
    pub fn target(&self) -> Target {
        Target {
            definition: self.definition,
            fields: self.fields.clone(),
            is_verified: self.is_verified,
        }
    }

    /// Takes what is secret out of words that somebody else said.
    pub fn scrub(&self, words: &str) -> String {
        self.target().scrub(words)
    }
}
