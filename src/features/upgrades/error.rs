//! Why n8n cannot be upgraded or taken back.

use sea_orm::DbErr;

use crate::features::backups::BackupError;
use crate::features::n8n::N8nError;
use crate::platform::docker::DockerError;

/// Why n8n cannot be upgraded or taken back.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// There is no such upgrade.
    #[error("there is no upgrade {0}")]
    NotFound(i32),
    /// One is under way.
    #[error("another upgrade is under way")]
    AlreadyRunning,
    /// No container is named.
    #[error(
        "no container of n8n is named; put the names under Settings, n8n's containers, the main one first"
    )]
    NoContainers,
    /// A container cannot be made anew.
    #[error("{container}: {why}")]
    Container {
        /// Which.
        container: String,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// The image cannot be used.
    #[error("the image {0}")]
    Image(String),
    /// The upgrade is not in the state that this needs.
    #[error("this upgrade is {0}, so that cannot be done")]
    WrongState(String),
    /// The former containers are gone.
    #[error("the former containers are gone; restore a backup instead")]
    NothingKept,
    /// A later one stands on it.
    #[error("a later upgrade followed it; take that one back, or restore a backup")]
    Followed,
    /// What would be gone back to is not there.
    #[error("{} {}", .0.message, .0.remedy)]
    NoWayBack(Trouble),
    /// The engine failed.
    #[error("{error}. {}", error.remedy())]
    Docker {
        /// How.
        #[from]
        error: DockerError,
    },
    /// n8n's connection cannot be used.
    #[error(transparent)]
    N8n(#[from] N8nError),
    /// The lock cannot be taken.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

const LOST: &str = "lost";

/// Why a step failed: for programs, for people, and what helps.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub code: &'static str,
    pub message: String,
    pub remedy: String,
}

impl Trouble {
    pub fn new(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// The engine did not do it.
    pub fn docker(what: &str, error: &DockerError) -> Self {
        Self::new(error.code(), format!("{what}: {error}."), error.remedy())
    }

    /// Somebody else has the upgrade by now.
    pub fn lost() -> Self {
        Self::new(
            LOST,
            "Another worker has gone on with this upgrade.",
            "Look at how it ends.",
        )
    }

    /// Whether somebody else has the upgrade by now: then nothing more is done, and nothing is taken back.
    pub fn is_lost(&self) -> bool {
        self.code == LOST
    }

    /// Flowkeep ends.
    pub fn interrupted(remedy: &str) -> Self {
        Self::new("interrupted", "Flowkeep was stopped meanwhile.", remedy)
    }

    /// Flowkeep's own database failed.
    pub fn own(error: &DbErr) -> Self {
        tracing::error!(%error, "an upgrade cannot be noted");
        Self::new(
            "database",
            "Flowkeep's own database does not answer.",
            "Look at /api/health.",
        )
    }
}
