//! The head of a custom-format archive: its header and table of contents
//! (PostgreSQL's `pg_backup_archiver.c`, format versions 1.12 to 1.16 of PostgreSQL 9.0 to 18).

use serde::{Deserialize, Serialize};

use super::ArchiveError;

const MAGIC: &[u8] = b"PGDMP";
const FORMAT_CUSTOM: u8 = 1;
/// More entries than any real database has, far fewer than would exhaust memory.
const MAX_ENTRIES: i64 = 5_000_000;

/// What the archive says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Format version, as in 1.14.
    pub format_version: String,
    /// The database.
    pub database: String,
    /// The server's version.
    pub server_version: String,
    /// pg_dump's version.
    pub dump_version: String,
    #[serde(skip)]
    pub(super) int_bytes: usize,
}

/// One object of the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TocEntry {
    /// Its number, which its data block carries.
    pub dump_id: i64,
    /// Whether a data block of its own follows.
    pub has_data: bool,
    /// Its name.
    pub tag: String,
    /// Its kind, as in `TABLE DATA`.
    pub desc: String,
    /// Its schema.
    pub namespace: String,
    /// The COPY statement of a table's data.
    pub copy_statement: String,
}

impl TocEntry {
    /// Whether it is the rows of a table.
    pub fn is_table_data(&self) -> bool {
        self.desc == "TABLE DATA"
    }
}

/// Parsing failed for want of more bytes, or for good.
pub(super) enum Incomplete {
    More,
    Never(ArchiveError),
}

impl From<ArchiveError> for Incomplete {
    fn from(error: ArchiveError) -> Self {
        Self::Never(error)
    }
}

/// Reads the head. Returns it and how many bytes it took.
pub(super) fn parse(bytes: &[u8]) -> Result<(Header, Vec<TocEntry>, usize), Incomplete> {
    let mut cursor = Cursor {
        bytes,
        at: 0,
        int_bytes: 4,
    };
    if cursor.take(MAGIC.len().min(bytes.len()))? != &MAGIC[..MAGIC.len().min(bytes.len())] {
        return Err(ArchiveError::NotAnArchive.into());
    }
    if bytes.len() < MAGIC.len() {
        return Err(Incomplete::More);
    }
    let (major, minor, _revision) = (cursor.byte()?, cursor.byte()?, cursor.byte()?);
    let format_version = format!("{major}.{minor}");
    if major != 1 || !(12..=16).contains(&minor) {
        return Err(ArchiveError::UnknownVersion(format_version).into());
    }
    cursor.int_bytes = usize::from(cursor.byte()?);
    let offset_bytes = usize::from(cursor.byte()?);
    if !(1..=8).contains(&cursor.int_bytes) || !(1..=8).contains(&offset_bytes) {
        return Err(cursor.damaged("the size of its numbers").into());
    }
    if cursor.byte()? != FORMAT_CUSTOM {
        return Err(ArchiveError::NotAnArchive.into());
    }
    let compression = if minor >= 15 {
        i64::from(cursor.byte()?)
    } else {
        cursor.int()?
    };
    if compression != 0 {
        return Err(ArchiveError::CompressedInside.into());
    }
    for _ in 0..7 {
        cursor.int()?; // When it was made, as seven fields of struct tm.
    }
    let database = cursor.text()?;
    let server_version = cursor.text()?;
    let dump_version = cursor.text()?;
    let header = Header {
        format_version,
        database,
        server_version,
        dump_version,
        int_bytes: cursor.int_bytes,
    };
    let count = cursor.int()?;
    if !(0..=MAX_ENTRIES).contains(&count) {
        return Err(cursor.damaged("the number of its objects").into());
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(cursor.entry(minor, offset_bytes)?);
    }
    Ok((header, entries, cursor.at))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    int_bytes: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Incomplete> {
        let end = self.at.checked_add(count).ok_or(Incomplete::More)?;
        let taken = self.bytes.get(self.at..end).ok_or(Incomplete::More)?;
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Incomplete> {
        Ok(self.take(1)?[0])
    }

    /// A sign byte, then the magnitude, least significant byte first.
    fn int(&mut self) -> Result<i64, Incomplete> {
        let bytes = self.take(1 + self.int_bytes)?;
        decode_int(bytes).ok_or_else(|| self.damaged("a number").into())
    }

    fn optional_text(&mut self) -> Result<Option<String>, Incomplete> {
        let length = self.int()?;
        if length < 0 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| self.damaged("a length"))?;
        let bytes = self.take(length)?;
        Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
    }

    fn text(&mut self) -> Result<String, Incomplete> {
        Ok(self.optional_text()?.unwrap_or_default())
    }

    fn entry(&mut self, minor: u8, offset_bytes: usize) -> Result<TocEntry, Incomplete> {
        let dump_id = self.int()?;
        let has_data = self.int()? != 0;
        self.text()?; // table oid
        self.text()?; // oid
        let tag = self.text()?;
        let desc = self.text()?;
        self.int()?; // section
        self.text()?; // definition
        self.text()?; // drop statement
        let copy_statement = self.text()?;
        let namespace = self.text()?;
        self.text()?; // tablespace
        if minor >= 14 {
            self.text()?; // table access method
        }
        if minor >= 16 {
            self.int()?; // relkind
        }
        self.text()?; // owner
        self.text()?; // with oids
        while self.optional_text()?.is_some() {} // dependencies
        self.take(1 + offset_bytes)?; // state and position of the data: unknown in a pipe
        Ok(TocEntry {
            dump_id,
            has_data,
            tag,
            desc,
            namespace,
            copy_statement,
        })
    }

    fn damaged(&self, what: &str) -> ArchiveError {
        ArchiveError::Damaged {
            at: self.at as u64,
            what: format!("{what} makes no sense"),
        }
    }
}

/// Decodes what PostgreSQL's `WriteInt` wrote.
pub(super) fn decode_int(bytes: &[u8]) -> Option<i64> {
    let (sign, magnitude) = bytes.split_first()?;
    let mut value: u64 = 0;
    for byte in magnitude.iter().rev() {
        value = value.checked_mul(256)? | u64::from(*byte);
    }
    let value = i64::try_from(value).ok()?;
    match sign {
        0 => Some(value),
        1 => Some(-value),
        _ => None,
    }
}
