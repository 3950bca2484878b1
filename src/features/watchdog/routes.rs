//! `/api/watchdog`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::prune::{PruneOption, WorkflowShare};
use super::service::Report;
use super::store::{Mute, Row};
use super::{WatchdogError, WatchdogService};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::features::host::Forecast;
use crate::platform::http::{ApiError, Json, Path, Query};

const DEFAULT_LIMIT: i64 = 50;

/// The routes of the watchdog.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_watchdog))
        .routes(routes!(list_resolved_incidents))
        .routes(routes!(acknowledge_incident))
        .routes(routes!(mute_workflow, unmute_workflow))
        .routes(routes!(get_execution_advice))
}

/// What is or was wrong with a workflow.
#[derive(Serialize, ToSchema)]
struct WorkflowIncident {
    id: i32,
    workflow_id: String,
    workflow_name: String,
    /// `failing`, `stuck` or `missed`.
    kind: String,
    /// `open` or `resolved`.
    status: String,
    first_seen_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    /// How many runs.
    count: i32,
    last_execution_id: Option<i64>,
    /// n8n's words.
    last_error: Option<String>,
    /// The node at which it failed.
    last_node: Option<String>,
    /// What else is known.
    detail: Option<String>,
    /// Whether somebody was told.
    is_told: bool,
    resolved_at: Option<DateTime<Utc>>,
    /// `success`, `ended`, `inactive` or `unwatched`.
    resolution: Option<String>,
    acknowledged_at: Option<DateTime<Utc>>,
    acknowledged_by: Option<String>,
    /// Where it is in n8n; null when n8n's address is not set.
    link: Option<String>,
}

/// A workflow of which nobody is told.
#[derive(Serialize, ToSchema)]
struct WorkflowMute {
    workflow_id: String,
    /// Null for as long as nobody ends it.
    muted_until: Option<DateTime<Utc>>,
    reason: Option<String>,
    created_at: DateTime<Utc>,
}

/// An active workflow, and when it should run by itself.
#[derive(Serialize, ToSchema)]
struct WatchedWorkflow {
    workflow_id: String,
    workflow_name: String,
    last_run_at: Option<DateTime<Utc>>,
    /// Null when it has no schedule.
    next_due_at: Option<DateTime<Utc>>,
    /// Rules that only n8n can work out, as expressions.
    unreadable_rules: usize,
    link: Option<String>,
}

/// Why n8n's executions cannot be read.
#[derive(Serialize, ToSchema)]
struct WatchdogTrouble {
    problem: String,
    /// The first look that failed.
    since: DateTime<Utc>,
    /// The newest.
    seen_at: DateTime<Utc>,
}

/// What is wrong now.
#[derive(Serialize, ToSchema)]
struct Watchdog {
    /// Incidents that are not over, the newest first.
    open: Vec<WorkflowIncident>,
    mutes: Vec<WorkflowMute>,
    /// The last look at n8n's executions; null before the first, and while no n8n is connected.
    looked_at: Option<DateTime<Utc>>,
    /// Whether that was too long ago to say anything about now.
    is_stale: bool,
    /// Why executions cannot be read; null when they can.
    trouble: Option<WatchdogTrouble>,
    /// Active workflows; empty on a daemon that does not lead.
    watched: Vec<WatchedWorkflow>,
    /// Whose clock counts for workflows without a zone of their own.
    time_zone: String,
    /// Whether that was set or learned; else it is n8n's default, and only trusted roughly.
    time_zone_is_known: bool,
}

#[derive(Serialize, ToSchema)]
struct WorkflowIncidents {
    items: Vec<WorkflowIncident>,
}

/// Which incidents are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct IncidentQuery {
    /// Only of this workflow.
    workflow_id: Option<String>,
    /// Only before this incident.
    before: Option<i32>,
    /// 1 to 200; 50 if absent.
    limit: Option<i64>,
}

/// For how long, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MuteRequest {
    /// Null for as long as nobody ends it.
    hours: Option<i64>,
    reason: Option<String>,
}

