//! `/api/backups/destinations`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::{Where, check_secret};
use super::s3::S3Config;
use super::service::Standing;
use super::sftp::{SftpConfig, SftpSecret};
use super::ssh;
use super::{DestinationError, DestinationService};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::platform::http::{ApiError, Json, Path};

/// The routes of destinations.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_destinations, create_destination))
        .routes(routes!(change_destination, delete_destination))
        .routes(routes!(test_destination))
        .routes(routes!(list_backup_copies))
        .routes(routes!(fetch_backup))
}

/// A further place for backups.
#[derive(Serialize, ToSchema)]
struct Destination {
    id: i32,
    name: String,
    /// `folder`, `s3` or `sftp`.
    kind: String,
    /// The folder, or how the place is called, as in `s3://nas:9000/bucket/folder`.
    path: String,
    /// The host key that an SFTP server must show; null for others.
    host_key: Option<String>,
    enabled: bool,
    created_at: DateTime<Utc>,
    last_checked_at: Option<DateTime<Utc>>,
    last_error_code: Option<String>,
    /// Why it could not be used last; null if it could.
    last_error: Option<String>,
    copied: i64,
    /// Copies that are still to be made.
    queued: i64,
    /// Bytes of the copies there.
    copied_bytes: i64,
    free_bytes: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct Destinations {
    items: Vec<Destination>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateDestinationRequest {
    name: String,
    /// A folder of this machine: another disk, or where a share is mounted. Give this, `s3` or `sftp`.
    path: Option<String>,
    s3: Option<S3Destination>,
    sftp: Option<SftpDestination>,
}

/// A bucket of S3 or of something that speaks like it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct S3Destination {
    /// As in `https://s3.eu-central-1.amazonaws.com` or `http://nas:9000`.
    endpoint: String,
    /// `us-east-1` if absent, which most other servers take.
    region: Option<String>,
    bucket: String,
    /// A folder in the bucket; its root if absent.
    prefix: Option<String>,
    access_key_id: String,
    #[schema(value_type = String)]
    secret_access_key: SecretString,
    /// Whether the bucket is part of the host's name; in the path if absent.
    virtual_host: Option<bool>,
}

/// A folder of another machine, over SFTP.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SftpDestination {
    host: String,
    /// 22 if absent.
    port: Option<u16>,
    user: String,
    /// A folder that is there already.
    folder: String,
    /// The key that the server must show, as in `ssh-ed25519 AAAA…`. If absent, the one it shows now is
    /// taken and kept.
    host_key: Option<String>,
    /// Give this or a private key.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    /// As ssh-keygen writes it, without a passphrase.
    #[schema(value_type = Option<String>)]
    private_key: Option<SecretString>,
}

