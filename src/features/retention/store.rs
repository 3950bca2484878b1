//! The table `retention_policies`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

use super::plan::Policy;
use crate::features::backups::BackupType;

const BYTES_PER_GB: u64 = 1_000_000_000;

/// A row of `retention_policies`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    pub backup_type: String,
    pub keep_hourly: Option<i32>,
    pub keep_daily: Option<i32>,
    pub keep_weekly: Option<i32>,
    pub keep_monthly: Option<i32>,
    pub max_total_size_gb: Option<i32>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Row {
    /// What it asks for.
    pub fn policy(&self) -> Policy {
        let count = |value: Option<i32>| u32::try_from(value.unwrap_or(0)).unwrap_or(0);
        let gigabytes = |value: i32| u64::try_from(value).ok().filter(|value| *value > 0);
        Policy {
            hourly: count(self.keep_hourly),
            daily: count(self.keep_daily),
            weekly: count(self.keep_weekly),
            monthly: count(self.keep_monthly),
            max_total_bytes: self
                .max_total_size_gb
                .and_then(gigabytes)
                .map(|value| value * BYTES_PER_GB),
        }
    }
}

pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Row>, DbErr> {
    Row::find_by_statement(Statement::from_string(
        DbBackend::Postgres,
        "SELECT backup_type, keep_hourly, keep_daily, keep_weekly, keep_monthly, \
         max_total_size_gb, updated_at FROM retention_policies ORDER BY id",
    ))
    .all(db)
    .await
}

pub async fn save(
    tx: &impl ConnectionTrait,
    kind: BackupType,
    counts: [u32; 4],
    max_total_size_gb: Option<u32>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let small = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let [hourly, daily, weekly, monthly] = counts.map(small);
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO retention_policies (backup_type, keep_hourly, keep_daily, keep_weekly, \
         keep_monthly, max_total_size_gb, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (backup_type) DO UPDATE SET keep_hourly = $2, keep_daily = $3, \
         keep_weekly = $4, keep_monthly = $5, max_total_size_gb = $6, updated_at = $7",
        [
            kind.as_str().into(),
            hourly.into(),
            daily.into(),
            weekly.into(),
            monthly.into(),
            max_total_size_gb.map(small).into(),
            at.into(),
        ],
    ))
    .await
    .map(|_| ())
}
