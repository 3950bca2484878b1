//! `/api/email`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::config::{Draft, EmailConfig as Config};
use super::service::Stored;
use super::store::TestRow;
use super::template::Variable;
use super::templates::{self, Change, Current};
use super::{EmailError, EmailService, Provider, Security};
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

/// How e-mail is set up. The password is never in it.
#[derive(Serialize, ToSchema)]
struct EmailConfig {
    /// Whether anybody has set it up; what follows are suggestions if not.
    is_set: bool,
    provider: Provider,
    is_enabled: bool,
    from_email: String,
    from_name: Option<String>,
    reply_to: Option<String>,
    /// Who gets mail that names nobody.
    to: Vec<String>,
    /// In place of the provider's.
    smtp_host: Option<String>,
    /// In place of the provider's.
    smtp_port: Option<u16>,
    /// In place of what goes with the port.
    security: Option<Security>,
    username: Option<String>,
    has_password: bool,
    region: Option<String>,
    is_iam_key: bool,
    verify_certificate: bool,
    /// The host that is asked.
    effective_host: String,
    /// The port that is asked.
    effective_port: u16,
    /// How it is spoken to.
    effective_security: Security,
    updated_at: Option<DateTime<Utc>>,
}

impl From<Option<Stored>> for EmailConfig {
    fn from(stored: Option<Stored>) -> Self {
        let is_set = stored.is_some();
        let has_password = stored.as_ref().is_some_and(Stored::has_password);
        let updated_at = stored.as_ref().and_then(|stored| stored.updated_at);
        let config = stored.map_or_else(nothing_yet, |stored| stored.config);
        Self {
            is_set,
            has_password,
            updated_at,
            effective_host: config.host(),
            effective_port: config.port(),
            effective_security: config.security(),
            provider: config.provider,
            is_enabled: config.is_enabled,
            from_email: config.from_email,
            from_name: config.from_name,
            reply_to: config.reply_to,
            to: config.to,
            smtp_host: config.smtp_host,
            smtp_port: config.smtp_port,
            security: config.security,
            username: config.username,
            region: config.region,
            is_iam_key: config.is_iam_key,
            verify_certificate: config.verify_certificate,
        }
    }
}

