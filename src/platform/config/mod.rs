//! Configuration from the command line and the environment: only what is needed to reach the
//! database. Everything else is a setting in it.

mod data;
mod database;
mod docker;
mod http;
mod secrets;
mod telemetry;

pub use data::DataConfig;
pub use database::DatabaseConfig;
pub use docker::DockerConfig;
pub use http::HttpConfig;
pub use secrets::SecretsConfig;
pub use telemetry::{LogFormat, TelemetryConfig};

use clap::Args;

/// The whole configuration, one struct for each section.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Where the daemon listens and whom it believes.
    #[command(flatten)]
    pub http: HttpConfig,
    /// Where Flowkeep keeps its own data base.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Where files go.
    #[command(flatten)]
    pub data: DataConfig,
    /// Where the Docker engine listens.
    #[command(flatten)]
    pub docker: DockerConfig,
    /// The master key and the first password.
    #[command(flatten)]
    pub secrets: SecretsConfig,
    /// Logs.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

/// A configuration value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The flag or variable.
    pub name: &'static str,
    /// What is wrong and what to do about it.
    pub problem: String,
}

impl Config {
    /// Checks every section before anything starts.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.http.validate()?;
        self.database.validate()?;
        self.data.validate()?;
        self.docker.validate()?;
        self.telemetry.validate()
    }
}
