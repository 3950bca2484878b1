//! `GET /api/about`: which Flowkeep this is, what it stands on, and what its owner should know.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use crate::features::auth::{CurrentUser, travels_in_the_clear};
use crate::platform::health::PartStatus;
use crate::platform::http::Json;
use crate::platform::http::client::Client;
use crate::platform::metrics::resident_bytes;
use crate::platform::postgres::{ConnInfo, EmbeddedCluster, Host, Installation};

/// When this process began.
#[derive(Clone, Copy, Debug)]
pub struct StartedAt(pub DateTime<Utc>);

/// What this Flowkeep is and stands on.
#[derive(Serialize, ToSchema)]
struct About {
    version: &'static str,
    started_at: DateTime<Utc>,
    uptime_seconds: i64,
    data_dir: String,
    backup_dir: String,
    /// Memory of this process in use, in bytes; without PostgreSQL's.
    resident_bytes: Option<i64>,
    database: OwnDatabase,
    /// The PostgreSQL programs on this machine.
    postgres_installations: Vec<Installation>,
    notices: Vec<Notice>,
}

/// Where Flowkeep's own tables are.
#[derive(Serialize, ToSchema)]
struct OwnDatabase {
    /// `private` for the cluster that Flowkeep runs itself, `external` for one that was given.
    mode: &'static str,
    /// Host and port, or the socket's folder.
    address: String,
    database: String,
    /// Version of the private cluster.
    version: Option<String>,
}

/// Something that the owner should know.
#[derive(Serialize, ToSchema)]
struct Notice {
    code: &'static str,
    /// `info` or `warning`.
    severity: &'static str,
    message: String,
    remedy: Option<String>,
}

/// The route.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_about))
}

/// Tell which Flowkeep this is and what it stands on.
#[utoipa::path(get, path = "/api/about", tag = "about", responses((status = 200, body = About)))]
async fn get_about(
    State(state): State<AppState>,
    client: Client,
    headers: HeaderMap,
    _: CurrentUser,
) -> Json<About> {
    let now = state.clock.now();
    let StartedAt(started_at) = state.started_at;
    Json(About {
        version: env!("CARGO_PKG_VERSION"),
        started_at,
        uptime_seconds: (now - started_at).num_seconds().max(0),
        data_dir: state.config.data.data_dir.display().to_string(),
        backup_dir: state.config.data.backup_dir().display().to_string(),
        resident_bytes: resident_bytes(),
        database: own_database(&state.own_database, state.embedded.as_deref()),
        postgres_installations: state.installations.all().to_vec(),
        notices: notices(&state, &client, &headers),
    })
}

fn own_database(info: &ConnInfo, embedded: Option<&EmbeddedCluster>) -> OwnDatabase {
    OwnDatabase {
        mode: if embedded.is_some() {
            "private"
        } else {
            "external"
        },
        address: match &info.host {
            Host::Socket(dir) => dir.display().to_string(),
            Host::Tcp(_) => info.address(),
        },
        database: info.database.clone(),
        version: embedded.map(|cluster| cluster.installation().version.clone()),
    }
}

fn notices(state: &AppState, client: &Client, headers: &HeaderMap) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(embedded) = &state.embedded {
        notices.push(Notice {
            code: "private_postgres",
            severity: "info",
            message: format!(
                "Flowkeep keeps its own tables in a private {} under its data folder.",
                embedded.version()
            ),
            remedy: Some("Set DATABASE_URL to use a server of your own instead.".to_owned()),
        });
    }
    if travels_in_the_clear(client, headers) {
        notices.push(Notice {
            code: "plain_http",
            severity: "warning",
            message: "You came over plain HTTP: password and session can be read on the way."
                .to_owned(),
            remedy: Some(
                "Put nginx with TLS before Flowkeep (see nginx/) and set FLOWKEEP_TRUSTED_PROXIES."
                    .to_owned(),
            ),
        });
    }
    let is_down = |status| matches!(status, PartStatus::Down | PartStatus::Failed);
    for (part, health) in state.health.parts() {
        if is_down(health.status) {
            notices.push(Notice {
                code: "part_down",
                severity: "warning",
                message: format!("{}: {}.", part.replace('_', " "), health.detail),
                remedy: None,
            });
        }
    }
    for broken in state.installations.broken() {
        notices.push(Notice {
            code: "broken_postgres",
            severity: "warning",
            message: format!("PostgreSQL programs that cannot be used: {broken}."),
            remedy: Some("Reinstall their package, or remove what is left of it.".to_owned()),
        });
    }
    notices
}
