//! A workflow as n8n keeps it: read from a row, told apart from other versions of it, and written as
//! n8n's own export has it.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::platform::ids::Ids;

/// What belongs to the instance and not to the workflow: an import would trip over references to
/// what is not there, or set something live.
const LEFT_OUT: [&str; 6] = [
    "activeVersionId",
    "versionCounter",
    "triggerCount",
    "parentFolderId",
    "sourceWorkflowId",
    "shared",
];

/// What makes one version of a workflow differ from another, of n8n's own columns. `staticData` changes at
/// every poll, and versions and times at every save.
pub const CONTENT: [&str; 8] = [
    "name",
    "nodes",
    "connections",
    "settings",
    "pinData",
    "meta",
    "description",
    "nodeGroups",
];

const JSON_COLUMNS: [&str; 7] = [
    "nodes",
    "connections",
    "settings",
    "staticData",
    "pinData",
    "meta",
    "nodeGroups",
];
const TIMES: [&str; 2] = ["createdAt", "updatedAt"];

/// A tag of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Its id in that n8n.
    pub id: String,
    /// Its name, unique in an n8n.
    pub name: String,
}

/// The project that owns a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id in that n8n.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `personal` or `team`.
    pub kind: String,
}

/// A workflow with all that n8n keeps of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// n8n's columns of it by their names.
    pub fields: Map<String, Value>,
    /// Its tags, by name.
    pub tags: Vec<Tag>,
    /// The folders it lies in, from the outermost.
    pub folder: Vec<String>,
    /// Whose it is.
    pub project: Option<Project>,
}

/// A credential that a node names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialRef {
    /// Its id; empty in workflows that came from elsewhere.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type, as in `httpHeaderAuth`.
    pub kind: String,
}

impl Flow {
    /// From columns and their text as PostgreSQL's COPY writes it. `None` if a JSON column is none.
    pub fn from_text<'a>(
        columns: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Option<Self> {
        let mut fields = Map::new();
        for (name, text) in columns {
            let value = match text {
                None => Value::Null,
                Some(text) if JSON_COLUMNS.contains(&name) => json_of(text)?,
                Some(text) if name == "active" || name == "isArchived" => json!(text == "t"),
                Some(text) if name == "versionCounter" || name == "triggerCount" => {
                    text.parse::<i64>().map_or(Value::Null, Value::from)
                }
                Some(text) => json!(text),
            };
            fields.insert(name.to_owned(), value);
        }
        Some(Self::from_fields(fields))
    }

    /// From columns by name, as `row_to_json` and n8n's API have them.
    pub fn from_fields(mut fields: Map<String, Value>) -> Self {
        for name in TIMES {
            if let Some(at) = fields.get(name).and_then(Value::as_str).and_then(time_of) {
                let text = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
                fields.insert(name.to_owned(), json!(text));
            }
        }
        if let Some(Value::String(version)) = fields.get_mut("versionId") {
            // n8n keeps it in a column that pads with blanks.
            *version = version.trim_end().to_owned();
        }
        let tags = fields.remove("tags");
        for foreign in [
            "activeVersion",
            "shared",
            "homeProject",
            "sharedWithProjects",
        ] {
            fields.remove(foreign);
        }
        let mut flow = Self {
            fields,
            ..Self::default()
        };
        flow.set_tags(tags.as_ref());
        flow
    }

