//! The services.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::features::auth::CurrentUser;
use crate::features::notifications::channels::apprise::Target;
use crate::features::notifications::channels::form::{Definition, FieldKind, Limits};
use crate::features::notifications::services::{ServiceDraft, Tested};
use crate::features::notifications::store::services::Service;
use crate::features::notifications::{NotificationError, NotificationService, kinds};
use crate::platform::http::{ApiError, Json, Path};

/// A kind of service.
#[derive(Serialize, ToSchema)]
pub struct NotificationServiceType {
    /// `apprise`, `ntfy`, `email` or `webhook`.
    service_type: &'static str,
    /// Which of Apprise's services; the type itself for the others.
    service: &'static str,
    /// For people.
    name: &'static str,
    /// Where the service documents what is sent; may be empty.
    docs: &'static str,
    /// The beginnings of its Apprise URLs.
    schemes: Vec<&'static str>,
    /// An Apprise URL of it; may be empty.
    example: &'static str,
    /// What it asks for.
    fields: Vec<NotificationField>,
    /// What it takes.
    limits: Limits,
}

/// A field of a service's form.
#[derive(Serialize, ToSchema)]
pub struct NotificationField {
    key: &'static str,
    label: &'static str,
    kind: FieldKind,
    is_required: bool,
    help: &'static str,
    example: &'static str,
}

/// Every kind of service.
#[derive(Serialize, ToSchema)]
pub struct NotificationServiceTypes {
    items: Vec<NotificationServiceType>,
}

/// A service.
#[derive(Serialize, ToSchema)]
pub struct NotificationServiceView {
    id: i32,
    name: String,
    /// `apprise`, `ntfy`, `email` or `webhook`.
    service_type: String,
    enabled: bool,
    /// The higher, the sooner it is told what another could not be told.
    priority: i32,
    /// `service`, `fields` without what is secret, `kept`: the names of what is secret and set, `verify`, `address`
    /// without secrets, `tags`.
    config: Value,
    last_test: Option<DateTime<Utc>>,
    /// `success` or `failed`.
    last_test_result: Option<String>,
    last_test_error: Option<String>,
    /// Why Flowkeep itself switched it off.
    disabled_reason: Option<String>,
    /// Since when nothing could be delivered.
    failing_since: Option<DateTime<Utc>>,
    last_error: Option<String>,
    last_success: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

/// Every service.
#[derive(Serialize, ToSchema)]
pub struct NotificationServices {
    items: Vec<NotificationServiceView>,
}

/// A service as somebody wants it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationServiceRequest {
    /// One line of 1 to 100 characters.
    name: String,
    /// `apprise`, `ntfy`, `email` or `webhook`.
    service_type: String,
    #[serde(default = "yes")]
    enabled: bool,
    /// -1000 to 1000.
    #[serde(default)]
    priority: i32,
    /// For `apprise` `{"url": …}` or `{"service": …, "fields": {…}}`, with `tags`; else the fields of the type.
    /// Secrets that are left out stay as they are, null takes them away.
    config: Value,
}

fn yes() -> bool {
    true
}

/// A service to be tried before it is kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationDraftRequest {
    service_type: String,
    config: Value,
    /// Whose secrets stand in for those left out.
    #[serde(default)]
    id: Option<i32>,
}

/// What became of a test message.
#[derive(Serialize, ToSchema)]
pub struct NotificationTest {
    /// Whether it was taken.
    is_delivered: bool,
    /// Why not, with the remedy.
    error: Option<String>,
    /// The field of the configuration at fault, if one is: where it is sent to.
    field: Option<&'static str>,
    /// The status of the answer, if there was one.
    status: Option<u16>,
    duration_ms: u64,
}

/// An Apprise URL, or the address that a service hands out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationUrlRequest {
    url: String,
}

/// What an address means.
#[derive(Serialize, ToSchema)]
pub struct NotificationUrl {
    /// Which of Apprise's services.
    service: &'static str,
    /// Its fields, for the form.
    fields: Value,
    /// Whether certificates are checked.
    verify: bool,
    /// The address without secrets.
    address: String,
}

impl NotificationServiceType {
    fn of((service_type, one): (&'static str, &'static Definition)) -> Self {
        let fields = one.fields.iter().map(|field| NotificationField {
            key: field.key,
            label: field.label,
            kind: field.kind,
            is_required: field.is_required,
            help: field.help,
            example: field.example,
        });
        Self {
            service_type,
            service: one.id,
            name: one.name,
            docs: one.docs,
            schemes: one.schemes.iter().chain(one.aliases).copied().collect(),
            example: one.example,
            fields: fields.collect(),
            limits: one.limits,
        }
    }
}

