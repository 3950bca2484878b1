//! Failure counters: an account's, a known device's, a session's. All three tables carry the same
//! columns.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::sql;
use crate::features::auth::lockout::Counter;

/// Whose counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Strangers who claim this account; id 0 is nobody's and costs the same statements.
    Account(i32),
    /// A browser that signed in before.
    Device(Uuid),
    /// Somebody who is signed in.
    Session(Uuid),
}

#[derive(FromQueryResult)]
struct Row {
    failed_attempts: Option<i32>,
    lockout_count: i32,
    locked_until: Option<DateTime<Utc>>,
}

impl Owner {
    fn table(self) -> &'static str {
        match self {
            Self::Account(_) => "admin_user",
            Self::Device(_) => "known_devices",
            Self::Session(_) => "sessions",
        }
    }

    fn id(self) -> Value {
        match self {
            Self::Account(id) => id.into(),
            Self::Device(id) | Self::Session(id) => id.into(),
        }
    }
}

/// The counter as it stands.
pub async fn get(db: &impl ConnectionTrait, owner: Owner) -> Result<Counter, DbErr> {
    read(db, owner, "").await
}

/// The counter, held against other changes until the transaction ends.
pub async fn lock(tx: &impl ConnectionTrait, owner: Owner) -> Result<Counter, DbErr> {
    read(tx, owner, " FOR UPDATE").await
}

async fn read(db: &impl ConnectionTrait, owner: Owner, how: &str) -> Result<Counter, DbErr> {
    let text = format!(
        "SELECT failed_attempts, lockout_count, locked_until FROM {} WHERE id = $1{how}",
        owner.table()
    );
    let row = Row::find_by_statement(sql(&text, [owner.id()]))
        .one(db)
        .await?;
    Ok(row.map_or_else(Counter::default, |row| Counter {
        failed_attempts: row.failed_attempts.unwrap_or(0),
        lockout_count: row.lockout_count,
        locked_until: row.locked_until,
    }))
}

/// Notes the counter.
pub async fn set(tx: &impl ConnectionTrait, owner: Owner, counter: Counter) -> Result<(), DbErr> {
    let text = format!(
        "UPDATE {} SET failed_attempts = $2, lockout_count = $3, locked_until = $4 WHERE id = $1",
        owner.table()
    );
    let values = [
        owner.id(),
        counter.failed_attempts.into(),
        counter.lockout_count.into(),
        counter.locked_until.into(),
    ];
    tx.execute_raw(sql(&text, values)).await.map(|_| ())
}
