//! The use cases: look before, put back.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::oneshot;

use super::credentials::{self, Usable};
use super::plan::{self, Earlier, Item, Note, Target, Wishes};
use super::store::{self, Restore, RestoreItem};
use super::target;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::flows::collect::{Found, Wanted};
use crate::features::flows::service::migrations_of;
use crate::features::flows::{FlowError, FlowService, VersionRef};
use crate::features::n8n::{self, ApiTaste, Flow, N8nApi, N8nTables};

/// Most workflows in one restore.
const MOST_AT_ONCE: usize = 500;
/// One restore at a time, over all daemons of one database.
const LOCK: i64 = 0x0046_4c4f_5752_5354;

/// What somebody wants to put back.
#[derive(Clone, Debug)]
pub struct RestoreRequest {
    /// From where.
    pub source: VersionRef,
    /// Which workflows.
    pub ids: BTreeSet<String>,
    /// How.
    pub wishes: Wishes,
    /// The encryption key of the n8n that the archive is of, if it is another.
    pub source_key: Option<SecretString>,
    /// Whether workflows of a newer n8n are put into an older one.
    pub accept_newer: bool,
}

/// What would be done, with the means to do it.
pub struct Planned {
    /// For each workflow.
    pub items: Vec<Item>,
    /// What concerns all of them.
    pub notes: Vec<Note>,
    /// Whether the archive is of a newer n8n.
    pub is_newer: bool,
    pub(super) usable: Usable,
    /// Whether n8n's database may be written.
    pub(super) is_writable: bool,
    pub(super) database: Option<(PgConnection, N8nTables)>,
    pub(super) api: Option<(N8nApi, ApiTaste)>,
}

impl Planned {
    /// Closes what was opened for it.
    pub async fn close(self) {
        if let Some((connection, _)) = self.database {
            let _ = connection.close().await;
        }
    }
}

/// The workflows that were asked for, and when they were so.
struct Taken {
    flows: Vec<Flow>,
    found: Found,
    taken_at: DateTime<Utc>,
    migrations: BTreeSet<String>,
}

impl FlowService {
    /// What a restore would do. Changes nothing.
    pub async fn plan_restore(&self, request: &RestoreRequest) -> Result<Planned, FlowError> {
        if request.ids.is_empty() || request.ids.len() > MOST_AT_ONCE {
            return Err(FlowError::invalid("ids", "give 1 to 500 workflows"));
        }
        let taken = self.take(request).await?;
        if let Some(missing) = request
            .ids
            .iter()
            .find(|id| !taken.flows.iter().any(|flow| flow.id() == *id))
        {
            return Err(FlowError::NoFlow(request.source.clone(), missing.clone()));
        }
        let mut notes = Vec::new();
        let api = self.usable_api(&mut notes).await?;
        let (mut target, mut database) = self.target(request, api.as_ref(), &mut notes).await?;
        target.taste = api.as_ref().map(|(_, taste)| taste.clone());
        target.earlier = self.earlier(&request.ids).await?;
        let usable = match &mut database {
            Some((connection, tables)) => {
                let live_keys = n8n::deployment_keys(connection, tables).await?;
                let key = self.parts.n8n.source()?.and_then(|n8n| n8n.encryption_key);
                let source_key = request.source_key.as_ref();
                credentials::usable(
                    &taken.found,
                    key.as_ref(),
                    live_keys,
                    source_key,
                    &self.parts.ids,
                )
            }
            None => Usable {
                rows: BTreeMap::new(),
                why_not: Some("n8n's database cannot be reached".to_owned()),
            },
        };
        if target.is_writable {
            target.restorable_credentials = usable.rows.keys().cloned().collect();
        }
        if let Some(project) = &request.wishes.project_id
            && target.knows_all
            && !target.inventory.projects.contains_key(project)
        {
            return Err(FlowError::invalid("project_id", "n8n has no such project"));
        }
        let is_newer = compare_schemas(&taken.migrations, &target, &mut notes);
        let ids = &self.parts.ids;
        let items: Vec<Item> = taken
            .flows
            .iter()
            .map(|flow| {
                let new_id = || n8n::new_id(ids);
                plan::plan(
                    flow,
                    &target,
                    &request.wishes,
                    taken.taken_at,
                    &request.ids,
                    new_id,
                )
            })
            .collect();
        let lacks = |item: &Item| {
            item.notes
                .iter()
                .any(|note| note.code == "credential_missing")
        };
        if request.wishes.with_credentials
            && let Some(why) = usable.why_not.as_ref().filter(|_| items.iter().any(lacks))
        {
            notes.push(Note {
                code: "credentials_locked",
                is_warning: true,
                message: format!("Credentials of the archive cannot be restored: {why}."),
            });
        }
        Ok(Planned {
            items,
            notes,
            is_newer,
            usable,
            is_writable: target.is_writable,
            database,
            api,
        })
    }

