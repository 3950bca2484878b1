//! Copies brought back: one whose own file is gone, or the newest of each type onto an empty box.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};

use super::error::{DestinationError, Trouble};
use super::folder;
use super::remote;
use super::service::{DestinationService, watched};
use super::store::{self, Destination};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::{BackupFiles, BackupType, Manifest};

impl DestinationService {
    async fn manifests_at(&self, destination: &Destination) -> Result<Vec<Manifest>, Trouble> {
        let (_, remote) = self.reach_of(destination).await?;
        if let Some(remote) = remote {
            let listing = remote::manifests(remote.as_ref());
            return watched(self.network_patience(), None, listing).await;
        }
        let root = PathBuf::from(&destination.path);
        self.at(destination.id, self.parts.patience, None, move || {
            folder::manifests(&root)
        })
        .await
    }

    /// Brings a backup's file into the backup folder, by the same steps as a run: partial, hashed, durable,
    /// renamed, the manifest last.
    async fn fetch_from(
        &self,
        destination: &Destination,
        manifest: &Manifest,
    ) -> Result<(), Trouble> {
        let failed = |error: std::io::Error| {
            Trouble::new(
                "storage_failed",
                format!("It cannot be kept here: {error}."),
            )
        };
        let kind = BackupType::find(&manifest.backup_type)
            .filter(|_| BackupFiles::is_plain_name(&manifest.filename))
            .ok_or_else(|| {
                Trouble::new("strange_manifest", "Its manifest names no file of ours.")
            })?;
        let files = BackupFiles::new(self.parts.backup_dir.clone());
        files.prepare().map_err(failed)?;
        let (partial, _) = files.create_partial(manifest.job_id).map_err(failed)?;
        let target = partial.path().to_owned();
        let done = Arc::new(AtomicU64::new(0));
        let (_, remote) = self.reach_of(destination).await?;
        let index = if let Some(remote) = remote {
            let fetching = remote::fetch(remote.as_ref(), manifest, &target, &done);
            watched(self.network_patience(), Some(&done), fetching).await?
        } else {
            let (root, manifest, told) = (
                PathBuf::from(&destination.path),
                manifest.clone(),
                Arc::clone(&done),
            );
            self.at(destination.id, self.parts.patience, Some(done), move || {
                folder::fetch(&root, &manifest, &target, &told)
            })
            .await?
        };
        let index: Value = index
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_else(|| json!({}));
        let (path, manifest) = (files.final_path(kind, &manifest.filename), manifest.clone());
        let published =
            tokio::task::spawn_blocking(move || files.publish(partial, &path, &manifest, &index));
        published
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(failed)
    }

    /// Brings a backup's own file back from whichever destination has a whole copy.
    pub(super) async fn fetch(
        &self,
        actor: &Actor,
        backup_id: i32,
    ) -> Result<(), DestinationError> {
        let backup = self.parts.backups.get(backup_id).await?;
        let copies = store::copies_of(self.parts.db.orm(), backup_id).await?;
        let mut last = Trouble::new("no_copy", "No destination has a copy of this backup.");
        for copy in copies.iter().filter(|copy| copy.status == "copied") {
            let destination = self.get(copy.destination_id).await?;
            let fetched = async {
                let all = self.manifests_at(&destination).await?;
                let wanted = all.into_iter().find(|one| one.filename == backup.filename);
                let wanted = wanted
                    .ok_or_else(|| Trouble::new("not_found", "The copy is not there any more."))?;
                self.fetch_from(&destination, &wanted).await
            };
            match fetched.await {
                Ok(()) => {
                    let entry = Entry::new(Action::BackupFetched).resource("backup", backup_id);
                    let entry = entry.details(json!({ "destination": destination.name }));
                    let tx = self.parts.db.begin().await?;
                    audit::record(&tx, &self.parts.clock, actor, entry).await?;
                    tx.commit().await?;
                    return Ok(());
                }
                Err(trouble) => last = trouble,
            }
        }
        Err(DestinationError::Fetch(last))
    }

    /// Brings the newest backup of each type that any destination has into the backup folder, where it is
    /// not there already. Returns what was brought and what failed, in words.
    pub async fn fetch_newest(&self) -> Result<Vec<String>, DestinationError> {
        let mut newest: BTreeMap<String, (Manifest, Destination)> = BTreeMap::new();
        let mut said = Vec::new();
        for destination in store::list(self.parts.db.orm()).await? {
            match self.manifests_at(&destination).await {
                Ok(manifests) => {
                    for manifest in manifests {
                        let known = newest.get(&manifest.backup_type);
                        if known.is_none_or(|(other, _)| other.started_at < manifest.started_at) {
                            let kind = manifest.backup_type.clone();
                            newest.insert(kind, (manifest, destination.clone()));
                        }
                    }
                }
                Err(trouble) => said.push(format!("{}: {}", destination.name, trouble.message)),
            }
        }
        let files = BackupFiles::new(self.parts.backup_dir.clone());
        for (manifest, destination) in newest.into_values() {
            let is_here = BackupType::find(&manifest.backup_type)
                .is_some_and(|kind| files.final_path(kind, &manifest.filename).exists());
            if is_here {
                continue;
            }
            said.push(match self.fetch_from(&destination, &manifest).await {
                Ok(()) => format!("{} came from {}.", manifest.filename, destination.name),
                Err(trouble) => format!("{}: {}", manifest.filename, trouble.message),
            });
        }
        Ok(said)
    }
}
