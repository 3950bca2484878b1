//! After a crash: each run that nobody is at work on any more is taken into the catalogue if its
//! file is whole, and failed if not; what is left on disk goes.

use std::path::PathBuf;

use serde_json::json;
use uuid::Uuid;

use super::error::{BackupError, Failure};
use super::files::BackupFiles;
use super::model::Backup;
use super::run::is_lock_free;
use super::service::BackupService;
use super::store;
use crate::features::audit::{self, Action, Actor};

impl BackupService {
    /// Settles what a crash left, and removes what no row stands for. Safe at any time: runs that
    /// are alive hold their lock.
    pub async fn settle(&self) -> Result<(), BackupError> {
        self.files.prepare().map_err(BackupError::Read)?;
        for run in store::running(self.parts.db.orm()).await? {
            if self.own_runs().contains(&run.id) {
                continue;
            }
            let Some(job_id) = run.job_id else { continue };
            if is_lock_free(self.parts.db.pool(), job_id)
                .await
                .map_err(BackupError::Lock)?
            {
                self.settle_run(&run, job_id).await?;
            }
        }
        for (job_id, path) in self.files.partials().map_err(BackupError::Read)? {
            if is_lock_free(self.parts.db.pool(), job_id)
                .await
                .map_err(BackupError::Lock)?
            {
                remove(path);
            }
        }
        self.finish_deletions().await?;
        self.adopt_strays().await
    }

    /// Takes published files that no row stands for into the catalogue: those of a catalogue that was
    /// lost, or that somebody put there. Each is hashed first; one that is not what its manifest says is
    /// left alone.
    pub async fn adopt_strays(&self) -> Result<(), BackupError> {
        let files = self.files.clone();
        let listed = tokio::task::spawn_blocking(move || files.published()).await;
        let listed = listed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        for (path, manifest) in listed.map_err(BackupError::Read)? {
            if store::is_known(self.parts.db.orm(), manifest.job_id).await? {
                continue;
            }
            let (checked, job_id) = (path.clone(), manifest.job_id);
            let whole = tokio::task::spawn_blocking(move || whole_file(&checked, job_id)).await;
            if !matches!(whole, Ok(Ok(Some(_)))) {
                tracing::warn!(file = %path.display(), "not taken into the catalogue: it is not what its manifest says");
                continue;
            }
            let tx = self.parts.db.begin().await?;
            let Some(id) = store::adopt(&tx, &manifest, &path.to_string_lossy()).await? else {
                continue;
            };
            let entry = audit::Entry::new(Action::BackupAdopted).resource("backup", id);
            let entry = entry.details(json!({ "filename": manifest.filename }));
            audit::record(&tx, &self.parts.clock, &Actor::system(), entry).await?;
            tx.commit().await?;
            tracing::info!(backup.id = id, file = %path.display(), "took a file into the catalogue");
        }
        Ok(())
    }

    /// Removes the files of deleted backups that are still there. What fails is tried again with the
    /// next call. Returns how many are left.
    pub async fn finish_deletions(&self) -> Result<usize, BackupError> {
        let mut left = 0;
        for (id, path) in store::to_remove(self.parts.db.orm()).await? {
            if !self.remove_deleted(id, &PathBuf::from(path)).await? {
                left += 1;
            }
        }
        Ok(left)
    }

    /// Removes the file of a deleted backup and notes that it is gone. False when it cannot be removed.
    pub(super) async fn remove_deleted(
        &self,
        id: i32,
        path: &std::path::Path,
    ) -> Result<bool, BackupError> {
        // A path that is not ours is nobody's business, and must not be tried for ever.
        if path.starts_with(self.files.root())
            && let Err(error) = self.files.remove(path)
        {
            tracing::error!(%error, backup.id = id, "cannot remove a deleted backup's file; trying again later");
            return Ok(false);
        }
        store::mark_removed(self.parts.db.orm(), id, self.parts.clock.now()).await?;
        Ok(true)
    }

    async fn settle_run(&self, run: &Backup, job_id: Uuid) -> Result<(), BackupError> {
        let path = PathBuf::from(&run.filepath);
        let actor = Actor::system();
        let whole = tokio::task::spawn_blocking({
            let path = path.clone();
            move || whole_file(&path, job_id)
        });
        if let Ok(Ok(Some(manifest))) = whole.await {
            let action = Action::BackupAdopted;
            if self
                .note_success(&actor, run.id, run.epoch, &manifest, action)
                .await?
            {
                tracing::info!(
                    backup.id = run.id,
                    "took a published backup into the catalogue"
                );
                return Ok(());
            }
        }
        tracing::warn!(backup.id = run.id, "a crash cut this backup off");
        self.files.remove(&path).map_err(BackupError::Read)?;
        let failure = Failure::new(
            "interrupted",
            "Flowkeep ended while this backup ran. Nothing of it was kept; run it again.",
        );
        self.note_failure(&actor, run.id, run.epoch, &failure).await
    }
}

/// The manifest of a published file whose bytes are what it says.
fn whole_file(path: &std::path::Path, job_id: Uuid) -> std::io::Result<Option<super::Manifest>> {
    let Some(manifest) = BackupFiles::read_manifest(path)? else {
        return Ok(None);
    };
    let (sha256, stored_bytes) = BackupFiles::hash(path)?;
    let is_whole = manifest.job_id == job_id
        && manifest.sha256 == sha256
        && manifest.stored_bytes == stored_bytes;
    Ok(is_whole.then_some(manifest))
}

fn remove(path: PathBuf) {
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!(%error, "cannot remove what a crash left");
    }
}
