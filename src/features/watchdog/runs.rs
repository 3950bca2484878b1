//! What n8n's database says of the runs of workflows: those that it keeps, and its counts of all.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::source::Source;
use crate::features::n8n::has_table;

/// When a workflow last ran, by n8n's own counts: also where runs are not kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    pub success_at: Option<DateTime<Utc>>,
    pub failure_at: Option<DateTime<Utc>>,
}

/// What is kept of a workflow's newest runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// How many were looked at.
    pub runs: i64,
    /// When the oldest of them began.
    pub oldest_at: Option<DateTime<Utc>>,
    /// When it last began by itself, and which run that was.
    pub last_run: Option<(DateTime<Utc>, i64)>,
    /// When one last ended well, and
    pub good_at: Option<DateTime<Utc>>,
    /// when one failed, whatever began it but somebody by hand.
    pub failed_at: Option<DateTime<Utc>>,
}

impl Source {
    /// What is kept of each workflow, among so many of its newest runs.
    pub async fn kept(
        &mut self,
        ids: &[String],
        newest: i64,
    ) -> sqlx::Result<BTreeMap<String, Kept>> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ended = |what: &str| {
            format!(
                "MAX(COALESCE(r.\"stoppedAt\", r.at)) FILTER (WHERE {what} AND r.mode NOT IN ('manual', 'evaluation'))"
            )
        };
        let sql = format!(
            "SELECT one.id AS workflow_id, kept.* FROM UNNEST($1::text[]) AS one (id) \
             CROSS JOIN LATERAL (SELECT COUNT(*) AS runs, MIN(r.at) AS oldest_at, \
             (ARRAY_AGG(r.at ORDER BY r.id DESC) FILTER (WHERE r.mode = 'trigger'))[1] AS last_at, \
             MAX(r.id) FILTER (WHERE r.mode = 'trigger') AS last_id, {} AS good_at, {} AS failed_at \
             FROM (SELECT e.id::bigint AS id, e.mode::text AS mode, e.status::text AS status, e.\"stoppedAt\", \
             COALESCE(e.\"startedAt\", e.\"createdAt\") AS at FROM {} e \
             WHERE e.\"workflowId\" = one.id ORDER BY e.id DESC LIMIT {newest}) r) kept",
            ended("r.status = 'success'"),
            ended("r.status IN ('error', 'crashed')"),
            self.tables.name("execution_entity")
        );
        let rows = self.of_workflows(sql, ids).await?;
        let found = rows.iter().map(|row| {
            let last_at: Option<DateTime<Utc>> = row.try_get("last_at")?;
            let last_id: Option<i64> = row.try_get("last_id")?;
            Ok((
                row.try_get("workflow_id")?,
                Kept {
                    runs: row.try_get("runs")?,
                    oldest_at: row.try_get("oldest_at")?,
                    last_run: last_at.zip(last_id),
                    good_at: row.try_get("good_at")?,
                    failed_at: row.try_get("failed_at")?,
                },
            ))
        });
        found.collect()
    }

    /// When workflows last ran by n8n's counts.
    pub async fn counted(&mut self, ids: &[String]) -> sqlx::Result<BTreeMap<String, Counted>> {
        let has_counts =
            has_table(&mut self.connection, &self.tables, "workflow_statistics").await?;
        if ids.is_empty() || !has_counts {
            return Ok(BTreeMap::new());
        }
        let names = "name IN ('production_success', 'production_error')";
        let mut sql = format!(
            "SELECT \"workflowId\"::text AS id, name::text AS name, MAX(\"latestEvent\") AS at FROM {} \
             WHERE \"workflowId\" = ANY($1) AND {names} GROUP BY 1, 2",
            self.tables.name("workflow_statistics")
        );
        let delta = "workflow_statistics_delta";
        if has_table(&mut self.connection, &self.tables, delta).await? {
            let more = format!(
                " UNION ALL SELECT \"workflowId\"::text, name::text, MAX(\"createdAt\") FROM {} \
                 WHERE \"workflowId\" = ANY($1) AND {names} GROUP BY 1, 2",
                self.tables.name(delta)
            );
            sql.push_str(&more);
        }
        let mut found: BTreeMap<String, Counted> = BTreeMap::new();
        for row in self.of_workflows(sql, ids).await? {
            let (name, at): (String, Option<DateTime<Utc>>) =
                (row.try_get("name")?, row.try_get("at")?);
            let one = found.entry(row.try_get("id")?).or_default();
            let slot = if name == "production_success" {
                &mut one.success_at
            } else {
                &mut one.failure_at
            };
            *slot = (*slot).max(at);
        }
        Ok(found)
    }
}
