//! Why a kit cannot be made or opened.

use sea_orm::DbErr;

use crate::features::backups::BackupError;
use crate::features::destinations::DestinationError;
use crate::features::n8n::N8nError;
use crate::features::settings::SettingsError;

/// Why a kit cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The passphrase is too short.
    #[error("the passphrase needs at least {0} characters; five or more random words are good")]
    WeakPassphrase(usize),
    /// It does not open.
    #[error("the kit does not open: the passphrase is wrong, or the file is damaged")]
    WrongPassphrase,
    /// It opens and is no kit.
    #[error("this is no recovery kit: {0}")]
    NoKit(String),
    /// It cannot be written.
    #[error("the kit could not be made: {0}")]
    Make(String),
    /// n8n's connection cannot be read or set.
    #[error(transparent)]
    N8n(#[from] N8nError),
    /// The settings failed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The catalogue failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A destination's secret cannot be read or kept.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}
