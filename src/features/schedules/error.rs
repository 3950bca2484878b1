//! Why a schedule cannot be found, changed or run.

use sea_orm::DbErr;

use crate::features::backups::BackupError;
use crate::features::verification::VerificationError;

/// Why a schedule cannot be found, changed or run.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// There is no such schedule.
    #[error("there is no schedule {0}")]
    NotFound(i32),
    /// A value that does not fit.
    #[error("{field}: {why}")]
    Invalid {
        /// The field at fault.
        field: &'static str,
        /// What would be right.
        why: String,
    },
    /// The backup could not be begun.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The verification could not be begun.
    #[error(transparent)]
    Verification(#[from] VerificationError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}
