//! `FLOWKEEP_LOG`, `FLOWKEEP_LOG_FORMAT`.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::ConfigError;

/// Logs.
#[derive(Args, Clone, Debug)]
pub struct TelemetryConfig {
    /// What to log, as in `info` or `info,flowkeep=debug`.
    #[arg(
        long = "log",
        env = "FLOWKEEP_LOG",
        default_value = "info,sqlx=warn,sea_orm=warn"
    )]
    pub log_filter: String,

    /// How a log line looks.
    #[arg(long, env = "FLOWKEEP_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl TelemetryConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        EnvFilter::try_new(&self.log_filter)
            .map(|_| ())
            .map_err(|error| ConfigError {
                name: "FLOWKEEP_LOG",
                problem: format!("{error}; try `info`"),
            })
    }
}
