//! `/api/backups/schedules` and `/api/backups/verification/schedule`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::model::{Draft, Frequency, Schedule as Row, When};
use super::store::Run;
use super::verification::{VerificationDraft, VerificationSchedule as ProofRow};
use super::{ScheduleError, ScheduleService};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::features::backups::BackupType;
use crate::platform::http::{ApiError, Json, Path, Query};

/// The routes of schedules.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_schedules, create_schedule))
        .routes(routes!(list_upcoming))
        .routes(routes!(get_schedule, update_schedule, delete_schedule))
        .routes(routes!(run_schedule))
        .routes(routes!(list_schedule_runs))
        .routes(routes!(
            get_verification_schedule,
            set_verification_schedule
        ))
}

/// When a backup is made by itself.
#[derive(Serialize, ToSchema)]
struct Schedule {
    id: i32,
    name: String,
    backup_type: String,
    enabled: bool,
    /// `hourly`, `daily`, `weekly` or `monthly`.
    frequency: String,
    hour: Option<i32>,
    minute: i32,
    /// 0 is Monday.
    day_of_week: Option<i32>,
    day_of_month: Option<i32>,
    timezone: String,
    compression: String,
    /// The destinations that its backups are copied to; null for every one.
    destination_ids: Option<Vec<i32>>,
    /// The last due time that was acted on.
    last_run: Option<DateTime<Utc>>,
    next_run: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct Schedules {
    items: Vec<Schedule>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleRequest {
    name: String,
    backup_type: BackupType,
    /// True if absent.
    enabled: Option<bool>,
    frequency: Frequency,
    /// 0 to 23; for all but hourly.
    hour: Option<i32>,
    /// 0 to 59; 0 if absent.
    minute: Option<i32>,
    /// 0 (Monday) to 6; for weekly.
    day_of_week: Option<i32>,
    /// 1 to 28; for monthly.
    day_of_month: Option<i32>,
    /// A name of the tz database; `UTC` if absent.
    timezone: Option<String>,
    /// `zstd`, `gzip` or `none`; `zstd` if absent.
    compression: Option<String>,
    /// The destinations that its backups are copied to; every one if absent, none if empty.
    destination_ids: Option<Vec<i32>>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UpcomingQuery {
    /// How far to look ahead, 1 to 31; 7 if absent.
    days: Option<i64>,
}

/// Something that will happen by itself.
#[derive(Serialize, ToSchema)]
struct UpcomingRun {
    at: DateTime<Utc>,
    /// `backup` or `verification`.
    kind: &'static str,
    schedule_id: i32,
    name: String,
    backup_type: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct UpcomingRuns {
    /// Soonest first.
    items: Vec<UpcomingRun>,
}

/// A due time and what became of it.
#[derive(Serialize, ToSchema)]
struct ScheduleRun {
    id: i32,
    due_at: DateTime<Utc>,
    /// `queued`, `started`, `succeeded`, `failed`, `skipped` or `missed`.
    status: String,
    detail: Option<String>,
    attempts: i32,
    next_attempt_at: Option<DateTime<Utc>>,
    backup_id: Option<i32>,
    ended_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct ScheduleRuns {
    /// Newest first.
    items: Vec<ScheduleRun>,
}

#[derive(Serialize, ToSchema)]
struct RunScheduleResponse {
    /// The backup's number.
    id: i32,
}

/// When the newest backups are proven again. Times are UTC; monthly is on the first.
#[derive(Serialize, ToSchema)]
struct VerificationSchedule {
    enabled: bool,
    /// `daily`, `weekly` or `monthly`.
    frequency: String,
    /// 0 is Monday.
    day_of_week: i32,
    hour: i32,
    /// How many of the newest backups.
    verify_latest_count: i32,
    last_run: Option<DateTime<Utc>>,
    next_run: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VerificationScheduleRequest {
    enabled: bool,
    frequency: Frequency,
    /// 0 (Monday) to 6; 0 if absent.
    day_of_week: Option<i32>,
    /// 0 to 23.
    hour: i32,
    /// 1 to 100.
    verify_latest_count: i32,
}

impl From<Row> for Schedule {
    fn from(row: Row) -> Self {
        Self {
            enabled: row.is_enabled(),
            id: row.id,
            name: row.name,
            backup_type: row.backup_type,
            frequency: row.frequency,
            hour: row.hour,
            minute: row.minute.unwrap_or(0),
            day_of_week: row.day_of_week,
            day_of_month: row.day_of_month,
            timezone: row.timezone.unwrap_or_else(|| "UTC".to_owned()),
            compression: row.compression.unwrap_or_else(|| "zstd".to_owned()),
            destination_ids: row
                .destination_ids
                .and_then(|ids| serde_json::from_value(ids).ok()),
            last_run: row.last_run,
            next_run: row.next_run,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<ScheduleRequest> for Draft {
    fn from(request: ScheduleRequest) -> Self {
        Self {
            name: request.name,
            backup_type: request.backup_type,
            is_enabled: request.enabled.unwrap_or(true),
            when: When {
                frequency: request.frequency,
                hour: request.hour,
                minute: request.minute.unwrap_or(0),
                day_of_week: request.day_of_week,
                day_of_month: request.day_of_month,
                timezone: request.timezone.unwrap_or_else(|| "UTC".to_owned()),
            },
            compression: request.compression.unwrap_or_else(|| "zstd".to_owned()),
            destination_ids: request.destination_ids,
        }
    }
}

impl From<Run> for ScheduleRun {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            due_at: run.due_at,
            status: run.status,
            detail: run.detail,
            attempts: run.attempts,
            next_attempt_at: run.next_attempt_at,
            backup_id: run.backup_id,
            ended_at: run.ended_at,
        }
    }
}

impl From<ProofRow> for VerificationSchedule {
    fn from(row: ProofRow) -> Self {
        Self {
            enabled: row.is_enabled(),
            frequency: row.frequency,
            day_of_week: row.day_of_week.unwrap_or(0),
            hour: row.hour.unwrap_or(3),
            verify_latest_count: row.verify_latest_count.unwrap_or(5),
            last_run: row.last_run,
            next_run: row.next_run,
            updated_at: row.updated_at,
        }
    }
}

impl From<ScheduleError> for ApiError {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::NotFound(id) => Self::not_found(format!("schedule {id}")),
            ScheduleError::Invalid { field, why } => Self::invalid(field, why),
            ScheduleError::Backup(error) => error.into(),
            ScheduleError::Verification(error) => error.into(),
            ScheduleError::Database(error) => error.into(),
        }
    }
}

/// List when backups are made by themselves.
#[utoipa::path(get, path = "/api/backups/schedules", tag = "schedules", responses((status = 200, body = Schedules)))]
async fn list_schedules(
    State(schedules): State<ScheduleService>,
    _: CurrentUser,
) -> Result<Json<Schedules>, ApiError> {
    let rows = schedules.list().await?;
    Ok(Json(Schedules {
        items: rows.into_iter().map(Schedule::from).collect(),
    }))
}

/// Make a schedule.
#[utoipa::path(post, path = "/api/backups/schedules", tag = "schedules", request_body = ScheduleRequest,
    responses((status = 201, body = Schedule)))]
async fn create_schedule(
    State(schedules): State<ScheduleService>,
    user: CurrentUser,
    Json(request): Json<ScheduleRequest>,
) -> Result<(StatusCode, Json<Schedule>), ApiError> {
    let row = schedules.create(&user.actor(), &request.into()).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// Tell what happens by itself in the coming days.
#[utoipa::path(get, path = "/api/backups/schedules/upcoming", tag = "schedules", params(UpcomingQuery),
    responses((status = 200, body = UpcomingRuns)))]
async fn list_upcoming(
    State(schedules): State<ScheduleService>,
    _: CurrentUser,
    Query(query): Query<UpcomingQuery>,
) -> Result<Json<UpcomingRuns>, ApiError> {
    let days = query.days.unwrap_or(7);
    if !(1..=31).contains(&days) {
        return Err(ApiError::invalid("days", "must be between 1 and 31"));
    }
    let found = schedules.upcoming(days).await?;
    let items = found.into_iter().map(|one| UpcomingRun {
        at: one.at,
        kind: one.kind.as_str(),
        schedule_id: one.schedule_id,
        name: one.name,
        backup_type: one.backup_type,
    });
    Ok(Json(UpcomingRuns {
        items: items.collect(),
    }))
}

/// Tell everything about a schedule.
#[utoipa::path(get, path = "/api/backups/schedules/{id}", tag = "schedules", params(("id" = i32, Path,)),
    responses((status = 200, body = Schedule)))]
