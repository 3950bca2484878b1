//! What can be wrong with an archive.

use std::io;

/// What can be wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is something else.
    #[error("this is no pg_dump archive in the custom format (pg_dump -Fc)")]
    NotAnArchive,
    /// It was made by something we do not know.
    #[error("the archive has format version {0}, which this Flowkeep does not read; update it")]
    UnknownVersion(String),
    /// It is compressed inside, so its rows cannot be read as they stream by.
    #[error("the archive is compressed inside; make it with pg_dump -Fc -Z0")]
    CompressedInside,
    /// It stops before its end.
    #[error("the archive ends early, at byte {at}: {missing} is missing")]
    Truncated {
        /// Where, in bytes of the uncompressed archive.
        at: u64,
        /// What should have come.
        missing: String,
    },
    /// Its bytes make no sense.
    #[error("the archive is damaged at byte {at}: {what}")]
    Damaged {
        /// Where, in bytes of the uncompressed archive.
        at: u64,
        /// What makes no sense.
        what: String,
    },
    /// The program that makes it could not be read from.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// It could not be stored.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// It was asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl ArchiveError {
    /// Whether the disk is full (or a quota is).
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Write(error) if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ))
    }
}
