//! Hands a password to libpq's programs without showing it to anybody.
//!
//! By a file of mode 0600 that only the child's user can read: others can read a command line, and
//! root and the same user an environment.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::ConnInfo;
use crate::platform::ids::Ids;
use crate::platform::process::{CommandSpec, Identity};

const PREFIX: &str = ".pgpass-";

/// A password file. Gone when dropped.
#[derive(Debug)]
pub struct PassFile {
    path: Option<PathBuf>,
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
            return Ok(Self { path: None });
        };
        if password.expose_secret().contains(['\n', '\r', '\0']) {
            let why = "a password with a line break fits into no password file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let (pid, name) = (std::process::id(), hex::encode(ids.bytes::<8>()));
        let path = dir.join(format!("{PREFIX}{pid}-{name}"));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let made = Self {
            path: Some(path.clone()),
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

    /// Removes what killed processes left in `dir`. Call it before this process makes any: its number
    /// may be that of the one that was killed.
    pub fn sweep(dir: &Path) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next())
                .and_then(|pid| pid.parse::<u32>().ok());
            if let Some(pid) = pid
                && (pid == std::process::id() || !Path::new(&format!("/proc/{pid}")).exists())
            {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Tells a program where the password is.
    pub fn apply(&self, spec: CommandSpec) -> CommandSpec {
        match &self.path {
            Some(path) => spec.env("PGPASSFILE", path),
            // Never read the file of whoever runs the daemon.
            None => spec.env("PGPASSFILE", "/dev/null"),
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
