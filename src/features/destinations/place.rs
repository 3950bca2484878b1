//! What a destination is: a folder of this machine, or a place over the network.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{DestinationError, Trouble};
use super::remote::RemotePlace;
use super::s3::S3Config;
use super::sftp::{Server, SftpConfig, SftpSecret};
use super::ssh;
use crate::platform::ids::Ids;
use crate::platform::process::Processes;

/// Where something is, but for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// A folder of this machine: another disk, or where a share is mounted.
    Folder(PathBuf),
    /// A bucket.
    S3(S3Config),
    /// A folder of another machine.
    Sftp(SftpConfig),
}

/// A destination with its secret, as a recovery kit carries it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Saved {
    /// What people call it.
    pub name: String,
    /// `folder`, `s3` or `sftp`.
    pub kind: String,
    /// The folder, or how the place is called.
    pub path: String,
    /// Where it is.
    pub config: Value,
    /// What stands in its sentinel.
    pub sentinel: uuid::Uuid,
    /// Password or key.
    pub secret: Option<String>,
}

impl std::fmt::Debug for Saved {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Saved({}, {})", self.kind, self.path)
    }
}

impl Where {
    /// Its kind in the database.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::S3(_) => "s3",
            Self::Sftp(_) => "sftp",
        }
    }

    /// What is unique among destinations.
    pub fn address(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::S3(config) => config.address(),
            Self::Sftp(config) => config.address(),
        }
    }

    /// What the database keeps of it beside the address.
    pub fn to_config(&self) -> Value {
        match self {
            Self::Folder(_) => json!({}),
            Self::S3(config) => json!(config),
            Self::Sftp(config) => json!(config),
        }
    }

    /// The reverse.
    pub fn read(kind: &str, path: &str, config: &Value) -> Result<Self, Trouble> {
        let unreadable = |error: serde_json::Error| {
            Trouble::new(
                "internal",
                format!("The destination cannot be read: {error}."),
            )
        };
        Ok(match kind {
            "s3" => Self::S3(serde_json::from_value(config.clone()).map_err(unreadable)?),
            "sftp" => Self::Sftp(serde_json::from_value(config.clone()).map_err(unreadable)?),
            _ => Self::Folder(PathBuf::from(path)),
        })
    }

    /// Checks it.
    pub fn check(&self) -> Result<(), DestinationError> {
        let checked = match self {
            Self::Folder(_) => Ok(()),
            Self::S3(config) => config.check(),
            Self::Sftp(config) => config.check(),
        };
        checked.map_err(|(field, why)| DestinationError::Invalid { field, why })
    }
}

/// What a place needs to be reached.
#[derive(Clone, Debug)]
pub struct Reach {
    pub processes: Processes,
    pub ids: Ids,
}

impl Reach {
    /// A client for a place over the network. `None` for a folder.
    pub fn connect(
        &self,
        place: &Where,
        secret: Option<&SecretString>,
    ) -> Result<Option<RemotePlace>, Trouble> {
        let missing = || {
            Trouble::new(
                "no_secret",
                "Its password or key is not here any more. Remove the destination and add it again.",
            )
        };
        Ok(match place {
            Where::Folder(_) => None,
            Where::S3(config) => Some(config.connect(secret.ok_or_else(missing)?)?),
            Where::Sftp(config) => Some(
                self.server(config, ssh::secret_of(secret.ok_or_else(missing)?))
                    .into_place(),
            ),
        })
    }

    /// A server that is spoken to over SFTP.
    pub fn server(&self, config: &SftpConfig, secret: SftpSecret) -> Server {
        Server {
            config: config.clone(),
            secret,
            processes: self.processes.clone(),
            ids: self.ids.clone(),
        }
    }
}

/// Refuses a secret that cannot be one.
pub fn check_secret(field: &'static str, secret: &SecretString) -> Result<(), DestinationError> {
    let text = secret.expose_secret();
    if text.is_empty() || text.len() > 20_000 || text.contains('\0') {
        let why = "must be given".to_owned();
        return Err(DestinationError::Invalid { field, why });
    }
    Ok(())
}
