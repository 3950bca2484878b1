//! What an n8n's public API takes: it refuses every field it does not know, and what it knows differs by
//! version, so that is read from the description it serves itself.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::flow::Flow;

/// Where an operation describes what it takes.
const BODY: &str = "/requestBody/content/application~1json/schema";

/// What this n8n's API takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiTaste {
    /// Fields of a new workflow.
    pub create: BTreeSet<String>,
    /// Fields of a changed workflow.
    pub update: BTreeSet<String>,
    /// Fields of its settings.
    pub settings: BTreeSet<String>,
    /// Fields of its nodes.
    pub node: BTreeSet<String>,
    /// Whether a change of an active workflow can be kept from going live.
    pub has_publish_if_active: bool,
}

impl ApiTaste {
    /// What of a workflow it would refuse, and so leave out: by name, for people.
    pub fn refused(&self, flow: &Flow, is_new: bool) -> Vec<String> {
        let allowed = if is_new { &self.create } else { &self.update };
        body(flow, allowed, self).1
    }
}

/// What is sent of a workflow, and what of it is not.
pub(super) fn body(
    flow: &Flow,
    allowed: &BTreeSet<String>,
    taste: &ApiTaste,
) -> (Value, Vec<String>) {
    const SENT: [&str; 8] = [
        "name",
        "nodes",
        "connections",
        "settings",
        "staticData",
        "pinData",
        "nodeGroups",
        "description",
    ];
    let mut left_out = BTreeSet::new();
    let mut body = Map::new();
    for name in SENT {
        let value = flow.field(name);
        if value.is_null() {
            continue;
        }
        if allowed.contains(name) {
            body.insert(name.to_owned(), value.clone());
        } else if !value.as_object().is_some_and(Map::is_empty)
            && !value.as_array().is_some_and(Vec::is_empty)
            && value.as_str() != Some("")
        {
            left_out.insert(name.to_owned());
        }
    }
    let mut settings = flow.field("settings").as_object().cloned();
    if let Some(settings) = &mut settings {
        settings.retain(|name, value| {
            // The editor writes this where the API wants nothing.
            let is_taken = taste.settings.contains(name) && *value != "DEFAULT";
            if !is_taken && *value != "DEFAULT" {
                left_out.insert(format!("settings.{name}"));
            }
            is_taken
        });
    }
    body.insert("settings".to_owned(), json!(settings.unwrap_or_default()));
    if let Some(nodes) = body.get_mut("nodes").and_then(Value::as_array_mut) {
        for node in nodes.iter_mut().filter_map(Value::as_object_mut) {
            node.retain(|name, value| {
                let is_taken = taste.node.contains(name);
                if !is_taken && !value.is_null() {
                    left_out.insert(format!("nodes.{name}"));
                }
                is_taken
            });
        }
    }
    (Value::Object(body), left_out.into_iter().collect())
}

/// The description in the script of n8n's own documentation page.
pub(super) fn description(script: &str) -> Option<Value> {
    let at = script.find("\"swaggerDoc\"")?;
    let begin = at + script[at..].find('{')?;
    let mut values = serde_json::Deserializer::from_str(&script[begin..]).into_iter();
    values.next()?.ok()
}

/// What a `$ref` stands for.
fn resolve<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    for _ in 0..10 {
        let reference = value["$ref"].as_str();
        let Some(found) = reference.and_then(|to| document.pointer(to.trim_start_matches('#')))
        else {
            break;
        };
        value = found;
    }
    value
}

