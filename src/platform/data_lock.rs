//! One daemon for each data folder.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const NAME: &str = "flowkeep.lock";

/// The folder, held until dropped; the kernel gives it up when the process ends.
#[derive(Debug)]
pub struct DataLock(File);

/// Why the folder cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum DataLockError {
    /// Another daemon holds it.
    #[error(
        "the data folder {dir} is in use by another Flowkeep (process {holder}); stop that one or \
         choose another folder with FLOWKEEP_DATA_DIR"
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The other's process number.
        holder: String,
    },
    /// It cannot be made or written.
    #[error("cannot use the data folder {dir}: {source}; give Flowkeep's user rights to it")]
    Unusable {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl DataLock {
    /// Makes the folder if it is not there, and holds it.
    pub fn take(dir: &Path) -> Result<Self, DataLockError> {
        let unusable = |source| DataLockError::Unusable {
            dir: dir.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(dir)
            .map_err(unusable)?;
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(NAME))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(DataLockError::InUse {
                    dir: dir.to_owned(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        file.set_len(0).map_err(unusable)?;
        file.rewind().map_err(unusable)?;
        writeln!(file, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self(file))
    }

    /// Who holds the folder, as a process number. Makes nothing.
    pub fn holder(dir: &Path) -> io::Result<Option<String>> {
        let mut file = match File::open(dir.join(NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                Ok(Some(holder.trim().to_owned()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The file that is locked.
    pub fn file(&self) -> &File {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f48_a_second_daemon_on_the_same_folder_is_refused_with_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        assert_eq!(DataLock::holder(&data).unwrap(), None);
        let held = DataLock::take(&data).unwrap();
        let holder = DataLock::holder(&data).unwrap();
        assert_eq!(holder, Some(std::process::id().to_string()));
        assert!(held.file().metadata().unwrap().len() > 0);
        let error = DataLock::take(&data).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(held);
        DataLock::take(&data).unwrap();
    }
}
