//! The backups that were made: listed, looked at, handed out, deleted.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value, json};

use super::error::BackupError;
use super::files::BackupFiles;
use super::growth;
use super::model::{Backup, BackupFile, BackupType, TableCount};
use super::run::Entry as PackedEntry;
use super::seal::Lock;
use super::service::BackupService;
use super::store::{self, Filter};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::platform::events::{self, Severity, Work};

/// How things stand, for the first page.
pub struct Overview {
    pub last_good: Option<Backup>,
    pub last_proven: Option<Backup>,
    pub backups: i64,
    pub stored_bytes: i64,
    pub free_bytes: Option<u64>,
    pub running_backups: usize,
    pub running_verifications: usize,
}

/// How the backups grew.
pub(super) struct Growth {
    pub days: Vec<growth::Day>,
    pub free_bytes: Option<u64>,
    pub bytes_a_day: Option<f64>,
    pub days_until_full: Option<u64>,
}

impl BackupService {
    pub(super) async fn list(
        &self,
        filter: &Filter,
        before_id: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Backup>, BackupError> {
        Ok(store::list(self.parts.db.orm(), filter, before_id, limit).await?)
    }

    /// A backup by its number.
    pub async fn get(&self, id: i32) -> Result<Backup, BackupError> {
        store::get(self.parts.db.orm(), id)
            .await?
            .ok_or(BackupError::NotFound(id))
    }

    pub(super) async fn tables(&self, id: i32) -> Result<Vec<TableCount>, BackupError> {
        Ok(store::tables(self.parts.db.orm(), id).await?)
    }

    /// The newest good backup, of one kind or any.
    pub async fn newest_good(&self, kind: Option<&str>) -> Result<Option<Backup>, BackupError> {
        Ok(store::newest_good(self.parts.db.orm(), kind, false).await?)
    }

    /// Backups whose file nobody has hashed since.
    pub async fn unscrubbed(&self, since: DateTime<Utc>) -> Result<Vec<i32>, BackupError> {
        Ok(store::unscrubbed(self.parts.db.orm(), since).await?)
    }

    /// Notes that a backup's file was hashed and is what was written.
    pub async fn note_scrubbed(&self, id: i32) -> Result<(), BackupError> {
        Ok(store::mark_scrubbed(self.parts.db.orm(), id, self.parts.clock.now()).await?)
    }

    /// The newest backups of any kind that have a file, newest first.
    pub async fn newest(&self, count: u64) -> Result<Vec<i32>, BackupError> {
        Ok(store::newest(self.parts.db.orm(), count).await?)
    }

    /// The backup of one attempt at a schedule's due time, if it was begun.
    pub async fn of_attempt(&self, run_id: i32, attempt: i32) -> Result<Option<i32>, BackupError> {
        Ok(store::of_attempt(self.parts.db.orm(), run_id, attempt).await?)
    }

    /// How many good backups there are.
    pub async fn count(&self) -> Result<i64, BackupError> {
        Ok(store::totals(self.parts.db.orm()).await?.0)
    }

    /// The newest proven backup of a type.
    pub async fn newest_proven(&self, kind: BackupType) -> Result<Option<Backup>, BackupError> {
        Ok(store::newest_good(self.parts.db.orm(), Some(kind.as_str()), true).await?)
    }

    /// Whether this is the newest good one of its kind, and whether it is the newest proven one.
    pub(super) async fn standing(&self, backup: &Backup) -> Result<(bool, bool), BackupError> {
        let kind = Some(backup.backup_type.as_str());
        let good = store::newest_good(self.parts.db.orm(), kind, false).await?;
        let proven = store::newest_good(self.parts.db.orm(), kind, true).await?;
        let is = |other: Option<Backup>| other.is_some_and(|other| other.id == backup.id);
        Ok((is(good), is(proven)))
    }

    /// A good backup's file and what must be in it.
    pub async fn get_file(&self, id: i32) -> Result<BackupFile, BackupError> {
        let backup = self.get(id).await?;
        if backup.status != "success" || backup.deleted_at.is_some() {
            return Err(BackupError::FileMissing(id));
        }
        let unsigned = |bytes: Option<i64>| u64::try_from(bytes.unwrap_or(0)).unwrap_or(0);
        let version = backup.postgres_version.unwrap_or_default();
        let major = version.split(|c: char| !c.is_ascii_digit()).next();
        Ok(BackupFile {
            id,
            path: self
                .safe_path(&backup.filepath)
                .ok_or(BackupError::FileMissing(id))?,
            backup_type: backup.backup_type,
            stored_bytes: unsigned(backup.compressed_size),
            archive_bytes: unsigned(backup.file_size),
            sha256: backup.checksum.unwrap_or_default(),
            compression: backup.compression.unwrap_or_default(),
            server_major: major.and_then(|major| major.parse().ok()).unwrap_or(0),
            tables: self.tables(id).await?,
            lock: backup.encryption.map(|_| Lock {
                opener: self.opener(),
                job_id: backup.job_id.unwrap_or_default(),
            }),
        })
    }

    /// A path of the catalogue, if it is below the backup folder: the catalogue could be another
    /// installation's, or tampered with.
    fn safe_path(&self, path: &str) -> Option<PathBuf> {
        let path = Path::new(path);
        let is_plain = path
            .components()
            .all(|part| !matches!(part, std::path::Component::ParentDir));
        (is_plain && path.starts_with(self.files.root())).then(|| path.to_owned())
    }

    pub(super) fn is_file_present(&self, backup: &Backup) -> bool {
        backup.status == "success"
            && self
                .safe_path(&backup.filepath)
                .is_some_and(|path| path.is_file())
    }

    /// How the backups grew over the last days, and when the disk will be full.
    pub(super) async fn growth(&self, days: u64) -> Result<Growth, BackupError> {
        let now = self.parts.clock.now();
        let all = store::taking_room(self.parts.db.orm()).await?;
        let days = growth::days(&all, now, days);
        let bytes_a_day = growth::bytes_a_day(&days);
        let free_bytes = self.files.free_bytes().ok();
        let days_until_full = bytes_a_day
            .zip(free_bytes)
            .and_then(|(a_day, free)| growth::days_until_full(a_day, free));
        Ok(Growth {
            days,
            free_bytes,
            bytes_a_day,
            days_until_full,
        })
    }

    /// The files in a backup that is a tar archive, as its manifest lists them.
    pub async fn entries(&self, path: &Path) -> Result<Vec<PackedEntry>, BackupError> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || BackupFiles::read_manifest(&path)).await;
        let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let manifest = read.map_err(BackupError::Read)?;
        Ok(manifest
            .map(|manifest| manifest.entries)
            .unwrap_or_default())
    }

    /// The manifest beside a backup's file.
    pub(super) fn manifest(&self, backup: &Backup) -> Option<super::Manifest> {
        let path = self.safe_path(&backup.filepath)?;
        BackupFiles::read_manifest(&path).ok().flatten()
    }

    /// A backup's file to hand out. Noted in the audit log.
    pub(super) async fn download(&self, actor: &Actor, id: i32) -> Result<BackupFile, BackupError> {
        let file = self.get_file(id).await?;
        if !file.path.is_file() {
            return Err(BackupError::FileMissing(id));
        }
        let tx = self.parts.db.begin().await?;
        let entry = Entry::new(Action::BackupDownloaded).resource("backup", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(file)
    }

    /// Deletes a backup's file and keeps its record.
    pub(super) async fn delete(
        &self,
        actor: &Actor,
        id: i32,
        is_last_good_confirmed: bool,
    ) -> Result<(), BackupError> {
        let backup = self.get(id).await?;
        if backup.deleted_at.is_some() {
            return Ok(());
        }
        if backup.status == "running" || self.is_leased(id) {
            return Err(BackupError::InUse(id));
        }
        let (is_last_good, is_last_proven) = self.standing(&backup).await?;
        if (is_last_good || is_last_proven) && !is_last_good_confirmed {
            return Err(BackupError::LastGood(id));
        }
        if !self
            .delete_marked(actor, &backup, "manual", is_last_good)
            .await?
        {
            return Err(BackupError::InUse(id));
        }
        Ok(())
    }

    /// Marks a backup deleted, with audit line and event, and removes its file. False when it may
    /// not go just now.
    async fn delete_marked(
        &self,
        actor: &Actor,
        backup: &Backup,
        by: &str,
        is_last_good: bool,
    ) -> Result<bool, BackupError> {
        let tx = self.parts.db.begin().await?;
        if !store::mark_deleted(&tx, backup.id, by, self.parts.clock.now()).await? {
            return Ok(false);
        }
        let facts = json!({
            "id": backup.id, "backup_type": backup.backup_type, "filename": backup.filename,
            "last_good": is_last_good, "by": by,
        });
        let entry = Entry::new(Action::BackupDeleted).resource("backup", backup.id);
        let entry = entry.details(facts.clone());
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        let event = self.event("management.backup_deleted", Severity::Info, facts);
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.events.publish(event);
        // Should this fail, it is tried again: the row says that the file is to go.
        self.remove_deleted(backup.id, Path::new(&backup.filepath))
            .await?;
        Ok(true)
    }

    /// Deletes what a policy decided on. False when it is in use, or was pinned or deleted meanwhile.
    pub async fn delete_by_policy(
        &self,
        actor: &Actor,
        id: i32,
        by: &str,
    ) -> Result<bool, BackupError> {
        let backup = self.get(id).await?;
        if self.is_in_use(&backup) {
            return Ok(false);
        }
        self.delete_marked(actor, &backup, by, false).await
    }

    /// Backups of a type that have a file or are getting one, newest first.
    pub async fn kept(&self, kind: BackupType) -> Result<Vec<Backup>, BackupError> {
        Ok(store::kept(self.parts.db.orm(), kind.as_str()).await?)
    }

    /// Whether it is being proven, restored or downloaded.
    pub fn is_in_use(&self, backup: &Backup) -> bool {
        self.is_leased(backup.id) || backup.verification_status.as_deref() == Some("running")
    }

    /// Makes a backup stay whatever the policy says, or lets it go again.
    pub(super) async fn pin(
        &self,
        actor: &Actor,
        id: i32,
        is_pinned: bool,
    ) -> Result<Backup, BackupError> {
        let tx = self.parts.db.begin().await?;
        if !store::set_pinned(&tx, id, is_pinned).await? {
            self.get(id).await?;
            return Err(BackupError::FileMissing(id));
        }
        let action = if is_pinned {
            Action::BackupPinned
        } else {
            Action::BackupUnpinned
        };
        let entry = Entry::new(action).resource("backup", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        self.get(id).await
    }

    /// Notes what became of a verification, in the caller's transaction.
    pub async fn note_verification(
        &self,
        tx: &impl ConnectionTrait,
        id: i32,
        status: &str,
        details: Option<Value>,
    ) -> Result<(), DbErr> {
        let is_final = matches!(status, "passed" | "failed");
        let at = is_final.then(|| self.parts.clock.now());
        store::set_verification(tx, id, status, details, at).await
    }

    /// How things stand.
    pub(super) async fn overview(&self) -> Result<Overview, BackupError> {
        let db = self.parts.db.orm();
        let (backups, stored_bytes) = store::totals(db).await?;
        Ok(Overview {
            last_good: store::newest_good(db, Some("postgres_n8n"), false).await?,
            last_proven: store::newest_good(db, Some("postgres_n8n"), true).await?,
            backups,
            stored_bytes,
            free_bytes: self.files.free_bytes().ok(),
            running_backups: self.parts.board.running(Work::Backup).len(),
            running_verifications: self.parts.board.running(Work::Verification).len(),
        })
    }
}
