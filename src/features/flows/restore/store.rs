//! The tables of restores.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};

use super::plan::Item;
use crate::platform::db::statement;

/// A row of `flow_restores`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Restore {
    pub id: i32,
    pub source: String,
    pub on_conflict: String,
    pub status: String,
    pub requested_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// A row of `flow_restore_items`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct RestoreItem {
    pub id: i32,
    pub restore_id: i32,
    pub workflow_id: String,
    pub name: String,
    pub action: String,
    pub way: Option<String>,
    pub status: String,
    pub message: Option<String>,
    pub target_id: Option<String>,
    pub content_sha256: String,
    pub result_sha256: Option<String>,
    pub has_safety: bool,
    pub undone_at: Option<DateTime<Utc>>,
}

impl RestoreItem {
    /// Whether what it did can be undone.
    pub fn can_undo(&self) -> bool {
        let is_kept = self.action != "overwrite" || self.has_safety;
        self.status == "done" && self.undone_at.is_none() && is_kept
    }
}

const RESTORE: &str = "id, source, on_conflict, status, requested_at, finished_at";
const ITEM: &str = "id, restore_id, workflow_id, name, action, way, status, message, target_id, \
    content_sha256, result_sha256, safety IS NOT NULL AS has_safety, undone_at";

pub async fn insert(
    tx: &impl ConnectionTrait,
    source: &str,
    on_conflict: &str,
    by: Option<i32>,
    at: DateTime<Utc>,
) -> Result<i32, DbErr> {
    let sql = "INSERT INTO flow_restores (source, on_conflict, status, requested_by, requested_at) \
               VALUES ($1, $2, 'running', $3, $4) RETURNING id";
    let values = vec![source.into(), on_conflict.into(), by.into(), at.into()];
    let row = tx.query_one_raw(statement(sql, values)).await?;
    row.ok_or(DbErr::RecordNotInserted)?.try_get("", "id")
}

/// Notes what is to be done with a workflow, and what n8n has of it now. What is not written is over at once.
pub async fn insert_item(
    tx: &impl ConnectionTrait,
    restore_id: i32,
    item: &Item,
    safety: Option<String>,
) -> Result<i32, DbErr> {
    let status = if item.is_write() {
        "pending"
    } else if item.action == super::plan::Action::Refused {
        "failed"
    } else {
        "skipped"
    };
    let sql = "INSERT INTO flow_restore_items (restore_id, workflow_id, name, action, way, status, message, \
               target_id, content_sha256, safety) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::json) \
               RETURNING id";
    let message = item.notes.last().filter(|_| !item.is_write());
    let values = vec![
        restore_id.into(),
        item.workflow_id.chars().take(64).collect::<String>().into(),
        item.name.chars().take(255).collect::<String>().into(),
        item.action.as_str().into(),
        item.way.map(|way| way.as_str().to_owned()).into(),
        status.into(),
        message.map(|note| note.message.clone()).into(),
        item.target_id
            .as_ref()
            .map(|id| id.chars().take(64).collect::<String>())
            .into(),
        item.content_sha256.clone().into(),
        safety.into(),
    ];
    let row = tx.query_one_raw(statement(sql, values)).await?;
    row.ok_or(DbErr::RecordNotInserted)?.try_get("", "id")
}

/// Notes that a workflow is being written.
pub async fn begin_item(db: &impl ConnectionTrait, id: i32) -> Result<(), DbErr> {
    let sql = "UPDATE flow_restore_items SET status = 'running' WHERE id = $1";
    db.execute_raw(statement(sql, vec![id.into()])).await?;
    Ok(())
}

/// Notes the id that n8n gave it.
pub async fn note_target(db: &impl ConnectionTrait, id: i32, target_id: &str) -> Result<(), DbErr> {
    let sql = "UPDATE flow_restore_items SET target_id = $2 WHERE id = $1";
    db.execute_raw(statement(sql, vec![id.into(), target_id.into()]))
        .await?;
    Ok(())
}

/// Notes how it ended: `Ok` with what n8n has of it now.
pub async fn end_item(
    db: &impl ConnectionTrait,
    id: i32,
    outcome: Result<&str, &str>,
) -> Result<(), DbErr> {
    let sql =
        "UPDATE flow_restore_items SET status = $2, result_sha256 = $3, message = $4 WHERE id = $1";
    let (status, result, message): (&str, Value, Value) = match outcome {
        Ok(sha256) => ("done", sha256.into(), None::<String>.into()),
        Err(why) => ("failed", None::<String>.into(), why.into()),
    };
    db.execute_raw(statement(
        sql,
        vec![id.into(), status.into(), result, message],
    ))
    .await?;
    Ok(())
}

