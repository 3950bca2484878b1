//! The table `settings`: what differs from the defaults.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};
use serde_json::Value;

use super::registry::Definition;

/// A setting that somebody changed.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    pub key: String,
    pub value: Value,
    pub updated_at: Option<DateTime<Utc>>,
    pub updated_by: Option<String>,
}

pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Row>, DbErr> {
    Row::find_by_statement(Statement::from_string(
        DbBackend::Postgres,
        "SELECT s.key, s.value, s.updated_at, u.username AS updated_by \
         FROM settings s LEFT JOIN admin_user u ON u.id = s.updated_by",
    ))
    .all(db)
    .await
}

pub async fn upsert(
    tx: &impl ConnectionTrait,
    definition: &Definition,
    value: Value,
    at: DateTime<Utc>,
    by: Option<i32>,
) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO settings (key, value, category, description, is_secret, updated_at, updated_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO UPDATE SET value = $2, \
         category = $3, description = $4, is_secret = $5, updated_at = $6, updated_by = $7",
        [
            definition.name.into(),
            value.into(),
            definition.category.into(),
            definition.description.into(),
            definition.is_secret().into(),
            at.into(),
            by.into(),
        ],
    ))
    .await
    .map(|_| ())
}

pub async fn delete(tx: &impl ConnectionTrait, key: &str) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "DELETE FROM settings WHERE key = $1",
        [key.into()],
    ))
    .await
    .map(|_| ())
}
