//! What is asked of containers that are there.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, InspectContainerOptionsBuilder,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use super::{Docker, DockerError, Labels};

/// What the engine needs besides a container's own time to end: it kills it, and says so.
const STOP_MARGIN: Duration = Duration::from_mins(1);

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerState {
    /// Its id.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// The image it was made from.
    pub image: String,
    /// Whether it runs.
    pub is_running: bool,
    /// When it was started last, as in RFC 3339.
    pub started_at: Option<String>,
    /// How it ended.
    pub exit_code: Option<i64>,
    /// Whether the kernel ended it for its memory.
    pub is_out_of_memory: bool,
    /// Bytes that it wrote beside its image; only when asked for.
    pub written_bytes: Option<u64>,
}

/// A throwaway container of Flowkeep's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub labels: Labels,
}

impl Docker {
    /// How a container is, by id or name. `None` when there is none.
    pub async fn state(
        &self,
        container: &str,
        is_sized: bool,
    ) -> Result<Option<ContainerState>, DockerError> {
        let client = self.client().await?;
        let options = InspectContainerOptionsBuilder::new().size(is_sized).build();
        let asked = client.inspect_container(container, Some(options)).await;
        let Some(found) = self.found(asked)? else {
            return Ok(None);
        };
        let state = found.state.unwrap_or_default();
        Ok(Some(ContainerState {
            id: found.id.unwrap_or_default(),
            name: found
                .name
                .unwrap_or_default()
                .trim_start_matches('/')
                .to_owned(),
            image: found
                .config
                .and_then(|config| config.image)
                .unwrap_or_default(),
            is_running: state.running.unwrap_or(false),
            started_at: state.started_at,
            exit_code: state.exit_code,
            is_out_of_memory: state.oom_killed.unwrap_or(false),
            written_bytes: found.size_rw.and_then(|bytes| u64::try_from(bytes).ok()),
        }))
    }

    /// Every throwaway container of Flowkeep's, of any installation.
    pub async fn list_caged(&self) -> Result<Vec<Listed>, DockerError> {
        let client = self.client().await?;
        let filters = HashMap::from([("label".to_owned(), vec![Labels::filter()])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let found = client
            .list_containers(Some(options))
            .await
            .map_err(|error| self.sort(error))?;
        let listed = found.into_iter().filter_map(|one| {
            Some(Listed {
                labels: Labels::from_map(&one.labels?)?,
                id: one.id?,
            })
        });
        Ok(listed.collect())
    }

    /// Removes a container and its own volumes, running or not. One that is gone is fine.
    pub async fn remove_container(&self, id: &str) -> Result<(), DockerError> {
        self.remove(id, true).await
    }

    /// Removes a container, running or not, and none of its volumes. One that is gone is fine.
    pub async fn remove_keeping_volumes(&self, id: &str) -> Result<(), DockerError> {
        self.remove(id, false).await
    }

    async fn remove(&self, id: &str, has_volumes: bool) -> Result<(), DockerError> {
        let client = self.client().await?;
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(has_volumes)
            .build();
        match client.remove_container(id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) => match self.sort(error) {
                // 409: somebody else is removing it at this moment.
                DockerError::NotFound(_) | DockerError::Refused { status: 409, .. } => Ok(()),
                other => Err(other),
            },
        }
    }

    /// Ends a container and waits until it has ended; after `grace` it is killed.
    pub async fn stop_container(
        &self,
        container: &str,
        grace: Duration,
    ) -> Result<(), DockerError> {
        let client = self.patient_client(grace).await?;
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(30);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        // One that does not run has no end to be explained.
        let is_running = self.state(container, false).await?;
        if is_running.is_some_and(|state| state.is_running) {
            self.note_asked(container);
        }
        let stopped = client.stop_container(container, Some(options)).await;
        self.unless_noted(container, stopped)
    }

    /// A client that waits for an end that may take as long as this.
    pub(super) async fn patient_client(
        &self,
        grace: Duration,
    ) -> Result<bollard::Docker, DockerError> {
        Ok(self.client().await?.with_timeout(grace + STOP_MARGIN))
    }

    /// What was not done explains nothing later.
    pub(super) fn unless_noted(
        &self,
        container: &str,
        done: Result<(), bollard::errors::Error>,
    ) -> Result<(), DockerError> {
        done.map_err(|error| {
            self.take_asked(&[container]);
            self.sort(error)
        })
    }

    /// Starts a container that is there.
    pub async fn start_container(&self, container: &str) -> Result<(), DockerError> {
        self.client()
            .await?
            .start_container(container, None::<StartContainerOptions>)
            .await
            .map_err(|error| self.sort(error))
    }

    /// A file or folder of a container, as a tar archive. The container need not run.
    pub async fn archive(
        &self,
        container: &str,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, DockerError>> + Send + use<>, DockerError> {
        let client = self.client().await?;
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(path)
            .build();
        let this = self.clone();
        let container = container.to_owned();
        let stream = client.download_from_container(&container, Some(options));
        Ok(stream.map_err(move |error| this.sort(error)))
    }
}

/// Lines of a log that are shown as its last words.
const LAST_LINES: &str = "8";
const MOST_LAST_WORDS_BYTES: usize = 4_000;

impl Docker {
    /// The last lines that a container wrote.
    pub async fn last_words(&self, container: &str) -> Result<String, DockerError> {
        let client = self.client().await?;
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(LAST_LINES)
            .build();
        let lines: Vec<_> = client
            .logs(container, Some(options))
            .try_collect()
            .await
            .map_err(|error| self.sort(error))?;
        let mut words: String = lines.iter().map(ToString::to_string).collect();
        words.retain(|c| c == '\n' || !c.is_control());
        let start = words.len().saturating_sub(MOST_LAST_WORDS_BYTES);
        let start = words.ceil_char_boundary(start);
        Ok(words.split_off(start).trim().replace('\n', " | "))
    }
}
