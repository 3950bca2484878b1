//! Rows of n8n's tables, as they come out of an archive, put together to workflows and what belongs to
//! them. Of a workflow that nobody asked for only what a list shows is kept.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::features::backups::archive::Fields;
use crate::features::n8n::{
    Credential, CredentialRef, DeploymentKey, Flow, INVENTORY_TABLES, Inventory, Variable,
};

/// Columns of a workflow that a list shows; the rest is dropped as soon as it was counted.
const LISTED: [&str; 6] = [
    "id",
    "name",
    "active",
    "isArchived",
    "updatedAt",
    "parentFolderId",
];

/// What is to be read of an archive.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A list of everything.
    List,
    /// These workflows whole, and the rows of credentials if asked for.
    Flows {
        /// Their ids.
        ids: BTreeSet<String>,
        /// Whether the encrypted credentials are read, and the keys they are encrypted with.
        has_secrets: bool,
    },
}

/// A workflow as a list shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its columns but for the large ones, its tags, folders and owner.
    pub flow: Flow,
    /// How many nodes it has.
    pub node_count: usize,
    /// Their types.
    pub node_types: Vec<String>,
    /// The credentials they name.
    pub credentials: Vec<CredentialRef>,
    /// What makes this version.
    pub sha256: String,
    columns_sha256: [u8; 32],
}

/// A credential as n8n stores it.
#[derive(Clone, Debug)]
pub struct CredentialRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// What it hides, encrypted by n8n.
    pub data: SecretString,
}

/// What was found in an archive.
#[derive(Debug, Default)]
pub struct Found {
    /// What there is beside workflows.
    pub inventory: Inventory,
    /// Every workflow, if a list was wanted.
    pub listed: Vec<Listed>,
    /// The workflows that were wanted.
    pub flows: Vec<Flow>,
    /// Names of workflows that no n8n could read.
    pub unreadable: Vec<String>,
    /// Encrypted credentials, if wanted.
    pub credentials: Vec<CredentialRow>,
    /// n8n's own keys, wrapped.
    pub keys: Vec<DeploymentKey>,
}

/// Puts rows together.
#[derive(Debug)]
pub struct Collector {
    wanted: Wanted,
    found: Found,
}

impl Listed {
    /// Of a workflow; what is large goes.
    pub fn of(mut flow: Flow) -> Self {
        let listed = Self {
            node_count: flow.nodes().len(),
            node_types: flow.node_types(),
            credentials: flow.credentials(),
            sha256: String::new(),
            columns_sha256: flow.columns_sha256(),
            flow: Flow::default(),
        };
        flow.fields
            .retain(|name, _| LISTED.contains(&name.as_str()));
        Self { flow, ..listed }.hashed()
    }

    fn hashed(mut self) -> Self {
        self.sha256 = self.flow.version_sha256(&self.columns_sha256);
        self
    }
}

