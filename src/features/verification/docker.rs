//! A throwaway PostgreSQL in a container: no network, no capabilities, bounded memory and processes.
//! pg_restore runs inside as well, so that whatever is in a backup never leaves the container.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::docker_server::DockerServer;
use super::engine::{EngineError, EngineFuture, Started, ThrowawayServer, VerificationEngine};
use crate::features::settings::{Key, SettingsService};
use crate::platform::clock::Clock;
use crate::platform::docker::{Cage, Docker, DockerError, Labels};
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::{ConnInfo, Host};

/// The superuser of the throwaway server, and whom it runs as in every PostgreSQL image.
const USER: &str = "postgres";
const PULL_LIMIT: Duration = Duration::from_mins(15);
const PIDS: i64 = 128;
const MEGABYTE: i64 = 1024 * 1024;
/// Beside what the proof may take, before a container counts as left over.
const EXPIRY_MARGIN_SECONDS: i64 = 600;

/// Makes a cluster and runs it in the foreground; ends by itself if nobody ends it before. The settings
/// are those of a server whose data is worth nothing.
const SERVE: &str = "umask 077; initdb -D /tmp/flowkeep -U postgres -E UTF8 --locale=C --auth=trust \
    --no-sync >/tmp/initdb.log 2>&1 || { cat /tmp/initdb.log; exit 70; }; \
    exec timeout \"$1\" postgres -D /tmp/flowkeep -k /tmp -c listen_addresses=127.0.0.1 -c fsync=off \
    -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off -c wal_level=minimal \
    -c max_wal_senders=0 -c max_wal_size=2GB -c checkpoint_timeout=1h -c jit=off \
    -c shared_buffers=128MB -c maintenance_work_mem=128MB -c max_connections=30";
/// What the engine is made of.
#[derive(Clone)]
pub struct DockerEngineParts {
    /// The engine itself.
    pub docker: Docker,
    /// Image, memory and time.
    pub settings: SettingsService,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Owns the tasks that join sockets.
    pub lifecycle: Lifecycle,
}

/// Starts throwaway containers, and removes those that are left over. Cheap to clone.
#[derive(Clone)]
pub struct DockerEngine {
    pub(super) parts: Arc<DockerEngineParts>,
    /// Which Flowkeep this is; known once the database is.
    installation: Arc<Mutex<Option<String>>>,
    /// Containers whose proof was dropped half-way.
    pub(super) abandoned: Arc<Mutex<Vec<String>>>,
}

/// Says that Docker, not the backup, is at fault.
pub(super) fn lack(error: &DockerError) -> EngineError {
    EngineError {
        code: error.code(),
        message: format!("{error}."),
        remedy: error.remedy().to_owned(),
        is_passing: error.is_passing(),
    }
}

impl DockerEngine {
    /// Puts the engine together. Nothing is asked of Docker yet.
    pub fn new(parts: DockerEngineParts) -> Self {
        Self {
            parts: Arc::new(parts),
            installation: Arc::default(),
            abandoned: Arc::default(),
        }
    }

    /// Says which Flowkeep this is.
    pub fn set_installation(&self, id: String) {
        *self.installation.lock() = Some(id);
    }

    /// The image for a major version.
    fn image(&self, major: u32) -> String {
        let template = self.parts.settings.choice(Key::VerificationImage);
        template.replace("{major}", &major.to_string())
    }

    /// Whether a server of this version can be started: the engine answers, and the image is there or can
    /// be fetched.
    async fn prepare(&self, major: u32) -> Result<String, EngineError> {
        let (docker, image) = (&self.parts.docker, self.image(major));
        docker.version().await.map_err(|error| lack(&error))?;
        if docker
            .has_image(&image)
            .await
            .map_err(|error| lack(&error))?
        {
            return Ok(image);
        }
        tracing::info!(image, "fetching the image for proofs");
        match docker.pull(&image, PULL_LIMIT).await {
            Ok(()) => Ok(image),
            Err(error) => Err(EngineError {
                code: "no_image",
                message: format!("The image {image} is not there and cannot be fetched: {error}."),
                remedy: format!(
                    "docker pull {image}, or choose another image in the settings of proofs."
                ),
                is_passing: error.is_passing(),
            }),
        }
    }