pub(super) fn taste_of(document: &Value) -> Option<ApiTaste> {
    let paths = document["paths"].as_object()?;
    let one = paths
        .iter()
        .find(|(path, _)| path.starts_with("/workflows/{") && path.matches('/').count() == 2)?;
    let names = |schema: &Value| -> BTreeSet<String> {
        let properties = schema["properties"].as_object();
        let writable = properties.into_iter().flatten().filter(|(_, property)| {
            // What is marked so is refused when it is sent.
            resolve(document, property)["readOnly"] != true
        });
        writable.map(|(name, _)| name.clone()).collect()
    };
    let put = &one.1["put"];
    let update = resolve(document, put.pointer(BODY)?);
    let create = resolve(document, paths.get("/workflows")?["post"].pointer(BODY)?);
    let settings = resolve(document, &update["properties"]["settings"]);
    let nodes = resolve(document, &update["properties"]["nodes"]);
    let parameters = put["parameters"].as_array().into_iter().flatten();
    let taste = ApiTaste {
        create: names(create),
        update: names(update),
        settings: names(settings),
        node: names(resolve(document, &nodes["items"])),
        has_publish_if_active: parameters
            .map(|parameter| resolve(document, parameter))
            .any(|parameter| parameter["name"] == "publishIfActive"),
    };
    (taste.update.contains("nodes") && taste.node.contains("type")).then_some(taste)
}

/// What every version since 1.123 takes.
pub(super) fn basic_taste() -> ApiTaste {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let body = set(&["name", "nodes", "connections", "settings", "staticData"]);
    ApiTaste {
        create: body,
        update: set(&["name", "nodes", "connections", "settings", "staticData"]),
        settings: set(&[
            "saveExecutionProgress",
            "saveManualExecutions",
            "saveDataErrorExecution",
            "saveDataSuccessExecution",
            "executionTimeout",
            "errorWorkflow",
            "timezone",
            "executionOrder",
            "callerPolicy",
            "callerIds",
        ]),
        node: set(&[
            "id",
            "name",
            "webhookId",
            "disabled",
            "notesInFlow",
            "notes",
            "type",
            "typeVersion",
            "executeOnce",
            "alwaysOutputData",
            "retryOnFail",
            "maxTries",
            "waitBetweenTries",
            "continueOnFail",
            "onError",
            "position",
            "parameters",
            "credentials",
        ]),
        has_publish_if_active: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_n8n_takes_is_read_from_its_own_description() {
        let script = r##"window.onload = function() { var options = { "swaggerDoc": { "paths": {
          "/workflows": { "post": { "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/w" } } } } } },
          "/workflows/{id}/tags": {},
          "/workflows/{id}": { "put": { "parameters": [ { "name": "publishIfActive" } ],
            "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/w" } } } } } } },
          "w": { "properties": { "id": { "readOnly": true }, "name": {}, "connections": {},
            "nodes": { "items": { "$ref": "#/n" } }, "settings": { "properties": { "timezone": {} } } } },
          "n": { "properties": { "type": {}, "name": {} } } }, "customOptions": {} }; }"##;
        let taste = taste_of(&description(script).unwrap()).unwrap();
        assert!(taste.has_publish_if_active);
        assert!(taste.update.contains("name") && !taste.update.contains("id"));
        let flow = json!({ "id": "1", "name": "A", "connections": {}, "pinData": { "N": [] }, "meta": {},
            "settings": { "timezone": "UTC", "binaryMode": "x", "errorWorkflow": "DEFAULT" },
            "nodes": [{ "type": "t", "name": "N", "color": 3 }] });
        let flow = Flow::from_fields(flow.as_object().unwrap().clone());
        let (sent, left_out) = body(&flow, &taste.update, &taste);
        assert_eq!(
            sent,
            json!({ "name": "A", "connections": {}, "settings": { "timezone": "UTC" },
                "nodes": [{ "type": "t", "name": "N" }] })
        );
        assert_eq!(left_out, ["nodes.color", "pinData", "settings.binaryMode"]);
        assert_eq!(taste.refused(&flow, true), left_out);
        for script in ["", "\"swaggerDoc\": 1", "\"swaggerDoc\": {}"] {
            assert!(description(script).as_ref().and_then(taste_of).is_none());
        }
    }
}
