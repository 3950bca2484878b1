//! Why a backup cannot be made, found or deleted.

use sea_orm::DbErr;

use crate::features::n8n::N8nError;
use crate::features::settings::SettingsError;

/// Why a request about backups cannot be fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no such backup.
    #[error("there is no backup {0}")]
    NotFound(i32),
    /// This database is being backed up already.
    #[error("this database is being backed up already, by run {0}")]
    AlreadyRunning(i32),
    /// The run is over.
    #[error("run {0} is not running here")]
    NotRunning(i32),
    /// A level that the compression does not have.
    #[error("{0}")]
    Compression(String),
    /// Nobody said where n8n's configuration is.
    #[error(
        "no files of n8n's configuration are named yet; name them in the settings, as in \
             /home/node/.n8n, or name n8n's container"
    )]
    NoConfigPaths,
    /// A public key that is none.
    #[error("{0}")]
    Recipient(String),
    /// Backups are to be encrypted, and there is no key.
    #[error(
        "backups are to be encrypted and there is no key for it; switch encryption off and on again \
             in the settings"
    )]
    NoIdentity,
    /// Its file is gone.
    #[error("the file of backup {0} is not there any more")]
    FileMissing(i32),
    /// It is the last one that is any good.
    #[error(
        "backup {0} is the newest good or proven one of its kind; deleting it leaves nothing \
             newer to go back to. Confirm with confirm=last_good"
    )]
    LastGood(i32),
    /// It is being proven or restored.
    #[error("backup {0} is in use; try again when that is over")]
    InUse(i32),
    /// n8n's connection cannot be used.
    #[error(transparent)]
    N8n(#[from] N8nError),
    /// The settings failed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The row that says who is at work cannot be locked.
    #[error("cannot take the lock of the run")]
    Lock(#[source] sqlx::Error),
    /// A file could not be read.
    #[error("cannot read a backup's file")]
    Read(#[source] std::io::Error),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For programs.
    pub code: &'static str,
    /// For people, with the remedy.
    pub message: String,
}

impl Failure {
    /// Whether another try, without anybody's doing, may go better.
    pub fn may_pass(code: &str) -> bool {
        matches!(
            code,
            "cannot_connect"
                | "server_closed"
                | "client_failed"
                | "lock_timeout"
                | "stalled"
                | "interrupted"
                | "lost_claim"
                | "database_unavailable"
                | "query_failed"
                | "storage_failed"
                | "archive_damaged"
                | "rows_differ"
        )
    }

    /// A failure with its code and its words.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
