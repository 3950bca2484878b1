//! A throwaway cluster of the PostgreSQL programs on this machine: a socket only we can open, no
//! network, an unprivileged user.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use secrecy::SecretString;

use super::engine::{EngineError, EngineFuture, Started, ThrowawayServer, VerificationEngine};
use super::restore::{HostTools, Restored};
use crate::features::backups::Stored;
use crate::platform::ids::Ids;
use crate::platform::postgres::{
    Cluster, ClusterSpec, ConnInfo, Durability, Installations, unprivileged_identity,
};
use crate::platform::process::Processes;

/// Starts throwaway clusters under one folder.
#[derive(Clone, Debug)]
pub struct LocalEngine {
    root: PathBuf,
    installations: Arc<Installations>,
    processes: Processes,
    ids: Ids,
}

/// Dropped in this order: first the server ends, then its folder goes.
struct LocalServer {
    cluster: Cluster,
    tools: HostTools,
    cleanup: Cleanup,
}

/// Removes the cluster's folder, however its use ends.
struct Cleanup(PathBuf);

impl Drop for Cleanup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl LocalEngine {
    /// Keeps clusters under `root` while they live.
    pub fn new(
        root: PathBuf,
        installations: Arc<Installations>,
        processes: Processes,
        ids: Ids,
    ) -> Self {
        Self {
            root,
            installations,
            processes,
            ids,
        }
    }

    /// Removes clusters that a crash left. Their servers died with the daemon.
    pub fn remove_leftovers(&self) {
        for entry in std::fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten()
        {
            if !is_in_use(&entry.path()) {
                let _ = std::fs::remove_dir_all(entry.path());
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
        let cleanup = Cleanup(dir.clone());
        let spec = ClusterSpec {
            installation: installation.clone(),
            socket_dir: dir.join("s"),
            dir,
            password: SecretString::from(hex::encode(self.ids.bytes::<32>())),
            identity: unprivileged_identity().map_err(unusable)?,
            durability: Durability::Throwaway,
        };
        let started = spec.start(&self.processes, &self.ids).await;
        let cluster = started.map_err(|error| unusable(error.to_string()))?;
        Ok(LocalServer {
            cluster,
            tools: HostTools {
                installation: installation.clone(),
                processes: self.processes.clone(),
                ids: self.ids.clone(),
            },
            cleanup,
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
        self.cluster.conninfo()
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
        Box::pin(async move {
            // Nothing in it is worth a checkpoint.
            self.cluster.kill().await;
            drop(self.cleanup);
        })
    }
}
