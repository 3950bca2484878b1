//! The bell: what happened, live.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::Event as Sent;
use chrono::{DateTime, Utc};
use futures_util::Stream;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::features::auth::{self, AuthService, CurrentUser};
use crate::features::notifications::service::Happened;
use crate::features::notifications::{NotificationService, render};
use crate::platform::events::{Event, Severity};
use crate::platform::http::{ApiError, Json, Query};
use crate::platform::lifecycle::Lifecycle;

const DEFAULT_LIMIT: i64 = 30;

/// Something that happened, in words.
#[derive(Serialize, ToSchema)]
pub struct FeedItem {
    /// Its place in the feed.
    id: i64,
    event_id: Uuid,
    event_type: String,
    severity: Severity,
    title: String,
    message: String,
    occurred_at: DateTime<Utc>,
    is_seen: bool,
}

/// What happened, newest first.
#[derive(Serialize, ToSchema)]
pub struct Feed {
    items: Vec<FeedItem>,
    /// How many are not seen; counted to 1000.
    unseen: i64,
}

/// Which part of the feed is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// The least severity; `info` if absent.
    severity: Option<Severity>,
    /// Only before this place.
    before: Option<i64>,
    /// 1 to 200; 30 if absent.
    limit: Option<i64>,
}

/// Up to which place somebody has seen it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenRequest {
    id: i64,
}

/// Show what happened.
#[utoipa::path(get, path = "/api/notifications/feed", tag = "notifications", params(FeedQuery),
    responses((status = 200, body = Feed)))]
pub async fn get_feed(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Query(query): Query<FeedQuery>,
) -> Result<Json<Feed>, ApiError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=200).contains(&limit) {
        return Err(ApiError::invalid("limit", "must be between 1 and 200"));
    }
    let least = query.severity.unwrap_or(Severity::Info);
    let (happened, seen_id, unseen) = notifications
        .feed(user.user_id(), limit, query.before, least)
        .await?;
    let items = happened.into_iter().map(|Happened { id, event }| {
        let words = render::words(&event, None, None);
        FeedItem {
            id,
            event_id: event.event_id,
            event_type: event.event_type,
            severity: event.severity,
            title: words.title,
            message: words.body,
            occurred_at: event.occurred_at,
            is_seen: id <= seen_id,
        }
    });
    Ok(Json(Feed {
        items: items.collect(),
        unseen,
    }))
}

/// Note up to which place the feed was seen.
#[utoipa::path(post, path = "/api/notifications/feed/seen", tag = "notifications", request_body = SeenRequest,
    responses((status = 204)))]
pub async fn note_feed_seen(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Json(request): Json<SeenRequest>,
) -> Result<StatusCode, ApiError> {
    notifications.note_seen(user.user_id(), request.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Follow what happens (server-sent events).
#[utoipa::path(get, path = "/api/notifications/feed/live", tag = "notifications",
    responses((status = 200, description = "`event` with type, severity, title and message; `lagged` when some were \
        missed", content_type = "text/event-stream")))]
pub async fn follow_feed(
    State(notifications): State<NotificationService>,
    State(lifecycle): State<Lifecycle>,
    State(service): State<AuthService>,
    user: CurrentUser,
) -> impl IntoResponse {
    auth::follow(live(&notifications), user, service, &lifecycle)
}

fn live(
    notifications: &NotificationService,
) -> impl Stream<Item = Result<Sent, Infallible>> + use<> {
    let listener = notifications.listen();
    futures_util::stream::unfold(listener, |mut listener| async move {
        let sent = match listener.recv().await {
            Ok(event) => Sent::default()
                .event("event")
                .data(told(&event).to_string()),
            Err(RecvError::Lagged(_)) => Sent::default().event("lagged").data("{}"),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(sent), listener))
    })
}

fn told(event: &Event) -> serde_json::Value {
    let words = render::words(event, None, None);
    serde_json::json!({
        "event_id": event.event_id, "event_type": event.event_type, "severity": event.severity,
        "title": words.title, "message": words.body, "occurred_at": event.occurred_at,
    })
}