async fn get_schedule(
    State(schedules): State<ScheduleService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<Schedule>, ApiError> {
    Ok(Json(schedules.get(id).await?.into()))
}

/// Change a schedule. `enabled: false` pauses it.
#[utoipa::path(put, path = "/api/backups/schedules/{id}", tag = "schedules", params(("id" = i32, Path,)),
    request_body = ScheduleRequest, responses((status = 200, body = Schedule)))]
async fn update_schedule(
    State(schedules): State<ScheduleService>,
    user: CurrentUser,
    Path(id): Path<i32>,
    Json(request): Json<ScheduleRequest>,
) -> Result<Json<Schedule>, ApiError> {
    let row = schedules.update(&user.actor(), id, &request.into()).await?;
    Ok(Json(row.into()))
}

/// Delete a schedule. Its backups stay.
#[utoipa::path(delete, path = "/api/backups/schedules/{id}", tag = "schedules", params(("id" = i32, Path,)),
    responses((status = 204)))]
async fn delete_schedule(
    State(schedules): State<ScheduleService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    schedules.delete(&user.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a schedule's backup now.
#[utoipa::path(post, path = "/api/backups/schedules/{id}/run", tag = "schedules", params(("id" = i32, Path,)),
    responses((status = 202, body = RunScheduleResponse)))]
