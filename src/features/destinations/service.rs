//! The use cases; what happens by itself is in `worker`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;

use super::error::{DestinationError, Trouble};
use super::folder;
use super::store::{self, Copy, Destination, Totals};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::BackupService;
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::ids::Ids;

const MAX_NAME_CHARS: usize = 100;

/// What the service is made of.
#[derive(Clone)]
pub struct DestinationParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// What is copied.
    pub backups: BackupService,
    /// Where the backups themselves are.
    pub backup_dir: PathBuf,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// How long a share may say nothing while it is copied to; a quarter of it for small things.
    pub patience: Duration,
}

/// Destinations. Cheap to clone.
#[derive(Clone)]
pub struct DestinationService {
    pub(super) parts: Arc<DestinationParts>,
    pub(super) changed: Arc<Notify>,
    /// Those whose thread hangs in the kernel; nothing more is asked of them meanwhile.
    hanging: Arc<Mutex<BTreeSet<i32>>>,
}

/// A destination with how its copies stand.
pub(super) struct Standing {
    pub destination: Destination,
    pub totals: Totals,
    pub free_bytes: Option<u64>,
}

impl DestinationService {
    /// Puts the service together.
    pub fn new(parts: DestinationParts) -> Self {
        Self {
            parts: Arc::new(parts),
            changed: Arc::default(),
            hanging: Arc::default(),
        }
    }

    fn short(&self) -> Duration {
        self.parts.patience / 4
    }

    pub(super) async fn list(&self) -> Result<Vec<Standing>, DestinationError> {
        let totals = store::totals(self.parts.db.orm()).await?;
        let mut standing = Vec::new();
        for destination in store::list(self.parts.db.orm()).await? {
            let path = PathBuf::from(&destination.path);
            let free = self.at(destination.id, self.short(), None, move || {
                Ok(folder::free_bytes(&path))
            });
            let free_bytes = free.await.unwrap_or(None);
            let own = totals
                .iter()
                .find(|one| one.destination_id == destination.id)
                .cloned();
            standing.push(Standing {
                totals: own.unwrap_or_default(),
                destination,
                free_bytes,
            });
        }
        Ok(standing)
    }

    pub(super) async fn get(&self, id: i32) -> Result<Destination, DestinationError> {
        store::get(self.parts.db.orm(), id)
            .await?
            .ok_or(DestinationError::NotFound(id))
    }

