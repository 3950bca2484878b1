//! A container as Flowkeep sees it, read from what the engine says.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::judge::Now;
use super::logs::clean::{clean, without_colours};
use crate::platform::docker::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum,
};

const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";
const MOST_OUTPUT_CHARS: usize = 500;

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ContainerStatus)]
pub enum Status {
    /// It runs, and its health check does not fail.
    Running,
    /// It runs, and its health check fails.
    Unhealthy,
    /// The engine starts it again and again.
    Restarting,
    /// It is held still.
    Paused,
    /// It was made and never started.
    Created,
    /// It does not run.
    Stopped,
}

impl Status {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Unhealthy => "unhealthy",
            Self::Restarting => "restarting",
            Self::Paused => "paused",
            Self::Created => "created",
            Self::Stopped => "stopped",
        }
    }

    /// The one with that name in the database.
    pub fn from_name(name: &str) -> Self {
        let all = [
            Self::Running,
            Self::Unhealthy,
            Self::Restarting,
            Self::Paused,
            Self::Created,
        ];
        let found = all.into_iter().find(|one| one.as_str() == name);
        found.unwrap_or(Self::Stopped)
    }

    /// Whether its program is there.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Unhealthy | Self::Paused)
    }
}

/// What a container's own check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ContainerHealth)]
pub enum Health {
    /// It has no check.
    None,
    /// It has not said yet.
    Starting,
    /// All is well.
    Healthy,
    /// It fails.
    Unhealthy,
}

impl Health {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// The one with that name in the database.
    pub fn from_name(name: &str) -> Self {
        let all = [Self::Starting, Self::Healthy, Self::Unhealthy];
        all.into_iter()
            .find(|one| one.as_str() == name)
            .unwrap_or(Self::None)
    }
}

/// A container that the engine has.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// The id of the image.
    pub image_id: String,
    /// What it does.
    pub status: Status,
    /// What its check says.
    pub health: Health,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was started last.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended last.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended last; `None` while it runs.
    pub exit_code: Option<i64>,
    /// Whether the kernel ended it for its memory.
    pub is_out_of_memory: bool,
    /// How often the engine started it again.
    pub restart_count: i64,
    /// Whether it has a terminal.
    pub is_tty: bool,
    /// Seconds it wants to end.
    pub stop_seconds: Option<i64>,
    /// What it may use of memory, in bytes; 0 for all.
    pub memory_limit: i64,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// Everything else that the engine says.
    pub raw: ContainerInspectResponse,
}

/// A moment as the engine writes it; the year 1 is its never.
fn moment(text: Option<&str>) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text?).ok()?.to_utc();
    (at.timestamp() > 0).then_some(at)
}

/// Text of a health check, fit to be shown.
pub fn output(text: &str) -> String {
    let line = text.trim().replace(['\r', '\n'], " ");
    let text = clean(line.as_bytes());
    without_colours(&text)
        .chars()
        .take(MOST_OUTPUT_CHARS)
        .collect()
}

impl Seen {
    /// Reads what the engine says.
    pub fn read(raw: ContainerInspectResponse) -> Self {
        let state = raw.state.clone().unwrap_or_default();
        let config = raw.config.clone().unwrap_or_default();
        let health = state.health.as_ref().and_then(|health| health.status);
        let health = match health {
            Some(HealthStatusEnum::STARTING) => Health::Starting,
            Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
            Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
            _ => Health::None,
        };
        let status = match state.status {
            Some(ContainerStateStatusEnum::RESTARTING) => Status::Restarting,
            Some(ContainerStateStatusEnum::PAUSED) => Status::Paused,
            Some(ContainerStateStatusEnum::CREATED) => Status::Created,
            _ if !state.running.unwrap_or(false) => Status::Stopped,
            _ if health == Health::Unhealthy => Status::Unhealthy,
            _ => Status::Running,
        };
        let limit = raw.host_config.as_ref().and_then(|host| host.memory);
        Self {
            id: raw.id.clone().unwrap_or_default(),
            name: raw
                .name
                .as_deref()
                .unwrap_or_default()
                .trim_start_matches('/')
                .to_owned(),
            image: config.image.unwrap_or_default(),
            image_id: raw.image.clone().unwrap_or_default(),
            status,
            health,
            created_at: moment(raw.created.as_deref()),
            started_at: moment(state.started_at.as_deref()),
            finished_at: moment(state.finished_at.as_deref()),
            exit_code: state
                .exit_code
                .filter(|_| !status.is_up() && status != Status::Created),
            is_out_of_memory: state.oom_killed.unwrap_or(false),
            restart_count: raw.restart_count.unwrap_or(0),
            is_tty: config.tty.unwrap_or(false),
            stop_seconds: config.stop_timeout,
            memory_limit: limit.unwrap_or(0),
            labels: config.labels.unwrap_or_default(),
            raw,
        }
    }

    /// What its check said last.
    pub fn check_output(&self) -> Option<String> {
        let health = self.raw.state.as_ref()?.health.as_ref()?;
        let last = health.log.as_ref()?.last()?;
        last.output.as_deref().map(output)
    }

    /// How many cores it may use at most; `None` for all.
    pub fn cpu_limit(&self) -> Option<f64> {
        let host = self.raw.host_config.as_ref()?;
        if let Some(cpus) = host.nano_cpus.filter(|cpus| *cpus > 0) {
            return Some(cpus as f64 / 1e9);
        }
        let (quota, period) = (
            host.cpu_quota?,
            host.cpu_period.filter(|period| *period > 0),
        );
        (quota > 0).then(|| quota as f64 / period.unwrap_or(100_000) as f64)
    }

    /// The project of docker compose that it belongs to.
    pub fn compose_project(&self) -> Option<&str> {
        self.labels.get(COMPOSE_PROJECT).map(String::as_str)
    }

    /// What it is in that project.
    pub fn compose_service(&self) -> Option<&str> {
        self.labels.get(COMPOSE_SERVICE).map(String::as_str)
    }

    /// How it is, for the judge.
    pub fn now(&self) -> Now {
        Now {
            is_running: self.status.is_up(),
            is_restarting: self.status == Status::Restarting,
            is_in_doubt: matches!(self.health, Health::Starting | Health::Unhealthy),
            is_there: true,
        }
    }
}
