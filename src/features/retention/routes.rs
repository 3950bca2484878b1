//! `/api/backups/retention`.

use std::collections::BTreeSet;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::plan::{DeleteReason, KeepReason, Policy};
use super::store::Row;
use super::{RetentionError, RetentionService};
use crate::app::AppState;
use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::features::backups::BackupType;
use crate::platform::http::{ApiError, Json, Path, Query};

/// The routes of retention.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_retention))
        .routes(routes!(set_retention))
        .routes(routes!(preview_retention))
        .routes(routes!(run_retention))
}

/// How long backups of one type stay.
#[derive(Serialize, ToSchema)]
struct RetentionPolicy {
    backup_type: BackupType,
    /// Hours of which one backup stays.
    keep_hourly: u32,
    /// Days of which one backup stays.
    keep_daily: u32,
    /// Weeks of which one backup stays.
    keep_weekly: u32,
    /// Months of which one backup stays.
    keep_monthly: u32,
    /// Most gigabytes for all of them; null for no limit.
    max_total_size_gb: Option<i32>,
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct RetentionPolicies {
    items: Vec<RetentionPolicy>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetRetentionRequest {
    keep_hourly: u32,
    keep_daily: u32,
    keep_weekly: u32,
    keep_monthly: u32,
    max_total_size_gb: Option<u32>,
}

/// Values in place of the saved ones.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PreviewQuery {
    keep_hourly: Option<u32>,
    keep_daily: Option<u32>,
    keep_weekly: Option<u32>,
    keep_monthly: Option<u32>,
    /// 0 for no limit.
    max_total_size_gb: Option<u32>,
}

/// What a policy does to one backup.
#[derive(Serialize, ToSchema)]
struct RetentionDecision {
    id: i32,
    database_name: Option<String>,
    started_at: DateTime<Utc>,
    compressed_size: Option<i64>,
    verification_status: Option<String>,
    is_pinned: bool,
    /// Why it stays; empty when it goes.
    keep: BTreeSet<KeepReason>,
    /// Why it goes; null when it stays.
    delete: Option<DeleteReason>,
}

#[derive(Serialize, ToSchema)]
struct RetentionPreview {
    /// Newest first.
    items: Vec<RetentionDecision>,
    would_delete: usize,
    /// Bytes on disk that would be free again.
    would_free_bytes: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunRetentionRequest {
    /// How many deletions were seen in the preview; more than that are refused.
    confirm_count: usize,
}

#[derive(Serialize, ToSchema)]
struct RunRetentionResponse {
    deleted: Vec<i32>,
}

impl RetentionPolicy {
    fn new(backup_type: BackupType, row: &Row) -> Self {
        let policy = row.policy();
        Self {
            backup_type,
            keep_hourly: policy.hourly,
            keep_daily: policy.daily,
            keep_weekly: policy.weekly,
            keep_monthly: policy.monthly,
            max_total_size_gb: row.max_total_size_gb,
            updated_at: row.updated_at,
        }
    }
}

impl From<RetentionError> for ApiError {
    fn from(error: RetentionError) -> Self {
        let message = error.to_string();
        match error {
            RetentionError::Invalid { field, why } => Self::invalid(field, why),
            RetentionError::NotConfirmed { would_delete, .. } => {
                Self::conflict("not_confirmed", message).with_field("would_delete", would_delete)
            }
            RetentionError::Backup(error) => error.into(),
            RetentionError::Database(error) => error.into(),
        }
    }
}

fn find_type(name: &str) -> Result<BackupType, ApiError> {
    BackupType::find(name).ok_or_else(|| ApiError::not_found(format!("backup type {name}")))
}

/// List how long backups of each type stay.
#[utoipa::path(get, path = "/api/backups/retention", tag = "retention", responses((status = 200, body = RetentionPolicies)))]
async fn list_retention(
    State(retention): State<RetentionService>,
    _: CurrentUser,
) -> Result<Json<RetentionPolicies>, ApiError> {
    let policies = retention.policies().await?;
    let items = policies
        .iter()
        .map(|(kind, row)| RetentionPolicy::new(*kind, row));
    Ok(Json(RetentionPolicies {
        items: items.collect(),
    }))
}

/// Set how long backups of a type stay. Nothing is deleted before the next hourly run.
#[utoipa::path(put, path = "/api/backups/retention/{backup_type}", tag = "retention",
    params(("backup_type" = String, Path,)), request_body = SetRetentionRequest,
    responses((status = 200, body = RetentionPolicies)))]