    /// What n8n has, and the connection to its database if that answers.
    async fn target(
        &self,
        request: &RestoreRequest,
        api: Option<&(N8nApi, ApiTaste)>,
        notes: &mut Vec<Note>,
    ) -> Result<(Target, Option<(PgConnection, N8nTables)>), FlowError> {
        match (self.parts.n8n.open_database().await, api) {
            (Ok((mut connection, tables)), _) => {
                let target = target::from_database(&mut connection, &tables, &request.ids).await?;
                Ok((target, Some((connection, tables))))
            }
            (Err(error), Some((api, _))) => {
                let message = format!("{error}. Over the API alone less can be checked and kept.");
                notes.push(Note {
                    code: "database_away",
                    is_warning: true,
                    message,
                });
                Ok((target::from_api(api, &request.ids).await?, None))
            }
            (Err(error), None) => Err(error.into()),
        }
    }

    async fn take(&self, request: &RestoreRequest) -> Result<Taken, FlowError> {
        let now = self.parts.clock.now();
        match &request.source {
            VersionRef::Live => {
                let why = "give a backup, an archive or a version of n8n's history";
                Err(FlowError::invalid("source", why))
            }
            VersionRef::In(place) => {
                let snapshot = self.contents(*place).await?.snapshot;
                let wanted = Wanted::Flows {
                    ids: request.ids.clone(),
                    has_secrets: true,
                };
                let mut found = self.read(*place, wanted).await?;
                Ok(Taken {
                    flows: std::mem::take(&mut found.flows),
                    found,
                    taken_at: snapshot.taken_at,
                    migrations: migrations_of(&snapshot),
                })
            }
            version => Ok(Taken {
                flows: self.flows(version, &request.ids).await?,
                found: Found::default(),
                taken_at: now,
                migrations: BTreeSet::new(),
            }),
        }
    }

    /// n8n's API, if it is set and answers.
    async fn usable_api(
        &self,
        notes: &mut Vec<Note>,
    ) -> Result<Option<(N8nApi, ApiTaste)>, FlowError> {
        let Some(api) = self.parts.n8n.api()? else {
            return Ok(None);
        };
        let tried = async {
            api.check().await?;
            self.parts.n8n.api_taste(&api).await
        };
        match tried.await {
            Ok(taste) => Ok(Some((api, taste))),
            Err(error) => {
                notes.push(Note {
                    code: "api_away",
                    is_warning: true,
                    message: format!("n8n's API cannot be used: {error}."),
                });
                Ok(None)
            }
        }
    }

    async fn earlier(
        &self,
        ids: &BTreeSet<String>,
    ) -> Result<BTreeMap<(String, String), Vec<Earlier>>, FlowError> {
        let ids: Vec<String> = ids.iter().cloned().collect();
        let mut earlier: BTreeMap<_, Vec<Earlier>> = BTreeMap::new();
        for item in store::earlier(self.parts.db.orm(), &ids).await? {
            let (Some(target_id), Some(result_sha256)) = (item.target_id, item.result_sha256)
            else {
                continue;
            };
            let key = (item.workflow_id, item.content_sha256);
            earlier.entry(key).or_default().push(Earlier {
                target_id,
                result_sha256,
            });
        }
        Ok(earlier)
    }

