//! `allowed_subnets`.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, QueryOrder, Set};

use super::sql;
use crate::features::auth::entity::allowed_subnet::{ActiveModel, Column, Entity, Model};

/// A subnet's row.
pub type Subnet = Model;

/// Makes changes to the list wait for each other, so that each sees the whole list it changes.
pub async fn lock(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "LOCK TABLE allowed_subnets IN SHARE ROW EXCLUSIVE MODE",
        [],
    ))
    .await
    .map(|_| ())
}

/// All of them, in the order they were added.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Subnet>, DbErr> {
    Entity::find().order_by_asc(Column::Id).all(db).await
}

/// One of them.
pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Subnet>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// Adds one.
pub async fn insert(
    tx: &impl ConnectionTrait,
    cidr: &str,
    description: Option<&str>,
    is_enabled: bool,
    now: DateTime<Utc>,
) -> Result<Subnet, DbErr> {
    let row = ActiveModel {
        cidr: Set(cidr.to_owned()),
        description: Set(description.map(str::to_owned)),
        enabled: Set(Some(is_enabled)),
        created_at: Set(Some(now)),
        ..Default::default()
    };
    row.insert(tx).await
}

/// Changes one.
pub async fn update(
    tx: &impl ConnectionTrait,
    id: i32,
    description: Option<&str>,
    is_enabled: bool,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "UPDATE allowed_subnets SET description = $2, enabled = $3 WHERE id = $1",
        [id.into(), description.into(), is_enabled.into()],
    ))
    .await
    .map(|_| ())
}

/// Deletes one.
pub async fn delete(tx: &impl ConnectionTrait, id: i32) -> Result<(), DbErr> {
    Entity::delete_by_id(id).exec(tx).await.map(|_| ())
}

/// Deletes all. Says how many there were.
pub async fn delete_all(tx: &impl ConnectionTrait) -> Result<u64, DbErr> {
    Entity::delete_many()
        .exec(tx)
        .await
        .map(|done| done.rows_affected)
}
