//! `/api/backups/growth`.

use axum::extract::State;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::BackupService;
use super::growth::Day;
use crate::features::auth::CurrentUser;
use crate::platform::http::{ApiError, Json, Query};

/// How much there was on each day, and what that means for the disk.
#[derive(Serialize, ToSchema)]
pub struct Growth {
    /// Oldest first; the last is today, in UTC.
    days: Vec<GrowthDay>,
    /// Bytes that are free on the backup disk; null if it does not say.
    free_bytes: Option<u64>,
    /// Bytes that are added each day, from the last thirty; null while there is too little to tell.
    bytes_per_day: Option<f64>,
    /// Days until the disk is full if it goes on like this; null if it does not grow.
    days_until_full: Option<u64>,
}

/// One day.
#[derive(Serialize, ToSchema)]
pub struct GrowthDay {
    date: NaiveDate,
    /// Bytes of backups at its end.
    kept_bytes: u64,
    /// Good runs that began on it.
    made: u32,
    /// Those of them that are proven.
    proven: u32,
    failed: u32,
    /// Bytes that they wrote.
    made_bytes: u64,
}

/// How far to look back.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GrowthQuery {
    /// 7 to 366; 90 if absent.
    days: Option<u64>,
}

impl From<Day> for GrowthDay {
    fn from(day: Day) -> Self {
        Self {
            date: day.date,
            kept_bytes: day.kept_bytes,
            made: day.made,
            proven: day.proven,
            failed: day.failed,
            made_bytes: day.made_bytes,
        }
    }
}

/// Tell how the backups grew, and when the disk will be full.
#[utoipa::path(get, path = "/api/backups/growth", tag = "backups", params(GrowthQuery), responses((status = 200, body = Growth)))]
pub async fn get_growth(
    State(backups): State<BackupService>,
    _: CurrentUser,
    Query(query): Query<GrowthQuery>,
) -> Result<Json<Growth>, ApiError> {
    let days = query.days.unwrap_or(90);
    if !(7..=366).contains(&days) {
        return Err(ApiError::invalid("days", "must be between 7 and 366"));
    }
    let growth = backups.growth(days).await?;
    Ok(Json(Growth {
        days: growth.days.into_iter().map(GrowthDay::from).collect(),
        free_bytes: growth.free_bytes,
        bytes_per_day: growth.bytes_a_day,
        days_until_full: growth.days_until_full,
    }))
}
