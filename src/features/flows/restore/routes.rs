//! `/api/flows/restore`.

use std::collections::BTreeSet;

use axum::extract::State;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::plan::{Action, Item, Note, OnConflict, StaticData, Way, Wishes};
use super::service::RestoreRequest;
use super::store::{Restore, RestoreItem};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::features::flows::diff::{self, Fate};
use crate::features::flows::routes::version_of;
use crate::features::flows::{FlowError, FlowService};
use crate::platform::db::page::{Page, PageQuery, PageRequest};
use crate::platform::http::{ApiError, Json, Path, Query};

/// The routes of restores.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(restore_flows))
        .routes(routes!(preview_flow_restore))
        .routes(routes!(list_flow_restores))
        .routes(routes!(get_flow_restore))
        .routes(routes!(undo_flow_restore))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RestoreFlowsRequest {
    /// The backup they are in; or give `source`.
    backup_id: Option<i32>,
    /// Where they are, as in `backup:12`, `archive:3`, `history:<version>` or `safety:7`.
    source: Option<String>,
    /// The workflows' ids, 1 to 500.
    workflow_ids: BTreeSet<String>,
    /// What to do with a workflow that n8n has already; `skip` if absent.
    #[serde(default)]
    on_conflict: OnConflict,
    /// What becomes of what nodes remember between runs. If absent: kept when a workflow is overwritten,
    /// restored when it is created, cleared for a copy.
    static_data: Option<StaticData>,
    /// Whether credentials that n8n lacks come back too.
    #[serde(default)]
    with_credentials: bool,
    /// The encryption key of the n8n that the archive is of, if it is another than n8n's now.
    #[schema(value_type = Option<String>, format = Password)]
    source_encryption_key: Option<SecretString>,
    /// The project that new workflows belong to; the one they were in if absent.
    project_id: Option<String>,
    /// Whether workflows of a newer n8n are put into an older one.
    #[serde(default)]
    accept_newer: bool,
}

/// How many parts differ.
#[derive(Serialize, ToSchema)]
struct FlowChanges {
    nodes_added: usize,
    nodes_removed: usize,
    nodes_changed: usize,
    connections_changed: usize,
    fields_changed: usize,
}

/// What would be done with a workflow.
#[derive(Serialize, ToSchema)]
struct PlannedFlow {
    workflow_id: String,
    name: String,
    action: Action,
    way: Option<Way>,
    /// The name it will have.
    new_name: String,
    /// The id it will have; null when n8n chooses it.
    target_id: Option<String>,
    /// Whether it runs now.
    is_active_now: bool,
    static_data: StaticData,
    notes: Vec<Note>,
    /// What changes in what n8n has, if it is overwritten.
    changes: Option<FlowChanges>,
}

#[derive(Serialize, ToSchema)]
struct FlowRestorePreview {
    items: Vec<PlannedFlow>,
    /// What concerns all of them.
    notes: Vec<Note>,
    /// Whether the archive is of a newer n8n; then it must be accepted.
    is_newer: bool,
    /// How many would be written.
    write_count: usize,
}

/// A restore of workflows.
#[derive(Serialize, ToSchema)]
struct FlowRestore {
    id: i32,
    source: String,
    on_conflict: String,
    /// `running`, `done`, `partly` or `failed`.
    status: String,
    requested_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

/// What became of a workflow.
#[derive(Serialize, ToSchema)]
struct FlowRestoreItem {
    id: i32,
    workflow_id: String,
    name: String,
    /// `create`, `overwrite`, `rename`, `skip`, `same` or `refused`.
    action: String,
    /// `sql` or `api`.
    way: Option<String>,
    /// `pending`, `running`, `done`, `skipped` or `failed`.
    status: String,
    /// Why it was skipped or failed.
    message: Option<String>,
    /// The id it has in n8n.
    target_id: Option<String>,
    can_undo: bool,
    undone_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct FlowRestoreDetail {
    #[serde(flatten)]
    restore: FlowRestore,
    items: Vec<FlowRestoreItem>,
}

impl From<Restore> for FlowRestore {
    fn from(row: Restore) -> Self {
        Self {
            id: row.id,
            source: row.source,
            on_conflict: row.on_conflict,
            status: row.status,
            requested_at: row.requested_at,
            finished_at: row.finished_at,
        }
    }
}

impl From<RestoreItem> for FlowRestoreItem {
    fn from(row: RestoreItem) -> Self {
        Self {
            id: row.id,
            can_undo: row.can_undo(),
            workflow_id: row.workflow_id,
            name: row.name,
            action: row.action,
            way: row.way,
            status: row.status,
            message: row.message,
            target_id: row.target_id,
            undone_at: row.undone_at,
        }
    }
}

impl From<Item> for PlannedFlow {
    fn from(item: Item) -> Self {
        let changes = item
            .before
            .as_ref()
            .filter(|_| item.action == Action::Overwrite);
        let changes = changes.map(|live| {
            let found = diff::diff(live, &item.flow);
            let nodes = |fate| found.nodes.iter().filter(|node| node.fate == fate).count();
            let is_changed = |fate: Fate| fate != Fate::Same;
            FlowChanges {
                nodes_added: nodes(Fate::Added),
                nodes_removed: nodes(Fate::Removed),
                nodes_changed: nodes(Fate::Changed),
                connections_changed: found
                    .connections
                    .iter()
                    .filter(|one| is_changed(one.fate))
                    .count(),
                fields_changed: found.fields.len(),
            }
        });
        Self {
            changes,
            workflow_id: item.workflow_id,
            name: item.name,
            action: item.action,
            way: item.way,
            new_name: item.new_name,
            target_id: item.target_id,
            is_active_now: item.was_active,
            static_data: item.static_data,
            notes: item.notes,
        }
    }
}

impl TryFrom<RestoreFlowsRequest> for RestoreRequest {
    type Error = ApiError;

