//! Why a setting cannot be read or changed.

use sea_orm::DbErr;

use super::VaultError;

/// Why a setting cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No setting has that key.
    #[error("unknown setting {0}")]
    Unknown(String),
    /// The value does not fit the setting.
    #[error("{key}: {why}")]
    Invalid {
        /// Which setting.
        key: &'static str,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}
