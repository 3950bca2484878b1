//! The rules, and what they are about.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::features::auth::CurrentUser;
use crate::features::notifications::decide::Decision;
use crate::features::notifications::rule::{Conditions, Rule, RuleText};
use crate::features::notifications::service::Tried;
use crate::features::notifications::store::rules::Row;
use crate::features::notifications::{NotificationService, catalogue};
use crate::platform::events::Severity;
use crate::platform::http::{ApiError, Json, Path};

/// Past events shown when a rule is tried.
const MOST_SHOWN: usize = 100;

/// A rule.
#[derive(Serialize, ToSchema)]
pub struct NotificationRule {
    id: i32,
    name: String,
    enabled: bool,
    /// A type of event, a group as in `backup.*`, or `*`.
    event_type: String,
    /// A regular expression on the type, the severity and the data as JSON.
    event_pattern: Option<String>,
    service_id: i32,
    /// `low`, `normal`, `high` or `critical`.
    priority: String,
    conditions: Conditions,
    custom_title: Option<String>,
    custom_message: Option<String>,
    include_details: bool,
    cooldown_minutes: i32,
    last_triggered: Option<DateTime<Utc>>,
    sort_order: i32,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    /// Why it tells nothing though it is on: it is no rule of this version. Change it.
    fault: Option<String>,
}

/// Every rule, in their order.
#[derive(Serialize, ToSchema)]
pub struct NotificationRules {
    items: Vec<NotificationRule>,
}

/// A rule as somebody wants it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationRuleRequest {
    /// One line of 1 to 100 characters.
    name: String,
    #[serde(default = "yes")]
    enabled: bool,
    /// A type of event, a group as in `backup.*`, or `*`.
    event_type: String,
    /// A regular expression of up to 255 characters on the type, the severity and the data as JSON.
    #[serde(default)]
    event_pattern: Option<String>,
    service_id: i32,
    /// `low`, `normal`, `high` or `critical`.
    #[serde(default = "normal")]
    priority: String,
    #[serde(default)]
    conditions: Conditions,
    /// A template for the title, in place of the usual words.
    #[serde(default)]
    custom_title: Option<String>,
    /// A template for the text.
    #[serde(default)]
    custom_message: Option<String>,
    /// Whether the event's data goes along where the service can take it.
    #[serde(default = "yes")]
    include_details: bool,
    /// 0 to 43200.
    #[serde(default)]
    cooldown_minutes: i32,
    #[serde(default)]
    sort_order: i32,
}

fn yes() -> bool {
    true
}

fn normal() -> String {
    "normal".to_owned()
}

/// A rule to be tried on past events.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TryRuleRequest {
    rule: NotificationRuleRequest,
    /// 1 to 30; 7 if absent.
    #[serde(default = "week")]
    days: u32,
}

fn week() -> u32 {
    7
}

/// What a rule would have done.
#[derive(Serialize, ToSchema)]
pub struct RuleTrial {
    /// Events of those days.
    events: usize,
    /// Whether there were more; the newest 5,000 are looked at.
    is_cut: bool,
    /// Those that the rule is for.
    matched: usize,
    /// Messages that would have gone out at once.
    told: usize,
    /// Events that would have been gathered.
    gathered: usize,
    /// Events that would not have been told.
    skipped: usize,
    /// The newest of those that matched, 100 at most.
    items: Vec<TriedEvent>,
}

/// A past event, and what a rule would have done with it.
#[derive(Serialize, ToSchema)]
pub struct TriedEvent {
    event_id: Uuid,
    event_type: String,
    severity: Severity,
    occurred_at: DateTime<Utc>,
    /// `told`, `gathered` or `skipped`.
    outcome: &'static str,
    /// Why it was gathered or skipped.
    reason: Option<String>,
    title: String,
    message: String,
    /// Why the rule's own words were not used.
    fault: Option<String>,
}

/// A type of event.
#[derive(Serialize, ToSchema)]
pub struct EventTypeView {
    /// `group.event`.
    name: &'static str,
    label: &'static str,
    description: &'static str,
    severity: Severity,
    /// Types whose trouble it ends.
    ends: &'static [&'static str],
    /// Data of one, for conditions and templates.
    sample: Value,
    /// The usual title and text, as templates.
    title: &'static str,
    body: &'static str,
}

/// Every type of event.
#[derive(Serialize, ToSchema)]
pub struct EventTypes {
    items: Vec<EventTypeView>,
}

impl NotificationRuleRequest {
    fn text(self, id: i32) -> (RuleText, i32) {
        let sort_order = self.sort_order;
        let text = RuleText {
            id,
            name: self.name,
            is_enabled: self.enabled,
            event_type: self.event_type,
            event_pattern: self.event_pattern,
            service_id: self.service_id,
            priority: self.priority,
            conditions: self.conditions,
            custom_title: self.custom_title,
            custom_message: self.custom_message,
            include_details: self.include_details,
            cooldown_minutes: self.cooldown_minutes,
        };
        (text, sort_order)
    }
}

