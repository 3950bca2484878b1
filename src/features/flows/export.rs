//! Workflows handed out as n8n's own import reads them: one as JSON, many in a zip.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::collect::Listed;
use super::service::FlowService;
use super::version::{Place, VersionRef};
use super::{FlowError, store};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::n8n::Flow;
use crate::platform::events::{self, Event, Severity};

/// Workflows that are in memory at once.
const AT_ONCE: usize = 50;
/// Names in an event; the rest is a number.
const NAMED: usize = 20;

impl FlowService {
    /// One workflow of a version, and a name for its file.
    pub async fn export(
        &self,
        actor: &Actor,
        version: &VersionRef,
        id: &str,
    ) -> Result<(String, Value), FlowError> {
        let flow = self.flow(version, id).await?;
        self.note_extracted(actor, version, &[flow.name().to_owned()])
            .await?;
        Ok((flow.file_name(), flow.export()))
    }

    /// Many workflows of a version as a zip, all of them if none are named.
    pub async fn export_many(
        &self,
        actor: &Actor,
        version: &VersionRef,
        ids: Option<BTreeSet<String>>,
    ) -> Result<Vec<u8>, FlowError> {
        let ids: Vec<String> = match ids {
            Some(ids) => ids.into_iter().collect(),
            None => self.all_ids(version).await?,
        };
        let (flows, received) = mpsc::channel::<Flow>(4);
        let packing = tokio::task::spawn_blocking(move || pack(received));
        let mut names = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            let some: BTreeSet<String> = some.iter().cloned().collect();
            let found = self.flows(version, &some).await?;
            let has = |id: &String| found.iter().any(|flow| flow.id() == id);
            if let Some(missing) = some.iter().find(|id| !has(id)) {
                return Err(FlowError::NoFlow(version.clone(), missing.clone()));
            }
            for flow in found {
                names.push(flow.name().to_owned());
                // When the other end fails it says why.
                let _ = flows.send(flow).await;
            }
        }
        drop(flows);
        let packed = packing.await.map_err(std::io::Error::other)??;
        self.note_extracted(actor, version, &names).await?;
        Ok(packed)
    }

    async fn all_ids(&self, version: &VersionRef) -> Result<Vec<String>, FlowError> {
        Ok(match version {
            VersionRef::Live => {
                let listed = self.live().await?.listed;
                let id = |one: Listed| one.flow.id().to_owned();
                listed.into_iter().map(id).collect()
            }
            VersionRef::In(place) => self.ids_of(*place).await?,
            _ => {
                let why = "give the workflows' ids for this version";
                return Err(FlowError::invalid("ids", why));
            }
        })
    }

    async fn ids_of(&self, place: Place) -> Result<Vec<String>, FlowError> {
        let flows = self.contents(place).await?.flows;
        Ok(flows
            .into_iter()
            .map(|one: store::Sighting| one.workflow_id)
            .collect())
    }

    async fn note_extracted(
        &self,
        actor: &Actor,
        version: &VersionRef,
        names: &[String],
    ) -> Result<(), FlowError> {
        let facts = json!({
            "source": version.to_string(),
            "count": names.len(),
            "workflows": names.iter().take(NAMED).collect::<Vec<_>>(),
        });
        let event = self.event("flow.extracted", Severity::Info, facts.clone());
        let entry = Entry::new(Action::FlowExtracted).resource("workflows", version);
        let tx = self.parts.db.begin().await?;
        audit::record(&tx, &self.parts.clock, actor, entry.details(facts)).await?;
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.events.publish(event);
        Ok(())
    }

    pub(super) fn event(&self, event_type: &str, severity: Severity, data: Value) -> Event {
        Event::now(
            &self.parts.ids,
            &self.parts.clock,
            event_type,
            severity,
            data,
        )
    }
}

fn pack(mut flows: mpsc::Receiver<Flow>) -> std::io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut taken = BTreeSet::new();
    while let Some(flow) = flows.blocking_recv() {
        let mut name = flow.file_name();
        while !taken.insert(name.clone()) {
            name.insert(0, '_');
        }
        let content = serde_json::to_vec_pretty(&flow.export())?;
        zip.start_file(name, SimpleFileOptions::default())?;
        zip.write_all(&content)?;
    }
    Ok(zip.finish()?.into_inner())
}
