//! What containers wrote, and write.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::Event;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use http::header;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::features::auth::{self, AuthService, CurrentUser};
use crate::features::containers::ContainerService;
use crate::features::containers::logs::{Followed, Line, Search, Wanted, stream_name};
use crate::platform::docker::LogStream;
use crate::platform::http::{ApiError, Json, Path, Query};
use crate::platform::lifecycle::Lifecycle;

const DEFAULT_TAIL: u32 = 500;
const MOST_TAIL: u32 = 10_000;
const MOST_FOLLOWED: usize = 20;

/// Which lines are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// The last lines, 1 to 10000; 500 if absent.
    tail: Option<u32>,
    /// From this moment on.
    since: Option<DateTime<Utc>>,
    /// Before this moment.
    until: Option<DateTime<Utc>>,
    /// `stdout` or `stderr`; both if absent.
    #[param(inline)]
    stream: Option<WantedStream>,
    /// Only lines with this, among the last 50000.
    search: Option<String>,
    /// Whether `search` is a regular expression.
    regex: Option<bool>,
    /// Whether upper and lower case differ.
    case: Option<bool>,
}

/// The same for a file; all lines if `tail` is absent.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DownloadQuery {
    /// Only the last lines.
    tail: Option<u32>,
    /// From this moment on.
    since: Option<DateTime<Utc>>,
    /// Before this moment.
    until: Option<DateTime<Utc>>,
    /// `stdout` or `stderr`; both if absent.
    #[param(inline)]
    stream: Option<WantedStream>,
    /// Only lines with this.
    search: Option<String>,
    /// Whether `search` is a regular expression.
    regex: Option<bool>,
    /// Whether upper and lower case differ.
    case: Option<bool>,
}

/// Where a container wrote to.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WantedStream {
    /// Its output.
    Stdout,
    /// Its complaints.
    Stderr,
}

/// What is followed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FollowQuery {
    /// Lines to begin with, 1 to 10000; 500 if absent.
    tail: Option<u32>,
    /// Of these only what was written from this moment on.
    since: Option<DateTime<Utc>>,
}

/// Several logs are followed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FollowManyQuery {
    /// Names of containers, with commas between; at most 20.
    names: String,
    /// Lines of each to begin with, 1 to 10000; 500 if absent.
    tail: Option<u32>,
    /// Of these only what was written from this moment on.
    since: Option<DateTime<Utc>>,
}

/// A line of a log.
#[derive(Serialize, ToSchema)]
#[schema(as = ContainerLogLine)]
pub struct LogLine {
    at: Option<DateTime<Utc>>,
    /// `stdout` or `stderr`.
    stream: &'static str,
    /// What it says. Of escape sequences only colours (SGR) are left; other controls are shown as signs.
    text: String,
    /// How long it really is, when what is beyond 16 KB was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_bytes: Option<u64>,
}

/// Lines of a log, in the order in which they were written.
#[derive(Serialize, ToSchema)]
#[schema(as = ContainerLogs)]
pub struct Logs {
    container: String,
    id: String,
    items: Vec<LogLine>,
    /// Whether older lines were left out because they were too many or too long.
    is_cut: bool,
    /// Whether newer lines were left out because the engine took too long.
    is_unfinished: bool,
    /// How many lines were looked at.
    looked_at: u64,
}

impl From<Line> for LogLine {
    fn from(line: Line) -> Self {
        Self {
            at: line.at,
            stream: stream_name(line.stream),
            text: line.text,
            cut_bytes: line.cut_bytes,
        }
    }
}

fn checked_tail(tail: Option<u32>) -> Result<u32, ApiError> {
    let tail = tail.unwrap_or(DEFAULT_TAIL);
    if (1..=MOST_TAIL).contains(&tail) {
        Ok(tail)
    } else {
        Err(ApiError::invalid(
            "tail",
            format!("must be between 1 and {MOST_TAIL}"),
        ))
    }
}

/// What a log that is followed begins with.
fn begun_with(tail: Option<u32>, since: Option<DateTime<Utc>>) -> Result<Wanted, ApiError> {
    Ok(Wanted {
        tail: Some(checked_tail(tail)?),
        since,
        ..Wanted::default()
    })
}

fn stream_of(stream: Option<WantedStream>) -> Option<LogStream> {
    stream.map(|stream| match stream {
        WantedStream::Stdout => LogStream::Stdout,
        WantedStream::Stderr => LogStream::Stderr,
    })
}

