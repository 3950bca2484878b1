//! Where a backup is restored to be proven: the edge of the world.

use std::future::Future;
use std::pin::Pin;

use crate::platform::postgres::{ConnInfo, Installation};

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
}

/// A future that a trait object gives.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A throwaway server that runs.
pub trait ThrowawayServer: Send + Sync {
    /// How to reach its empty database.
    fn conninfo(&self) -> &ConnInfo;

    /// The programs to restore with.
    fn installation(&self) -> &Installation;

    /// Ends it and removes all it held.
    fn stop(self: Box<Self>) -> EngineFuture<'static, ()>;
}

/// Starts throwaway servers.
pub trait VerificationEngine: Send + Sync {
    /// Its name in the history.
    fn name(&self) -> &'static str;

    /// Starts an empty server of exactly this major version, with room for this many bytes.
    fn start(
        &self,
        major: u32,
        room_bytes: u64,
    ) -> EngineFuture<'_, Result<Box<dyn ThrowawayServer>, EngineError>>;
}
