//! The tables of what was found in archives.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};
use serde_json::json;

use super::collect::{Found, Listed};
use super::version::Place;
use crate::platform::db::statement;

/// A workflow as it was seen in one place.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Sighting {
    pub workflow_id: String,
    pub content_sha256: String,
    pub name: String,
    pub node_count: i32,
    pub node_types: Vec<String>,
    pub tags: Vec<String>,
    pub folder: String,
    pub credentials: serde_json::Value,
    pub is_active: bool,
    pub is_archived: bool,
    pub project: Option<String>,
    pub updated_at: Option<DateTime<Utc>>,
    pub backup_id: Option<i32>,
    pub archive_id: Option<i32>,
    pub taken_at: DateTime<Utc>,
}

/// What was found in a backup or an archive.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Snapshot {
    pub id: i32,
    pub taken_at: DateTime<Utc>,
    pub n8n_version: Option<String>,
    pub error: Option<String>,
    pub inventory: serde_json::Value,
    pub unreadable: serde_json::Value,
}

impl Snapshot {
    /// Whether the place could be read.
    pub fn is_good(&self) -> bool {
        self.error.is_none()
    }
}

/// A workflow in the answer to a search: its newest version, and how often it was seen.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Hit {
    pub workflow_id: String,
    pub name: String,
    pub node_count: i32,
    pub tags: Vec<String>,
    pub folder: String,
    pub is_active: bool,
    pub updated_at: Option<DateTime<Utc>>,
    pub first_seen_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub version_count: i64,
    pub place_count: i64,
    pub backup_id: Option<i32>,
    pub archive_id: Option<i32>,
}

/// An archive that somebody uploaded.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Upload {
    pub id: i32,
    pub name: String,
    pub format: String,
    pub filename: String,
    pub original_bytes: i64,
    pub stored_bytes: i64,
    pub uploaded_at: DateTime<Utc>,
    pub workflow_count: i64,
    pub n8n_version: Option<String>,
}

/// A backup that may hold workflows and was not looked into yet.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Unseen {
    pub id: i32,
    pub started_at: DateTime<Utc>,
}

const SIGHTING: &str = "v.workflow_id, v.content_sha256, v.name, v.node_count, v.node_types, v.tags, \
    v.folder, v.credentials, s.is_active, s.is_archived, s.project, s.updated_at, p.backup_id, \
    p.archive_id, p.taken_at";
const FROM: &str = "flow_sightings s JOIN flow_versions v ON v.id = s.version_id \
    JOIN flow_snapshots p ON p.id = s.snapshot_id LEFT JOIN backup_history b ON b.id = p.backup_id";
/// Of a backup whose file was deleted nothing can be had any more.
const IS_THERE: &str = "(p.backup_id IS NULL OR b.deleted_at IS NULL)";

fn key(place: Place) -> (&'static str, i32) {
    match place {
        Place::Backup(id) => ("backup_id", id),
        Place::Archive(id) => ("archive_id", id),
    }
}

/// Backups that may hold workflows and were not looked into yet, newest first.
pub async fn unseen(db: &impl ConnectionTrait, limit: i64) -> Result<Vec<Unseen>, DbErr> {
    let sql = "SELECT b.id, b.started_at FROM backup_history b LEFT JOIN flow_snapshots p \
               ON p.backup_id = b.id WHERE p.id IS NULL AND b.status = 'success' \
               AND b.deleted_at IS NULL AND b.backup_type IN ('postgres_n8n', 'postgres_full', 'flows') \
               ORDER BY b.id DESC LIMIT $1";
    Unseen::find_by_statement(statement(sql, vec![limit.into()]))
        .all(db)
        .await
}

/// How many backups were not looked into yet.
pub async fn count_unseen(db: &impl ConnectionTrait) -> Result<usize, DbErr> {
    Ok(unseen(db, 10_000).await?.len())
}

