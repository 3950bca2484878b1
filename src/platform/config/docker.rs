//! `FLOWKEEP_DOCKER_HOST`.

use clap::Args;

use super::ConfigError;

/// Where the Docker engine listens.
#[derive(Args, Clone, Debug)]
pub struct DockerConfig {
    /// The Docker engine's socket, as in /var/run/docker.sock, or tcp://host:port of a socket proxy.
    /// Without an engine, backups are proven with the PostgreSQL programs of this machine.
    #[arg(
        long,
        env = "FLOWKEEP_DOCKER_HOST",
        default_value = "unix:///var/run/docker.sock"
    )]
    pub docker_host: String,
}

impl DockerConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let host = &self.docker_host;
        if ["unix:///", "tcp://", "/"]
            .iter()
            .any(|start| host.starts_with(start))
        {
            return Ok(());
        }
        Err(ConfigError {
            name: "FLOWKEEP_DOCKER_HOST",
            problem: format!(
                "{host:?} is no socket; write it as unix:///var/run/docker.sock or tcp://host:2375"
            ),
        })
    }
}
