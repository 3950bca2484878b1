//! The table `audit_log`.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use sea_orm::prelude::IpNetwork;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};

use super::{Actor, Entry};

pub async fn insert(
    tx: &impl ConnectionTrait,
    at: DateTime<Utc>,
    actor: &Actor,
    entry: Entry,
) -> Result<(), DbErr> {
    let (kind, id) = entry.resource.unzip();
    tx.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO audit_log (user_id, username, action, resource_type, resource_id, details, \
         ip_address, user_agent, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        [
            actor.user_id.into(),
            actor
                .username
                .as_deref()
                .map(|name| printable(name, 100))
                .into(),
            entry.action.as_str().into(),
            kind.into(),
            id.map(|id| printable(&id, 100)).into(),
            entry.details.into(),
            actor.ip.map(IpNetwork::from).into(),
            actor
                .user_agent
                .as_deref()
                .map(|agent| printable(agent, 400))
                .into(),
            at.into(),
        ],
    ))
    .await
    .map(|_| ())
}

/// What strangers send is kept on one line and within bounds (ASVS 16.4.1), and without the NUL
/// that PostgreSQL does not store.
fn printable(text: &str, limit: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(limit)
        .collect()
}

/// A line of the log.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    pub id: i32,
    pub created_at: DateTime<Utc>,
    pub user_id: Option<i32>,
    pub username: Option<String>,
    pub action: String,
    pub resource_type: Option<String>,
    pub resource_id: Option<String>,
    pub details: Option<serde_json::Value>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
}

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub action: Option<String>,
    pub username: Option<String>,
    pub resource_type: Option<String>,
    pub resource_id: Option<String>,
    pub ip: Option<IpNet>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    pub text: Option<String>,
}

/// Up to `limit` lines before `before_id`, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: Filter,
    before_id: Option<i64>,
    limit: u64,
) -> Result<Vec<Row>, DbErr> {
    let mut sql = "SELECT id, created_at, user_id, username, action, resource_type, resource_id, \
                   details, host(ip_address) AS ip_address, user_agent FROM audit_log WHERE TRUE"
        .to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace('?', &format!("${}", values.len())));
    };
    if let Some(action) = filter.action {
        match action.strip_suffix(".*") {
            Some(group) => add("starts_with(action, ?)", format!("{group}.").into()),
            None => add("action = ?", action.into()),
        }
    }
    if let Some(name) = filter.username {
        add("lower(username) = lower(?)", name.into());
    }
    if let Some(kind) = filter.resource_type {
        add("resource_type = ?", kind.into());
    }
    if let Some(id) = filter.resource_id {
        add("resource_id = ?", id.into());
    }
    if let Some(ip) = filter.ip {
        add(
            "ip_address <<= CAST(? AS cidr)",
            ip.trunc().to_string().into(),
        );
    }
    if let Some(from) = filter.from {
        add("created_at >= ?", from.into());
    }
    if let Some(to) = filter.to {
        add("created_at < ?", to.into());
    }
    if let Some(text) = filter.text {
        // position() knows no wildcards, so no input makes the search slower than another.
        let haystack = "concat_ws(' ', action, username, resource_type, resource_id, details)";
        add(
            &format!("position(lower(?) in lower({haystack})) > 0"),
            text.into(),
        );
    }
    if let Some(id) = before_id {
        add("id < ?", id.into());
    }
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let _ = write!(sql, " ORDER BY id DESC LIMIT ${}", values.len());
    Row::find_by_statement(Statement::from_sql_and_values(
        DbBackend::Postgres,
        sql,
        values,
    ))
    .all(db)
    .await
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_strangers_send_stays_on_one_line() {
        assert_eq!(
            printable("a\nFAKE LINE\0\u{1b}[2J", 100),
            "a\u{fffd}FAKE LINE\u{fffd}\u{fffd}[2J"
        );
        assert_eq!(printable("abc", 2), "ab");
    }
}