impl Collector {
    /// For what is wanted.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            found: Found::default(),
        }
    }

    /// The tables it reads, those first that are best read first.
    pub fn tables(&self) -> Vec<&'static str> {
        let mut tables: Vec<_> = INVENTORY_TABLES.iter().map(|(name, _)| *name).collect();
        if matches!(
            self.wanted,
            Wanted::Flows {
                has_secrets: true,
                ..
            }
        ) {
            tables.push("deployment_key");
        }
        tables.push("workflow_entity");
        tables
    }

    /// Takes a row of one of those tables.
    pub fn row(&mut self, table: &str, columns: &[String], fields: &Fields) {
        let column = |wanted: &str| -> Option<&str> {
            let at = columns.iter().position(|name| name == wanted)?;
            fields.get(at)?.as_deref()
        };
        let owned = |wanted: &str| column(wanted).map(str::to_owned);
        match table {
            "workflow_entity" => {
                let id = column("id").unwrap_or_default();
                if let Wanted::Flows { ids, .. } = &self.wanted
                    && !ids.contains(id)
                {
                    return;
                }
                let pairs = columns.iter().map(String::as_str);
                let texts = fields.iter().map(Option::as_deref);
                match Flow::from_text(pairs.zip(texts)).filter(Flow::is_readable) {
                    Some(flow) => self.flow(flow),
                    None => self
                        .found
                        .unreadable
                        .push(owned("name").unwrap_or_default()),
                }
            }
            "deployment_key" => self.found.keys.push(DeploymentKey {
                id: owned("id").unwrap_or_default(),
                kind: owned("type").unwrap_or_default(),
                value: owned("value").unwrap_or_default(),
                algorithm: owned("algorithm"),
            }),
            _ => {
                self.found.inventory.take(table, owned);
                if table == "credentials_entity"
                    && matches!(
                        self.wanted,
                        Wanted::Flows {
                            has_secrets: true,
                            ..
                        }
                    )
                {
                    self.found.credentials.push(CredentialRow {
                        id: owned("id").unwrap_or_default(),
                        name: owned("name").unwrap_or_default(),
                        kind: owned("type").unwrap_or_default(),
                        data: SecretString::from(owned("data").unwrap_or_default()),
                    });
                }
            }
        }
    }

    fn flow(&mut self, flow: Flow) {
        match &self.wanted {
            Wanted::List => self.found.listed.push(Listed::of(flow)),
            Wanted::Flows { ids, .. } if ids.contains(flow.id()) => self.found.flows.push(flow),
            Wanted::Flows { .. } => {}
        }
    }

    /// Takes a file of a flows archive, or a workflow that somebody exported.
    pub fn file(&mut self, name: &str, content: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match name {
            "credentials.json" => {
                let all = content.as_array().into_iter().flatten();
                self.found.inventory.credentials = all
                    .map(|one| Credential {
                        id: text(&one["id"]),
                        name: text(&one["name"]),
                        kind: text(&one["type"]),
                    })
                    .collect();
            }
            "n8n.json" => {
                let inventory = &mut self.found.inventory;
                inventory.n8n_version = content["version"].as_str().map(str::to_owned);
                let names = |field: &str| content[field].as_array().into_iter().flatten().map(text);
                inventory.migrations = names("migrations").collect();
                let variables = names("variables").map(|key| Variable {
                    key,
                    project_id: None,
                });
                inventory.variables = variables.collect();
            }
            "workflows.json" => {
                for one in content.as_array().into_iter().flatten() {
                    self.describe(one);
                }
            }
            _ => {
                let fields = content.as_object().cloned().unwrap_or_default();
                let flow = Flow::from_fields(fields);
                if flow.is_readable() {
                    self.flow(flow);
                } else {
                    self.found.unreadable.push(name.to_owned());
                }
            }
        }
    }

    /// What the list of a flows archive says of a workflow in it.
    fn describe(&mut self, one: &Value) {
        let id = one["id"].as_str().unwrap_or_default();
        let listed = self.found.listed.iter_mut().map(|listed| &mut listed.flow);
        let Some(flow) = listed
            .chain(self.found.flows.iter_mut())
            .find(|flow| flow.id() == id)
        else {
            return;
        };
        flow.fields
            .insert("active".to_owned(), one["was_active"].clone());
        flow.folder = match &one["folder"] {
            // What archives before this version say.
            Value::String(name) => vec![name.clone()],
            folder => folder
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
        };
    }

    /// Joins what came in whatever order.
    pub fn finish(self, is_packed: bool) -> Found {
        let mut found = self.found;
        found.inventory.finish();
        let inventory = &found.inventory;
        if !is_packed {
            for flow in &mut found.flows {
                inventory.complete(flow);
            }
            for listed in &mut found.listed {
                inventory.complete(&mut listed.flow);
            }
        }
        found.listed = found.listed.into_iter().map(Listed::hashed).collect();
        let key = |flow: &Flow| (flow.name().to_lowercase(), flow.id().to_owned());
        found.listed.sort_by_cached_key(|one| key(&one.flow));
        found.flows.sort_by_cached_key(key);
        found
    }
}

