//! `/api/backups` (but for verification) and `/api/overview`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use tower_http::services::ServeFile;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encryption_route;
use super::events_route;
use super::files::BackupFiles;
use super::growth_route;
use super::model::{Backup as Row, BackupType, TableCount, Trigger};
use super::overview_route;
use super::run::RunRequest;
use super::store::Filter;
use super::{BackupError, BackupService, Manifest};
use crate::app::AppState;
use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::platform::db::page::{Page, PageQuery, PageRequest};
use crate::platform::http::{ApiError, Json, Path, Query};

/// The routes of backups.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(run_backup))
        .routes(routes!(list_backups))
        .routes(routes!(get_backup))
        .routes(routes!(cancel_backup))
        .routes(routes!(download_backup))
        .routes(routes!(download_manifest))
        .routes(routes!(delete_backup))
        .routes(routes!(pin_backup))
        .routes(routes!(
            encryption_route::get_backup_encryption,
            encryption_route::set_backup_encryption
        ))
        .routes(routes!(encryption_route::rotate_backup_key))
        .routes(routes!(growth_route::get_growth))
        .routes(routes!(events_route::follow_backups))
        .routes(routes!(overview_route::get_overview))
}

/// A backup.
#[derive(Serialize, ToSchema)]
pub struct Backup {
    id: i32,
    backup_type: String,
    /// `running`, `success` or `failed`.
    status: String,
    failure_code: Option<String>,
    error_message: Option<String>,
    database_name: Option<String>,
    filename: String,
    storage_location: Option<String>,
    /// Bytes of the uncompressed archive.
    file_size: Option<i64>,
    /// Bytes on disk.
    compressed_size: Option<i64>,
    compression: Option<String>,
    /// `age` if the file is encrypted in that tool's format.
    encryption: Option<String>,
    /// SHA-256 of the file.
    checksum: Option<String>,
    started_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    duration_ms: Option<i64>,
    postgres_version: Option<String>,
    n8n_version: Option<String>,
    table_count: Option<i32>,
    row_count: Option<i64>,
    /// `pending`, `running`, `passed`, `failed` or `skipped`.
    verification_status: String,
    verification_date: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
    deleted_by: Option<String>,
    trigger: String,
    is_sample: bool,
    /// Whether it stays whatever the policy says.
    is_pinned: bool,
}

/// A backup with everything that is known of it.
#[derive(Serialize, ToSchema)]
struct BackupDetail {
    #[serde(flatten)]
    backup: Backup,
    tables: Vec<TableCount>,
    #[schema(value_type = Option<Object>)]
    manifest: Option<Manifest>,
    is_file_present: bool,
    is_last_good: bool,
    is_last_verified: bool,
    /// What restores it without Flowkeep.
    restore_command: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunBackupRequest {
    backup_type: BackupType,
    /// `zstd`, `gzip` or `none`; the settings' way if absent.
    compression: Option<CompressionName>,
    /// 1 to 19 for zstd, 1 to 9 for gzip.
    compression_level: Option<i64>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CompressionName {
    Zstd,
    Gzip,
    None,
}

#[derive(Serialize, ToSchema)]
struct RunBackupResponse {
    /// The run's number.
    id: i32,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BackupQuery {
    /// `postgres_n8n`, `postgres_mgmt`, `postgres_full`, `n8n_config` or `flows`.
    backup_type: Option<String>,
    /// `running`, `success` or `failed`.
    status: Option<String>,
    /// `pending`, `running`, `passed`, `failed` or `skipped`.
    verification_status: Option<String>,
    /// Also those whose file was deleted.
    include_deleted: Option<bool>,
    /// Most items to return, 1 to 200; 50 if absent.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PinBackupRequest {
    is_pinned: bool,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteBackupQuery {
    /// `last_good` to delete even the newest good or proven backup.
    confirm: Option<String>,
}

impl From<Row> for Backup {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            backup_type: row.backup_type,
            status: row.status,
            failure_code: row.failure_code,
            error_message: row.error_message,
            database_name: row.database_name,
            filename: row.filename,
            storage_location: row.storage_location,
            file_size: row.file_size,
            compressed_size: row.compressed_size,
            compression: row.compression,
            encryption: row.encryption,
            checksum: row.checksum,
            started_at: row.started_at,
            completed_at: row.completed_at,
            duration_ms: row.duration_ms,
            postgres_version: row.postgres_version,
            n8n_version: row.n8n_version,
            table_count: row.table_count,
            row_count: row.total_rows,
            verification_status: row
                .verification_status
                .unwrap_or_else(|| "pending".to_owned()),
            verification_date: row.verification_date,
            deleted_at: row.deleted_at,
            deleted_by: row.deleted_by,
            trigger: row.trigger,
            is_sample: row.is_sample,
            is_pinned: row.is_pinned,
        }
    }
}

impl From<BackupError> for ApiError {
    fn from(error: BackupError) -> Self {
        let message = error.to_string();
        match error {
            BackupError::NotFound(id) => Self::not_found(format!("backup {id}")),
            BackupError::AlreadyRunning(id) => {
                Self::conflict("backup_already_running", message).with_field("id", id)
            }
            BackupError::NotRunning(_) => Self::conflict("backup_not_running", message),
            BackupError::Compression(why) => Self::invalid("compression_level", why),
            BackupError::Recipient(why) => Self::invalid("recipients", why),
            BackupError::NoIdentity => Self::conflict("no_backup_key", message),
            BackupError::Settings(error) => error.into(),
            BackupError::NoConfigPaths => Self::conflict("no_config_paths", message),
            BackupError::FileMissing(_) => {
                Self::new(StatusCode::GONE, "backup_file_missing", message)
            }
            BackupError::LastGood(_) => Self::conflict("last_good_backup", message),
            BackupError::InUse(_) => Self::conflict("backup_in_use", message),
            BackupError::N8n(error) => error.into(),
            BackupError::Lock(_) | BackupError::Read(_) => Self::internal(&error),
            BackupError::Database(error) => error.into(),
        }
    }
}

/// Back up now.
#[utoipa::path(post, path = "/api/backups/run", tag = "backups", request_body = RunBackupRequest,
    responses((status = 202, body = RunBackupResponse)))]
