//! The server that n8n uses: databases made, renamed and dropped on it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::RestoreError;
use crate::features::backups::Stored;
use crate::features::n8n::server_version;
use crate::features::verification::{
    EngineError, EngineFuture, HostTools, Restored, ThrowawayServer,
};
use crate::platform::ids::Ids;
use crate::platform::postgres::{ConnInfo, Installations, quote_identifier, server_words};
use crate::platform::process::Processes;

/// An empty database that was made for a restore.
#[derive(Clone, Debug)]
pub struct NewDatabase {
    conninfo: ConnInfo,
    tools: HostTools,
}

impl ThrowawayServer for NewDatabase {
    fn conninfo(&self) -> &ConnInfo {
        &self.conninfo
    }

    fn version(&self) -> &str {
        &self.tools.installation.version
    }

    fn restore<'a>(
        &'a self,
        archive: &'a Stored,
        done: Arc<AtomicU64>,
    ) -> EngineFuture<'a, Result<Restored, EngineError>> {
        Box::pin(self.tools.restore(archive, &self.conninfo, done))
    }

    fn stop(self: Box<Self>) -> EngineFuture<'static, ()> {
        Box::pin(async {})
    }
}

fn failed(code: &'static str, message: String) -> RestoreError {
    RestoreError::Server { code, message }
}

/// Connects to a database of the server that is not the one to be renamed or dropped.
pub async fn maintenance(info: &ConnInfo) -> Result<PgConnection, RestoreError> {
    let mut last = None;
    for name in ["postgres", "template1"] {
        if name == info.database {
            continue;
        }
        match info.with_database(name).to_sqlx().connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(String::new, |error| server_words(&error));
    Err(failed(
        "cannot_connect",
        format!(
            "Cannot connect to the database postgres at {}: {why}. {} needs the right to connect to it.",
            info.address(),
            info.user
        ),
    ))
}

impl NewDatabase {
    /// Makes an empty database of the name in `target` and finds the programs to restore with.
    /// Refuses when the name is taken, when the role may not make databases, and when the server is
    /// older than the one that the backup came from.
    pub async fn create(
        target: &ConnInfo,
        backup_major: u32,
        installations: &Installations,
        processes: Processes,
        ids: Ids,
    ) -> Result<Self, RestoreError> {
        let mut connection = maintenance(target).await?;
        let refused = |error: sqlx::Error| failed("query_failed", server_words(&error));
        let (version, major) = server_version(&mut connection).await.map_err(refused)?;
        if major < backup_major {
            return Err(failed(
                "server_too_old",
                format!(
                    "The backup comes from PostgreSQL {backup_major}, and the server at {} is {version}. \
                     Restore it into PostgreSQL {backup_major} or newer.",
                    target.address()
                ),
            ));
        }
        let installation = installations
            .client_for(major)
            .map_err(|error| failed("client_too_old", format!("Cannot restore: {error}.")))?
            .clone();
        let may_create: bool = sqlx::query_scalar(
            "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(refused)?;
        if !may_create {
            return Err(failed(
                "no_createdb",
                format!(
                    "{user} may not make databases. ALTER ROLE {user} CREATEDB, or connect n8n's page \
                     with a role that may.",
                    user = target.user
                ),
            ));
        }
        let sql = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'",
            quote_identifier(&target.database)
        );
        let made = sqlx::query(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await;
        let _ = connection.close().await;
        made.map_err(|error| {
            let code = error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code);
            if code.as_deref() == Some("42P04") {
                failed(
                    "database_exists",
                    format!(
                        "There is a database {} already. A backup is never restored over anything: give \
                         another name.",
                        target.database
                    ),
                )
            } else {
                failed("cannot_create", server_words(&error))
            }
        })?;
        Ok(Self {
            conninfo: target.clone(),
            tools: HostTools {
                installation,
                processes,
                ids,
            },
        })
    }
}

/// Whether the server has a database of that name.
pub async fn exists(info: &ConnInfo, name: &str) -> Result<bool, RestoreError> {
    let mut connection = maintenance(info).await?;
    let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    let found = sqlx::query_scalar(sql)
        .bind(name)
        .fetch_one(&mut connection)
        .await;
    let _ = connection.close().await;
    found.map_err(|error| failed("query_failed", server_words(&error)))
}

/// Drops a database that a restore made or left behind. One that is not there is fine.
pub async fn drop_database(info: &ConnInfo, name: &str) -> Result<(), RestoreError> {
    let mut connection = maintenance(info).await?;
    in_use(&mut connection, name).await?;
    let sql = format!("DROP DATABASE IF EXISTS {}", quote_identifier(name));
    let dropped = sqlx::query(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await;
    let _ = connection.close().await;
    dropped.map_err(|error| failed("cannot_drop", server_words(&error)))?;
    Ok(())
}

/// Refuses when somebody else is connected to a database.
pub async fn in_use(connection: &mut PgConnection, database: &str) -> Result<(), RestoreError> {
    let sql = "SELECT coalesce(nullif(application_name, ''), backend_type) || \
               coalesce(' from ' || host(client_addr), '') AS who FROM pg_stat_activity \
               WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'";
    let rows = sqlx::query(sql)
        .bind(database)
        .fetch_all(connection)
        .await
        .map_err(|error| failed("query_failed", server_words(&error)))?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut who: Vec<String> = rows
        .iter()
        .filter_map(|row| row.try_get("who").ok())
        .collect();
    who.sort();
    who.dedup();
    who.truncate(5);
    Err(RestoreError::InUse {
        database: database.to_owned(),
        count: rows.len(),
        who: who.join(", "),
    })
}

/// Gives two databases new names at once: `first.0` becomes `first.1`, then `second.0` becomes
/// `second.1`. All or nothing, and only while nobody is connected to either.
pub async fn rename(
    info: &ConnInfo,
    first: (&str, &str),
    second: (&str, &str),
) -> Result<(), RestoreError> {
    let mut connection = maintenance(info).await?;
    for name in [first.0, second.0] {
        in_use(&mut connection, name).await?;
    }
    let renamed = async {
        let mut tx = connection.begin().await?;
        for (from, to) in [first, second] {
            let sql = format!(
                "ALTER DATABASE {} RENAME TO {}",
                quote_identifier(from),
                quote_identifier(to)
            );
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
        tx.commit().await
    };
    let renamed: sqlx::Result<()> = renamed.await;
    let _ = connection.close().await;
    renamed.map_err(|error| {
        failed(
            "cannot_rename",
            format!(
                "The databases could not change their names: {}. Nothing was changed; {} must own both \
                 and may need CREATEDB.",
                server_words(&error),
                info.user
            ),
        )
    })
}
