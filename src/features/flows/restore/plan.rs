//! What restoring a workflow would do, and what stands in its way. Pure: what n8n has is given.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{checks, copy};
use crate::features::n8n::{ApiTaste, Flow, Inventory, Project};

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
    pub(super) fn note(
        &mut self,
        code: &'static str,
        is_warning: bool,
        message: impl Into<String>,
    ) {
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
        let (code, message) = if item.action == Action::Same {
            ("same", "n8n has exactly this already; nothing is done.")
        } else {
            ("skipped", "n8n has it already, and that stays as it is.")
        };
        item.note(code, false, message);
        return item;
    }
    if item.action == Action::Rename {
        copy::copy(&mut item.flow, target, &mut new_id);
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
    checks::credentials(&mut item, target, wishes);
    checks::references(&mut item, target, group);
    checks::place(&mut item, target, wishes);
    checks::webhooks(&mut item, target);
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

pub(super) fn set(flow: &mut Flow, column: &str, value: Value) {
    flow.fields.insert(column.to_owned(), value);
}
