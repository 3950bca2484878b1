//! The table `encryption_keys`: data keys, wrapped by the master key.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

use super::vault::SealedColumn;

/// A data key as the database keeps it.
#[derive(Clone, Debug, FromQueryResult)]
pub struct KeyRow {
    pub key_id: String,
    pub encrypted_key: Vec<u8>,
    pub algorithm: Option<String>,
    pub created_at: DateTime<Utc>,
    pub rotated_at: Option<DateTime<Utc>>,
    pub is_active: Option<bool>,
}

pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<KeyRow>, DbErr> {
    KeyRow::find_by_statement(Statement::from_string(
        DbBackend::Postgres,
        "SELECT key_id, encrypted_key, algorithm, created_at, rotated_at, is_active \
         FROM encryption_keys ORDER BY id DESC",
    ))
    .all(db)
    .await
}

/// The key that new values are sealed under.
pub async fn active(db: &impl ConnectionTrait) -> Result<Option<KeyRow>, DbErr> {
    KeyRow::find_by_statement(Statement::from_string(
        DbBackend::Postgres,
        "SELECT key_id, encrypted_key, algorithm, created_at, rotated_at, is_active \
         FROM encryption_keys WHERE is_active ORDER BY id DESC LIMIT 1",
    ))
    .one(db)
    .await
}

/// One at a time makes or rotates keys, and nobody seals, until its transaction ends.
pub async fn lock(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    tx.execute_unprepared("LOCK TABLE encryption_keys IN EXCLUSIVE MODE")
        .await
        .map(|_| ())
}

/// Many seal at the same time, and nobody rotates, until their transactions end.
pub async fn share(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    tx.execute_unprepared("LOCK TABLE encryption_keys IN ROW SHARE MODE")
        .await
        .map(|_| ())
}

pub async fn insert(
    tx: &impl ConnectionTrait,
    key_id: &str,
    encrypted_key: Vec<u8>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO encryption_keys (key_id, encrypted_key, created_at) VALUES ($1, $2, $3)",
        [key_id.into(), encrypted_key.into(), at.into()],
    ))
    .await
    .map(|_| ())
}

/// Everything but `key_id` was replaced by it.
pub async fn retire_others(
    tx: &impl ConnectionTrait,
    key_id: &str,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE encryption_keys SET is_active = FALSE, rotated_at = $2 \
         WHERE key_id <> $1 AND is_active",
        [key_id.into(), at.into()],
    ))
    .await
    .map(|_| ())
}

/// A sealed column of any feature: its rows' keys and sealed values.
pub async fn sealed_values(
    tx: &impl ConnectionTrait,
    place: &SealedColumn,
) -> Result<Vec<(String, serde_json::Value)>, DbErr> {
    let SealedColumn {
        table,
        key_column,
        column,
        condition,
    } = place;
    let sql = format!(
        "SELECT {key_column}::text AS row, {column} AS sealed FROM {table} \
         WHERE {column} IS NOT NULL AND {condition} ORDER BY {key_column} FOR UPDATE"
    );
    let rows = tx
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "row")?, row.try_get("", "sealed")?)))
        .collect()
}

pub async fn count_sealed(db: &impl ConnectionTrait, place: &SealedColumn) -> Result<u64, DbErr> {
    let SealedColumn {
        table,
        column,
        condition,
        ..
    } = place;
    let sql =
        format!("SELECT count(*) AS n FROM {table} WHERE {column} IS NOT NULL AND {condition}");
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

pub async fn replace_sealed(
    tx: &impl ConnectionTrait,
    place: &SealedColumn,
    row: &str,
    sealed: serde_json::Value,
) -> Result<(), DbErr> {
    let SealedColumn {
        table,
        key_column,
        column,
        ..
    } = place;
    let sql = format!("UPDATE {table} SET {column} = $2 WHERE {key_column}::text = $1");
    let values = [row.into(), sealed.into()];
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        sql,
        values,
    ))
    .await
    .map(|_| ())
}
