//! What a backup says of itself, beside its file: enough to check it, restore it and put it back
//! into a catalogue that was lost.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::TableCount;
use super::run::Entry;

/// The version of this format.
pub const FORMAT: u32 = 1;

/// The sidecar `<file>.manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format.
    pub format: u32,
    /// What wrote it.
    pub flowkeep_version: String,
    /// The run.
    pub job_id: Uuid,
    /// What is backed up.
    pub backup_type: String,
    /// The file's name.
    pub filename: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Bytes on disk.
    pub stored_bytes: u64,
    /// Bytes of the uncompressed archive.
    pub archive_bytes: u64,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// `age` if the file is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// The database.
    pub database: String,
    /// The server's version.
    pub server_version: String,
    /// Its major version.
    pub server_major: u32,
    /// pg_dump's version.
    pub dump_version: String,
    /// n8n's version, if it is an n8n.
    pub n8n_version: Option<String>,
    /// The database it is of, as a hash: backups of one never push out those of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// Whether it is of the sample n8n.
    pub is_sample: bool,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// When the file was whole.
    pub completed_at: DateTime<Utc>,
    /// Every table and its rows, counted in the snapshot that was dumped.
    pub tables: Vec<TableCount>,
    /// The files in it, when it is a tar archive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// All rows.
    pub fn total_rows(&self) -> u64 {
        let rows = self.tables.iter().map(|table| table.row_count);
        rows.fold(0, u64::saturating_add)
    }
}
