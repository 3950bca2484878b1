//! What goes over the wire.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::config::{Draft, EmailConfig as Config};
use super::service::Stored;
use super::store::TestRow;
use super::template::Variable;
use super::templates::{Change, Current};
use super::{Provider, Security};

/// How e-mail is set up. The password is never in it.
#[derive(Serialize, ToSchema)]
pub(super) struct EmailConfig {
    /// Whether anybody has set it up; what follows are suggestions if not.
    pub(super) is_set: bool,
    pub(super) provider: Provider,
    pub(super) is_enabled: bool,
    pub(super) from_email: String,
    pub(super) from_name: Option<String>,
    pub(super) reply_to: Option<String>,
    /// Who gets mail that names nobody.
    pub(super) to: Vec<String>,
    /// In place of the provider's.
    pub(super) smtp_host: Option<String>,
    /// In place of the provider's.
    pub(super) smtp_port: Option<u16>,
    /// In place of what goes with the port.
    pub(super) security: Option<Security>,
    pub(super) username: Option<String>,
    pub(super) has_password: bool,
    pub(super) region: Option<String>,
    pub(super) is_iam_key: bool,
    pub(super) verify_certificate: bool,
    /// The host that is asked.
    pub(super) effective_host: String,
    /// The port that is asked.
    pub(super) effective_port: u16,
    /// How it is spoken to.
    pub(super) effective_security: Security,
    pub(super) updated_at: Option<DateTime<Utc>>,
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
pub(super) struct EmailConfigRequest {
    pub(super) provider: Provider,
    /// True if absent.
    pub(super) is_enabled: Option<bool>,
    pub(super) from_email: String,
    pub(super) from_name: Option<String>,
    pub(super) reply_to: Option<String>,
    /// Who gets mail that names nobody; at most 20.
    pub(super) to: Option<Vec<String>>,
    /// The server of `smtp`; for others in place of theirs.
    pub(super) smtp_host: Option<String>,
    pub(super) smtp_port: Option<u16>,
    /// What goes with the port if absent; `none` only for `smtp`.
    pub(super) security: Option<Security>,
    /// The login of `smtp` (none if absent), `mailgun` and `ses`; for `gmail` the sender if absent.
    pub(super) username: Option<String>,
    /// The password, app password, API key or secret access key. The stored one stays if absent, unless mail
    /// would go to another server with it.
    #[schema(value_type = Option<String>)]
    pub(super) password: Option<SecretString>,
    /// Of `ses`, as in `eu-west-1`; of `mailgun` `us` or `eu`.
    pub(super) region: Option<String>,
    /// For `ses`: the user name is the id of an IAM access key and the password its secret, from which the
    /// SMTP password is derived. The secret itself is not kept.
    pub(super) is_iam_key: Option<bool>,
    /// Whether the server's certificate must be right; true if absent.
    pub(super) verify_certificate: Option<bool>,
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
pub(super) struct EmailTestRequest {
    /// Those of the settings if absent.
    pub(super) to: Option<String>,
    /// `test_email` if absent.
    pub(super) template_key: Option<String>,
}

/// What a test came to.
#[derive(Serialize, ToSchema)]
pub(super) struct EmailTest {
    pub(super) id: i32,
    /// `success` or `failed`.
    pub(super) status: String,
    pub(super) provider: String,
    /// How it was set up then, without the password.
    pub(super) provider_config: Option<Value>,
    pub(super) recipient: String,
    pub(super) template_key: Option<String>,
    pub(super) response_time_ms: Option<i32>,
    /// Why it failed, with the remedy; or whom the server would not take while others got it.
    pub(super) error: Option<String>,
    /// What the server said last, with its code.
    pub(super) smtp_response: Option<String>,
    pub(super) smtp_code: Option<i32>,
    pub(super) tested_by: Option<i32>,
    pub(super) tested_by_name: Option<String>,
    pub(super) tested_at: Option<DateTime<Utc>>,
}

/// What a test came to, with what is not kept.
#[derive(Serialize, ToSchema)]
pub(super) struct EmailTestResult {
    #[serde(flatten)]
    pub(super) test: EmailTest,
    /// The field of the configuration at fault, if one is.
    pub(super) field: Option<&'static str>,
    /// Whether another try may go better.
    pub(super) is_transient: bool,
    /// Recipients whom the server would not take, each with its words.
    pub(super) refused: Vec<RefusedRecipient>,
    /// Whether it was the first that the server took, so that the welcome went to the recipients of the settings.
    pub(super) is_welcomed: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RefusedRecipient {
    pub(super) recipient: String,
    pub(super) response: String,
}

/// Whether the server can be reached and lets Flowkeep in.
#[derive(Serialize, ToSchema)]
pub(super) struct EmailCheck {
    pub(super) is_ok: bool,
    pub(super) response_time_ms: u64,
    /// What the server said last.
    pub(super) smtp_response: Option<String>,
    /// Why not, with the remedy.
    pub(super) error: Option<String>,
    /// The field of the configuration at fault, if one is.
    pub(super) field: Option<&'static str>,
}

/// A template without its text.
#[derive(Serialize, ToSchema)]
pub(super) struct EmailTemplateSummary {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) category: &'static str,
    pub(super) subject: String,
    pub(super) enabled: bool,
    /// Whether somebody edited it.
    pub(super) is_customized: bool,
    pub(super) updated_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct EmailTemplates {
    pub(super) items: Vec<EmailTemplateSummary>,
}

/// A template.
#[derive(Serialize, ToSchema)]
pub(super) struct EmailTemplate {
    #[serde(flatten)]
    pub(super) summary: EmailTemplateSummary,
    pub(super) html_body: String,
    pub(super) text_body: String,
    /// What it may speak of.
    pub(super) variables: &'static [Variable],
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
pub(super) struct EmailTemplateRequest {
    /// One line of at most 500 characters.
    pub(super) subject: Option<String>,
    pub(super) html_body: Option<String>,
    pub(super) text_body: Option<String>,
    /// Whether this text is used; Flowkeep's own is if not.
    pub(super) enabled: Option<bool>,
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
pub(super) struct EmailPreview {
    pub(super) subject: String,
    pub(super) html_body: String,
    pub(super) text_body: String,
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
            tested_by_name: row.tested_by_name,
            tested_at: row.tested_at,
        }
    }
}
