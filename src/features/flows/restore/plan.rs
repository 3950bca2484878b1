//! What restoring a workflow would do, and what stands in its way. Pure: what n8n has is given.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::features::n8n::{ApiTaste, Flow, Inventory, Project};

/// n8n's own nodes come in these packages.
const OWN_PACKAGES: [&str; 2] = ["n8n-nodes-base.", "@n8n/n8n-nodes-langchain."];
/// n8n's columns of a name.
const MOST_NAME_CHARS: usize = 128;

/// What to do with a workflow that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// Leave it.
    #[default]
    Skip,
    /// Restore beside it, under another name and id, with webhook paths of its own.
    Rename,
    /// Make it what it was.
    Overwrite,
}

/// What becomes of what nodes remember between runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaticData {
    /// What n8n has stays: polling goes on where it is.
    Keep,
    /// What the version has comes back: polling begins again where it was then.
    Restore,
    /// Nothing is remembered.
    Clear,
}

/// What is done with a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is not there; it comes under its old id.
    Create,
    /// It is there and becomes what it was.
    Overwrite,
    /// It comes under another name and id.
    Rename,
    /// It is there and stays as it is.
    Skip,
    /// It is there and is just so.
    Same,
    /// It cannot be done.
    Refused,
}

impl Action {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Overwrite => "overwrite",
            Self::Rename => "rename",
            Self::Skip => "skip",
            Self::Same => "same",
            Self::Refused => "refused",
        }
    }
}

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// In one transaction in n8n's database.
    Sql,
    /// By n8n's public API.
    Api,
}

impl Way {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Api => "api",
        }
    }
}

/// Something to know before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Note {
    /// For programs.
    pub code: &'static str,
    /// Whether something will not work until somebody does something.
    pub is_warning: bool,
    /// For people.
    pub message: String,
}

/// What somebody wants.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// What to do with what is there already.
    pub on_conflict: OnConflict,
    /// What becomes of what nodes remember; what is usual for each action if not said.
    pub static_data: Option<StaticData>,
    /// Whether missing credentials come back as well.
    pub with_credentials: bool,
    /// Whose they become; whose they were if not said.
    pub project_id: Option<String>,
}

/// What n8n has.
#[derive(Debug, Default)]
pub struct Target {
    /// What there is beside workflows.
    pub inventory: Inventory,
    /// Names of all workflows by id.
    pub names: BTreeMap<String, String>,
    /// Those that are to be restored and are there.
    pub existing: BTreeMap<String, Flow>,
    /// Who has which webhook, by method and path.
    pub webhooks: BTreeMap<(String, String), String>,
    /// The project of n8n's owner.
    pub default_project: Option<Project>,
    /// Whether its database may be written.
    pub is_writable: bool,
    /// What its API takes, if there is one.
    pub taste: Option<ApiTaste>,
    /// Whether folders and projects are known: not over the API alone.
    pub knows_all: bool,
    /// What earlier restores of a version led to: by workflow and version, what n8n then had under which id.
    pub earlier: BTreeMap<(String, String), Vec<Earlier>>,
    /// Credentials that the version's archive holds and that can be opened here.
    pub restorable_credentials: BTreeSet<String>,
}

/// An earlier restore of a version.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// Under which id.
    pub target_id: String,
    /// What n8n then had.
    pub result_sha256: String,
}

/// What is to be done with one workflow.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its id in the archive.
    pub workflow_id: String,
    /// Its name in the archive.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// How.
    pub way: Option<Way>,
    /// The id it will have, where that is known before.
    pub target_id: Option<String>,
    /// The name it will have.
    pub new_name: String,
    /// Whether it runs now and will be stopped.
    pub was_active: bool,
    /// What to know.
    pub notes: Vec<Note>,
    /// What is written.
    pub flow: Flow,
    /// What n8n has of it now.
    pub before: Option<Flow>,
    /// The version in the archive.
    pub content_sha256: String,
    /// Credentials that come back with it.
    pub credentials: Vec<String>,
    /// Whose it becomes.
    pub project_id: Option<String>,
    /// What becomes of what its nodes remember.
    pub static_data: StaticData,
}

impl Item {
    fn note(&mut self, code: &'static str, is_warning: bool, message: impl Into<String>) {
        self.notes.push(Note {
            code,
            is_warning,
            message: message.into(),
        });
    }

