//! `/api/email`.

use axum::extract::State;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::trial;
use super::wire::{
    EmailCheck, EmailConfig, EmailConfigRequest, EmailPreview, EmailTemplate, EmailTemplateRequest,
    EmailTemplates, EmailTest, EmailTestRequest, EmailTestResult, RefusedRecipient,
};
use super::{EmailError, EmailService};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::platform::db::page::{Page, PageQuery, PageRequest};
use crate::platform::http::{ApiError, Json, Path, Query};

/// The routes of e-mail.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_email_config, set_email_config))
        .routes(routes!(check_email))
        .routes(routes!(test_email))
        .routes(routes!(list_email_tests))
        .routes(routes!(list_email_templates))
        .routes(routes!(get_email_template, change_email_template))
        .routes(routes!(preview_email_template))
        .routes(routes!(reset_email_template))
}

impl From<EmailError> for ApiError {
    fn from(error: EmailError) -> Self {
        match error {
            EmailError::Invalid(misfits) => {
                let named = misfits.iter().map(|one| match one.line {
                    Some(line) => (one.field, format!("line {line}: {}", one.why)),
                    None => (one.field, one.why.clone()),
                });
                let named: Vec<_> = named.collect();
                let message: Vec<_> = named
                    .iter()
                    .map(|(field, why)| format!("{field}: {why}"))
                    .collect();
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let mut error = Self::new(status, "invalid_input", message.join("; "));
                for (field, why) in named {
                    error = error.with_field(field, why);
                }
                for misfit in misfits {
                    if let Some(line) = misfit.line {
                        error = error.with_field(format!("{}_line", misfit.field), line);
                    }
                }
                error
            }
            EmailError::NoTemplate(key) => Self::not_found(format!("template {key}")),
            EmailError::NotConfigured => Self::conflict(
                "email_not_configured",
                EmailError::NotConfigured.to_string(),
            ),
            EmailError::Mail(trouble) => Self::conflict("email_failed", trouble.why),
            EmailError::Vault(error) => Self::internal(&error),
            EmailError::Database(error) => error.into(),
        }
    }
}

/// Tell how e-mail is set up.
#[utoipa::path(get, path = "/api/email/config", tag = "email", responses((status = 200, body = EmailConfig)))]
async fn get_email_config(
    State(email): State<EmailService>,
    _: CurrentUser,
) -> Result<Json<EmailConfig>, ApiError> {
    Ok(Json(email.stored().await?.into()))
}

/// Set e-mail up.
#[utoipa::path(put, path = "/api/email/config", tag = "email", request_body = EmailConfigRequest,
    responses((status = 200, body = EmailConfig)))]
async fn set_email_config(
    State(email): State<EmailService>,
    user: CurrentUser,
    Json(request): Json<EmailConfigRequest>,
) -> Result<Json<EmailConfig>, ApiError> {
    email.configure(&user.actor(), request.into()).await?;
    Ok(Json(email.stored().await?.into()))
}

/// Connect to the mail server and sign in, without sending anything.
#[utoipa::path(post, path = "/api/email/check", tag = "email", responses((status = 200, body = EmailCheck)))]
async fn check_email(
    State(email): State<EmailService>,
    _: CurrentUser,
) -> Result<Json<EmailCheck>, ApiError> {
    let checked = email.check().await?;
    let response_time_ms = checked.took_ms;
    let check = match checked.said {
        Ok(receipt) => EmailCheck {
            is_ok: true,
            response_time_ms,
            smtp_response: Some(receipt.response),
            error: None,
            field: None,
        },
        Err(trouble) => EmailCheck {
            is_ok: false,
            response_time_ms,
            smtp_response: trouble.response,
            error: Some(trouble.why),
            field: trouble.field,
        },
    };
    Ok(Json(check))
}

/// Send a template with sample values, and keep what came of it.
#[utoipa::path(post, path = "/api/email/test", tag = "email", request_body = EmailTestRequest,
    responses((status = 200, body = EmailTestResult)))]
