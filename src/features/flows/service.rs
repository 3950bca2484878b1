//! The use cases that read: what is in n8n, in a backup, in all of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::Connection;

use super::FlowError;
use super::collect::{Found, Listed, Wanted};
use super::diff::{self, FlowDiff};
use super::source::{Source, Tools, stored};
use super::store::{self, Hit, Search, Sighting, Snapshot};
use super::version::{Place, VersionRef};
use crate::features::backups::{
    Backup, BackupError, BackupFiles, BackupService, BackupType, FileLease, Stored, TableCount,
};
use crate::features::n8n::{self, Flow, Inventory, N8nError, N8nService};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::EventBus;
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::{ConnInfo, Installations};
use crate::platform::process::Processes;

/// What the service is made of.
#[derive(Clone)]
pub struct FlowParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Where that is.
    pub own_database: ConnInfo,
    /// The n8n that is looked after.
    pub n8n: N8nService,
    /// Where workflows lie.
    pub backups: BackupService,
    /// PostgreSQL's programs, for archives that others made.
    pub installations: Arc<Installations>,
    /// Runs them.
    pub processes: Processes,
    /// Where uploaded archives are kept.
    pub archive_dir: PathBuf,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Start and stop.
    pub lifecycle: Lifecycle,
    /// Who is told what happened.
    pub events: EventBus,
}

/// Workflows, now and in every backup. Cheap to clone.
#[derive(Clone)]
pub struct FlowService {
    pub(super) parts: Arc<FlowParts>,
    /// One archive is read at a time: each takes some memory.
    pub(super) reading: Arc<tokio::sync::Mutex<()>>,
}

/// Where workflows were read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// n8n's database.
    Database,
    /// n8n's public API.
    Api,
}

/// What n8n has now.
pub struct Live {
    /// Where that was read from.
    pub origin: Origin,
    /// What there is beside workflows; empty over the API.
    pub inventory: Inventory,
    /// The workflows, for a list.
    pub listed: Vec<Listed>,
}

/// What is in a backup or an archive.
pub struct Contents {
    /// What was found beside workflows.
    pub snapshot: Snapshot,
    /// The workflows.
    pub flows: Vec<Sighting>,
}

/// A version of a workflow and where it is.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// What it is called.
    pub version: String,
    /// When it was so.
    pub at: Option<DateTime<Utc>>,
    /// The workflow's name then; none when n8n's own history does not say.
    pub name: Option<String>,
    /// What makes it this version; none for versions that hold nodes alone.
    pub sha256: Option<String>,
    /// Its nodes, by number.
    pub node_count: usize,
    /// Whether it ran by itself.
    pub is_active: Option<bool>,
    /// Who saved it, in n8n's own history.
    pub authors: Option<String>,
    /// Whether the next older one is the same.
    pub is_unchanged: bool,
}

impl FlowService {
    /// Puts the service together. Touches neither network nor disk.
    pub fn new(parts: FlowParts) -> Self {
        Self {
            parts: Arc::new(parts),
            reading: Arc::default(),
        }
    }

    pub(super) fn tools(&self) -> Tools {
        Tools {
            installation: self.parts.installations.all().last().cloned(),
            processes: self.parts.processes.clone(),
        }
    }

    /// What n8n has now: by its database, or by its API where that is all there is.
    pub async fn live(&self) -> Result<Live, FlowError> {
        let (mut connection, tables) = match self.parts.n8n.open_database().await {
            Ok(opened) => opened,
            Err(error) => {
                let flows = self.over_api(error).await?;
                let listed = flows.into_iter().map(Listed::of).collect();
                return Ok(Live {
                    origin: Origin::Api,
                    inventory: Inventory::default(),
                    listed,
                });
            }
        };
        let mut listed = Vec::new();
        let inventory = {
            let mut tx = n8n::begin_snapshot(&mut connection).await?;
            let inventory = n8n::inventory(&mut tx, &tables).await?;
            {
                let mut flows = pin!(n8n::flows(&mut tx, &tables, &inventory, None));
                while let Some(flow) = flows.try_next().await? {
                    listed.push(Listed::of(flow));
                }
            }
            tx.rollback().await?;
            inventory
        };
        let _ = connection.close().await;
        Ok(Live {
            origin: Origin::Database,
            inventory,
            listed,
        })
    }

