//! Hands a password to libpq's programs without showing it to anybody.
//!
//! By a file of mode 0600 that only the child's user can read. The format ends an entry at a line
//! break, so the rare password with one goes by `PGPASSWORD` in the child's own environment, which
//! only root and the same user can read.

use std::ffi::OsString;
use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::ConnInfo;
use crate::platform::ids::Ids;
use crate::platform::process::{CommandSpec, Identity};

/// A password file, or the password itself where a file cannot hold it. Gone when dropped.
#[derive(Debug)]
pub struct PassFile {
    path: Option<PathBuf>,
    password: Option<SecretString>,
}

impl PassFile {
    /// Writes the password of `info`, if it has one, to a new file in `dir`, owned by whoever the
    /// program runs as.
    pub fn create(
        info: &ConnInfo,
        dir: &Path,
        identity: Option<&Identity>,
        ids: &Ids,
    ) -> io::Result<Self> {
        let Some(password) = &info.password else {
            return Ok(Self {
                path: None,
                password: None,
            });
        };
        if password.expose_secret().contains(['\n', '\r', '\0']) {
            return Ok(Self {
                path: None,
                password: Some(password.clone()),
            });
        }
        let path = dir.join(format!(".pgpass-{}", hex::encode(ids.bytes::<8>())));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let made = Self {
            path: Some(path.clone()),
            password: None,
        };
        file.set_permissions(Permissions::from_mode(0o600))?;
        let line = password
            .expose_secret()
            .replace('\\', "\\\\")
            .replace(':', "\\:");
        file.write_all(format!("*:*:*:*:{line}\n").as_bytes())?;
        if let Some(identity) = identity {
            chown(&path, Some(identity.uid), Some(identity.gid))?;
        }
        Ok(made)
    }

    /// Tells a program where the password is.
    pub fn apply(&self, spec: CommandSpec) -> CommandSpec {
        match (&self.path, &self.password) {
            (Some(path), _) => spec.env("PGPASSFILE", path),
            (None, Some(password)) => {
                spec.env("PGPASSWORD", OsString::from(password.expose_secret()))
            }
            // Never read the file of whoever runs the daemon.
            (None, None) => spec.env("PGPASSFILE", "/dev/null"),
        }
    }
}

impl Drop for PassFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}