async fn set_retention(
    State(retention): State<RetentionService>,
    user: CurrentUser,
    Path(kind): Path<String>,
    Json(request): Json<SetRetentionRequest>,
) -> Result<Json<RetentionPolicies>, ApiError> {
    let counts = [
        request.keep_hourly,
        request.keep_daily,
        request.keep_weekly,
        request.keep_monthly,
    ];
    let kind = find_type(&kind)?;
    retention
        .set(&user.actor(), kind, counts, request.max_total_size_gb)
        .await?;
    list_retention(State(retention), user).await
}

/// Tell for each backup why it stays or goes; by the saved policy, or by other values.
#[utoipa::path(get, path = "/api/backups/retention/{backup_type}/preview", tag = "retention",
    params(("backup_type" = String, Path,), PreviewQuery), responses((status = 200, body = RetentionPreview)))]
async fn preview_retention(
    State(retention): State<RetentionService>,
    _: CurrentUser,
    Path(kind): Path<String>,
    Query(query): Query<PreviewQuery>,
) -> Result<Json<RetentionPreview>, ApiError> {
    let kind = find_type(&kind)?;
    let policies = retention.policies().await?;
    let saved = policies
        .iter()
        .find(|(other, _)| *other == kind)
        .map(|(_, row)| row.policy());
    let policy = saved.map(|saved| Policy {
        hourly: query.keep_hourly.unwrap_or(saved.hourly),
        daily: query.keep_daily.unwrap_or(saved.daily),
        weekly: query.keep_weekly.unwrap_or(saved.weekly),
        monthly: query.keep_monthly.unwrap_or(saved.monthly),
        max_total_bytes: match query.max_total_size_gb {
            None => saved.max_total_bytes,
            Some(0) => None,
            Some(gigabytes) => Some(u64::from(gigabytes) * 1_000_000_000),
        },
    });
    let foreseen = retention.preview(kind, policy).await?;
    let gone = foreseen.iter().filter(|one| one.decision.delete.is_some());
    let would_free_bytes = gone.filter_map(|one| one.backup.compressed_size).sum();
    let items: Vec<RetentionDecision> = foreseen
        .into_iter()
        .map(|one| RetentionDecision {
            id: one.backup.id,
            database_name: one.backup.database_name,
            started_at: one.backup.started_at,
            compressed_size: one.backup.compressed_size,
            verification_status: one.backup.verification_status,
            is_pinned: one.backup.is_pinned,
            keep: one.decision.keep,
            delete: one.decision.delete,
        })
        .collect();
    Ok(Json(RetentionPreview {
        would_delete: items.iter().filter(|item| item.delete.is_some()).count(),
        would_free_bytes,
        items,
    }))
}

/// Carry out a type's policy now.
#[utoipa::path(post, path = "/api/backups/retention/{backup_type}/run", tag = "retention",
    params(("backup_type" = String, Path,)), request_body = RunRetentionRequest,
    responses((status = 200, body = RunRetentionResponse)))]
async fn run_retention(
    State(retention): State<RetentionService>,
    Reauthenticated(user): Reauthenticated,
    Path(kind): Path<String>,
    Json(request): Json<RunRetentionRequest>,
) -> Result<Json<RunRetentionResponse>, ApiError> {
    let kind = find_type(&kind)?;
    let sweep = retention
        .sweep(&user.actor(), kind, Some(request.confirm_count))
        .await?;
    Ok(Json(RunRetentionResponse {
        deleted: sweep.deleted,
    }))
}
