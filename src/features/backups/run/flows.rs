//! Each workflow as JSON, as n8n's own `import:workflow --separate` reads it.

use std::pin::pin;

use futures_util::TryStreamExt;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;

use super::content::{Content, PackedTar, TarFile};
use super::preflight::{connect, query_failure};
use super::sink::Sink;
use super::{Job, storage_failure};
use crate::features::backups::error::Failure;
use crate::features::backups::model::TableCount;
use crate::features::backups::service::BackupService;
use crate::features::n8n::{self, Flow, N8nTables};
use crate::platform::events::Posted;
use crate::platform::postgres::ConnInfo;

type Part = (String, Vec<u8>);

impl BackupService {
    pub(super) async fn pack_flows(
        &self,
        job: &Job,
        source: &ConnInfo,
        posted: &Posted,
    ) -> Result<Content, Failure> {
        let files = self.files.clone();
        files.prepare().map_err(|error| storage_failure(&error))?;
        posted.update(super::progress(job, "packing", None));
        let mut connection = connect(source).await?;
        let refused = |error: sqlx::Error| query_failure(&error);
        let (server_version, server_major) = n8n::server_version(&mut connection)
            .await
            .map_err(refused)?;
        let Some(tables) = n8n::find_tables(&mut connection).await.map_err(refused)? else {
            return Err(super::preflight::not_n8n(source));
        };
        let n8n_version = n8n::version(&mut connection, &tables).await.ok();
        let (partial, file) = files
            .create_partial(job.job_id)
            .map_err(|error| storage_failure(&error))?;
        let (compression, at) = (job.compression, job.started_at.timestamp());
        let (parts, mut received) = mpsc::channel::<Part>(8);
        let (seal, job_id) = (job.seal.clone(), job.job_id);
        let packing = tokio::task::spawn_blocking(move || -> std::io::Result<PackedTar> {
            let file = Sink::new(file, seal.as_ref(), job_id)?;
            let mut tar = TarFile::begin(file, compression, u64::try_from(at).unwrap_or(0))?;
            while let Some((name, content)) = received.blocking_recv() {
                tar.add(&name, &content)?;
            }
            tar.finish()
        });
        let reading = async {
            let workflows = read(&mut connection, &tables, parts).await;
            let _ = connection.close().await;
            workflows.map_err(refused)
        };
        let workflows = tokio::select! {
            workflows = reading => workflows?,
            () = job.cancel.cancelled() => return Err(self.stopped(job)),
        };
        let packed = packing
            .await
            .map_err(|error| Failure::new("internal", error.to_string()))?
            .map_err(|error| storage_failure(&error))?;
        Ok(Content {
            partial,
            sha256: packed.sha256,
            stored_bytes: packed.stored_bytes,
            archive_bytes: packed.plain_bytes,
            compression: job.compression.name(),
            server_version,
            server_major,
            dump_version: String::new(),
            n8n_version,
            tables: vec![TableCount {
                schema: "n8n".to_owned(),
                name: "workflows".to_owned(),
                row_count: workflows,
                archive_bytes: packed.plain_bytes,
            }],
            index: json!({ "entries": packed.entries.len() }),
            entries: packed.entries,
        })
    }
}

/// Sends every workflow, and what they refer to, as of one moment. Returns how many workflows.
async fn read(
    connection: &mut PgConnection,
    tables: &N8nTables,
    parts: mpsc::Sender<Part>,
) -> sqlx::Result<u64> {
    let mut tx = n8n::begin_snapshot(connection).await?;
    let inventory = n8n::inventory(&mut tx, tables).await?;
    let mut listed = Vec::new();
    {
        let mut flows = pin!(n8n::flows(&mut tx, tables, &inventory, None));
        while let Some(flow) = flows.try_next().await? {
            listed.push(summary(&flow));
            let name = format!("workflows/{}.json", n8n::plain(flow.id(), ""));
            let content = serde_json::to_vec_pretty(&flow.export()).unwrap_or_default();
            // When the other end fails it says why; the rest is read in vain.
            let _ = parts.send((name, content)).await;
        }
    }
    let credentials: Vec<Value> = inventory
        .credentials
        .iter()
        .map(|one| json!({ "id": one.id, "name": one.name, "type": one.kind }))
        .collect();
    let variables = inventory.variables.iter().map(|one| &one.key);
    let instance = json!({
        "version": inventory.n8n_version,
        "migrations": inventory.migrations,
        "variables": variables.collect::<Vec<_>>(),
    });
    let count = listed.len() as u64;
    for (name, content) in [
        ("credentials.json", Value::Array(credentials)),
        ("n8n.json", instance),
        ("workflows.json", Value::Array(listed)),
    ] {
        let content = serde_json::to_vec_pretty(&content).unwrap_or_default();
        let _ = parts.send((name.to_owned(), content)).await;
    }
    tx.rollback().await?;
    Ok(count)
}

/// What the list says of a workflow: what an import does not take.
fn summary(flow: &Flow) -> Value {
    json!({
        "id": flow.id(), "name": flow.name(), "was_active": flow.is_active(),
        "is_archived": flow.is_archived(), "folder": flow.folder,
        "project": flow.project.as_ref().map(|project| &project.name),
        "tags": flow.tags.iter().map(|tag| &tag.name).collect::<Vec<_>>(),
        "updated_at": flow.text("updatedAt"),
    })
}
