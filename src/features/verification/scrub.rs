//! Reads stored files again and compares their hashes: disks forget without a word.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::error::VerificationError;
use super::service::VerificationService;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::{BackupFile, BackupFiles};
use crate::features::settings::Key;
use crate::platform::events::{self, Severity};

const PERIOD: Duration = Duration::from_hours(1);

impl VerificationService {
    /// Scrubs what is due, every hour, until `stop`.
    pub async fn keep_scrubbing(&self, stop: CancellationToken) {
        loop {
            let scrubbed = tokio::select! {
                scrubbed = self.scrub() => scrubbed,
                () = stop.cancelled() => return,
            };
            if let Err(error) = scrubbed {
                tracing::warn!(%error, "cannot scrub the backups");
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Hashes every file that is due, one after another. Returns how many were found bad.
    pub async fn scrub(&self) -> Result<usize, VerificationError> {
        let days = self.parts.settings.integer(Key::ScrubDays);
        if days == 0 {
            return Ok(0);
        }
        let since = self.parts.clock.now() - TimeDelta::days(days);
        let mut bad = 0;
        for id in self.parts.backups.unscrubbed(since).await? {
            let _lease = self.parts.backups.lease(id);
            let Ok(file) = self.parts.backups.get_file(id).await else {
                continue;
            };
            match why_bad(&file).await {
                Ok(None) => self.parts.backups.note_scrubbed(id).await?,
                Ok(Some((code, message))) => {
                    bad += 1;
                    self.note_bad(id, &file.backup_type, code, &message).await?;
                }
                // A disk that cannot be read just now says nothing of the file.
                Err(error) => tracing::warn!(%error, backup.id = id, "cannot read a backup's file"),
            }
        }
        Ok(bad)
    }

    async fn note_bad(
        &self,
        id: i32,
        backup_type: &str,
        code: &'static str,
        message: &str,
    ) -> Result<(), VerificationError> {
        let facts = json!({
            "backup_id": id, "backup_type": backup_type, "status": "failed", "code": code,
            "message": message,
        });
        let tx = self.parts.db.begin().await?;
        self.parts
            .backups
            .note_verification(&tx, id, "failed", Some(facts.clone()))
            .await?;
        let entry = Entry::new(Action::ScrubFailed).resource("backup", id);
        let entry = entry.details(json!({ "code": code }));
        audit::record(&tx, &self.parts.clock, &Actor::system(), entry).await?;
        let event = self.event("verification.failed", Severity::Critical, facts);
        events::record(&tx, &event).await?;
        tx.commit().await?;
        tracing::error!(
            backup.id = id,
            code,
            "a stored backup is not what was written"
        );
        self.parts.events.publish(event);
        Ok(())
    }
}

/// What is wrong with a stored file, if anything.
async fn why_bad(file: &BackupFile) -> std::io::Result<Option<(&'static str, String)>> {
    let path = file.path.clone();
    let hashed = tokio::task::spawn_blocking(move || BackupFiles::hash(&path)).await;
    let hashed = hashed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let (sha256, bytes) = match hashed {
        Ok(hashed) => hashed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let message = "The backup's file is not there any more.".to_owned();
            return Ok(Some(("file_missing", message)));
        }
        Err(error) => return Err(error),
    };
    if sha256 == file.sha256 && bytes == file.stored_bytes {
        return Ok(None);
    }
    let message = if bytes == file.stored_bytes {
        "The file on disk is not the one that was written.".to_owned()
    } else {
        format!(
            "The file on disk has {bytes} bytes instead of {}.",
            file.stored_bytes
        )
    };
    Ok(Some(("checksum_mismatch", message)))
}
