//! pg_dump's custom-format archive as it streams by: scanned, compressed in independent frames,
//! hashed and stored in one pass, with an index of where each table's rows are.
//!
//! Plain blocking code on threads of its own: no database, no web, no async.

mod copy;
mod error;
mod frames;
mod pipeline;
mod reader;
mod scanner;
mod toc;

pub use copy::{Fields, SqlLine, fields, read_sql};
pub use error::ArchiveError;
pub use frames::{Compression, FrameIndex};
pub use pipeline::{
    ArchiveSummary, PipelineOptions, Progress, Snapshot, TableIndex, store_archive,
};
pub use reader::{ArchiveReader, decompress};
pub use scanner::Scanner;
pub use toc::{Header, TocEntry};