/// What was found in a place, if it was looked into.
pub async fn snapshot(db: &impl ConnectionTrait, place: Place) -> Result<Option<Snapshot>, DbErr> {
    let (column, id) = key(place);
    let sql = format!(
        "SELECT id, taken_at, n8n_version, error, inventory, unreadable FROM flow_snapshots \
         WHERE {column} = $1"
    );
    Snapshot::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// Notes what was found in a place, in place of what was noted before.
pub async fn record(
    tx: &impl ConnectionTrait,
    place: Place,
    taken_at: DateTime<Utc>,
    found: Result<&Found, String>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let (column, id) = key(place);
    let forget = format!("DELETE FROM flow_snapshots WHERE {column} = $1");
    tx.execute_raw(statement(forget, vec![id.into()])).await?;
    let nothing = Found::default();
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(error) => (&nothing, Some(error)),
    };
    let sql = format!(
        "INSERT INTO flow_snapshots ({column}, taken_at, indexed_at, n8n_version, error, inventory, \
         unreadable) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT ({column}) DO NOTHING RETURNING id"
    );
    let values = vec![
        id.into(),
        taken_at.into(),
        at.into(),
        found.inventory.n8n_version.clone().into(),
        error.into(),
        inventory(found).into(),
        json!(found.unreadable).into(),
    ];
    let Some(row) = tx.query_one_raw(statement(sql, values)).await? else {
        // Another daemon looked into it in the same moment and found the same.
        return Ok(());
    };
    let snapshot: i32 = row.try_get("", "id")?;
    for listed in found.listed.chunks(500) {
        let rows: serde_json::Value = listed.iter().map(row_of).collect();
        let sql = "INSERT INTO flow_versions (workflow_id, content_sha256, name, node_count, node_types, \
                   tags, folder, credentials) SELECT workflow_id, content_sha256, name, node_count, \
                   node_types, tags, folder, credentials FROM jsonb_to_recordset($1) AS r(workflow_id text, \
                   content_sha256 text, name text, node_count int, node_types text[], tags text[], \
                   folder text, credentials jsonb) ON CONFLICT (workflow_id, content_sha256) DO NOTHING";
        tx.execute_raw(statement(sql, vec![rows.clone().into()]))
            .await?;
        let sql = "INSERT INTO flow_sightings (snapshot_id, version_id, is_active, is_archived, project, \
                   updated_at) SELECT $2, v.id, r.is_active, r.is_archived, r.project, r.updated_at \
                   FROM jsonb_to_recordset($1) AS r(workflow_id text, content_sha256 text, \
                   is_active boolean, is_archived boolean, project text, updated_at timestamptz) \
                   JOIN flow_versions v USING (workflow_id, content_sha256) ON CONFLICT DO NOTHING";
        tx.execute_raw(statement(sql, vec![rows.into(), snapshot.into()]))
            .await?;
    }
    Ok(())
}

fn inventory(found: &Found) -> serde_json::Value {
    let all = &found.inventory;
    json!({
        "credentials": all.credentials.iter().map(|one| json!({ "id": one.id, "name": one.name, "type": one.kind })).collect::<Vec<_>>(),
        "variables": all.variables.iter().map(|one| &one.key).collect::<Vec<_>>(),
        "tags": all.tags.values().collect::<Vec<_>>(),
        "projects": all.projects.values().map(|one| json!({ "id": one.id, "name": one.name, "type": one.kind })).collect::<Vec<_>>(),
        "migrations": all.migrations,
    })
}

/// No column of n8n's is longer; what is comes from somewhere else.
fn short(text: &str) -> String {
    text.replace('\0', "").chars().take(255).collect()
}

fn row_of(listed: &Listed) -> serde_json::Value {
    let flow = &listed.flow;
    let credentials = listed.credentials.iter();
    let credentials: Vec<_> = credentials
        .map(|one| json!({ "id": one.id, "name": one.name, "type": one.kind }))
        .collect();
    json!({
        "workflow_id": flow.id().chars().take(64).collect::<String>(),
        "content_sha256": listed.sha256,
        "name": short(flow.name()),
        "node_count": listed.node_count,
        "node_types": listed.node_types,
        "tags": flow.tags.iter().map(|tag| short(&tag.name)).collect::<Vec<_>>(),
        "folder": flow.folder.join(" / "),
        "credentials": credentials,
        "is_active": flow.is_active(),
        "is_archived": flow.is_archived(),
        "project": flow.project.as_ref().map(|project| short(&project.name)),
        "updated_at": flow.updated_at(),
    })
}

/// Every workflow that was seen in a place, by name.
pub async fn of_place(db: &impl ConnectionTrait, place: Place) -> Result<Vec<Sighting>, DbErr> {
    let (column, id) = key(place);
    let sql = format!(
        "SELECT {SIGHTING} FROM {FROM} WHERE p.{column} = $1 ORDER BY lower(v.name), v.workflow_id"
    );
    Sighting::find_by_statement(statement(sql, vec![id.into()]))
        .all(db)
        .await
}

/// Where a workflow was seen, newest first.
pub async fn of_workflow(
    db: &impl ConnectionTrait,
    workflow_id: &str,
) -> Result<Vec<Sighting>, DbErr> {
    let sql = format!(
        "SELECT {SIGHTING} FROM {FROM} WHERE v.workflow_id = $1 AND {IS_THERE} \
         ORDER BY p.taken_at DESC, COALESCE(p.backup_id, p.archive_id) DESC"
    );
    Sighting::find_by_statement(statement(sql, vec![workflow_id.into()]))
        .all(db)
        .await
}

/// What a search looks for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// In names, ids, tags, folders, types of nodes and names of credentials.
    pub text: String,
    /// Only those that are not among these.
    pub missing_from: Option<Vec<String>>,
}

