//! What was told.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::features::auth::CurrentUser;
use crate::features::notifications::NotificationService;
use crate::features::notifications::store::history::{Detailed, Filter, Row};
use crate::platform::db::page::{Page, PageQuery, PageRequest};
use crate::platform::http::{ApiError, Json, Path, Query};

/// A message to a service.
#[derive(Serialize, ToSchema)]
pub struct NotificationMessage {
    id: i32,
    event_type: String,
    severity: String,
    title: String,
    message: String,
    /// Null when its service was deleted.
    service_id: Option<i32>,
    service_name: Option<String>,
    rule_id: Option<i32>,
    rule_name: Option<String>,
    /// `pending`, `sent`, `failed` or `skipped`.
    status: String,
    /// `cooldown`, `out_of_hours`, `service_disabled`, `service_deleted`, `rule_disabled`, `rule_deleted`,
    /// `rule_invalid`, `acknowledged`, `queue_full`, `expired`.
    skip_code: Option<String>,
    /// Why it failed, was skipped, or is tried again.
    error_message: Option<String>,
    /// Attempts that failed.
    retry_count: i32,
    /// When it is tried again.
    next_retry: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
    occurred_at: Option<DateTime<Utc>>,
    priority: String,
    /// How many events are in it.
    event_count: i32,
    /// Whose place it took: a service could not be reached.
    fallback_of: Option<i32>,
    alert_id: Option<i32>,
    /// Which step of an escalation it is; null for the first message.
    escalation_step: Option<i32>,
}

/// An attempt to deliver a message.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct NotificationAttempt {
    at: DateTime<Utc>,
    /// `sent` or `failed`.
    outcome: String,
    /// Why it failed.
    error: Option<String>,
    /// The status of the answer.
    response_status: Option<i32>,
    /// The beginning of what the service said.
    response_text: Option<String>,
    duration_ms: Option<i32>,
}

/// A message with all that is known of it.
#[derive(Serialize, ToSchema)]
pub struct NotificationMessageDetails {
    #[serde(flatten)]
    message: NotificationMessage,
    /// The same in every attempt.
    delivery_id: Uuid,
    event_id: Option<Uuid>,
    /// The event's data.
    event_data: Option<Value>,
    /// What it is about.
    subject: String,
    /// The status of the last answer.
    response_status: Option<i32>,
    /// The beginning of what the service said.
    response_text: Option<String>,
    /// How long the last attempt took.
    duration_ms: Option<i32>,
    /// The latest attempts, the oldest first.
    attempts: Vec<NotificationAttempt>,
    /// What the service was sent last, as text: the beginning of it, without secrets.
    payload: Option<String>,
}

/// Which messages are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// `pending`, `sent`, `failed` or `skipped`.
    status: Option<String>,
    /// A type of event, or a group as in `backup.*`.
    event_type: Option<String>,
    service_id: Option<i32>,
    rule_id: Option<i32>,
    /// Most items to return, 1 to 200; 50 if absent.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl From<Row> for NotificationMessage {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            event_type: row.event_type,
            severity: row.severity,
            title: row.title,
            message: row.message,
            service_id: row.service_id,
            service_name: row.service_name,
            rule_id: row.rule_id,
            rule_name: row.rule_name,
            status: row.status,
            skip_code: row.skip_code,
            error_message: row.error_message,
            retry_count: row.retry_count,
            next_retry: row.next_retry,
            sent_at: row.sent_at,
            created_at: row.created_at,
            occurred_at: row.occurred_at,
            priority: row.priority,
            event_count: row.event_count,
            fallback_of: row.fallback_of,
            alert_id: row.alert_id,
            escalation_step: row.escalation_step,
        }
    }
}

impl From<Detailed> for NotificationMessageDetails {
    fn from(found: Detailed) -> Self {
        let row = found.row;
        Self {
            delivery_id: row.delivery_id,
            event_id: row.event_id,
            event_data: row.event_data.clone(),
            subject: row.subject.clone(),
            response_status: row.response_status,
            response_text: row.response_text.clone(),
            duration_ms: row.duration_ms,
            attempts: serde_json::from_value(found.attempts).unwrap_or_default(),
            payload: found.payload,
            message: row.into(),
        }
    }
}

/// List what was told, is to be told, and was left untold.
#[utoipa::path(get, path = "/api/notifications/history", tag = "notifications", params(HistoryQuery),
    responses((status = 200, body = Page<NotificationMessage>)))]
pub async fn list_history(
    State(notifications): State<NotificationService>,
    _: CurrentUser,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Page<NotificationMessage>>, ApiError> {
    if let Some(status) = query.status.as_deref()
        && !matches!(status, "pending" | "sent" | "failed" | "skipped")
    {
        return Err(ApiError::invalid(
            "status",
            "must be pending, sent, failed or skipped",
        ));
    }
    let page = PageRequest::try_from(&PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    })?;
    let filter = Filter {
        status: query.status,
        event_type: query.event_type,
        service_id: query.service_id,
        rule_id: query.rule_id,
    };
    let rows = notifications.history(&filter, &page).await?;
    Ok(Json(rows.map(Into::into)))
}

/// Show a message with its event and the service's answer.
#[utoipa::path(get, path = "/api/notifications/history/{id}", tag = "notifications", params(("id" = i32, Path,)),
    responses((status = 200, body = NotificationMessageDetails)))]
pub async fn get_message(
    State(notifications): State<NotificationService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<NotificationMessageDetails>, ApiError> {
    Ok(Json(notifications.message_row(id).await?.into()))
}

/// Send a message again that failed or was skipped.
#[utoipa::path(post, path = "/api/notifications/retry/{id}", tag = "notifications", params(("id" = i32, Path,)),
    responses((status = 200, body = NotificationMessageDetails)))]
pub async fn retry_message(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<NotificationMessageDetails>, ApiError> {
    Ok(Json(notifications.retry(&user.actor(), id).await?.into()))
}
