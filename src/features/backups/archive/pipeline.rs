//! One pass from pg_dump's output to the stored file: scan, compress, hash, write.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::copy;
use super::frames::{FRAME_BYTES, FrameSink, store_frames};
use super::scanner::Scanned;
use super::{ArchiveError, Compression, FrameIndex, Header, Scanner};

const READ_BYTES: usize = 128 * 1024;

/// How to store an archive.
#[derive(Clone, Copy, Debug)]
pub struct PipelineOptions {
    /// How to compress.
    pub compression: Compression,
    /// Threads that compress.
    pub workers: usize,
}

/// How far it is, for others to watch; and the way to stop it.
#[derive(Debug, Default)]
pub struct Progress {
    archive_bytes: AtomicU64,
    stored_bytes: AtomicU64,
    rows: AtomicU64,
    tables_done: AtomicU64,
    tables_total: AtomicU64,
    current: Mutex<Option<String>>,
    is_cancelled: AtomicBool,
}

/// How far it is at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes of the archive so far.
    pub archive_bytes: u64,
    /// Bytes on disk so far.
    pub stored_bytes: u64,
    /// Rows so far.
    pub rows: u64,
    /// Tables that are through.
    pub tables_done: u64,
    /// Tables in all; 0 until known.
    pub tables_total: u64,
    /// The table whose rows are passing.
    pub current_table: Option<String>,
}

impl Progress {
    /// Asks it to stop.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// How far it is.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            archive_bytes: self.archive_bytes.load(Ordering::Relaxed),
            stored_bytes: self.stored_bytes.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            tables_done: self.tables_done.load(Ordering::Relaxed),
            tables_total: self.tables_total.load(Ordering::Relaxed),
            current_table: self.current.lock().clone(),
        }
    }
}

/// Where a table's rows are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableIndex {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its number in the archive.
    pub dump_id: i64,
    /// Where its block begins, in bytes of the uncompressed archive.
    pub offset_bytes: u64,
    /// How long the block is.
    pub length_bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The columns, in the order of the rows' fields.
    pub columns: Vec<String>,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveSummary {
    /// What the archive says of itself.
    pub header: Header,
    /// SHA-256 of the stored bytes, in hexadecimal.
    pub sha256: String,
    /// Bytes of the uncompressed archive.
    pub archive_bytes: u64,
    /// Bytes on disk.
    pub stored_bytes: u64,
    /// How it is compressed.
    pub compression: Compression,
    /// Where the frames are.
    pub frames: FrameIndex,
    /// Where the tables' rows are.
    pub tables: Vec<TableIndex>,
}

/// Stores the archive that `input` brings. The caller makes the file durable.
pub fn store_archive(
    mut input: impl Read,
    output: &mut (impl Write + Send),
    options: PipelineOptions,
    progress: &Arc<Progress>,
) -> Result<ArchiveSummary, ArchiveError> {
    let PipelineOptions {
        compression,
        workers,
    } = options;
    let note = |bytes| progress.stored_bytes.store(bytes, Ordering::Relaxed);
    let ((scanned, archive_bytes), stored) =
        store_frames(compression, workers, output, note, |sink| {
            produce(&mut input, sink, progress)
        })?;
    Ok(ArchiveSummary {
        tables: tables(&scanned),
        header: scanned.header,
        sha256: stored.sha256,
        archive_bytes,
        stored_bytes: stored.total_bytes,
        compression,
        frames: stored.frames,
    })
}

fn produce(
    input: &mut impl Read,
    mut sink: FrameSink,
    progress: &Progress,
) -> Result<(Scanned, u64), ArchiveError> {
    let mut scanner = Scanner::default();
    let mut total: u64 = 0;
    let mut rows_of_done_tables: u64 = 0;
    let mut last = (0, 0);
    while let Some(mut frame) = sink.buffer() {
        while frame.len() < FRAME_BYTES {
            if progress.is_cancelled.load(Ordering::Relaxed) {
                return Err(ArchiveError::Cancelled);
            }
            let start = frame.len();
            let room = (FRAME_BYTES - start).min(READ_BYTES) as u64;
            let piece = input.by_ref().take(room).read_to_end(&mut frame);
            let read = piece.map_err(ArchiveError::Read)?;
            if read == 0 {
                break;
            }
            scanner.push(&frame[start..])?;
            total += read as u64;
        }
        progress.archive_bytes.store(total, Ordering::Relaxed);
        report(&scanner, progress, &mut rows_of_done_tables, &mut last);
        let is_last = frame.len() < FRAME_BYTES;
        if !frame.is_empty() && !sink.submit(frame) {
            break;
        }
        if is_last {
            break;
        }
    }
    Ok((scanner.finish()?, total))
}

fn report(scanner: &Scanner, progress: &Progress, done_rows: &mut u64, last: &mut (i64, u64)) {
    progress
        .tables_done
        .store(scanner.blocks_done() as u64, Ordering::Relaxed);
    progress
        .tables_total
        .store(scanner.blocks_total() as u64, Ordering::Relaxed);
    let Some((entry, rows)) = scanner.current_table() else {
        return;
    };
    if last.0 != entry.dump_id {
        *done_rows += last.1;
        *progress.current.lock() = Some(format!("{}.{}", entry.namespace, entry.tag));
    }
    *last = (entry.dump_id, rows);
    progress.rows.store(*done_rows + rows, Ordering::Relaxed);
}

fn tables(scanned: &Scanned) -> Vec<TableIndex> {
    let mut tables = Vec::new();
    for block in &scanned.blocks {
        let Some(entry) = scanned.entries.get(&block.dump_id) else {
            continue;
        };
        if entry.is_table_data() {
            tables.push(TableIndex {
                schema: entry.namespace.clone(),
                name: entry.tag.clone(),
                dump_id: block.dump_id,
                offset_bytes: block.offset_bytes,
                length_bytes: block.length_bytes,
                rows: block.rows,
                columns: copy::statement(&entry.copy_statement).2,
            });
        }
    }
    tables
}
