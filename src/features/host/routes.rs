//! `/api/system`.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::Event as Sent;
use chrono::{DateTime, Utc};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::forecast::Forecast;
use super::history::{History, Range};
use super::judge::Thresholds;
use super::sample::{HostSample, N8nNow};
use super::service::DiskForecast;
use super::store::Condition;
use super::{HostError, HostService};
use crate::app::AppState;
use crate::features::auth::{self, AuthService, CurrentUser};
use crate::platform::http::{ApiError, Json, Query};
use crate::platform::lifecycle::Lifecycle;
use crate::platform::threshold;

/// How often somebody who watches is told.
const LIVE_EVERY: Duration = Duration::from_secs(2);

/// The routes of the machine.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_system_overview))
        .routes(routes!(get_system_history))
        .routes(routes!(follow_system))
        .routes(routes!(get_system_forecast))
        .routes(routes!(get_n8n_database))
}

/// From where on what is told.
#[derive(Serialize, ToSchema)]
struct SystemThresholds {
    cpu_percent: f64,
    memory_percent: f64,
    disk_warning_percent: f64,
    disk_critical_percent: f64,
    /// Percentage points below a threshold at which an alert may end.
    margin: f64,
    /// Minutes without a break before anybody is told.
    raise_minutes: i64,
    /// Minutes without a break before it ends.
    clear_minutes: i64,
}

/// Something that is watched.
#[derive(Serialize, ToSchema)]
struct SystemCondition {
    /// As in `cpu`, `disk_warning:/`, `share:/mnt/nas`, `share_warning:/mnt/nas`, `n8n`.
    name: String,
    /// `normal` or `raised`; `connected`, `disconnected` or `error`; `up` or `down`.
    state: String,
    /// The state that it seems to change to.
    pending: Option<String>,
    changed_at: DateTime<Utc>,
    detail: Option<String>,
}

/// How the machine stands.
#[derive(Serialize, ToSchema)]
struct SystemOverview {
    sample: HostSample,
    /// n8n; null when neither its address nor its database is set, or it was not looked at yet.
    n8n: Option<N8nNow>,
    conditions: Vec<SystemCondition>,
    thresholds: SystemThresholds,
}

/// What is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// How far back; `1h` if absent.
    #[param(inline)]
    range: Option<Range>,
    /// `cpu`, `memory`, `disk`, `network`, `temperature`, `nfs` or `n8n`, or a series' whole name; all if absent.
    metric: Option<String>,
}

/// What can be said of a disk.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ForecastOutcome {
    /// Fewer than three days are known.
    NotEnoughData,
    /// It does not grow, or lasts for more than ten years.
    NotFilling,
    /// It will be full.
    Full,
}

/// When something will be full.
#[derive(Serialize, ToSchema)]
struct SystemForecast {
    /// Where the disk or share is mounted.
    mount: String,
    /// Whether it is a network share.
    is_share: bool,
    total_bytes: u64,
    free_bytes: u64,
    outcome: ForecastOutcome,
    /// Hours that are known, while that is not enough.
    known_hours: Option<i64>,
    /// Bytes a day; less than nothing when it shrinks.
    bytes_per_day: Option<f64>,
    /// Days until it is full if it goes on like this.
    days: Option<f64>,
    /// Days if it goes on as in its fast times.
    soonest_days: Option<f64>,
    /// Days if it goes on as in its slow times; null if it hardly grew then.
    latest_days: Option<f64>,
}

#[derive(Serialize, ToSchema)]
struct SystemForecasts {
    items: Vec<SystemForecast>,
}

/// One of n8n's tables.
#[derive(Serialize, ToSchema)]
struct N8nTableSize {
    name: String,
    /// With indexes and large values.
    total_bytes: i64,
    index_bytes: i64,
    /// About; -1 when PostgreSQL does not know.
    rows: i64,
    /// Deleted rows whose room is not free yet.
    dead_rows: i64,
}

/// n8n's database.
#[derive(Serialize, ToSchema)]
struct N8nDatabaseReport {
    database_bytes: i64,
    /// The largest, the largest first.
    tables: Vec<N8nTableSize>,
    /// Bytes that it grows by each day; null while less than three days are known.
    bytes_per_day: Option<f64>,
    /// The disk that it is on; null when it is on another machine or in a container.
    disk: Option<SystemForecast>,
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::N8n(error) => error.into(),
            HostError::Database(error) => error.into(),
        }
    }
}

impl From<Condition> for SystemCondition {
    fn from(one: Condition) -> Self {
        Self {
            name: one.name,
            state: one.state,
            pending: one.pending,
            changed_at: one.changed_at,
            detail: one.detail,
        }
    }
}

impl From<Thresholds> for SystemThresholds {
    fn from(one: Thresholds) -> Self {
        Self {
            cpu_percent: one.cpu,
            memory_percent: one.memory,
            disk_warning_percent: one.disk_warning,
            disk_critical_percent: one.disk_critical,
            margin: threshold::MARGIN,
            raise_minutes: one.raise_after.num_minutes(),
            clear_minutes: one.clear_after.num_minutes(),
        }
    }
}

