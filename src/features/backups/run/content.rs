//! What a run brought, before it is published; and tar archives that are hashed as they are written.

use std::fs::File;
use std::io::{self, Write};

use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sink::Sink;
use crate::features::backups::archive::Compression;
use crate::features::backups::files::PartialFile;
use crate::features::backups::model::TableCount;

/// What a run brought.
pub struct Content {
    pub partial: PartialFile,
    pub sha256: String,
    pub stored_bytes: u64,
    /// Before compression.
    pub archive_bytes: u64,
    /// How the file as a whole is compressed.
    pub compression: &'static str,
    pub server_version: String,
    pub server_major: u32,
    pub dump_version: String,
    pub n8n_version: Option<String>,
    pub tables: Vec<TableCount>,
    pub entries: Vec<Entry>,
    /// The sidecar that finds one part without reading all.
    pub index: serde_json::Value,
}

/// One file in a tar archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the archive.
    pub name: String,
    /// Its bytes in the archive.
    pub bytes: u64,
    /// SHA-256 of those.
    pub sha256: String,
    /// The database that it is a dump of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Bytes of that dump before compression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_bytes: Option<u64>,
    /// How that dump is compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// That database's tables and their rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableCount>,
}

enum Packer {
    Plain(Sink),
    Gzip(GzEncoder<Sink>),
    Zstd(zstd::Encoder<'static, Sink>),
}

impl Write for Packer {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.write(buffer),
            Self::Gzip(inner) => inner.write(buffer),
            Self::Zstd(inner) => inner.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A tar archive on its way to a file.
pub struct TarFile {
    tar: tar::Builder<Packer>,
    entries: Vec<Entry>,
    plain_bytes: u64,
    modified_at: u64,
}

/// A tar archive, durable.
pub struct PackedTar {
    pub sha256: String,
    pub stored_bytes: u64,
    pub plain_bytes: u64,
    pub entries: Vec<Entry>,
}

impl TarFile {
    /// Begins an archive. `modified_at` (seconds since 1970) goes into every entry
    /// that brings no time of its own.
    pub fn begin(file: Sink, compression: Compression, modified_at: u64) -> io::Result<Self> {
        let packer = match compression {
            Compression::None => Packer::Plain(file),
            Compression::Gzip { level } => {
                Packer::Gzip(GzEncoder::new(file, flate2::Compression::new(level)))
            }
            Compression::Zstd { level } => Packer::Zstd(zstd::Encoder::new(file, level)?),
        };
        let mut tar = tar::Builder::new(packer);
        tar.follow_symlinks(false);
        Ok(Self {
            tar,
            entries: Vec::new(),
            plain_bytes: 0,
            modified_at,
        })
    }

    fn header(&self, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(self.modified_at);
        header
    }

    /// Adds a file from memory.
    pub fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut header = self.header(content.len() as u64);
        self.tar.append_data(&mut header, name, content)?;
        self.note(
            name,
            content.len() as u64,
            hex::encode(Sha256::digest(content)),
        );
        Ok(())
    }

    /// Adds a file whose hash is known, with what is said of it.
    pub fn add_file(&mut self, file: File, entry: Entry) -> io::Result<()> {
        let mut header = self.header(entry.bytes);
        self.tar.append_data(&mut header, &entry.name, file)?;
        self.plain_bytes += entry.bytes;
        self.entries.push(entry);
        Ok(())
    }

    /// Adds a file with mode, owner and time of its own.
    pub fn add_with(
        &mut self,
        name: &str,
        metadata: &std::fs::Metadata,
        content: &[u8],
    ) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_metadata(metadata);
        header.set_size(content.len() as u64);
        self.tar.append_data(&mut header, name, content)?;
        self.note(
            name,
            content.len() as u64,
            hex::encode(Sha256::digest(content)),
        );
        Ok(())
    }

    /// Adds what comes out of another archive, under another name, with mode, owner and time of its own.
    pub fn add_copy(
        &mut self,
        name: &str,
        original: &tar::Header,
        link: Option<&std::path::Path>,
        content: &[u8],
    ) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(original.mode()?);
        header.set_uid(original.uid()?);
        header.set_gid(original.gid()?);
        header.set_mtime(original.mtime()?);
        header.set_entry_type(original.entry_type());
        header.set_size(content.len() as u64);
        if let Some(target) = link {
            return self.tar.append_link(&mut header, name, target);
        }
        self.tar.append_data(&mut header, name, content)?;
        if original.entry_type().is_file() {
            let sha256 = hex::encode(Sha256::digest(content));
            self.note(name, content.len() as u64, sha256);
        }
        Ok(())
    }

    /// Adds a folder or a symbolic link.
    pub fn add_special(
        &mut self,
        name: &str,
        metadata: &std::fs::Metadata,
        link: Option<&std::path::Path>,
    ) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_metadata(metadata);
        header.set_size(0);
        if let Some(target) = link {
            header.set_entry_type(tar::EntryType::Symlink);
            self.tar.append_link(&mut header, name, target)
        } else {
            header.set_entry_type(tar::EntryType::Directory);
            self.tar.append_data(&mut header, name, io::empty())
        }
    }

    fn note(&mut self, name: &str, bytes: u64, sha256: String) {
        self.plain_bytes += bytes;
        self.entries.push(Entry {
            name: name.to_owned(),
            bytes,
            sha256,
            database: None,
            archive_bytes: None,
            compression: None,
            tables: Vec::new(),
        });
    }

    /// What was added so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Ends the archive and makes it durable.
    pub fn finish(self) -> io::Result<PackedTar> {
        let sink = match self.tar.into_inner()? {
            Packer::Plain(inner) => inner,
            Packer::Gzip(inner) => inner.finish()?,
            Packer::Zstd(inner) => inner.finish()?,
        };
        let written = sink.finish()?;
        Ok(PackedTar {
            sha256: written.sha256,
            stored_bytes: written.bytes,
            plain_bytes: self.plain_bytes,
            entries: self.entries,
        })
    }
}