impl CreateDestinationRequest {
    /// The place and what opens it.
    fn read(self) -> Result<(Where, Option<SecretString>), DestinationError> {
        let invalid = |field, why: &str| DestinationError::Invalid {
            field,
            why: why.to_owned(),
        };
        match (self.path, self.s3, self.sftp) {
            (Some(path), None, None) => Ok((Where::Folder(path.into()), None)),
            (None, Some(s3), None) => {
                check_secret("secret_access_key", &s3.secret_access_key)?;
                let config = S3Config {
                    endpoint: s3.endpoint.trim().to_owned(),
                    region: s3.region.unwrap_or_else(|| "us-east-1".to_owned()),
                    bucket: s3.bucket.trim().to_owned(),
                    prefix: s3
                        .prefix
                        .unwrap_or_default()
                        .trim()
                        .trim_end_matches('/')
                        .to_owned(),
                    access_key_id: s3.access_key_id.trim().to_owned(),
                    virtual_host: s3.virtual_host.unwrap_or(false),
                };
                Ok((Where::S3(config), Some(s3.secret_access_key)))
            }
            (None, None, Some(sftp)) => {
                let secret = match (sftp.password, sftp.private_key) {
                    (Some(password), None) => {
                        check_secret("password", &password)?;
                        SftpSecret::Password(password)
                    }
                    (None, Some(key)) => {
                        check_secret("private_key", &key)?;
                        SftpSecret::PrivateKey(key)
                    }
                    _ => return Err(invalid("password", "give a password or a private key")),
                };
                let config = SftpConfig {
                    host: sftp.host.trim().to_owned(),
                    port: sftp.port.unwrap_or(22),
                    user: sftp.user.trim().to_owned(),
                    folder: sftp.folder.trim().to_owned(),
                    host_key: sftp.host_key.map(|key| key.trim().to_owned()),
                };
                Ok((Where::Sftp(config), Some(ssh::secret_text(&secret))))
            }
            _ => Err(invalid(
                "path",
                "give a folder's path, s3 or sftp, and only one",
            )),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeDestinationRequest {
    enabled: bool,
    /// A new secret key of an S3 destination, or a new password of an SFTP one; the present one stays if
    /// absent.
    #[schema(value_type = Option<String>)]
    secret: Option<SecretString>,
    /// A new private key of an SFTP destination.
    #[schema(value_type = Option<String>)]
    private_key: Option<SecretString>,
}

/// A copy of a backup at a destination.
#[derive(Serialize, ToSchema)]
struct BackupCopy {
    destination_id: i32,
    destination: String,
    /// `queued`, `copied` or `removed`.
    status: String,
    attempts: i32,
    next_attempt_at: Option<DateTime<Utc>>,
    error: Option<String>,
    bytes: Option<i64>,
    copied_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct BackupCopies {
    items: Vec<BackupCopy>,
}

impl From<Standing> for Destination {
    fn from(standing: Standing) -> Self {
        let Standing {
            destination,
            totals,
            free_bytes,
        } = standing;
        Self {
            id: destination.id,
            name: destination.name,
            host_key: destination
                .config
                .get("host_key")
                .and_then(|key| key.as_str().map(str::to_owned)),
            kind: destination.kind,
            path: destination.path,
            enabled: destination.is_enabled,
            created_at: destination.created_at,
            last_checked_at: destination.last_checked_at,
            last_error_code: destination.last_error_code,
            last_error: destination.last_error,
            copied: totals.copied,
            queued: totals.queued,
            copied_bytes: totals.bytes,
            free_bytes,
        }
    }
}

impl From<DestinationError> for ApiError {
    fn from(error: DestinationError) -> Self {
        match error {
            DestinationError::NotFound(id) => Self::not_found(format!("destination {id}")),
            DestinationError::Invalid { field, why } => Self::invalid(field, why),
            DestinationError::Fetch(trouble) => Self::conflict(trouble.code, trouble.message),
            DestinationError::Vault(error) => Self::internal(&error),
            DestinationError::Backup(error) => error.into(),
            DestinationError::Database(error) => error.into(),
        }
    }
}

async fn all(destinations: &DestinationService) -> Result<Json<Destinations>, ApiError> {
    let standing = destinations.list().await?;
    Ok(Json(Destinations {
        items: standing.into_iter().map(Destination::from).collect(),
    }))
}

/// List the further places for backups.
#[utoipa::path(get, path = "/api/backups/destinations", tag = "destinations", responses((status = 200, body = Destinations)))]
async fn list_destinations(
    State(destinations): State<DestinationService>,
    _: CurrentUser,
) -> Result<Json<Destinations>, ApiError> {
    all(&destinations).await
}

/// Make a folder, a bucket or a folder of another machine a further place for backups.
#[utoipa::path(post, path = "/api/backups/destinations", tag = "destinations",
    request_body = CreateDestinationRequest, responses((status = 201, body = Destinations)))]
async fn create_destination(
    State(destinations): State<DestinationService>,
    user: CurrentUser,
    Json(request): Json<CreateDestinationRequest>,
) -> Result<(StatusCode, Json<Destinations>), ApiError> {
    let name = request.name.clone();
    let (place, secret) = request.read()?;
    destinations
        .create(&user.actor(), &name, place, secret)
        .await?;
    Ok((StatusCode::CREATED, all(&destinations).await?))
}

/// Switch a destination on or off, or give it a new password or key.
#[utoipa::path(put, path = "/api/backups/destinations/{id}", tag = "destinations", params(("id" = i32, Path,)),
    request_body = ChangeDestinationRequest, responses((status = 200, body = Destinations)))]
async fn change_destination(
    State(destinations): State<DestinationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
    Json(request): Json<ChangeDestinationRequest>,
) -> Result<Json<Destinations>, ApiError> {
    destinations
        .change(
            &user.actor(),
            id,
            request.enabled,
            request.secret,
            request.private_key,
        )
        .await?;
    all(&destinations).await
}

/// Forget a destination. What lies there stays.
#[utoipa::path(delete, path = "/api/backups/destinations/{id}", tag = "destinations", params(("id" = i32, Path,)),
    responses((status = 204)))]
async fn delete_destination(
    State(destinations): State<DestinationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    destinations.delete(&user.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a destination: is it mounted, can it be written.
#[utoipa::path(post, path = "/api/backups/destinations/{id}/test", tag = "destinations", params(("id" = i32, Path,)),
    responses((status = 200, body = Destinations)))]
async fn test_destination(
    State(destinations): State<DestinationService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<Destinations>, ApiError> {
    destinations.test(id).await?;
    all(&destinations).await
}

/// List the copies of a backup.
#[utoipa::path(get, path = "/api/backups/history/{id}/copies", tag = "destinations", params(("id" = i32, Path,)),
    responses((status = 200, body = BackupCopies)))]
async fn list_backup_copies(
    State(destinations): State<DestinationService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<BackupCopies>, ApiError> {
    let copies = destinations.copies_of(id).await?;
    let items = copies.into_iter().map(|(destination, copy)| BackupCopy {
        destination_id: copy.destination_id,
        destination,
        status: copy.status,
        attempts: copy.attempts,
        next_attempt_at: copy.next_attempt_at,
        error: copy.error,
        bytes: copy.bytes,
        copied_at: copy.copied_at,
    });
    Ok(Json(BackupCopies {
        items: items.collect(),
    }))
}

/// Bring a backup's file back from a destination that has a copy.
#[utoipa::path(post, path = "/api/backups/history/{id}/fetch", tag = "destinations", params(("id" = i32, Path,)),
    responses((status = 204)))]
async fn fetch_backup(
    State(destinations): State<DestinationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    destinations.fetch(&user.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
