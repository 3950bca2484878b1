//! `sso_services`, `sso_sessions` and `sso_access`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use crate::platform::db::statement;

/// The notification channel on which processes tell each other of changes.
pub const CHANNEL: &str = "flowkeep_sso";

const COLUMNS: &str = "slug, name, host, path_prefix, upstream, is_enabled, requires_step_up, step_up_minutes, remote_roles, \
    remote_filter, created_at, updated_at";

/// A row of `sso_services`.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Service {
    pub slug: String,
    pub name: String,
    pub host: String,
    pub path_prefix: String,
    pub upstream: String,
    pub is_enabled: bool,
    pub requires_step_up: bool,
    pub step_up_minutes: i32,
    pub remote_roles: String,
    pub remote_filter: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A live cookie of the parent domain.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Token {
    pub session_id: Uuid,
    pub token_hash: String,
    pub parent_domain: String,
}

/// What a session did with a tool.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Access {
    pub session_id: Uuid,
    pub service_slug: String,
    pub first_visit_at: Option<DateTime<Utc>>,
    pub stepped_up_at: Option<DateTime<Utc>>,
}

/// Every tool, by name.
pub async fn services(db: &impl ConnectionTrait) -> Result<Vec<Service>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM sso_services ORDER BY LOWER(name), slug");
    Service::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// One tool, held until the transaction ends.
pub async fn lock(tx: &impl ConnectionTrait, slug: &str) -> Result<Option<Service>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM sso_services WHERE slug = $1 FOR UPDATE");
    Service::find_by_statement(statement(sql, vec![slug.into()]))
        .one(tx)
        .await
}

/// Adds a tool. Says whether its slug was free.
pub async fn insert(tx: &impl ConnectionTrait, row: &Service) -> Result<bool, DbErr> {
    let sql = format!(
        "INSERT INTO sso_services ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (slug) DO NOTHING"
    );
    let done = tx.execute_raw(statement(sql, values(row))).await?;
    Ok(done.rows_affected() == 1)
}

/// Changes a tool.
pub async fn update(tx: &impl ConnectionTrait, row: &Service) -> Result<(), DbErr> {
    let sql = "UPDATE sso_services SET name = $2, host = $3, path_prefix = $4, upstream = $5, is_enabled = $6, \
               requires_step_up = $7, step_up_minutes = $8, remote_roles = $9, remote_filter = $10, \
               created_at = $11, updated_at = $12 WHERE slug = $1";
    tx.execute_raw(statement(sql, values(row))).await.map(drop)
}

fn values(row: &Service) -> Vec<sea_orm::Value> {
    vec![
        row.slug.clone().into(),
        row.name.clone().into(),
        row.host.clone().into(),
        row.path_prefix.clone().into(),
        row.upstream.clone().into(),
        row.is_enabled.into(),
        row.requires_step_up.into(),
        row.step_up_minutes.into(),
        row.remote_roles.clone().into(),
        row.remote_filter.clone().into(),
        row.created_at.into(),
        row.updated_at.into(),
    ]
}

/// Removes a tool.
pub async fn delete(tx: &impl ConnectionTrait, slug: &str) -> Result<(), DbErr> {
    let sql = "DELETE FROM sso_services WHERE slug = $1";
    tx.execute_raw(statement(sql, vec![slug.into()]))
        .await
        .map(drop)
}

/// The cookies of sessions that are alive.
pub async fn tokens(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<Vec<Token>, DbErr> {
    let sql = "SELECT t.session_id, t.token_hash, t.parent_domain FROM sso_sessions t \
               JOIN sessions s ON s.id = t.session_id WHERE s.is_active AND s.expires_at > $1";
    Token::find_by_statement(statement(sql, vec![now.into()]))
        .all(db)
        .await
}

/// Gives a session a cookie in place of the one it had. Says whether the session is still there.
pub async fn put_token(
    tx: &impl ConnectionTrait,
    token: &Token,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "INSERT INTO sso_sessions (session_id, token_hash, parent_domain, created_at) \
               SELECT id, $2, $3, $4 FROM sessions WHERE id = $1 AND is_active \
               ON CONFLICT (session_id) DO UPDATE SET token_hash = $2, parent_domain = $3, created_at = $4";
    let values = vec![
        token.session_id.into(),
        token.token_hash.clone().into(),
        token.parent_domain.clone().into(),
        now.into(),
    ];
    let done = tx.execute_raw(statement(sql, values)).await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the cookie of a session and the codes it gave. That it was there stays.
pub async fn end_openings(tx: &impl ConnectionTrait, session_id: Uuid) -> Result<(), DbErr> {
    for sql in [
        "DELETE FROM sso_sessions WHERE session_id = $1",
        "UPDATE sso_access SET stepped_up_at = NULL WHERE session_id = $1 AND stepped_up_at IS NOT NULL",
    ] {
        tx.execute_raw(statement(sql, vec![session_id.into()]))
            .await?;
    }
    Ok(())
}

/// What live sessions did.
pub async fn access(db: &impl ConnectionTrait) -> Result<Vec<Access>, DbErr> {
    let sql = "SELECT a.session_id, a.service_slug, a.first_visit_at, a.stepped_up_at FROM sso_access a \
               JOIN sessions s ON s.id = a.session_id WHERE s.is_active";
    Access::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// Notes a code. Says whether session and tool are still there.
pub async fn note_step_up(
    tx: &impl ConnectionTrait,
    session_id: Uuid,
    slug: &str,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    note(tx, "stepped_up_at", "TRUE", session_id, slug, at).await
}

/// Notes a first visit. Says whether it was the first, of a session and a tool that are still there.
pub async fn note_visit(
    tx: &impl ConnectionTrait,
    session_id: Uuid,
    slug: &str,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let is_first = "sso_access.first_visit_at IS NULL";
    note(tx, "first_visit_at", is_first, session_id, slug, at).await
}

async fn note(
    tx: &impl ConnectionTrait,
    column: &str,
    condition: &str,
    session_id: Uuid,
    slug: &str,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = format!(
        "INSERT INTO sso_access (session_id, service_slug, {column}) \
         SELECT s.id, v.slug, $3 FROM sessions s, sso_services v WHERE s.id = $1 AND v.slug = $2 \
         ON CONFLICT (session_id, service_slug) DO UPDATE SET {column} = $3 WHERE {condition}"
    );
    let values = vec![session_id.into(), slug.into(), at.into()];
    let done = tx.execute_raw(statement(sql, values)).await?;
    Ok(done.rows_affected() == 1)
}

/// Whether a first visit was noted.
pub async fn is_visited(
    tx: &impl ConnectionTrait,
    session_id: Uuid,
    slug: &str,
) -> Result<bool, DbErr> {
    let sql = "SELECT 1 AS one FROM sso_access WHERE session_id = $1 AND service_slug = $2 AND first_visit_at IS NOT NULL";
    let row = tx
        .query_one_raw(statement(sql, vec![session_id.into(), slug.into()]))
        .await?;
    Ok(row.is_some())
}

/// Tells every Flowkeep process on this database.
pub async fn notify_changed(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = "SELECT pg_notify($1, '')";
    tx.execute_raw(statement(sql, vec![CHANNEL.into()]))
        .await
        .map(drop)
}