async fn run_backup(
    State(backups): State<BackupService>,
    user: CurrentUser,
    Json(request): Json<RunBackupRequest>,
) -> Result<(StatusCode, Json<RunBackupResponse>), ApiError> {
    let compression = match (request.compression, request.compression_level) {
        (None, None) => None,
        (name, level) => Some(backups.named_compression(
            match name {
                Some(CompressionName::Gzip) => "gzip",
                Some(CompressionName::None) => "none",
                _ => "zstd",
            },
            level,
        )),
    };
    let run = RunRequest {
        backup_type: request.backup_type,
        compression,
        trigger: Trigger::Manual,
        scheduled: None,
    };
    let id = backups.start(&user.actor(), run).await?;
    Ok((StatusCode::ACCEPTED, Json(RunBackupResponse { id })))
}

/// List backups, newest first.
#[utoipa::path(get, path = "/api/backups/history", tag = "backups", params(BackupQuery), responses((status = 200, body = Page<Backup>)))]
async fn list_backups(
    State(backups): State<BackupService>,
    _: CurrentUser,
    Query(query): Query<BackupQuery>,
) -> Result<Json<Page<Backup>>, ApiError> {
    let page = PageRequest::try_from(&PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    })?;
    if let Some(kind) = &query.backup_type
        && BackupType::find(kind).is_none()
    {
        return Err(ApiError::invalid(
            "backup_type",
            "must be postgres_n8n, postgres_mgmt, postgres_full, n8n_config or flows",
        ));
    }
    let filter = Filter {
        backup_type: query.backup_type,
        status: query.status,
        verification_status: query.verification_status,
        include_deleted: query.include_deleted.unwrap_or(false),
    };
    let rows = backups
        .list(&filter, page.before_id, page.limit + 1)
        .await?;
    Ok(Json(
        Page::from_rows(rows, page.limit, |row| i64::from(row.id)).map(Backup::from),
    ))
}

