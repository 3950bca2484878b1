//! `known_devices`.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Set,
};
use uuid::Uuid;

use super::sql;
use crate::features::auth::entity::known_device::{ActiveModel, Column, Entity, Model};

/// Most devices that are remembered for an account.
const MOST: i64 = 50;

/// A browser that signed in before.
pub type Device = Model;

/// The device of this token, if it is remembered for this user.
pub async fn find(
    db: &impl ConnectionTrait,
    user_id: i32,
    token_hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<Device>, DbErr> {
    Entity::find()
        .filter(Column::TokenHash.eq(token_hash))
        .filter(Column::UserId.eq(user_id))
        .filter(Column::ExpiresAt.gt(now))
        .one(db)
        .await
}

/// Remembers a device under a new token, in place of `old` if it was known.
pub async fn remember(
    tx: &impl ConnectionTrait,
    old: Option<Uuid>,
    new: NewDevice,
) -> Result<(), DbErr> {
    if let Some(old) = old {
        Entity::delete_by_id(old).exec(tx).await?;
    }
    let row = ActiveModel {
        id: Set(new.id),
        user_id: Set(new.user_id),
        token_hash: Set(new.token_hash),
        created_at: Set(new.now),
        last_used_at: Set(new.now),
        expires_at: Set(new.expires_at),
    };
    row.insert(tx).await?;
    tx.execute_raw(sql(
        "DELETE FROM known_devices WHERE id IN (\
           SELECT id FROM known_devices WHERE user_id = $1 \
           ORDER BY last_used_at DESC, id OFFSET $2)",
        [new.user_id.into(), MOST.into()],
    ))
    .await
    .map(|_| ())
}

/// A device to be remembered.
pub struct NewDevice {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: i32,
    /// SHA-256 of its token in hexadecimal.
    pub token_hash: String,
    /// Now.
    pub now: DateTime<Utc>,
    /// When it is forgotten.
    pub expires_at: DateTime<Utc>,
}

/// Forgets every device of a user but one.
pub async fn forget_others(
    tx: &impl ConnectionTrait,
    user_id: i32,
    kept_token_hash: Option<&str>,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "DELETE FROM known_devices WHERE user_id = $1 AND token_hash IS DISTINCT FROM $2",
        [user_id.into(), kept_token_hash.into()],
    ))
    .await
    .map(|_| ())
}

/// Forgets devices whose time is over.
pub async fn delete_expired(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<(), DbErr> {
    db.execute_raw(sql(
        "DELETE FROM known_devices WHERE expires_at <= $1",
        [now.into()],
    ))
    .await
    .map(|_| ())
}