    /// Every workflow over n8n's API, if one is set; else why the database could not be asked.
    async fn over_api(&self, database: N8nError) -> Result<Vec<Flow>, FlowError> {
        match self.parts.n8n.api()? {
            Some(api) => Ok(api.flows().await?),
            None => Err(database.into()),
        }
    }

    /// Ids of the workflows that n8n has now.
    async fn live_ids(&self) -> Result<BTreeSet<String>, FlowError> {
        let (mut connection, tables) = match self.parts.n8n.open_database().await {
            Ok(opened) => opened,
            Err(error) => {
                let flows = self.over_api(error).await?;
                return Ok(flows.iter().map(|flow| flow.id().to_owned()).collect());
            }
        };
        let names = n8n::flow_names(&mut connection, &tables).await?;
        let _ = connection.close().await;
        Ok(names.into_keys().collect())
    }

    /// These workflows as they are now.
    pub(super) async fn live_flows(&self, ids: &BTreeSet<String>) -> Result<Vec<Flow>, FlowError> {
        let (mut connection, tables) = match self.parts.n8n.open_database().await {
            Ok(opened) => opened,
            Err(error) => {
                let mut flows = self.over_api(error).await?;
                flows.retain(|flow| ids.contains(flow.id()));
                return Ok(flows);
            }
        };
        let inventory = n8n::inventory(&mut connection, &tables).await?;
        let flows: Vec<Flow> = n8n::flows(&mut connection, &tables, &inventory, Some(ids))
            .try_collect()
            .await?;
        let _ = connection.close().await;
        Ok(flows)
    }

    /// Where a backup's or an archive's workflows are, and when they were so. The lease keeps the file.
    pub(super) async fn source(
        &self,
        place: Place,
    ) -> Result<(Source, DateTime<Utc>, Option<FileLease>), FlowError> {
        match place {
            Place::Archive(id) => {
                let upload = self.upload(id).await?;
                let file = stored(self.parts.archive_dir.join(&upload.filename), "zstd");
                let source = match upload.format.as_str() {
                    "packed" => Source::Packed(file),
                    _ => Source::Sql(file),
                };
                Ok((source, upload.uploaded_at, None))
            }
            Place::Backup(id) => {
                let lease = self.parts.backups.lease(id);
                let backup = self.parts.backups.get(id).await?;
                let source = self.backup_source(&backup).await?;
                Ok((source, backup.started_at, Some(lease)))
            }
        }
    }

    async fn backup_source(&self, backup: &Backup) -> Result<Source, FlowError> {
        let file = self.parts.backups.get_file(backup.id).await?;
        if !file.path.is_file() {
            return Err(BackupError::FileMissing(backup.id).into());
        }
        let mut stored = Stored {
            path: file.path,
            compression: file.compression,
            lock: file.lock,
            entry: None,
        };
        match BackupType::find(&file.backup_type) {
            Some(BackupType::PostgresN8n) => {
                let path = stored.path.clone();
                let index = tokio::task::spawn_blocking(move || BackupFiles::read_index(&path));
                Ok(match index.await.unwrap_or(None) {
                    Some(index) => Source::Indexed(stored, Box::new(index)),
                    None => Source::Dump(stored),
                })
            }
            Some(BackupType::Flows) => Ok(Source::Packed(stored)),
            Some(BackupType::PostgresFull) => {
                let entries = self.parts.backups.entries(&stored.path).await?;
                let is_n8n = |table: &TableCount| table.name.ends_with("workflow_entity");
                let mut entries = entries.into_iter();
                let entry = entries.find(|entry| entry.tables.iter().any(is_n8n));
                let entry = entry.ok_or(FlowError::NoFlowsIn(backup.id))?;
                stored.compression = entry.compression.unwrap_or_default();
                stored.entry = Some(entry.name);
                Ok(Source::Dump(stored))
            }
            _ => Err(FlowError::NoFlowsIn(backup.id)),
        }
    }

    /// Reads what is wanted of a backup or an archive.
    pub(super) async fn read(&self, place: Place, wanted: Wanted) -> Result<Found, FlowError> {
        let (source, _, _lease) = self.source(place).await?;
        let _one_at_a_time = self.reading.lock().await;
        let found = source.read(wanted, &self.tools()).await;
        found.map_err(|error| FlowError::unreadable(place, &error))
    }

