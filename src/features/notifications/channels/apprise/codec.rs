//! Between a service's fields and its Apprise URL, as the places of the fields tell.

use serde_json::{Map, Value};

use super::secrets::HIDDEN;
use super::settings;
use super::url::AppriseUrl;
use crate::features::notifications::channels::form::{
    Definition, Field, FieldKind, Fields, Misfit, Place,
};

/// Longer values are a mistake.
const MOST_CHARS: usize = 2_000;
/// More lines or pairs are one too.
const MOST_LINES: usize = 50;

/// What every Apprise URL may say. Only `verify` and `to` mean something here.
const COMMON: &[&str] = &[
    "verify", "to", "overflow", "format", "cto", "rto", "emojis", "tz", "redirect", "store",
    "retry", "wait", "optional", "tags", "tag",
];
/// How Apprise decorates messages; those sent from here look their own way.
const DECORATION: &[&str] = &[
    "image",
    "icon",
    "avatar",
    "avatar_url",
    "footer",
    "footer_logo",
    "fields",
    "tts",
    "timestamp",
    "wrap",
    "batch",
    "detect",
    "content",
    "flags",
    "blocks",
    "mdv",
    "inline",
    "icon_url",
    "album",
    "status",
];

/// Whether a word in a query says yes.
pub fn is_yes(word: &str) -> bool {
    matches!(
        word.to_ascii_lowercase().as_str(),
        "yes" | "y" | "true" | "on" | "1" | "enable" | "enabled" | "+"
    )
}

/// Reads the fields of a service from the places that they have.
pub fn parse(definition: &Definition, url: &AppriseUrl) -> Result<Fields, Misfit> {
    let mut fields = Fields::default();
    for field in definition.fields {
        if let Some(value) = take(definition, field, url)? {
            fields.0.insert(field.key.to_owned(), value);
        }
    }
    let is_known = |name: &str| {
        COMMON.contains(&name)
            || DECORATION.contains(&name)
            || definition.fields.iter().any(|field| match field.place {
                Place::Query(known) => known == name,
                Place::QueryPrefix(sign) => name.starts_with(sign),
                _ => false,
            })
    };
    for (name, value) in &url.query {
        let is_own = definition
            .fields
            .iter()
            .any(|field| matches!(field.place, Place::Query(known) if known == name));
        if !is_own && !settings::is_usual(definition.id, name, value)? && !is_known(name) {
            let why = format!("{} knows no parameter {name}", definition.name);
            return Err(Misfit::new("url", why));
        }
    }
    Ok(fields)
}

fn take(definition: &Definition, field: &Field, url: &AppriseUrl) -> Result<Option<Value>, Misfit> {
    let at = |index: usize| url.path.get(index).cloned();
    let joined = |segments: &[String]| Some(segments.join("/")).filter(|path| !path.is_empty());
    let host = Some(url.host.clone()).filter(|host| !host.is_empty());
    let paired = |before: &Option<String>| match (before, &host) {
        (Some(before), Some(host)) => Some(format!("{before}@{host}")),
        _ => None,
    };
    let text = match field.place {
        Place::Tls => {
            let is_plain = definition.schemes.first() == Some(&url.scheme.as_str());
            return Ok(Some(Value::Bool(!is_plain)).filter(|tls| *tls == Value::Bool(true)));
        }
        Place::User => url.user.clone(),
        Place::Password => url.password.clone(),
        Place::Host => host,
        Place::Port => url.port.map(|port| port.to_string()),
        Place::UserAtHost => paired(&url.user),
        Place::PasswordAtHost => paired(&url.password),
        Place::Path(index) => at(index),
        Place::LastPath => url.path.last().cloned(),
        Place::PathBeforeLast => url.path.split_last().and_then(|(_, before)| joined(before)),
        Place::WholePath => joined(&url.path),
        Place::Targets(from) => {
            let targets = url.targets(from);
            return Ok((!targets.is_empty()).then(|| targets.into()));
        }
        Place::Query(name) => url.query.get(name).cloned(),
        Place::QueryPrefix(sign) => {
            let pairs = url.query.iter().filter_map(|(name, value)| {
                let name = name.strip_prefix(sign)?;
                (!name.is_empty()).then(|| (name.to_owned(), value.clone().into()))
            });
            let pairs: Map<String, Value> = pairs.collect();
            return Ok((!pairs.is_empty()).then_some(Value::Object(pairs)));
        }
        Place::Custom => None,
    };
    text.filter(|text| !text.is_empty())
        .map(|text| interpret(field, &text))
        .transpose()
}

