//! Each workflow as JSON, as n8n's own `import:workflow --separate` reads it.

use futures_util::TryStreamExt;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::mpsc;

use super::content::{Content, PackedTar, TarFile};
use super::preflight::{connect, query_failure};
use super::sink::Sink;
use super::{Job, storage_failure};
use crate::features::backups::error::Failure;
use crate::features::backups::model::TableCount;
use crate::features::backups::service::BackupService;
use crate::features::n8n::{self, N8nTables};
use crate::platform::events::Posted;
use crate::platform::postgres::ConnInfo;

/// What belongs to the instance and not to the workflow: an import would trip over references to
/// what is not there, or set something live.
const LEFT_OUT: [&str; 6] = [
    "activeVersionId",
    "versionCounter",
    "triggerCount",
    "parentFolderId",
    "sourceWorkflowId",
    "shared",
];

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
    let mut tx = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let tags = if n8n::has_table(&mut tx, tables, "workflows_tags").await? {
        format!(
            "(SELECT json_agg(json_build_object('id', t.id, 'name', t.name) ORDER BY t.name) FROM {} wt \
             JOIN {} t ON t.id = wt.\"tagId\" WHERE wt.\"workflowId\" = w.id)",
            tables.name("workflows_tags"),
            tables.name("tag_entity")
        )
    } else {
        "NULL::json".to_owned()
    };
    let folder = if n8n::has_table(&mut tx, tables, "folder").await? {
        format!(
            "(SELECT f.name FROM {} f WHERE f.id = to_jsonb(w)->>'parentFolderId')",
            tables.name("folder")
        )
    } else {
        "NULL::text".to_owned()
    };
    let sql = format!(
        "SELECT w.id::text AS id, row_to_json(w)::text AS workflow, {tags}::text AS tags, \
         {folder}::text AS folder FROM {} w ORDER BY w.id",
        tables.name("workflow_entity")
    );
    let mut count = 0;
    let mut listed = Vec::new();
    {
        let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            let id: String = row.try_get("id")?;
            let workflow: String = row.try_get("workflow")?;
            let tags: Option<String> = row.try_get("tags")?;
            let folder: Option<String> = row.try_get("folder")?;
            let (content, summary) = shape(&workflow, tags.as_deref(), folder.as_deref());
            let name = format!("workflows/{}.json", file_name(&id));
            listed.push(summary);
            count += 1;
            if parts.send((name, content)).await.is_err() {
                // The other end has failed and says why.
                return Ok(count);
            }
        }
    }
    let sql = format!(
        "SELECT json_agg(json_build_object('id', id, 'name', name, 'type', type) ORDER BY name)::text \
         FROM {}",
        tables.name("credentials_entity")
    );
    let credentials: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_optional(&mut *tx)
        .await
        .unwrap_or(None)
        .flatten();
    let credentials = credentials.unwrap_or_else(|| "[]".to_owned());
    let _ = parts
        .send(("credentials.json".to_owned(), credentials.into_bytes()))
        .await;
    let list = serde_json::to_vec_pretty(&listed).unwrap_or_default();
    let _ = parts.send(("workflows.json".to_owned(), list)).await;
    tx.rollback().await?;
    Ok(count)
}

/// A workflow as n8n imports it, and what the list says of it. What cannot be read as JSON is kept as
/// it is.
fn shape(workflow: &str, tags: Option<&str>, folder: Option<&str>) -> (Vec<u8>, Value) {
    let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(workflow) else {
        return (workflow.as_bytes().to_vec(), Value::Null);
    };
    let was_active = fields.get("active").cloned().unwrap_or(Value::Bool(false));
    for name in LEFT_OUT {
        fields.remove(name);
    }
    fields.insert("active".to_owned(), Value::Bool(false));
    if let Some(Value::String(version)) = fields.get_mut("versionId") {
        // n8n keeps it in a column that pads with blanks.
        *version = version.trim_end().to_owned();
    }
    let tags: Value = tags
        .and_then(|tags| serde_json::from_str(tags).ok())
        .unwrap_or_else(|| json!([]));
    let summary = json!({
        "id": fields.get("id"), "name": fields.get("name"), "was_active": was_active,
        "is_archived": fields.get("isArchived"), "folder": folder, "tags": tags,
        "updated_at": fields.get("updatedAt"),
    });
    fields.insert("tags".to_owned(), tags);
    (
        serde_json::to_vec_pretty(&fields).unwrap_or_default(),
        summary,
    )
}

/// An id as a file name; n8n's own hold nothing else.
fn file_name(id: &str) -> String {
    id.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_shaped_for_import_and_never_goes_live() {
        let row = r#"{"id":"abc","name":"A","active":true,"nodes":[],"connections":{},"settings":{"executionOrder":"v1"},
            "versionId":"0f3a9c1d-0000-0000-0000-000000000000  ","activeVersionId":"x","parentFolderId":"f","staticData":{"n":1},
            "pinData":{"Start":[]},"isArchived":false}"#;
        let (content, summary) = shape(row, Some(r#"[{"id":"1","name":"prod"}]"#), Some("Team"));
        let flow: Value = serde_json::from_slice(&content).unwrap();
        assert_eq!(flow["active"], false);
        assert_eq!(flow["versionId"], "0f3a9c1d-0000-0000-0000-000000000000");
        assert_eq!(flow["tags"][0]["name"], "prod");
        assert_eq!(
            (
                &flow["staticData"]["n"],
                &flow["settings"]["executionOrder"]
            ),
            (&json!(1), &json!("v1"))
        );
        assert!(flow.get("activeVersionId").is_none() && flow.get("parentFolderId").is_none());
        assert_eq!(
            (&summary["was_active"], &summary["folder"]),
            (&json!(true), &json!("Team"))
        );
        assert_eq!(file_name("../etc/passwd"), "___etc_passwd");
    }
}
