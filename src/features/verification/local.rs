//! A throwaway cluster of the PostgreSQL programs on this machine: a socket only we can open, no
//! network, an unprivileged user.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use secrecy::SecretString;

use super::engine::{EngineError, EngineFuture, Started, ThrowawayServer, VerificationEngine};
use super::restore::{HostTools, Restored};
use crate::features::backups::Stored;
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::{
    Cluster, ClusterSpec, ConnInfo, Durability, Installations, unprivileged_identity,
};
use crate::platform::process::Processes;

/// For as long as this it is tried to remove a folder whose processes are just ending.
const REMOVAL_TRIES: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// Starts throwaway clusters under one folder.
#[derive(Clone, Debug)]
pub struct LocalEngine {
    root: PathBuf,
    installations: Arc<Installations>,
    processes: Processes,
    ids: Ids,
    lifecycle: Lifecycle,
}

struct LocalServer {
    conninfo: ConnInfo,
    tools: HostTools,
    scratch: Scratch,
}

/// A folder with or without a cluster in it. However its use ends, first the server does and then
/// the folder goes.
struct Scratch {
    dir: PathBuf,
    cluster: Option<Cluster>,
    lifecycle: Lifecycle,
}

impl Scratch {
    /// Ends the server and removes the folder.
    async fn remove(mut self) {
        end(self.cluster.take(), &self.dir).await;
        self.dir = PathBuf::new();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.dir.as_os_str().is_empty() || self.lifecycle.hard().is_cancelled() {
            return;
        }
        let dir = std::mem::take(&mut self.dir);
        let cluster = self.cluster.take();
        // Not a `Scratch` any more: a runtime that ends drops what is given to it at once, and that would come back here.
        self.lifecycle
            .spawn("removal of a throwaway server", async move {
                end(cluster, &dir).await;
            });
    }
}

async fn end(cluster: Option<Cluster>, dir: &Path) {
    if let Some(cluster) = cluster {
        // Nothing in it is worth a checkpoint.
        cluster.kill().await;
    }
    remove_dir(dir).await;
}

/// Removes a folder. A program that ends by a signal has children that end a moment later, and a
/// file they still make would leave the folder behind.
async fn remove_dir(dir: &Path) {
    for _ in 0..REMOVAL_TRIES {
        let path = dir.to_owned();
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(path)).await;
        if matches!(&removed, Ok(Ok(()))) || !dir.exists() {
            return;
        }
        tokio::time::sleep(REMOVAL_PAUSE).await;
    }
    tracing::warn!(dir = %dir.display(), "cannot remove a throwaway server's folder; trying again at the next start");
}

impl LocalEngine {
    /// Keeps clusters under `root` while they live.
    pub fn new(
        root: PathBuf,
        installations: Arc<Installations>,
        processes: Processes,
        ids: Ids,
        lifecycle: Lifecycle,
    ) -> Self {
        Self {
            root,
            installations,
            processes,
            ids,
            lifecycle,
        }
    }

    /// Removes clusters that a crash left. Their servers died with the daemon.
    pub async fn remove_leftovers(&self) {
        for entry in std::fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten()
        {
            if !is_in_use(&entry.path()) {
                remove_dir(&entry.path()).await;
            }
        }
    }

    async fn launch(&self, major: u32, room: u64) -> Result<LocalServer, EngineError> {
        let installation = self.installations.server_for(major).map_err(|error| {
            EngineError::new(
                "no_server_binaries",
                format!("PostgreSQL {major} cannot be run here: {error}."),
                &format!("apt-get install postgresql-{major}"),
            )
        })?;
        let unusable = |message: String| {
            let remedy = "Look at Flowkeep's log and at the data folder's rights and free space.";
            EngineError::new("server_failed_to_start", message, remedy)
        };
        std::fs::create_dir_all(&self.root).map_err(|error| unusable(error.to_string()))?;
        let stat = rustix::fs::statvfs(&self.root).map_err(|error| unusable(error.to_string()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < room {
            return Err(EngineError::new(
                "no_space",
                format!(
                    "A trial restore needs about {} MB in the data folder, and {} MB are free.",
                    room / 1_000_000,
                    free / 1_000_000
                ),
                "Make room, or choose another data folder with FLOWKEEP_DATA_DIR.",
            ));
        }
        let name = hex::encode(self.ids.bytes::<6>());
        let dir = self.root.join(&name);
        let mut scratch = Scratch {
            dir: dir.clone(),
            cluster: None,
            lifecycle: self.lifecycle.clone(),
        };
        let spec = ClusterSpec {
            installation: installation.clone(),
            socket_dir: dir.join("s"),
            dir,
            password: SecretString::from(hex::encode(self.ids.bytes::<32>())),
            identity: unprivileged_identity().map_err(unusable)?,
            durability: Durability::Throwaway,
        };
        let begun = spec.begin(&self.processes, &self.ids).await;
        let cluster = begun.map_err(|error| unusable(error.to_string()))?;
        let ready = scratch.cluster.insert(cluster).wait_until_ready().await;
        ready.map_err(|error| unusable(error.to_string()))?;
        Ok(LocalServer {
            conninfo: spec.conninfo(),
            tools: HostTools {
                installation: installation.clone(),
                processes: self.processes.clone(),
                ids: self.ids.clone(),
            },
            scratch,
        })
    }
}

/// Whether another process works in it: a running cluster holds its lock.
fn is_in_use(dir: &Path) -> bool {
    std::fs::File::open(dir.join("lock")).is_ok_and(|file| file.try_lock().is_err())
}

impl VerificationEngine for LocalEngine {
    fn start(&self, major: u32, room_bytes: u64) -> EngineFuture<'_, Result<Started, EngineError>> {
        Box::pin(async move {
            Ok(Started {
                server: Box::new(self.launch(major, room_bytes).await?),
                engine: "local",
                note: None,
            })
        })
    }
}

impl ThrowawayServer for LocalServer {
    fn conninfo(&self) -> &ConnInfo {
        &self.conninfo
    }

    fn version(&self) -> &str {
        &self.tools.installation.version
    }

    fn restore<'a>(
        &'a self,
        archive: &'a Stored,
        done: Arc<AtomicU64>,
    ) -> EngineFuture<'a, Result<Restored, EngineError>> {
        Box::pin(self.tools.restore(archive, self.conninfo(), done))
    }

    fn stop(self: Box<Self>) -> EngineFuture<'static, ()> {
        Box::pin(self.scratch.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_ends_under_a_throwaway_server_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let lifecycle = Lifecycle::new(Duration::from_secs(1));
        let scratch = Scratch {
            dir: dir.path().join("server"),
            cluster: None,
            lifecycle: lifecycle.clone(),
        };
        runtime.block_on(async {
            lifecycle.spawn("a proof", async move {
                let _held = scratch;
                std::future::pending::<()>().await;
            });
            tokio::task::yield_now().await;
        });
        drop(runtime);
    }
}
