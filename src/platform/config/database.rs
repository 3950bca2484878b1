//! `DATABASE_URL`, `FLOWKEEP_DATABASE_URL_FILE`, `FLOWKEEP_POSTGRES_DIRS`,
//! `FLOWKEEP_DATABASE_CONNECTIONS`.

use std::path::PathBuf;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::ConfigError;

/// Where Flowkeep keeps its own tables.
#[derive(Args, Clone, Debug)]
pub struct DatabaseConfig {
    /// The server for Flowkeep's own tables; without it, Flowkeep runs a private PostgreSQL of its
    /// own under the data folder. Prefer the environment or a file: others can read flags.
    #[arg(long = "database-url", env = "DATABASE_URL", hide_env_values = true)]
    pub url: Option<SecretString>,

    /// A file that holds the database URL.
    #[arg(
        long = "database-url-file",
        env = "FLOWKEEP_DATABASE_URL_FILE",
        conflicts_with = "url"
    )]
    pub url_file: Option<PathBuf>,

    /// More folders to look for PostgreSQL programs in, before the usual places.
    #[arg(long, env = "FLOWKEEP_POSTGRES_DIRS", value_delimiter = ':')]
    pub postgres_dirs: Vec<PathBuf>,

    /// Most connections to Flowkeep's own database.
    #[arg(long, env = "FLOWKEEP_DATABASE_CONNECTIONS", default_value_t = 5)]
    pub max_connections: u32,
}

impl DatabaseConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.max_connections < 2 || self.max_connections > 100 {
            return Err(ConfigError {
                name: "FLOWKEEP_DATABASE_CONNECTIONS",
                problem: "must be between 2 and 100".to_owned(),
            });
        }
        if let Some(url) = self.external_url()? {
            let url = url.expose_secret();
            if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                return Err(ConfigError {
                    name: "DATABASE_URL",
                    problem: "must begin with postgres:// as in \
                              postgres://user:password@host:5432/n8n_management"
                        .to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The URL of the given server, if one was given.
    pub fn external_url(&self) -> Result<Option<SecretString>, ConfigError> {
        match (&self.url, &self.url_file) {
            (Some(url), _) if !url.expose_secret().trim().is_empty() => Ok(Some(url.clone())),
            (_, Some(file)) => std::fs::read_to_string(file)
                .map(|text| Some(SecretString::from(text.trim().to_owned())))
                .map_err(|error| ConfigError {
                    name: "FLOWKEEP_DATABASE_URL_FILE",
                    problem: format!("cannot read {}: {error}", file.display()),
                }),
            _ => Ok(None),
        }
    }
}
