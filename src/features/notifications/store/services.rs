//! The services.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr};
use serde_json::Value;

use crate::platform::db::statement;

const COLUMNS: &str = "id, name, service_type, COALESCE(enabled, TRUE) AS is_enabled, config, secret, \
    COALESCE(priority, 0) AS priority, last_test, last_test_result, last_test_error, disabled_reason, \
    failing_since, last_error, last_success, not_before, created_at, updated_at";

/// A row of `notification_services`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Service {
    pub id: i32,
    pub name: String,
    pub service_type: String,
    pub is_enabled: bool,
    pub config: Value,
    pub secret: Option<Value>,
    pub priority: i32,
    pub last_test: Option<DateTime<Utc>>,
    pub last_test_result: Option<String>,
    pub last_test_error: Option<String>,
    pub disabled_reason: Option<String>,
    pub failing_since: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    pub last_success: Option<DateTime<Utc>>,
    pub not_before: Option<DateTime<Utc>>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// What is written of a service.
#[derive(Clone, Debug)]
pub struct Draft {
    pub name: String,
    pub service_type: String,
    pub is_enabled: bool,
    pub config: Value,
    pub priority: i32,
}

/// All of them, the preferred first.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Service>, DbErr> {
    let sql =
        format!("SELECT {COLUMNS} FROM notification_services ORDER BY priority DESC, name, id");
    Service::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// One of them.
pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Service>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM notification_services WHERE id = $1");
    Service::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// Makes one, still without its secret. `None` when its name is taken.
pub async fn insert(
    tx: &impl ConnectionTrait,
    draft: &Draft,
    at: DateTime<Utc>,
) -> Result<Option<i32>, DbErr> {
    let sql = "INSERT INTO notification_services (name, service_type, enabled, config, priority, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id";
    let values = vec![
        draft.name.clone().into(),
        draft.service_type.clone().into(),
        draft.is_enabled.into(),
        draft.config.clone().into(),
        draft.priority.into(),
        at.into(),
    ];
    match tx.query_one_raw(statement(sql, values)).await {
        Ok(Some(row)) => Ok(Some(row.try_get("", "id")?)),
        Ok(None) => Err(DbErr::RecordNotInserted),
        Err(error) if is_taken(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Changes one. `false` when its name is taken.
pub async fn update(
    tx: &impl ConnectionTrait,
    id: i32,
    draft: &Draft,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE notification_services SET name = $2, service_type = $3, enabled = $4, config = $5, priority = $6, \
               updated_at = $7, disabled_reason = CASE WHEN $4 THEN NULL ELSE disabled_reason END, \
               failing_since = CASE WHEN $4 THEN failing_since END, not_before = NULL WHERE id = $1";
    let values = vec![
        id.into(),
        draft.name.clone().into(),
        draft.service_type.clone().into(),
        draft.is_enabled.into(),
        draft.config.clone().into(),
        draft.priority.into(),
        at.into(),
    ];
    match tx.execute_raw(statement(sql, values)).await {
        Ok(_) => Ok(true),
        Err(error) if is_taken(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// Keeps a service's sealed secret, or forgets it.
pub async fn set_secret(
    tx: &impl ConnectionTrait,
    id: i32,
    sealed: Option<Value>,
) -> Result<(), DbErr> {
    let sql = "UPDATE notification_services SET secret = $2 WHERE id = $1";
    tx.execute_raw(statement(sql, vec![id.into(), sealed.into()]))
        .await
        .map(|_| ())
}

/// Deletes one. Its rules go with it, its history stays.
pub async fn delete(tx: &impl ConnectionTrait, id: i32) -> Result<bool, DbErr> {
    let sql = "DELETE FROM notification_services WHERE id = $1";
    let done = tx.execute_raw(statement(sql, vec![id.into()])).await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps what became of a test.
pub async fn note_test(
    db: &impl ConnectionTrait,
    id: i32,
    error: Option<&str>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE notification_services SET last_test = $2, last_test_result = $3, last_test_error = $4 WHERE id = $1";
    let result = if error.is_none() { "success" } else { "failed" };
    let values = vec![
        id.into(),
        at.into(),
        result.into(),
        error.map(str::to_owned).into(),
    ];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Notes that something was delivered, or why not.
pub async fn note_delivery(
    db: &impl ConnectionTrait,
    id: i32,
    error: Option<&str>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    // A success is noted once a minute at most: many deliveries would write the row over and over.
    let (sql, values) = match error {
        None => (
            "UPDATE notification_services SET last_success = $2, failing_since = NULL, last_error = NULL, not_before = NULL WHERE id = $1 \
             AND (failing_since IS NOT NULL OR last_error IS NOT NULL OR not_before IS NOT NULL OR last_success IS NULL OR last_success < $2 - INTERVAL '1 minute')",
            vec![id.into(), at.into()],
        ),
        Some(error) => (
            "UPDATE notification_services SET failing_since = COALESCE(failing_since, $2), last_error = $3 WHERE id = $1",
            vec![id.into(), at.into(), error.to_owned().into()],
        ),
    };
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// It asked to be left alone until then, with all that waits for it.
pub async fn leave_alone(
    db: &impl ConnectionTrait,
    id: i32,
    until: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql =
        "UPDATE notification_services SET not_before = GREATEST(not_before, $2) WHERE id = $1";
    db.execute_raw(statement(sql, vec![id.into(), until.into()]))
        .await
        .map(|_| ())
}

/// Switches one off because nobody is there any more.
pub async fn switch_off(
    db: &impl ConnectionTrait,
    id: i32,
    why: &str,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE notification_services SET enabled = FALSE, disabled_reason = $2, updated_at = $3 WHERE id = $1";
    db.execute_raw(statement(
        sql,
        vec![id.into(), why.to_owned().into(), at.into()],
    ))
    .await
    .map(|_| ())
}
