//! Brings copies to where they should be, one destination after another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::{DestinationError, Trouble};
use super::folder;
use super::remote;
use super::service::{DestinationService, watched};
use super::store::{self, Copy, Destination};
use super::told::is_of_the_place;
use crate::features::backups::{Backup, BackupFiles, BackupType};

const PERIOD: Duration = Duration::from_mins(1);
impl DestinationService {
    /// Works until `stop`.
    pub async fn work(&self, stop: CancellationToken) {
        let mut happened = self.parts.backups.events().subscribe();
        loop {
            let swept = tokio::select! {
                swept = self.sweep() => swept,
                () = stop.cancelled() => return,
            };
            if let Err(error) = swept {
                tracing::warn!(%error, "cannot look after the copies");
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = self.changed.notified() => {}
                _ = happened.recv() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Copies and removes what is due, at every destination. One that fails holds up no other.
    pub async fn sweep(&self) -> Result<(), DestinationError> {
        let mut all = store::list(self.parts.db.orm()).await?;
        all.retain(|one| one.is_enabled);
        if all.is_empty() {
            return Ok(());
        }
        let mut kept = Vec::new();
        for kind in BackupType::ALL {
            kept.extend(self.parts.backups.kept(kind).await?);
        }
        let is_good = |backup: &&Backup| {
            backup.status == "success" && backup.verification_status.as_deref() != Some("failed")
        };
        let good: BTreeSet<i32> = kept.iter().filter(is_good).map(|one| one.id).collect();
        let kept: BTreeSet<i32> = kept.iter().map(|one| one.id).collect();
        for destination in &all {
            let known = store::known_at(self.parts.db.orm(), destination.id).await?;
            let excluded = store::excluded(self.parts.db.orm(), destination.id).await?;
            let missing = good.difference(&known).filter(|id| !excluded.contains(id));
            let missing: Vec<i32> = missing.copied().collect();
            store::enqueue(self.parts.db.orm(), destination.id, &missing).await?;
            self.sweep_one(destination, &kept).await?;
        }
        Ok(())
    }

    async fn sweep_one(
        &self,
        destination: &Destination,
        kept: &BTreeSet<i32>,
    ) -> Result<(), DestinationError> {
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
        let mut is_well = false;
        for copy in store::copies_at(db, destination.id).await? {
            let is_settled = copy.status == "copied" && kept.contains(&copy.backup_id);
            if is_settled || copy.next_attempt_at.is_some_and(|at| at > now) {
                continue;
            }
            let backup = self.parts.backups.get(copy.backup_id).await?;
            let is_gone = backup.deleted_at.is_some();
            let outcome = match (copy.status.as_str(), is_gone) {
                ("copied", true) => {
                    self.remove(destination, &backup.backup_type, &backup.filename)
                        .await
                }
                ("queued", true) => Ok(None),
                ("queued", false) => self.copy(destination, &copy).await.map(Some),
                _ => continue,
            };
            match outcome {
                Ok(bytes) => self.note_done(destination, &copy, bytes).await?,
                Err(trouble) => {
                    self.note_trouble(destination, &copy, &trouble).await?;
                    if is_of_the_place(&trouble) {
                        // The next copy would fare no better.
                        return Ok(());
                    }
                }
            }
            if !is_well {
                self.note_well(destination).await?;
                is_well = true;
            }
        }
        Ok(())
    }

    async fn copy(&self, destination: &Destination, copy: &Copy) -> Result<u64, Trouble> {
        let _lease = self.parts.backups.lease(copy.backup_id);
        let missing = |why: String| Trouble::new("file_missing", why);
        let file = self.parts.backups.get_file(copy.backup_id).await;
        let file = file.map_err(|error| missing(error.to_string()))?;
        let sentinel = destination.sentinel;
        let done = Arc::new(AtomicU64::new(0));
        let read = move |path: &Path| {
            let manifest = BackupFiles::read_manifest(path).ok().flatten();
            manifest
                .ok_or_else(|| missing("The backup's manifest is not there any more.".to_owned()))
        };
        if let (_, Some(remote)) = self.reach_of(destination).await? {
            let manifest = read(&file.path)?;
            let copying = remote::copy(remote.as_ref(), sentinel, &file.path, &manifest, &done);
            return watched(self.network_patience(), Some(&done), copying).await;
        }
        let root = PathBuf::from(&destination.path);
        let told = Arc::clone(&done);
        self.at(destination.id, self.parts.patience, Some(done), move || {
            let manifest = read(&file.path)?;
            folder::copy(&root, sentinel, &file.path, &manifest, &told)
        })
        .await
    }

    async fn remove(
        &self,
        destination: &Destination,
        backup_type: &str,
        filename: &str,
    ) -> Result<Option<u64>, Trouble> {
        let (root, sentinel) = (PathBuf::from(&destination.path), destination.sentinel);
        if let (_, Some(remote)) = self.reach_of(destination).await? {
            let removing = remote::remove(remote.as_ref(), sentinel, backup_type, filename);
            return watched(self.parts.patience, None, removing)
                .await
                .map(|()| None);
        }
        let (backup_type, filename) = (backup_type.to_owned(), filename.to_owned());
        self.at(destination.id, self.parts.patience, None, move || {
            folder::remove(&root, sentinel, &backup_type, &filename).map(|()| None)
        })
        .await
    }
}
