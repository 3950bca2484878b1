//! What is read out of n8n's database: little, by indexes, and never for long. Nothing is written there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::error::WatchdogError;
use super::prune::Share;
use crate::features::n8n::{N8nService, N8nTables, has_table, table_size};

/// Rows that are read at once.
pub const BATCH: i64 = 1_000;
/// Executions that did not end are looked for this far back, at the first look.
const OPEN_WITHIN: i64 = 100_000;
/// More of what an execution wrote down is not read for its error.
const MOST_DATA_BYTES: i32 = 4 * 1024 * 1024;
/// Of more executions than these only some are looked at for their size.
const SAMPLED_FROM: f64 = 100_000.0;

/// One run as n8n has it.
#[derive(Clone, Debug)]
pub struct Execution {
    pub id: i64,
    pub workflow_id: String,
    pub status: String,
    pub mode: String,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub stopped_at: Option<DateTime<Utc>>,
    pub wait_till: Option<DateTime<Utc>>,
}

/// An active workflow.
#[derive(Clone, Debug)]
pub struct Active {
    pub id: String,
    pub name: String,
    pub zone: Option<String>,
    /// Changes whenever the workflow does.
    pub key: String,
    pub since: DateTime<Utc>,
}

/// What a workflow is called, and whether it runs.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: String,
    pub is_archived: bool,
    pub is_active: bool,
}

/// A connection to n8n's database that can only read.
pub struct Source {
    pub(super) connection: PgConnection,
    pub(super) tables: N8nTables,
}

/// What executions take.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    pub execution_bytes: i64,
    pub data_bytes: i64,
    pub binary_bytes: i64,
    pub shares: Vec<Share>,
    /// How many times as many there are as were looked at.
    pub scale: f64,
}

const EXECUTION: &str = "id::bigint AS id, \"workflowId\"::text AS workflow_id, status::text AS status, mode::text AS mode, \
    \"createdAt\" AS created_at, \"startedAt\" AS started_at, \"stoppedAt\" AS stopped_at, \"waitTill\" AS wait_till";

fn execution(row: &PgRow) -> sqlx::Result<Execution> {
    Ok(Execution {
        id: row.try_get("id")?,
        workflow_id: row.try_get("workflow_id")?,
        status: row.try_get("status")?,
        mode: row.try_get("mode")?,
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        stopped_at: row.try_get("stopped_at")?,
        wait_till: row.try_get("wait_till")?,
    })
}

impl Source {
    /// Connects. Every question is given up after five seconds.
    pub async fn open(n8n: &N8nService) -> Result<Self, WatchdogError> {
        let (mut connection, tables) = n8n.open_database().await?;
        sqlx::raw_sql("SET default_transaction_read_only = on; SET statement_timeout = '5s'; SET lock_timeout = '2s'")
            .execute(&mut connection)
            .await?;
        Ok(Self { connection, tables })
    }

    /// Disconnects.
    pub async fn close(self) {
        let _ = self.connection.close().await;
    }

    /// Which database this is, whatever its server is called; `None` where the server does not say.
    pub async fn identity(&mut self) -> Option<String> {
        let sql =
            "SELECT system_identifier::text || '/' || current_database() FROM pg_control_system()";
        let said = sqlx::query_scalar(sql).fetch_one(&mut self.connection);
        said.await.ok()
    }

    async fn all(&mut self, sql: String, ids: &[i64]) -> sqlx::Result<Vec<PgRow>> {
        sqlx::query(AssertSqlSafe(sql))
            .bind(ids)
            .fetch_all(&mut self.connection)
            .await
    }

    pub(super) async fn of_workflows(
        &mut self,
        sql: String,
        ids: &[String],
    ) -> sqlx::Result<Vec<PgRow>> {
        sqlx::query(AssertSqlSafe(sql))
            .bind(ids)
            .fetch_all(&mut self.connection)
            .await
    }

    /// The newest execution; 0 without any.
    pub async fn newest_id(&mut self) -> sqlx::Result<i64> {
        let sql = format!(
            "SELECT COALESCE(MAX(id), 0)::bigint FROM {}",
            self.tables.name("execution_entity")
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.connection)
            .await
    }

