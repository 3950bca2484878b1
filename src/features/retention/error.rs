//! Why a policy cannot be read, changed or carried out.

use sea_orm::DbErr;

use crate::features::backups::BackupError;

/// Why a policy cannot be read, changed or carried out.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// A value that does not fit.
    #[error("{field}: {why}")]
    Invalid {
        /// The field at fault.
        field: &'static str,
        /// What would be right.
        why: String,
    },
    /// More would go than was confirmed.
    #[error(
        "{would_delete} backups would go, and {confirmed} were confirmed; look at the preview again"
    )]
    NotConfirmed {
        /// How many would go.
        would_delete: usize,
        /// How many somebody agreed to.
        confirmed: usize,
    },
    /// The catalogue failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}
