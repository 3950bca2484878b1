//! `admin_recovery_codes`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::sql;

#[derive(FromQueryResult)]
struct CountRow {
    left: i64,
}

/// Replaces a user's codes by these hashes.
pub async fn replace(
    tx: &impl ConnectionTrait,
    user_id: i32,
    hashes: &[String],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    clear(tx, user_id).await?;
    tx.execute_raw(sql(
        "INSERT INTO admin_recovery_codes (user_id, code_hash, created_at) \
         SELECT $1, hash, $3 FROM UNNEST($2::text[]) AS hash",
        [user_id.into(), hashes.to_vec().into(), now.into()],
    ))
    .await
    .map(|_| ())
}

/// Deletes a user's codes.
pub async fn clear(tx: &impl ConnectionTrait, user_id: i32) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        "DELETE FROM admin_recovery_codes WHERE user_id = $1",
        [user_id.into()],
    ))
    .await
    .map(|_| ())
}

/// How many codes are left.
pub async fn left(db: &impl ConnectionTrait, user_id: i32) -> Result<i64, DbErr> {
    let row = CountRow::find_by_statement(sql(
        "SELECT COUNT(*) AS left FROM admin_recovery_codes WHERE user_id = $1 AND used_at IS NULL",
        [user_id.into()],
    ))
    .one(db)
    .await?;
    Ok(row.map_or(0, |row| row.left))
}

/// Uses a code up. False if it is none of the user's or was used before.
pub async fn consume(
    tx: &impl ConnectionTrait,
    user_id: i32,
    code_hash: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = tx
        .execute_raw(sql(
            "UPDATE admin_recovery_codes SET used_at = $3 \
             WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL",
            [user_id.into(), code_hash.into(), now.into()],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}