/// The disk that n8n's database is on.
#[derive(Serialize, ToSchema)]
struct N8nDisk {
    mount: String,
    free_bytes: u64,
    /// Days until it is full if it goes on like this; null when it does not fill or too little is known.
    days_until_full: Option<f64>,
}

/// What executions take, and what n8n's own pruning would free. Flowkeep deletes none.
#[derive(Serialize, ToSchema)]
struct ExecutionAdvice {
    /// When it was worked out; again after ten minutes.
    at: DateTime<Utc>,
    /// Whether only some of very many runs were looked at.
    is_estimate: bool,
    runs: i64,
    /// Bytes of what they wrote down.
    bytes: i64,
    /// Bytes on disk of the tables, with indexes and room that is free inside.
    table_bytes: i64,
    /// Bytes on disk of files that n8n keeps in its database.
    binary_table_bytes: i64,
    /// Days since the oldest ended.
    oldest_days: i32,
    /// Whether n8n seems to keep more than it does by itself.
    is_unpruned: bool,
    bytes_per_day: i64,
    /// Null when it is on another machine or in a container.
    disk: Option<N8nDisk>,
    /// The largest first.
    workflows: Vec<WorkflowShare>,
    /// Ways to keep less, the mildest first.
    options: Vec<PruneOption>,
}

impl From<WatchdogError> for ApiError {
    fn from(error: WatchdogError) -> Self {
        match error {
            WatchdogError::NoIncident(id) => Self::not_found(format!("incident {id}")),
            WatchdogError::Invalid { field, why } => Self::invalid(field, why),
            WatchdogError::N8n(error) => error.into(),
            WatchdogError::Database(error) => error.into(),
        }
    }
}

impl From<Mute> for WorkflowMute {
    fn from(one: Mute) -> Self {
        Self {
            workflow_id: one.workflow_id,
            muted_until: one.muted_until,
            reason: one.reason,
            created_at: one.created_at,
        }
    }
}

fn incident(watchdog: &WatchdogService, row: Row) -> WorkflowIncident {
    WorkflowIncident {
        link: watchdog.link(&row.workflow_id, row.last_execution_id),
        id: row.id,
        workflow_id: row.workflow_id,
        workflow_name: row.workflow_name,
        kind: row.kind,
        status: row.status,
        first_seen_at: row.first_seen_at,
        last_seen_at: row.last_seen_at,
        count: row.incident_count,
        last_execution_id: row.last_execution_id,
        last_error: row.last_error,
        last_node: row.last_node,
        detail: row.detail,
        is_told: row.is_told,
        resolved_at: row.resolved_at,
        resolution: row.resolution,
        acknowledged_at: row.acknowledged_at,
        acknowledged_by: row.acknowledged_by,
    }
}

impl From<Report> for ExecutionAdvice {
    fn from(report: Report) -> Self {
        let (taken, advice) = (report.taken, report.advice);
        Self {
            at: report.at,
            is_estimate: taken.scale > 1.0,
            runs: advice.runs,
            bytes: advice.bytes,
            table_bytes: taken.execution_bytes + taken.data_bytes,
            binary_table_bytes: taken.binary_bytes,
            oldest_days: advice.oldest_days,
            is_unpruned: advice.is_unpruned,
            bytes_per_day: advice.bytes_per_day,
            disk: report.disk.map(|disk| N8nDisk {
                mount: disk.mount,
                free_bytes: disk.free_bytes,
                days_until_full: match disk.forecast {
                    Forecast::Full { days, .. } => Some(days),
                    Forecast::NotEnough { .. } | Forecast::NotFilling { .. } => None,
                },
            }),
            workflows: advice.workflows,
            options: advice.options,
        }
    }
}

