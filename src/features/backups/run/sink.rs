//! Where a run's bytes go: hashed as they are stored, encrypted before if backups are.

use std::fs::File;
use std::io::{self, Write};

use age::stream::StreamWriter;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::features::backups::seal::Sealer;

/// Hashes and counts what is written.
pub struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What was stored.
pub struct Written {
    pub sha256: String,
    pub bytes: u64,
}

/// A file that is being written.
pub enum Sink {
    Plain(Hashing<File>),
    Sealed(Box<StreamWriter<Hashing<File>>>),
}

impl Sink {
    /// Writes to an empty file, for one run.
    pub fn new(file: File, seal: Option<&Sealer>, job_id: Uuid) -> io::Result<Self> {
        let hashing = Hashing {
            inner: file,
            hasher: Sha256::new(),
            bytes: 0,
        };
        Ok(match seal {
            Some(sealer) => Self::Sealed(Box::new(sealer.seal(job_id, hashing)?)),
            None => Self::Plain(hashing),
        })
    }

    /// Ends the file and makes it durable. A failed fsync is final: the kernel may have dropped the pages,
    /// and the file is thrown away.
    pub fn finish(self) -> io::Result<Written> {
        let hashing = match self {
            Self::Plain(hashing) => hashing,
            Self::Sealed(writer) => writer.finish()?,
        };
        hashing.inner.sync_all()?;
        Ok(Written {
            sha256: hex::encode(hashing.hasher.finalize()),
            bytes: hashing.bytes,
        })
    }
}

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.write(buffer),
            Self::Sealed(inner) => inner.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(inner) => inner.flush(),
            Self::Sealed(inner) => inner.flush(),
        }
    }
}
