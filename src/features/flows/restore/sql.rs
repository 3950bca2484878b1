//! A workflow written into n8n's database, inactive, in one transaction: the rows that n8n itself would
//! write, and no others (n8n 1.123 and 2.41). What activation writes is left to n8n.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::plan::{Action, Item};
use crate::features::n8n::{self, Flow, N8nTables};

/// Columns that are written as they were.
const COLUMNS: [&str; 9] = [
    "name",
    "nodes",
    "connections",
    "settings",
    "staticData",
    "pinData",
    "meta",
    "description",
    "nodeGroups",
];
const JSON: [&str; 7] = [
    "nodes",
    "connections",
    "settings",
    "staticData",
    "pinData",
    "meta",
    "nodeGroups",
];
/// Who made the version, in n8n's history.
const AUTHOR: &str = "Flowkeep";

/// What a credential's row becomes.
#[derive(Clone, Debug)]
pub struct NewCredential {
    pub id: String,
    pub name: String,
    pub kind: String,
    /// Encrypted with this n8n's key.
    pub data: String,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// n8n's state is not what was planned with.
    #[error("it was changed in n8n meanwhile; look again")]
    ChangedMeanwhile,
    /// The database refused.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// Makes ids and versions.
pub struct Minted {
    /// The new version, a UUID.
    pub version_id: String,
    /// Ids for tags and folders that must be made, as many as are asked for.
    pub ids: Vec<String>,
}

/// Writes a workflow: new, or over the one that is there and inactive.
pub async fn write(
    connection: &mut PgConnection,
    tables: &N8nTables,
    item: &Item,
    credentials: &[NewCredential],
    mut minted: Minted,
) -> Result<(), Unwritten> {
    let mut tx = connection.begin().await?;
    sqlx::raw_sql("SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '60s'")
        .execute(&mut *tx)
        .await?;
    let known = columns(&mut tx, tables, "workflow_entity").await?;
    let id = item.flow.id();
    if item.action == Action::Overwrite {
        lock_inactive(&mut tx, tables, item).await?;
    }
    for credential in credentials {
        insert_credential(&mut tx, tables, credential, item.project_id.as_deref()).await?;
    }
    let folder = folder(&mut tx, tables, item, &mut minted.ids).await?;
    let mut values = vec![
        ("versionId", Value::from(minted.version_id.as_str())),
        ("isArchived", Value::Bool(false)),
        ("parentFolderId", folder.map_or(Value::Null, Value::from)),
    ];
    if item.action != Action::Overwrite {
        values.push(("id", json!(id)));
        values.push(("active", Value::Bool(false)));
        if !item.flow.text("createdAt").is_empty() && item.action == Action::Create {
            values.push(("createdAt", item.flow.field("createdAt").clone()));
        }
    }
    for column in COLUMNS {
        let value = item.flow.field(column);
        let is_group = column == "nodeGroups";
        values.push((
            column,
            if is_group && value.is_null() {
                json!([])
            } else {
                value.clone()
            },
        ));
    }
    values.retain(|(column, _)| known.contains(*column));
    upsert(&mut tx, tables, item, &values).await?;
    if item.action != Action::Overwrite {
        let sql = format!(
            "INSERT INTO {} (\"workflowId\", \"projectId\", role) VALUES ($1, $2, 'workflow:owner')",
            tables.name("shared_workflow")
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(id)
            .bind(item.project_id.as_deref())
            .execute(&mut *tx)
            .await?;
    }
    history(&mut tx, tables, &item.flow, &minted.version_id).await?;
    tags(&mut tx, tables, &item.flow, &mut minted.ids).await?;
    tx.commit().await?;
    Ok(())
}

/// Fills in what n8n's API did not take of a workflow that it wrote: it is inactive, so nobody reads it now.
pub async fn fill_in(
    connection: &mut PgConnection,
    tables: &N8nTables,
    item: &Item,
    id: &str,
    mut ids: Vec<String>,
) -> Result<(), Unwritten> {
    const REFUSED: [&str; 6] = [
        "settings",
        "staticData",
        "pinData",
        "meta",
        "description",
        "nodeGroups",
    ];
    let mut tx = connection.begin().await?;
    let known = columns(&mut tx, tables, "workflow_entity").await?;
    let folder = folder(&mut tx, tables, item, &mut ids).await?;
    let mut values: Vec<(&str, Value)> =
        vec![("parentFolderId", folder.map_or(Value::Null, Value::from))];
    for column in REFUSED {
        let value = item.flow.field(column);
        if !(value.is_null() && column == "nodeGroups") {
            values.push((column, value.clone()));
        }
    }
    values.retain(|(column, _)| known.contains(*column));
    let sql = format!(
        "UPDATE {} SET {} WHERE id = $1 AND NOT active",
        tables.name("workflow_entity"),
        sets(&values)
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(id.to_owned());
    bind(query, &values).execute(&mut *tx).await?;
    if let Some(project) = item
        .project_id
        .as_deref()
        .filter(|_| item.action != Action::Overwrite)
    {
        let sql = format!(
            "UPDATE {} SET \"projectId\" = $2 WHERE \"workflowId\" = $1 AND role = 'workflow:owner'",
            tables.name("shared_workflow")
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(id)
            .bind(project)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Credentials come before the workflow that an API makes with them.
pub async fn write_credentials(
    connection: &mut PgConnection,
    tables: &N8nTables,
    credentials: &[NewCredential],
    project_id: Option<&str>,
) -> Result<(), Unwritten> {
    let mut tx = connection.begin().await?;
    for credential in credentials {
        insert_credential(&mut tx, tables, credential, project_id).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Deletes a workflow that a restore made and nobody activated since. False when it is active or gone.
pub async fn delete_inactive(
    connection: &mut PgConnection,
    tables: &N8nTables,
    id: &str,
) -> Result<bool, Unwritten> {
    let sql = format!(
        "DELETE FROM {} WHERE id = $1 AND NOT active",
        tables.name("workflow_entity")
    );
    let deleted = sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected() == 1)
}

async fn columns(
    connection: &mut PgConnection,
    tables: &N8nTables,
    table: &str,
) -> sqlx::Result<BTreeSet<String>> {
    let sql = "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 \
               AND NOT attisdropped";
    let names: Vec<String> = sqlx::query_scalar(sql)
        .bind(tables.name(table))
        .fetch_all(connection)
        .await?;
    Ok(names.into_iter().collect())
}

/// The row must be what the plan saw, and inactive: n8n runs what it has in memory.
async fn lock_inactive(
    tx: &mut PgConnection,
    tables: &N8nTables,
    item: &Item,
) -> Result<(), Unwritten> {
    let sql = format!(
        "SELECT active, trim(\"versionId\") AS version FROM {} WHERE id = $1 FOR UPDATE",
        tables.name("workflow_entity")
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(item.flow.id())
        .fetch_optional(tx)
        .await?;
    let row = row.ok_or(Unwritten::ChangedMeanwhile)?;
    let (is_active, version): (bool, Option<String>) =
        (row.try_get("active")?, row.try_get("version")?);
    let planned = item.before.as_ref().map(|live| live.text("versionId"));
    if is_active || version.as_deref() != planned {
        return Err(Unwritten::ChangedMeanwhile);
    }
    Ok(())
}

fn placeholder(column: &str, number: usize) -> String {
    let cast = if JSON.contains(&column) {
        "::json"
    } else if column == "active" || column == "isArchived" {
        "::boolean"
    } else if column == "createdAt" {
        "::timestamptz"
    } else {
        ""
    };
    format!("${number}::text{cast}")
}

/// What is bound for a column: JSON's text for JSON, also of a string.
fn text(column: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if !JSON.contains(&column) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The values of an UPDATE, whose first parameter is the row's id.
fn sets(values: &[(&str, Value)]) -> String {
    let sets: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(at, (column, _))| format!("\"{column}\" = {}", placeholder(column, at + 2)))
        .collect();
    sets.join(", ")
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, PgArguments>;

fn bind<'q>(query: Query<'q>, values: &[(&str, Value)]) -> Query<'q> {
    let bound = |query: Query<'q>, (column, value): &(&str, Value)| query.bind(text(column, value));
    values.iter().fold(query, bound)
}

async fn upsert(
    tx: &mut PgConnection,
    tables: &N8nTables,
    item: &Item,
    values: &[(&str, Value)],
) -> sqlx::Result<()> {
    let table = tables.name("workflow_entity");
    let query = if item.action == Action::Overwrite {
        let sql = format!(
            "UPDATE {table} SET {}, \"updatedAt\" = CURRENT_TIMESTAMP(3) WHERE id = $1",
            sets(values)
        );
        sqlx::query(AssertSqlSafe(sql)).bind(item.flow.id().to_owned())
    } else {
        let names: Vec<String> = values
            .iter()
            .map(|(column, _)| format!("\"{column}\""))
            .collect();
        let places: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(at, (column, _))| placeholder(column, at + 1))
            .collect();
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({})",
            names.join(", "),
            places.join(", ")
        );
        sqlx::query(AssertSqlSafe(sql))
    };
    bind(query, values).execute(tx).await?;
    Ok(())
}

async fn history(
    tx: &mut PgConnection,
    tables: &N8nTables,
    flow: &Flow,
    version_id: &str,
) -> sqlx::Result<()> {
    let known = columns(tx, tables, "workflow_history").await?;
    if known.is_empty() {
        return Ok(());
    }
    let (more, value) = if known.contains("nodeGroups") {
        (", \"nodeGroups\"", ", COALESCE($6::json, '[]'::json)")
    } else {
        ("", "")
    };
    let sql = format!(
        "INSERT INTO {} (\"versionId\", \"workflowId\", authors, nodes, connections{more}) \
         VALUES ($1, $2, $3, $4::json, $5::json{value})",
        tables.name("workflow_history")
    );
    let mut query = sqlx::query(AssertSqlSafe(sql))
        .bind(version_id)
        .bind(flow.id())
        .bind(AUTHOR)
        .bind(flow.field("nodes").to_string())
        .bind(flow.field("connections").to_string());
    if !more.is_empty() {
        query = query.bind(text("nodeGroups", flow.field("nodeGroups")));
    }
    query.execute(tx).await?;
    Ok(())
}

/// Gives it exactly its tags, by name; what n8n does not have is made.
async fn tags(
    tx: &mut PgConnection,
    tables: &N8nTables,
    flow: &Flow,
    ids: &mut Vec<String>,
) -> sqlx::Result<()> {
    if !n8n::has_table(tx, tables, "workflows_tags").await? {
        return Ok(());
    }
    let (tagged, tag) = (tables.name("workflows_tags"), tables.name("tag_entity"));
    let sql = format!("DELETE FROM {tagged} WHERE \"workflowId\" = $1");
    sqlx::query(AssertSqlSafe(sql))
        .bind(flow.id())
        .execute(&mut *tx)
        .await?;
    for wanted in &flow.tags {
        let sql =
            format!("INSERT INTO {tag} (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
        sqlx::query(AssertSqlSafe(sql))
            .bind(ids.pop())
            .bind(&wanted.name)
            .execute(&mut *tx)
            .await?;
        let sql = format!(
            "INSERT INTO {tagged} (\"workflowId\", \"tagId\") SELECT $1, id FROM {tag} WHERE name = $2"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(flow.id())
            .bind(&wanted.name)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// The folder of its path in its project, made where it is missing. `None` for none.
async fn folder(
    tx: &mut PgConnection,
    tables: &N8nTables,
    item: &Item,
    ids: &mut Vec<String>,
) -> sqlx::Result<Option<String>> {
    let path = &item.flow.folder;
    if path.is_empty() || !n8n::has_table(tx, tables, "folder").await? {
        return Ok(None);
    }
    let project = if item.project_id.is_some() {
        item.project_id.clone()
    } else {
        let sql = format!(
            "SELECT \"projectId\"::text FROM {} WHERE \"workflowId\" = $1 AND role = 'workflow:owner'",
            tables.name("shared_workflow")
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(item.flow.id())
            .fetch_optional(&mut *tx)
            .await?
    };
    let Some(project) = project else {
        return Ok(None);
    };
    let table = tables.name("folder");
    let mut parent: Option<String> = None;
    for name in path {
        let sql = format!(
            "SELECT id::text FROM {table} WHERE \"projectId\" = $1 AND name = $2 \
             AND \"parentFolderId\" IS NOT DISTINCT FROM $3 ORDER BY \"createdAt\" LIMIT 1"
        );
        let found: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&project)
            .bind(name)
            .bind(parent.as_deref())
            .fetch_optional(&mut *tx)
            .await?;
        let id = if let Some(id) = found {
            id
        } else {
            let id = ids.pop().unwrap_or_default();
            let sql = format!(
                "INSERT INTO {table} (id, name, \"parentFolderId\", \"projectId\") VALUES ($1, $2, $3, $4)"
            );
            sqlx::query(AssertSqlSafe(sql))
                .bind(&id)
                .bind(name)
                .bind(parent.as_deref())
                .bind(&project)
                .execute(&mut *tx)
                .await?;
            id
        };
        parent = Some(id);
    }
    Ok(parent)
}

async fn insert_credential(
    tx: &mut PgConnection,
    tables: &N8nTables,
    credential: &NewCredential,
    project_id: Option<&str>,
) -> sqlx::Result<()> {
    let sql = format!(
        "INSERT INTO {} (id, name, type, data) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        tables.name("credentials_entity")
    );
    let made = sqlx::query(AssertSqlSafe(sql))
        .bind(&credential.id)
        .bind(&credential.name)
        .bind(&credential.kind)
        .bind(&credential.data)
        .execute(&mut *tx)
        .await?;
    if made.rows_affected() == 0 {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO {} (\"credentialsId\", \"projectId\", role) VALUES ($1, $2, 'credential:owner')",
        tables.name("shared_credentials")
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(&credential.id)
        .bind(project_id)
        .execute(&mut *tx)
        .await?;
    Ok(())
}