    fn labels(&self) -> Labels {
        let limit = self.parts.settings.integer(Key::VerificationTimeoutMinutes) * 60;
        let installation = self.installation.lock().clone();
        Labels {
            installation: installation.unwrap_or_default(),
            run: hex::encode(self.parts.ids.bytes::<8>()),
            expires_at: self.parts.clock.now().timestamp() + limit + EXPIRY_MARGIN_SECONDS,
        }
    }

    async fn launch(&self, major: u32, room_bytes: u64) -> Result<DockerServer, EngineError> {
        let image = self.prepare(major).await?;
        let labels = self.labels();
        let seconds = labels.expires_at - self.parts.clock.now().timestamp();
        let memory = self
            .parts
            .settings
            .integer(Key::VerificationMemoryMegabytes)
            * MEGABYTE;
        let cage = Cage {
            image: image.clone(),
            user: USER.to_owned(),
            argv: ["bash", "-c", SERVE, "serve", &seconds.to_string()]
                .map(str::to_owned)
                .into(),
            env: Vec::new(),
            memory_bytes: memory,
            pids: PIDS,
            shares_network_of: None,
            labels: labels.clone(),
            files: None,
        };
        let docker = &self.parts.docker;
        let id = docker.start_caged(&cage).await.map_err(|error| {
            let mut lacking = lack(&error);
            lacking.message = format!("A container of {image} does not start: {error}.");
            lacking
        })?;
        let socket_dir = std::env::temp_dir().join(format!("flowkeep-{}", labels.run));
        let mut server = DockerServer {
            engine: self.clone(),
            id: Some(id),
            conninfo: ConnInfo {
                host: Host::Socket(socket_dir.clone()),
                port: 5432,
                user: USER.to_owned(),
                database: "postgres".to_owned(),
                password: None,
                sslmode: None,
                sslrootcert: None,
            },
            labels,
            version: String::new(),
            socket_dir,
            over: CancellationToken::new(),
            overrun: Arc::default(),
        };
        let ready = server.become_ready(major, room_bytes).await;
        if let Err(error) = ready {
            let trouble = server.find_trouble().await;
            ThrowawayServer::stop(Box::new(server)).await;
            return Err(trouble.unwrap_or(error));
        }
        Ok(server)
    }

    /// Removes what is left over: containers of proofs that were dropped, of this installation when none
    /// of its proofs runs, and those of anybody whose time is over.
    pub async fn reap(&self, is_idle: bool) -> Result<usize, DockerError> {
        let docker = &self.parts.docker;
        let dropped = std::mem::take(&mut *self.abandoned.lock());
        let installation = self.installation.lock().clone();
        let now = self.parts.clock.now().timestamp();
        let mut removed = 0;
        let listed = match docker.list_caged().await {
            Ok(listed) => listed,
            Err(error) => {
                self.abandoned.lock().extend(dropped);
                return Err(error);
            }
        };
        for one in listed {
            let is_ours = Some(&one.labels.installation) == installation.as_ref();
            let is_left =
                dropped.contains(&one.id) || (is_ours && is_idle) || one.labels.expires_at < now;
            if is_left {
                docker.remove_container(&one.id).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl VerificationEngine for DockerEngine {
    fn start(&self, major: u32, room_bytes: u64) -> EngineFuture<'_, Result<Started, EngineError>> {
        Box::pin(async move {
            Ok(Started {
                server: Box::new(self.launch(major, room_bytes).await?),
                engine: "docker",
                note: None,
            })
        })
    }
}
