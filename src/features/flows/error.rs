//! Why something with workflows cannot be done.

use sea_orm::DbErr;

use super::source::ReadError;
use super::version::{Place, VersionRef};
use crate::features::backups::BackupError;
use crate::features::n8n::{ApiTrouble, N8nError};

/// Why something with workflows cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A version that has no such workflow.
    #[error("there is no workflow {1} in {0}")]
    NoFlow(VersionRef, String),
    /// A workflow that nothing knows.
    #[error("there is no workflow {0} in n8n, in a backup or in an archive")]
    Unknown(String),
    /// No such uploaded archive.
    #[error("there is no archive {0}")]
    NoArchive(i32),
    /// No such restore, or no such item of one.
    #[error("there is no restore {0}")]
    NoRestore(i32),
    /// A field that cannot be used.
    #[error("{field}: {why}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// Why, and what would be right.
        why: String,
    },
    /// A backup that holds no workflows by its type.
    #[error("backup {0} is of a type that holds no workflows")]
    NoFlowsIn(i32),
    /// An archive that cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(Place, String),
    /// An upload that is no archive.
    #[error("{0}")]
    Upload(String),
    /// Something that n8n's state forbids.
    #[error("{message}")]
    Conflict {
        /// For programs.
        code: &'static str,
        /// For people, with the remedy.
        message: String,
    },
    /// n8n cannot be reached or refuses.
    #[error(transparent)]
    N8n(#[from] N8nError),
    /// The backups failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The file system failed.
    #[error("the archive folder cannot be used: {0}")]
    Io(#[from] std::io::Error),
    /// Flowkeep's own database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

impl FlowError {
    pub(super) fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            why: why.into(),
        }
    }

    pub(super) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict {
            code,
            message: message.into(),
        }
    }

    pub(super) fn unreadable(place: Place, error: &ReadError) -> Self {
        Self::Unreadable(place, error.to_string())
    }
}

impl From<sqlx::Error> for FlowError {
    fn from(error: sqlx::Error) -> Self {
        Self::N8n(N8nError::Query(error))
    }
}

impl From<ApiTrouble> for FlowError {
    fn from(error: ApiTrouble) -> Self {
        Self::N8n(N8nError::Api(error))
    }
}
