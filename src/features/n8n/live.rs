//! What n8n's database holds now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::flow::{Flow, json_of};
use super::inventory::{INVENTORY_TABLES, Inventory};
use super::{N8nError, N8nService, N8nTables, find_tables, has_table};
use crate::platform::postgres::server_words;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl N8nService {
    /// A connection to n8n's database and where its tables are.
    pub async fn open_database(&self) -> Result<(PgConnection, N8nTables), N8nError> {
        let source = self.source()?.ok_or(N8nError::NotConfigured)?;
        let options = source.conninfo.to_sqlx();
        let away = |why: String| N8nError::DatabaseAway(source.conninfo.address(), why);
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, options.connect());
        let connected = connecting.await.map_err(|_| away("no answer".to_owned()))?;
        let mut connection = connected.map_err(|error| away(server_words(&error)))?;
        let tables = find_tables(&mut connection).await?;
        let tables = tables.ok_or(N8nError::NotN8n(source.conninfo.database))?;
        Ok((connection, tables))
    }
}

/// Begins a transaction that sees one moment and writes nothing.
pub async fn begin_snapshot(
    connection: &mut PgConnection,
) -> sqlx::Result<sqlx::Transaction<'_, sqlx::Postgres>> {
    connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
}

/// What n8n holds beside its workflows.
pub async fn inventory(
    connection: &mut PgConnection,
    tables: &N8nTables,
) -> sqlx::Result<Inventory> {
    let mut inventory = Inventory::default();
    for (table, columns) in INVENTORY_TABLES {
        if !has_table(connection, tables, table).await? {
            continue;
        }
        // Columns that this n8n does not have come out as null.
        let list: Vec<String> = columns
            .iter()
            .map(|column| format!("to_jsonb(t)->>'{column}' AS \"{column}\""))
            .collect();
        let sql = format!("SELECT {} FROM {} t", list.join(", "), tables.name(table));
        for row in sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut *connection)
            .await?
        {
            inventory.take(table, |column| row.try_get(column).unwrap_or(None));
        }
    }
    inventory.finish();
    Ok(inventory)
}

/// Names of all workflows by id.
pub async fn flow_names(
    connection: &mut PgConnection,
    tables: &N8nTables,
) -> sqlx::Result<BTreeMap<String, String>> {
    let sql = format!(
        "SELECT id::text AS id, name::text AS name FROM {}",
        tables.name("workflow_entity")
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.try_get("id")?, row.try_get("name")?)))
        .collect()
}

/// Each workflow, all or those of these ids, by name.
pub fn flows<'a>(
    connection: &'a mut PgConnection,
    tables: &N8nTables,
    inventory: &'a Inventory,
    ids: Option<&BTreeSet<String>>,
) -> impl Stream<Item = sqlx::Result<Flow>> + Send + 'a {
    let sql = format!(
        "SELECT row_to_json(w)::text AS flow FROM {} w WHERE $1::text[] IS NULL OR w.id::text = ANY($1) \
         ORDER BY w.name, w.id",
        tables.name("workflow_entity")
    );
    let ids: Option<Vec<String>> = ids.map(|ids| ids.iter().cloned().collect());
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(ids).fetch(connection);
    rows.try_filter_map(move |row| {
        let flow = row.try_get::<String, _>("flow").and_then(|text| {
            let fields = json_of::<Map<String, Value>>(&text);
            let fields =
                fields.ok_or_else(|| sqlx::Error::Decode("a workflow is no JSON".into()))?;
            let mut flow = Flow::from_fields(fields);
            inventory.complete(&mut flow);
            Ok(Some(flow))
        });
        std::future::ready(flow)
    })
}

/// A version of a workflow that n8n itself kept.
#[derive(Clone, Debug)]
pub struct KeptVersion {
    /// Its id.
    pub version_id: String,
    /// Who saved it.
    pub authors: String,
    /// When.
    pub created_at: String,
    /// Its name, if somebody named it.
    pub name: Option<String>,
    /// Nodes and connections; nothing else is kept by n8n.
    pub nodes: Value,
    /// The connections.
    pub connections: Value,
}

/// The versions of a workflow that n8n still keeps, newest first.
pub async fn kept_versions(
    connection: &mut PgConnection,
    tables: &N8nTables,
    workflow_id: &str,
) -> sqlx::Result<Vec<KeptVersion>> {
    if !has_table(connection, tables, "workflow_history").await? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT row_to_json(h)::text AS version FROM {} h WHERE h.\"workflowId\" = $1 \
         ORDER BY h.\"createdAt\" DESC LIMIT 500",
        tables.name("workflow_history")
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(workflow_id)
        .fetch_all(connection)
        .await?;
    let mut versions = Vec::new();
    for row in rows {
        let text: String = row.try_get("version")?;
        let Some(mut fields) = json_of::<Map<String, Value>>(&text) else {
            continue;
        };
        let mut take = |name: &str| fields.remove(name).unwrap_or(Value::Null);
        let text = |value: Value| value.as_str().map(str::to_owned);
        versions.push(KeptVersion {
            version_id: text(take("versionId")).unwrap_or_default(),
            authors: text(take("authors")).unwrap_or_default(),
            created_at: text(take("createdAt")).unwrap_or_default(),
            name: text(take("name")),
            nodes: take("nodes"),
            connections: take("connections"),
        });
    }
    Ok(versions)
}
