//! A stored file as it is read: opened if it is encrypted, found if it lies in a tar archive, uncompressed.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::archive::decompress;
use super::seal::Lock;

/// What is to be read, and how.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The file.
    pub path: PathBuf,
    /// `none`, `gzip` or `zstd`; of the entry, if one is named.
    pub compression: String,
    /// How it is opened, if it is encrypted.
    pub lock: Option<Lock>,
    /// The one file of a tar archive that is meant.
    pub entry: Option<String>,
}

impl Stored {
    /// Hands the plain, uncompressed bytes to `take`.
    pub fn read<T>(&self, take: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> io::Result<T> {
        let file = File::open(&self.path)?;
        match &self.lock {
            Some(lock) => self.inner(lock.reader(file)?, take),
            None => self.inner(file, take),
        }
    }

    fn inner<T>(
        &self,
        opened: impl Read,
        take: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(wanted) = &self.entry else {
            return take(&mut *decompress(opened, &self.compression)?);
        };
        let mut tar = tar::Archive::new(opened);
        for file in tar.entries()? {
            let file = file?;
            if file.path()?.as_os_str() == wanted.as_str() {
                return take(&mut *decompress(file, &self.compression)?);
            }
        }
        Err(io::Error::other(format!("{wanted} is not in the archive")))
    }
}
