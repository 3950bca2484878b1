//! Compresses a stream in independent frames on several threads, in order, hashing what is stored.
//!
//! Each frame is a whole zstd frame or gzip member: `zstd -d` and `gzip -d` read them one after
//! another as one file, and we can read one without those before it. zstd files end in the seek
//! table of the Zstandard Seekable Format, in a skippable frame that decoders pass over.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::ArchiveError;

/// Bytes of the archive in one frame: as large as zstd's window at its default level, so that
/// cutting costs little, and small enough that a few at once fit in 32 MB.
pub const FRAME_BYTES: usize = 2 * 1024 * 1024;
const SEEK_TABLE_MAGIC: u32 = 0x184D_2A5E;
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;

/// How the archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, level 1 to 9.
    Gzip {
        /// Higher is smaller and slower.
        level: u32,
    },
    /// zstd, level 1 to 19.
    Zstd {
        /// Higher is smaller and slower.
        level: i32,
    },
}

impl Compression {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip { .. } => "gzip",
            Self::Zstd { .. } => "zstd",
        }
    }

    /// What a file name ends in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip { .. } => ".gz",
            Self::Zstd { .. } => ".zst",
        }
    }
}

/// Where the frames are, so that any byte of the archive can be reached without those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameIndex {
    /// Bytes of the archive in each frame but the last.
    pub frame_bytes: u64,
    /// Stored bytes of each frame.
    pub stored_bytes: Vec<u32>,
}

/// What was stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub sha256: String,
    pub total_bytes: u64,
    pub frames: FrameIndex,
}

struct Frame {
    number: u64,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

/// Where the producer puts its frames.
pub(super) struct FrameSink {
    empty: Receiver<Vec<u8>>,
    full: SyncSender<Frame>,
    next_number: u64,
}

impl FrameSink {
    /// An empty buffer of [`FRAME_BYTES`] capacity; waits while enough frames are under way. `None`
    /// when the other end has given up.
    pub fn buffer(&self) -> Option<Vec<u8>> {
        self.empty.recv().ok()
    }

    /// Hands a filled buffer over. Returns false when the other end has given up.
    pub fn submit(&mut self, plain: Vec<u8>) -> bool {
        let frame = Frame {
            number: self.next_number,
            plain,
            packed: Vec::new(),
        };
        self.next_number += 1;
        self.full.send(frame).is_ok()
    }
}

/// Runs `produce` on this thread and stores what it puts into the sink. `stored` is told the bytes
/// written so far.
pub(super) fn store_frames<T>(
    compression: Compression,
    workers: usize,
    output: &mut (impl Write + Send),
    stored: impl Fn(u64) + Send,
    produce: impl FnOnce(FrameSink) -> Result<T, ArchiveError>,
) -> Result<(T, Stored), ArchiveError> {
    let workers = workers.max(1);
    let buffers = workers + 2;
    let (give_empty, empty) = sync_channel(buffers);
    for _ in 0..buffers {
        let _ = give_empty.send(Vec::with_capacity(FRAME_BYTES));
    }
    let (full, work) = sync_channel::<Frame>(buffers);
    let (packed, done) = sync_channel::<Result<Frame, io::Error>>(buffers);
    let work = Mutex::new(work);
    std::thread::scope(|scope| {
        let work = &work;
        for _ in 0..workers {
            let packed = packed.clone();
            scope.spawn(move || pack(compression, work, &packed));
        }
        drop(packed);
        let writer = scope.spawn(move || write(compression, output, &done, &give_empty, stored));
        let produced = produce(FrameSink {
            empty,
            full,
            next_number: 0,
        });
        let written = writer.join().unwrap_or_else(|_| {
            Err(ArchiveError::Write(io::Error::other(
                "the writing thread panicked",
            )))
        });
        // When writing failed, the producer only saw that nobody takes its frames any more.
        let written = written?;
        Ok((produced?, written))
    })
}

fn pack(
    compression: Compression,
    work: &Mutex<Receiver<Frame>>,
    packed: &SyncSender<Result<Frame, io::Error>>,
) {
    let mut packer = match Packer::new(compression) {
        Ok(packer) => packer,
        Err(error) => {
            let _ = packed.send(Err(error));
            return;
        }
    };
    loop {
        let next = work.lock().map(|work| work.recv());
        let Ok(Ok(mut frame)) = next else { return };
        let outcome = packer.pack(&frame.plain).map(|bytes| {
            frame.packed = bytes;
            frame
        });
        if packed.send(outcome).is_err() {
            return;
        }
    }
}

enum Packer {
    None,
    Gzip(flate2::Compression),
    Zstd(Box<Compressor<'static>>),
}

impl Packer {
    fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None,
            Compression::Gzip { level } => Self::Gzip(flate2::Compression::new(level.min(9))),
            Compression::Zstd { level } => {
                let mut compressor = Compressor::new(level)?;
                compressor.set_parameter(CParameter::ChecksumFlag(true))?;
                Self::Zstd(Box::new(compressor))
            }
        })
    }

    fn pack(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Gzip(level) => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), *level);
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Zstd(compressor) => compressor.compress(plain),
        }
    }
}

