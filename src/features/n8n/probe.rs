//! What is in an n8n database.

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::platform::postgres::quote_identifier;

use super::crypto::{DeploymentKey, KeyCheck, Keyring};

/// Up to this many rows are counted one by one.
const EXACT_COUNT_ROWS: i64 = 200_000;

/// Where n8n's tables are: `DB_POSTGRESDB_SCHEMA` and `DB_TABLE_PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct N8nTables {
    schema: String,
    prefix: String,
}

impl N8nTables {
    /// A table's whole name, quoted.
    pub fn name(&self, table: &str) -> String {
        format!(
            "{}.{}",
            quote_identifier(&self.schema),
            quote_identifier(&format!("{}{table}", self.prefix))
        )
    }
}

/// Finds n8n's tables, whatever their schema and prefix. `None` when this is no n8n database.
pub async fn find_tables(connection: &mut PgConnection) -> sqlx::Result<Option<N8nTables>> {
    let sql = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n \
               ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') \
               AND c.relname LIKE '%workflow\\_entity' AND EXISTS (SELECT FROM pg_class o \
               WHERE o.relnamespace = n.oid \
               AND o.relname = left(c.relname, -length('workflow_entity')) || 'credentials_entity') \
               ORDER BY n.nspname = 'public' DESC, c.relname LIMIT 1";
    let row = sqlx::query(sql).fetch_optional(connection).await?;
    row.map(|row| {
        let name: String = row.try_get("relname")?;
        let prefix = name
            .strip_suffix("workflow_entity")
            .unwrap_or_default()
            .to_owned();
        Ok(N8nTables {
            schema: row.try_get("nspname")?,
            prefix,
        })
    })
    .transpose()
}

/// Whether n8n has a table of that name.
pub async fn has_table(
    connection: &mut PgConnection,
    tables: &N8nTables,
    table: &str,
) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(tables.name(table))
        .fetch_one(connection)
        .await
}

/// n8n's version where it writes it down (2.x), else what its tables tell.
pub async fn version(connection: &mut PgConnection, tables: &N8nTables) -> sqlx::Result<String> {
    if has_table(connection, tables, "instance_version_history").await? {
        let sql = format!(
            "SELECT concat_ws('.', major, minor, patch) FROM {} ORDER BY \"createdAt\" DESC, id DESC LIMIT 1",
            tables.name("instance_version_history")
        );
        let found: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(version) = found {
            return Ok(version);
        }
    }
    let has_keys = has_table(connection, tables, "deployment_key").await?;
    Ok(if has_keys { "2.x" } else { "1.x" }.to_owned())
}

/// Rows in one of n8n's tables that fulfil a condition; 0 when the table is not there.
pub async fn count(
    connection: &mut PgConnection,
    tables: &N8nTables,
    table: &str,
    condition: &str,
) -> sqlx::Result<i64> {
    if !has_table(connection, tables, table).await? {
        return Ok(0);
    }
    let sql = format!(
        "SELECT count(*) FROM {} WHERE {condition}",
        tables.name(table)
    );
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
}

/// Rows of a table as PostgreSQL's statistics have them: good enough where an exact count would
/// read millions of rows. Small and unanalysed tables are counted.
pub async fn count_roughly(
    connection: &mut PgConnection,
    tables: &N8nTables,
    table: &str,
) -> sqlx::Result<i64> {
    let sql = "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass($1)";
    let estimate: Option<i64> = sqlx::query_scalar(sql)
        .bind(tables.name(table))
        .fetch_optional(&mut *connection)
        .await?;
    match estimate {
        Some(estimate) if estimate > EXACT_COUNT_ROWS => Ok(estimate),
        _ => count(connection, tables, table, "TRUE").await,
    }
}

/// Workflows whose nodes or connections are not what n8n can read: their ids, and how many were
/// looked at.
pub async fn invalid_workflows(
    connection: &mut PgConnection,
    tables: &N8nTables,
) -> sqlx::Result<(u64, Vec<String>)> {
    let sql = format!(
        "SELECT id::text, nodes::text AS nodes, connections::text AS connections FROM {}",
        tables.name("workflow_entity")
    );
    let (mut seen, mut invalid) = (0, Vec::new());
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(connection);
    while let Some(row) = futures_util::TryStreamExt::try_next(&mut rows).await? {
        seen += 1;
        let (nodes, connections): (String, String) =
            (row.try_get("nodes")?, row.try_get("connections")?);
        let is_valid =
            serde_json::from_str::<Vec<serde_json::Map<_, _>>>(&nodes).is_ok_and(
                |nodes: Vec<serde_json::Map<String, serde_json::Value>>| {
                    nodes
                        .iter()
                        .all(|node| node.contains_key("type") && node.contains_key("name"))
                },
            ) && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&connections)
                .is_ok();
        if !is_valid {
            invalid.push(row.try_get("id")?);
        }
    }
    Ok((seen, invalid))
}

/// What became of the stored credentials under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialReport {
    /// Whether the key is the right one.
    pub key: KeyCheck,
    /// Credentials in all.
    pub total: usize,
    /// Those that do not open, by id.
    pub unreadable: Vec<String>,
}

/// n8n's own keys, wrapped by the instance key; none on 1.x.
pub async fn deployment_keys(
    connection: &mut PgConnection,
    tables: &N8nTables,
) -> sqlx::Result<Vec<DeploymentKey>> {
    if !has_table(connection, tables, "deployment_key").await? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT id::text, type::text, value::text, algorithm::text FROM {}",
        tables.name("deployment_key")
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(DeploymentKey {
                id: row.try_get("id")?,
                kind: row.try_get("type")?,
                value: row.try_get("value")?,
                algorithm: row.try_get("algorithm")?,
            })
        })
        .collect()
}

/// Tries a key on the wrapped keys and every stored credential.
pub async fn check_credentials(
    connection: &mut PgConnection,
    tables: &N8nTables,
    key: SecretString,
) -> sqlx::Result<CredentialReport> {
    let rows = deployment_keys(connection, tables).await?;
    let ring = Keyring::new(key, rows);
    let sql = format!(
        "SELECT id::text, data::text FROM {}",
        tables.name("credentials_entity")
    );
    let credentials = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await?;
    let total = credentials.len();
    let mut unreadable: Vec<String> = Vec::new();
    for row in &credentials {
        if !ring.opens_credential(row.try_get("data")?) {
            unreadable.push(row.try_get("id")?);
        }
    }
    let key = ring
        .check_wrapped()
        .unwrap_or_else(|| match (total, unreadable.len()) {
            (0, _) => KeyCheck::CannotProve("there is nothing encrypted to try it on".to_owned()),
            (_, 0) => KeyCheck::Proven(format!("it opens all {total} credentials")),
            (_, failed) => {
                KeyCheck::Wrong(format!("it does not open {failed} of {total} credentials"))
            }
        });
    Ok(CredentialReport {
        key,
        total,
        unreadable,
    })
}
