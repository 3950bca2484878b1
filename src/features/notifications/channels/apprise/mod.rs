//! Apprise's URLs: which services Flowkeep speaks itself, and what their URLs mean.

mod codec;
pub use codec::check as check_fields;
mod plan;
mod secrets;
mod services;
mod settings;
mod url;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

pub use self::services::definitions;
pub use self::url::AppriseUrl;
use super::form::{Definition, FieldKind, Fields, Misfit, Transport};
use super::http::{HttpService, Rejection, Step};
use super::message::Message;
use secrets::HIDDEN;

/// The service that a scheme means.
pub fn find(scheme: &str) -> Option<&'static Definition> {
    let is_it = |definition: &&&Definition| {
        definition.schemes.contains(&scheme) || definition.aliases.contains(&scheme)
    };
    definitions().iter().find(is_it).copied()
}

/// A service with its configuration.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which service.
    pub definition: &'static Definition,
    /// Its configuration.
    pub fields: Fields,
    /// Whether the server's certificate must be right.
    pub is_verified: bool,
}

impl Target {
    /// Reads an Apprise URL, or the address that a service itself hands out.
    pub fn read(text: &str) -> Result<Self, Misfit> {
        let text = text.trim();
        let scheme = text.split("://").next().unwrap_or_default();
        if matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            return Self::native(text);
        }
        let url = AppriseUrl::read(text)?;
        let Some(definition) = find(&url.scheme) else {
            return Err(Misfit::new(
                "url",
                format!(
                    "Flowkeep does not speak {}:// itself. Any other service of Apprise's can be reached through an \
                     Apprise API server: apprises://host/token",
                    url.scheme
                ),
            ));
        };
        let fields = match definition.parse {
            Some(parse) => parse(&url)?,
            None => codec::parse(definition, &url)?,
        };
        Ok(Self {
            definition,
            fields: check(definition, &fields)?,
            is_verified: url
                .query
                .get("verify")
                .is_none_or(|word| codec::is_yes(word)),
        })
    }

    fn native(text: &str) -> Result<Self, Misfit> {
        let unknown = || {
            let why = "it is a web address that none of the services hands out; for any other server that takes \
                       JSON write jsons:// instead of https://";
            Misfit::new("url", why)
        };
        let url = ::url::Url::parse(text).map_err(|_| unknown())?;
        let found = definitions()
            .iter()
            .find_map(|definition| Some((*definition, definition.native?(&url)?)));
        let (definition, fields) = found.ok_or_else(unknown)?;
        Ok(Self {
            definition,
            fields: check(definition, &fields)?,
            is_verified: true,
        })
    }

    /// Takes the fields of a form.
    pub fn from_fields(id: &str, fields: &Map<String, Value>) -> Result<Self, Misfit> {
        let definition = definitions()
            .iter()
            .find(|definition| definition.id == id)
            .ok_or_else(|| Misfit::new("service", format!("there is no service {id}")))?;
        Ok(Self {
            definition,
            fields: codec::check(definition, fields)?,
            is_verified: true,
        })
    }

    /// Its Apprise URL.
    pub fn write(&self) -> String {
        self.written(&self.fields)
    }

    /// The same without secrets, for people.
    pub fn redacted(&self) -> String {
        let mut fields = self.fields.clone();
        for field in self.definition.fields {
            let Some(value) = fields.0.get_mut(field.key) else {
                continue;
            };
            match (field.kind, value) {
                (FieldKind::Secret, value) => *value = HIDDEN.into(),
                (FieldKind::Pairs, Value::Object(pairs)) => {
                    pairs.values_mut().for_each(|value| *value = HIDDEN.into());
                }
                _ => {}
            }
        }
        self.written(&fields).replace("%2A%2A%2A", HIDDEN)
    }

    fn written(&self, fields: &Fields) -> String {
        let mut url = match self.definition.compose {
            Some(compose) => compose(fields),
            None => codec::compose(self.definition, fields),
        };
        if !self.is_verified {
            url.query.insert("verify".to_owned(), "no".to_owned());
        }
        url.write()
    }

    /// Puts the service together.
    pub fn build(&self) -> Result<Transport, Misfit> {
        Ok(match (self.definition.build)(&self.fields)? {
            Transport::Http(inner) => Transport::Http(Box::new(Discreet {
                inner,
                target: self.clone(),
            })),
            Transport::Mail(mut route) => {
                route.server.is_verified = self.is_verified;
                Transport::Mail(route)
            }
            Transport::Mqtt(mut route) => {
                route.is_verified = self.is_verified;
                Transport::Mqtt(route)
            }
            mailbox @ Transport::Mailbox(_) => mailbox,
        })
    }

    /// The secret values.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        for field in self.definition.fields {
            match field.kind {
                FieldKind::Secret => secrets.extend(self.fields.given(field.key)),
                FieldKind::Pairs => {
                    secrets.extend(self.fields.pairs(field.key).into_iter().map(|pair| pair.1));
                }
                _ => {}
            }
        }
        secrets.into_iter().map(ToOwned::to_owned).collect()
    }

    /// Takes the secrets out of words that are kept or shown.
    pub fn scrub(&self, words: &str) -> String {
        let secrets = self.secrets();
        let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
        let known = self
            .definition
            .fields
            .iter()
            .filter(|field| field.kind == FieldKind::Text);
        let known: Vec<_> = known
            .filter_map(|field| self.fields.given(field.key))
            .collect();
        secrets::scrub(words, &secrets, &known)
    }
}

/// A service that never says its secrets.
struct Discreet {
    inner: Box<dyn HttpService>,
    target: Target,
}

impl HttpService for Discreet {
    fn step(
        &self,
        message: &Message,
        answers: &[Value],
        now: DateTime<Utc>,
    ) -> Result<Step, String> {
        self.inner.step(message, answers, now)
    }

    fn rejection(&self, status: u16, body: &str) -> Option<Rejection> {
        self.inner.rejection(status, body)
    }

    fn is_repeated(&self, status: u16, body: &str) -> bool {
        self.inner.is_repeated(status, body)
    }

    fn scrub(&self, words: &str) -> String {
        self.target.scrub(words)
    }
}

fn check(definition: &Definition, fields: &Fields) -> Result<Fields, Misfit> {
    let given: Map<String, Value> = fields.0.clone().into_iter().collect();
    codec::check(definition, &given)
}
