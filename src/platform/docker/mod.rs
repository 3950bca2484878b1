//! The Docker engine, reached by its API: the edge of the world behind which containers are.
//!
//! Nothing is kept open: a client that lost its engine finds it again at the next call.

mod cage;
mod containers;
mod error;
mod events;
mod exec;
mod logs;
mod own;
mod raw;
mod successor;
mod watch;

pub use bollard::models;
pub use cage::{Cage, Labels};
pub use containers::{ContainerState, Listed};
pub use error::DockerError;
pub use exec::{Ended, Exec};
pub use logs::{LogFrames, LogPiece, LogQuery, LogStream};
pub use own::Place;
pub use raw::RawBody;
pub use successor::{Successor, aside, is_aside, successor};

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use parking_lot::Mutex;

/// Longest wait for an answer that is not a stream, in seconds.
const TIMEOUT_SECONDS: u64 = 60;
/// What this process asked of containers is remembered so far and so long.
const ASKED_KEPT: usize = 100;
const ASKED_LASTS: Duration = Duration::from_mins(2);
/// Docker 20.10, the oldest that Debian and Ubuntu still carry.
const OLDEST_API: (usize, usize) = (1, 41);

/// The engine. Cheap to clone; not connected until it is asked for something.
#[derive(Clone, Debug)]
pub struct Docker {
    address: Arc<str>,
    client: Arc<Mutex<Option<bollard::Docker>>>,
    asked: Arc<Mutex<VecDeque<(String, Instant)>>>,
    own: Arc<Mutex<own::Own>>,
}

impl Docker {
    /// An engine at `unix:///path`, `/path` or `tcp://host:port`.
    pub fn new(address: &str) -> Self {
        let address = if address.starts_with('/') {
            format!("unix://{address}")
        } else {
            address.to_owned()
        };
        Self {
            address: address.into(),
            client: Arc::default(),
            asked: Arc::default(),
            own: Arc::default(),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Notes that this process ends a container, by its id or name.
    fn note_asked(&self, container: &str) {
        let mut asked = self.asked.lock();
        asked.truncate(ASKED_KEPT);
        asked.push_front((container.to_owned(), Instant::now()));
    }

    /// Whether this process ended a container in the last moments, by any of these names. Explains one end.
    pub fn take_asked(&self, names: &[&str]) -> bool {
        let mut asked = self.asked.lock();
        asked.retain(|(_, at)| at.elapsed() < ASKED_LASTS);
        let before = asked.len();
        asked.retain(|(name, _)| !names.contains(&name.as_str()));
        asked.len() < before
    }

    /// The version of its API that is spoken.
    pub async fn api_version(&self) -> Result<(usize, usize), DockerError> {
        let version = self.client().await?.client_version();
        Ok((version.major_version, version.minor_version))
    }

    /// A client that speaks the engine's version.
    async fn client(&self) -> Result<bollard::Docker, DockerError> {
        if let Some(client) = self.client.lock().clone() {
            return Ok(client);
        }
        let newest = bollard::API_DEFAULT_VERSION;
        let connected = match self.address.strip_prefix("unix://") {
            Some(path) => bollard::Docker::connect_with_unix(path, TIMEOUT_SECONDS, newest),
            None => bollard::Docker::connect_with_http(&self.address, TIMEOUT_SECONDS, newest),
        };
        let client = connected.map_err(|error| self.sort(error))?;
        let client = client
            .negotiate_version()
            .await
            .map_err(|error| self.sort(error))?;
        let version = client.client_version();
        let spoken = (version.major_version, version.minor_version);
        if spoken < OLDEST_API {
            return Err(DockerError::TooOld(format!("{}.{}", spoken.0, spoken.1)));
        }
        *self.client.lock() = Some(client.clone());
        Ok(client)
    }

    /// Sorts an error. After one of the connection the engine may be another one.
    fn sort(&self, error: bollard::errors::Error) -> DockerError {
        self.noted(error::sort(&self.address, error))
    }

    fn noted(&self, error: DockerError) -> DockerError {
        if error.is_passing() {
            *self.client.lock() = None;
        }
        error
    }

    /// Asks whether it answers. Returns its version.
    pub async fn version(&self) -> Result<String, DockerError> {
        match self.ask_version().await {
            // An engine that was restarted left a connection that only looks open.
            Err(error) if error.is_passing() => self.ask_version().await,
            other => other,
        }
    }

    async fn ask_version(&self) -> Result<String, DockerError> {
        let client = self.client().await?;
        let version = client.version().await.map_err(|error| self.sort(error))?;
        Ok(version.version.unwrap_or_default())
    }

    /// Whether an image is there.
    pub async fn has_image(&self, image: &str) -> Result<bool, DockerError> {
        Ok(self.image(image).await?.is_some())
    }

    /// Fetches an image from its registry.
    pub async fn pull(&self, image: &str, limit: Duration) -> Result<(), DockerError> {
        let client = self.client().await?;
        let options = CreateImageOptionsBuilder::new().from_image(image).build();
        let pulling = client.create_image(Some(options), None, None);
        let pulled = tokio::time::timeout(limit, pulling.try_for_each(|_| async { Ok(()) }));
        match pulled.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(bollard::errors::Error::DockerStreamError { error })) => {
                Err(DockerError::Refused {
                    status: 500,
                    message: error,
                })
            }
            Ok(Err(error)) => Err(self.sort(error)),
            Err(_) => Err(DockerError::Refused {
                status: 504,
                message: format!("not through after {} s", limit.as_secs()),
            }),
        }
    }
}