    /// Takes tags as n8n's export has them: objects with a name, or names alone.
    pub fn set_tags(&mut self, tags: Option<&Value>) {
        let tags = tags.and_then(Value::as_array).into_iter().flatten();
        self.tags = tags
            .filter_map(|tag| {
                let name = tag["name"].as_str().or_else(|| tag.as_str())?;
                Some(Tag {
                    id: tag["id"].as_str().unwrap_or_default().to_owned(),
                    name: name.to_owned(),
                })
            })
            .collect();
        self.tags.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// A column's text; empty if it has none.
    pub fn text(&self, column: &str) -> &str {
        self.fields
            .get(column)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.text("id")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// Whether it runs by itself.
    pub fn is_active(&self) -> bool {
        self.fields.get("active") == Some(&Value::Bool(true))
    }

    /// Whether it was put away in n8n.
    pub fn is_archived(&self) -> bool {
        self.fields.get("isArchived") == Some(&Value::Bool(true))
    }

    /// When it was last saved.
    pub fn updated_at(&self) -> Option<DateTime<Utc>> {
        time_of(self.text("updatedAt"))
    }

    /// A column; null if it is not there.
    pub fn field(&self, column: &str) -> &Value {
        self.fields.get(column).unwrap_or(&Value::Null)
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Value] {
        self.field("nodes").as_array().map_or(&[], Vec::as_slice)
    }

    /// Whether it is a workflow that n8n can open.
    pub fn is_readable(&self) -> bool {
        let is_node = |node: &Value| node["type"].is_string() && node["name"].is_string();
        !self.id().is_empty()
            && !self.name().is_empty()
            && self.field("nodes").is_array()
            && self.nodes().iter().all(is_node)
            && self.field("connections").is_object()
    }

    /// The types of its nodes, each once.
    pub fn node_types(&self) -> Vec<String> {
        let mut types: Vec<String> = self
            .nodes()
            .iter()
            .filter_map(|node| node["type"].as_str().map(str::to_owned))
            .collect();
        types.sort_unstable();
        types.dedup();
        types
    }

    /// The credentials that its nodes name, each once.
    pub fn credentials(&self) -> Vec<CredentialRef> {
        let mut found = Vec::new();
        for node in self.nodes() {
            let Some(credentials) = node["credentials"].as_object() else {
                continue;
            };
            for (kind, named) in credentials {
                // Before 0.150 n8n kept the name alone.
                let text = |key: &str| named[key].as_str().unwrap_or_default().to_owned();
                found.push(CredentialRef {
                    id: text("id"),
                    name: named.as_str().map_or_else(|| text("name"), str::to_owned),
                    kind: kind.clone(),
                });
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// A hash of what makes this version: equal for two that n8n would show alike.
    pub fn content_sha256(&self) -> String {
        self.version_sha256(&self.columns_sha256())
    }

    /// The same when the hash of its columns is known and they are not at hand.
    pub fn version_sha256(&self, columns_sha256: &[u8; 32]) -> String {
        let mut hasher = Sha256::new();
        hasher.update(columns_sha256);
        for tag in &self.tags {
            hasher.update(b"\0tag");
            hasher.update(tag.name.as_bytes());
        }
        for folder in &self.folder {
            hasher.update(b"\0folder");
            hasher.update(folder.as_bytes());
        }
        hex::encode(hasher.finalize())
    }

    /// A hash of what its columns say of this version.
    pub fn columns_sha256(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for column in CONTENT {
            let value = self.field(column);
            let is_nothing = value.is_null()
                || value.as_object().is_some_and(Map::is_empty)
                || (column == "nodeGroups" && value.as_array().is_some_and(Vec::is_empty))
                || (column == "description" && value.as_str() == Some(""));
            if !is_nothing {
                hasher.update(column.as_bytes());
                hash(&mut hasher, value);
            }
        }
        hasher.finalize().into()
    }

    /// As n8n's `export:workflow` writes it and its import reads it. Never active.
    pub fn export(&self) -> Value {
        let mut fields = self.fields.clone();
        for name in LEFT_OUT {
            fields.remove(name);
        }
        fields.insert("active".to_owned(), Value::Bool(false));
        let tags = self.tags.iter();
        let tags = tags.map(|tag| json!({ "id": tag.id, "name": tag.name }));
        fields.insert("tags".to_owned(), tags.collect());
        Value::Object(fields)
    }

    /// A file name for it, as in `Order intake-7uAIrjEhIpFTK7VY.json`: nothing in it means anything to a
    /// file system.
    pub fn file_name(&self) -> String {
        let name: String = plain(self.name(), " ").chars().take(80).collect();
        format!("{}-{}.json", name.trim(), plain(self.id(), ""))
    }
}

/// An id as n8n makes them: 16 letters and digits.
pub fn new_id(ids: &Ids) -> String {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let bytes: [u8; 16] = ids.bytes();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    bytes.iter().map(letter).collect()
}

/// Text with everything but letters, digits, `-`, `_` and `further` replaced.
pub fn plain(text: &str, further: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '-' || c == '_' || further.contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// A time as PostgreSQL or n8n writes it.
pub fn time_of(text: &str) -> Option<DateTime<Utc>> {
    ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
        .or_else(|| DateTime::parse_from_rfc3339(text).ok())
        .map(|at| at.with_timezone(&Utc))
}

/// JSON as n8n wrote it. Halves of a surrogate pair, which PostgreSQL's `json` lets through, become U+FFFD:
/// a workflow is not lost for a broken character.
pub(super) fn json_of<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&without_half_pairs(text)))
        .ok()
}

fn without_half_pairs(text: &str) -> String {
    let unit = |at: usize| -> Option<u32> {
        let escape = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(escape, 16).ok()
    };
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(found) = text[at..].find('\\') {
        out.push_str(&text[at..at + found]);
        at += found;
        let is_low = |unit: Option<u32>| unit.is_some_and(|unit| (0xDC00..0xE000).contains(&unit));
        let length = match unit(at) {
            Some(0xD800..0xDC00) if is_low(unit(at + 6)) => 12,
            Some(0xD800..0xE000) => {
                out.push('\u{FFFD}');
                at += 6;
                continue;
            }
            // The backslash and what it escapes.
            _ => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&text[at..at + length]);
        at += length;
    }
    out.push_str(&text[at..]);
    out
}

/// Hashes a value by what it is, not by how it was written: the order of keys and the form of numbers
/// do not count.
fn hash(hasher: &mut Sha256, value: &Value) {
    let mut sized = |mark: u8, length: usize| {
        hasher.update([mark]);
        hasher.update((length as u64).to_le_bytes());
    };
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(value) => hasher.update([b'b', u8::from(*value)]),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            hasher.update(b"d");
            hasher.update(number.to_le_bytes());
        }
        Value::String(text) => {
            sized(b's', text.len());
            hasher.update(text.as_bytes());
        }
        Value::Array(items) => {
            sized(b'a', items.len());
            for item in items {
                hash(hasher, item);
            }
        }
        Value::Object(fields) => {
            sized(b'o', fields.len());
            let mut names: Vec<_> = fields.keys().collect();
            names.sort_unstable();
            for name in names {
                hash(hasher, &Value::String(name.clone()));
                hash(hasher, &fields[name]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Flow {
        Flow::from_fields(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_workflow_is_exported_for_import_and_never_goes_live() {
        let mut flow = row(
            r#"{"id":"abc","name":"A/../b","active":true,"nodes":[],"connections":{},"settings":{"executionOrder":"v1"},
            "versionId":"0f3a9c1d-0000-0000-0000-000000000000  ","activeVersionId":"x","parentFolderId":"f","staticData":{"n":1},
            "pinData":{"Start":[]},"isArchived":false}"#,
        );
        flow.set_tags(Some(&json!([{"id":"1","name":"prod"}])));
        let export = flow.export();
        assert_eq!(export["active"], false);
        assert_eq!(export["versionId"], "0f3a9c1d-0000-0000-0000-000000000000");
        assert_eq!(export["tags"][0]["name"], "prod");
        assert_eq!(export["staticData"]["n"], 1);
        assert!(export.get("activeVersionId").is_none() && export.get("parentFolderId").is_none());
        assert_eq!(flow.file_name(), "A____b-abc.json");
    }

    #[test]
    fn a_broken_character_loses_no_workflow() {
        let text = r#"{"a":"x\ud83d y\ude00 \ud83d\ude00 \\ud83d \"é"}"#;
        let value: Value = json_of(text).unwrap();
        assert_eq!(value["a"], "x\u{FFFD} y\u{FFFD} 😀 \\ud83d \"é");
        assert!(json_of::<Value>("{").is_none());
        assert_eq!(without_half_pairs("end\\"), "end\\");
    }

    #[test]
    fn the_same_workflow_is_the_same_however_it_was_read() {
        let text = [
            ("id", Some("abc")),
            ("name", Some("A")),
            ("active", Some("t")),
            (
                "nodes",
                Some(r#"[{"name":"N","type":"t","parameters":{"b":1.0,"a":[]}}]"#),
            ),
            ("connections", Some("{}")),
            ("settings", None),
            ("updatedAt", Some("2026-11-21 13:30:59.301+00")),
        ];
        let archived = Flow::from_text(text.into_iter()).unwrap();
        let live = row(
            r#"{"id":"abc","name":"A","active":false,"connections":{},"settings":{},"pinData":null,"nodeGroups":[],
            "nodes":[{"type":"t","name":"N","parameters":{"a":[],"b":1}}],"updatedAt":"2026-11-21T13:30:59.301+00:00",
            "staticData":{"changes":"always"},"activeVersion":{}}"#,
        );
        assert_eq!(archived.content_sha256(), live.content_sha256());
        assert_eq!(archived.updated_at(), live.updated_at());
        assert!(archived.is_active() && archived.is_readable());
        let mut tagged = live.clone();
        tagged.set_tags(Some(&json!(["prod"])));
        assert_ne!(tagged.content_sha256(), live.content_sha256());
        let mut moved = live.clone();
        moved.folder = vec!["Team".to_owned()];
        assert_ne!(moved.content_sha256(), live.content_sha256());
        assert!(Flow::from_text([("nodes", Some("{"))].into_iter()).is_none());
    }
}
