//! Troubles that somebody must acknowledge.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::features::audit::Actor;
use crate::features::auth::CurrentUser;
use crate::features::notifications::NotificationService;
use crate::features::notifications::store::alerts::Alert;
use crate::platform::http::client::Client;
use crate::platform::http::{ApiError, Json, Path};

/// A trouble that somebody must acknowledge.
#[derive(Serialize, ToSchema)]
pub struct AlertView {
    id: i32,
    rule_id: i32,
    event_type: String,
    severity: String,
    title: String,
    /// `open`, `acknowledged` or `resolved`.
    status: String,
    opened_at: DateTime<Utc>,
    /// How many events there were.
    event_count: i32,
    last_event_at: DateTime<Utc>,
    /// Which step of the escalation comes next, from 0.
    next_step: i32,
    /// When; null when all were taken.
    next_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
    /// Who acknowledged it, or which event ended it.
    closed_by: Option<String>,
}

/// Alerts, those that are open first.
#[derive(Serialize, ToSchema)]
pub struct Alerts {
    items: Vec<AlertView>,
}

/// What stood behind the `#` of a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    token: String,
}

/// What a link is about; as little as whoever has it must know.
#[derive(Serialize, ToSchema)]
pub struct LinkedAlert {
    title: String,
    severity: String,
    status: String,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    closed_by: Option<String>,
}

impl From<Alert> for AlertView {
    fn from(row: Alert) -> Self {
        Self {
            id: row.id,
            rule_id: row.rule_id,
            event_type: row.event_type,
            severity: row.severity,
            title: row.title,
            status: row.status,
            opened_at: row.opened_at,
            event_count: row.event_count,
            last_event_at: row.last_event_at,
            next_step: row.next_step,
            next_at: row.next_at,
            closed_at: row.closed_at,
            closed_by: row.closed_by,
        }
    }
}

impl From<Alert> for LinkedAlert {
    fn from(row: Alert) -> Self {
        Self {
            title: row.title,
            severity: row.severity,
            status: row.status,
            opened_at: row.opened_at,
            closed_at: row.closed_at,
            closed_by: row.closed_by,
        }
    }
}

/// List the alerts, those that are open first.
#[utoipa::path(get, path = "/api/notifications/alerts", tag = "notifications", responses((status = 200, body = Alerts)))]
pub async fn list_alerts(
    State(notifications): State<NotificationService>,
    _: CurrentUser,
) -> Result<Json<Alerts>, ApiError> {
    let items = notifications.alerts().await?;
    Ok(Json(Alerts {
        items: items.into_iter().map(Into::into).collect(),
    }))
}

/// Acknowledge an alert: nobody further is told.
#[utoipa::path(post, path = "/api/notifications/alerts/{id}/acknowledge", tag = "notifications",
    params(("id" = i32, Path,)), responses((status = 200, body = AlertView)))]
pub async fn acknowledge_alert(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<AlertView>, ApiError> {
    Ok(Json(
        notifications.acknowledge(&user.actor(), id).await?.into(),
    ))
}

/// Say what a signed link is about. Changes nothing: programs that look at links must not acknowledge.
#[utoipa::path(post, path = "/api/notifications/acknowledge/check", tag = "notifications", security(()),
    request_body = AcknowledgeRequest, responses((status = 200, body = LinkedAlert), (status = 403)))]
pub async fn check_acknowledge_link(
    State(notifications): State<NotificationService>,
    Json(request): Json<AcknowledgeRequest>,
) -> Result<Json<LinkedAlert>, ApiError> {
    Ok(Json(
        notifications.linked_alert(&request.token).await?.into(),
    ))
}

/// Acknowledge by a signed link, without signing in.
#[utoipa::path(post, path = "/api/notifications/acknowledge", tag = "notifications", security(()),
    request_body = AcknowledgeRequest, responses((status = 200, body = LinkedAlert), (status = 403)))]
pub async fn acknowledge_by_link(
    State(notifications): State<NotificationService>,
    client: Client,
    Json(request): Json<AcknowledgeRequest>,
) -> Result<Json<LinkedAlert>, ApiError> {
    let alert = notifications.linked_alert(&request.token).await?;
    let acknowledged = notifications
        .acknowledge(&Actor::client(&client), alert.id)
        .await?;
    Ok(Json(acknowledged.into()))
}
