//! The server inside a throwaway container, seen from outside: how it becomes ready, is restored into,
//! is measured, and what is wrong with it. What is asked of the restored copy goes through a socket of our
//! own, joined to the server by a program inside.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use secrecy::SecretString;
use sqlx::{ConnectOptions, Connection};
use tokio::net::UnixListener;
use tokio_util::io::StreamReader;
use tokio_util::sync::CancellationToken;

use super::boot;
use super::docker::{DockerEngine, lack};
use super::engine::{Boot, EngineError, EngineFuture, ThrowawayServer};
use super::restore::{self, Restored};
use crate::features::backups::Stored;
use crate::features::settings::Key;
use crate::platform::docker::{Docker, DockerError, Labels};
use crate::platform::postgres::ConnInfo;

const READY_LIMIT: Duration = Duration::from_mins(2);
/// How often it is looked at how much it has written.
const MEASURE_PERIOD: Duration = Duration::from_secs(3);
/// Joins a program's input and output with the server inside.
const DIAL: &str =
    "exec 3<>/dev/tcp/127.0.0.1/5432; cat <&3 & cat >&3; kill $! 2>/dev/null; exit 0";
/// How often the kernel ended a process for its memory, in both versions of control groups.
const OOM_COUNTERS: [&str; 2] = [
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/memory/memory.oom_control",
];

/// A container with a server in it.
pub(super) struct DockerServer {
    pub engine: DockerEngine,
    pub id: Option<String>,
    pub labels: Labels,
    pub conninfo: ConnInfo,
    pub version: String,
    pub socket_dir: PathBuf,
    /// Ends what joins its sockets.
    pub over: CancellationToken,
    /// It wrote more than it may.
    pub overrun: Arc<Mutex<Option<u64>>>,
}

impl Drop for DockerServer {
    fn drop(&mut self) {
        self.over.cancel();
        let _ = std::fs::remove_dir_all(&self.socket_dir);
        if let Some(id) = self.id.take() {
            self.engine.abandoned.lock().push(id);
        }
    }
}

impl DockerServer {
    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    fn docker(&self) -> &Docker {
        &self.engine.parts.docker
    }

    pub async fn become_ready(&mut self, major: u32, room_bytes: u64) -> Result<(), EngineError> {
        let unusable = |error: std::io::Error| {
            EngineError::new(
                "server_failed_to_start",
                format!("A socket cannot be made in the temporary folder: {error}."),
                "Look at the temporary folder's rights and free space.",
            )
        };
        DirBuilder::new()
            .mode(0o700)
            .create(&self.socket_dir)
            .map_err(unusable)?;
        let listener = UnixListener::bind(self.socket_dir.join(".s.PGSQL.5432"));
        let listener = listener.map_err(unusable)?;
        let joining = join_sockets(self.docker().clone(), self.id().to_owned(), listener);
        let measuring = measure(
            self.docker().clone(),
            self.id().to_owned(),
            room_bytes,
            Arc::clone(&self.overrun),
        );
        let over = self.over.clone();
        self.engine
            .parts
            .lifecycle
            .spawn("throwaway container", async move {
                tokio::select! {
                    () = joining => {}
                    () = over.cancelled() => {}
                    () = measuring => {}
                }
            });
        self.version = tokio::time::timeout(READY_LIMIT, self.wait_until_ready())
            .await
            .map_err(|_| {
                EngineError::new(
                    "server_failed_to_start",
                    format!(
                        "PostgreSQL {major} did not answer in its container for {} s.",
                        READY_LIMIT.as_secs()
                    ),
                    "Look at the image that the settings name, and at the machine's load.",
                )
            })??;
        if self.version.split('.').next() != Some(&major.to_string()) {
            return Err(EngineError::new(
                "wrong_image",
                format!(
                    "The image holds PostgreSQL {} and {major} is needed.",
                    self.version
                ),
                "Name an image with {major} in its tag in the settings of proofs.",
            ));
        }
        Ok(())
    }