/// Ends a restore by how its items ended. Returns how.
pub async fn end(db: &impl ConnectionTrait, id: i32, at: DateTime<Utc>) -> Result<String, DbErr> {
    let sql = "UPDATE flow_restores r SET finished_at = $2, status = CASE \
               WHEN NOT EXISTS (SELECT FROM flow_restore_items i WHERE i.restore_id = r.id \
                 AND i.status = 'failed') THEN 'done' \
               WHEN EXISTS (SELECT FROM flow_restore_items i WHERE i.restore_id = r.id \
                 AND i.status IN ('done', 'skipped')) THEN 'partly' ELSE 'failed' END \
               WHERE id = $1 RETURNING status";
    let row = db
        .query_one_raw(statement(sql, vec![id.into(), at.into()]))
        .await?;
    row.ok_or(DbErr::RecordNotUpdated)?.try_get("", "status")
}

pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Restore>, DbErr> {
    let sql = format!("SELECT {RESTORE} FROM flow_restores WHERE id = $1");
    Restore::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// Restores, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    before_id: Option<i64>,
    limit: u64,
) -> Result<Vec<Restore>, DbErr> {
    let sql = format!(
        "SELECT {RESTORE} FROM flow_restores WHERE $1::bigint IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"
    );
    let limit = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    Restore::find_by_statement(statement(sql, vec![before_id.into(), limit.into()]))
        .all(db)
        .await
}

/// Those that were cut off.
pub async fn running(db: &impl ConnectionTrait) -> Result<Vec<i32>, DbErr> {
    let sql = "SELECT id FROM flow_restores WHERE status = 'running' ORDER BY id";
    let rows = db.query_all_raw(statement(sql, Vec::new())).await?;
    rows.into_iter().map(|row| row.try_get("", "id")).collect()
}

/// What was done with each workflow.
pub async fn items(db: &impl ConnectionTrait, restore_id: i32) -> Result<Vec<RestoreItem>, DbErr> {
    let sql = format!("SELECT {ITEM} FROM flow_restore_items WHERE restore_id = $1 ORDER BY id");
    RestoreItem::find_by_statement(statement(sql, vec![restore_id.into()]))
        .all(db)
        .await
}

pub async fn item(db: &impl ConnectionTrait, id: i32) -> Result<Option<RestoreItem>, DbErr> {
    let sql = format!("SELECT {ITEM} FROM flow_restore_items WHERE id = $1");
    RestoreItem::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// What a workflow was before it was overwritten, as it was kept.
pub async fn safety(db: &impl ConnectionTrait, id: i32) -> Result<Option<String>, DbErr> {
    let sql = "SELECT safety::text AS safety FROM flow_restore_items WHERE id = $1";
    let row = db.query_one_raw(statement(sql, vec![id.into()])).await?;
    row.map_or(Ok(None), |row| row.try_get("", "safety"))
}

/// What earlier restores of these workflows led to and nobody undid.
pub async fn earlier(db: &impl ConnectionTrait, ids: &[String]) -> Result<Vec<RestoreItem>, DbErr> {
    let sql = format!(
        "SELECT {ITEM} FROM flow_restore_items WHERE workflow_id = ANY ($1) AND status = 'done' \
         AND undone_at IS NULL AND target_id IS NOT NULL AND result_sha256 IS NOT NULL ORDER BY id"
    );
    RestoreItem::find_by_statement(statement(sql, vec![ids.to_vec().into()]))
        .all(db)
        .await
}

/// Forgets what was overwritten before `before`: it can be undone no more.
pub async fn forget_safety(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<u64, DbErr> {
    let sql = "UPDATE flow_restore_items i SET safety = NULL FROM flow_restores r \
               WHERE r.id = i.restore_id AND i.safety IS NOT NULL AND r.finished_at < $1";
    let updated = db.execute_raw(statement(sql, vec![before.into()])).await?;
    Ok(updated.rows_affected())
}

/// Notes that it was undone. False when it was before.
pub async fn mark_undone(
    tx: &impl ConnectionTrait,
    id: i32,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE flow_restore_items SET undone_at = $2 WHERE id = $1 AND undone_at IS NULL";
    let updated = tx
        .execute_raw(statement(sql, vec![id.into(), at.into()]))
        .await?;
    Ok(updated.rows_affected() == 1)
}