impl From<Row> for NotificationRule {
    fn from(row: Row) -> Self {
        let fault = Rule::new(row.text()).err();
        Self {
            fault: fault.map(|bad| format!("{} {}", bad.field, bad.why)),
            conditions: row.conditions(),
            id: row.id,
            name: row.name,
            enabled: row.is_enabled,
            event_type: row.event_type,
            event_pattern: row.event_pattern,
            service_id: row.service_id,
            priority: row.priority,
            custom_title: row.custom_title,
            custom_message: row.custom_message,
            include_details: row.include_details,
            cooldown_minutes: row.cooldown_minutes,
            last_triggered: row.last_triggered,
            sort_order: row.sort_order,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<Tried> for TriedEvent {
    fn from(tried: Tried) -> Self {
        let (outcome, reason) = match tried.decision {
            Decision::Tell => ("told", None),
            Decision::Gather { kind, due_at, .. } => {
                let until = due_at.format("%Y-%m-%d %H:%M UTC");
                ("gathered", Some(format!("{} until {until}", kind.as_str())))
            }
            Decision::Skip { why, .. } => ("skipped", Some(why)),
        };
        Self {
            event_id: tried.event.event_id,
            event_type: tried.event.event_type,
            severity: tried.event.severity,
            occurred_at: tried.event.occurred_at,
            outcome,
            reason,
            title: tried.words.title,
            message: tried.words.body,
            fault: tried.words.fault,
        }
    }
}

/// List the rules.
#[utoipa::path(get, path = "/api/notifications/rules", tag = "notifications",
    responses((status = 200, body = NotificationRules)))]
pub async fn list_rules(
    State(notifications): State<NotificationService>,
    _: CurrentUser,
) -> Result<Json<NotificationRules>, ApiError> {
    let items = notifications.rules().await?;
    Ok(Json(NotificationRules {
        items: items.into_iter().map(Into::into).collect(),
    }))
}

/// Add a rule.
#[utoipa::path(post, path = "/api/notifications/rules", tag = "notifications",
    request_body = NotificationRuleRequest, responses((status = 201, body = NotificationRule)))]
pub async fn create_rule(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Json(request): Json<NotificationRuleRequest>,
) -> Result<(StatusCode, Json<NotificationRule>), ApiError> {
    let (text, sort_order) = request.text(0);
    let made = notifications
        .create_rule(&user.actor(), text, sort_order)
        .await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Show a rule.
#[utoipa::path(get, path = "/api/notifications/rules/{id}", tag = "notifications", params(("id" = i32, Path,)),
    responses((status = 200, body = NotificationRule)))]
pub async fn get_rule(
    State(notifications): State<NotificationService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<NotificationRule>, ApiError> {
    Ok(Json(notifications.rule(id).await?.into()))
}

/// Change a rule.
#[utoipa::path(put, path = "/api/notifications/rules/{id}", tag = "notifications", params(("id" = i32, Path,)),
    request_body = NotificationRuleRequest, responses((status = 200, body = NotificationRule)))]
pub async fn update_rule(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
    Json(request): Json<NotificationRuleRequest>,
) -> Result<Json<NotificationRule>, ApiError> {
    let (text, sort_order) = request.text(id);
    let changed = notifications
        .update_rule(&user.actor(), text, sort_order)
        .await?;
    Ok(Json(changed.into()))
}

/// Delete a rule. Its history stays.
#[utoipa::path(delete, path = "/api/notifications/rules/{id}", tag = "notifications", params(("id" = i32, Path,)),
    responses((status = 204)))]
pub async fn delete_rule(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    notifications.delete_rule(&user.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Say what a rule would have done with past events. Nothing is kept or sent.
#[utoipa::path(post, path = "/api/notifications/rules/try", tag = "notifications",
    request_body = TryRuleRequest, responses((status = 200, body = RuleTrial)))]
pub async fn try_rule(
    State(notifications): State<NotificationService>,
    _: CurrentUser,
    Json(request): Json<TryRuleRequest>,
) -> Result<Json<RuleTrial>, ApiError> {
    if !(1..=30).contains(&request.days) {
        return Err(ApiError::invalid("days", "must be between 1 and 30"));
    }
    let (text, _) = request.rule.text(0);
    let trial = notifications
        .try_rule(text, request.days, MOST_SHOWN)
        .await?;
    let count =
        |wanted: fn(&Decision) -> bool| trial.decisions.iter().filter(|one| wanted(one)).count();
    Ok(Json(RuleTrial {
        events: trial.events,
        is_cut: trial.is_cut,
        matched: trial.decisions.len(),
        told: count(|one| *one == Decision::Tell),
        gathered: count(|one| matches!(one, Decision::Gather { .. })),
        skipped: count(|one| matches!(one, Decision::Skip { .. })),
        items: trial.shown.into_iter().map(Into::into).collect(),
    }))
}

/// List the types of events.
#[utoipa::path(get, path = "/api/notifications/event-types", tag = "notifications",
    responses((status = 200, body = EventTypes)))]
pub async fn list_event_types(_: CurrentUser) -> Json<EventTypes> {
    let items = catalogue::EVENT_TYPES.iter().map(|one| EventTypeView {
        name: one.name,
        label: one.label,
        description: one.description,
        severity: one.severity,
        ends: one.ends,
        sample: serde_json::from_str(one.sample).unwrap_or_default(),
        title: one.title,
        body: one.body,
    });
    Json(EventTypes {
        items: items.collect(),
    })
}
