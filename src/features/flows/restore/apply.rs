//! The writing itself, workflow by workflow; each is whole or not there.

use std::collections::BTreeSet;

use serde_json::json;

use super::plan::{Action as What, Item, Way};
use super::service::Planned;
use super::sql::{self, Minted, NewCredential, Unwritten};
use super::store;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::flows::{FlowError, FlowService};
use crate::features::n8n::{self, ApiTaste, ApiTrouble, Flow, N8nApi, N8nError};
use crate::platform::events::{self, Severity};
use crate::platform::postgres::server_words;

/// Names in an event; the rest is a number.
const NAMED: usize = 20;

/// Why a workflow was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("n8n's database refused: {}", server_words(.0))]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Unwritten(#[from] Unwritten),
    #[error(transparent)]
    Api(#[from] ApiTrouble),
    #[error(transparent)]
    N8n(#[from] N8nError),
    #[error("{0}")]
    Other(String),
}

impl FlowService {
    pub(super) async fn apply(
        &self,
        actor: &Actor,
        id: i32,
        mut planned: Planned,
        numbers: Vec<i32>,
    ) -> Result<(), FlowError> {
        let db = self.parts.db.orm();
        let items = std::mem::take(&mut planned.items);
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (item, number) in items.iter().zip(numbers) {
            if !item.is_write() {
                continue;
            }
            store::begin_item(db, number).await?;
            let outcome = match self.write(&mut planned, item, number).await {
                Ok(target_id) => self.result_sha256(&target_id).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(sha256) => {
                    store::end_item(db, number, Ok(&sha256)).await?;
                    done.push(item.new_name.clone());
                }
                Err(error) => {
                    let why = error.to_string();
                    tracing::warn!(
                        workflow = item.workflow_id,
                        why,
                        "a workflow was not restored"
                    );
                    store::end_item(db, number, Err(&why)).await?;
                    failed.push(item.name.clone());
                }
            }
        }
        planned.close().await;
        self.note_end(actor, id, &done, &failed).await?;
        Ok(())
    }

    /// Ends a restore with audit line and event in one transaction.
    pub(super) async fn note_end(
        &self,
        actor: &Actor,
        id: i32,
        done: &[String],
        failed: &[String],
    ) -> Result<String, FlowError> {
        let tx = self.parts.db.begin().await?;
        let status = store::end(&tx, id, self.parts.clock.now()).await?;
        let some = |names: &[String]| names.iter().take(NAMED).cloned().collect::<Vec<_>>();
        let facts = json!({
            "id": id, "status": status, "restored": done.len(), "failed": failed.len(),
            "workflows": some(done), "not_restored": some(failed),
        });
        let entry = Entry::new(Action::FlowRestored).resource("flow_restore", id);
        audit::record(&tx, &self.parts.clock, actor, entry.details(facts.clone())).await?;
        let event = (!done.is_empty() || !failed.is_empty()).then(|| {
            let severity = if failed.is_empty() {
                Severity::Info
            } else {
                Severity::Warning
            };
            self.event("flow.restored", severity, facts)
        });
        if let Some(event) = &event {
            events::record(&tx, event).await?;
        }
        tx.commit().await?;
        if let Some(event) = event {
            self.parts.events.publish(event);
        }
        Ok(status)
    }

    /// Writes one workflow. Returns the id it has.
    pub(super) async fn write(
        &self,
        planned: &mut Planned,
        item: &Item,
        number: i32,
    ) -> Result<String, Failed> {
        let rows = &planned.usable.rows;
        let credentials: Vec<NewCredential> = item
            .credentials
            .iter()
            .filter_map(|id| rows.get(id).cloned())
            .collect();
        match item.way {
            Some(Way::Sql) => {
                let Some((connection, tables)) = &mut planned.database else {
                    return Err(Failed::Other("n8n's database is away".to_owned()));
                };
                let minted = Minted {
                    version_id: self.parts.ids.uuid().to_string(),
                    ids: self.new_ids(item),
                };
                sql::write(connection, tables, item, &credentials, minted).await?;
                Ok(item.flow.id().to_owned())
            }
            Some(Way::Api) => self.write_by_api(planned, item, number, &credentials).await,
            None => Err(Failed::Other("there is no way to write it".to_owned())),
        }
    }

    /// As many ids as its tags and folders can need.
    fn new_ids(&self, item: &Item) -> Vec<String> {
        let count = item.flow.tags.len() + item.flow.folder.len();
        (0..count).map(|_| n8n::new_id(&self.parts.ids)).collect()
    }

    async fn write_by_api(
        &self,
        planned: &mut Planned,
        item: &Item,
        number: i32,
        credentials: &[NewCredential],
    ) -> Result<String, Failed> {
        let Some((api, taste)) = planned.api.clone() else {
            return Err(Failed::Other("n8n's API is away".to_owned()));
        };
        if let Some((connection, tables)) = &mut planned.database
            && !credentials.is_empty()
        {
            let project = item.project_id.as_deref();
            sql::write_credentials(connection, tables, credentials, project).await?;
        }
        if item.action == What::Overwrite {
            return self.overwrite_by_api(planned, item, &api, &taste).await;
        }
        let made = api.create(&item.flow, &taste).await?;
        let id = made.id().to_owned();
        let noted = store::note_target(self.parts.db.orm(), number, &id).await;
        let finished = async {
            noted.map_err(|error| Failed::Other(error.to_string()))?;
            self.complete(planned, item, &api, &id).await
        };
        if let Err(error) = finished.await {
            // Nothing is left of it: it is whole or not there.
            let _ = api.delete(&id).await;
            return Err(error);
        }
        Ok(id)
    }

    async fn overwrite_by_api(
        &self,
        planned: &mut Planned,
        item: &Item,
        api: &N8nApi,
        taste: &ApiTaste,
    ) -> Result<String, Failed> {
        let id = item.flow.id().to_owned();
        let now = api.flow(&id).await?;
        let version = |flow: &Flow| flow.text("versionId").to_owned();
        if now.as_ref().map(version) != item.before.as_ref().map(version) {
            return Err(Unwritten::ChangedMeanwhile.into());
        }
        let was_active = now.is_some_and(|now| now.is_active());
        if was_active {
            api.deactivate(&id).await?;
        }
        let written = async {
            api.update(&id, &item.flow, taste).await?;
            let completed = self.complete(planned, item, api, &id).await;
            if let (Err(_), Some(before)) = (&completed, &item.before) {
                // Half of it is none of it: what was there comes back.
                let _ = api.update(&id, before, taste).await;
            }
            completed
        };
        written.await.map_err(|error| {
            if was_active {
                Failed::Other(format!(
                    "{error}. It is inactive now; activate it again in n8n"
                ))
            } else {
                error
            }
        })?;
        Ok(id)
    }

    /// Adds what the API takes by another way or not at all.
    async fn complete(
        &self,
        planned: &mut Planned,
        item: &Item,
        api: &N8nApi,
        id: &str,
    ) -> Result<(), Failed> {
        let had_tags = item
            .before
            .as_ref()
            .is_some_and(|live| !live.tags.is_empty());
        if had_tags || !item.flow.tags.is_empty() {
            api.set_tags(id, &item.flow.tags).await?;
        }
        if let Some((connection, tables)) = &mut planned.database
            && planned.is_writable
        {
            sql::fill_in(connection, tables, item, id, self.new_ids(item)).await?;
        }
        Ok(())
    }

    /// What n8n has of it now.
    pub(super) async fn result_sha256(&self, id: &str) -> Result<String, Failed> {
        let ids = BTreeSet::from([id.to_owned()]);
        let found = self.live_flows(&ids).await;
        let found = found.map_err(|error| Failed::Other(error.to_string()))?;
        let flow = found.into_iter().next();
        let flow = flow.ok_or_else(|| Failed::Other("n8n does not show it".to_owned()))?;
        if flow.is_active() {
            return Err(Failed::Other(
                "somebody activated it while it was restored; look at it in n8n".to_owned(),
            ));
        }
        Ok(flow.content_sha256())
    }
}
