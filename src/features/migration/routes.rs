//! `/api/migration`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::Wanted;
use super::store::Phase;
use super::{MigrationError, MigrationService};
use crate::app::AppState;
use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::platform::http::{ApiError, Json};

/// The routes of the way from version 2.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_migration, run_migration))
        .routes(routes!(preview_migration))
        .routes(routes!(undo_migration))
}

/// A phase of taking version 2's configuration over.
#[derive(Serialize, ToSchema)]
struct MigrationPhase {
    /// `backup`, `settings`, `n8n`, `schedule`, `retention`, `destination` or `done`.
    phase: String,
    /// `in_progress`, `completed`, `failed` or `rolled_back`.
    status: String,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    /// The backup of Flowkeep's own database that was made before.
    backup_id: Option<i32>,
    /// What was done, or why it was left as it was.
    #[schema(value_type = Object)]
    details: Value,
    error: Option<String>,
    can_undo: bool,
    undo_until: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct Migration {
    phases: Vec<MigrationPhase>,
}

/// Version 2's configuration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MigrationRequest {
    /// The file's text: `KEY=value` lines. It holds secrets.
    #[schema(value_type = String)]
    config: SecretString,
}

/// What a file would change. No secret is in it.
#[derive(Serialize, ToSchema)]
struct MigrationPreview {
    has_database: bool,
    has_encryption_key: bool,
    /// `hourly`, `daily`, `weekly` or `monthly`; null if the file names no schedule.
    schedule: Option<String>,
    retention_days: Option<u32>,
    destination: Option<String>,
    settings: Vec<String>,
    /// Keys that mean nothing here.
    ignored: Vec<String>,
}

impl From<Wanted> for MigrationPreview {
    fn from(wanted: Wanted) -> Self {
        let settings = wanted.settings.iter();
        Self {
            has_database: wanted.database_url.is_some(),
            has_encryption_key: wanted.encryption_key.is_some(),
            schedule: wanted.when.map(|when| when.frequency.as_str().to_owned()),
            retention_days: wanted.retention_days,
            destination: wanted.destination.map(|path| path.display().to_string()),
            settings: settings
                .map(|(key, _)| key.definition().title.to_owned())
                .collect(),
            ignored: wanted.ignored,
        }
    }
}

impl From<Phase> for MigrationPhase {
    fn from(phase: Phase) -> Self {
        Self {
            can_undo: phase.status == "completed" && phase.rollback_available.unwrap_or(false),
            phase: phase.phase,
            status: phase.status,
            started_at: phase.started_at,
            completed_at: phase.completed_at,
            backup_id: phase.pre_migration_backup_id,
            details: phase.details.unwrap_or_default(),
            error: phase.error_message,
            undo_until: phase.rollback_expires,
        }
    }
}

impl From<MigrationError> for ApiError {
    fn from(error: MigrationError) -> Self {
        let message = error.to_string();
        match error {
            MigrationError::Input(_) => Self::invalid("config", message),
            MigrationError::AlreadyDone => Self::conflict("already_migrated", message),
            MigrationError::NothingToUndo => Self::conflict("nothing_to_undo", message),
            MigrationError::UndoIsOver => Self::conflict("undo_is_over", message),
            MigrationError::Phase { .. } => Self::conflict("migration_failed", message),
            MigrationError::Backup(error) => error.into(),
            MigrationError::N8n(error) => error.into(),
            MigrationError::Settings(error) => error.into(),
            MigrationError::Schedule(error) => error.into(),
            MigrationError::Retention(error) => error.into(),
            MigrationError::Destination(error) => error.into(),
            MigrationError::Database(error) => error.into(),
        }
    }
}

fn answer(phases: Vec<Phase>) -> Json<Migration> {
    Json(Migration {
        phases: phases.into_iter().map(MigrationPhase::from).collect(),
    })
}

/// Tell how far version 2's configuration was taken over.
#[utoipa::path(get, path = "/api/migration", tag = "migration", responses((status = 200, body = Migration)))]
async fn get_migration(
    State(migration): State<MigrationService>,
    _: CurrentUser,
) -> Result<Json<Migration>, ApiError> {
    Ok(answer(migration.phases().await?))
}

/// Tell what taking a file over would change.
#[utoipa::path(post, path = "/api/migration/preview", tag = "migration", request_body = MigrationRequest,
    responses((status = 200, body = MigrationPreview)))]
async fn preview_migration(
    _: CurrentUser,
    Json(request): Json<MigrationRequest>,
) -> Result<Json<MigrationPreview>, ApiError> {
    let wanted = MigrationService::read(request.config.expose_secret())?;
    Ok(Json(wanted.into()))
}

/// Take version 2's configuration over.
#[utoipa::path(post, path = "/api/migration", tag = "migration", request_body = MigrationRequest,
    responses((status = 200, body = Migration)))]
async fn run_migration(
    State(migration): State<MigrationService>,
    Reauthenticated(user): Reauthenticated,
    Json(request): Json<MigrationRequest>,
) -> Result<Json<Migration>, ApiError> {
    let phases = migration
        .run(&user.actor(), request.config.expose_secret())
        .await?;
    Ok(answer(phases))
}

/// Give back what was taken over from version 2.
#[utoipa::path(post, path = "/api/migration/undo", tag = "migration", responses((status = 200, body = Migration)))]
async fn undo_migration(
    State(migration): State<MigrationService>,
    Reauthenticated(user): Reauthenticated,
) -> Result<Json<Migration>, ApiError> {
    Ok(answer(migration.undo(&user.actor()).await?))
}
