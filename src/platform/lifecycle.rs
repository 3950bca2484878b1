//! One owner of start and stop.
//!
//! SIGTERM or SIGINT asks every task to end (soft). When the grace is over, or a second signal
//! comes, what is left is told to drop everything (hard). A task that ends by a panic stops the
//! daemon, so that its supervisor starts a whole one again.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts tasks and ends them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    has_failed: Arc<AtomicBool>,
    grace: Duration,
}

impl Lifecycle {
    /// A lifecycle whose tasks get `grace` to end by themselves.
    pub fn new(grace: Duration) -> Self {
        Self {
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            tasks: TaskTracker::new(),
            has_failed: Arc::new(AtomicBool::new(false)),
            grace,
        }
    }

    /// Cancelled when the daemon is asked to stop: take nothing new, finish or stop soon.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when the grace is over: stop now.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Whether a stop was asked for.
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Asks everything to stop.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Runs a task under this lifecycle. It is dropped when the grace is over.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        let soft = self.soft.clone();
        let has_failed = Arc::clone(&self.has_failed);
        let guarded = async move {
            let task = std::panic::AssertUnwindSafe(task).catch_unwind();
            tokio::select! {
                () = hard.cancelled() => tracing::warn!(task = name, "task cut off: its grace is over"),
                outcome = task => if outcome.is_err() {
                    tracing::error!(task = name, "task panicked; the daemon stops");
                    has_failed.store(true, Ordering::SeqCst);
                    soft.cancel();
                },
            }
        };
        self.tasks.spawn(guarded);
    }

    /// Waits until a signal or [`Lifecycle::stop`] asks for the end, then for the tasks.
    ///
    /// Returns whether everything ended well.
    pub async fn run_until_stopped(&self) -> std::io::Result<bool> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
            () = self.soft.cancelled() => tracing::info!("stopping"),
        }
        self.soft.cancel();
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        tokio::select! {
            is_clean = self.drain() => Ok(is_clean && !self.has_failed.load(Ordering::SeqCst)),
            _ = terminate.recv() => { self.abort().await; Ok(false) }
            _ = interrupt.recv() => { self.abort().await; Ok(false) }
        }
    }

    /// Waits for the tasks within the grace. Returns whether all ended by themselves.
    pub async fn drain(&self) -> bool {
        self.soft.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.grace, self.tasks.wait())
            .await
            .is_ok()
        {
            return true;
        }
        tracing::warn!(grace_ms = self.grace.as_millis(), "the grace is over");
        self.abort().await;
        false
    }

    async fn abort(&self) {
        self.tasks.close();
        self.hard.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
    }
}