impl From<DiskForecast> for SystemForecast {
    fn from(one: DiskForecast) -> Self {
        let mut wire = Self {
            mount: one.mount,
            is_share: one.is_share,
            total_bytes: one.total_bytes,
            free_bytes: one.free_bytes,
            outcome: ForecastOutcome::NotEnoughData,
            known_hours: None,
            bytes_per_day: None,
            days: None,
            soonest_days: None,
            latest_days: None,
        };
        match one.forecast {
            Forecast::NotEnough { hours } => wire.known_hours = Some(hours),
            Forecast::NotFilling { bytes_a_day } => {
                wire.outcome = ForecastOutcome::NotFilling;
                wire.bytes_per_day = Some(bytes_a_day);
            }
            Forecast::Full {
                bytes_a_day,
                days,
                soonest_days,
                latest_days,
            } => {
                wire.outcome = ForecastOutcome::Full;
                wire.bytes_per_day = Some(bytes_a_day);
                wire.days = Some(days);
                wire.soonest_days = Some(soonest_days);
                wire.latest_days = latest_days;
            }
        }
        wire
    }
}

/// Show how the machine stands.
#[utoipa::path(get, path = "/api/system/overview", tag = "system", responses((status = 200, body = SystemOverview)))]
async fn get_system_overview(
    State(host): State<HostService>,
    _: CurrentUser,
) -> Result<Json<SystemOverview>, ApiError> {
    let conditions = host.conditions().await?;
    Ok(Json(SystemOverview {
        n8n: host.stored_n8n().await?,
        sample: host.now().await,
        conditions: conditions.into_iter().map(SystemCondition::from).collect(),
        thresholds: host.thresholds().into(),
    }))
}

/// Draw how the machine stood.
#[utoipa::path(get, path = "/api/system/history", tag = "system", params(HistoryQuery),
    responses((status = 200, body = History)))]
async fn get_system_history(
    State(host): State<HostService>,
    _: CurrentUser,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    let range = query.range.unwrap_or(Range::Hour);
    if query
        .metric
        .as_ref()
        .is_some_and(|metric| metric.len() > 300)
    {
        return Err(ApiError::invalid("metric", "is longer than 300 characters"));
    }
    Ok(Json(host.history(query.metric.as_deref(), range).await?))
}

/// Follow how the machine stands, every two seconds (server-sent events).
#[utoipa::path(get, path = "/api/system/live", tag = "system",
    responses((status = 200, description = "`sample` with a HostSample", content_type = "text/event-stream")))]
async fn follow_system(
    State(host): State<HostService>,
    State(lifecycle): State<Lifecycle>,
    State(service): State<AuthService>,
    user: CurrentUser,
) -> impl IntoResponse {
    auth::follow(live(host), user, service, &lifecycle)
}

fn live(host: HostService) -> impl Stream<Item = Result<Sent, Infallible>> {
    let tick = tokio::time::interval(LIVE_EVERY);
    futures_util::stream::unfold((host, tick), |(host, mut tick)| async move {
        tick.tick().await;
        let sample = serde_json::to_string(&host.now().await).unwrap_or_default();
        let sent = Sent::default().event("sample").data(sample);
        Some((Ok(sent), (host, tick)))
    })
}

/// Tell when each disk and network share will be full.
#[utoipa::path(get, path = "/api/system/forecast", tag = "system", responses((status = 200, body = SystemForecasts)))]
async fn get_system_forecast(
    State(host): State<HostService>,
    _: CurrentUser,
) -> Result<Json<SystemForecasts>, ApiError> {
    let items = host.forecasts().await?;
    Ok(Json(SystemForecasts {
        items: items.into_iter().map(SystemForecast::from).collect(),
    }))
}

/// Show how large n8n's database and its tables are.
#[utoipa::path(get, path = "/api/system/n8n-database", tag = "system",
    responses((status = 200, body = N8nDatabaseReport)))]
async fn get_n8n_database(
    State(host): State<HostService>,
    _: CurrentUser,
) -> Result<Json<N8nDatabaseReport>, ApiError> {
    let report = host.n8n_database().await?;
    let tables = report.sizes.tables.into_iter().map(|table| N8nTableSize {
        name: table.name,
        total_bytes: table.total_bytes,
        index_bytes: table.index_bytes,
        rows: table.rows,
        dead_rows: table.dead_rows,
    });
    Ok(Json(N8nDatabaseReport {
        database_bytes: report.sizes.database_bytes,
        tables: tables.collect(),
        bytes_per_day: match report.growth {
            Forecast::NotEnough { .. } => None,
            Forecast::NotFilling { bytes_a_day } | Forecast::Full { bytes_a_day, .. } => {
                Some(bytes_a_day)
            }
        },
        disk: report.disk.map(SystemForecast::from),
    }))
}
