//! Follows an archive as it streams by, in pieces of any size, and notes where each table's rows
//! are and how many. Holds the table of contents and nothing else.

use std::collections::BTreeMap;

use super::ArchiveError;
use super::toc::{self, Header, Incomplete, TocEntry, decode_int};

/// The largest table of contents that is read, in bytes.
const MAX_TOC_BYTES: usize = 256 * 1024 * 1024;
const FIRST_ATTEMPT_BYTES: usize = 16 * 1024;
const BLOCK_DATA: u8 = 1;
const BLOCK_LARGE_OBJECTS: u8 = 3;
/// What pg_dump writes behind a table's last row.
const COPY_END: &[u8] = b"\\.\n\n\n";

/// The data of one object, found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Whose data.
    pub dump_id: i64,
    /// Where the block begins, in bytes of the uncompressed archive.
    pub offset_bytes: u64,
    /// How long the whole block is.
    pub length_bytes: u64,
    /// The rows of a table.
    pub rows: u64,
}

#[derive(Debug)]
enum State {
    Head {
        buffer: Vec<u8>,
        next_attempt: usize,
    },
    BlockType,
    BlockId,
    LargeObjectId,
    ChunkLength,
    Chunk {
        left: u64,
    },
}

/// Follows an archive.
#[derive(Debug)]
pub struct Scanner {
    state: State,
    header: Header,
    entries: BTreeMap<i64, TocEntry>,
    blocks: Vec<Block>,
    at: u64,
    number: Vec<u8>,
    block: Option<Block>,
    is_large_objects: bool,
    newlines: u64,
    tail: Vec<u8>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Head {
                buffer: Vec::new(),
                next_attempt: FIRST_ATTEMPT_BYTES,
            },
            header: Header::default(),
            entries: BTreeMap::new(),
            blocks: Vec::new(),
            at: 0,
            number: Vec::with_capacity(9),
            block: None,
            is_large_objects: false,
            newlines: 0,
            tail: Vec::with_capacity(2 * COPY_END.len()),
        }
    }
}

