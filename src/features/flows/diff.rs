//! What differs between two versions of a workflow, as a person who edits it sees it: nodes by who they
//! are and not by where they stand in a file, their parameters by path, connections, settings. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::features::n8n::Flow;

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is as it was.
    Same,
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It is not what it was.
    Changed,
}

/// A value that changed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Change {
    /// Where, as in `parameters.options.timeout`.
    pub path: String,
    /// What was there; null for nothing.
    #[schema(value_type = Option<Object>)]
    pub old: Value,
    /// What is there now; null for nothing.
    #[schema(value_type = Option<Object>)]
    pub new: Value,
}

/// A node and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NodeDiff {
    /// What became of it.
    pub fate: Fate,
    /// Its name, the new one if there is one.
    pub name: String,
    /// The old name, if it was renamed.
    pub old_name: Option<String>,
    /// Its type, as in `n8n-nodes-base.webhook`.
    pub kind: String,
    /// Whether it is switched off.
    pub is_disabled: bool,
    /// Whether it stands elsewhere on the canvas. A moved node alone is no change of it.
    pub is_moved: bool,
    /// Where it stands, x and y in n8n's pixels; the new place if it has one.
    pub position: [f64; 2],
    /// What changed in it.
    pub changes: Vec<Change>,
}

/// A connection and what became of it. Nodes are named as in [`NodeDiff::name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct ConnectionDiff {
    /// What became of it.
    pub fate: Fate,
    /// Where it begins.
    pub from: String,
    /// Which kind of output, as in `main` or `ai_tool`.
    pub kind: String,
    /// Which output of that kind, from 0.
    pub output: usize,
    /// Where it ends.
    pub to: String,
    /// Which input, from 0.
    pub input: u64,
}

/// What differs between two versions of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FlowDiff {
    /// Whether nothing differs but places on the canvas.
    pub is_same: bool,
    /// Every node of either version.
    pub nodes: Vec<NodeDiff>,
    /// Every connection of either version.
    pub connections: Vec<ConnectionDiff>,
    /// Name, description, tags, folder, settings, pinned data, groups.
    pub fields: Vec<Change>,
    /// Whether what its nodes remember between runs differs. It changes by itself.
    pub is_static_data_changed: bool,
}

/// Columns that are compared as they are.
const FIELDS: [&str; 6] = [
    "name",
    "description",
    "settings",
    "pinData",
    "meta",
    "nodeGroups",
];

/// Compares two versions.
pub fn diff(old: &Flow, new: &Flow) -> FlowDiff {
    let pairs = matched(old.nodes(), new.nodes());
    let mut renamed = BTreeMap::new();
    let mut nodes = Vec::with_capacity(pairs.len());
    for (before, after) in &pairs {
        if let (Some(before), Some(after)) = (before, after) {
            renamed.insert(text(before, "name"), text(after, "name"));
        }
        nodes.push(node_diff(*before, *after));
    }
    let connections = connections(old, new, &renamed);
    let mut fields = Vec::new();
    for name in FIELDS {
        compare(name, old.field(name), new.field(name), &mut fields);
    }
    let names = |flow: &Flow| -> Value { flow.tags.iter().map(|tag| tag.name.as_str()).collect() };
    compare("tags", &names(old), &names(new), &mut fields);
    let folder = |flow: &Flow| Value::from(flow.folder.join(" / "));
    compare("folder", &folder(old), &folder(new), &mut fields);
    let mut remembered = Vec::new();
    let statics = [old.field("staticData"), new.field("staticData")];
    compare("", statics[0], statics[1], &mut remembered);
    FlowDiff {
        is_same: fields.is_empty()
            && nodes.iter().all(|node| node.fate == Fate::Same)
            && connections.iter().all(|one| one.fate == Fate::Same),
        nodes,
        connections,
        fields,
        is_static_data_changed: !remembered.is_empty(),
    }
}

/// What a node is known by.
type Key<'a> = &'a dyn Fn(&Value) -> Option<String>;
type Pair<'a> = (Option<&'a Value>, Option<&'a Value>);

/// Finds for each old node the new one that it became: by id, else by name and type, else by name, else
/// the one that differs in its name alone.
fn matched<'a>(old: &'a [Value], new: &'a [Value]) -> Vec<Pair<'a>> {
    let mut partner: Vec<Option<usize>> = vec![None; old.len()];
    let mut taken = vec![false; new.len()];
    let keys: [Key<'_>; 4] = [
        &|node| node["id"].as_str().map(str::to_owned),
        &|node| Some(format!("{}\0{}", text(node, "name"), text(node, "type"))),
        &|node| Some(text(node, "name")),
        &|node| {
            let parameters = &node["parameters"];
            (!is_nothing(parameters)).then(|| format!("{}\0{parameters}", text(node, "type")))
        },
    ];
    for key in keys {
        let mut free: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, node) in new.iter().enumerate().filter(|(at, _)| !taken[*at]) {
            if let Some(key) = key(node) {
                free.entry(key).or_default().push(at);
            }
        }
        for candidates in free.values_mut() {
            candidates.reverse();
        }
        for (at, node) in old.iter().enumerate() {
            if partner[at].is_none()
                && let Some(key) = key(node)
                && let Some(found) = free.get_mut(&key).and_then(Vec::pop)
            {
                partner[at] = Some(found);
                taken[found] = true;
            }
        }
    }
    let of_old = old.iter().zip(&partner);
    let mut pairs: Vec<Pair<'a>> = of_old
        .map(|(node, partner)| (Some(node), partner.map(|at| &new[at])))
        .collect();
    let came = new.iter().zip(&taken).filter(|(_, taken)| !**taken);
    pairs.extend(came.map(|(node, _)| (None, Some(node))));
    pairs
}

