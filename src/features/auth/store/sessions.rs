//! `sessions`.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult,
    QueryFilter, Set,
};
use uuid::Uuid;

use super::{network, sql};
use crate::features::auth::entity::session::{ActiveModel, Column, Entity, Model};

/// `kind` of a session that a browser holds in a cookie.
pub const COOKIE: &str = "cookie";
/// `kind` of a session whose token a program holds.
pub const TOKEN: &str = "token";

/// A session's row.
pub type StoredSession = Model;

/// A session to be stored.
pub struct NewSession<'a> {
    /// Its public name.
    pub id: Uuid,
    /// SHA-256 of its token in hexadecimal.
    pub token_hash: String,
    /// Whose it is.
    pub user_id: i32,
    /// When it begins.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Where it comes from.
    pub ip_address: Option<IpAddr>,
    /// What asked for it.
    pub user_agent: Option<&'a str>,
    /// `cookie` or `token`.
    pub kind: &'static str,
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

/// Stores a session.
pub async fn insert(tx: &impl ConnectionTrait, new: NewSession<'_>) -> Result<(), DbErr> {
    let row = ActiveModel {
        token: Set(new.token_hash),
        id: Set(new.id),
        user_id: Set(new.user_id),
        created_at: Set(Some(new.created_at)),
        expires_at: Set(new.expires_at),
        ip_address: Set(network(new.ip_address)),
        user_agent: Set(new.user_agent.map(str::to_owned)),
        is_active: Set(Some(true)),
        last_seen_at: Set(Some(new.created_at)),
        reauthenticated_until: Set(None),
        kind: Set(new.kind.to_owned()),
    };
    row.insert(tx).await.map(|_| ())
}

/// Every session that is neither revoked nor over.
pub async fn alive(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::IsActive.eq(true))
        .filter(Column::ExpiresAt.gt(now))
        .all(db)
        .await
}

/// Revokes one session of a user. Says whether it was there.
pub async fn revoke(tx: &impl ConnectionTrait, user_id: i32, id: Uuid) -> Result<bool, DbErr> {
    let done = tx
        .execute_raw(sql(
            "UPDATE sessions SET is_active = FALSE WHERE user_id = $1 AND id = $2 AND is_active",
            [user_id.into(), id.into()],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Revokes all sessions of a user but one. Returns those it revoked.
pub async fn revoke_others(
    tx: &impl ConnectionTrait,
    user_id: i32,
    kept: Option<Uuid>,
) -> Result<Vec<Uuid>, DbErr> {
    let rows = IdRow::find_by_statement(sql(
        "UPDATE sessions SET is_active = FALSE \
         WHERE user_id = $1 AND is_active AND id IS DISTINCT FROM $2 RETURNING id",
        [user_id.into(), kept.into()],
    ))
    .all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Revokes the longest unused sessions of a user beyond the newest `kept`.
pub async fn revoke_beyond(
    tx: &impl ConnectionTrait,
    user_id: i32,
    kept: i64,
) -> Result<Vec<Uuid>, DbErr> {
    let rows = IdRow::find_by_statement(sql(
        "UPDATE sessions SET is_active = FALSE WHERE id IN (\
           SELECT id FROM sessions WHERE user_id = $1 AND is_active \
           ORDER BY last_seen_at DESC NULLS LAST, created_at DESC OFFSET $2) RETURNING id",
        [user_id.into(), kept.into()],
    ))
    .all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Opens the dangerous acts for a session, under a new token if one is given. Says whether it was
/// still there.
pub async fn elevate(
    tx: &impl ConnectionTrait,
    id: Uuid,
    until: DateTime<Utc>,
    new_token_hash: Option<&str>,
) -> Result<bool, DbErr> {
    let done = tx
        .execute_raw(sql(
            "UPDATE sessions SET reauthenticated_until = $2, token = COALESCE($3, token) \
             WHERE id = $1 AND is_active",
            [id.into(), until.into(), new_token_hash.into()],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes when sessions were last used.
pub async fn note_seen(
    db: &impl ConnectionTrait,
    seen: Vec<(Uuid, DateTime<Utc>)>,
) -> Result<(), DbErr> {
    let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = seen.into_iter().unzip();
    db.execute_raw(sql(
        "UPDATE sessions SET last_seen_at = seen.at \
         FROM UNNEST($1::uuid[], $2::timestamptz[]) AS seen(id, at) \
         WHERE sessions.id = seen.id \
           AND (last_seen_at IS NULL OR last_seen_at < seen.at)",
        [ids.into(), times.into()],
    ))
    .await
    .map(|_| ())
}

/// Deletes sessions that are over or were revoked before `now`.
pub async fn delete_dead(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<u64, DbErr> {
    let done = db
        .execute_raw(sql(
            "DELETE FROM sessions WHERE expires_at <= $1 OR is_active IS NOT TRUE",
            [now.into()],
        ))
        .await?;
    Ok(done.rows_affected())
}

/// Tells every Flowkeep process on this database that sessions changed.
pub async fn notify_changed(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    tx.execute_raw(sql("SELECT pg_notify($1, '')", [CHANNEL.into()]))
        .await
        .map(|_| ())
}

/// The notification channel of [`notify_changed`].
pub const CHANNEL: &str = "flowkeep_auth";