    /// What is in a backup or an archive; read now if it was not read before.
    pub async fn contents(&self, place: Place) -> Result<Contents, FlowError> {
        let db = self.parts.db.orm();
        let mut snapshot = store::snapshot(db, place).await?;
        // What could not be read then may be readable now: a key came back, a program was installed.
        if !snapshot.as_ref().is_some_and(Snapshot::is_good) {
            self.index(place).await?;
            snapshot = store::snapshot(db, place).await?;
        } else if let Place::Backup(id) = place {
            // Of a deleted backup nothing is shown any more.
            self.parts.backups.get_file(id).await?;
        }
        let gone = || FlowError::Unreadable(place, "it is gone".to_owned());
        let snapshot = snapshot.ok_or_else(gone)?;
        if let Some(error) = snapshot.error {
            return Err(FlowError::Unreadable(place, error));
        }
        let flows = store::of_place(db, place).await?;
        Ok(Contents { snapshot, flows })
    }

    /// Reads the list of a backup or an archive, and keeps it.
    pub(super) async fn index(&self, place: Place) -> Result<(), FlowError> {
        let (source, taken_at, _lease) = self.source(place).await?;
        let _one_at_a_time = self.reading.lock().await;
        let known = store::snapshot(self.parts.db.orm(), place).await?;
        if known.as_ref().is_some_and(Snapshot::is_good) {
            // Somebody else read it while this waited.
            return Ok(());
        }
        let found = source.read(Wanted::List, &self.tools()).await;
        let tx = self.parts.db.begin().await?;
        let outcome = found.as_ref().map_err(ToString::to_string);
        store::record(&tx, place, taken_at, outcome, self.parts.clock.now()).await?;
        tx.commit().await?;
        match found {
            Ok(found) => {
                let workflows = found.listed.len();
                tracing::info!(place = %place, workflows, "looked for workflows");
            }
            Err(error) => tracing::warn!(place = %place, %error, "cannot look for workflows"),
        }
        Ok(())
    }

    /// Workflows that were ever seen and fit a search; with `deleted_only` those that n8n has no more. Also
    /// how many backups were not looked into yet.
    pub async fn search(
        &self,
        text: &str,
        deleted_only: bool,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<Hit>, BTreeSet<String>, usize), FlowError> {
        let db = self.parts.db.orm();
        // A search works when n8n does not: then nobody knows what is there now.
        let ids = match self.live_ids().await {
            Ok(ids) => ids,
            Err(error) if deleted_only => return Err(error),
            Err(_) => BTreeSet::new(),
        };
        let search = Search {
            text: text.trim().to_owned(),
            missing_from: deleted_only.then(|| ids.iter().cloned().collect()),
        };
        let hits = store::search(db, &search, limit, offset).await?;
        Ok((hits, ids, store::count_unseen(db).await?))
    }

    /// Every version of a workflow that can be had, newest first: n8n's own, its history, and those of backups
    /// and archives.
    pub async fn history(&self, workflow_id: &str) -> Result<Vec<HistoryEntry>, FlowError> {
        let seen = store::of_workflow(self.parts.db.orm(), workflow_id).await?;
        let mut entries: Vec<HistoryEntry> = seen
            .into_iter()
            .map(|one| HistoryEntry {
                version: place_of(&one).map_or_else(String::new, |place| place.to_string()),
                at: Some(one.taken_at),
                name: Some(one.name),
                sha256: Some(one.content_sha256),
                node_count: usize::try_from(one.node_count).unwrap_or(0),
                is_active: Some(one.is_active),
                authors: None,
                is_unchanged: false,
            })
            .collect();
        // Without n8n the backups still have what they have.
        match self.live_history(workflow_id).await {
            Ok(live) => entries.extend(live),
            Err(error) if entries.is_empty() => return Err(error),
            Err(_) => {}
        }
        if entries.is_empty() {
            return Err(FlowError::Unknown(workflow_id.to_owned()));
        }
        // The running one first, then by time.
        entries.sort_by_key(|one| (one.version != "live", std::cmp::Reverse(one.at)));
        for at in 1..entries.len() {
            let (older, newer) = (entries[at].sha256.clone(), &mut entries[at - 1]);
            newer.is_unchanged = older.is_some() && newer.sha256 == older;
        }
        Ok(entries)
    }