/// A word of a URL as the value of a field.
fn interpret(field: &Field, text: &str) -> Result<Value, Misfit> {
    Ok(match field.kind {
        FieldKind::Integer { .. } => match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => return Err(Misfit::new(field.key, "it must be a whole number")),
        },
        FieldKind::Boolean => is_yes(text).into(),
        FieldKind::Choice { choices } => choices
            .iter()
            .find(|choice| choice.eq_ignore_ascii_case(text))
            .copied()
            .unwrap_or(text)
            .into(),
        FieldKind::List => {
            let lines = text
                .split(',')
                .map(str::trim)
                .filter(|line| !line.is_empty());
            lines.map(ToOwned::to_owned).collect::<Vec<_>>().into()
        }
        FieldKind::Text | FieldKind::LongText | FieldKind::Secret | FieldKind::Pairs => text.into(),
    })
}

/// Characters of a text of several lines.
const MOST_LONG: usize = 20_000;

/// Checks values against what their fields take. What is empty counts as not given.
pub fn check(definition: &Definition, given: &Map<String, Value>) -> Result<Fields, Misfit> {
    if let Some(name) = given
        .keys()
        .find(|name| !definition.fields.iter().any(|field| field.key == **name))
    {
        let why = format!("{} has no such field", definition.name);
        return Err(Misfit::new(name, why));
    }
    let mut fields = Fields::default();
    for field in definition.fields {
        let value = given.get(field.key).unwrap_or(&Value::Null);
        match normal(field, value).map_err(|why| Misfit::new(field.key, why))? {
            Some(value) => {
                fields.0.insert(field.key.to_owned(), value);
            }
            None if field.is_required => {
                return Err(Misfit::new(
                    field.key,
                    format!("{} is missing", field.label),
                ));
            }
            None => {}
        }
    }
    Ok(fields)
}