/// A workflow's columns out of an object, if it is one.
pub fn is_flow(value: &Value) -> bool {
    let fields: Option<&Map<String, Value>> = value.as_object();
    fields.is_some_and(|fields| fields.contains_key("nodes") && fields.contains_key("connections"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::features::backups::archive::fields;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>()
                .prop_filter("JSON has no other numbers", |number| number.is_finite())
                .prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[\t\n\r\\\\\"\u{8}\u{c}]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("\\PC{1,6}", inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    prop_compose! {
        fn any_flow()(
            id in "[0-9A-Za-z]{16}", name in "\\PC{1,20}", parameters in any_json(), pinned in any_json(),
            remembered in any_json(), settings in any_json(), tags in prop::collection::btree_set("[a-z]{1,6}", 0..3),
        ) -> Flow {
            let object = |value: Value| if value.is_object() { value } else { json!({}) };
            let fields = json!({
                "id": id, "name": name, "active": true, "isArchived": false, "connections": { name.as_str(): {} },
                "nodes": [{ "id": "1", "name": name, "type": "n8n-nodes-base.set", "parameters": parameters }],
                "pinData": object(pinned), "staticData": object(remembered), "settings": object(settings),
                "versionId": "0f3a9c1d-0000-0000-0000-000000000000", "updatedAt": "2026-11-21T13:30:59.301Z",
            });
            let mut flow = Flow::from_fields(fields.as_object().unwrap().clone());
            flow.set_tags(Some(&tags.into_iter().collect()));
            flow
        }
    }

    /// As COPY writes a value (PostgreSQL manual, COPY, "Text Format").
    fn copied(value: &Value) -> String {
        let text = match value {
            Value::Null => return "\\N".to_owned(),
            Value::Bool(true) => "t".to_owned(),
            Value::Bool(false) => "f".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .replace('\t', "\\t")
    }

    fn taken(mut collector: Collector, take: impl FnOnce(&mut Collector), is_packed: bool) -> Flow {
        take(&mut collector);
        collector.finish(is_packed).flows.remove(0)
    }

    proptest! {
        #[test]
        fn a_workflow_that_is_exported_and_read_again_is_the_same(flow in any_flow()) {
            let collector = || Collector::new(Wanted::Flows { ids: [flow.id().to_owned()].into(), has_secrets: false });
            let file = serde_json::to_vec_pretty(&flow.export()).unwrap();
            let content: Value = serde_json::from_slice(&file).unwrap();
            let mut back = taken(collector(), |all| all.file("workflows/x.json", &content), true);
            prop_assert!(!back.is_active(), "never live");
            back.fields.insert("active".to_owned(), Value::Bool(true));
            // Tags are known by their names.
            let names = |flow: &Flow| flow.tags.iter().map(|tag| tag.name.clone()).collect::<Vec<_>>();
            prop_assert_eq!(names(&back), names(&flow));
            back.tags.clone_from(&flow.tags);
            prop_assert_eq!(&back, &flow);
            prop_assert_eq!(back.content_sha256(), flow.content_sha256());
        }

        #[test]
        fn a_row_of_an_archive_is_what_n8n_had(flow in any_flow()) {
            let columns: Vec<String> = flow.fields.keys().cloned().collect();
            let line: Vec<String> = flow.fields.values().map(copied).collect();
            let row = fields(line.join("\t").as_bytes()).unwrap();
            let wanted = Wanted::Flows { ids: [flow.id().to_owned()].into(), has_secrets: false };
            let back = taken(Collector::new(wanted), |all| all.row("workflow_entity", &columns, &row), false);
            prop_assert_eq!(&back.fields, &flow.fields);
            let mut list = Collector::new(Wanted::List);
            list.row("workflow_entity", &columns, &row);
            let listed = list.finish(false).listed.remove(0);
            let mut untagged = flow.clone();
            untagged.tags.clear();
            prop_assert_eq!(listed.sha256, untagged.content_sha256());
            prop_assert!(listed.flow.fields.get("nodes").is_none(), "what is large is not kept");
        }
    }
}