    /// Waits for the server inside. Returns its version.
    async fn wait_until_ready(&self) -> Result<String, EngineError> {
        loop {
            let state = self.docker().state(self.id(), false).await;
            let state = state.map_err(|error| lack(&error))?;
            if !state.is_some_and(|state| state.is_running) {
                return Err(EngineError::new(
                    "server_failed_to_start",
                    "The container ended before PostgreSQL answered.".to_owned(),
                    "Look at the image that the settings name; it must hold initdb, postgres, pg_restore \
                     and bash.",
                ));
            }
            let asked = async {
                let mut connection = self.conninfo.to_sqlx().connect().await?;
                let version: String = sqlx::query_scalar("SHOW server_version")
                    .fetch_one(&mut connection)
                    .await?;
                connection.close().await?;
                Ok::<_, sqlx::Error>(version)
            };
            if let Ok(Ok(version)) = tokio::time::timeout(Duration::from_secs(5), asked).await {
                return Ok(version.split(' ').next().unwrap_or_default().to_owned());
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }

    async fn restore_inside(
        &self,
        archive: &Stored,
        done: Arc<AtomicU64>,
    ) -> Result<Restored, DockerError> {
        let mut argv = vec!["pg_restore"];
        argv.extend(restore::ARGS);
        argv.push("--dbname=host=/tmp user=postgres dbname=postgres");
        let exec = self.docker().exec(self.id(), &argv).await?;
        // Two pieces under way at most: the feeder waits for the container.
        let (give, take) = tokio::sync::mpsc::channel::<std::io::Result<bytes::Bytes>>(2);
        let archive = archive.clone();
        let feeder = tokio::task::spawn_blocking(move || {
            let fed = restore::feed(&archive, |piece| {
                give.blocking_send(Ok(bytes::Bytes::copy_from_slice(piece)))
                    .map_err(|_| std::io::ErrorKind::BrokenPipe.into())
            });
            fed.err().map(|error| error.to_string())
        });
        let pieces = futures_util::stream::unfold(take, |mut take| async {
            take.recv().await.map(|piece| (piece, take))
        });
        let source = StreamReader::new(Box::pin(pieces));
        let (ended, _) = exec
            .feed(source, |bytes| {
                done.fetch_add(bytes, Ordering::Relaxed);
            })
            .await?;
        let read_error = feeder.await.ok().flatten();
        let code = ended.code.unwrap_or(-1);
        Ok(Restored {
            is_success: code == 0,
            end: format!("pg_restore in the container ended with code {code}"),
            stderr: ended.stderr,
            read_error,
        })
    }

    /// What is wrong with the container, if something is.
    pub async fn find_trouble(&self) -> Option<EngineError> {
        if let Some(bytes) = *self.overrun.lock() {
            return Some(EngineError::new(
                "too_large",
                format!(
                    "The restored copy grew over {} MB, far more than its archive explains, and was ended.",
                    bytes / 1_000_000
                ),
                "Look at what is in the backup: views and functions may write without bound.",
            ));
        }
        let state = match self.docker().state(self.id(), false).await {
            Ok(Some(state)) => state,
            Ok(None) => {
                return Some(EngineError {
                    is_passing: true,
                    ..EngineError::new(
                        "container_gone",
                        "Somebody removed the container of the trial restore.".to_owned(),
                        "Prove the backup again.",
                    )
                });
            }
            Err(error) => return Some(lack(&error)),
        };
        let memory = self
            .engine
            .parts
            .settings
            .integer(Key::VerificationMemoryMegabytes);
        let is_short =
            state.is_out_of_memory || (state.is_running && self.was_out_of_memory().await);
        if is_short {
            return Some(EngineError::new(
                "out_of_memory",
                format!("The trial restore took more memory than the {memory} MB it may."),
                "Raise the memory for proofs in the settings.",
            ));
        }
        if !state.is_running {
            let code = state.exit_code.unwrap_or(-1);
            return Some(EngineError {
                is_passing: code == 137 || code == 143 || code == 0,
                ..EngineError::new(
                    "container_ended",
                    format!("The container of the trial restore ended with code {code}."),
                    "Look at the Docker engine's log and at the machine's memory; prove the backup again.",
                )
            });
        }
        None
    }

    async fn was_out_of_memory(&self) -> bool {
        for path in OOM_COUNTERS {
            let Ok(ended) = self.docker().output(self.id(), &["cat", path]).await else {
                continue;
            };
            if ended
                .stdout
                .lines()
                .any(|line| line.strip_prefix("oom_kill ").is_some_and(|n| n != "0"))
            {
                return true;
            }
        }
        false
    }
}

impl ThrowawayServer for DockerServer {
    fn conninfo(&self) -> &ConnInfo {
        &self.conninfo
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn restore<'a>(
        &'a self,
        archive: &'a Stored,
        done: Arc<AtomicU64>,
    ) -> EngineFuture<'a, Result<Restored, EngineError>> {
        Box::pin(async move {
            let restored = self.restore_inside(archive, done).await;
            restored.map_err(|error| lack(&error))
        })
    }

    fn trouble(&self) -> EngineFuture<'_, Option<EngineError>> {
        Box::pin(self.find_trouble())
    }

    fn boot_n8n(&self, key: Option<SecretString>) -> EngineFuture<'_, Boot> {
        Box::pin(async move {
            let parts = &self.engine.parts;
            let image = parts.settings.choice(Key::VerificationN8nImage);
            let beside = boot::Beside {
                docker: &parts.docker,
                database: self.id(),
                labels: &self.labels,
                conninfo: &self.conninfo,
            };
            boot::boot(&beside, &image, key).await
        })
    }

    fn stop(mut self: Box<Self>) -> EngineFuture<'static, ()> {
        Box::pin(async move {
            self.over.cancel();
            if let Some(id) = self.id.take()
                && let Err(error) = self.engine.parts.docker.remove_container(&id).await
            {
                // The reaper takes it when the engine answers again.
                tracing::warn!(%error, container = id, "a throwaway container is left for later");
                self.engine.abandoned.lock().push(id);
            }
        })
    }
}

/// Answers each connection to our socket with one to the server inside.
async fn join_sockets(docker: Docker, id: String, listener: UnixListener) {
    use futures_util::StreamExt;
    use futures_util::stream::FuturesUnordered;

    let mut joined = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                let (docker, id) = (docker.clone(), id.clone());
                joined.push(async move {
                    if let Ok(exec) = docker.exec(&id, &["bash", "-c", DIAL]).await {
                        exec.relay(stream).await;
                    }
                });
            }
            Some(()) = joined.next(), if !joined.is_empty() => {}
        }
    }
}

/// Ends the container when it has written more than there is to restore.
async fn measure(docker: Docker, id: String, room: u64, overrun: Arc<Mutex<Option<u64>>>) {
    loop {
        tokio::time::sleep(MEASURE_PERIOD).await;
        let Ok(Some(state)) = docker.state(&id, true).await else {
            continue;
        };
        if let Some(written) = state.written_bytes.filter(|written| *written > room) {
            *overrun.lock() = Some(written);
            let _ = docker.stop_container(&id, Duration::ZERO).await;
            return;
        }
    }
}
