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
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The signals that ask for the end. From when they are listened to, they do not end the process at once:
/// listen before anything answers.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens to them.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Starts tasks and ends them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    late: CancellationToken,
    tasks: TaskTracker,
    late_tasks: TaskTracker,
    has_failed: Arc<AtomicBool>,
    grace: Duration,
}

impl Lifecycle {
    /// A lifecycle whose tasks get `grace` to end by themselves.
    pub fn new(grace: Duration) -> Self {
        Self {
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            late: CancellationToken::new(),
            tasks: TaskTracker::new(),
            late_tasks: TaskTracker::new(),
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

    /// Cancelled when every other task has ended, for what those need to the last (the database).
    pub fn late(&self) -> &CancellationToken {
        &self.late
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
        let guarded = self.guard(name, task);
        self.tasks.spawn(async move {
            tokio::select! {
                () = hard.cancelled() => tracing::warn!(task = name, "cut off: its grace is over"),
                () = guarded => {}
            }
        });
    }

    /// Runs a task that others need to the last: it is asked to end by [`Lifecycle::late`], when
    /// all of those have.
    pub fn spawn_late<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.late_tasks.spawn(self.guard(name, task));
    }

    fn guard<F>(&self, name: &'static str, task: F) -> impl Future<Output = ()> + Send + 'static
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let soft = self.soft.clone();
        let has_failed = Arc::clone(&self.has_failed);
        async move {
            if std::panic::AssertUnwindSafe(task)
                .catch_unwind()
                .await
                .is_err()
            {
                tracing::error!(task = name, "task panicked; the daemon stops");
                has_failed.store(true, Ordering::SeqCst);
                soft.cancel();
            }
        }
    }

    /// Waits until a signal or [`Lifecycle::stop`] asks for the end, then for the tasks.
    ///
    /// Returns whether everything ended well.
    pub async fn run_until_stopped(&self, signals: Signals) -> bool {
        let Signals {
            mut terminate,
            mut interrupt,
        } = signals;
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
            () = self.soft.cancelled() => tracing::info!("stopping"),
        }
        self.soft.cancel();
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        tokio::select! {
            is_clean = self.drain() => is_clean && !self.has_failed.load(Ordering::SeqCst),
            _ = terminate.recv() => { self.finish().await; false }
            _ = interrupt.recv() => { self.finish().await; false }
        }
    }

    /// Waits for the tasks within the grace, then for the late ones. Returns whether all ended by
    /// themselves.
    pub async fn drain(&self) -> bool {
        self.soft.cancel();
        self.tasks.close();
        let is_clean = tokio::time::timeout(self.grace, self.tasks.wait())
            .await
            .is_ok();
        if !is_clean {
            tracing::warn!(grace_ms = self.grace.as_millis(), "the grace is over");
        }
        self.finish().await;
        is_clean
    }

    async fn finish(&self) {
        self.tasks.close();
        self.hard.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
        self.late.cancel();
        self.late_tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(25), self.late_tasks.wait()).await;
    }
}
