//! `system_config` where its type is `email`, `email_templates` and `email_test_history`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use super::defaults::Default;
use super::template::Parts;
use crate::platform::db::statement;

/// The path of the sealed password in the configuration.
pub const PASSWORD: &str = "password";
/// The path of the moment at which the welcome was sent.
const WELCOMED: &str = "welcomed_at";
/// Tests that are kept.
const KEPT_TESTS: i64 = 200;
/// Most characters of a recipient that are kept.
const RECIPIENT_CHARS: usize = 255;

/// The configuration as it is stored: the password in it is sealed.
#[derive(Clone, Debug, FromQueryResult)]
pub struct ConfigRow {
    pub config: Value,
    pub updated_at: Option<DateTime<Utc>>,
}

/// A stored template.
#[derive(Clone, Debug, FromQueryResult)]
pub struct TemplateRow {
    pub template_key: String,
    pub subject: String,
    pub html_body: String,
    pub text_body: Option<String>,
    pub enabled: Option<bool>,
    pub is_customized: bool,
    pub updated_at: Option<DateTime<Utc>>,
}

/// A test, as it is kept.
#[derive(Clone, Debug, FromQueryResult)]
pub struct TestRow {
    pub id: i32,
    pub provider: String,
    pub provider_config: Option<Value>,
    pub recipient: String,
    pub template_key: Option<String>,
    pub status: String,
    pub response_time_ms: Option<i32>,
    pub error_message: Option<String>,
    pub smtp_response: Option<String>,
    pub smtp_code: Option<i32>,
    pub tested_by: Option<i32>,
    pub tested_by_name: Option<String>,
    pub tested_at: Option<DateTime<Utc>>,
}

/// A test, before it is kept. Never with a secret.
#[derive(Clone, Debug)]
pub struct NewTest {
    pub provider: &'static str,
    pub provider_config: Value,
    pub recipient: String,
    pub template_key: String,
    pub is_success: bool,
    pub response_time_ms: u64,
    pub error: Option<String>,
    pub smtp_response: Option<String>,
    pub smtp_code: Option<u16>,
    pub message_id: Uuid,
    pub tested_by: Option<i32>,
    pub tested_at: DateTime<Utc>,
}

pub async fn config(db: &impl ConnectionTrait) -> Result<Option<ConfigRow>, DbErr> {
    let sql = "SELECT config, updated_at FROM system_config WHERE config_type = 'email'";
    ConfigRow::find_by_statement(statement(sql, Vec::new()))
        .one(db)
        .await
}

