//! What is asked of containers that are looked after.

use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerStatsResponse, ContainerSummary, DistributionInspect,
    ImageInspect,
};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RestartContainerOptionsBuilder,
    StatsOptionsBuilder,
};
use futures_util::StreamExt;

use super::{Docker, DockerError};

impl Docker {
    /// Every container, running or not.
    pub async fn list(&self) -> Result<Vec<ContainerSummary>, DockerError> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let client = self.client().await?;
        client
            .list_containers(Some(options))
            .await
            .map_err(|error| self.sort(error))
    }

    /// Everything about a container, by id or name. `None` when there is none.
    pub async fn inspect(
        &self,
        container: &str,
    ) -> Result<Option<ContainerInspectResponse>, DockerError> {
        let client = self.client().await?;
        let asked = client.inspect_container(container, None::<InspectContainerOptions>);
        self.found(asked.await)
    }

    pub(super) fn found<T>(
        &self,
        answer: Result<T, bollard::errors::Error>,
    ) -> Result<Option<T>, DockerError> {
        match answer.map_err(|error| self.sort(error)) {
            Ok(found) => Ok(Some(found)),
            Err(DockerError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends a container and starts it again; after `grace` it is killed.
    pub async fn restart_container(&self, id: &str, grace: Duration) -> Result<(), DockerError> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(30);
        let options = RestartContainerOptionsBuilder::new().t(seconds).build();
        let client = self.patient_client(grace).await?;
        self.note_asked(id);
        let restarted = client.restart_container(id, Some(options)).await;
        self.unless_noted(id, restarted)
    }

    /// What a container uses. With `is_whole` the engine measures twice, a second apart, so that CPU use
    /// can be told; without it answers at once.
    pub async fn usage(
        &self,
        id: &str,
        is_whole: bool,
    ) -> Result<Option<ContainerStatsResponse>, DockerError> {
        let options = StatsOptionsBuilder::new()
            .stream(false)
            .one_shot(!is_whole)
            .build();
        let client = self.client().await?;
        let mut answer = std::pin::pin!(client.stats(id, Some(options)));
        match answer.next().await {
            Some(answer) => self.found(answer),
            None => Ok(None),
        }
    }

    /// What the registry of an image has under its name. The engine asks, without credentials.
    pub async fn registry_image(&self, image: &str) -> Result<DistributionInspect, DockerError> {
        let client = self.client().await?;
        client
            .inspect_registry_image(image, None)
            .await
            .map_err(|error| self.sort(error))
    }

    /// An image that is here. `None` when there is none.
    pub async fn image(&self, image: &str) -> Result<Option<ImageInspect>, DockerError> {
        let client = self.client().await?;
        self.found(client.inspect_image(image).await)
    }
}