fn nothing_yet() -> Config {
    Config {
        provider: Provider::Smtp,
        is_enabled: false,
        from_email: String::new(),
        from_name: Some("Flowkeep".to_owned()),
        reply_to: None,
        to: Vec::new(),
        smtp_host: None,
        smtp_port: None,
        security: None,
        username: None,
        region: None,
        is_iam_key: false,
        verify_certificate: true,
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EmailConfigRequest {
    provider: Provider,
    /// True if absent.
    is_enabled: Option<bool>,
    from_email: String,
    from_name: Option<String>,
    reply_to: Option<String>,
    /// Who gets mail that names nobody; at most 20.
    to: Option<Vec<String>>,
    /// The server of `smtp`; for others in place of theirs.
    smtp_host: Option<String>,
    smtp_port: Option<u16>,
    /// What goes with the port if absent; `none` only for `smtp`.
    security: Option<Security>,
    /// The login of `smtp` (none if absent), `mailgun` and `ses`; for `gmail` the sender if absent.
    username: Option<String>,
    /// The password, app password, API key or secret access key. The stored one stays if absent, unless mail
    /// would go to another server with it.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    /// Of `ses`, as in `eu-west-1`; of `mailgun` `us` or `eu`.
    region: Option<String>,
    /// For `ses`: the user name is the id of an IAM access key and the password its secret, from which the
    /// SMTP password is derived. The secret itself is not kept.
    is_iam_key: Option<bool>,
    /// Whether the server's certificate must be right; true if absent.
    verify_certificate: Option<bool>,
}

impl From<EmailConfigRequest> for Draft {
    fn from(request: EmailConfigRequest) -> Self {
        Self {
            config: Config {
                provider: request.provider,
                is_enabled: request.is_enabled.unwrap_or(true),
                from_email: request.from_email,
                from_name: request.from_name,
                reply_to: request.reply_to,
                to: request.to.unwrap_or_default(),
                smtp_host: request.smtp_host,
                smtp_port: request.smtp_port,
                security: request.security,
                username: request.username,
                region: request.region,
                is_iam_key: request.is_iam_key.unwrap_or(false),
                verify_certificate: request.verify_certificate.unwrap_or(true),
            },
            password: request.password,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EmailTestRequest {
    /// Those of the settings if absent.
    to: Option<String>,
    /// `test_email` if absent.
    template_key: Option<String>,
}

/// What a test came to.
#[derive(Serialize, ToSchema)]
struct EmailTest {
    id: i32,
    /// `success` or `failed`.
    status: String,
    provider: String,
    /// How it was set up then, without the password.
    provider_config: Option<Value>,
    recipient: String,
    template_key: Option<String>,
    response_time_ms: Option<i32>,
    /// Why it failed, with the remedy.
    error: Option<String>,
    /// What the server said last.
    smtp_response: Option<String>,
    smtp_code: Option<i32>,
    tested_by: Option<i32>,
    tested_at: Option<DateTime<Utc>>,
}

/// What a test came to, with what is not kept.
#[derive(Serialize, ToSchema)]
struct EmailTestResult {
    #[serde(flatten)]
    test: EmailTest,
    /// The field of the configuration at fault, if one is.
    field: Option<&'static str>,
    /// Whether another try may go better.
    is_transient: bool,
    /// Recipients whom the server would not take, each with its words.
    refused: Vec<RefusedRecipient>,
}

#[derive(Serialize, ToSchema)]
struct RefusedRecipient {
    recipient: String,
    response: String,
}

/// Whether the server can be reached and lets Flowkeep in.
#[derive(Serialize, ToSchema)]
struct EmailCheck {
    is_ok: bool,
    response_time_ms: Option<u64>,
    /// What the server said last.
    smtp_response: Option<String>,
    /// Why not, with the remedy.
    error: Option<String>,
    /// The field of the configuration at fault, if one is.
    field: Option<&'static str>,
}

/// A template without its text.
#[derive(Serialize, ToSchema)]
struct EmailTemplateSummary {
    key: &'static str,
    name: &'static str,
    description: &'static str,
    category: &'static str,
    subject: String,
    enabled: bool,
    /// Whether somebody edited it.
    is_customized: bool,
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct EmailTemplates {
    items: Vec<EmailTemplateSummary>,
}

/// A template.
#[derive(Serialize, ToSchema)]
struct EmailTemplate {
    #[serde(flatten)]
    summary: EmailTemplateSummary,
    html_body: String,
    text_body: String,
    /// What it may speak of.
    variables: &'static [Variable],
}

impl From<Current> for EmailTemplate {
    fn from(current: Current) -> Self {
        let default = current.default;
        Self {
            html_body: current.parts.html,
            text_body: current.parts.text,
            variables: default.variables,
            summary: EmailTemplateSummary {
                key: default.key,
                name: default.name,
                description: default.description,
                category: default.category,
                subject: current.parts.subject,
                enabled: current.is_enabled,
                is_customized: current.is_customized,
                updated_at: current.updated_at,
            },
        }
    }
}

/// What is to change; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EmailTemplateRequest {
    /// One line of at most 500 characters.
    subject: Option<String>,
    html_body: Option<String>,
    text_body: Option<String>,
    /// Whether this text is used; Flowkeep's own is if not.
    enabled: Option<bool>,
}

impl From<EmailTemplateRequest> for Change {
    fn from(request: EmailTemplateRequest) -> Self {
        Self {
            subject: request.subject,
            html: request.html_body,
            text: request.text_body,
            is_enabled: request.enabled,
        }
    }
}

/// A message with sample values.
#[derive(Serialize, ToSchema)]
struct EmailPreview {
    subject: String,
    html_body: String,
    text_body: String,
}

impl From<TestRow> for EmailTest {
    fn from(row: TestRow) -> Self {
        Self {
            id: row.id,
            status: row.status,
            provider: row.provider,
            provider_config: row.provider_config,
            recipient: row.recipient,
            template_key: row.template_key,
            response_time_ms: row.response_time_ms,
            error: row.error_message,
            smtp_response: row.smtp_response,
            smtp_code: row.smtp_code,
            tested_by: row.tested_by,
            tested_at: row.tested_at,
        }
    }
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
    let check = match email.check().await {
        Ok(receipt) => EmailCheck {
            is_ok: true,
            response_time_ms: Some(receipt.took_ms),
            smtp_response: Some(receipt.response),
            error: None,
            field: None,
        },
        Err(EmailError::Mail(trouble)) => EmailCheck {
            is_ok: false,
            response_time_ms: None,
            smtp_response: trouble.response,
            error: Some(trouble.why),
            field: trouble.field,
        },
        Err(error) => return Err(error.into()),
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
    let key = request.template_key.as_deref().unwrap_or(templates::TEST);
    let to = request.to.as_deref().filter(|to| !to.trim().is_empty());
    let (row, trouble, refused) = email.test(&user.actor(), to, key).await?;
    let refused = refused
        .into_iter()
        .map(|(recipient, response)| RefusedRecipient {
            recipient,
            response,
        });
    Ok(Json(EmailTestResult {
        test: row.into(),
        field: trouble.as_ref().and_then(|trouble| trouble.field),
        is_transient: trouble.is_some_and(|trouble| trouble.is_transient),
        refused: refused.collect(),
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
