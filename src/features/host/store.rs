//! The tables `system_metrics_cache`, `system_metrics_rollups` and `system_conditions`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde_json::{Map, Value};

use super::history::{KEPT, RAW_KEPT};
use super::sample::Point;
use crate::platform::db::statement;

/// A stored sample of one metric.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Raw {
    pub metric_type: String,
    pub metric_data: Value,
    pub collected_at: DateTime<Utc>,
}

/// One bucket of one series.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Bucket {
    pub bucket: DateTime<Utc>,
    pub series: String,
    pub average: f64,
    pub highest: f64,
    pub last_value: f64,
}

/// Something that is watched, as it stood.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Condition {
    pub name: String,
    pub state: String,
    pub pending: Option<String>,
    pub pending_since: Option<DateTime<Utc>>,
    pub seen_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub value: Option<f64>,
    pub detail: Option<String>,
}

/// Stores one sample's rows.
pub async fn add_raw(
    tx: &impl ConnectionTrait,
    rows: Vec<(&'static str, Value)>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    for (metric_type, data) in rows {
        let sql = "INSERT INTO system_metrics_cache (metric_type, metric_data, collected_at) VALUES ($1, $2, $3)";
        tx.execute_raw(statement(
            sql,
            vec![metric_type.into(), data.into(), at.into()],
        ))
        .await?;
    }
    Ok(())
}

/// Adds a sample's numbers to their buckets, in whatever order samples come.
pub async fn add_to_buckets(
    tx: &impl ConnectionTrait,
    resolution_seconds: i32,
    bucket: DateTime<Utc>,
    points: &[Point],
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let numbers: Map<String, Value> = points
        .iter()
        .map(|(name, value)| (name.clone(), (*value).into()))
        .collect();
    let sql = "INSERT INTO system_metrics_rollups AS kept \
               (resolution_seconds, bucket, series, samples, total, highest, last_value, last_at) \
               SELECT $1, $2, one.key, 1, one.value::float8, one.value::float8, one.value::float8, $4 \
               FROM jsonb_each($3) AS one \
               ON CONFLICT (resolution_seconds, bucket, series) DO UPDATE SET \
               samples = kept.samples + 1, total = kept.total + EXCLUDED.total, \
               highest = GREATEST(kept.highest, EXCLUDED.highest), \
               last_value = CASE WHEN EXCLUDED.last_at >= kept.last_at THEN EXCLUDED.last_value ELSE kept.last_value END, \
               last_at = GREATEST(kept.last_at, EXCLUDED.last_at)";
    let values = vec![
        resolution_seconds.into(),
        bucket.into(),
        Value::Object(numbers).into(),
        at.into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Removes what is older than it is kept for.
pub async fn forget_old(tx: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<(), DbErr> {
    let sql = "DELETE FROM system_metrics_cache WHERE collected_at < $1";
    tx.execute_raw(statement(sql, vec![(now - RAW_KEPT).into()]))
        .await?;
    for (resolution_seconds, kept) in KEPT {
        let sql =
            "DELETE FROM system_metrics_rollups WHERE resolution_seconds = $1 AND bucket < $2";
        let values = vec![resolution_seconds.into(), (now - kept).into()];
        tx.execute_raw(statement(sql, values)).await?;
    }
    Ok(())
}

/// Samples since a moment, oldest first; of one metric if one is named.
pub async fn raw_since(
    db: &impl ConnectionTrait,
    metric_type: Option<&str>,
    since: DateTime<Utc>,
) -> Result<Vec<Raw>, DbErr> {
    let sql = "SELECT metric_type, metric_data, collected_at FROM system_metrics_cache \
               WHERE collected_at >= $1 AND ($2::text IS NULL OR metric_type = $2) ORDER BY collected_at, id";
    let values = vec![since.into(), metric_type.map(str::to_owned).into()];
    Raw::find_by_statement(statement(sql, values)).all(db).await
}

/// Buckets since a moment, put together into wider ones, oldest first; of the series whose names begin so.
pub async fn buckets_since(
    db: &impl ConnectionTrait,
    resolution_seconds: i32,
    width_seconds: i32,
    prefix: &str,
    since: DateTime<Utc>,
) -> Result<Vec<Bucket>, DbErr> {
    let sql = "SELECT date_bin(make_interval(secs => $2::int), bucket, 'epoch') AS bucket, series, \
               SUM(total) / SUM(samples) AS average, MAX(highest) AS highest, \
               (ARRAY_AGG(last_value ORDER BY last_at DESC))[1] AS last_value \
               FROM system_metrics_rollups WHERE resolution_seconds = $1 AND bucket >= $4 \
               AND starts_with(series, $3) GROUP BY 1, 2 ORDER BY 1, 2";
    let values = vec![
        resolution_seconds.into(),
        width_seconds.into(),
        prefix.into(),
        since.into(),
    ];
    Bucket::find_by_statement(statement(sql, values))
        .all(db)
        .await
}

/// Everything that is watched.
pub async fn conditions(db: &impl ConnectionTrait) -> Result<BTreeMap<String, Condition>, DbErr> {
    let sql = "SELECT name, state, pending, pending_since, seen_at, changed_at, value, detail FROM system_conditions";
    let rows = Condition::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.name.clone(), row))
        .collect())
}

/// Keeps how something stands.
pub async fn save_condition(tx: &impl ConnectionTrait, one: &Condition) -> Result<(), DbErr> {
    let sql = "INSERT INTO system_conditions (name, state, pending, pending_since, seen_at, changed_at, value, detail) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO UPDATE SET state = $2, pending = $3, \
               pending_since = $4, seen_at = $5, changed_at = $6, value = $7, detail = $8";
    let values = vec![
        one.name.clone().into(),
        one.state.clone().into(),
        one.pending.clone().into(),
        one.pending_since.into(),
        one.seen_at.into(),
        one.changed_at.into(),
        one.value.into(),
        one.detail.clone().into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Forgets something that is there no more.
pub async fn remove_condition(tx: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    let sql = "DELETE FROM system_conditions WHERE name = $1";
    tx.execute_raw(statement(sql, vec![name.into()]))
        .await
        .map(|_| ())
}
