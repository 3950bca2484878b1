//! The table `container_status_cache`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::judge::Memory;
use super::model::Seen;
use super::pressure::Pressure;
use super::stats::Usage;
use crate::platform::db::statement;

const MOST_NAME_CHARS: usize = 100;
const MOST_IMAGE_CHARS: usize = 255;

/// A row.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Cached {
    pub container_name: String,
    pub container_id: Option<String>,
    pub status: Option<String>,
    pub health: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub image: Option<String>,
    pub exit_code: Option<i64>,
    pub memory: Option<serde_json::Value>,
    pub last_updated: Option<DateTime<Utc>>,
}

impl Cached {
    /// What is remembered of it.
    pub fn memory(&self) -> Memory {
        let memory = self.memory.clone();
        memory
            .and_then(|memory| serde_json::from_value(memory).ok())
            .unwrap_or_default()
    }
}

/// A name as the table has it.
pub fn key(name: &str) -> String {
    name.chars().take(MOST_NAME_CHARS).collect()
}

pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Cached>, DbErr> {
    let sql = "SELECT container_name, container_id, status, health, started_at, image, exit_code, memory, \
               last_updated FROM container_status_cache ORDER BY container_name";
    Cached::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// Keeps how a container is.
pub async fn put(
    tx: &impl ConnectionTrait,
    seen: &Seen,
    memory: &Memory,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO container_status_cache (container_name, container_id, status, health, started_at, image, \
               exit_code, memory, last_updated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
               ON CONFLICT (container_name) DO UPDATE SET container_id = EXCLUDED.container_id, \
               status = EXCLUDED.status, health = EXCLUDED.health, started_at = EXCLUDED.started_at, \
               image = EXCLUDED.image, exit_code = EXCLUDED.exit_code, memory = EXCLUDED.memory, \
               last_updated = EXCLUDED.last_updated";
    let image: String = seen.image.chars().take(MOST_IMAGE_CHARS).collect();
    let values = vec![
        key(&seen.name).into(),
        seen.id.clone().into(),
        seen.status.as_str().into(),
        seen.health.as_str().into(),
        seen.started_at.into(),
        image.into(),
        seen.exit_code.into(),
        serde_json::to_value(memory).ok().into(),
        now.into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Keeps what is remembered of a container that is not there.
pub async fn put_gone(
    tx: &impl ConnectionTrait,
    name: &str,
    memory: &Memory,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE container_status_cache SET status = 'stopped', health = 'none', memory = $2, last_updated = $3 \
               WHERE container_name = $1";
    let values = vec![
        key(name).into(),
        serde_json::to_value(memory).ok().into(),
        now.into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Forgets a container.
pub async fn remove(tx: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    let sql = "DELETE FROM container_status_cache WHERE container_name = $1";
    tx.execute_raw(statement(sql, vec![key(name).into()]))
        .await
        .map(|_| ())
}

/// How close containers are to what they may use, by the names that the table has.
pub async fn pressures(db: &impl ConnectionTrait) -> Result<HashMap<String, Pressure>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        container_name: String,
        pressure: serde_json::Value,
    }
    let sql =
        "SELECT container_name, pressure FROM container_status_cache WHERE pressure IS NOT NULL";
    let rows = Row::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await?;
    let read = |row: Row| {
        Some((
            row.container_name,
            serde_json::from_value(row.pressure).ok()?,
        ))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// How close a container was to what it may use.
pub async fn pressure(tx: &impl ConnectionTrait, name: &str) -> Result<Option<Pressure>, DbErr> {
    let sql = "SELECT pressure FROM container_status_cache WHERE container_name = $1";
    let row = tx
        .query_one_raw(statement(sql, vec![key(name).into()]))
        .await?;
    let kept: Option<serde_json::Value> =
        row.map_or(Ok(None), |row| row.try_get("", "pressure"))?;
    Ok(kept.and_then(|kept| serde_json::from_value(kept).ok()))
}

/// Forgets how close it was.
pub async fn forget_pressure(tx: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    let sql = "UPDATE container_status_cache SET pressure = NULL WHERE container_name = $1";
    tx.execute_raw(statement(sql, vec![key(name).into()]))
        .await
        .map(|_| ())
}

/// Keeps how close a container is to what it may use.
pub async fn put_pressure(
    tx: &impl ConnectionTrait,
    seen: &Seen,
    pressure: &Pressure,
) -> Result<(), DbErr> {
    let sql = "UPDATE container_status_cache SET pressure = $2 WHERE container_name = $1";
    let values = vec![
        key(&seen.name).into(),
        serde_json::to_value(pressure).ok().into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Keeps what containers used when they were last measured.
pub async fn put_usage(db: &impl ConnectionTrait, all: &[Usage]) -> Result<(), DbErr> {
    let rows: Vec<_> = all
        .iter()
        .map(|one| {
            serde_json::json!({
                "name": key(&one.name), "id": one.id, "cpu": one.cpu_percent, "memory": one.memory_bytes,
                "memory_limit": one.memory_limit_bytes, "rx": one.network_rx_bytes, "tx": one.network_tx_bytes,
            })
        })
        .collect();
    let sql = "UPDATE container_status_cache AS c SET cpu_percent = u.cpu, memory_usage = u.memory, \
               memory_limit = u.memory_limit, network_rx = u.rx, network_tx = u.tx \
               FROM jsonb_to_recordset($1) AS u(name text, id text, cpu float8, memory bigint, memory_limit bigint, \
               rx bigint, tx bigint) WHERE c.container_name = u.name AND c.container_id = u.id";
    let values = vec![serde_json::Value::Array(rows).into()];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}
