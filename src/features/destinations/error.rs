//! Why a destination cannot be used.

use sea_orm::DbErr;

use crate::features::backups::BackupError;
use crate::features::settings::VaultError;

/// Why a destination cannot be found, made or changed.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// There is no such destination.
    #[error("there is no destination {0}")]
    NotFound(i32),
    /// A value that does not fit.
    #[error("{field}: {why}")]
    Invalid {
        /// The field at fault.
        field: &'static str,
        /// What would be right.
        why: String,
    },
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The copy cannot be brought back.
    #[error("{}", .0.message)]
    Fetch(Trouble),
    /// The catalogue failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

/// Why something could not be done at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// For programs.
    pub code: &'static str,
    /// For people, with the remedy.
    pub message: String,
}

impl Trouble {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