    /// When the oldest execution that is kept began.
    pub async fn horizon(&mut self) -> sqlx::Result<Option<DateTime<Utc>>> {
        let sql = format!(
            "SELECT COALESCE(\"startedAt\", \"createdAt\") FROM {} ORDER BY id LIMIT 1",
            self.tables.name("execution_entity")
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_optional(&mut self.connection)
            .await
    }

    /// The next executions after one, by number.
    pub async fn after(&mut self, id: i64) -> sqlx::Result<Vec<Execution>> {
        let sql = format!(
            "SELECT {EXECUTION} FROM {} WHERE id > $1[1] ORDER BY id LIMIT {BATCH}",
            self.tables.name("execution_entity")
        );
        self.all(sql, &[id]).await?.iter().map(execution).collect()
    }

    /// Executions by number.
    pub async fn executions(&mut self, ids: &[i64]) -> sqlx::Result<Vec<Execution>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {EXECUTION} FROM {} WHERE id = ANY($1) ORDER BY id",
            self.tables.name("execution_entity")
        );
        self.all(sql, ids).await?.iter().map(execution).collect()
    }

    /// Executions that have not ended.
    pub async fn unfinished(&mut self, newest: i64) -> sqlx::Result<Vec<i64>> {
        let sql = format!(
            "SELECT id::bigint AS id FROM {} WHERE id > $1[1] AND status IN ('new', 'running', 'waiting') \
             ORDER BY id DESC LIMIT 5000",
            self.tables.name("execution_entity")
        );
        let rows = self.all(sql, &[newest - OPEN_WITHIN]).await?;
        rows.iter().map(|row| row.try_get("id")).collect()
    }

    /// Every active workflow.
    pub async fn active(&mut self) -> sqlx::Result<Vec<Active>> {
        let has_history = has_table(
            &mut self.connection,
            &self.tables,
            "workflow_publish_history",
        )
        .await?;
        let since = if has_history {
            format!(
                "(SELECT MAX(h.\"createdAt\") FROM {} h WHERE h.\"workflowId\" = w.id AND h.event = 'activated')",
                self.tables.name("workflow_publish_history")
            )
        } else {
            "NULL::timestamptz".to_owned()
        };
        let has_version = self
            .has_column("workflow_entity", "activeVersionId")
            .await?;
        let version = if has_version {
            "w.\"activeVersionId\"::text"
        } else {
            "NULL"
        };
        let has_archive = self.has_column("workflow_entity", "isArchived").await?;
        let kept = if has_archive {
            "NOT w.\"isArchived\""
        } else {
            "TRUE"
        };
        let sql = format!(
            "SELECT w.id::text AS id, w.name::text AS name, w.settings->>'timezone' AS zone, \
             COALESCE({since}, w.\"updatedAt\") AS since, concat_ws(' ', {version}, \
             CASE WHEN {version} IS NULL THEN w.\"updatedAt\"::text END, w.settings->>'timezone', {since}::text) AS key \
             FROM {} w WHERE w.active AND {kept} ORDER BY w.id",
            self.tables.name("workflow_entity")
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut self.connection)
            .await?;
        let found = rows.iter().map(|row| {
            Ok(Active {
                id: row.try_get("id")?,
                name: row.try_get("name")?,
                zone: row.try_get("zone")?,
                key: row.try_get("key")?,
                since: row.try_get("since")?,
            })
        });
        found.collect()
    }

    async fn has_column(&mut self, table: &str, column: &str) -> sqlx::Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 \
                   AND NOT attisdropped)";
        sqlx::query_scalar(sql)
            .bind(self.tables.name(table))
            .bind(column)
            .fetch_one(&mut self.connection)
            .await
    }

    /// The nodes that run: those of the published version where there is one.
    pub async fn nodes(&mut self, ids: &[String]) -> sqlx::Result<BTreeMap<String, Value>> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (workflows, history) = (
            self.tables.name("workflow_entity"),
            self.tables.name("workflow_history"),
        );
        let sql = if self
            .has_column("workflow_entity", "activeVersionId")
            .await?
        {
            format!(
                "SELECT w.id::text AS id, COALESCE(h.nodes, w.nodes)::text AS nodes FROM {workflows} w \
                 LEFT JOIN {history} h ON h.\"versionId\" = w.\"activeVersionId\" WHERE w.id = ANY($1)"
            )
        } else {
            format!(
                "SELECT w.id::text AS id, w.nodes::text AS nodes FROM {workflows} w WHERE w.id = ANY($1)"
            )
        };
        let rows = self.of_workflows(sql, ids).await?;
        let found = rows.iter().map(|row| {
            let text: String = row.try_get("nodes")?;
            Ok((
                row.try_get("id")?,
                serde_json::from_str(&text).unwrap_or_default(),
            ))
        });
        found.collect()
    }

    /// Names of workflows, and whether they run. What is gone is not there.
    pub async fn names(&mut self, ids: &[String]) -> sqlx::Result<BTreeMap<String, Named>> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let has_archive = self.has_column("workflow_entity", "isArchived").await?;
        let archived = if has_archive {
            "\"isArchived\""
        } else {
            "FALSE"
        };
        let sql = format!(
            "SELECT id::text AS id, name::text AS name, {archived} AS is_archived, active AS is_active FROM {} \
             WHERE id = ANY($1)",
            self.tables.name("workflow_entity")
        );
        let rows = self.of_workflows(sql, ids).await?;
        let found = rows.iter().map(|row| {
            Ok((
                row.try_get("id")?,
                Named {
                    name: row.try_get("name")?,
                    is_archived: row.try_get("is_archived")?,
                    is_active: row.try_get("is_active")?,
                },
            ))
        });
        found.collect()
    }

    /// Seconds that the newest good runs of a workflow took, the shortest first.
    pub async fn durations(&mut self, workflow_id: &str) -> sqlx::Result<Vec<f64>> {
        let sql = format!(
            "SELECT EXTRACT(EPOCH FROM r.\"stoppedAt\" - r.\"startedAt\")::float8 AS seconds FROM \
             (SELECT * FROM {} e WHERE e.\"workflowId\" = $1 ORDER BY e.id DESC LIMIT 200) r \
             WHERE r.status = 'success' AND r.\"stoppedAt\" >= r.\"startedAt\" ORDER BY 1",
            self.tables.name("execution_entity")
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(workflow_id)
            .fetch_all(&mut self.connection)
            .await
    }

    /// What an execution wrote down, where it is in the database and not too large.
    pub async fn data(&mut self, id: i64) -> sqlx::Result<Option<String>> {
        let sql = format!(
            "SELECT data FROM {} WHERE \"executionId\" = $1 AND octet_length(data) <= {MOST_DATA_BYTES}",
            self.tables.name("execution_data")
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&mut self.connection)
            .await
    }

    /// The zone that n8n's Schedule Trigger wrote down in one of these runs, the newest first.
    pub async fn written_zone(&mut self, ids: &[i64]) -> sqlx::Result<Option<String>> {
        if ids.is_empty() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT substring(data FROM '\"([A-Za-z]+(?:/[A-Za-z0-9_+-]+)*) \\(UTC[+-][0-9][0-9]:[0-9][0-9]\\)\"') AS zone \
             FROM {} WHERE \"executionId\" = ANY($1) AND octet_length(data) <= {MOST_DATA_BYTES} \
             ORDER BY \"executionId\" DESC",
            self.tables.name("execution_data")
        );
        let rows = self.all(sql, ids).await?;
        let zones: Vec<Option<String>> = rows
            .iter()
            .map(|row| row.try_get("zone"))
            .collect::<sqlx::Result<_>>()?;
        Ok(zones.into_iter().flatten().next())
    }

    /// What executions take, by workflow, outcome and age. Of very many only some are looked at.
    pub async fn taken(&mut self) -> sqlx::Result<Taken> {
        sqlx::raw_sql("SET statement_timeout = '20s'")
            .execute(&mut self.connection)
            .await?;
        let mut taken = Taken::default();
        for (table, bytes) in [
            ("execution_entity", &mut taken.execution_bytes),
            ("execution_data", &mut taken.data_bytes),
            ("binary_data", &mut taken.binary_bytes),
        ] {
            *bytes = table_size(&mut self.connection, &self.tables, table).await?;
        }
        let executions = self.tables.name("execution_entity");
        let estimate: f64 = sqlx::query_scalar("SELECT COALESCE((SELECT reltuples::float8 FROM pg_class WHERE oid = to_regclass($1)), 0)")
            .bind(&executions)
            .fetch_one(&mut self.connection)
            .await?;
        let is_sampled = estimate > SAMPLED_FROM;
        let part = if is_sampled {
            SAMPLED_FROM / estimate * 100.0
        } else {
            100.0
        };
        taken.scale = 100.0 / part;
        let sampled = if is_sampled {
            format!("TABLESAMPLE SYSTEM ({part:.6})")
        } else {
            String::new()
        };
        let has_binary = self
            .has_column("execution_entity", "binaryDataSizeBytes")
            .await?;
        let binary = if has_binary {
            "e.\"binaryDataSizeBytes\""
        } else {
            "0"
        };
        let annotations = "execution_annotations";
        let is_annotated = if has_table(&mut self.connection, &self.tables, annotations).await? {
            let kept = self.tables.name(annotations);
            format!("EXISTS (SELECT FROM {kept} a WHERE a.\"executionId\" = e.id)")
        } else {
            "FALSE".to_owned()
        };
        let sql = format!(
            "SELECT e.\"workflowId\"::text AS workflow_id, e.status = 'success' AS is_success, {is_annotated} AS is_annotated, \
             GREATEST(FLOOR(EXTRACT(EPOCH FROM now() - COALESCE(e.\"stoppedAt\", e.\"startedAt\", e.\"createdAt\")) / 86400), 0)::int AS age_days, \
             COUNT(*) AS runs, \
             COALESCE(SUM(COALESCE(pg_column_size(d.data), 0) + COALESCE(pg_column_size(d.\"workflowData\"), 0)), 0)::bigint AS bytes, \
             COALESCE(SUM({binary}), 0)::bigint AS binary_bytes \
             FROM {executions} e {sampled} LEFT JOIN {} d ON d.\"executionId\" = e.id \
             WHERE e.status NOT IN ('new', 'running', 'waiting') GROUP BY 1, 2, 3, 4",
            self.tables.name("execution_data")
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut self.connection)
            .await?;
        for row in rows {
            taken.shares.push(Share {
                workflow_id: row.try_get("workflow_id")?,
                is_success: row.try_get("is_success")?,
                is_annotated: row.try_get("is_annotated")?,
                age_days: row.try_get("age_days")?,
                runs: row.try_get::<i64, _>("runs")? as f64,
                bytes: row.try_get::<i64, _>("bytes")? as f64,
                binary_bytes: row.try_get::<i64, _>("binary_bytes")? as f64,
            });
        }
        Ok(taken)
    }
}
