//! What a workflow needs and what n8n has of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::plan::{Action, Item, Target, Way, Wishes, set};
use crate::features::n8n::Project;

/// n8n's own nodes come in these packages.
const OWN_PACKAGES: [&str; 2] = ["n8n-nodes-base.", "@n8n/n8n-nodes-langchain."];

/// Credentials that nodes name: there, there under another id, coming back, or missing.
pub(super) fn credentials(item: &mut Item, target: &Target, wishes: &Wishes) {
    if !target.knows_all {
        return;
    }
    let mut renumbered: BTreeMap<(String, String), String> = BTreeMap::new();
    for wanted in item.flow.credentials() {
        if target.inventory.has_credential(&wanted.id) {
            continue;
        }
        if let Some(same) = target.inventory.only_credential(&wanted.name, &wanted.kind) {
            renumbered.insert((wanted.kind.clone(), wanted.id.clone()), same.id.clone());
            let message = format!(
                "It will use the credential {} that n8n has under another id.",
                wanted.name
            );
            item.note("credential_remapped", false, message);
        } else if wishes.with_credentials && target.restorable_credentials.contains(&wanted.id) {
            item.note(
                "credential_restored",
                false,
                format!("The credential {} comes back with it.", wanted.name),
            );
            item.credentials.push(wanted.id);
        } else {
            let more = if target.restorable_credentials.contains(&wanted.id) {
                " It can be restored with it."
            } else {
                ""
            };
            let message = format!(
                "n8n has no credential {} ({}).{more}",
                wanted.name, wanted.kind
            );
            item.note("credential_missing", true, message);
        }
    }
    if renumbered.is_empty() {
        return;
    }
    let mut nodes = item.flow.nodes().to_vec();
    for node in &mut nodes {
        for (kind, named) in node["credentials"].as_object_mut().into_iter().flatten() {
            let id = named["id"].as_str().unwrap_or_default().to_owned();
            if let (Some(new), Some(named)) =
                (renumbered.get(&(kind.clone(), id)), named.as_object_mut())
            {
                named.insert("id".to_owned(), json!(new));
            }
        }
    }
    set(&mut item.flow, "nodes", Value::Array(nodes));
}

/// Other workflows that it calls, and kinds of nodes that n8n lacks.
pub(super) fn references(item: &mut Item, target: &Target, group: &BTreeSet<String>) {
    let mut called = BTreeSet::new();
    for node in item.flow.nodes() {
        let kind = node["type"].as_str().unwrap_or_default();
        if kind.ends_with(".executeWorkflow") || kind.ends_with(".toolWorkflow") {
            let id = &node["parameters"]["workflowId"];
            let id = id
                .as_str()
                .or_else(|| id["value"].as_str())
                .unwrap_or_default();
            // An expression is known when it runs.
            if !id.is_empty() && !id.starts_with('=') {
                called.insert(id.to_owned());
            }
        }
    }
    let error_workflow = item.flow.field("settings")["errorWorkflow"].as_str();
    called.extend(
        error_workflow
            .filter(|id| !id.is_empty() && *id != "DEFAULT")
            .map(str::to_owned),
    );
    for id in called {
        if !target.names.contains_key(&id) && !group.contains(&id) && id != item.workflow_id {
            let message = format!("It calls the workflow {id}, which n8n does not have.");
            item.note("workflow_missing", true, message);
        }
    }
    if !target.knows_all {
        return;
    }
    for kind in item.flow.node_types() {
        let is_own = OWN_PACKAGES.iter().any(|package| kind.starts_with(package));
        if !is_own && !target.inventory.installed_nodes.contains(&kind) {
            let package = kind
                .rsplit_once('.')
                .map_or(kind.as_str(), |(package, _)| package);
            let message = format!(
                "It uses the node {kind}, which is not installed; install {package} in n8n."
            );
            item.note("node_missing", true, message);
        }
    }
}

/// Whose it becomes and in which folder.
pub(super) fn place(item: &mut Item, target: &Target, wishes: &Wishes) {
    if item.action == Action::Overwrite {
        // It stays whose it is; credentials that come with it become theirs.
        let own = item.before.as_ref().and_then(|live| live.project.as_ref());
        let own = own.or(target.default_project.as_ref());
        item.project_id = own.map(|project| project.id.clone());
        return;
    }
    if !target.knows_all {
        return;
    }
    let projects = &target.inventory.projects;
    let was = item.flow.project.clone();
    let same = |was: &Project| {
        let by_name = || {
            projects
                .values()
                .find(|one| one.kind == was.kind && one.name == was.name)
        };
        projects.get(&was.id).or_else(by_name)
    };
    let wished = wishes.project_id.as_ref().and_then(|id| projects.get(id));
    let found = wished.or_else(|| was.as_ref().and_then(same));
    match (found.or(target.default_project.as_ref()), found) {
        (Some(project), Some(_)) => item.project_id = Some(project.id.clone()),
        (Some(project), None) => {
            item.project_id = Some(project.id.clone());
            if let Some(was) = was {
                let message = format!(
                    "Its project {} is not there; it goes to {}.",
                    was.name, project.name
                );
                item.note("project_missing", true, message);
            }
        }
        (None, _) if item.way == Some(Way::Sql) => {
            item.action = Action::Refused;
            item.way = None;
            item.note(
                "no_project",
                true,
                "n8n has no owner yet: finish its setup first.",
            );
        }
        (None, _) => {}
    }
}

/// Paths of webhooks that somebody else has.
pub(super) fn webhooks(item: &mut Item, target: &Target) {
    let mut paths = Vec::new();
    for node in item.flow.nodes() {
        if !node["type"]
            .as_str()
            .is_some_and(|kind| kind.ends_with(".webhook"))
        {
            continue;
        }
        let parameters: &Map<String, Value> = match node["parameters"].as_object() {
            Some(parameters) => parameters,
            None => continue,
        };
        let path = parameters
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let method = parameters.get("httpMethod");
        let methods: Vec<String> = match method {
            Some(Value::Array(all)) => all
                .iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            Some(Value::String(one)) => vec![one.clone()],
            _ => vec!["GET".to_owned()],
        };
        paths.extend(
            methods
                .into_iter()
                .map(|method| (method, path.trim_matches('/').to_owned())),
        );
    }
    for (method, path) in paths {
        let owner = target.webhooks.get(&(method.clone(), path.clone()));
        if let Some(owner) = owner.filter(|owner| Some(*owner) != item.target_id.as_ref()) {
            let name = target
                .names
                .get(owner)
                .map_or(owner.as_str(), String::as_str);
            let message = format!(
                "The webhook {method} {path} belongs to {name} now; this one cannot be activated beside it."
            );
            item.note("webhook_taken", true, message);
        }
    }
}