    fn refuse(mut self, code: &'static str, message: impl Into<String>) -> Self {
        self.action = Action::Refused;
        self.way = None;
        self.note(code, true, message);
        self
    }

    /// Whether something is written.
    pub fn is_write(&self) -> bool {
        matches!(
            self.action,
            Action::Create | Action::Overwrite | Action::Rename
        )
    }
}

/// Plans what becomes of one workflow. `new_id` makes ids; `taken_at` is when the version was seen; `group`
/// names every workflow that is restored with it.
pub fn plan(
    flow: &Flow,
    target: &Target,
    wishes: &Wishes,
    taken_at: DateTime<Utc>,
    group: &BTreeSet<String>,
    mut new_id: impl FnMut() -> String,
) -> Item {
    let before = target.existing.get(flow.id()).cloned();
    let content_sha256 = flow.content_sha256();
    let action = action(flow, before.as_ref(), target, wishes, &content_sha256);
    let static_data = wishes.static_data.unwrap_or(match action {
        Action::Create => StaticData::Restore,
        Action::Rename => StaticData::Clear,
        _ => StaticData::Keep,
    });
    let mut item = Item {
        workflow_id: flow.id().to_owned(),
        name: flow.name().to_owned(),
        action,
        way: None,
        target_id: Some(flow.id().to_owned()),
        new_name: flow.name().to_owned(),
        was_active: before.as_ref().is_some_and(Flow::is_active),
        notes: Vec::new(),
        flow: flow.clone(),
        before,
        content_sha256,
        credentials: Vec::new(),
        project_id: None,
        static_data,
    };
    if flow.id().len() > 36 {
        return item.refuse(
            "bad_id",
            "Its id is longer than n8n's are; it is of no n8n.",
        );
    }
    if !item.is_write() {
        if item.action == Action::Same {
            item.note(
                "same",
                false,
                "n8n has exactly this already; nothing is done.",
            );
        }
        return item;
    }
    if item.action == Action::Rename {
        copy(&mut item.flow, &taken_names(target), &mut new_id);
        item.flow.name().clone_into(&mut item.new_name);
        item.target_id = Some(item.flow.id().to_owned());
    }
    match item.static_data {
        StaticData::Clear => set(&mut item.flow, "staticData", Value::Null),
        StaticData::Keep => {
            let kept = item
                .before
                .as_ref()
                .map(|live| live.field("staticData").clone());
            if item.action == Action::Overwrite {
                set(&mut item.flow, "staticData", kept.unwrap_or(Value::Null));
            }
        }
        StaticData::Restore => {}
    }
    choose_way(&mut item, target);
    if item.action == Action::Refused {
        return item;
    }
    if item.was_active && item.action == Action::Overwrite {
        let message =
            "It runs now and will be made inactive; activate it in n8n when you have looked at it.";
        item.note("will_stop", true, message);
    }
    let live_at = item.before.as_ref().and_then(Flow::updated_at);
    if item.action == Action::Overwrite && live_at.is_some_and(|at| at > taken_at) {
        let message =
            "It was changed in n8n after this version; a copy of what is there is kept for undo.";
        item.note("newer_in_n8n", true, message);
    }
    credentials(&mut item, target, wishes);
    references(&mut item, target, group);
    place(&mut item, target, wishes);
    webhooks(&mut item, target);
    item
}

fn action(
    flow: &Flow,
    before: Option<&Flow>,
    target: &Target,
    wishes: &Wishes,
    content_sha256: &str,
) -> Action {
    let earlier = target
        .earlier
        .get(&(flow.id().to_owned(), content_sha256.to_owned()));
    let earlier = earlier.map_or(&[][..], Vec::as_slice);
    let Some(live) = before else {
        return Action::Create;
    };
    let live_sha256 = if target.knows_all {
        live.content_sha256()
    } else {
        // Folders are not told over the API.
        let mut live = live.clone();
        live.folder.clone_from(&flow.folder);
        live.content_sha256()
    };
    let is_result = |one: &Earlier| one.target_id == flow.id() && one.result_sha256 == live_sha256;
    if !live.is_archived() && (live_sha256 == content_sha256 || earlier.iter().any(is_result)) {
        return Action::Same;
    }
    match wishes.on_conflict {
        OnConflict::Skip => Action::Skip,
        OnConflict::Overwrite => Action::Overwrite,
        OnConflict::Rename => {
            // A copy of this very version is there already: asking twice makes no second one.
            let is_copy = |one: &Earlier| {
                one.target_id != flow.id() && target.names.contains_key(&one.target_id)
            };
            if earlier.iter().any(is_copy) {
                Action::Same
            } else {
                Action::Rename
            }
        }
    }
}

