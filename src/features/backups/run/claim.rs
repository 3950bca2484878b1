//! Proof that a run is alive: an advisory lock on a connection of its own, which PostgreSQL gives
//! up the moment the connection or the process is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Mutex, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::platform::lifecycle::Lifecycle;

const HEARTBEAT: Duration = Duration::from_secs(2);

/// For as long as this a run whose database is away may hope to hold its lock again.
const REGAIN_LIMIT: Duration = Duration::from_mins(30);

/// How sure the lock is.
const HELD: u8 = 0;
/// The connection broke; it is being taken again.
const DOUBTFUL: u8 = 1;
const LOST: u8 = 2;

/// A held lock. While it is held, nobody settles the run.
#[derive(Debug)]
pub struct Claim {
    connection: Arc<Mutex<Option<PgConnection>>>,
    state: Arc<AtomicU8>,
    stop: Option<oneshot::Sender<()>>,
}

/// The lock's number: the first half of the run's random name.
fn lock_number(job_id: Uuid) -> i64 {
    let (high, _) = job_id.as_u64_pair();
    high.cast_signed()
}

impl Claim {
    /// Takes the lock and watches over its connection; `cancel` is called when that is lost.
    pub async fn take(
        options: &PgConnectOptions,
        job_id: Uuid,
        lifecycle: &Lifecycle,
        cancel: CancellationToken,
    ) -> sqlx::Result<Self> {
        let mut connection = options.connect().await?;
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(lock_number(job_id))
            .execute(&mut connection)
            .await?;
        let connection = Arc::new(Mutex::new(Some(connection)));
        let state = Arc::new(AtomicU8::new(HELD));
        let (stop, stopped) = oneshot::channel();
        let watched = Watched {
            connection: Arc::clone(&connection),
            state: Arc::clone(&state),
            options: options.clone(),
            number: lock_number(job_id),
        };
        lifecycle.spawn("backup claim", async move {
            tokio::select! {
                () = watched.watch() => cancel.cancel(),
                _ = stopped => {}
            }
        });
        Ok(Self {
            connection,
            state,
            stop: Some(stop),
        })
    }

    /// Whether the lock is ours, asked of the server. While that does not answer, this waits for it.
    pub async fn is_held(&self) -> bool {
        loop {
            match self.state.load(Ordering::SeqCst) {
                LOST => return false,
                HELD if ping(&self.connection).await => return true,
                // The watch decides at its next look.
                _ => tokio::time::sleep(HEARTBEAT / 4).await,
            }
        }
    }

    /// Whether it was lost for good.
    pub fn is_lost(&self) -> bool {
        self.state.load(Ordering::SeqCst) == LOST
    }

    /// Gives the lock up.
    pub async fn release(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(connection) = self.connection.lock().await.take() {
            let _ = connection.close().await;
        }
    }
}

/// What looks after a lock.
struct Watched {
    connection: Arc<Mutex<Option<PgConnection>>>,
    state: Arc<AtomicU8>,
    options: PgConnectOptions,
    number: i64,
}

impl Watched {
    /// Ends when the lock is lost for good.
    async fn watch(&self) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if ping(&self.connection).await {
                continue;
            }
            if !self.regain().await {
                self.state.store(LOST, Ordering::SeqCst);
                return;
            }
        }
    }

    /// Takes the lock again, as soon as the server answers. Whoever settled the run meanwhile raised its
    /// epoch: then its end is refused, and its file goes.
    async fn regain(&self) -> bool {
        self.state.store(DOUBTFUL, Ordering::SeqCst);
        *self.connection.lock().await = None;
        let away = Instant::now();
        tracing::warn!("the connection that proves a run alive broke; the run goes on meanwhile");
        while away.elapsed() < REGAIN_LIMIT {
            let Some(mut connection) = self.connect().await else {
                tokio::time::sleep(HEARTBEAT).await;
                continue;
            };
            let taken = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(self.number)
                .fetch_one(&mut connection)
                .await;
            if let Ok(true) = taken {
                *self.connection.lock().await = Some(connection);
                self.state.store(HELD, Ordering::SeqCst);
                tracing::info!("the run holds its lock again");
                return true;
            }
            tokio::time::sleep(HEARTBEAT / 4).await;
        }
        false
    }

    async fn connect(&self) -> Option<PgConnection> {
        let connecting = tokio::time::timeout(Duration::from_secs(5), self.options.connect());
        connecting.await.ok()?.ok()
    }
}

async fn ping(connection: &Mutex<Option<PgConnection>>) -> bool {
    let mut guard = connection.lock().await;
    let Some(connection) = guard.as_mut() else {
        return false;
    };
    let ping = sqlx::query("SELECT 1").execute(connection);
    matches!(
        tokio::time::timeout(Duration::from_secs(5), ping).await,
        Ok(Ok(_))
    )
}

/// Whether nobody holds the lock of a run: whoever ran it is gone.
pub async fn is_lock_free(pool: &sqlx::PgPool, job_id: Uuid) -> sqlx::Result<bool> {
    let mut tx = pool.begin().await?;
    // Held until the end of this transaction only.
    let is_free = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(lock_number(job_id))
        .fetch_one(&mut *tx)
        .await?;
    tx.rollback().await?;
    Ok(is_free)
}
