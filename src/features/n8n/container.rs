//! n8n's containers: stopped while its database changes places, and read for their configuration.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;

use super::{N8nError, N8nService};
use crate::features::settings::Key;
use crate::platform::docker::DockerError;

/// n8n lets executions end for as long as this, by default.
const GRACE: Duration = Duration::from_secs(30);

/// What is wrong with a container that the settings name.
fn unusable(container: &str, error: &DockerError) -> N8nError {
    N8nError::Container {
        container: container.to_owned(),
        why: format!("{error}. {}", error.remedy()),
    }
}

const OWN: &str = "Flowkeep itself runs in it, and would end with it. Take it out of the setting";

impl N8nService {
    /// The containers that n8n runs in, as the settings name them: the main one first, then workers.
    pub fn containers(&self) -> Vec<String> {
        let names = self.parts.settings.choice(Key::N8nContainers);
        names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Those of n8n's containers that run. An error when one that the settings name is not there.
    pub async fn running_containers(&self) -> Result<Vec<String>, N8nError> {
        let mut running = Vec::new();
        for name in self.containers() {
            let state = self.parts.docker.state(&name, false).await;
            match state.map_err(|error| unusable(&name, &error))? {
                Some(state) if self.parts.docker.is_own(&state.id) => {
                    return Err(N8nError::Container {
                        why: OWN.to_owned(),
                        container: name,
                    });
                }
                Some(state) if state.is_running => running.push(name),
                Some(_) => {}
                None => {
                    return Err(N8nError::Container {
                        why: "there is no such container. Correct its name in the settings, or empty the \
                              setting and stop n8n by hand"
                            .to_owned(),
                        container: name,
                    });
                }
            }
        }
        Ok(running)
    }

    /// Stops containers, workers first: what they are at goes back to the queue.
    pub async fn stop_containers(&self, names: &[String]) -> Result<(), N8nError> {
        for name in names {
            let state = self.parts.docker.state(name, false).await;
            let state = state.map_err(|error| unusable(name, &error))?;
            if state.is_some_and(|state| self.parts.docker.is_own(&state.id)) {
                return Err(N8nError::Container {
                    container: name.clone(),
                    why: OWN.to_owned(),
                });
            }
        }
        for name in names.iter().rev() {
            let stopped = self.parts.docker.stop_container(name, GRACE).await;
            stopped.map_err(|error| unusable(name, &error))?;
            tracing::info!(container = name, "stopped n8n's container");
        }
        Ok(())
    }

    /// Starts containers again, the main one first. One that runs already is fine.
    pub async fn start_containers(&self, names: &[String]) -> Result<(), N8nError> {
        let mut first = None;
        for name in names {
            match self.parts.docker.start_container(name).await {
                Ok(()) => tracing::info!(container = name, "started n8n's container again"),
                Err(error) => {
                    tracing::error!(container = name, %error, "n8n's container does not start");
                    first.get_or_insert_with(|| unusable(name, &error));
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// n8n's own folder out of its first container, as a tar archive, with the container's name and the
    /// folder. `None` when the settings name no container.
    pub async fn config_archive(
        &self,
    ) -> Result<
        Option<(
            String,
            String,
            impl Stream<Item = Result<Bytes, DockerError>> + Send + use<>,
        )>,
        N8nError,
    > {
        let Some(name) = self.containers().into_iter().next() else {
            return Ok(None);
        };
        let path = self.parts.settings.choice(Key::N8nContainerFolder);
        let stream = self.parts.docker.archive(&name, &path).await;
        let stream = stream.map_err(|error| unusable(&name, &error))?;
        Ok(Some((name, path, stream)))
    }
}