    fn try_from(request: RestoreFlowsRequest) -> Result<Self, ApiError> {
        let source = match (request.backup_id, request.source) {
            (Some(id), None) => format!("backup:{id}"),
            (None, Some(source)) => source,
            _ => {
                return Err(ApiError::invalid(
                    "source",
                    "give backup_id or source, one of them",
                ));
            }
        };
        Ok(Self {
            source: version_of("source", Some(&source))?,
            ids: request.workflow_ids,
            wishes: Wishes {
                on_conflict: request.on_conflict,
                static_data: request.static_data,
                with_credentials: request.with_credentials,
                project_id: request.project_id,
            },
            source_key: request.source_encryption_key,
            accept_newer: request.accept_newer,
        })
    }
}

async fn detail(flows: &FlowService, id: i32) -> Result<Json<FlowRestoreDetail>, FlowError> {
    let (restore, items) = flows.get_restore(id).await?;
    Ok(Json(FlowRestoreDetail {
        restore: restore.into(),
        items: items.into_iter().map(FlowRestoreItem::from).collect(),
    }))
}

/// Put workflows back into the running n8n, inactive.
#[utoipa::path(post, path = "/api/flows/restore", tag = "flows", request_body = RestoreFlowsRequest,
    responses((status = 200, body = FlowRestoreDetail)))]
async fn restore_flows(
    State(flows): State<FlowService>,
    user: CurrentUser,
    Json(request): Json<RestoreFlowsRequest>,
) -> Result<Json<FlowRestoreDetail>, ApiError> {
    let id = flows.restore(&user.actor(), request.try_into()?).await?;
    Ok(detail(&flows, id).await?)
}

/// Tell what a restore would do. Nothing is changed.
#[utoipa::path(post, path = "/api/flows/restore/preview", tag = "flows", request_body = RestoreFlowsRequest,
    responses((status = 200, body = FlowRestorePreview)))]
async fn preview_flow_restore(
    State(flows): State<FlowService>,
    _: CurrentUser,
    Json(request): Json<RestoreFlowsRequest>,
) -> Result<Json<FlowRestorePreview>, ApiError> {
    let mut planned = flows.plan_restore(&request.try_into()?).await?;
    let items = std::mem::take(&mut planned.items);
    let (notes, is_newer) = (std::mem::take(&mut planned.notes), planned.is_newer);
    planned.close().await;
    Ok(Json(FlowRestorePreview {
        write_count: items.iter().filter(|item| item.is_write()).count(),
        items: items.into_iter().map(PlannedFlow::from).collect(),
        notes,
        is_newer,
    }))
}

/// List restores of workflows.
#[utoipa::path(get, path = "/api/flows/restores", tag = "flows", params(PageQuery),
    responses((status = 200, body = Page<FlowRestore>)))]
async fn list_flow_restores(
    State(flows): State<FlowService>,
    _: CurrentUser,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<FlowRestore>>, ApiError> {
    let page = PageRequest::try_from(&query)?;
    let rows = flows.restores(page.before_id, page.limit).await?;
    let page = Page::from_rows(rows, page.limit, |row| i64::from(row.id));
    Ok(Json(page.map(FlowRestore::from)))
}

/// Tell what became of each workflow of a restore.
#[utoipa::path(get, path = "/api/flows/restores/{id}", tag = "flows", params(("id" = i32, Path,)),
    responses((status = 200, body = FlowRestoreDetail)))]
async fn get_flow_restore(
    State(flows): State<FlowService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<FlowRestoreDetail>, ApiError> {
    Ok(detail(&flows, id).await?)
}

/// Undo what a restore did with one workflow.
#[utoipa::path(post, path = "/api/flows/restores/items/{id}/undo", tag = "flows", params(("id" = i32, Path,)),
    responses((status = 204)))]
async fn undo_flow_restore(
    State(flows): State<FlowService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<http::StatusCode, ApiError> {
    flows.undo(&user.actor(), id).await?;
    Ok(http::StatusCode::NO_CONTENT)
}
