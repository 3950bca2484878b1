//! `/api/flows`: what is there, now and in every backup.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::service::Origin;
use super::wire::{
    DiffQuery, ExportFlowsRequest, FlowArchive, FlowArchives, FlowComparison, FlowContents,
    FlowHistory, FlowHit, FlowHits, FlowList, FlowSummary, FlowVersion, SearchFlowsQuery,
    UploadQuery, VersionQuery,
};
use super::{FlowError, FlowService, Place, VersionRef, restore};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::platform::http::{ApiError, Json, Path, Query, sentence};

/// Hits on a page when the caller does not say.
const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// The routes of workflows.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_flows))
        .routes(routes!(export_flow))
        .routes(routes!(export_flows))
        .routes(routes!(list_flows_of_backup))
        .routes(routes!(list_flows_of_archive))
        .routes(routes!(search_flows))
        .routes(routes!(get_flow_history))
        .routes(routes!(get_flow_version))
        .routes(routes!(diff_flow))
        .routes(routes!(list_flow_archives, upload_flow_archive))
        .routes(routes!(delete_flow_archive))
        .merge(restore::router())
}

impl From<FlowError> for ApiError {
    fn from(error: FlowError) -> Self {
        let message = error.to_string();
        match error {
            FlowError::NoFlow(..)
            | FlowError::Unknown(_)
            | FlowError::NoArchive(_)
            | FlowError::NoRestore(_) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", sentence(&message))
            }
            FlowError::Invalid { field, why } => Self::invalid(field, why),
            FlowError::NoFlowsIn(_) => Self::conflict("no_flows", sentence(&message)),
            FlowError::Unreadable(..) => Self::conflict("archive_unreadable", sentence(&message)),
            FlowError::Upload(why) => Self::invalid("file", why),
            FlowError::Conflict { code, message } => Self::conflict(code, message),
            FlowError::N8n(error) => error.into(),
            FlowError::Backup(error) => error.into(),
            FlowError::Io(error) => Self::internal(&error),
            FlowError::Database(error) => error.into(),
        }
    }
}

/// Reads which version is meant.
pub(super) fn version_of(field: &'static str, text: Option<&str>) -> Result<VersionRef, ApiError> {
    let parsed = text.unwrap_or("live").parse();
    parsed.map_err(|why: &str| ApiError::invalid(field, why))
}

/// List the workflows that n8n has now.
#[utoipa::path(get, path = "/api/flows/list", tag = "flows", responses((status = 200, body = FlowList)))]
async fn list_flows(
    State(flows): State<FlowService>,
    _: CurrentUser,
) -> Result<Json<FlowList>, ApiError> {
    let live = flows.live().await?;
    Ok(Json(FlowList {
        origin: match live.origin {
            Origin::Database => "database",
            Origin::Api => "api",
        },
        items: live.listed.into_iter().map(FlowSummary::from).collect(),
    }))
}

/// Hand a workflow out as n8n's import reads it.
#[utoipa::path(get, path = "/api/flows/export/{id}", tag = "flows", params(("id" = String, Path,), VersionQuery),
    responses((status = 200, content_type = "application/json", body = Object)))]
async fn export_flow(
    State(flows): State<FlowService>,
    user: CurrentUser,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Result<Response, ApiError> {
    let version = version_of("version", query.version.as_deref())?;
    let (name, flow) = flows.export(&user.actor(), &version, &id).await?;
    let content = serde_json::to_vec_pretty(&flow).map_err(|error| ApiError::internal(&error))?;
    Ok(attachment(&name, "application/json", content))
}

/// Hand many workflows out in a zip; n8n's import reads each.
#[utoipa::path(post, path = "/api/flows/export/bulk", tag = "flows", request_body = ExportFlowsRequest,
    responses((status = 200, content_type = "application/zip")))]
async fn export_flows(
    State(flows): State<FlowService>,
    user: CurrentUser,
    Json(request): Json<ExportFlowsRequest>,
) -> Result<Response, ApiError> {
    let version = version_of("version", request.version.as_deref())?;
    let packed = flows
        .export_many(&user.actor(), &version, request.ids)
        .await?;
    Ok(attachment("n8n-workflows.zip", "application/zip", packed))
}

fn attachment(name: &str, kind: &'static str, content: Vec<u8>) -> Response {
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    let disposition = format!("attachment; filename*=UTF-8''{encoded}");
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// List what is in a backup, without restoring it.
#[utoipa::path(get, path = "/api/flows/from-backup/{backup_id}", tag = "flows", params(("backup_id" = i32, Path,)),
    responses((status = 200, body = FlowContents)))]
async fn list_flows_of_backup(
    State(flows): State<FlowService>,
    _: CurrentUser,
    Path(backup_id): Path<i32>,
) -> Result<Json<FlowContents>, ApiError> {
    let contents = flows.contents(Place::Backup(backup_id)).await?;
    Ok(Json(contents.into()))
}