    /// Makes a folder a destination.
    pub(super) async fn create(
        &self,
        actor: &Actor,
        name: &str,
        path: &str,
    ) -> Result<Destination, DestinationError> {
        let invalid = |field, why: String| DestinationError::Invalid { field, why };
        let name = name.trim();
        if name.is_empty()
            || name.chars().count() > MAX_NAME_CHARS
            || name.chars().any(char::is_control)
        {
            let why = "must be one line of 1 to 100 characters".to_owned();
            return Err(invalid("name", why));
        }
        self.check_path(path).map_err(|why| invalid("path", why))?;
        let (folder, wanted) = (PathBuf::from(path), self.parts.ids.uuid());
        let claimed = within(self.short(), move || folder::claim(&folder, wanted)).await;
        let sentinel = claimed.map_err(|trouble| invalid("path", trouble.message))?;
        let tx = self.parts.db.begin().await?;
        let made = store::insert(&tx, name, path, sentinel, self.parts.clock.now()).await?;
        let Some(id) = made else {
            let why = "a destination of this name or folder is there already".to_owned();
            return Err(invalid("name", why));
        };
        let entry = Entry::new(Action::DestinationCreated).resource("destination", id);
        let entry = entry.details(json!({ "name": name, "path": path }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        self.changed.notify_one();
        self.get(id).await
    }

    fn check_path(&self, text: &str) -> Result<(), String> {
        let path = Path::new(text);
        let is_plain = path
            .components()
            .all(|part| !matches!(part, std::path::Component::ParentDir));
        if !path.is_absolute() || !is_plain || text.contains('\0') || text.len() > 1_000 {
            return Err("write the whole path, as in /mnt/nas/backups".to_owned());
        }
        let own = &self.parts.backup_dir;
        if path.starts_with(own) || own.starts_with(path) {
            return Err(format!(
                "lies in the backup folder {} or around it; a copy there would be lost with it",
                own.display()
            ));
        }
        Ok(())
    }

    pub(super) async fn set_enabled(
        &self,
        actor: &Actor,
        id: i32,
        is_enabled: bool,
    ) -> Result<Destination, DestinationError> {
        let tx = self.parts.db.begin().await?;
        if !store::set_enabled(&tx, id, is_enabled, self.parts.clock.now()).await? {
            return Err(DestinationError::NotFound(id));
        }
        let entry = Entry::new(Action::DestinationChanged).resource("destination", id);
        let entry = entry.details(json!({ "enabled": is_enabled }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        self.changed.notify_one();
        self.get(id).await
    }

    /// Forgets a destination. What lies there stays.
    pub(super) async fn delete(&self, actor: &Actor, id: i32) -> Result<(), DestinationError> {
        let tx = self.parts.db.begin().await?;
        if !store::delete(&tx, id).await? {
            return Err(DestinationError::NotFound(id));
        }
        let entry = Entry::new(Action::DestinationDeleted).resource("destination", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Tries a destination: is it mounted, can it be written.
    pub(super) async fn test(&self, id: i32) -> Result<Destination, DestinationError> {
        let destination = self.get(id).await?;
        let (path, sentinel) = (PathBuf::from(&destination.path), destination.sentinel);
        let checked = self
            .at(id, self.short(), None, move || {
                folder::check(&path, sentinel)
            })
            .await;
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
        store::note_check(db, id, checked.err().as_ref(), now).await?;
        self.changed.notify_one();
        self.get(id).await
    }

    /// The copies of a backup, each with its destination's name.
    pub(super) async fn copies_of(
        &self,
        backup_id: i32,
    ) -> Result<Vec<(String, Copy)>, DestinationError> {
        let all = store::list(self.parts.db.orm()).await?;
        let copies = store::copies_of(self.parts.db.orm(), backup_id).await?;
        let named = copies.into_iter().filter_map(|copy| {
            let found = all.iter().find(|one| one.id == copy.destination_id)?;
            Some((found.name.clone(), copy))
        });
        Ok(named.collect())
    }

    /// Does blocking work at a destination on a thread of its own. Gives up when it takes longer than
    /// `limit`, or when `progress` does not move for so long; the thread is left to the kernel, and the
    /// destination is not asked for anything until it comes back.
    pub(super) async fn at<T, F>(
        &self,
        id: i32,
        limit: Duration,
        progress: Option<Arc<std::sync::atomic::AtomicU64>>,
        work: F,
    ) -> Result<T, Trouble>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Trouble> + Send + 'static,
    {
        if self.hanging.lock().contains(&id) {
            return Err(not_responding(limit));
        }
        let hanging = Arc::clone(&self.hanging);
        let mut working = tokio::task::spawn_blocking(move || {
            let outcome = work();
            hanging.lock().remove(&id);
            outcome
        });
        let mut last = 0;
        loop {
            match tokio::time::timeout(limit, &mut working).await {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(error)) => return Err(Trouble::new("internal", error.to_string())),
                Err(_) => {
                    let now = progress.as_ref().map_or(last, |progress| {
                        progress.load(std::sync::atomic::Ordering::Relaxed)
                    });
                    if now == last {
                        self.hanging.lock().insert(id);
                        if working.is_finished() {
                            self.hanging.lock().remove(&id);
                        }
                        return Err(not_responding(limit));
                    }
                    last = now;
                }
            }
        }
    }
}

fn not_responding(limit: Duration) -> Trouble {
    Trouble::new(
        "storage_not_responding",
        format!(
            "The destination did not answer for {} s. Look at the network share and its server.",
            limit.as_secs()
        ),
    )
}

async fn within<T, F>(limit: Duration, work: F) -> Result<T, Trouble>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Trouble> + Send + 'static,
{
    match tokio::time::timeout(limit, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Err(Trouble::new("internal", error.to_string())),
        Err(_) => Err(not_responding(limit)),
    }
}