impl Scanner {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), ArchiveError> {
        if let State::Head {
            buffer,
            next_attempt,
        } = &mut self.state
        {
            buffer.extend_from_slice(piece);
            if buffer.len() < *next_attempt {
                return Ok(());
            }
            // Growing by half each time keeps the repeated attempts linear in all.
            *next_attempt = buffer.len() + buffer.len() / 2;
            let buffer = std::mem::take(buffer);
            return self.try_head(buffer);
        }
        self.follow(piece)
    }

    fn try_head(&mut self, buffer: Vec<u8>) -> Result<(), ArchiveError> {
        match toc::parse(&buffer) {
            Ok((header, entries, length)) => {
                self.header = header;
                self.entries = entries
                    .into_iter()
                    .map(|entry| (entry.dump_id, entry))
                    .collect();
                self.at = length as u64;
                self.state = State::BlockType;
                self.follow(&buffer[length..])
            }
            Err(Incomplete::More) if buffer.len() > MAX_TOC_BYTES => Err(ArchiveError::Damaged {
                at: buffer.len() as u64,
                what: "its table of contents does not end".to_owned(),
            }),
            Err(Incomplete::More) => {
                let next_attempt = buffer.len() + buffer.len() / 2;
                self.state = State::Head {
                    buffer,
                    next_attempt,
                };
                Ok(())
            }
            Err(Incomplete::Never(error)) => Err(error),
        }
    }

    fn follow(&mut self, mut piece: &[u8]) -> Result<(), ArchiveError> {
        while !piece.is_empty() {
            match self.state {
                State::Head { .. } => return Ok(()),
                State::BlockType => {
                    let kind = piece[0];
                    if kind != BLOCK_DATA && kind != BLOCK_LARGE_OBJECTS {
                        return Err(self.damaged(format!("a block of unknown kind {kind}")));
                    }
                    self.block = Some(Block {
                        dump_id: 0,
                        offset_bytes: self.at,
                        length_bytes: 0,
                        rows: 0,
                    });
                    self.is_large_objects = kind == BLOCK_LARGE_OBJECTS;
                    self.state = State::BlockId;
                    self.at += 1;
                    piece = &piece[1..];
                }
                State::Chunk { left } => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                    let (data, rest) = piece.split_at(length);
                    self.count(data);
                    self.at += length as u64;
                    piece = rest;
                    let left = left - length as u64;
                    self.state = if left == 0 {
                        State::ChunkLength
                    } else {
                        State::Chunk { left }
                    };
                }
                State::BlockId | State::LargeObjectId | State::ChunkLength => {
                    let Some(number) = self.number(&mut piece)? else {
                        return Ok(());
                    };
                    self.take_number(number)?;
                }
            }
        }
        Ok(())
    }

    /// Collects the bytes of a number over as many pieces as they come in.
    fn number(&mut self, piece: &mut &[u8]) -> Result<Option<i64>, ArchiveError> {
        let wanted = 1 + self.header.int_bytes;
        let length = (wanted - self.number.len()).min(piece.len());
        let (bytes, rest) = piece.split_at(length);
        self.number.extend_from_slice(bytes);
        self.at += length as u64;
        *piece = rest;
        if self.number.len() < wanted {
            return Ok(None);
        }
        let value = decode_int(&self.number)
            .ok_or_else(|| self.damaged("a number that makes no sense".to_owned()))?;
        self.number.clear();
        Ok(Some(value))
    }

    fn take_number(&mut self, number: i64) -> Result<(), ArchiveError> {
        match self.state {
            State::BlockId => {
                if !self.entries.contains_key(&number) {
                    return Err(self.damaged(format!("data of the unknown object {number}")));
                }
                if let Some(block) = &mut self.block {
                    block.dump_id = number;
                }
                self.newlines = 0;
                self.tail.clear();
                self.state = if self.is_large_objects {
                    State::LargeObjectId
                } else {
                    State::ChunkLength
                };
            }
            State::LargeObjectId if number == 0 => self.end_block(),
            State::LargeObjectId => self.state = State::ChunkLength,
            _ => match u64::try_from(number) {
                Ok(0) if self.is_large_objects => self.state = State::LargeObjectId,
                Ok(0) => self.end_block(),
                Ok(left) => self.state = State::Chunk { left },
                Err(_) => return Err(self.damaged("a length below zero".to_owned())),
            },
        }
        Ok(())
    }

    fn count(&mut self, data: &[u8]) {
        if self.is_large_objects {
            return;
        }
        // COPY's text form writes a line break inside a value as \n, so each real one ends a row.
        self.newlines += memchr::memchr_iter(b'\n', data).count() as u64;
        let keep = data.len().min(COPY_END.len());
        self.tail.extend_from_slice(&data[data.len() - keep..]);
        if self.tail.len() > COPY_END.len() {
            let excess = self.tail.len() - COPY_END.len();
            self.tail.drain(..excess);
        }
    }

    fn end_block(&mut self) {
        if let Some(mut block) = self.block.take() {
            let ending = if self.tail == COPY_END { 3 } else { 0 };
            block.rows = self.newlines.saturating_sub(ending);
            block.length_bytes = self.at - block.offset_bytes;
            self.blocks.push(block);
        }
        self.state = State::BlockType;
    }

    fn damaged(&self, what: String) -> ArchiveError {
        ArchiveError::Damaged { at: self.at, what }
    }

    /// The table whose rows are passing, and how many have.
    pub fn current_table(&self) -> Option<(&TocEntry, u64)> {
        let block = self.block.as_ref()?;
        Some((self.entries.get(&block.dump_id)?, self.newlines))
    }

    /// How many blocks have passed.
    pub fn blocks_done(&self) -> usize {
        self.blocks.len()
    }

    /// How many objects have data; 0 until the table of contents has passed.
    pub fn blocks_total(&self) -> usize {
        self.entries.values().filter(|entry| entry.has_data).count()
    }

    /// The stream is over. Fails unless the archive is whole: it must end between blocks, and
    /// everything that has data must have brought it.
    pub fn finish(mut self) -> Result<Scanned, ArchiveError> {
        if let State::Head { buffer, .. } = &mut self.state {
            let buffer = std::mem::take(buffer);
            let length = buffer.len() as u64;
            self.try_head(buffer)?;
            if matches!(self.state, State::Head { .. }) {
                let missing = "the rest of its table of contents".to_owned();
                return Err(ArchiveError::Truncated {
                    at: length,
                    missing,
                });
            }
        }
        let name = |entry: &TocEntry| format!("{} {}", entry.desc.to_lowercase(), entry.tag);
        if !matches!(self.state, State::BlockType) || !self.number.is_empty() {
            let missing = self.current_table().map_or_else(
                || "the rest of a block".to_owned(),
                |(entry, _)| format!("the rest of {}", name(entry)),
            );
            return Err(ArchiveError::Truncated {
                at: self.at,
                missing,
            });
        }
        let seen: std::collections::BTreeSet<_> =
            self.blocks.iter().map(|block| block.dump_id).collect();
        let absent = self
            .entries
            .values()
            .find(|e| e.has_data && !seen.contains(&e.dump_id));
        if let Some(entry) = absent {
            return Err(ArchiveError::Truncated {
                at: self.at,
                missing: name(entry),
            });
        }
        Ok(Scanned {
            header: self.header,
            entries: self.entries,
            blocks: self.blocks,
        })
    }
}

/// A whole archive's contents and where they are.
#[derive(Debug)]
pub struct Scanned {
    /// What the archive says of itself.
    pub header: Header,
    /// Its objects by number.
    pub entries: BTreeMap<i64, TocEntry>,
    /// Their data, in the order of the stream.
    pub blocks: Vec<Block>,
}
