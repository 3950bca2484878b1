//! One daemon at a time does what must be done once.
//!
//! The leader holds a lease in the database and, on a connection of its own, an advisory lock. A
//! leader that dies loses the lock at once and the next one takes over within seconds; one that only
//! stands still (suspended, cut off) keeps the lock and loses the lease when that runs out. Its epoch
//! is then old, and [`Term::fence`] refuses what it still tries to write. Times are the database's
//! own, so no daemon's clock matters.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::db::Db;

/// The advisory lock's number; "fk leads" in hexadecimal.
const LOCK: i64 = 0x666b_206c_6561_6473;
const NAME: &str = "daemon";

/// How long a leader that says nothing stays one.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTimes {
    /// A lease ends this long after its last renewal.
    pub lease: Duration,
    /// How often it is renewed, and how often others ask for it.
    pub renewal: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renewal: Duration::from_secs(3),
        }
    }
}

/// Asks for the lead. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Candidacy {
    db: Db,
    options: PgConnectOptions,
    holder: Uuid,
    holder_name: Arc<str>,
    times: LeaseTimes,
}

/// A time in the lead. Cheap to clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Rises with every change of the leader.
    pub epoch: i64,
}

/// Who leads when somebody else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Host and process.
    pub name: String,
}

/// What became of asking for the lead.
#[derive(Debug)]
pub enum Ballot {
    /// We lead.
    Won(Lead),
    /// Somebody else does.
    Lost(Option<Holder>),
}

/// The lead, held. Dropping it gives up the lock; the lease runs out by itself.
#[derive(Debug)]
pub struct Lead {
    /// What writes of this time name.
    pub term: Term,
    connection: PgConnection,
    has_lock: bool,
    renewed: Instant,
}

/// This process, for people: host and number.
pub fn own_name() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    format!("{host}, process {}", std::process::id())
}

impl Term {
    /// Whether this is still the leader's term, held so until the transaction ends. What a leader
    /// writes is written in a transaction that asked this first.
    pub async fn fence(self, tx: &impl ConnectionTrait) -> Result<bool, DbErr> {
        let sql = "SELECT 1 FROM leader_leases WHERE name = $1 AND epoch = $2 \
                   AND expires_at > clock_timestamp() FOR SHARE";
        let values = [NAME.into(), self.epoch.into()];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        Ok(tx.query_one_raw(statement).await?.is_some())
    }
}

impl Candidacy {
    /// Somebody who would lead; `holder_name` is for people.
    pub fn new(
        db: Db,
        options: PgConnectOptions,
        holder: Uuid,
        holder_name: &str,
        times: LeaseTimes,
    ) -> Self {
        Self {
            db,
            options,
            holder,
            holder_name: holder_name.into(),
            times,
        }
    }

    /// Asks once.
    pub async fn ask(&self) -> sqlx::Result<Ballot> {
        let mut connection = self.options.connect().await?;
        let asked = Instant::now();
        let has_lock: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut connection)
            .await?;
        // With the lock, nobody who is alive leads. Without it, only a lease that ran out is free.
        let sql = "INSERT INTO leader_leases AS l (name, holder, holder_name, epoch, acquired_at, expires_at) \
                   VALUES ($1, $2, $3, 1, clock_timestamp(), clock_timestamp() + $4 * interval '1 ms') \
                   ON CONFLICT (name) DO UPDATE SET holder = $2, holder_name = $3, \
                   epoch = l.epoch + 1, acquired_at = clock_timestamp(), \
                   expires_at = clock_timestamp() + $4 * interval '1 ms' \
                   WHERE $5 OR l.expires_at < clock_timestamp() RETURNING epoch";
        let epoch: Option<i64> = sqlx::query_scalar(sql)
            .bind(NAME)
            .bind(self.holder)
            .bind(&*self.holder_name)
            .bind(self.lease_ms())
            .bind(has_lock)
            .fetch_optional(&mut connection)
            .await?;
        if let Some(epoch) = epoch {
            return Ok(Ballot::Won(Lead {
                term: Term { epoch },
                connection,
                has_lock,
                renewed: asked,
            }));
        }
        let holder = sqlx::query("SELECT holder_name FROM leader_leases WHERE name = $1")
            .bind(NAME)
            .fetch_optional(&mut connection)
            .await?;
        let _ = connection.close().await;
        Ok(Ballot::Lost(holder.map(|row| Holder {
            name: row.get("holder_name"),
        })))
    }

    fn lease_ms(&self) -> f64 {
        self.times.lease.as_secs_f64() * 1000.0
    }

    /// Renews a lease. False when somebody else leads.
    async fn renew(&self, lead: &mut Lead) -> sqlx::Result<bool> {
        let asked = Instant::now();
        if !lead.has_lock {
            lead.has_lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(LOCK)
                .fetch_one(&mut lead.connection)
                .await?;
        }
        let sql = "UPDATE leader_leases SET expires_at = clock_timestamp() + $4 * interval '1 ms' \
                   WHERE name = $1 AND holder = $2 AND epoch = $3";
        let renewed = sqlx::query(sql)
            .bind(NAME)
            .bind(self.holder)
            .bind(lead.term.epoch)
            .bind(self.lease_ms())
            .execute(&mut lead.connection)
            .await?;
        lead.renewed = asked;
        Ok(renewed.rows_affected() == 1)
    }

    /// Keeps the lead until `stop` or until it is lost; `over` is cancelled at the end. A leader that
    /// cannot reach the database stops leading before its lease runs out.
    pub async fn hold(&self, mut lead: Lead, stop: &CancellationToken, over: &CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.times.renewal) => {}
                () = stop.cancelled() => break,
            }
            let left = self.times.lease.saturating_sub(lead.renewed.elapsed());
            match tokio::time::timeout(left, self.renew(&mut lead)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    tracing::warn!("another Flowkeep leads now");
                    break;
                }
                Ok(Err(error)) if lead.renewed.elapsed() < self.times.lease => {
                    tracing::warn!(%error, "cannot renew the lead");
                    // A broken connection has lost the lock with it.
                    match self.options.connect().await {
                        Ok(connection) => (lead.connection, lead.has_lock) = (connection, false),
                        Err(error) => tracing::warn!(%error, "cannot connect to renew the lead"),
                    }
                }
                _ => {
                    tracing::warn!("the lead is lost: the database did not answer in time");
                    break;
                }
            }
        }
        over.cancel();
        let sql = "UPDATE leader_leases SET expires_at = clock_timestamp() \
                   WHERE name = $1 AND holder = $2 AND epoch = $3";
        let released = sqlx::query(sql)
            .bind(NAME)
            .bind(self.holder)
            .bind(lead.term.epoch)
            .execute(self.db.pool());
        let _ = tokio::time::timeout(Duration::from_secs(1), released).await;
        let _ = tokio::time::timeout(Duration::from_secs(1), lead.connection.close()).await;
    }

    /// How long to wait before asking again.
    pub fn pause(&self) -> Duration {
        self.times.renewal
    }
}
