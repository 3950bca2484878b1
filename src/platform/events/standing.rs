//! Troubles that last. What was told of one is kept in the transaction that tells it, so that neither a
//! restart nor another leader tells the same again.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::platform::db::statement;

/// Notes that a trouble is there. True when that is to be told: it is new, of another kind than was told, or
/// was told longer than `again` ago.
pub async fn begin(
    tx: &impl ConnectionTrait,
    name: &str,
    kind: &str,
    now: DateTime<Utc>,
    again: Option<TimeDelta>,
) -> Result<bool, DbErr> {
    // One that was told far ahead was told by a clock that was wrong, and would be silent for as long.
    let sql = "INSERT INTO standing_troubles AS known (name, kind, told_at) VALUES ($1, $2, $3) \
               ON CONFLICT (name) DO UPDATE SET kind = EXCLUDED.kind, told_at = EXCLUDED.told_at \
               WHERE known.kind <> EXCLUDED.kind OR known.told_at <= $4 OR known.told_at > $5";
    let values = vec![
        name.into(),
        kind.into(),
        now.into(),
        again.map(|again| now - again).into(),
        again.map(|again| now + again).into(),
    ];
    let told = tx.execute_raw(statement(sql, values)).await?;
    Ok(told.rows_affected() == 1)
}

/// Notes that a trouble is over. True when it had been told.
pub async fn end(tx: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    let sql = "DELETE FROM standing_troubles WHERE name = $1";
    let ended = tx.execute_raw(statement(sql, vec![name.into()])).await?;
    Ok(ended.rows_affected() == 1)
}

/// Forgets a trouble and those below it (`copies:3` and `copies:3:17`): what it was about is gone.
pub async fn forget(tx: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    let sql = "DELETE FROM standing_troubles WHERE name = $1 OR starts_with(name, $1 || ':')";
    tx.execute_raw(statement(sql, vec![name.into()]))
        .await
        .map(|_| ())
}
