//! Proof that a run is alive: an advisory lock on a connection of its own, which PostgreSQL gives
//! up the moment the connection or the process is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Mutex, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::platform::lifecycle::Lifecycle;

const HEARTBEAT: Duration = Duration::from_secs(2);

/// A held lock. While it is held, nobody settles the run.
#[derive(Debug)]
pub struct Claim {
    connection: Arc<Mutex<Option<PgConnection>>>,
    is_lost: Arc<AtomicBool>,
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
        let is_lost = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = oneshot::channel();
        let (watched, lost) = (Arc::clone(&connection), Arc::clone(&is_lost));
        lifecycle.spawn("backup claim", async move {
            tokio::select! {
                () = watch(&watched, &lost) => cancel.cancel(),
                _ = stopped => {}
            }
        });
        Ok(Self {
            connection,
            is_lost,
            stop: Some(stop),
        })
    }

    /// Whether the lock is still ours, asked of the server.
    pub async fn is_held(&self) -> bool {
        let is_held = !self.is_lost() && ping(&self.connection).await;
        if !is_held {
            self.is_lost.store(true, Ordering::SeqCst);
        }
        is_held
    }

    /// Whether it was lost for good.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
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

async fn watch(connection: &Mutex<Option<PgConnection>>, is_lost: &AtomicBool) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        if !ping(connection).await {
            is_lost.store(true, Ordering::SeqCst);
            return;
        }
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