async fn test_email(
    State(email): State<EmailService>,
    user: CurrentUser,
    Json(request): Json<EmailTestRequest>,
) -> Result<Json<EmailTestResult>, ApiError> {
    let key = request.template_key.as_deref().unwrap_or(trial::TEST);
    let to = request.to.as_deref().filter(|to| !to.trim().is_empty());
    let tested = email.test(&user.actor(), to, key).await?;
    let refused = tested
        .refused
        .into_iter()
        .map(|(recipient, response)| RefusedRecipient {
            recipient,
            response,
        });
    Ok(Json(EmailTestResult {
        test: tested.row.into(),
        field: tested.trouble.as_ref().and_then(|trouble| trouble.field),
        is_transient: tested.trouble.is_some_and(|trouble| trouble.is_transient),
        refused: refused.collect(),
        is_welcomed: tested.is_welcomed,
    }))
}

/// List the tests, newest first; the last 200 are kept.
#[utoipa::path(get, path = "/api/email/test-history", tag = "email", params(PageQuery),
    responses((status = 200, body = Page<EmailTest>)))]
async fn list_email_tests(
    State(email): State<EmailService>,
    _: CurrentUser,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<EmailTest>>, ApiError> {
    let page = PageRequest::try_from(&query)?;
    let rows = email.tests(page.before_id, page.limit + 1).await?;
    Ok(Json(
        Page::from_rows(rows, page.limit, |row| i64::from(row.id)).map(EmailTest::from),
    ))
}

/// List the templates.
#[utoipa::path(get, path = "/api/email/templates", tag = "email", responses((status = 200, body = EmailTemplates)))]
async fn list_email_templates(
    State(email): State<EmailService>,
    _: CurrentUser,
) -> Result<Json<EmailTemplates>, ApiError> {
    let all = email.templates().await?;
    let items = all
        .into_iter()
        .map(|current| EmailTemplate::from(current).summary);
    Ok(Json(EmailTemplates {
        items: items.collect(),
    }))
}

/// Show a template.
#[utoipa::path(get, path = "/api/email/templates/{key}", tag = "email", params(("key" = String, Path,)),
    responses((status = 200, body = EmailTemplate)))]
async fn get_email_template(
    State(email): State<EmailService>,
    _: CurrentUser,
    Path(key): Path<String>,
) -> Result<Json<EmailTemplate>, ApiError> {
    Ok(Json(email.template(&key).await?.into()))
}

/// Edit a template. What cannot be rendered is refused, with the line.
#[utoipa::path(put, path = "/api/email/templates/{key}", tag = "email", params(("key" = String, Path,)),
    request_body = EmailTemplateRequest, responses((status = 200, body = EmailTemplate)))]
async fn change_email_template(
    State(email): State<EmailService>,
    user: CurrentUser,
    Path(key): Path<String>,
    Json(request): Json<EmailTemplateRequest>,
) -> Result<Json<EmailTemplate>, ApiError> {
    email
        .change_template(&user.actor(), &key, request.into())
        .await?;
    Ok(Json(email.template(&key).await?.into()))
}

/// Show a template, or a draft of it, with sample values.
#[utoipa::path(post, path = "/api/email/templates/{key}/preview", tag = "email", params(("key" = String, Path,)),
    request_body = EmailTemplateRequest, responses((status = 200, body = EmailPreview)))]
async fn preview_email_template(
    State(email): State<EmailService>,
    _: CurrentUser,
    Path(key): Path<String>,
    Json(request): Json<EmailTemplateRequest>,
) -> Result<Json<EmailPreview>, ApiError> {
    let parts = email.preview(&key, request.into()).await?;
    Ok(Json(EmailPreview {
        subject: parts.subject,
        html_body: parts.html,
        text_body: parts.text,
    }))
}

/// Give a template its default text again.
#[utoipa::path(post, path = "/api/email/templates/{key}/reset", tag = "email", params(("key" = String, Path,)),
    responses((status = 200, body = EmailTemplate)))]
async fn reset_email_template(
    State(email): State<EmailService>,
    user: CurrentUser,
    Path(key): Path<String>,
) -> Result<Json<EmailTemplate>, ApiError> {
    email.reset_template(&user.actor(), &key).await?;
    Ok(Json(email.template(&key).await?.into()))
}
