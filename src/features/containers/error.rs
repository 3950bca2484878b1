//! Why something about a container cannot be done.

use sea_orm::DbErr;

use crate::platform::docker::DockerError;

/// Why something about a container cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// There is none of that name, or it is not the project's: which of the two is not told.
    #[error("there is no such container")]
    NotFound,
    /// Flowkeep runs in it.
    #[error("Flowkeep itself runs in {0}")]
    Own(String),
    /// Flowkeep has it stopped, or waits for it.
    #[error("Flowkeep is upgrading n8n, and {0} is part of that; wait until it has ended")]
    Held(String),
    /// Another container has the name now.
    #[error("{0} is another container than it was when you looked")]
    Changed(String),
    /// A value that does not fit.
    #[error("{field}: {why}")]
    Invalid {
        /// The field at fault.
        field: &'static str,
        /// What would be right.
        why: String,
    },
    /// More people look than is good.
    #[error("too many streams are open")]
    TooMany,
    /// The engine did not do it.
    #[error(transparent)]
    Docker(DockerError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

impl From<DockerError> for ContainerError {
    fn from(error: DockerError) -> Self {
        match error {
            // It went between two questions.
            DockerError::NotFound(_) => Self::NotFound,
            other => Self::Docker(other),
        }
    }
}
