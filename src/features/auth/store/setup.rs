//! `setup_tokens`.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::sql;

/// A setup token's row.
#[derive(Debug, FromQueryResult)]
pub struct SetupToken {
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
}

/// Stores a new token's hash; older ones die.
pub async fn replace(
    tx: &impl ConnectionTrait,
    token_hash: &str,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    clear(tx).await?;
    tx.execute_raw(sql(
        "INSERT INTO setup_tokens (token_hash, created_at, expires_at) VALUES ($1, $2, $3)",
        [token_hash.into(), now.into(), expires_at.into()],
    ))
    .await
    .map(|_| ())
}

/// Deletes every token.
pub async fn clear(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    tx.execute_raw(sql("DELETE FROM setup_tokens", []))
        .await
        .map(|_| ())
}

/// The token with this hash.
pub async fn find(
    db: &impl ConnectionTrait,
    token_hash: &str,
) -> Result<Option<SetupToken>, DbErr> {
    SetupToken::find_by_statement(sql(
        "SELECT expires_at, used_at FROM setup_tokens WHERE token_hash = $1",
        [token_hash.into()],
    ))
    .one(db)
    .await
}

/// Uses a token up. False if it is used, over, or none of ours.
pub async fn consume(
    tx: &impl ConnectionTrait,
    token_hash: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = tx
        .execute_raw(sql(
            "UPDATE setup_tokens SET used_at = $2 \
             WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2",
            [token_hash.into(), now.into()],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}