fn search_of(
    text: Option<&String>,
    is_regex: Option<bool>,
    is_exact: Option<bool>,
) -> Result<Option<Search>, ApiError> {
    let text = text.filter(|text| !text.is_empty());
    let search =
        text.map(|text| Search::new(text, is_regex.unwrap_or(false), is_exact.unwrap_or(false)));
    Ok(search.transpose()?)
}

/// Show the last lines of a container's log.
#[utoipa::path(get, path = "/api/containers/{name}/logs", tag = "containers", params(("name" = String, Path,), LogsQuery),
    responses((status = 200, body = Logs)))]
pub async fn get_container_logs(
    State(containers): State<ContainerService>,
    _: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<LogsQuery>,
) -> Result<Json<Logs>, ApiError> {
    let wanted = Wanted {
        tail: Some(checked_tail(query.tail)?),
        since: query.since,
        until: query.until,
        stream: stream_of(query.stream),
        search: search_of(query.search.as_ref(), query.regex, query.case)?,
    };
    let (seen, history) = containers.history(&name, &wanted).await?;
    Ok(Json(Logs {
        container: seen.name,
        id: seen.id,
        items: history.lines.into_iter().map(LogLine::from).collect(),
        is_cut: history.is_cut,
        is_unfinished: history.is_unfinished,
        looked_at: history.looked_at,
    }))
}

/// Follow a container's log (server-sent events).
#[utoipa::path(get, path = "/api/containers/{name}/logs/follow", tag = "containers",
    params(("name" = String, Path,), FollowQuery),
    responses((status = 200, description = "`state` when it changes: connecting, following, stopped, gone or down; \
        `history` with the lines that are there; `lines`; `dropped` with how many lines are missing because the reader is \
        too slow, or because more were written in a break of the engine's than are taken up after it", content_type = "text/event-stream")))]
pub async fn follow_container_logs(
    State(containers): State<ContainerService>,
    State(lifecycle): State<Lifecycle>,
    State(service): State<AuthService>,
    user: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<FollowQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let wanted = begun_with(query.tail, query.since)?;
    let told = containers
        .follow(&[name], &wanted)
        .await?
        .map(|told| Ok::<_, Infallible>(sent(told)));
    Ok(auth::follow(told, user, service, &lifecycle))
}

/// Follow the logs of several containers in one stream (server-sent events); as with one.
#[utoipa::path(get, path = "/api/containers/logs/follow", tag = "containers", params(FollowManyQuery),
    responses((status = 200, description = "As for one container; each message names its container",
        content_type = "text/event-stream")))]
pub async fn follow_containers_logs(
    State(containers): State<ContainerService>,
    State(lifecycle): State<Lifecycle>,
    State(service): State<AuthService>,
    user: CurrentUser,
    Query(query): Query<FollowManyQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let wanted = begun_with(query.tail, query.since)?;
    let mut names: Vec<_> = query.names.split(',').map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() > MOST_FOLLOWED {
        return Err(ApiError::invalid(
            "names",
            format!("must be at most {MOST_FOLLOWED}"),
        ));
    }
    let told = containers
        .follow(&names, &wanted)
        .await?
        .map(|told| Ok::<_, Infallible>(sent(told)));
    Ok(auth::follow(told, user, service, &lifecycle))
}

fn sent(told: Followed) -> Event {
    let event = Event::default();
    match told {
        Followed::State(json) => event.event("state").data(json),
        Followed::History(json) => event.event("history").data(json),
        Followed::Lines(json) => event.event("lines").data(&*json),
        Followed::Dropped(json) => event.event("dropped").data(json),
    }
}

/// Download a container's log as text: a line each with its time and stream, without colours.
#[utoipa::path(get, path = "/api/containers/{name}/logs/download", tag = "containers",
    params(("name" = String, Path,), DownloadQuery),
    responses((status = 200, description = "The log", content_type = "text/plain")))]
pub async fn download_container_logs(
    State(containers): State<ContainerService>,
    _: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<DownloadQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let wanted = Wanted {
        tail: query.tail,
        since: query.since,
        until: query.until,
        stream: stream_of(query.stream),
        search: search_of(query.search.as_ref(), query.regex, query.case)?,
    };
    let download = containers.download(&name, wanted).await?;
    // The name was found to be one of Docker's: nothing in it can break the header.
    let disposition = format!("attachment; filename=\"{name}.log\"");
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(download.into_stream())))
}
