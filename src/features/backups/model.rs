//! What a backup is.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::seal::Lock;

/// What is backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupType {
    /// n8n's own database.
    PostgresN8n,
    /// Flowkeep's own database.
    PostgresMgmt,
    /// Every database of n8n's server, and its roles.
    PostgresFull,
    /// n8n's configuration files and its encryption key.
    N8nConfig,
    /// Each workflow as JSON.
    Flows,
}

impl BackupType {
    /// The name in the database and the folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PostgresN8n => "postgres_n8n",
            Self::PostgresMgmt => "postgres_mgmt",
            Self::PostgresFull => "postgres_full",
            Self::N8nConfig => "n8n_config",
            Self::Flows => "flows",
        }
    }

    /// What its file names begin with.
    pub fn file_prefix(self) -> &'static str {
        match self {
            Self::PostgresN8n => "n8n",
            Self::PostgresMgmt => "flowkeep",
            Self::PostgresFull => "postgres",
            Self::N8nConfig => "n8n-config",
            Self::Flows => "n8n-flows",
        }
    }

    /// Every type.
    pub const ALL: [Self; 5] = [
        Self::PostgresN8n,
        Self::PostgresMgmt,
        Self::PostgresFull,
        Self::N8nConfig,
        Self::Flows,
    ];

    /// The type of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What set a run off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody in the browser or a program over the API.
    Manual,
    /// The command line.
    Cli,
    /// A schedule.
    Schedule,
    /// A restore, before it changes anything.
    Safety,
}

impl Trigger {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Cli => "cli",
            Self::Schedule => "schedule",
            Self::Safety => "safety",
        }
    }
}

/// A table of a backup and its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableCount {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its rows in the snapshot that was dumped.
    pub row_count: u64,
    /// What it takes in the uncompressed archive, in bytes.
    pub archive_bytes: u64,
}

/// A row of `backup_history`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Backup {
    /// Its number.
    pub id: i32,
    /// What is backed up.
    pub backup_type: String,
    /// The file's name.
    pub filename: String,
    /// Where the file is.
    pub filepath: String,
    /// `local` or another storage.
    pub storage_location: Option<String>,
    /// Bytes of the uncompressed archive.
    pub file_size: Option<i64>,
    /// Bytes on disk.
    pub compressed_size: Option<i64>,
    /// `none`, `gzip` or `zstd`.
    pub compression: Option<String>,
    /// SHA-256 of the file.
    pub checksum: Option<String>,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// How long it took, in ms.
    pub duration_ms: Option<i64>,
    /// `running`, `success` or `failed`.
    pub status: String,
    /// Why it failed, for programs.
    pub failure_code: Option<String>,
    /// Why it failed, for people.
    pub error_message: Option<String>,
    /// `pending`, `running`, `passed`, `failed` or `skipped`.
    pub verification_status: Option<String>,
    /// When it was last proven or found wanting.
    pub verification_date: Option<DateTime<Utc>>,
    /// When its file was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// By whom.
    pub deleted_by: Option<String>,
    /// The server's version.
    pub postgres_version: Option<String>,
    /// n8n's version.
    pub n8n_version: Option<String>,
    /// The database.
    pub database_name: Option<String>,
    /// How many tables.
    pub table_count: Option<i32>,
    /// How many rows in all.
    pub total_rows: Option<i64>,
    /// What set the run off.
    pub trigger: String,
    /// Whether it is of the sample n8n.
    pub is_sample: bool,
    /// The run's name in files and locks.
    pub job_id: Option<uuid::Uuid>,
    /// Rises when somebody else settles the run.
    pub epoch: i32,
    /// Whether somebody said that it stays.
    pub is_pinned: bool,
    /// The database it is of, as a hash.
    pub source_identity: Option<String>,
    /// `age` if its file is encrypted.
    pub encryption: Option<String>,
}

/// A backup's file and what must be in it, for whoever proves it.
#[derive(Clone, Debug)]
pub struct BackupFile {
    /// The backup.
    pub id: i32,
    /// What is backed up.
    pub backup_type: String,
    /// Where the file is.
    pub path: PathBuf,
    /// Bytes on disk.
    pub stored_bytes: u64,
    /// Bytes of the uncompressed archive.
    pub archive_bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// Major version of the server that it came from.
    pub server_major: u32,
    /// Every table and its rows.
    pub tables: Vec<TableCount>,
    /// How it is opened, if it is encrypted.
    pub lock: Option<Lock>,
}
