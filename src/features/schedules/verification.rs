//! When the newest backups are proven again: the one row of `verification_schedule`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

use super::ScheduleError;
use super::model::{Frequency, When};
use super::recurrence::Recurrence;

/// The row's number.
pub const ID: i32 = 1;

/// A row of `verification_schedule`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct VerificationSchedule {
    pub enabled: Option<bool>,
    pub frequency: String,
    pub day_of_week: Option<i32>,
    pub hour: Option<i32>,
    pub verify_latest_count: Option<i32>,
    pub last_run: Option<DateTime<Utc>>,
    pub next_run: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationDraft {
    pub is_enabled: bool,
    pub frequency: Frequency,
    pub day_of_week: i32,
    pub hour: i32,
    pub verify_latest_count: i32,
}

impl VerificationSchedule {
    /// Whether it is switched on.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// How many of the newest backups are proven.
    pub fn count(&self) -> u64 {
        u64::try_from(self.verify_latest_count.unwrap_or(5)).unwrap_or(0)
    }

    /// When it is due: in UTC, and on the first of the month if monthly.
    pub fn recurrence(&self) -> Option<Recurrence> {
        let draft = VerificationDraft {
            is_enabled: self.is_enabled(),
            frequency: Frequency::find(&self.frequency)?,
            day_of_week: self.day_of_week.unwrap_or(0),
            hour: self.hour.unwrap_or(3),
            verify_latest_count: self.verify_latest_count.unwrap_or(5),
        };
        draft.check().ok()
    }
}

impl VerificationDraft {
    /// Checks everything and says when it is due.
    pub fn check(&self) -> Result<Recurrence, ScheduleError> {
        let invalid = |field, why: &str| ScheduleError::Invalid {
            field,
            why: why.to_owned(),
        };
        if self.frequency == Frequency::Hourly {
            return Err(invalid("frequency", "must be daily, weekly or monthly"));
        }
        if !(1..=100).contains(&self.verify_latest_count) {
            return Err(invalid("verify_latest_count", "must be between 1 and 100"));
        }
        let when = When {
            frequency: self.frequency,
            hour: Some(self.hour),
            minute: 0,
            day_of_week: Some(self.day_of_week),
            day_of_month: Some(1),
            timezone: "UTC".to_owned(),
        };
        when.recurrence()
    }
}

pub async fn get(db: &impl ConnectionTrait) -> Result<Option<VerificationSchedule>, DbErr> {
    VerificationSchedule::find_by_statement(Statement::from_string(
        DbBackend::Postgres,
        "SELECT enabled, frequency, day_of_week, hour, verify_latest_count, last_run, next_run, \
         updated_at FROM verification_schedule ORDER BY id LIMIT 1",
    ))
    .one(db)
    .await
}

pub async fn save(
    tx: &impl ConnectionTrait,
    draft: &VerificationDraft,
    next: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO verification_schedule (id, enabled, frequency, day_of_week, hour, \
         verify_latest_count, next_run, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (id) DO UPDATE SET enabled = $2, frequency = $3, day_of_week = $4, hour = $5, \
         verify_latest_count = $6, next_run = $7, updated_at = $8",
        [
            ID.into(),
            draft.is_enabled.into(),
            draft.frequency.as_str().into(),
            draft.day_of_week.into(),
            draft.hour.into(),
            draft.verify_latest_count.into(),
            next.into(),
            at.into(),
        ],
    ))
    .await
    .map(|_| ())
}
