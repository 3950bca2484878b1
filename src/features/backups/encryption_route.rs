//! `/api/backups/encryption`.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BackupService;
use super::encryption::Encryption;
use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::platform::http::{ApiError, Json};

/// How backups are encrypted.
#[derive(Serialize, ToSchema)]
pub struct BackupEncryption {
    /// Whether new backups are encrypted.
    enabled: bool,
    /// The public key of age that they are encrypted to; null while there is none. Its private key is in
    /// the recovery kit.
    public_key: Option<String>,
    /// Keys that are kept to open older backups.
    former_keys: usize,
    /// Further public keys that new backups are encrypted to.
    recipients: Vec<String>,
}

/// How new backups are to be encrypted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetBackupEncryptionRequest {
    enabled: bool,
    /// Further public keys of age (age1…), whose private ones you keep; none if absent.
    #[serde(default)]
    recipients: Vec<String>,
}

impl From<Encryption> for BackupEncryption {
    fn from(state: Encryption) -> Self {
        Self {
            enabled: state.is_enabled,
            public_key: state.public_key,
            former_keys: state.former_keys,
            recipients: state.recipients,
        }
    }
}

/// Tell how backups are encrypted.
#[utoipa::path(get, path = "/api/backups/encryption", tag = "backups", responses((status = 200, body = BackupEncryption)))]
pub async fn get_backup_encryption(
    State(backups): State<BackupService>,
    _: CurrentUser,
) -> Json<BackupEncryption> {
    Json(backups.encryption().into())
}

/// Encrypt new backups, or no longer. Those that are there stay as they are.
#[utoipa::path(put, path = "/api/backups/encryption", tag = "backups", request_body = SetBackupEncryptionRequest,
    responses((status = 200, body = BackupEncryption)))]
pub async fn set_backup_encryption(
    State(backups): State<BackupService>,
    Reauthenticated(user): Reauthenticated,
    Json(request): Json<SetBackupEncryptionRequest>,
) -> Result<Json<BackupEncryption>, ApiError> {
    let recipients = request.recipients.iter().map(|text| text.trim().to_owned());
    let state = backups
        .set_encryption(&user.actor(), request.enabled, recipients.collect())
        .await?;
    Ok(Json(state.into()))
}

/// Encrypt new backups to a new key. The former keys are kept for the older backups.
#[utoipa::path(post, path = "/api/backups/encryption/rotate", tag = "backups", responses((status = 200, body = BackupEncryption)))]
pub async fn rotate_backup_key(
    State(backups): State<BackupService>,
    Reauthenticated(user): Reauthenticated,
) -> Result<Json<BackupEncryption>, ApiError> {
    Ok(Json(backups.rotate_identity(&user.actor()).await?.into()))
}