    async fn live_history(&self, workflow_id: &str) -> Result<Vec<HistoryEntry>, FlowError> {
        let ids = BTreeSet::from([workflow_id.to_owned()]);
        let Some(flow) = self.live_flows(&ids).await?.into_iter().next() else {
            return Ok(Vec::new());
        };
        let mut entries = vec![HistoryEntry {
            version: VersionRef::Live.to_string(),
            at: flow.updated_at(),
            name: Some(flow.name().to_owned()),
            sha256: Some(flow.content_sha256()),
            node_count: flow.nodes().len(),
            is_active: Some(flow.is_active()),
            authors: None,
            is_unchanged: false,
        }];
        let Ok((mut connection, tables)) = self.parts.n8n.open_database().await else {
            return Ok(entries);
        };
        let kept = n8n::kept_versions(&mut connection, &tables, workflow_id).await?;
        let _ = connection.close().await;
        let current = flow.text("versionId").to_owned();
        let kept = kept.into_iter().filter(|one| one.version_id != current);
        entries.extend(kept.map(|one| HistoryEntry {
            at: n8n::time_of(&one.created_at),
            name: one.name,
            sha256: None,
            node_count: one.nodes.as_array().map_or(0, Vec::len),
            is_active: None,
            authors: Some(one.authors),
            is_unchanged: false,
            version: VersionRef::History(one.version_id).to_string(),
        }));
        Ok(entries)
    }

    /// A version of a workflow, whole.
    pub async fn flow(&self, version: &VersionRef, id: &str) -> Result<Flow, FlowError> {
        let ids = BTreeSet::from([id.to_owned()]);
        let found = self.flows(version, &ids).await?.into_iter().next();
        found.ok_or_else(|| FlowError::NoFlow(version.clone(), id.to_owned()))
    }

    /// Those of these workflows that a version has.
    pub async fn flows(
        &self,
        version: &VersionRef,
        ids: &BTreeSet<String>,
    ) -> Result<Vec<Flow>, FlowError> {
        match version {
            VersionRef::Live => self.live_flows(ids).await,
            VersionRef::In(place) => {
                let wanted = Wanted::Flows {
                    ids: ids.clone(),
                    has_secrets: false,
                };
                Ok(self.read(*place, wanted).await?.flows)
            }
            VersionRef::History(version_id) => self.kept_flow(version_id, ids).await,
            VersionRef::Safety(item) => {
                let flow = self.safety_copy(*item).await?;
                Ok(Vec::from_iter(flow.filter(|flow| ids.contains(flow.id()))))
            }
        }
    }

    /// A version of n8n's own history: the running workflow with the nodes of then; nothing else is kept.
    async fn kept_flow(
        &self,
        version_id: &str,
        ids: &BTreeSet<String>,
    ) -> Result<Vec<Flow>, FlowError> {
        let mut flows = self.live_flows(ids).await?;
        let (mut connection, tables) = self.parts.n8n.open_database().await?;
        let mut found = Vec::new();
        for mut flow in flows.drain(..) {
            let kept = n8n::kept_versions(&mut connection, &tables, flow.id()).await?;
            if let Some(kept) = kept.into_iter().find(|one| one.version_id == version_id) {
                flow.fields.insert("nodes".to_owned(), kept.nodes);
                let connections = ("connections".to_owned(), kept.connections);
                flow.fields.extend([connections]);
                found.push(flow);
            }
        }
        let _ = connection.close().await;
        Ok(found)
    }

    /// What differs between two versions of a workflow, and both of them.
    pub async fn diff(
        &self,
        id: &str,
        old: &VersionRef,
        new: &VersionRef,
    ) -> Result<(FlowDiff, Flow, Flow), FlowError> {
        let (old, new) = (self.flow(old, id).await?, self.flow(new, id).await?);
        Ok((diff::diff(&old, &new), old, new))
    }
}

/// Where a workflow was seen.
pub(super) fn place_of(sighting: &Sighting) -> Option<Place> {
    sighting
        .backup_id
        .map(Place::Backup)
        .or_else(|| sighting.archive_id.map(Place::Archive))
}

/// The migrations that a snapshot's n8n had run.
pub(super) fn migrations_of(snapshot: &Snapshot) -> BTreeSet<String> {
    let names = snapshot.inventory["migrations"].as_array();
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}
