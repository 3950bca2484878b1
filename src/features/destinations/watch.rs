//! Looks after the folders at which copies are: a share that goes away is told at once, not at the next backup.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::error::{DestinationError, Trouble};
use super::folder;
use super::service::DestinationService;
use super::store::{self, Destination};
use crate::platform::events::{self, Event, Severity};

const PERIOD: Duration = Duration::from_mins(1);

/// How a folder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Connected,
    Disconnected,
    Error,
}

impl Standing {
    fn of(checked: &Result<(), Trouble>) -> Self {
        match checked {
            Ok(()) => Self::Connected,
            Err(trouble) => match trouble.code {
                "not_mounted" | "another_destination" | "no_such_folder" => Self::Disconnected,
                _ => Self::Error,
            },
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Error => "error",
        }
    }

    fn event(self) -> (&'static str, Severity) {
        match self {
            Self::Connected => ("system.nfs_connected", Severity::Info),
            Self::Disconnected => ("system.nfs_disconnected", Severity::Error),
            Self::Error => ("system.nfs_error", Severity::Error),
        }
    }
}

impl DestinationService {
    /// Looks every minute, until `stop`.
    pub async fn keep_watch(&self, stop: CancellationToken) {
        loop {
            let looked = tokio::select! {
                looked = self.watch() => looked,
                () = stop.cancelled() => return,
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "cannot look after the folders of copies");
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// The folders that are looked at here, so that nobody else tells of them too.
    pub async fn watched_folders(&self) -> Result<Vec<PathBuf>, DestinationError> {
        let all = store::list(self.parts.db.orm()).await?;
        let watched = all
            .into_iter()
            .filter(|one| one.is_enabled && one.kind == "folder");
        Ok(watched.map(|one| PathBuf::from(one.path)).collect())
    }

    /// Looks once at every folder, and tells what changed.
    pub async fn watch(&self) -> Result<(), DestinationError> {
        let all = store::list(self.parts.db.orm()).await?;
        for destination in all
            .iter()
            .filter(|one| one.is_enabled && one.kind == "folder")
        {
            let (path, sentinel) = (PathBuf::from(&destination.path), destination.sentinel);
            let looking = self.at(destination.id, self.short(), None, move || {
                folder::check(&path, sentinel)
            });
            let checked = looking.await;
            let standing = Standing::of(&checked);
            if destination.share_status.as_deref() != Some(standing.as_str()) {
                self.note_standing(destination, standing, checked.err())
                    .await?;
            }
        }
        Ok(())
    }

    async fn note_standing(
        &self,
        destination: &Destination,
        standing: Standing,
        trouble: Option<Trouble>,
    ) -> Result<(), DestinationError> {
        let tx = self.parts.db.begin().await?;
        store::set_share_status(&tx, destination.id, standing.as_str()).await?;
        // A folder that is well when it is first looked at is no news.
        if destination.share_status.is_none() && standing == Standing::Connected {
            tx.commit().await?;
            return Ok(());
        }
        let why = trouble
            .as_ref()
            .map_or("the folder is there and is the right one.", |one| {
                one.message.as_str()
            });
        let facts = json!({
            "destination": destination.name, "path": destination.path, "code": trouble.as_ref().map(|one| one.code),
            "message": format!("{}: {why}", destination.name),
        });
        let (event_type, severity) = standing.event();
        let event = Event::now(
            &self.parts.ids,
            &self.parts.clock,
            event_type,
            severity,
            facts,
        );
        events::record(&tx, &event).await?;
        tx.commit().await?;
        tracing::warn!(
            destination = destination.name,
            standing = standing.as_str(),
            why,
            "a folder of copies changed"
        );
        self.parts.backups.events().publish(event);
        Ok(())
    }
}
