//! The snapshot that is dumped, held open, and the exact rows of every table in it.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::preflight::query_failure;
use crate::features::backups::error::Failure;
use crate::platform::postgres::{ConnInfo, quote_identifier};

/// Schema and name.
pub type TableName = (String, String);

/// A transaction that sees what the dump sees.
pub struct HeldSnapshot {
    connection: PgConnection,
    pub id: String,
}

impl HeldSnapshot {
    pub async fn take(source: &ConnInfo, lock_wait_seconds: i64) -> Result<Self, Failure> {
        let mut connection = super::preflight::connect(source).await?;
        let refused = |error: sqlx::Error| query_failure(&error);
        let setup = format!(
            "SET lock_timeout = '{}s'; SET statement_timeout = 0; \
             SET client_connection_check_interval = '2s'; \
             SET idle_in_transaction_session_timeout = 0; \
             BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            // Longer than pg_dump waits: its end says more about the lock.
            lock_wait_seconds + 30
        );
        sqlx::raw_sql(AssertSqlSafe(setup))
            .execute(&mut connection)
            .await
            .map_err(refused)?;
        let id = sqlx::query_scalar("SELECT pg_export_snapshot()")
            .fetch_one(&mut connection)
            .await
            .map_err(refused)?;
        Ok(Self { connection, id })
    }

    /// Counts every table that pg_dump dumps: not those of extensions, nor temporary ones.
    pub async fn count(&mut self) -> Result<BTreeMap<TableName, u64>, Failure> {
        let sql = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n \
                   ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence <> 't' \
                   AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
                   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
                                   AND d.objid = c.oid AND d.deptype = 'e') \
                   ORDER BY c.relpages";
        let rows = sqlx::query(sql).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(|error| query_failure(&error))?;
        let mut counts = BTreeMap::new();
        for row in rows {
            let (schema, name): (String, String) = (row.get(0), row.get(1));
            let sql = format!(
                "SELECT count(*) FROM ONLY {}.{}",
                quote_identifier(&schema),
                quote_identifier(&name)
            );
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut self.connection)
                .await
                .map_err(|error| query_failure(&error))?;
            counts.insert((schema, name), u64::try_from(count).unwrap_or(0));
        }
        Ok(counts)
    }

    pub async fn release(self) {
        let _ = self.connection.close().await;
    }
}