pub async fn set_config(
    tx: &impl ConnectionTrait,
    config: Value,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO system_config (config_type, config, encrypted_fields, created_at, updated_at) \
               VALUES ('email', $1, CASE WHEN jsonb_exists($1, $2) THEN ARRAY[$2] ELSE ARRAY[]::text[] END, $3, $3) \
               ON CONFLICT (config_type) DO UPDATE SET config = EXCLUDED.config \
               || jsonb_strip_nulls(jsonb_build_object($4::text, system_config.config->($4::text))), \
               encrypted_fields = EXCLUDED.encrypted_fields, updated_at = EXCLUDED.updated_at";
    let values = vec![config.into(), PASSWORD.into(), at.into(), WELCOMED.into()];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Notes that the welcome goes out. False if it did before.
pub async fn claim_welcome(db: &impl ConnectionTrait, at: DateTime<Utc>) -> Result<bool, DbErr> {
    let sql = "UPDATE system_config SET config = config || jsonb_build_object($1::text, $2::timestamptz) \
               WHERE config_type = 'email' AND NOT jsonb_exists(config, $1::text)";
    let values = vec![WELCOMED.into(), at.into()];
    let done = db.execute_raw(statement(sql, values)).await?;
    Ok(done.rows_affected() > 0)
}

/// It did not go out after all.
pub async fn forget_welcome(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = "UPDATE system_config SET config = config - $1::text WHERE config_type = 'email'";
    db.execute_raw(statement(sql, vec![WELCOMED.into()]))
        .await
        .map(|_| ())
}

const TEMPLATE_COLUMNS: &str =
    "template_key, subject, html_body, text_body, enabled, is_customized, updated_at";

pub async fn templates(db: &impl ConnectionTrait) -> Result<Vec<TemplateRow>, DbErr> {
    let sql = format!("SELECT {TEMPLATE_COLUMNS} FROM email_templates");
    TemplateRow::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

pub async fn template(db: &impl ConnectionTrait, key: &str) -> Result<Option<TemplateRow>, DbErr> {
    let sql = format!("SELECT {TEMPLATE_COLUMNS} FROM email_templates WHERE template_key = $1");
    TemplateRow::find_by_statement(statement(sql, vec![key.into()]))
        .one(db)
        .await
}

fn variables(default: &Default) -> Value {
    let pairs = default
        .variables
        .iter()
        .map(|one| (one.name.to_owned(), Value::from("string")));
    Value::Object(pairs.collect())
}

/// Puts a default where nobody edited it. Returns whether something changed.
pub async fn put_default(
    db: &impl ConnectionTrait,
    default: &Default,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "INSERT INTO email_templates AS t (template_key, name, description, subject, html_body, \
               text_body, variables, category, enabled, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, TRUE, $9) \
               ON CONFLICT (template_key) DO UPDATE SET name = $2, description = $3, subject = $4, \
               html_body = $5, text_body = $6, variables = $7, category = $8, updated_at = $9 \
               WHERE NOT t.is_customized AND (t.subject, t.html_body, t.text_body, t.variables) \
               IS DISTINCT FROM ($4, $5, $6, $7)";
    let parts = default.parts();
    let values = vec![
        default.key.into(),
        default.name.into(),
        default.description.into(),
        parts.subject.into(),
        parts.html.into(),
        parts.text.into(),
        variables(default).into(),
        default.category.into(),
        at.into(),
    ];
    let done = db.execute_raw(statement(sql, values)).await?;
    Ok(done.rows_affected() > 0)
}

/// What somebody made of a template.
pub struct Edited<'a> {
    pub parts: &'a Parts,
    pub is_enabled: bool,
    /// False when it is the default again.
    pub is_customized: bool,
    pub by: Option<i32>,
    pub at: DateTime<Utc>,
}

pub async fn set_template(
    tx: &impl ConnectionTrait,
    default: &Default,
    edited: &Edited<'_>,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO email_templates (template_key, name, description, subject, html_body, text_body, \
               variables, category, enabled, updated_at, is_customized, updated_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
               ON CONFLICT (template_key) DO UPDATE SET subject = $4, html_body = $5, text_body = $6, \
               variables = $7, enabled = $9, updated_at = $10, is_customized = $11, updated_by = $12";
    let values = vec![
        default.key.into(),
        default.name.into(),
        default.description.into(),
        edited.parts.subject.clone().into(),
        edited.parts.html.clone().into(),
        edited.parts.text.clone().into(),
        variables(default).into(),
        default.category.into(),
        edited.is_enabled.into(),
        edited.at.into(),
        edited.is_customized.into(),
        edited.by.into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Keeps a test, and the newest of the others.
pub async fn insert_test(tx: &impl ConnectionTrait, test: &NewTest) -> Result<TestRow, DbErr> {
    let sql = format!(
        "INSERT INTO email_test_history (provider, provider_config, recipient, template_key, status, \
         response_time_ms, error_message, smtp_response, smtp_code, message_id, tested_by, tested_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING {TEST_COLUMNS}"
    );
    let recipient: String = test.recipient.chars().take(RECIPIENT_CHARS).collect();
    let status = if test.is_success { "success" } else { "failed" };
    let values = vec![
        test.provider.into(),
        test.provider_config.clone().into(),
        recipient.into(),
        test.template_key.clone().into(),
        status.into(),
        i32::try_from(test.response_time_ms)
            .unwrap_or(i32::MAX)
            .into(),
        test.error.clone().into(),
        test.smtp_response.clone().into(),
        test.smtp_code.map(i32::from).into(),
        test.message_id.into(),
        test.tested_by.into(),
        test.tested_at.into(),
    ];
    let row = TestRow::find_by_statement(statement(sql, values))
        .one(tx)
        .await?
        .ok_or(DbErr::RecordNotInserted)?;
    let sql = "DELETE FROM email_test_history WHERE id NOT IN \
               (SELECT id FROM email_test_history ORDER BY id DESC LIMIT $1)";
    tx.execute_raw(statement(sql, vec![KEPT_TESTS.into()]))
        .await?;
    Ok(row)
}

const TEST_COLUMNS: &str = "id, provider, provider_config, recipient, template_key, status, \
    response_time_ms, error_message, smtp_response, smtp_code, tested_by, \
    (SELECT username FROM admin_user WHERE id = tested_by) AS tested_by_name, tested_at";

/// Tests before a number, newest first.
pub async fn tests(
    db: &impl ConnectionTrait,
    before_id: Option<i64>,
    limit: u64,
) -> Result<Vec<TestRow>, DbErr> {
    let sql = format!(
        "SELECT {TEST_COLUMNS} FROM email_test_history WHERE ($1::bigint IS NULL OR id < $1) \
         ORDER BY id DESC LIMIT $2"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    TestRow::find_by_statement(statement(sql, vec![before_id.into(), limit.into()]))
        .all(db)
        .await
}
