//! Why a backup cannot be restored, swapped in or undone.

use sea_orm::DbErr;

use crate::features::backups::BackupError;
use crate::features::n8n::N8nError;
use crate::features::verification::VerificationError;

/// Why a backup cannot be restored, swapped in or undone.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no such restore.
    #[error("there is no restore {0}")]
    NotFound(i32),
    /// One is under way.
    #[error("another restore of this database is under way")]
    AlreadyRunning,
    /// Only backups of n8n's database go back into n8n's server.
    #[error("only backups of n8n's database can be restored here; see the README for the others")]
    WrongType,
    /// The restore is not in the state that this needs.
    #[error("this restore is {0}, so that cannot be done")]
    WrongState(String),
    /// The time to undo is over.
    #[error("the day in which this could be undone is over; rename the databases by hand")]
    UndoIsOver,
    /// Somebody is connected.
    #[error(
        "{count} connections to {database} are open ({who}). Stop n8n first, then try again; its \
             workflows must not run while its database changes"
    )]
    InUse {
        /// The database.
        database: String,
        /// How many connections.
        count: usize,
        /// Which programs.
        who: String,
    },
    /// n8n's container is not as the settings say.
    #[error("{0}")]
    Container(String),
    /// The server refuses, with the remedy.
    #[error("{message}")]
    Server {
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// The backup did not come back as it was.
    #[error("{0}")]
    Failed(String),
    /// The safety backup failed.
    #[error("the safety backup of what n8n uses now failed, so nothing was changed: {0}")]
    Safety(String),
    /// The backup cannot be used.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The backup cannot be read.
    #[error(transparent)]
    Verification(#[from] VerificationError),
    /// n8n's connection cannot be used.
    #[error(transparent)]
    N8n(#[from] N8nError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}
