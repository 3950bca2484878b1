//! `GET /api/overview`: how things stand, for the first page.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::routes::Backup;
use super::{BackupService, BackupType};
use crate::features::auth::CurrentUser;
use crate::features::n8n::N8nService;
use crate::features::recovery::RecoveryService;
use crate::features::schedules::ScheduleService;
use crate::platform::http::{ApiError, Json};

/// How things stand.
#[derive(Serialize, ToSchema)]
pub struct Overview {
    last_good_backup: Option<Backup>,
    last_proven_backup: Option<Backup>,
    running: Running,
    totals: Totals,
    n8n: N8nState,
    attention: Vec<Attention>,
}

#[derive(Serialize, ToSchema)]
struct Running {
    backups: usize,
    verifications: usize,
}

#[derive(Serialize, ToSchema)]
struct Totals {
    backups: i64,
    stored_bytes: i64,
    free_bytes: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct N8nState {
    is_configured: bool,
    is_sample: bool,
}

/// Something to look at.
#[derive(Serialize, ToSchema)]
struct Attention {
    code: &'static str,
    /// `info`, `warning` or `error`.
    severity: &'static str,
    message: String,
    /// The page where to do something about it.
    action: &'static str,
}

/// Tell how things stand.
#[utoipa::path(get, path = "/api/overview", tag = "overview", responses((status = 200, body = Overview)))]
pub async fn get_overview(
    State(backups): State<BackupService>,
    State(n8n): State<N8nService>,
    State(schedules): State<ScheduleService>,
    State(recovery): State<RecoveryService>,
    _: CurrentUser,
) -> Result<Json<Overview>, ApiError> {
    let seen = backups.overview().await?;
    let source = n8n.source()?;
    let mut attention = Vec::new();
    let mut note = |code, severity, message: &str, action| {
        attention.push(Attention {
            code,
            severity,
            message: message.to_owned(),
            action,
        });
    };
    match (&source, &seen.last_good, &seen.last_proven) {
        (None, _, _) => note(
            "n8n_not_connected",
            "info",
            "No n8n is connected yet.",
            "/n8n",
        ),
        (Some(_), None, _) => {
            note(
                "no_backup",
                "warning",
                "There is no backup of n8n yet.",
                "/backups",
            );
        }
        (Some(_), Some(_), None) => {
            note(
                "nothing_proven",
                "warning",
                "No backup was proven to restore yet.",
                "/backups",
            );
        }
        _ => {}
    }
    if source.as_ref().is_some_and(|source| !source.is_sample) {
        if !schedules.covers(BackupType::PostgresN8n).await? {
            note(
                "no_schedule",
                "warning",
                "Nothing backs n8n up by itself yet.",
                "/schedules",
            );
        }
        let kit = recovery.status().await?;
        let message = match (kit.made_at, kit.is_outdated) {
            (None, _) => {
                Some("There is no recovery kit yet: without it a lost box takes its keys along.")
            }
            (Some(_), true) => {
                Some("The recovery kit is outdated: a key or n8n's connection has changed.")
            }
            _ => None,
        };
        if let Some(message) = message {
            note("recovery_kit", "warning", message, "/settings");
        }
    }
    for stale in schedules.stale().await? {
        note("stale", "error", &stale.message(), "/backups");
    }
    if source
        .as_ref()
        .is_some_and(|source| source.encryption_key.is_none())
    {
        let message =
            "n8n's encryption key is not saved: without it, restored credentials cannot be read.";
        note("no_encryption_key", "warning", message, "/n8n");
    }
    Ok(Json(Overview {
        last_good_backup: seen.last_good.map(Backup::from),
        last_proven_backup: seen.last_proven.map(Backup::from),
        running: Running {
            backups: seen.running_backups,
            verifications: seen.running_verifications,
        },
        totals: Totals {
            backups: seen.backups,
            stored_bytes: seen.stored_bytes,
            free_bytes: seen.free_bytes,
        },
        n8n: N8nState {
            is_configured: source.is_some(),
            is_sample: source.is_some_and(|source| source.is_sample),
        },
        attention,
    }))
}
