//! What a schedule is, and when its values make sense.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ScheduleError;
use super::recurrence::{Recurrence, Rule};
use crate::features::backups::BackupType;

const MAX_NAME_CHARS: usize = 100;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// Every hour, at `minute`.
    Hourly,
    /// Every day, at `hour` and `minute`.
    Daily,
    /// Every week, on `day_of_week`.
    Weekly,
    /// Every month, on `day_of_month`.
    Monthly,
}

impl Frequency {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// The frequency of that name.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly]
            .into_iter()
            .find(|frequency| frequency.as_str() == name)
    }
}

/// When something is due, as people say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// How often.
    pub frequency: Frequency,
    /// 0 to 23; for all but hourly.
    pub hour: Option<i32>,
    /// 0 to 59.
    pub minute: i32,
    /// 0 is Monday; for weekly.
    pub day_of_week: Option<i32>,
    /// 1 to 28; for monthly.
    pub day_of_month: Option<i32>,
    /// A name of the tz database.
    pub timezone: String,
}

/// What somebody wants scheduled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What people call it.
    pub name: String,
    /// What is backed up.
    pub backup_type: BackupType,
    /// Whether it is switched on.
    pub is_enabled: bool,
    /// When it is due.
    pub when: When,
    /// `zstd`, `gzip` or `none`.
    pub compression: String,
    /// Where its backups are copied to; everywhere if not said.
    pub destination_ids: Option<Vec<i32>>,
}

/// A row of `backup_schedules`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Schedule {
    pub id: i32,
    pub name: String,
    pub backup_type: String,
    pub enabled: Option<bool>,
    pub frequency: String,
    pub hour: Option<i32>,
    pub minute: Option<i32>,
    pub day_of_week: Option<i32>,
    pub day_of_month: Option<i32>,
    pub timezone: Option<String>,
    pub compression: Option<String>,
    pub destination_ids: Option<serde_json::Value>,
    pub last_run: Option<DateTime<Utc>>,
    pub next_run: Option<DateTime<Utc>>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Schedule {
    /// Whether it is switched on.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// When it is due. `None` for a row that no version of Flowkeep wrote.
    pub fn recurrence(&self) -> Option<Recurrence> {
        let when = When {
            frequency: Frequency::find(&self.frequency)?,
            hour: self.hour,
            minute: self.minute.unwrap_or(0),
            day_of_week: self.day_of_week,
            day_of_month: self.day_of_month,
            timezone: self.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
        };
        when.recurrence().ok()
    }
}

impl When {
    /// Checks the values and says when it is due.
    pub fn recurrence(&self) -> Result<Recurrence, ScheduleError> {
        let zone: Tz = self.timezone.parse().map_err(|_| ScheduleError::Invalid {
            field: "timezone",
            why: "must be a time zone's name, as in Europe/Berlin".to_owned(),
        })?;
        let minute = number("minute", Some(self.minute), 0, 59)?;
        let hour = || number("hour", self.hour, 0, 23);
        let rule = match self.frequency {
            Frequency::Hourly => Rule::Hourly { minute },
            Frequency::Daily => Rule::Daily {
                hour: hour()?,
                minute,
            },
            Frequency::Weekly => Rule::Weekly {
                day_of_week: number("day_of_week", self.day_of_week, 0, 6)?,
                hour: hour()?,
                minute,
            },
            Frequency::Monthly => Rule::Monthly {
                day_of_month: number("day_of_month", self.day_of_month, 1, 28)?,
                hour: hour()?,
                minute,
            },
        };
        Ok(Recurrence { rule, zone })
    }
}

fn number(
    field: &'static str,
    value: Option<i32>,
    min: u32,
    max: u32,
) -> Result<u32, ScheduleError> {
    let hint = match field {
        "day_of_week" => " (0 is Monday)",
        "day_of_month" => ", which every month has",
        _ => "",
    };
    let why = match value {
        None => format!("is needed for this frequency: {min} to {max}{hint}"),
        Some(_) => format!("must be between {min} and {max}{hint}"),
    };
    value
        .and_then(|value| u32::try_from(value).ok())
        .filter(|value| (min..=max).contains(value))
        .ok_or(ScheduleError::Invalid { field, why })
}

impl Draft {
    /// Checks everything and says when it is due.
    pub fn check(&self) -> Result<Recurrence, ScheduleError> {
        let invalid = |field, why: &str| ScheduleError::Invalid {
            field,
            why: why.to_owned(),
        };
        let name = self.name.trim();
        if name.is_empty() {
            return Err(invalid("name", "is empty; give it a name to know it by"));
        }
        if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(invalid(
                "name",
                "must be one line of at most 100 characters",
            ));
        }
        if !["zstd", "gzip", "none"].contains(&self.compression.as_str()) {
            return Err(invalid("compression", "must be zstd, gzip or none"));
        }
        self.when.recurrence()
    }
}