fn line(text: &str) -> Result<String, String> {
    if text.chars().count() > MOST_CHARS {
        return Err(format!("it is longer than {MOST_CHARS} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("it holds a control character, a line break maybe".to_owned());
    }
    Ok(text.trim().to_owned())
}

/// What an address for people shows in the place of a secret is none.
fn genuine(text: &str) -> Result<(), String> {
    if text.split(['/', ':', ',']).any(|part| part == HIDDEN) {
        return Err(format!(
            "it holds {HIDDEN}, which stands for a secret in what is shown; give the secret itself"
        ));
    }
    Ok(())
}

fn normal(field: &Field, value: &Value) -> Result<Option<Value>, String> {
    match (field.kind, value) {
        (_, Value::Null) => Ok(None),
        (FieldKind::Secret, Value::String(text)) => {
            let text = line(text)?;
            genuine(&text)?;
            Ok((!text.is_empty()).then(|| text.into()))
        }
        // Several of them in one line; some were a list before they were a secret.
        (FieldKind::Secret, Value::Array(lines)) => {
            let lines: Vec<_> = lines.iter().filter_map(Value::as_str).collect();
            normal(field, &lines.join(",").into())
        }
        (FieldKind::Text, Value::String(text)) => {
            let text = line(text)?;
            Ok((!text.is_empty()).then(|| text.into()))
        }
        (FieldKind::LongText, Value::String(text)) => {
            if text.chars().count() > MOST_LONG {
                return Err(format!("it is longer than {MOST_LONG} characters"));
            }
            Ok((!text.trim().is_empty()).then(|| text.as_str().into()))
        }
        (FieldKind::Text | FieldKind::LongText | FieldKind::Secret, _) => {
            Err("it must be a text".to_owned())
        }
        (FieldKind::Integer { min, max }, value) => match value.as_i64() {
            Some(number) if (min..=max).contains(&number) => Ok(Some(number.into())),
            _ => Err(format!("it must be a whole number from {min} to {max}")),
        },
        (FieldKind::Boolean, Value::Bool(is_on)) => Ok(is_on.then_some(Value::Bool(true))),
        (FieldKind::Boolean, _) => Err("it must be true or false".to_owned()),
        (FieldKind::Choice { choices }, value) => match value.as_str() {
            Some("") => Ok(None),
            Some(word) if choices.contains(&word) => Ok(Some(word.into())),
            _ => Err(format!("it must be one of {}", choices.join(", "))),
        },
        (FieldKind::List, Value::Array(lines)) => {
            if lines.len() > MOST_LINES {
                return Err(format!("more than {MOST_LINES} lines are not taken"));
            }
            let lines = lines.iter().map(|value| {
                let text = value.as_str().ok_or("every line must be a text")?;
                line(text)
            });
            let mut lines = lines.collect::<Result<Vec<_>, String>>()?;
            lines.retain(|line| !line.is_empty());
            Ok((!lines.is_empty()).then(|| lines.into()))
        }
        (FieldKind::List, _) => Err("it must be a list of texts".to_owned()),
        (FieldKind::Pairs, Value::Object(pairs)) => {
            if pairs.len() > MOST_LINES {
                return Err(format!("more than {MOST_LINES} pairs are not taken"));
            }
            let mut normal = Map::new();
            let mut names: Vec<_> = pairs.keys().collect();
            names.sort();
            for name in names {
                let text = pairs[name].as_str().ok_or("every value must be a text")?;
                let clean = line(name)?;
                if clean.is_empty() {
                    return Err("a name is missing".to_owned());
                }
                let text = line(text)?;
                genuine(&text)?;
                normal.insert(clean, text.into());
            }
            Ok((!normal.is_empty()).then_some(Value::Object(normal)))
        }
        (FieldKind::Pairs, _) => Err("it must be names with texts".to_owned()),
    }
}

/// The last segment is after all others, and what stands before it in front of it.
const LAST: usize = usize::MAX;

/// Writes the fields of a service to the places that they have.
pub fn compose(definition: &Definition, fields: &Fields) -> AppriseUrl {
    let mut url = AppriseUrl {
        scheme: definition
            .schemes
            .first()
            .copied()
            .unwrap_or_default()
            .to_owned(),
        ..AppriseUrl::default()
    };
    let mut path: Vec<(usize, String)> = Vec::new();
    for field in definition.fields {
        let Some(value) = fields.0.get(field.key) else {
            continue;
        };
        let text = plain(value);
        match field.place {
            Place::Tls if fields.is_on(field.key) => {
                let secure = definition.schemes.last().copied().unwrap_or_default();
                secure.clone_into(&mut url.scheme);
            }
            Place::Tls | Place::Custom => {}
            Place::User => url.user = Some(text),
            Place::Password => url.password = Some(text),
            Place::Host => url.host = text,
            Place::Port => url.port = text.parse().ok(),
            Place::UserAtHost | Place::PasswordAtHost => {
                let (before, host) = text.rsplit_once('@').unwrap_or((&text, ""));
                host.clone_into(&mut url.host);
                if field.place == Place::UserAtHost {
                    url.user = Some(before.to_owned());
                } else {
                    url.password = Some(before.to_owned());
                }
            }
            Place::Path(index) => path.push((index, text)),
            Place::LastPath => path.push((LAST, text)),
            Place::PathBeforeLast | Place::WholePath => {
                let segments = text.split('/').filter(|segment| !segment.is_empty());
                path.extend(segments.map(|segment| (LAST - 1, segment.to_owned())));
            }
            Place::Targets(from) => {
                let targets = match value {
                    Value::String(text) => text.split(',').map(str::trim).collect(),
                    _ => fields.list(field.key),
                };
                path.extend(targets.into_iter().map(|target| (from, target.to_owned())));
            }
            Place::Query(name) => {
                url.query.insert(name.to_owned(), text);
            }
            Place::QueryPrefix(sign) => {
                for (name, value) in fields.pairs(field.key) {
                    url.query.insert(format!("{sign}{name}"), value.to_owned());
                }
            }
        }
    }
    path.sort_by_key(|(index, _)| *index);
    url.path = path.into_iter().map(|(_, segment)| segment).collect();
    url
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => {
            let lines: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            lines.join(",")
        }
        other => other.to_string(),
    }
}
