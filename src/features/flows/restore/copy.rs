//! A workflow made one of its own, to stand beside the one that it was.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::plan::{Target, set};
use crate::features::n8n::Flow;

/// n8n's columns of a name.
const MOST_NAME_CHARS: usize = 128;

/// Makes it a workflow of its own: another id and name, and webhooks that are nobody else's.
pub(super) fn copy(flow: &mut Flow, target: &Target, new_id: &mut impl FnMut() -> String) {
    let id = new_id();
    let taken: BTreeSet<&str> = target.names.values().map(String::as_str).collect();
    let name = free_name(flow.name(), &taken);
    set(flow, "id", json!(id));
    set(flow, "name", json!(name));
    let mut nodes = flow.nodes().to_vec();
    for node in &mut nodes {
        if node["webhookId"].is_string() {
            node["webhookId"] = json!(format!("{}{}", new_id(), new_id()));
        }
        let has_path = is_trigger_with_path(node);
        for pointer in ["/parameters/path", "/parameters/options/path"] {
            if has_path
                && let Some(path) = node.pointer_mut(pointer)
                && let Some(text) = path.as_str().filter(|text| !text.is_empty())
            {
                *path = json!(format!("{text}-{}", &id[..id.len().min(6)]));
            }
        }
    }
    set(flow, "nodes", Value::Array(nodes));
}

fn is_trigger_with_path(node: &Value) -> bool {
    let kind = node["type"].as_str().unwrap_or_default();
    let name = kind.rsplit('.').next().unwrap_or_default();
    matches!(
        name,
        "webhook" | "formTrigger" | "mcpTrigger" | "chatTrigger" | "form" | "wait"
    )
}

fn free_name(name: &str, taken: &BTreeSet<&str>) -> String {
    let mut suffix = " (restored)".to_owned();
    let mut number = 1;
    loop {
        let room = MOST_NAME_CHARS - suffix.len();
        let cut: String = name.chars().take(room).collect();
        let candidate = format!("{cut}{suffix}");
        if !taken.contains(candidate.as_str()) {
            return candidate;
        }
        number += 1;
        suffix = format!(" (restored {number})");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_shares_no_name_and_no_webhook_with_what_it_was() {
        let fields = json!({ "id": "w", "name": "é".repeat(200), "connections": {}, "nodes": [
            { "name": "Hook", "type": "n8n-nodes-base.webhook", "webhookId": "a", "parameters": { "path": "orders/:id" } },
            { "name": "Form", "type": "n8n-nodes-base.formTrigger", "webhookId": "b", "parameters": { "options": { "path": "f" } } },
            { "name": "Read", "type": "n8n-nodes-base.readFile", "parameters": { "path": "/data/x" } },
        ] });
        let mut flow = Flow::from_fields(fields.as_object().unwrap().clone());
        let cut = "é".repeat(128 - " (restored)".len());
        let target = Target {
            names: [("x".to_owned(), format!("{cut} (restored)"))].into(),
            ..Target::default()
        };
        let mut ids = ["idofthecopy", "n1", "n2", "n3", "n4"].into_iter();
        copy(&mut flow, &target, &mut || ids.next().unwrap().to_owned());
        assert_eq!(flow.id(), "idofthecopy");
        assert!(flow.name().ends_with(" (restored 2)") && flow.name().chars().count() == 128);
        let at = |pointer: &str| flow.field("nodes").pointer(pointer).unwrap().clone();
        assert_eq!(at("/0/parameters/path"), "orders/:id-idofth");
        assert_eq!(
            (at("/0/webhookId"), at("/1/webhookId")),
            (json!("n1n2"), json!("n3n4"))
        );
        assert_eq!(at("/1/parameters/options/path"), "f-idofth");
        assert_eq!(at("/2/parameters/path"), "/data/x", "no trigger's");
    }
}