fn node_diff(old: Option<&Value>, new: Option<&Value>) -> NodeDiff {
    const APART: [&str; 3] = ["id", "name", "position"];
    let nothing = Value::Null;
    let shown = new.or(old).unwrap_or(&nothing);
    let name = text(shown, "name");
    let mut changes = Vec::new();
    let (mut old_name, mut is_moved) = (None, false);
    let fate = match (old, new) {
        (None, _) => Fate::Added,
        (_, None) => Fate::Removed,
        (Some(before), Some(after)) => {
            let keys: BTreeSet<&String> = [before, after]
                .iter()
                .filter_map(|node| node.as_object())
                .flat_map(|node| node.keys())
                .filter(|key| !APART.contains(&key.as_str()))
                .collect();
            for key in keys {
                compare(key, &before[key], &after[key], &mut changes);
            }
            old_name = Some(text(before, "name")).filter(|old| *old != name);
            is_moved = before["position"] != after["position"];
            if changes.is_empty() && old_name.is_none() {
                Fate::Same
            } else {
                Fate::Changed
            }
        }
    };
    NodeDiff {
        fate,
        old_name,
        kind: text(shown, "type"),
        is_disabled: shown["disabled"] == true,
        is_moved,
        position: position(shown),
        changes,
        name,
    }
}

fn text(node: &Value, key: &str) -> String {
    node[key].as_str().unwrap_or_default().to_owned()
}

fn position(node: &Value) -> [f64; 2] {
    // Very old workflows have an object there.
    let at = &node["position"];
    [
        at[0].as_f64().or(at["x"].as_f64()).unwrap_or(0.0),
        at[1].as_f64().or(at["y"].as_f64()).unwrap_or(0.0),
    ]
}

type Connection = (String, String, usize, String, u64);

fn connections(old: &Flow, new: &Flow, renamed: &BTreeMap<String, String>) -> Vec<ConnectionDiff> {
    let today = |name: &str| {
        renamed
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    };
    let before = flatten(old.field("connections"), today);
    let after = flatten(new.field("connections"), str::to_owned);
    let all: BTreeSet<&Connection> = before.union(&after).collect();
    let mut found: Vec<ConnectionDiff> = all
        .into_iter()
        .map(|one| {
            let (from, kind, output, to, input) = one.clone();
            let fate = match (before.contains(one), after.contains(one)) {
                (true, true) => Fate::Same,
                (true, false) => Fate::Removed,
                _ => Fate::Added,
            };
            ConnectionDiff {
                fate,
                from,
                kind,
                output,
                to,
                input,
            }
        })
        .collect();
    found.sort();
    found
}

/// `{from: {kind: [[{node, type, index}]]}}`, one line each.
fn flatten(connections: &Value, name: impl Fn(&str) -> String) -> BTreeSet<Connection> {
    let mut found = BTreeSet::new();
    for (from, kinds) in connections.as_object().into_iter().flatten() {
        for (kind, outputs) in kinds.as_object().into_iter().flatten() {
            for (output, targets) in outputs.as_array().into_iter().flatten().enumerate() {
                for target in targets.as_array().into_iter().flatten() {
                    let to = name(target["node"].as_str().unwrap_or_default());
                    let input = target["index"].as_u64().unwrap_or(0);
                    found.insert((name(from), kind.clone(), output, to, input));
                }
            }
        }
    }
    found
}

