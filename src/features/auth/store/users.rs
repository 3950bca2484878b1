//! `admin_user`.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, PaginatorTrait,
    QueryOrder, QuerySelect, Set,
};
use serde_json::Value as Json;

use super::sql;
use crate::features::auth::entity::admin_user::{ActiveModel, Column, Entity, Model};

/// An administrator's row.
pub type User = Model;

impl Model {
    /// Whether signing in needs the second factor.
    pub fn has_totp(&self) -> bool {
        self.totp_enabled == Some(true)
    }
}

/// The account of this name, whatever its capitals, and if there is none, the oldest account:
/// one query for both, so that they take the same time.
pub async fn find_or_oldest(db: &impl ConnectionTrait, name: &str) -> Result<Option<User>, DbErr> {
    User::find_by_statement(sql(
        "SELECT * FROM admin_user ORDER BY (LOWER(username) = LOWER($1)) DESC, id LIMIT 1",
        [name.into()],
    ))
    .one(db)
    .await
}

/// The account with this id.
pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<User>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// The same, held against other changes until the transaction ends.
pub async fn lock(tx: &impl ConnectionTrait, id: i32) -> Result<Option<User>, DbErr> {
    Entity::find_by_id(id).lock_exclusive().one(tx).await
}

/// Every account, the oldest first.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<User>, DbErr> {
    Entity::find().order_by_asc(Column::Id).all(db).await
}

/// Whether there is any account.
pub async fn any(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    Ok(Entity::find().count(db).await? > 0)
}

/// Makes the first account. With any account there already, none is made: two at once wait for
/// each other, and one of them finds the other's.
pub async fn insert_first(
    tx: &impl ConnectionTrait,
    username: &str,
    password_hash: &str,
    email: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<User>, DbErr> {
    tx.execute_raw(sql("LOCK TABLE admin_user IN SHARE ROW EXCLUSIVE MODE", []))
        .await?;
    if any(tx).await? {
        return Ok(None);
    }
    let user = ActiveModel {
        username: Set(username.to_owned()),
        password_hash: Set(password_hash.to_owned()),
        email: Set(email.map(str::to_owned)),
        created_at: Set(Some(now)),
        updated_at: Set(Some(now)),
        password_changed_at: Set(now),
        ..Default::default()
    };
    user.insert(tx).await.map(Some)
}

/// Notes a login.
pub async fn note_login(
    tx: &impl ConnectionTrait,
    id: i32,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "UPDATE admin_user SET last_login = $2 WHERE id = $1",
        [id.into(), now.into()],
    ))
    .await
    .map(|_| ())
}

/// Stores a new password's hash.
pub async fn set_password(
    tx: &impl ConnectionTrait,
    id: i32,
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "UPDATE admin_user SET password_hash = $2, password_changed_at = $3, updated_at = $3 \
         WHERE id = $1",
        [id.into(), password_hash.into(), now.into()],
    ))
    .await
    .map(|_| ())
}

/// Stores the same password hashed anew, unless it was changed meanwhile.
pub async fn rehash(
    tx: &impl ConnectionTrait,
    id: i32,
    old_hash: &str,
    new_hash: &str,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "UPDATE admin_user SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
        [id.into(), old_hash.into(), new_hash.into()],
    ))
    .await
    .map(|_| ())
}

/// Stores the e-mail address.
pub async fn set_email(
    tx: &impl ConnectionTrait,
    id: i32,
    email: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "UPDATE admin_user SET email = $2, updated_at = $3 WHERE id = $1",
        [id.into(), email.into(), now.into()],
    ))
    .await
    .map(|_| ())
}

/// Stores a sealed secret that waits for its first code.
pub async fn set_totp_pending(
    tx: &impl ConnectionTrait,
    id: i32,
    sealed: &Json,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "UPDATE admin_user SET totp_pending_encrypted = $2, updated_at = $3 WHERE id = $1",
        [id.into(), sealed.clone().into(), now.into()],
    ))
    .await
    .map(|_| ())
}

/// Turns the second factor on with this sealed secret; its first code is used up.
pub async fn enable_totp(
    tx: &impl ConnectionTrait,
    id: i32,
    sealed: &Json,
    step: i64,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "UPDATE admin_user SET totp_enabled = TRUE, totp_secret_encrypted = $2, \
         totp_last_step = $3, totp_pending_encrypted = NULL, updated_at = $4 WHERE id = $1",
        [id.into(), sealed.clone().into(), step.into(), now.into()],
    ))
    .await
    .map(|_| ())
}

/// Turns the second factor off.
pub async fn disable_totp(
    tx: &impl ConnectionTrait,
    id: i32,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "UPDATE admin_user SET totp_enabled = FALSE, totp_secret_encrypted = NULL, \
         totp_last_step = NULL, totp_pending_encrypted = NULL, updated_at = $2 WHERE id = $1",
        [id.into(), now.into()],
    ))
    .await
    .map(|_| ())
}

/// Uses up a time step. False if it, or a later one, was used before (RFC 6238, 5.2).
pub async fn use_totp_step(tx: &impl ConnectionTrait, id: i32, step: i64) -> Result<bool, DbErr> {
    let done = tx
        .execute_raw(sql(
            "UPDATE admin_user SET totp_last_step = $2 \
             WHERE id = $1 AND (totp_last_step IS NULL OR totp_last_step < $2)",
            [id.into(), step.into()],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}
