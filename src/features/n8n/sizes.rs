//! How large n8n's database is, by PostgreSQL's own books: nothing is read through.

use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

use super::{N8nError, N8nService, N8nTables};

const LIMIT: Duration = Duration::from_secs(20);
const MOST_TABLES: i64 = 15;

/// One table with its indexes and large values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// Bytes on disk in all.
    pub total_bytes: i64,
    /// Those of them that are indexes.
    pub index_bytes: i64,
    /// About how many rows; -1 when PostgreSQL does not know.
    pub rows: i64,
    /// Rows that are deleted and whose room is not free yet.
    pub dead_rows: i64,
}

/// How large the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSizes {
    /// All of it.
    pub database_bytes: i64,
    /// The largest tables, the largest first.
    pub tables: Vec<TableSize>,
    /// Where the server keeps its files, if it says.
    pub data_directory: Option<String>,
    /// Whether the server is on this machine.
    pub is_local: bool,
}

impl N8nService {
    /// Bytes of n8n's database; `None` when no connection is set.
    pub async fn database_bytes(&self) -> Result<Option<i64>, N8nError> {
        if self.source()?.is_none() {
            return Ok(None);
        }
        let (mut connection, _) = self.open_database().await?;
        let sql = "SELECT pg_database_size(current_database())";
        let asked = sqlx::query_scalar(sql).fetch_one(&mut connection);
        let bytes = in_time(asked).await?;
        let _ = connection.close().await;
        Ok(Some(bytes))
    }

    /// How large the database and its largest tables are.
    pub async fn database_sizes(&self) -> Result<DatabaseSizes, N8nError> {
        let (mut connection, _) = self.open_database().await?;
        let sizes = in_time(sizes(&mut connection)).await;
        let _ = connection.close().await;
        sizes.map_err(N8nError::from)
    }
}

async fn in_time<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let in_time = tokio::time::timeout(LIMIT, asked).await;
    in_time.unwrap_or_else(|_| Err(sqlx::Error::Protocol("it took too long".to_owned())))
}

async fn sizes(connection: &mut PgConnection) -> sqlx::Result<DatabaseSizes> {
    // What the role may not see is null.
    let sql = "SELECT pg_database_size(current_database()) AS bytes, \
               (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder, \
               (inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8'::inet \
                OR inet_server_addr() = '::1'::inet) AS is_local";
    let row = sqlx::query(sql).fetch_one(&mut *connection).await?;
    let tables = sqlx::query(
        "SELECT relname::text AS name, pg_total_relation_size(relid) AS bytes, \
         pg_indexes_size(relid) AS index_bytes, n_dead_tup AS dead, \
         (SELECT reltuples::bigint FROM pg_class WHERE oid = relid) AS rows \
         FROM pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC, relname LIMIT $1",
    )
    .bind(MOST_TABLES)
    .fetch_all(&mut *connection)
    .await?;
    let tables = tables.into_iter().map(|row| {
        Ok(TableSize {
            name: row.try_get("name")?,
            total_bytes: row.try_get::<Option<i64>, _>("bytes")?.unwrap_or(0),
            index_bytes: row.try_get::<Option<i64>, _>("index_bytes")?.unwrap_or(0),
            rows: row.try_get::<Option<i64>, _>("rows")?.unwrap_or(-1),
            dead_rows: row.try_get::<Option<i64>, _>("dead")?.unwrap_or(0),
        })
    });
    Ok(DatabaseSizes {
        database_bytes: row.try_get("bytes")?,
        tables: tables.collect::<sqlx::Result<_>>()?,
        data_directory: row.try_get("folder")?,
        is_local: row.try_get("is_local")?,
    })
}

/// Bytes of one of n8n's tables with its indexes and large values; 0 when it is not there.
pub async fn table_size(
    connection: &mut PgConnection,
    tables: &N8nTables,
    table: &str,
) -> sqlx::Result<i64> {
    let sql = "SELECT COALESCE(pg_total_relation_size(to_regclass($1)), 0)";
    sqlx::query_scalar(sql)
        .bind(tables.name(table))
        .fetch_one(connection)
        .await
}