/// Notes where two values differ. What is nothing in one way or another is equal.
fn compare(path: &str, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                compare(&below(key), &old[key], &new[key], changes);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for at in 0..before.len().max(after.len()) {
                compare(&format!("{path}[{at}]"), &old[at], &new[at], changes);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        _ if old == new || (is_nothing(old) && is_nothing(new)) => {}
        _ => changes.push(Change {
            path: path.to_owned(),
            old: old.clone(),
            new: new.clone(),
        }),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn flow(nodes: Value, connections: Value) -> Flow {
        let fields = json!({ "id": "w", "name": "W", "nodes": nodes, "connections": connections });
        Flow::from_fields(fields.as_object().unwrap().clone())
    }

    fn link(to: &str) -> Value {
        json!({ "main": [[{ "node": to, "type": "main", "index": 0 }]] })
    }

    fn fates(diff: &FlowDiff) -> Vec<(Fate, &str)> {
        let nodes = diff.nodes.iter();
        nodes.map(|node| (node.fate, node.name.as_str())).collect()
    }

    #[test]
    fn a_node_is_known_by_its_id_and_a_rename_breaks_no_connection() {
        let old = flow(
            json!([
                { "id": "1", "name": "Hook", "type": "webhook", "position": [0, 0], "parameters": { "path": "a" } },
                { "id": "2", "name": "Set", "type": "set", "position": [200, 0], "parameters": { "n": 1, "same": [1, 2] } },
                { "id": "3", "name": "Gone", "type": "noOp", "position": [400, 0], "parameters": {} },
            ]),
            json!({ "Hook": link("Set"), "Set": link("Gone") }),
        );
        let mut new = flow(
            json!([
                { "id": "2", "name": "Assign", "type": "set", "position": [250, 0], "parameters": { "same": [1.0, 2], "n": 2 } },
                { "id": "1", "name": "Hook", "type": "webhook", "position": [0, 0], "parameters": { "path": "a" } },
                { "id": "4", "name": "New", "type": "noOp", "position": [400, 0], "parameters": {} , "disabled": true },
            ]),
            json!({ "Hook": link("Assign"), "Assign": link("New") }),
        );
        new.set_tags(Some(&json!(["prod"])));
        let found = diff(&old, &new);
        assert_eq!(
            fates(&found),
            [
                (Fate::Same, "Hook"),
                (Fate::Changed, "Assign"),
                (Fate::Removed, "Gone"),
                (Fate::Added, "New"),
            ]
        );
        let assign = &found.nodes[1];
        assert_eq!(assign.old_name.as_deref(), Some("Set"));
        assert!(assign.is_moved);
        assert_eq!(assign.changes.len(), 1);
        assert_eq!(assign.changes[0].path, "parameters.n");
        assert_eq!(
            (&assign.changes[0].old, &assign.changes[0].new),
            (&json!(1), &json!(2))
        );
        let fates = found
            .connections
            .iter()
            .map(|one| (one.fate, one.to.as_str()));
        let expected = [
            (Fate::Same, "Assign"),
            (Fate::Added, "New"),
            (Fate::Removed, "Gone"),
        ];
        assert!(fates.eq(expected));
        assert_eq!(found.fields[0].path, "tags[0]");
        assert!(!found.is_same);
    }

    #[test]
    fn a_moved_node_and_what_nodes_remember_are_no_change() {
        let old = flow(
            json!([{ "id": "1", "name": "A", "type": "t", "position": [0, 0] }]),
            json!({}),
        );
        let mut new = flow(
            json!([{ "id": "1", "name": "A", "type": "t", "position": [9, 9], "parameters": {} }]),
            json!({}),
        );
        new.fields
            .insert("staticData".to_owned(), json!({ "last": 7 }));
        let found = diff(&old, &new);
        assert!(found.is_same && found.nodes[0].is_moved && found.is_static_data_changed);
    }

    #[test]
    fn connections_that_came_and_went_are_told_apart() {
        let nodes = json!([{ "id": "1", "name": "A", "type": "t" }, { "id": "2", "name": "B", "type": "t2" }]);
        let old = flow(nodes.clone(), json!({ "A": link("B") }));
        let new = flow(nodes, json!({ "B": link("A") }));
        let found = diff(&old, &new);
        let fates: Vec<_> = found
            .connections
            .iter()
            .map(|one| (one.fate, one.from.as_str()))
            .collect();
        assert_eq!(fates, [(Fate::Added, "B"), (Fate::Removed, "A")]);
    }

    prop_compose! {
        fn any_flow()(names in prop::collection::vec(("[a-e]{1,2}", "[xyz]", 0u8..3, 0i32..3), 0..8)) -> Flow {
            let mut seen = BTreeSet::new();
            let nodes: Vec<Value> = names
                .into_iter()
                .filter(|(name, ..)| seen.insert(name.clone()))
                .enumerate()
                .map(|(at, (name, kind, parameter, x))| {
                    let mut node = json!({ "name": name, "type": kind, "position": [x, 0], "parameters": { "p": parameter } });
                    if parameter > 0 { node["id"] = json!(format!("n{at}")); }
                    node
                })
                .collect();
            let links = nodes.windows(2).map(|pair| (pair[0]["name"].as_str().unwrap().to_owned(), link(pair[1]["name"].as_str().unwrap())));
            let links: serde_json::Map<_, _> = links.collect();
            flow(json!(nodes), Value::Object(links))
        }
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself_and_every_node_is_told_of_once(a in any_flow(), b in any_flow()) {
            prop_assert!(diff(&a, &a).is_same);
            let found = diff(&a, &b);
            let count = |fates: &[Fate]| found.nodes.iter().filter(|node| fates.contains(&node.fate)).count();
            prop_assert_eq!(count(&[Fate::Removed, Fate::Same, Fate::Changed]), a.nodes().len());
            prop_assert_eq!(count(&[Fate::Added, Fate::Same, Fate::Changed]), b.nodes().len());
            // Back again, what came has gone.
            let back = diff(&b, &a);
            prop_assert_eq!(count(&[Fate::Added]), back.nodes.iter().filter(|node| node.fate == Fate::Removed).count());
            prop_assert_eq!(found.is_same, back.is_same);
        }
    }
}
