//! `/api/settings`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::registry::Kind;
use super::service::SettingView;
use super::{KeyInfo, SettingsError, SettingsService};
use crate::app::AppState;
use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::platform::http::{ApiError, Json, Path};

/// The routes of the settings.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_settings))
        .routes(routes!(get_encryption))
        .routes(routes!(rotate_encryption))
        .routes(routes!(change_setting, reset_setting))
}

/// A setting with its present value.
#[derive(Serialize, ToSchema)]
struct Setting {
    key: &'static str,
    category: &'static str,
    title: &'static str,
    description: &'static str,
    kind: Kind,
    /// Null for secrets, always.
    value: Value,
    default: Value,
    is_secret: bool,
    is_set: bool,
    updated_at: Option<DateTime<Utc>>,
    updated_by: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Settings {
    items: Vec<Setting>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeSettingRequest {
    value: Value,
}

/// How secrets are encrypted.
#[derive(Serialize, ToSchema)]
struct Encryption {
    master_key: MasterKeyInfo,
    keys: Vec<DataKey>,
    encrypted_values: u64,
}

#[derive(Serialize, ToSchema)]
struct MasterKeyInfo {
    /// `file` or `environment`.
    source: &'static str,
    path: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct DataKey {
    key_id: String,
    algorithm: String,
    created_at: DateTime<Utc>,
    rotated_at: Option<DateTime<Utc>>,
    is_active: bool,
}

impl From<SettingView> for Setting {
    fn from(view: SettingView) -> Self {
        Self {
            key: view.definition.name,
            category: view.definition.category,
            title: view.definition.title,
            description: view.definition.description,
            kind: view.definition.kind,
            value: view.value,
            default: view.definition.default_value(),
            is_secret: view.definition.is_secret(),
            is_set: view.is_set,
            updated_at: view.updated_at,
            updated_by: view.updated_by,
        }
    }
}

impl From<KeyInfo> for DataKey {
    fn from(key: KeyInfo) -> Self {
        Self {
            key_id: key.key_id,
            algorithm: key.algorithm,
            created_at: key.created_at,
            rotated_at: key.rotated_at,
            is_active: key.is_active,
        }
    }
}

impl From<SettingsError> for ApiError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Unknown(key) => Self::not_found(format!("setting {key}")),
            SettingsError::Invalid { why, .. } => Self::invalid("value", why),
            SettingsError::Vault(error) => Self::internal(&error),
            SettingsError::Database(error) => error.into(),
        }
    }
}

/// List every setting.
#[utoipa::path(get, path = "/api/settings", tag = "settings", responses((status = 200, body = Settings)))]
async fn list_settings(State(settings): State<SettingsService>, _: CurrentUser) -> Json<Settings> {
    Json(Settings {
        items: settings.list().into_iter().map(Setting::from).collect(),
    })
}

/// Change a setting.
#[utoipa::path(put, path = "/api/settings/{key}", tag = "settings", params(("key" = String, Path,)),
    request_body = ChangeSettingRequest, responses((status = 200, body = Setting)))]
async fn change_setting(
    State(settings): State<SettingsService>,
    user: CurrentUser,
    Path(key): Path<String>,
    Json(request): Json<ChangeSettingRequest>,
) -> Result<Json<Setting>, ApiError> {
    let key = SettingsService::find(&key)?;
    settings
        .change(&user.actor(), vec![(key, Some(request.value))], None)
        .await?;
    Ok(Json(settings.view(key.definition()).into()))
}

/// Give a setting its default again.
#[utoipa::path(delete, path = "/api/settings/{key}", tag = "settings", params(("key" = String, Path,)),
    responses((status = 200, body = Setting)))]
async fn reset_setting(
    State(settings): State<SettingsService>,
    user: CurrentUser,
    Path(key): Path<String>,
) -> Result<Json<Setting>, ApiError> {
    let key = SettingsService::find(&key)?;
    settings
        .change(&user.actor(), vec![(key, None)], None)
        .await?;
    Ok(Json(settings.view(key.definition()).into()))
}

/// Tell how secrets are encrypted.
#[utoipa::path(get, path = "/api/settings/encryption", tag = "settings", responses((status = 200, body = Encryption)))]
async fn get_encryption(
    State(settings): State<SettingsService>,
    _: CurrentUser,
) -> Result<Json<Encryption>, ApiError> {
    Ok(Json(encryption(&settings).await?))
}

/// Make a new data key and encrypt every secret under it.
#[utoipa::path(post, path = "/api/settings/encryption/rotate", tag = "settings", responses((status = 200, body = Encryption)))]
async fn rotate_encryption(
    State(settings): State<SettingsService>,
    Reauthenticated(user): Reauthenticated,
) -> Result<Json<Encryption>, ApiError> {
    settings.rotate_keys(&user.actor()).await?;
    Ok(Json(encryption(&settings).await?))
}

async fn encryption(settings: &SettingsService) -> Result<Encryption, SettingsError> {
    let (source, path) = settings.vault().master().source();
    Ok(Encryption {
        master_key: MasterKeyInfo { source, path },
        keys: settings
            .data_keys()
            .await?
            .into_iter()
            .map(DataKey::from)
            .collect(),
        encrypted_values: settings.count_sealed().await?,
    })
}