/// Tell everything about a backup.
#[utoipa::path(get, path = "/api/backups/history/{id}", tag = "backups", params(("id" = i32, Path,)), responses((status = 200, body = BackupDetail)))]
async fn get_backup(
    State(backups): State<BackupService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<BackupDetail>, ApiError> {
    let row = backups.get(id).await?;
    let (is_last_good, is_last_verified) = backups.standing(&row).await?;
    Ok(Json(BackupDetail {
        tables: backups.tables(id).await?,
        manifest: backups.manifest(&row),
        is_file_present: backups.is_file_present(&row),
        is_last_good,
        is_last_verified,
        restore_command: restore_command(&row),
        backup: row.into(),
    }))
}

fn restore_command(row: &Row) -> String {
    let read = match row.compression.as_deref() {
        Some("zstd") => "zstd -dc",
        Some("gzip") => "gzip -dc",
        _ => "cat",
    };
    let file = &row.filename;
    match BackupType::find(&row.backup_type) {
        Some(BackupType::N8nConfig) => {
            format!("{read} {file} | tar -x --strip-components=1 -C /")
        }
        Some(BackupType::Flows) => {
            format!("{read} {file} | tar -x && n8n import:workflow --separate --input=workflows/")
        }
        Some(BackupType::PostgresFull) => format!(
            "tar -xf {file} && createdb n8n_restored && zstd -dc 01-*.dump.zst | pg_restore \
             --no-owner --exit-on-error --dbname=n8n_restored"
        ),
        _ => format!(
            "createdb n8n_restored && {read} {file} | pg_restore --no-owner --exit-on-error \
             --dbname=n8n_restored"
        ),
    }
}

/// Ask a running backup to stop.
#[utoipa::path(post, path = "/api/backups/history/{id}/cancel", tag = "backups", params(("id" = i32, Path,)), responses((status = 202)))]
async fn cancel_backup(
    State(backups): State<BackupService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    backups.cancel(&user.actor(), id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Download a backup's file; parts of it by `Range`.
#[utoipa::path(get, path = "/api/backups/download/{id}", tag = "backups", params(("id" = i32, Path,)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206)))]
async fn download_backup(
    State(backups): State<BackupService>,
    user: CurrentUser,
    Path(id): Path<i32>,
    request: Request,
) -> Result<Response, ApiError> {
    let file = backups.download(&user.actor(), id).await?;
    let response = serve(&file.path, request, &file.sha256).await?;
    // Nothing deletes the file under a download.
    let lease = backups.lease(id);
    Ok(response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _ = &lease;
            frame
        }))
    }))
}

/// Download the manifest beside a backup's file.
#[utoipa::path(get, path = "/api/backups/download/{id}/manifest", tag = "backups", params(("id" = i32, Path,)),
    responses((status = 200, content_type = "application/json")))]
async fn download_manifest(
    State(backups): State<BackupService>,
    _: CurrentUser,
    Path(id): Path<i32>,
    request: Request,
) -> Result<Response, ApiError> {
    let file = backups.get_file(id).await?;
    serve(
        &BackupFiles::manifest_path(&file.path),
        request,
        &format!("{}-m", file.sha256),
    )
    .await
}

async fn serve(path: &std::path::Path, request: Request, tag: &str) -> Result<Response, ApiError> {
    let unreadable = |error: &(dyn std::error::Error + 'static)| ApiError::internal(error);
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let served = ServeFile::new_with_mime(path, &mime_guess::mime::APPLICATION_OCTET_STREAM)
        .oneshot(request)
        .await
        .map_err(|error| unreadable(&error))?;
    let mut response = served.into_response();
    let headers = response.headers_mut();
    // File names are made by us of letters, digits, dots and dashes.
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    headers.insert(
        header::CONTENT_DISPOSITION,
        disposition.map_err(|error| unreadable(&error))?,
    );
    let tag = HeaderValue::from_str(&format!("\"{tag}\"")).map_err(|error| unreadable(&error))?;
    headers.insert(header::ETAG, tag);
    // The file is compressed already; the layer that compresses answers leaves it alone.
    headers.insert(
        header::CONTENT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    Ok(response)
}

/// Delete a backup's file. Its record stays.
#[utoipa::path(delete, path = "/api/backups/{id}", tag = "backups", params(("id" = i32, Path,), DeleteBackupQuery), responses((status = 204)))]
async fn delete_backup(
    State(backups): State<BackupService>,
    Reauthenticated(user): Reauthenticated,
    Path(id): Path<i32>,
    Query(query): Query<DeleteBackupQuery>,
) -> Result<StatusCode, ApiError> {
    let is_confirmed = query.confirm.as_deref() == Some("last_good");
    backups.delete(&user.actor(), id, is_confirmed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a backup stay whatever the policy says, or let it go again.
#[utoipa::path(put, path = "/api/backups/{id}/pin", tag = "backups", params(("id" = i32, Path,)),
    request_body = PinBackupRequest, responses((status = 200, body = Backup)))]
async fn pin_backup(
    State(backups): State<BackupService>,
    user: CurrentUser,
    Path(id): Path<i32>,
    Json(request): Json<PinBackupRequest>,
) -> Result<Json<Backup>, ApiError> {
    let row = backups.pin(&user.actor(), id, request.is_pinned).await?;
    Ok(Json(row.into()))
}