    /// Puts workflows back. Returns the restore's number; what became of each is in its items.
    pub async fn restore(&self, actor: &Actor, request: RestoreRequest) -> Result<i32, FlowError> {
        let lock = self.lock_restores().await?;
        let planned = match self.plan_restore(&request).await {
            Ok(planned) => planned,
            Err(error) => {
                let _ = lock.close().await;
                return Err(error);
            }
        };
        if planned.is_newer && !request.accept_newer {
            let message = planned.notes.iter().find(|note| note.code == "newer_n8n");
            let message = message.map(|note| note.message.clone()).unwrap_or_default();
            planned.close().await;
            let _ = lock.close().await;
            return Err(FlowError::conflict("newer_n8n", message));
        }
        let tx = self.parts.db.begin().await?;
        let source = request.source.to_string();
        let word = serde_json::to_value(request.wishes.on_conflict).unwrap_or_default();
        let word = word.as_str().unwrap_or_default();
        let now = self.parts.clock.now();
        let id = store::insert(&tx, &source, word, actor.user_id, now).await?;
        let mut numbers = Vec::new();
        for item in &planned.items {
            let is_over = item.action == plan::Action::Overwrite;
            let before = item.before.as_ref().filter(|_| is_over);
            let safety = before.map(|flow| safety_of(flow).to_string());
            numbers.push(store::insert_item(&tx, id, item, safety).await?);
        }
        let entry = Entry::new(Action::FlowRestoreRequested).resource("flow_restore", id);
        let entry = entry.details(json!({ "source": source, "workflows": planned.items.len() }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        let (this, actor) = (self.clone(), actor.clone());
        let (done, end) = oneshot::channel();
        // Whoever asked may go away; what was begun goes on.
        self.parts.lifecycle.spawn("flow restore", async move {
            let outcome = this.apply(&actor, id, planned, numbers).await;
            let _ = lock.close().await;
            let _ = done.send(outcome);
        });
        let stopped = || {
            FlowError::conflict(
                "stopping",
                "Flowkeep is stopping; look again after its start",
            )
        };
        end.await.map_err(|_| stopped())??;
        Ok(id)
    }

    /// A connection that holds the lock of restores.
    pub(super) async fn lock_restores(&self) -> Result<PgConnection, FlowError> {
        self.try_lock_restores().await?.ok_or_else(|| {
            let message = "Workflows are being restored already; try again when that is over.";
            FlowError::conflict("restore_running", message)
        })
    }

    pub(super) async fn try_lock_restores(&self) -> Result<Option<PgConnection>, FlowError> {
        let own =
            |error: sqlx::Error| sea_orm::DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into()));
        let mut connection = self
            .parts
            .own_database
            .to_sqlx()
            .connect()
            .await
            .map_err(own)?;
        let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut connection)
            .await
            .map_err(own)?;
        Ok(is_ours.then_some(connection))
    }

    /// Restores, newest first; one more than asked for tells that there are more.
    pub async fn restores(
        &self,
        before_id: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Restore>, FlowError> {
        Ok(store::list(self.parts.db.orm(), before_id, limit).await?)
    }

    /// A restore and what became of each workflow.
    pub async fn get_restore(&self, id: i32) -> Result<(Restore, Vec<RestoreItem>), FlowError> {
        let db = self.parts.db.orm();
        let restore = store::get(db, id).await?;
        let restore = restore.ok_or(FlowError::NoRestore(id))?;
        Ok((restore, store::items(db, id).await?))
    }

    /// What a restore overwrote.
    pub(in crate::features::flows) async fn safety_copy(
        &self,
        item: i32,
    ) -> Result<Option<Flow>, FlowError> {
        let text = store::safety(self.parts.db.orm(), item).await?;
        Ok(text.as_deref().and_then(flow_of_safety))
    }
}

/// A workflow as it is kept for an undo.
pub(super) fn safety_of(flow: &Flow) -> serde_json::Value {
    json!({
        "fields": flow.fields,
        "tags": flow.tags.iter().map(|tag| &tag.name).collect::<Vec<_>>(),
        "folder": flow.folder,
    })
}

fn flow_of_safety(text: &str) -> Option<Flow> {
    let kept: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut flow = Flow::from_fields(kept["fields"].as_object()?.clone());
    flow.set_tags(Some(&kept["tags"]));
    let folder = kept["folder"].as_array().into_iter().flatten();
    flow.folder = folder
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    Some(flow)
}

/// Whether the archive is of a newer n8n than this. n8n's numbers of migrations are in no order, their names
/// tell.
fn compare_schemas(migrations: &BTreeSet<String>, target: &Target, notes: &mut Vec<Note>) -> bool {
    let live = &target.inventory.migrations;
    if migrations.is_empty() || live.is_empty() {
        return false;
    }
    let newer = migrations.difference(live).count();
    let older = live.difference(migrations).count();
    if newer > 0 {
        notes.push(Note {
            code: "newer_n8n",
            is_warning: true,
            message: format!(
                "The archive is of a newer n8n than the one that runs ({newer} changes of its database are \
                 unknown here). Update n8n first, or accept that some nodes may not open."
            ),
        });
    } else if older > 0 {
        notes.push(Note {
            code: "older_n8n",
            is_warning: false,
            message: "The archive is of an older n8n; n8n brings the workflows' nodes up to date when they are opened."
                .to_owned(),
        });
    }
    newer > 0
}
