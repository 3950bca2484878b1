//! Where a backup is restored to be proven: the edge of the world.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use secrecy::SecretString;

use super::restore::Restored;
use crate::features::backups::Stored;
use crate::platform::postgres::ConnInfo;

/// Why there is no server to restore into. Says nothing about the backup.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether another try may go better without anybody doing anything.
    pub is_passing: bool,
}

impl EngineError {
    /// One that stays until somebody does something.
    pub fn new(code: &'static str, message: String, remedy: &str) -> Self {
        Self {
            code,
            message,
            remedy: remedy.to_owned(),
            is_passing: false,
        }
    }
}

/// What became of n8n on a restored copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boot {
    /// It was not tried, and why.
    NotTried(String),
    /// It answered, and after how many ms.
    Ready(u64),
    /// It did not; its last words.
    Failed(String),
}

/// A future that a trait object gives.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A throwaway server that runs.
pub trait ThrowawayServer: Send + Sync {
    /// How to reach its empty database.
    fn conninfo(&self) -> &ConnInfo;

    /// Its version, as in `16.14`.
    fn version(&self) -> &str;

    /// Restores an archive into its empty database. `done` is told the uncompressed bytes.
    fn restore<'a>(
        &'a self,
        archive: &'a Stored,
        done: Arc<AtomicU64>,
    ) -> EngineFuture<'a, Result<Restored, EngineError>>;

    /// What is wrong with the server itself, asked when something went wrong on it.
    fn trouble(&self) -> EngineFuture<'_, Option<EngineError>> {
        Box::pin(async { None })
    }

    /// Starts n8n on its database and waits until it says that it is ready. Whatever n8n does there
    /// happens to the copy.
    fn boot_n8n(&self, _key: Option<SecretString>) -> EngineFuture<'_, Boot> {
        Box::pin(async {
            Boot::NotTried("n8n is started only on a copy in a Docker container.".to_owned())
        })
    }

    /// Ends it and removes all it held.
    fn stop(self: Box<Self>) -> EngineFuture<'static, ()>;
}

/// A server that was started, by which engine, and why not by a better one.
pub struct Started {
    /// The server.
    pub server: Box<dyn ThrowawayServer>,
    /// `docker` or `local`.
    pub engine: &'static str,
    /// Why it was not the other one.
    pub note: Option<String>,
}

/// Starts throwaway servers.
pub trait VerificationEngine: Send + Sync {
    /// Starts an empty server of exactly this major version, with room for this many bytes.
    fn start(&self, major: u32, room_bytes: u64) -> EngineFuture<'_, Result<Started, EngineError>>;
}