async fn run_schedule(
    State(schedules): State<ScheduleService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<(StatusCode, Json<RunScheduleResponse>), ApiError> {
    let id = schedules.run_now(&user.actor(), id).await?;
    Ok((StatusCode::ACCEPTED, Json(RunScheduleResponse { id })))
}

/// List what became of a schedule's due times.
#[utoipa::path(get, path = "/api/backups/schedules/{id}/runs", tag = "schedules", params(("id" = i32, Path,)),
    responses((status = 200, body = ScheduleRuns)))]
async fn list_schedule_runs(
    State(schedules): State<ScheduleService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<ScheduleRuns>, ApiError> {
    let runs = schedules.runs(id).await?;
    Ok(Json(ScheduleRuns {
        items: runs.into_iter().map(ScheduleRun::from).collect(),
    }))
}

/// Tell when the newest backups are proven again.
#[utoipa::path(get, path = "/api/backups/verification/schedule", tag = "verification",
    responses((status = 200, body = VerificationSchedule)))]
async fn get_verification_schedule(
    State(schedules): State<ScheduleService>,
    _: CurrentUser,
) -> Result<Json<VerificationSchedule>, ApiError> {
    Ok(Json(schedules.verification_schedule().await?.into()))
}

/// Set when the newest backups are proven again.
#[utoipa::path(put, path = "/api/backups/verification/schedule", tag = "verification",
    request_body = VerificationScheduleRequest, responses((status = 200, body = VerificationSchedule)))]
async fn set_verification_schedule(
    State(schedules): State<ScheduleService>,
    user: CurrentUser,
    Json(request): Json<VerificationScheduleRequest>,
) -> Result<Json<VerificationSchedule>, ApiError> {
    let draft = VerificationDraft {
        is_enabled: request.enabled,
        frequency: request.frequency,
        day_of_week: request.day_of_week.unwrap_or(0),
        hour: request.hour,
        verify_latest_count: request.verify_latest_count,
    };
    let row = schedules
        .set_verification_schedule(&user.actor(), &draft)
        .await?;
    Ok(Json(row.into()))
}