/// Show what is wrong with n8n's workflows.
#[utoipa::path(get, path = "/api/watchdog", tag = "watchdog", responses((status = 200, body = Watchdog)))]
async fn get_watchdog(
    State(watchdog): State<WatchdogService>,
    _: CurrentUser,
) -> Result<Json<Watchdog>, ApiError> {
    let found = watchdog.overview().await?;
    let shown = found.shown;
    let watched = shown.watched.into_iter().map(|one| WatchedWorkflow {
        link: watchdog.link(&one.workflow_id, None),
        workflow_id: one.workflow_id,
        workflow_name: one.workflow_name,
        last_run_at: one.last_run_at,
        next_due_at: one.next_due_at,
        unreadable_rules: one.unreadable_rules,
    });
    Ok(Json(Watchdog {
        watched: watched.collect(),
        open: found
            .open
            .into_iter()
            .map(|row| incident(&watchdog, row))
            .collect(),
        mutes: found.mutes.into_iter().map(WorkflowMute::from).collect(),
        looked_at: found.looked_at,
        is_stale: found.is_stale,
        trouble: found.trouble.map(|one| WatchdogTrouble {
            problem: one.problem,
            since: one.since,
            seen_at: one.seen_at,
        }),
        time_zone: shown.zone,
        time_zone_is_known: shown.zone_is_known,
    }))
}

/// List incidents that are over.
#[utoipa::path(get, path = "/api/watchdog/incidents", tag = "watchdog", params(IncidentQuery),
    responses((status = 200, body = WorkflowIncidents)))]
async fn list_resolved_incidents(
    State(watchdog): State<WatchdogService>,
    _: CurrentUser,
    Query(query): Query<IncidentQuery>,
) -> Result<Json<WorkflowIncidents>, ApiError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=200).contains(&limit) {
        return Err(ApiError::invalid("limit", "must be between 1 and 200"));
    }
    let rows = watchdog
        .resolved(query.workflow_id.as_deref(), query.before, limit)
        .await?;
    let items = rows.into_iter().map(|row| incident(&watchdog, row));
    Ok(Json(WorkflowIncidents {
        items: items.collect(),
    }))
}

/// Note that somebody looks after an incident.
#[utoipa::path(post, path = "/api/watchdog/incidents/{id}/acknowledge", tag = "watchdog",
    params(("id" = i32, Path,)), responses((status = 200, body = WorkflowIncident)))]
async fn acknowledge_incident(
    State(watchdog): State<WatchdogService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<WorkflowIncident>, ApiError> {
    let row = watchdog
        .acknowledge(&user.actor(), user.user_id(), id)
        .await?;
    Ok(Json(incident(&watchdog, row)))
}

/// Tell nobody of a workflow. What happens to it is noted all the same.
#[utoipa::path(put, path = "/api/watchdog/workflows/{workflow_id}/mute", tag = "watchdog",
    params(("workflow_id" = String, Path,)), request_body = MuteRequest, responses((status = 204)))]
async fn mute_workflow(
    State(watchdog): State<WatchdogService>,
    user: CurrentUser,
    Path(workflow_id): Path<String>,
    Json(request): Json<MuteRequest>,
) -> Result<StatusCode, ApiError> {
    watchdog
        .mute(&user.actor(), &workflow_id, request.hours, request.reason)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tell of a workflow again.
#[utoipa::path(delete, path = "/api/watchdog/workflows/{workflow_id}/mute", tag = "watchdog",
    params(("workflow_id" = String, Path,)), responses((status = 204)))]
async fn unmute_workflow(
    State(watchdog): State<WatchdogService>,
    user: CurrentUser,
    Path(workflow_id): Path<String>,
) -> Result<StatusCode, ApiError> {
    watchdog.unmute(&user.actor(), &workflow_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show what n8n's executions take, and what its own pruning would free.
#[utoipa::path(get, path = "/api/watchdog/executions", tag = "watchdog",
    responses((status = 200, body = ExecutionAdvice)))]
async fn get_execution_advice(
    State(watchdog): State<WatchdogService>,
    _: CurrentUser,
) -> Result<Json<ExecutionAdvice>, ApiError> {
    Ok(Json(watchdog.advice().await?.into()))
}