/// Workflows that were ever seen and fit, by name.
pub async fn search(
    db: &impl ConnectionTrait,
    search: &Search,
    limit: i64,
    offset: i64,
) -> Result<Vec<Hit>, DbErr> {
    let sql = format!(
        "WITH seen AS (SELECT {SIGHTING}, p.id AS place, \
           row_number() OVER (PARTITION BY v.workflow_id ORDER BY p.taken_at DESC, COALESCE(p.backup_id, p.archive_id) DESC) AS nth, \
           min(p.taken_at) OVER w AS first_seen_at, max(p.taken_at) OVER w AS last_seen_at, \
           count(*) OVER w AS place_count \
         FROM {FROM} WHERE {IS_THERE} WINDOW w AS (PARTITION BY v.workflow_id)), \
         fit AS (SELECT DISTINCT v.workflow_id FROM flow_versions v WHERE $1 = '' \
           OR v.name ILIKE $2 OR v.workflow_id ILIKE $2 OR v.folder ILIKE $2 \
           OR EXISTS (SELECT FROM unnest(v.tags || v.node_types) t WHERE t ILIKE $2) \
           OR EXISTS (SELECT FROM jsonb_array_elements(v.credentials) c WHERE c->>'name' ILIKE $2)) \
         SELECT workflow_id, name, node_count, tags, folder, is_active, updated_at, first_seen_at, \
           last_seen_at, place_count, backup_id, archive_id, \
           (SELECT count(DISTINCT o.content_sha256) FROM seen o WHERE o.workflow_id = seen.workflow_id) \
           AS version_count \
         FROM seen JOIN fit USING (workflow_id) WHERE nth = 1 \
           AND ($3::text[] IS NULL OR workflow_id <> ALL ($3)) \
         ORDER BY lower(name), workflow_id LIMIT $4 OFFSET $5"
    );
    let pattern = search
        .text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    let values: Vec<Value> = vec![
        search.text.clone().into(),
        format!("%{pattern}%").into(),
        search.missing_from.clone().into(),
        limit.into(),
        offset.into(),
    ];
    Hit::find_by_statement(statement(sql, values)).all(db).await
}

/// Forgets what was found in backups whose file is gone, and versions that nothing holds.
pub async fn remove_gone(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    let sql = "DELETE FROM flow_snapshots p USING backup_history b WHERE b.id = p.backup_id \
               AND b.deleted_at IS NOT NULL";
    let gone = db.execute_raw(statement(sql, Vec::new())).await?;
    if gone.rows_affected() > 0 {
        let sql = "DELETE FROM flow_versions v WHERE NOT EXISTS \
                   (SELECT FROM flow_sightings s WHERE s.version_id = v.id)";
        db.execute_raw(statement(sql, Vec::new())).await?;
    }
    Ok(gone.rows_affected())
}

/// Notes an uploaded archive.
pub async fn insert_upload(
    tx: &impl ConnectionTrait,
    upload: &Upload,
    sha256: &str,
    by: Option<i32>,
) -> Result<i32, DbErr> {
    let sql = "INSERT INTO flow_archives (name, format, filename, original_bytes, stored_bytes, sha256, \
               uploaded_at, uploaded_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
    let values = vec![
        upload.name.clone().into(),
        upload.format.clone().into(),
        upload.filename.clone().into(),
        upload.original_bytes.into(),
        upload.stored_bytes.into(),
        sha256.into(),
        upload.uploaded_at.into(),
        by.into(),
    ];
    let row = tx.query_one_raw(statement(sql, values)).await?;
    row.ok_or(DbErr::RecordNotInserted)?.try_get("", "id")
}

/// Uploaded archives, newest first; one of them if a number is given.
pub async fn uploads(db: &impl ConnectionTrait, id: Option<i32>) -> Result<Vec<Upload>, DbErr> {
    let sql = "SELECT a.id, a.name, a.format, a.filename, a.original_bytes, a.stored_bytes, a.uploaded_at, \
               p.n8n_version, (SELECT count(*) FROM flow_sightings s WHERE s.snapshot_id = p.id) \
               AS workflow_count FROM flow_archives a LEFT JOIN flow_snapshots p ON p.archive_id = a.id \
               WHERE $1::int IS NULL OR a.id = $1 ORDER BY a.id DESC";
    Upload::find_by_statement(statement(sql, vec![id.into()]))
        .all(db)
        .await
}

/// Forgets an uploaded archive.
pub async fn delete_upload(tx: &impl ConnectionTrait, id: i32) -> Result<bool, DbErr> {
    let sql = "DELETE FROM flow_archives WHERE id = $1";
    let deleted = tx.execute_raw(statement(sql, vec![id.into()])).await?;
    Ok(deleted.rows_affected() == 1)
}
