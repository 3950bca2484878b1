//! The rules.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde_json::Value;

use crate::features::notifications::rule::{Conditions, RuleText};
use crate::platform::db::statement;

const COLUMNS: &str = "id, name, COALESCE(enabled, TRUE) AS is_enabled, event_type, event_pattern, service_id, \
    COALESCE(priority, 'normal') AS priority, conditions, custom_title, custom_message, \
    COALESCE(include_details, TRUE) AS include_details, COALESCE(cooldown_minutes, 0) AS cooldown_minutes, \
    last_triggered, COALESCE(sort_order, 0) AS sort_order, created_at, updated_at";

/// A row of `notification_rules`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    pub id: i32,
    pub name: String,
    pub is_enabled: bool,
    pub event_type: String,
    pub event_pattern: Option<String>,
    pub service_id: i32,
    pub priority: String,
    pub conditions: Option<Value>,
    pub custom_title: Option<String>,
    pub custom_message: Option<String>,
    pub include_details: bool,
    pub cooldown_minutes: i32,
    pub last_triggered: Option<DateTime<Utc>>,
    pub sort_order: i32,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Row {
    /// What it says. Conditions that cannot be read are none: a rule that was written by something else tells
    /// too much rather than nothing.
    pub fn text(&self) -> RuleText {
        RuleText {
            id: self.id,
            name: self.name.clone(),
            is_enabled: self.is_enabled,
            event_type: self.event_type.clone(),
            event_pattern: self.event_pattern.clone(),
            service_id: self.service_id,
            priority: self.priority.clone(),
            conditions: self.conditions(),
            custom_title: self.custom_title.clone(),
            custom_message: self.custom_message.clone(),
            include_details: self.include_details,
            cooldown_minutes: self.cooldown_minutes,
        }
    }

    /// What must hold beyond the type.
    pub fn conditions(&self) -> Conditions {
        let read = self.conditions.clone().map(serde_json::from_value);
        read.and_then(Result::ok).unwrap_or_default()
    }
}

/// All of them, in their order.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Row>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM notification_rules ORDER BY sort_order, id");
    Row::find_by_statement(statement(sql, Vec::new()))
        .all(db)
        .await
}

/// One of them.
pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Row>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM notification_rules WHERE id = $1");
    Row::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

#[derive(FromQueryResult)]
struct Stamp {
    count: i64,
    newest: Option<DateTime<Utc>>,
}

/// Changes whenever a rule does.
pub async fn stamp(db: &impl ConnectionTrait) -> Result<(i64, Option<DateTime<Utc>>), DbErr> {
    let sql = "SELECT COUNT(*) AS count, MAX(updated_at) AS newest FROM notification_rules";
    let stamp = Stamp::find_by_statement(statement(sql, Vec::new()))
        .one(db)
        .await?;
    Ok(stamp.map_or((0, None), |stamp| (stamp.count, stamp.newest)))
}

fn values(
    rule: &RuleText,
    sort_order: i32,
    at: DateTime<Utc>,
) -> Result<Vec<sea_orm::Value>, DbErr> {
    let conditions = serde_json::to_value(&rule.conditions);
    let conditions = conditions.map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(vec![
        rule.name.clone().into(),
        rule.is_enabled.into(),
        rule.event_type.clone().into(),
        rule.event_pattern.clone().into(),
        rule.service_id.into(),
        rule.priority.clone().into(),
        conditions.into(),
        rule.custom_title.clone().into(),
        rule.custom_message.clone().into(),
        rule.include_details.into(),
        rule.cooldown_minutes.into(),
        sort_order.into(),
        at.into(),
    ])
}

/// Makes one.
pub async fn insert(
    tx: &impl ConnectionTrait,
    rule: &RuleText,
    sort_order: i32,
    at: DateTime<Utc>,
) -> Result<i32, DbErr> {
    let sql = "INSERT INTO notification_rules (name, enabled, event_type, event_pattern, service_id, priority, conditions, \
               custom_title, custom_message, include_details, cooldown_minutes, sort_order, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13) RETURNING id";
    let row = tx
        .query_one_raw(statement(sql, values(rule, sort_order, at)?))
        .await?;
    row.ok_or(DbErr::RecordNotInserted)?.try_get("", "id")
}

/// Changes one.
pub async fn update(
    tx: &impl ConnectionTrait,
    rule: &RuleText,
    sort_order: i32,
    at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "UPDATE notification_rules SET name = $1, enabled = $2, event_type = $3, event_pattern = $4, service_id = $5, \
               priority = $6, conditions = $7, custom_title = $8, custom_message = $9, include_details = $10, \
               cooldown_minutes = $11, sort_order = $12, \
               updated_at = GREATEST($13, (SELECT MAX(updated_at) FROM notification_rules) + INTERVAL '1 microsecond') \
               WHERE id = $14";
    let mut values = values(rule, sort_order, at)?;
    values.push(rule.id.into());
    let done = tx.execute_raw(statement(sql, values)).await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes one; its history stays.
pub async fn delete(tx: &impl ConnectionTrait, id: i32) -> Result<bool, DbErr> {
    let done = tx
        .execute_raw(statement(
            "DELETE FROM notification_rules WHERE id = $1",
            vec![id.into()],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that rules told something.
pub async fn note_triggered(
    tx: &impl ConnectionTrait,
    ids: Vec<i32>,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE notification_rules SET last_triggered = $2 WHERE id = ANY($1)";
    tx.execute_raw(statement(sql, vec![ids.into(), at.into()]))
        .await
        .map(|_| ())
}
