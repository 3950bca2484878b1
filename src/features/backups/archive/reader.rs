//! Reads a stored archive: the whole of it for a restore, or one table's rows by the index,
//! without a server and without the frames that hold none of them.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::copy::{Fields, fields, read_line};
use super::frames::{Compression, FrameIndex};
use super::toc::decode_int;
use super::{ArchiveError, TableIndex};

const BUFFER_BYTES: usize = 128 * 1024;
/// Numbers are 4 bytes and a sign in every archive since PostgreSQL 9.
const INT_BYTES: usize = 5;
/// Frames that we read were made by us; anything larger is hostile.
const MAX_FRAME_BYTES: u64 = 64 * 1024 * 1024;

/// The uncompressed archive of a stored file, from its beginning.
pub fn decompress<'a>(stored: impl Read + 'a, compression: &str) -> io::Result<Box<dyn Read + 'a>> {
    let stored = BufReader::with_capacity(BUFFER_BYTES, stored);
    Ok(match compression {
        "zstd" => Box::new(zstd::stream::read::Decoder::with_buffer(stored)?),
        "gzip" => Box::new(flate2::bufread::MultiGzDecoder::new(stored)),
        "none" => Box::new(stored),
        other => return Err(io::Error::other(format!("unknown compression {other}"))),
    })
}

/// Reads tables of a stored archive by its index.
#[derive(Debug)]
pub struct ArchiveReader<F> {
    file: F,
    compression: Compression,
    /// Where each frame begins in the file; one more for the end of the last.
    starts: Vec<u64>,
    frame_bytes: u64,
    frame: Option<(usize, Vec<u8>)>,
}

impl<F: Read + Seek> ArchiveReader<F> {
    /// Reads `file` by the index that was written with it.
    pub fn new(file: F, compression: Compression, index: &FrameIndex) -> Self {
        let mut starts = vec![0];
        let mut at = 0_u64;
        for size in &index.stored_bytes {
            at += u64::from(*size);
            starts.push(at);
        }
        Self {
            file,
            compression,
            starts,
            frame_bytes: index.frame_bytes.max(1),
            frame: None,
        }
    }

    /// Calls `row` with each row of a table.
    pub fn rows(
        &mut self,
        table: &TableIndex,
        mut row: impl FnMut(Fields),
    ) -> Result<(), ArchiveError> {
        let damaged = |what: &str| ArchiveError::Damaged {
            at: table.offset_bytes,
            what: format!("{} of {}.{}", what, table.schema, table.name),
        };
        let mut payload = BufReader::with_capacity(BUFFER_BYTES, Payload::open(self, table)?);
        let mut line = Vec::new();
        let mut count = 0;
        loop {
            let is_there = read_line(&mut payload, &mut line).map_err(ArchiveError::Read)?;
            if !is_there || line == b"\\." {
                break;
            }
            row(fields(&line).ok_or_else(|| damaged("a row"))?);
            count += 1;
        }
        if count == table.rows {
            Ok(())
        } else {
            Err(damaged("the number of rows"))
        }
    }

    /// Copies bytes of the uncompressed archive from `at` on. Returns how many; 0 at the end.
    fn read_at(&mut self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let number = usize::try_from(at / self.frame_bytes).unwrap_or(usize::MAX);
        let within = usize::try_from(at % self.frame_bytes).unwrap_or(usize::MAX);
        if self
            .frame
            .as_ref()
            .is_none_or(|(loaded, _)| *loaded != number)
        {
            let Some([start, end]) = self.starts.get(number..).and_then(|s| s.first_chunk()) else {
                return Ok(0);
            };
            let (start, length) = (*start, end - start);
            self.frame = Some((number, self.load(start, length)?));
        }
        let Some((_, frame)) = &self.frame else {
            return Ok(0);
        };
        let bytes = frame.get(within..).unwrap_or_default();
        let length = bytes.len().min(out.len());
        out[..length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn load(&mut self, start: u64, length: u64) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(start))?;
        let stored = self.file.by_ref().take(length);
        let mut plain = Vec::new();
        match self.compression {
            Compression::None => stored.take(MAX_FRAME_BYTES).read_to_end(&mut plain)?,
            Compression::Gzip { .. } => flate2::read::GzDecoder::new(stored)
                .take(MAX_FRAME_BYTES)
                .read_to_end(&mut plain)?,
            Compression::Zstd { .. } => zstd::stream::read::Decoder::new(stored)?
                .take(MAX_FRAME_BYTES)
                .read_to_end(&mut plain)?,
        };
        Ok(plain)
    }
}

/// The COPY text of one block: its chunks without their lengths.
struct Payload<'a, F> {
    archive: &'a mut ArchiveReader<F>,
    at: u64,
    end: u64,
    left_in_chunk: u64,
}

impl<'a, F: Read + Seek> Payload<'a, F> {
    fn open(archive: &'a mut ArchiveReader<F>, table: &TableIndex) -> Result<Self, ArchiveError> {
        let mut payload = Self {
            archive,
            at: table.offset_bytes.saturating_add(1),
            end: table.offset_bytes.saturating_add(table.length_bytes),
            left_in_chunk: 0,
        };
        let id = payload.int().map_err(ArchiveError::Read)?;
        if id == table.dump_id {
            return Ok(payload);
        }
        let what = format!("the index expects object {} here, not {id}", table.dump_id);
        Err(ArchiveError::Damaged {
            at: table.offset_bytes,
            what,
        })
    }

    fn int(&mut self) -> io::Result<i64> {
        let mut bytes = [0; INT_BYTES];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.archive.read_at(self.at, &mut bytes[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => {
                    filled += read;
                    self.at += read as u64;
                }
            }
        }
        decode_int(&bytes).ok_or_else(|| io::Error::other("a number makes no sense"))
    }
}

impl<F: Read + Seek> Read for Payload<'_, F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left_in_chunk == 0 {
            if self.at >= self.end {
                return Ok(0);
            }
            self.left_in_chunk = u64::try_from(self.int()?).map_err(io::Error::other)?;
            if self.left_in_chunk == 0 {
                self.at = self.end;
                return Ok(0);
            }
        }
        let wanted = usize::try_from(self.left_in_chunk)
            .unwrap_or(usize::MAX)
            .min(out.len());
        let read = self.archive.read_at(self.at, &mut out[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left_in_chunk -= read as u64;
        Ok(read)
    }
}
