//! The use cases; what happens by itself is in `worker`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::sync::Notify;

use super::error::{DestinationError, Trouble};
use super::folder;
use super::place::{Reach, Where, check_secret};
use super::remote::{self, RemotePlace};
use super::sftp::SftpSecret;
use super::ssh;
use super::store::{self, Copy, Destination, Totals};
use crate::features::audit::{Action, Actor, Entry};
use crate::features::backups::BackupService;
use crate::features::settings::{Location, SettingsService};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::standing;
use crate::platform::ids::Ids;
use crate::platform::process::Processes;

const MAX_NAME_CHARS: usize = 100;

/// What the service is made of.
#[derive(Clone)]
pub struct DestinationParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// What is copied.
    pub backups: BackupService,
    /// Keeps passwords and keys.
    pub settings: SettingsService,
    /// Runs ssh.
    pub processes: Processes,
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

    pub(super) fn short(&self) -> Duration {
        self.parts.patience / 4
    }

    /// Over a slow line a piece of a few megabytes takes longer than anything in a folder does.
    pub(super) fn network_patience(&self) -> Duration {
        self.parts.patience * 5
    }

    pub(super) async fn list(&self) -> Result<Vec<Standing>, DestinationError> {
        let totals = store::totals(self.parts.db.orm()).await?;
        let mut standing = Vec::new();
        for destination in store::list(self.parts.db.orm()).await? {
            let free_bytes = if destination.kind == "folder" {
                let path = PathBuf::from(&destination.path);
                let free = self.at(destination.id, self.short(), None, move || {
                    Ok(folder::free_bytes(&path))
                });
                free.await.unwrap_or(None)
            } else {
                None
            };
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

    /// How many places copies go to.
    pub async fn count_enabled(&self) -> Result<usize, sea_orm::DbErr> {
        let all = store::list(self.parts.db.orm()).await?;
        Ok(all.iter().filter(|one| one.is_enabled).count())
    }

    /// Those of the numbers that no destination has.
    pub async fn unknown(&self, ids: &[i32]) -> Result<Vec<i32>, sea_orm::DbErr> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let all = store::list(self.parts.db.orm()).await?;
        let is_known = |id: &i32| all.iter().any(|one| one.id == *id);
        Ok(ids.iter().copied().filter(|id| !is_known(id)).collect())
    }

    pub(super) async fn get(&self, id: i32) -> Result<Destination, DestinationError> {
        store::get(self.parts.db.orm(), id)
            .await?
            .ok_or(DestinationError::NotFound(id))
    }

    /// Makes a place a destination.
    pub(super) async fn create(
        &self,
        actor: &Actor,
        name: &str,
        mut place: Where,
        secret: Option<SecretString>,
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
        place.check()?;
        let wanted = self.parts.ids.uuid();
        let sentinel = match &mut place {
            Where::Folder(folder) => {
                let path = folder.display().to_string();
                self.check_path(&path).map_err(|why| invalid("path", why))?;
                let folder = folder.clone();
                let claimed = within(self.short(), move || folder::claim(&folder, wanted)).await;
                claimed.map_err(|trouble| invalid("path", trouble.message))?
            }
            Where::Sftp(config) if config.host_key.is_none() => {
                let opens = secret.as_ref().map(ssh::secret_of);
                let opens = opens.ok_or_else(|| invalid("password", "must be given".to_owned()))?;
                let server = self.reach().server(config, opens);
                let seen = watched(self.parts.patience, None, server.see_host_key()).await;
                config.host_key = seen.map_err(|trouble| {
                    let place = Where::Sftp(config.clone());
                    at_fault(&place, trouble)
                })?;
                self.claim_remote(&place, secret.as_ref(), wanted).await?
            }
            _ => self.claim_remote(&place, secret.as_ref(), wanted).await?,
        };
        let tx = self.parts.db.begin().await?;
        let vault = self.parts.settings.vault();
        vault.hold(&tx).await?;
        let made = store::insert(&tx, name, &place, sentinel, self.parts.clock.now()).await?;
        let Some(id) = made else {
            let why = "a destination of this name or place is there already".to_owned();
            return Err(invalid("name", why));
        };
        if let Some(secret) = &secret {
            self.seal(&tx, id, secret).await?;
        }
        let entry = Entry::new(Action::DestinationCreated).resource("destination", id);
        let entry = entry.details(json!({ "name": name, "place": place.address() }));
        self.commit(tx, actor, entry).await?;
        self.get(id).await
    }

    async fn claim_remote(
        &self,
        place: &Where,
        secret: Option<&SecretString>,
        wanted: uuid::Uuid,
    ) -> Result<uuid::Uuid, DestinationError> {
        let claimed = async {
            let remote = self.reach().connect(place, secret)?;
            let remote = remote.ok_or_else(|| Trouble::new("internal", "no place"))?;
            let sentinel = remote::claim(remote.as_ref(), wanted).await?;
            remote::check(remote.as_ref(), sentinel).await?;
            Ok(sentinel)
        };
        let claimed = watched(self.parts.patience, None, claimed).await;
        claimed.map_err(|trouble| at_fault(place, trouble))
    }

    pub(super) async fn seal(
        &self,
        tx: &impl sea_orm::ConnectionTrait,
        id: i32,
        secret: &SecretString,
    ) -> Result<bool, DestinationError> {
        let row = id.to_string();
        let vault = self.parts.settings.vault();
        let plain = secret.expose_secret().as_bytes();
        let sealed = vault.seal(tx, location(&row), plain).await?;
        Ok(store::set_secret(tx, id, sealed).await?)
    }

    /// Where a destination is, and how it is reached if it is over the network.
    pub(super) async fn reach_of(
        &self,
        destination: &Destination,
    ) -> Result<(Where, Option<RemotePlace>), Trouble> {
        let place = Where::read(&destination.kind, &destination.path, &destination.config)?;
        let secret = self.secret_of(destination).await.map_err(|error| {
            Trouble::new(
                "no_secret",
                format!("Its password or key cannot be read: {error}. Remove the destination and add it again."),
            )
        })?;
        let remote = self.reach().connect(&place, secret.as_ref())?;
        Ok((place, remote))
    }

    pub(super) async fn secret_of(
        &self,
        destination: &Destination,
    ) -> Result<Option<SecretString>, DestinationError> {
        let Some(sealed) = &destination.secret else {
            return Ok(None);
        };
        let row = destination.id.to_string();
        let vault = self.parts.settings.vault();
        let plain = vault
            .open_fresh(self.parts.db.orm(), location(&row), sealed)
            .await?;
        Ok(Some(SecretString::from(
            String::from_utf8_lossy(&plain).into_owned(),
        )))
    }

    fn reach(&self) -> Reach {
        Reach {
            processes: self.parts.processes.clone(),
            ids: self.parts.ids.clone(),
        }
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

    pub(super) async fn change(
        &self,
        actor: &Actor,
        id: i32,
        is_enabled: bool,
        secret: Option<SecretString>,
        private_key: Option<SecretString>,
    ) -> Result<Destination, DestinationError> {
        let kind = self.get(id).await?.kind;
        let secret = match (kind.as_str(), secret, private_key) {
            (_, None, None) => None,
            ("s3", Some(secret), None) => Some(secret),
            ("sftp", Some(password), None) => {
                Some(ssh::secret_text(&SftpSecret::Password(password)))
            }
            ("sftp", None, Some(key)) => Some(ssh::secret_text(&SftpSecret::PrivateKey(key))),
            _ => {
                let why = "does not go with this kind of destination".to_owned();
                return Err(DestinationError::Invalid {
                    field: "secret",
                    why,
                });
            }
        };
        if let Some(secret) = &secret {
            check_secret("secret", secret)?;
        }
        let tx = self.parts.db.begin().await?;
        if let Some(secret) = &secret {
            self.seal(&tx, id, secret).await?;
        }
        if !store::set_enabled(&tx, id, is_enabled, self.parts.clock.now()).await? {
            return Err(DestinationError::NotFound(id));
        }
        let entry = Entry::new(Action::DestinationChanged).resource("destination", id);
        if !is_enabled {
            // Whoever enables it again wants to hear anew what is wrong with it.
            standing::forget(&tx, &format!("copies:{id}")).await?;
        }
        let entry = entry.details(json!({ "enabled": is_enabled, "secret": secret.is_some() }));
        self.commit(tx, actor, entry).await?;
        self.get(id).await
    }

    /// Forgets a destination. What lies there stays.
    pub(super) async fn delete(&self, actor: &Actor, id: i32) -> Result<(), DestinationError> {
        let tx = self.parts.db.begin().await?;
        if !store::delete(&tx, id).await? {
            return Err(DestinationError::NotFound(id));
        }
        standing::forget(&tx, &format!("copies:{id}")).await?;
        let entry = Entry::new(Action::DestinationDeleted).resource("destination", id);
        self.commit(tx, actor, entry).await
    }

    /// Tries a destination: is it mounted, can it be written.
    pub(super) async fn test(&self, id: i32) -> Result<Destination, DestinationError> {
        let destination = self.get(id).await?;
        let sentinel = destination.sentinel;
        let checked = match self.reach_of(&destination).await {
            Ok((_, Some(remote))) => {
                let checked = remote::check(remote.as_ref(), sentinel);
                watched(self.parts.patience, None, checked).await
            }
            Ok((_, None)) => {
                let path = PathBuf::from(&destination.path);
                let check = move || folder::check(&path, sentinel);
                self.at(id, self.short(), None, check).await
            }
            Err(trouble) => Err(trouble),
        };
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

/// The field that trouble with a new place is most likely about.
fn at_fault(place: &Where, trouble: Trouble) -> DestinationError {
    let field = match (place, trouble.code) {
        (Where::S3(_), "no_such_bucket" | "not_found") => "bucket",
        (Where::S3(_), "credentials_refused") => "secret_access_key",
        (Where::S3(_), _) => "endpoint",
        (Where::Sftp(_), "credentials_refused") => "password",
        (Where::Sftp(_), "no_such_folder" | "permission_denied") => "folder",
        (Where::Sftp(_), "host_key_changed") => "host_key",
        (Where::Sftp(_), _) => "host",
        (Where::Folder(_), _) => "path",
    };
    DestinationError::Invalid {
        field,
        why: trouble.message,
    }
}

fn location(row: &str) -> Location<'_> {
    Location {
        table: "backup_destinations",
        column: "secret",
        row,
    }
}

/// Does work over the network. Gives up when it takes longer than `limit`, or when `progress` does not move
/// for so long.
pub(super) async fn watched<T>(
    limit: Duration,
    progress: Option<&AtomicU64>,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    tokio::pin!(work);
    let mut last = 0;
    loop {
        if let Ok(outcome) = tokio::time::timeout(limit, &mut work).await {
            return outcome;
        }
        let now = progress.map_or(last, |progress| progress.load(Ordering::Relaxed));
        if now == last {
            return Err(not_responding(limit));
        }
        last = now;
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