fn write(
    compression: Compression,
    output: &mut impl Write,
    done: &Receiver<Result<Frame, io::Error>>,
    give_empty: &SyncSender<Vec<u8>>,
    stored: impl Fn(u64),
) -> Result<Stored, ArchiveError> {
    let mut hasher = Sha256::new();
    let mut total: u64 = 0;
    let mut frames = FrameIndex {
        frame_bytes: FRAME_BYTES as u64,
        stored_bytes: Vec::new(),
    };
    let mut plain_sizes: Vec<u32> = Vec::new();
    let mut waiting = BTreeMap::new();
    let mut put = |bytes: &[u8], hasher: &mut Sha256| -> Result<u64, ArchiveError> {
        output.write_all(bytes).map_err(ArchiveError::Write)?;
        hasher.update(bytes);
        total += bytes.len() as u64;
        Ok(total)
    };
    for outcome in done {
        let frame = outcome.map_err(ArchiveError::Write)?;
        waiting.insert(frame.number, frame);
        while let Some(mut frame) = waiting.remove(&(frames.stored_bytes.len() as u64)) {
            let bytes = if compression == Compression::None {
                &frame.plain
            } else {
                &frame.packed
            };
            stored(put(bytes, &mut hasher)?);
            frames.stored_bytes.push(size(bytes)?);
            plain_sizes.push(size(&frame.plain)?);
            frame.plain.clear();
            // Nobody waits for it any more when the producer is through.
            let _ = give_empty.try_send(frame.plain);
        }
    }
    if matches!(compression, Compression::Zstd { .. }) {
        put(
            &seek_table(&frames.stored_bytes, &plain_sizes)?,
            &mut hasher,
        )?;
    }
    let sha256 = hex::encode(hasher.finalize());
    Ok(Stored {
        sha256,
        total_bytes: total,
        frames,
    })
}

fn size(bytes: &[u8]) -> Result<u32, ArchiveError> {
    u32::try_from(bytes.len()).map_err(|error| ArchiveError::Write(io::Error::other(error)))
}

/// Zstandard Seekable Format 0.1.0: per frame its two sizes, then count, flags and magic.
fn seek_table(stored: &[u32], plain: &[u32]) -> Result<Vec<u8>, ArchiveError> {
    let mut body = Vec::with_capacity(stored.len() * 8 + 9);
    for (stored, plain) in stored.iter().zip(plain) {
        body.extend_from_slice(&stored.to_le_bytes());
        body.extend_from_slice(&plain.to_le_bytes());
    }
    let count = u32::try_from(stored.len());
    let count = count.map_err(|error| ArchiveError::Write(io::Error::other(error)))?;
    body.extend_from_slice(&count.to_le_bytes());
    body.push(0);
    body.extend_from_slice(&SEEKABLE_MAGIC.to_le_bytes());
    let mut table = SEEK_TABLE_MAGIC.to_le_bytes().to_vec();
    table.extend_from_slice(&size(&body)?.to_le_bytes());
    table.extend_from_slice(&body);
    Ok(table)
}