fn choose_way(item: &mut Item, target: &Target) {
    let refused = |is_new: bool| {
        let taste = target.taste.as_ref();
        taste.map(|taste| taste.refused(&item.flow, is_new))
    };
    // Only n8n itself can stop what runs.
    let must_stop = item.was_active && item.action == Action::Overwrite;
    let is_archived = item.before.as_ref().is_some_and(Flow::is_archived);
    let (way, lost) = match item.action {
        // In one transaction it keeps everything, its id too.
        Action::Create if target.is_writable => (Some(Way::Sql), Vec::new()),
        Action::Overwrite if target.is_writable && (is_archived && !must_stop) => {
            (Some(Way::Sql), Vec::new())
        }
        Action::Create | Action::Rename | Action::Overwrite => {
            let is_new = item.action != Action::Overwrite;
            match refused(is_new) {
                // What the API does not take is filled in by the database afterwards.
                Some(lost) if target.is_writable => {
                    let has_nodes = lost.iter().any(|name| name.starts_with("nodes"));
                    let way = if has_nodes && !must_stop {
                        Way::Sql
                    } else {
                        Way::Api
                    };
                    (Some(way), Vec::new())
                }
                Some(lost) => (Some(Way::Api), lost),
                None if target.is_writable && !must_stop => (Some(Way::Sql), Vec::new()),
                None => (None, Vec::new()),
            }
        }
        Action::Skip | Action::Same | Action::Refused => return,
    };
    item.way = way;
    if way.is_none() {
        item.action = Action::Refused;
        let message = if must_stop && target.is_writable {
            "It runs now, and only n8n itself can stop it: deactivate it in n8n, or give an API key on the n8n page."
        } else {
            "Neither may n8n's database be written by this role, nor is an API key set on the n8n page."
        };
        item.note("no_way", true, message);
        return;
    }
    if !lost.is_empty() {
        let message = format!(
            "n8n's API does not take {}; these are left out. With a role that may write n8n's database they come too.",
            lost.join(", ")
        );
        item.note("left_out", true, message);
    }
    if way == Some(Way::Api) && item.action != Action::Overwrite {
        item.target_id = None;
        if item.action == Action::Create {
            let message = "It gets a new id: workflows that call it by its old one do not find it. With a role that may write n8n's database it keeps its id.";
            item.note("new_id", true, message);
        }
    }
}

fn set(flow: &mut Flow, column: &str, value: Value) {
    flow.fields.insert(column.to_owned(), value);
}

fn taken_names(target: &Target) -> BTreeSet<&str> {
    target.names.values().map(String::as_str).collect()
}

/// Makes it a workflow of its own: another id and name, and webhooks that are nobody else's.
fn copy(flow: &mut Flow, taken: &BTreeSet<&str>, new_id: &mut impl FnMut() -> String) {
    let id = new_id();
    let name = free_name(flow.name(), taken);
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
    for number in 1.. {
        let suffix = if number == 1 {
            " (restored)".to_owned()
        } else {
            format!(" (restored {number})")
        };
        let room = MOST_NAME_CHARS - suffix.len();
        let cut: String = name.chars().take(room).collect();
        let candidate = format!("{cut}{suffix}");
        if !taken.contains(candidate.as_str()) {
            return candidate;
        }
    }
    name.to_owned()
}

/// Credentials that nodes name: there, there under another id, coming back, or missing.
fn credentials(item: &mut Item, target: &Target, wishes: &Wishes) {
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
fn references(item: &mut Item, target: &Target, group: &BTreeSet<String>) {
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
fn place(item: &mut Item, target: &Target, wishes: &Wishes) {
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
fn webhooks(item: &mut Item, target: &Target) {
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
