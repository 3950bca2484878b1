//! The connection to Flowkeep's own database, its migrations, and paging over its rows.

pub mod page;

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{
    AccessMode, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel,
    SqlxPostgresConnector, Statement, TransactionTrait, Value,
};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// The migrations under `migrations/`, compiled in.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// A statement with its values.
pub fn statement(sql: impl Into<String>, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// What a look at Flowkeep's own database finds.
#[derive(Clone, Debug)]
pub struct DbFacts {
    /// The server's version, as in 16.4.
    pub version: String,
    /// Its major version.
    pub major: u32,
    /// The time by its clock.
    pub now: DateTime<Utc>,
    /// Whether it takes no writes: a standby, or told so.
    pub is_read_only: bool,
    /// Whether it has had no migration at all.
    pub is_empty: bool,
    /// How many migrations of this program it lacks.
    pub missing_migrations: usize,
    /// How many it has had that this program does not know.
    pub unknown_migrations: usize,
}

/// Flowkeep's own database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    orm: DatabaseConnection,
    pool: PgPool,
}

impl Db {
    /// Makes a pool that connects when it is first used, so that a database that is not there yet
    /// does not stop the start.
    pub fn lazy(url: &SecretString, max_connections: u32) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url.expose_secret())?;
        Ok(Self::with_options(options, max_connections))
    }

    /// The same, from options that were put together elsewhere.
    pub fn with_options(options: PgConnectOptions, max_connections: u32) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .min_connections(0)
            .idle_timeout(Duration::from_mins(5))
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options.application_name("flowkeep"));
        Self::from_pool(pool)
    }

    /// Wraps a pool.
    pub fn from_pool(pool: PgPool) -> Self {
        Self {
            orm: SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
            pool,
        }
    }

    /// For queries by sea-orm.
    pub fn orm(&self) -> &DatabaseConnection {
        &self.orm
    }

    /// The pool itself, for what sea-orm cannot say.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.orm.begin().await
    }

    /// Begins a transaction that sees one moment and writes nothing.
    pub async fn begin_snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        let isolation = Some(IsolationLevel::RepeatableRead);
        let access = Some(AccessMode::ReadOnly);
        self.orm.begin_with_config(isolation, access).await
    }

    /// Brings the tables up to date. Each migration runs in a transaction of its own.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        MIGRATOR.run(&self.pool).await
    }

    /// Whether the server answers.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1")
            .execute(&self.pool)
            .await
            .map(|_| ())
    }

    /// Whether it can be written: a full disk and a read-only standby answer questions as ever.
    pub async fn try_write(&self) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE installation SET is_only = TRUE")
            .execute(&self.pool)
            .await
            .map(|_| ())
    }

    /// Looks at the server and at which migrations it has had. Writes nothing.
    pub async fn facts(&self) -> Result<DbFacts, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let (version, number, now, is_read_only): (String, String, DateTime<Utc>, bool) =
            sqlx::query_as(
                "SELECT current_setting('server_version'), current_setting('server_version_num'), \
                 clock_timestamp(), \
                 pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean",
            )
            .fetch_one(&mut *connection)
            .await?;
        let is_made: bool =
            sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
                .fetch_one(&mut *connection)
                .await?;
        let had: Vec<i64> = if is_made {
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
                .fetch_all(&mut *connection)
                .await?
        } else {
            Vec::new()
        };
        let had: BTreeSet<i64> = had.into_iter().collect();
        let known: BTreeSet<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
        Ok(DbFacts {
            version: version.split(' ').next().unwrap_or_default().to_owned(),
            major: number.parse::<u32>().map_or(0, |number| number / 10_000),
            now,
            is_read_only,
            is_empty: had.is_empty(),
            missing_migrations: known.difference(&had).count(),
            unknown_migrations: had.difference(&known).count(),
        })
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
