//! Why a request about verifications cannot be fulfilled.

use sea_orm::DbErr;

use crate::features::backups::BackupError;

/// Why a request about verifications cannot be fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// There is no such verification.
    #[error("there is no verification {0}")]
    NotFound(i32),
    /// There is nothing to prove yet.
    #[error("there is no good backup to prove yet; make one first")]
    NoBackup,
    /// This backup is being proven already.
    #[error("backup {0} is being proven already")]
    AlreadyRunning(i32),
    /// Flowkeep is stopping.
    #[error("Flowkeep is stopping")]
    Stopped,
    /// The backup cannot be used.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}
