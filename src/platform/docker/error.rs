//! Why the Docker engine did not do what was asked, told apart by what helps.

use std::io;

use crate::platform::causes::root_cause;

/// Why the Docker engine did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DockerError {
    /// There is no socket.
    #[error("there is no Docker engine at {0}")]
    NotThere(String),
    /// The socket is there and may not be used.
    #[error("the Docker socket {0} may not be used: permission denied")]
    Denied(String),
    /// Nobody answers, or the connection broke.
    #[error("the Docker engine does not answer: {0}")]
    Unreachable(String),
    /// It is older than what is spoken here.
    #[error("the Docker engine speaks API {0}, and 1.41 is needed")]
    TooOld(String),
    /// There is no such container or image.
    #[error("{0}")]
    NotFound(String),
    /// It said no.
    #[error("the Docker engine refused ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
}

impl DockerError {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotThere(_) => "docker_not_there",
            Self::Denied(_) => "docker_denied",
            Self::Unreachable(_) => "docker_unreachable",
            Self::TooOld(_) => "docker_too_old",
            Self::NotFound(_) => "docker_not_found",
            Self::Refused { .. } => "docker_refused",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotThere(_) => {
                "Install and start Docker, or say where its socket is with FLOWKEEP_DOCKER_HOST."
            }
            Self::Denied(_) => "Add Flowkeep's user to the group docker and restart Flowkeep.",
            Self::Unreachable(_) => "Start the Docker engine: systemctl start docker.",
            Self::TooOld(_) => "Install Docker 20.10 or newer.",
            Self::NotFound(_) | Self::Refused { .. } => "Look at the Docker engine's log.",
        }
    }

    /// Whether another try may go better without anybody doing anything.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::NotThere(_))
    }
}

/// Sorts what bollard reports. `address` is the engine's.
pub(super) fn sort(address: &str, error: bollard::errors::Error) -> DockerError {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => sort_status(status_code, message),
        Error::SocketNotFoundError(_) => DockerError::NotThere(address.to_owned()),
        other => sort_broken(address, &other),
    }
}

/// Sorts an error of the connection.
pub(super) fn sort_broken(address: &str, error: &(dyn std::error::Error + 'static)) -> DockerError {
    match io_kind(error) {
        Some(io::ErrorKind::NotFound) => DockerError::NotThere(address.to_owned()),
        Some(io::ErrorKind::PermissionDenied) => DockerError::Denied(address.to_owned()),
        _ => DockerError::Unreachable(root_cause(error)),
    }
}

/// Sorts an answer that is no success.
pub(super) fn sort_status(status: u16, message: String) -> DockerError {
    match status {
        404 => DockerError::NotFound(message),
        status => DockerError::Refused { status, message },
    }
}

fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut current = Some(error);
    while let Some(one) = current {
        if let Some(io) = one.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        current = one.source();
    }
    None
}
