//! What n8n has, as far as a restore must know it.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::plan::Target;
use crate::features::flows::FlowError;
use crate::features::n8n::{self, Flow, N8nApi, N8nTables, Project};

/// Tables that a restore writes.
const WRITTEN: [&str; 3] = ["workflow_entity", "shared_workflow", "workflow_history"];

/// Reads it from n8n's database, with these workflows whole.
pub async fn from_database(
    connection: &mut PgConnection,
    tables: &N8nTables,
    ids: &BTreeSet<String>,
) -> Result<Target, FlowError> {
    let is_writable = is_writable(connection, tables).await?;
    let mut tx = n8n::begin_snapshot(connection).await?;
    let inventory = n8n::inventory(&mut tx, tables).await?;
    let mut existing: BTreeMap<String, Flow> = BTreeMap::new();
    {
        let mut flows = pin!(n8n::flows(&mut tx, tables, &inventory, Some(ids)));
        while let Some(flow) = flows.try_next().await? {
            existing.insert(flow.id().to_owned(), flow);
        }
    }
    let names = n8n::flow_names(&mut tx, tables).await?;
    let mut webhooks = BTreeMap::new();
    if n8n::has_table(&mut tx, tables, "webhook_entity").await? {
        let sql = format!(
            "SELECT method::text AS method, \"webhookPath\"::text AS path, \"workflowId\"::text AS owner FROM {}",
            tables.name("webhook_entity")
        );
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *tx).await? {
            webhooks.insert(
                (row.try_get("method")?, row.try_get("path")?),
                row.try_get("owner")?,
            );
        }
    }
    let default_project = default_project(&mut tx, tables).await?;
    tx.rollback().await?;
    Ok(Target {
        inventory,
        names,
        existing,
        webhooks,
        default_project,
        is_writable,
        knows_all: true,
        ..Target::default()
    })
}

/// The same over n8n's API, which tells less.
pub async fn from_api(api: &N8nApi, ids: &BTreeSet<String>) -> Result<Target, FlowError> {
    let mut target = Target::default();
    for flow in api.flows().await? {
        target
            .names
            .insert(flow.id().to_owned(), flow.name().to_owned());
        if ids.contains(flow.id()) {
            target.existing.insert(flow.id().to_owned(), flow);
        }
    }
    Ok(target)
}

/// Whether the role may write what a restore writes, and the server takes writes.
async fn is_writable(connection: &mut PgConnection, tables: &N8nTables) -> sqlx::Result<bool> {
    let mut can = sqlx::query_scalar(
        "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'",
    )
    .fetch_one(&mut *connection)
    .await?;
    for table in WRITTEN {
        let sql = "SELECT COALESCE(has_table_privilege(to_regclass($1)::oid, 'INSERT') \
                   AND has_table_privilege(to_regclass($1)::oid, 'UPDATE'), $2)";
        let has: bool = sqlx::query_scalar(sql)
            .bind(tables.name(table))
            // Very old n8n's have no history.
            .bind(table == "workflow_history")
            .fetch_one(&mut *connection)
            .await?;
        can = can && has;
    }
    Ok(can)
}

/// The personal project of n8n's owner.
async fn default_project(
    connection: &mut PgConnection,
    tables: &N8nTables,
) -> sqlx::Result<Option<Project>> {
    for table in ["project", "project_relation", "user"] {
        if !n8n::has_table(connection, tables, table).await? {
            return Ok(None);
        }
    }
    // 1.x before roles had tables keeps the role in `role`, later ones in `roleSlug`.
    let sql = format!(
        "SELECT p.id::text AS id, p.name::text AS name, p.type::text AS kind FROM {} p JOIN {} r \
         ON r.\"projectId\" = p.id JOIN {} u ON u.id = r.\"userId\" WHERE p.type = 'personal' \
         AND r.role = 'project:personalOwner' AND COALESCE(to_jsonb(u)->>'roleSlug', to_jsonb(u)->>'role') \
         = 'global:owner' ORDER BY p.\"createdAt\" LIMIT 1",
        tables.name("project"),
        tables.name("project_relation"),
        tables.name("user")
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Project {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            kind: row.try_get("kind")?,
        })
    })
    .transpose()
}
