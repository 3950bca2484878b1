//! How it stands with a log that is followed.

use serde::Serialize;

use crate::features::containers::ContainerError;
use crate::platform::docker::DockerError;
use crate::platform::http::sentence;

/// How it stands with a log that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FollowState {
    /// The engine is being asked.
    Connecting,
    /// Lines come as they are written.
    Following {
        /// Of this container.
        id: String,
    },
    /// It does not run; its next lines come when it does.
    Stopped {
        /// How it ended.
        exit_code: Option<i64>,
    },
    /// It was removed, renamed, or is not the project's any more.
    Gone,
    /// The engine does not answer; it is asked again by itself.
    Down {
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
        /// What helps.
        remedy: &'static str,
    },
}

impl FollowState {
    pub(super) fn down(error: &DockerError) -> Self {
        Self::Down {
            code: error.code(),
            message: sentence(error),
            remedy: error.remedy(),
        }
    }

    pub(super) fn of(error: ContainerError) -> Self {
        match error {
            ContainerError::Docker(error) => Self::down(&error),
            _ => Self::Gone,
        }
    }
}
