//! Why something about notifications cannot be done.

use sea_orm::DbErr;

use super::channels::form::Misfit;
use super::rule::BadRule;
use crate::features::settings::{SettingsError, VaultError};

/// Why something about notifications cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    /// There is no such service.
    #[error("there is no service {0}")]
    NoService(i32),
    /// There is no such rule.
    #[error("there is no rule {0}")]
    NoRule(i32),
    /// There is no such message.
    #[error("there is no message {0} in the history")]
    NoMessage(i32),
    /// There is no such alert.
    #[error("there is no alert {0}")]
    NoAlert(i32),
    /// A link to acknowledge that is not one, or no longer.
    #[error("this link is not valid, or no longer")]
    BadLink,
    /// A value that does not fit.
    #[error("{field}: {why}")]
    Invalid {
        /// The field at fault.
        field: String,
        /// What would be right.
        why: String,
    },
    /// It is not possible now.
    #[error("{message}")]
    Conflict {
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A setting cannot be read or written.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

impl NotificationError {
    /// A value that does not fit.
    pub(super) fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            why: why.into(),
        }
    }
}

impl From<Misfit> for NotificationError {
    fn from(misfit: Misfit) -> Self {
        Self::invalid(misfit.field, misfit.why)
    }
}

impl From<BadRule> for NotificationError {
    fn from(bad: BadRule) -> Self {
        Self::invalid(bad.field, bad.why)
    }
}
