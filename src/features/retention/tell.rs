//! What is told of retention: that it holds back, that it fails, and when that is over.

use chrono::TimeDelta;
use serde_json::json;

use super::RetentionError;
use super::service::{RetentionService, Sweep};
use crate::features::backups::BackupType;
use crate::platform::events::{self, Event, Severity, standing};

/// The same is told again this often.
const TELL_AGAIN: TimeDelta = TimeDelta::hours(24);

/// Why retention did not come to its end.
pub(super) enum Trouble {
    /// It would delete more at once than it may without being asked.
    Capped(Sweep),
    /// A policy could not be carried out.
    Failed(RetentionError),
    /// So many files of deleted backups cannot be removed.
    FilesLeft(usize),
}

impl Trouble {
    fn code(&self) -> &'static str {
        match self {
            Self::Capped(_) => "retention_capped",
            Self::Failed(_) => "retention_failed",
            Self::FilesLeft(_) => "files_left",
        }
    }

    fn severity(&self) -> Severity {
        match self {
            Self::Capped(_) => Severity::Warning,
            Self::Failed(_) | Self::FilesLeft(_) => Severity::Error,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Capped(sweep) => format!(
                "Retention would delete more than half of them at once: {} went, {} wait for the next hour. Look \
                 whether the policy is what you want, and pin what must stay.",
                sweep.deleted.len(),
                sweep.postponed
            ),
            Self::Failed(error) => {
                format!("Retention failed, so old ones stay and the disk fills up: {error}.")
            }
            Self::FilesLeft(count) => format!(
                "Files of {count} deleted backups cannot be removed, so the disk fills up; it is tried again \
                 each hour. Look at the backup folder's owner and mode, and at the log."
            ),
        }
    }
}

impl RetentionService {
    /// Tells how retention of a type went, or the removal of files: a trouble that is new or was told a day
    /// ago, or the end of one that was told.
    pub(super) async fn tell(&self, kind: Option<BackupType>, trouble: Option<Trouble>) {
        if let Err(error) = self.try_tell(kind, trouble).await {
            tracing::error!(%error, "cannot tell how retention went");
        }
    }

    async fn try_tell(
        &self,
        kind: Option<BackupType>,
        trouble: Option<Trouble>,
    ) -> Result<(), sea_orm::DbErr> {
        let name = format!("retention:{}", kind.map_or("files", BackupType::as_str));
        let tx = self.parts.db.begin().await?;
        let (code, message, event_type, severity) = if let Some(trouble) = trouble {
            let (code, now) = (trouble.code(), self.parts.clock.now());
            if !standing::begin(&tx, &name, code, now, Some(TELL_AGAIN)).await? {
                return Ok(());
            }
            let severity = trouble.severity();
            (code, trouble.message(), "backup.warning", severity)
        } else {
            if !standing::end(&tx, &name).await? {
                return Ok(());
            }
            let message = "Retention went through again; nothing waits any more.".to_owned();
            (
                "retention_done",
                message,
                "backup.recovered",
                Severity::Info,
            )
        };
        let facts =
            json!({ "code": code, "trouble": name, "backup_type": kind, "message": message });
        let (ids, clock) = (&self.parts.ids, &self.parts.clock);
        let event = Event::now(ids, clock, event_type, severity, facts);
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.backups.events().publish(event);
        Ok(())
    }
}