impl From<Service> for NotificationServiceView {
    fn from(row: Service) -> Self {
        Self {
            id: row.id,
            name: row.name,
            enabled: row.is_enabled,
            priority: row.priority,
            config: kinds::shown(&row.service_type, row.config),
            service_type: row.service_type,
            last_test: row.last_test,
            last_test_result: row.last_test_result,
            last_test_error: row.last_test_error,
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since,
            last_error: row.last_error,
            last_success: row.last_success,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<NotificationServiceRequest> for ServiceDraft {
    fn from(request: NotificationServiceRequest) -> Self {
        Self {
            name: request.name,
            service_type: request.service_type,
            is_enabled: request.enabled,
            priority: request.priority,
            config: request.config,
        }
    }
}

impl From<Tested> for NotificationTest {
    fn from(tested: Tested) -> Self {
        Self {
            is_delivered: tested.error.is_none(),
            error: tested.error,
            field: tested.field,
            status: tested.status,
            duration_ms: tested.duration_ms,
        }
    }
}

/// List the kinds of services, and what each asks for.
#[utoipa::path(get, path = "/api/notifications/service-types", tag = "notifications",
    responses((status = 200, body = NotificationServiceTypes)))]
pub async fn list_service_types(_: CurrentUser) -> Json<NotificationServiceTypes> {
    let items = kinds::all().map(NotificationServiceType::of).collect();
    Json(NotificationServiceTypes { items })
}

/// List the services.
#[utoipa::path(get, path = "/api/notifications/services", tag = "notifications",
    responses((status = 200, body = NotificationServices)))]
pub async fn list_services(
    State(notifications): State<NotificationService>,
    _: CurrentUser,
) -> Result<Json<NotificationServices>, ApiError> {
    let items = notifications.services().await?;
    Ok(Json(NotificationServices {
        items: items.into_iter().map(Into::into).collect(),
    }))
}

/// Add a service.
#[utoipa::path(post, path = "/api/notifications/services", tag = "notifications",
    request_body = NotificationServiceRequest, responses((status = 201, body = NotificationServiceView)))]
pub async fn create_service(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Json(request): Json<NotificationServiceRequest>,
) -> Result<(StatusCode, Json<NotificationServiceView>), ApiError> {
    let made = notifications
        .create_service(&user.actor(), request.into())
        .await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Show a service.
#[utoipa::path(get, path = "/api/notifications/services/{id}", tag = "notifications", params(("id" = i32, Path,)),
    responses((status = 200, body = NotificationServiceView)))]
pub async fn get_service(
    State(notifications): State<NotificationService>,
    _: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<NotificationServiceView>, ApiError> {
    Ok(Json(notifications.service(id).await?.into()))
}

/// Change a service.
#[utoipa::path(put, path = "/api/notifications/services/{id}", tag = "notifications", params(("id" = i32, Path,)),
    request_body = NotificationServiceRequest, responses((status = 200, body = NotificationServiceView)))]
pub async fn update_service(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
    Json(request): Json<NotificationServiceRequest>,
) -> Result<Json<NotificationServiceView>, ApiError> {
    let changed = notifications
        .update_service(&user.actor(), id, request.into())
        .await?;
    Ok(Json(changed.into()))
}

/// Delete a service, and its rules with it. Its history stays.
#[utoipa::path(delete, path = "/api/notifications/services/{id}", tag = "notifications", params(("id" = i32, Path,)),
    responses((status = 204)))]
pub async fn delete_service(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<StatusCode, ApiError> {
    notifications.delete_service(&user.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send a test message by a service. What became of it is kept.
#[utoipa::path(post, path = "/api/notifications/services/{id}/test", tag = "notifications", params(("id" = i32, Path,)),
    responses((status = 200, body = NotificationTest)))]
pub async fn test_service(
    State(notifications): State<NotificationService>,
    user: CurrentUser,
    Path(id): Path<i32>,
) -> Result<Json<NotificationTest>, ApiError> {
    Ok(Json(
        notifications.test_service(&user.actor(), id).await?.into(),
    ))
}

/// Send a test message by a service that is not kept yet.
#[utoipa::path(post, path = "/api/notifications/services/test", tag = "notifications",
    request_body = NotificationDraftRequest, responses((status = 200, body = NotificationTest)))]
pub async fn test_draft_service(
    State(notifications): State<NotificationService>,
    _: CurrentUser,
    Json(request): Json<NotificationDraftRequest>,
) -> Result<Json<NotificationTest>, ApiError> {
    let tested = notifications
        .test_draft(&request.service_type, &request.config, request.id)
        .await?;
    Ok(Json(tested.into()))
}

/// Say what an Apprise URL, or the address that a service hands out, means.
#[utoipa::path(post, path = "/api/notifications/services/read-url", tag = "notifications",
    request_body = NotificationUrlRequest, responses((status = 200, body = NotificationUrl)))]
pub async fn read_service_url(
    _: CurrentUser,
    Json(request): Json<NotificationUrlRequest>,
) -> Result<Json<NotificationUrl>, ApiError> {
    let target = Target::read(&request.url).map_err(NotificationError::from)?;
    Ok(Json(NotificationUrl {
        service: target.definition.id,
        verify: target.is_verified,
        address: target.redacted(),
        fields: json!(target.fields.0),
    }))
}
