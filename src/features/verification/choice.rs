//! Which engine proves: Docker where it can, the programs of this machine where it cannot, and why.

use super::docker::DockerEngine;
use super::engine::{EngineError, EngineFuture, Started, VerificationEngine};
use super::local::LocalEngine;
use crate::features::settings::{Key, SettingsService};

/// Starts servers where the settings say.
#[derive(Clone)]
pub struct ChosenEngine {
    docker: DockerEngine,
    local: LocalEngine,
    settings: SettingsService,
}

impl ChosenEngine {
    /// Chooses between the two.
    pub fn new(docker: DockerEngine, local: LocalEngine, settings: SettingsService) -> Self {
        Self {
            docker,
            local,
            settings,
        }
    }
}

/// What fell back has to say of both, when neither can.
fn neither(docker: &EngineError, local: EngineError) -> EngineError {
    EngineError {
        message: format!("{} In Docker: {}", local.message, docker.message),
        remedy: format!("{} Or: {}", local.remedy, docker.remedy),
        is_passing: local.is_passing || docker.is_passing,
        code: local.code,
    }
}

impl VerificationEngine for ChosenEngine {
    fn start(&self, major: u32, room_bytes: u64) -> EngineFuture<'_, Result<Started, EngineError>> {
        Box::pin(async move {
            let choice = self.settings.choice(Key::VerificationEngine);
            if choice == "local" {
                return self.local.start(major, room_bytes).await;
            }
            let lacking = match self.docker.start(major, room_bytes).await {
                Ok(started) => return Ok(started),
                Err(error) => error,
            };
            if choice == "docker" {
                return Err(lacking);
            }
            match self.local.start(major, room_bytes).await {
                Ok(started) => Ok(Started {
                    note: Some(format!(
                        "Proven with the programs of this machine, not in Docker: {}",
                        lacking.message
                    )),
                    ..started
                }),
                Err(error) => Err(neither(&lacking, error)),
            }
        })
    }
}
