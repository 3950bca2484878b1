//! What goes over the wire about workflows.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Place;
use super::collect::Listed;
use super::diff::FlowDiff;
use super::service::{Contents, HistoryEntry};
use super::store::{Hit, Sighting, Upload};

/// A credential that a workflow names.
#[derive(Serialize, ToSchema)]
pub(super) struct FlowCredential {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// A workflow in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct FlowSummary {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_active: bool,
    pub(super) is_archived: bool,
    pub(super) tags: Vec<String>,
    /// The folders it lies in, with ` / ` between.
    pub(super) folder: String,
    pub(super) project: Option<String>,
    pub(super) node_count: usize,
    pub(super) node_types: Vec<String>,
    pub(super) credentials: Vec<FlowCredential>,
    pub(super) updated_at: Option<DateTime<Utc>>,
    /// Equal for two versions that n8n would show alike.
    pub(super) content_sha256: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct FlowList {
    /// `database` or `api`.
    pub(super) origin: &'static str,
    pub(super) items: Vec<FlowSummary>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct FlowProject {
    pub(super) id: String,
    pub(super) name: String,
    /// `personal` or `team`.
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// What is in a backup or an archive.
#[derive(Serialize, ToSchema)]
pub(super) struct FlowContents {
    pub(super) taken_at: DateTime<Utc>,
    pub(super) n8n_version: Option<String>,
    pub(super) items: Vec<FlowSummary>,
    pub(super) credentials: Vec<FlowCredential>,
    /// Names of variables; their values are not shown.
    pub(super) variables: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) projects: Vec<FlowProject>,
    /// Names of workflows that no n8n could read.
    pub(super) unreadable: Vec<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchFlowsQuery {
    /// In names, ids, tags, folders, types of nodes and names of credentials; everything if absent.
    pub(super) q: Option<String>,
    /// Only workflows that n8n does not have any more.
    pub(super) deleted: Option<bool>,
    /// Most hits, 1 to 200; 50 if absent.
    pub(super) limit: Option<i64>,
    /// Hits to pass over.
    pub(super) offset: Option<i64>,
}

/// A workflow that was seen in some backup.
#[derive(Serialize, ToSchema)]
pub(super) struct FlowHit {
    pub(super) id: String,
    /// Its newest name.
    pub(super) name: String,
    pub(super) node_count: i32,
    pub(super) tags: Vec<String>,
    pub(super) folder: String,
    /// Whether n8n has it now.
    pub(super) is_live: bool,
    pub(super) updated_at: Option<DateTime<Utc>>,
    pub(super) first_seen_at: DateTime<Utc>,
    pub(super) last_seen_at: DateTime<Utc>,
    /// How many versions of it can be had.
    pub(super) version_count: i64,
    /// In how many backups and archives it is.
    pub(super) place_count: i64,
    /// The newest of them, as in `backup:12`.
    pub(super) newest: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct FlowHits {
    pub(super) items: Vec<FlowHit>,
    pub(super) has_more: bool,
    /// Backups that were not looked into yet.
    pub(super) pending_backups: usize,
}

/// A version of a workflow.
#[derive(Serialize, ToSchema)]
pub(super) struct FlowVersion {
    /// `live`, `backup:12`, `archive:3` or `history:<id>`.
    pub(super) version: String,
    /// When it was so.
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) name: Option<String>,
    pub(super) content_sha256: Option<String>,
    pub(super) node_count: usize,
    pub(super) is_active: Option<bool>,
    /// Who saved it, in n8n's own history.
    pub(super) authors: Option<String>,
    /// Whether the next older one is the same.
    pub(super) is_unchanged: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct FlowHistory {
    pub(super) versions: Vec<FlowVersion>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionQuery {
    /// `live`, `backup:12`, `archive:3`, `history:<id>` or `safety:7`; `live` if absent.
    pub(super) version: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffQuery {
    /// The old version, as in `backup:12`.
    pub(super) from: String,
    /// The new version; `live` if absent.
    pub(super) to: Option<String>,
}

/// What differs between two versions, and both of them as n8n exports them.
#[derive(Serialize, ToSchema)]
pub(super) struct FlowComparison {
    pub(super) diff: FlowDiff,
    #[schema(value_type = Object)]
    pub(super) old: Value,
    #[schema(value_type = Object)]
    pub(super) new: Value,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportFlowsRequest {
    /// Which workflows; all of them if absent.
    pub(super) ids: Option<BTreeSet<String>>,
    /// Of which version, as in `backup:12`; `live` if absent.
    pub(super) version: Option<String>,
}

/// An archive that somebody uploaded.
#[derive(Serialize, ToSchema)]
pub(super) struct FlowArchive {
    pub(super) id: i32,
    pub(super) name: String,
    /// What came, in bytes.
    pub(super) original_bytes: i64,
    /// What was kept of it, in bytes.
    pub(super) stored_bytes: i64,
    pub(super) uploaded_at: DateTime<Utc>,
    pub(super) workflow_count: i64,
    pub(super) n8n_version: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct FlowArchives {
    pub(super) items: Vec<FlowArchive>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadQuery {
    /// The file's name.
    pub(super) name: String,
}

impl From<Listed> for FlowSummary {
    fn from(listed: Listed) -> Self {
        let flow = &listed.flow;
        Self {
            id: flow.id().to_owned(),
            name: flow.name().to_owned(),
            is_active: flow.is_active(),
            is_archived: flow.is_archived(),
            tags: flow.tags.iter().map(|tag| tag.name.clone()).collect(),
            folder: flow.folder.join(" / "),
            project: flow.project.as_ref().map(|project| project.name.clone()),
            node_count: listed.node_count,
            updated_at: flow.updated_at(),
            node_types: listed.node_types,
            credentials: listed
                .credentials
                .into_iter()
                .map(|one| FlowCredential {
                    id: one.id,
                    name: one.name,
                    kind: one.kind,
                })
                .collect(),
            content_sha256: listed.sha256,
        }
    }
}

impl From<Sighting> for FlowSummary {
    fn from(seen: Sighting) -> Self {
        Self {
            id: seen.workflow_id,
            name: seen.name,
            is_active: seen.is_active,
            is_archived: seen.is_archived,
            tags: seen.tags,
            folder: seen.folder,
            project: seen.project,
            node_count: usize::try_from(seen.node_count).unwrap_or(0),
            node_types: seen.node_types,
            credentials: credentials(&seen.credentials),
            updated_at: seen.updated_at,
            content_sha256: seen.content_sha256,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn credentials(value: &Value) -> Vec<FlowCredential> {
    let all = value.as_array().into_iter().flatten();
    all.map(|one| FlowCredential {
        id: text(&one["id"]),
        name: text(&one["name"]),
        kind: text(&one["type"]),
    })
    .collect()
}

impl From<Contents> for FlowContents {
    fn from(contents: Contents) -> Self {
        let inventory = &contents.snapshot.inventory;
        let list = |name: &str| {
            let all = inventory[name].as_array().into_iter().flatten();
            all.map(text).collect::<Vec<_>>()
        };
        let projects = inventory["projects"].as_array().into_iter().flatten();
        let unreadable = contents
            .snapshot
            .unreadable
            .as_array()
            .into_iter()
            .flatten();
        Self {
            taken_at: contents.snapshot.taken_at,
            n8n_version: contents.snapshot.n8n_version.clone(),
            credentials: credentials(&inventory["credentials"]),
            variables: list("variables"),
            tags: list("tags"),
            projects: projects
                .map(|one| FlowProject {
                    id: text(&one["id"]),
                    name: text(&one["name"]),
                    kind: text(&one["type"]),
                })
                .collect(),
            unreadable: unreadable.map(text).collect(),
            items: contents.flows.into_iter().map(FlowSummary::from).collect(),
        }
    }
}

impl FlowHit {
    pub(super) fn new(hit: Hit, live: &BTreeSet<String>) -> Self {
        let place = hit.backup_id.map(Place::Backup);
        let place = place.or_else(|| hit.archive_id.map(Place::Archive));
        Self {
            is_live: live.contains(&hit.workflow_id),
            id: hit.workflow_id,
            name: hit.name,
            node_count: hit.node_count,
            tags: hit.tags,
            folder: hit.folder,
            updated_at: hit.updated_at,
            first_seen_at: hit.first_seen_at,
            last_seen_at: hit.last_seen_at,
            version_count: hit.version_count,
            place_count: hit.place_count,
            newest: place.map(|place| place.to_string()).unwrap_or_default(),
        }
    }
}

impl From<HistoryEntry> for FlowVersion {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            version: entry.version,
            at: entry.at,
            name: entry.name,
            content_sha256: entry.sha256,
            node_count: entry.node_count,
            is_active: entry.is_active,
            authors: entry.authors,
            is_unchanged: entry.is_unchanged,
        }
    }
}

impl From<Upload> for FlowArchive {
    fn from(upload: Upload) -> Self {
        Self {
            id: upload.id,
            name: upload.name,
            original_bytes: upload.original_bytes,
            stored_bytes: upload.stored_bytes,
            uploaded_at: upload.uploaded_at,
            workflow_count: upload.workflow_count,
            n8n_version: upload.n8n_version,
        }
    }
}
