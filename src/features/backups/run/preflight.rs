//! Looks before it leaps: is the server there, which client fits, may we read everything, is there
//! room. Each failure is found before a byte is written.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgConnection};

use super::{Job, storage_failure};
use crate::features::backups::error::Failure;
use crate::features::backups::service::BackupService;
use crate::features::backups::store;
use crate::features::n8n;
use crate::features::settings::Key;
use crate::platform::postgres::{ConnInfo, Installation, server_words, unreadable_tables};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A server that waits for a lock finds out only by this that its client is gone; without it, the
/// transaction of a killed dump stays open until the lock comes.
pub const NOTICE_DEATH: (&str, &str) = ("client_connection_check_interval", "2s");

/// What a run goes by.
pub struct Plan {
    pub installation: Installation,
    pub server_version: String,
    pub server_major: u32,
    pub n8n_version: Option<String>,
    /// Whether the server takes [`NOTICE_DEATH`] when connecting; a pooler may not pass it on.
    pub takes_options: bool,
    /// Bytes of the uncompressed archive to expect, from the last run.
    pub estimate: Option<u64>,
}

impl BackupService {
    /// Looks at one database; `is_n8n` says that it must be one.
    pub(super) async fn preflight(
        &self,
        job: &Job,
        source: &ConnInfo,
        is_n8n: bool,
    ) -> Result<Plan, Failure> {
        let files = self.files.clone();
        files.prepare().map_err(|error| storage_failure(&error))?;
        let mut connection = connect(source).await?;
        let refused = |error: sqlx::Error| query_failure(&error);
        let (server_version, server_major) = n8n::server_version(&mut connection)
            .await
            .map_err(refused)?;
        let installation = self
            .parts
            .installations
            .client_for(server_major)
            .map_err(|error| Failure::new("client_too_old", format!("Cannot dump: {error}.")))?
            .clone();
        if let Some(table) = unreadable_tables(&mut connection)
            .await
            .map_err(refused)?
            .first()
        {
            let (name, user) = (&table.table, &source.user);
            return Err(if table.is_row_security {
                Failure::new(
                    "row_security",
                    format!(
                        "Row security hides rows of {name} from {user}, so a dump would be incomplete. \
                     ALTER ROLE {user} BYPASSRLS, or connect as the owner of the tables."
                    ),
                )
            } else {
                Failure::new(
                    "no_permission",
                    format!(
                        "{user} may not read {name}. GRANT pg_read_all_data TO {user}, or connect as \
                     the owner of the tables."
                    ),
                )
            });
        }
        let size: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
            .fetch_one(&mut connection)
            .await
            .map_err(refused)?;
        let n8n_version = if is_n8n {
            match n8n::find_tables(&mut connection).await.map_err(refused)? {
                Some(tables) => n8n::version(&mut connection, &tables).await.ok(),
                None => return Err(not_n8n(source)),
            }
        } else {
            None
        };
        let _ = connection.close().await;
        let takes_options = takes_options(source).await;
        let estimate = self
            .check_space(job, u64::try_from(size).unwrap_or(0))
            .await?;
        Ok(Plan {
            installation,
            server_version,
            server_major,
            n8n_version,
            takes_options,
            estimate,
        })
    }

    /// Refuses when the last backup and a fifth more would not leave the reserve free. Without one
    /// to go by, half of the database's size: JSON text compresses better than that.
    async fn check_space(&self, job: &Job, database_bytes: u64) -> Result<Option<u64>, Failure> {
        let last = store::newest_good(self.parts.db.orm(), Some(job.backup_type.as_str()), false)
            .await
            .ok()
            .flatten()
            .filter(|last| last.is_sample == job.source.is_sample());
        let unsigned = |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let needed = match last
            .as_ref()
            .and_then(|last| unsigned(last.compressed_size))
        {
            Some(bytes) => bytes + bytes / 5,
            None => database_bytes / 2,
        };
        let reserve = self.parts.settings.integer(Key::BackupReserveMegabytes);
        let reserve = u64::try_from(reserve).unwrap_or(0) * 1_000_000;
        let free = self
            .files
            .free_bytes()
            .map_err(|error| storage_failure(&error))?;
        if free < needed + reserve {
            return Err(Failure::new(
                "no_space",
                format!(
                    "The backup disk has {} MB free; this backup needs about {} MB and must leave {} MB. \
                 Make room, or choose another folder with FLOWKEEP_BACKUP_DIR.",
                    free / 1_000_000,
                    needed / 1_000_000,
                    reserve / 1_000_000
                ),
            ));
        }
        Ok(last.and_then(|last| unsigned(last.file_size)))
    }
}

async fn takes_options(source: &ConnInfo) -> bool {
    let options = source.to_sqlx().options([NOTICE_DEATH]);
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => {
            let _ = connection.close().await;
            true
        }
        _ => false,
    }
}

/// The database is not what n8n uses.
pub(super) fn not_n8n(source: &ConnInfo) -> Failure {
    Failure::new(
        "not_n8n",
        format!(
            "The database {} holds no n8n. Give the database that n8n's DB_POSTGRESDB_DATABASE names.",
            source.database
        ),
    )
}

/// Connects to the source.
pub(super) async fn connect(source: &ConnInfo) -> Result<PgConnection, Failure> {
    let address = source.address();
    let options = source.to_sqlx();
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(Failure::new(
            "cannot_connect",
            format!(
                "Cannot connect to {address}: {}. Test the connection on the n8n page.",
                server_words(&error)
            ),
        )),
        Err(_) => Err(Failure::new(
            "cannot_connect",
            format!("Nothing answers at {address}. Check host, port and firewall."),
        )),
    }
}

pub(super) fn query_failure(error: &sqlx::Error) -> Failure {
    Failure::new(
        "query_failed",
        format!("The database refused a question: {}.", server_words(error)),
    )
}