/// List what is in an uploaded archive.
#[utoipa::path(get, path = "/api/flows/from-archive/{archive_id}", tag = "flows", params(("archive_id" = i32, Path,)),
    responses((status = 200, body = FlowContents)))]
async fn list_flows_of_archive(
    State(flows): State<FlowService>,
    _: CurrentUser,
    Path(archive_id): Path<i32>,
) -> Result<Json<FlowContents>, ApiError> {
    let contents = flows.contents(Place::Archive(archive_id)).await?;
    Ok(Json(contents.into()))
}

/// Search the workflows of all backups and archives.
#[utoipa::path(get, path = "/api/flows/search", tag = "flows", params(SearchFlowsQuery),
    responses((status = 200, body = FlowHits)))]
async fn search_flows(
    State(flows): State<FlowService>,
    _: CurrentUser,
    Query(query): Query<SearchFlowsQuery>,
) -> Result<Json<FlowHits>, ApiError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::invalid("limit", "must be between 1 and 200"));
    }
    let offset = query.offset.unwrap_or(0);
    if !(0..=1_000_000).contains(&offset) {
        return Err(ApiError::invalid("offset", "must be between 0 and 1000000"));
    }
    let text = query.q.unwrap_or_default();
    if text.chars().count() > 200 {
        return Err(ApiError::invalid("q", "must be at most 200 characters"));
    }
    let deleted = query.deleted.unwrap_or(false);
    let (mut hits, live, pending_backups) = flows.search(&text, deleted, limit + 1, offset).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = hits.len() > limit;
    hits.truncate(limit);
    Ok(Json(FlowHits {
        items: hits
            .into_iter()
            .map(|hit| FlowHit::new(hit, &live))
            .collect(),
        has_more,
        pending_backups,
    }))
}

/// List every version of a workflow that can be had.
#[utoipa::path(get, path = "/api/flows/history/{id}", tag = "flows", params(("id" = String, Path,)),
    responses((status = 200, body = FlowHistory)))]
async fn get_flow_history(
    State(flows): State<FlowService>,
    _: CurrentUser,
    Path(id): Path<String>,
) -> Result<Json<FlowHistory>, ApiError> {
    let versions = flows.history(&id).await?;
    Ok(Json(FlowHistory {
        versions: versions.into_iter().map(FlowVersion::from).collect(),
    }))
}

/// Show a version of a workflow.
#[utoipa::path(get, path = "/api/flows/version/{id}", tag = "flows", params(("id" = String, Path,), VersionQuery),
    responses((status = 200, body = Object)))]
async fn get_flow_version(
    State(flows): State<FlowService>,
    _: CurrentUser,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Result<Json<Value>, ApiError> {
    let version = version_of("version", query.version.as_deref())?;
    Ok(Json(flows.flow(&version, &id).await?.export()))
}

/// Tell what differs between two versions of a workflow.
#[utoipa::path(get, path = "/api/flows/diff/{id}", tag = "flows", params(("id" = String, Path,), DiffQuery),
    responses((status = 200, body = FlowComparison)))]
async fn diff_flow(
    State(flows): State<FlowService>,
    _: CurrentUser,
    Path(id): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<FlowComparison>, ApiError> {
    let old = version_of("from", Some(&query.from))?;
    let new = version_of("to", query.to.as_deref())?;
    let (diff, old, new) = flows.diff(&id, &old, &new).await?;
    Ok(Json(FlowComparison {
        diff,
        old: old.export(),
        new: new.export(),
    }))
}

/// List uploaded archives.
#[utoipa::path(get, path = "/api/flows/archives", tag = "flows", responses((status = 200, body = FlowArchives)))]
async fn list_flow_archives(
    State(flows): State<FlowService>,
    _: CurrentUser,
) -> Result<Json<FlowArchives>, ApiError> {
    let uploads = flows.uploads().await?;
    Ok(Json(FlowArchives {
        items: uploads.into_iter().map(FlowArchive::from).collect(),
    }))
}

/// Upload an archive: pg_dump's custom format or plain SQL, or workflows that n8n exported, also compressed.
#[utoipa::path(post, path = "/api/flows/archives", tag = "flows", params(UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = FlowArchive)))]
async fn upload_flow_archive(
    State(flows): State<FlowService>,
    user: CurrentUser,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> Result<(StatusCode, Json<FlowArchive>), ApiError> {
    let upload = flows
        .take_upload(&user.actor(), &query.name, body.into_data_stream())
        .await?;
    Ok((StatusCode::CREATED, Json(upload.into())))
}

/// Delete an uploaded archive.
#[utoipa::path(delete, path = "/api/flows/archives/{id}", tag = "flows", params(("id" = i32, Path,)), responses((status = 204)))]
async fn delete_flow_archive(
    State(flows): State<FlowService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    flows.delete_upload(&user.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
