//! Events that are gathered into one message.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde_json::{Value, json};

use crate::features::notifications::decide::Gathering;
use crate::platform::db::statement;
use crate::platform::events::Event;

/// Events of a batch that are kept whole; the rest is counted.
const MOST_KEPT: usize = 50;

/// Events that came together for one rule.
#[derive(Clone, Debug)]
pub struct Gathered {
    pub rule_id: i32,
    pub kind: Gathering,
    pub key: String,
    pub due_at: DateTime<Utc>,
    pub events: Vec<Event>,
}

/// A row of `notification_batch`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    pub id: i32,
    pub event_count: i32,
    pub last_event: DateTime<Utc>,
    pub events_data: Value,
    pub rule_id: i32,
    pub kind: String,
    pub severity: String,
}

impl Row {
    /// The events that were kept whole.
    pub fn events(&self) -> Vec<Event> {
        serde_json::from_value(self.events_data.clone()).unwrap_or_default()
    }
}

/// Adds events to what is being gathered.
pub async fn add(tx: &impl ConnectionTrait, gathered: &Gathered) -> Result<(), DbErr> {
    let (Some(first), Some(last)) = (gathered.events.first(), gathered.events.last()) else {
        return Ok(());
    };
    let severity = gathered
        .events
        .iter()
        .map(|event| event.severity)
        .max()
        .unwrap_or(first.severity);
    let kept: Vec<&Event> = gathered.events.iter().take(MOST_KEPT).collect();
    let count = i32::try_from(gathered.events.len()).unwrap_or(i32::MAX);
    // The names of severities happen to sort by the alphabet neither way: the order is spelled out.
    let sql = "INSERT INTO notification_batch (batch_key, event_type, event_count, first_event, last_event, events_data, \
               status, rule_id, kind, severity, due_at) \
               SELECT $1, $2, $3, $4, $5, $6, 'collecting', r.id, $8, $9, $10 FROM notification_rules r WHERE r.id = $7 \
               ON CONFLICT (rule_id, kind, batch_key) WHERE status = 'collecting' DO UPDATE SET \
               event_count = notification_batch.event_count + EXCLUDED.event_count, \
               last_event = GREATEST(notification_batch.last_event, EXCLUDED.last_event), \
               events_data = CASE WHEN jsonb_array_length(notification_batch.events_data) < $11 \
                   THEN notification_batch.events_data || EXCLUDED.events_data ELSE notification_batch.events_data END, \
               severity = CASE WHEN ARRAY_POSITION(ARRAY['info','warning','error','critical'], EXCLUDED.severity::text) > \
                   ARRAY_POSITION(ARRAY['info','warning','error','critical'], notification_batch.severity::text) \
                   THEN EXCLUDED.severity ELSE notification_batch.severity END";
    let key: String = gathered.key.chars().take(255).collect();
    let values = vec![
        key.into(),
        first.event_type.clone().into(),
        count.into(),
        first.occurred_at.into(),
        last.occurred_at.into(),
        json!(kept).into(),
        gathered.rule_id.into(),
        gathered.kind.as_str().into(),
        severity.as_str().into(),
        gathered.due_at.into(),
        i32::try_from(MOST_KEPT).unwrap_or(i32::MAX).into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Takes what is due; nobody else gets it.
pub async fn claim_due(tx: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<Vec<Row>, DbErr> {
    let sql = "SELECT id, COALESCE(event_count, 1) AS event_count, last_event, \
               COALESCE(events_data, '[]') AS events_data, rule_id, kind, severity FROM notification_batch \
               WHERE status = 'collecting' AND rule_id IS NOT NULL AND due_at <= $1 \
               ORDER BY due_at LIMIT 100 FOR UPDATE SKIP LOCKED";
    Row::find_by_statement(statement(sql, vec![now.into()]))
        .all(tx)
        .await
}

/// What a rule is gathering.
pub async fn collecting(tx: &impl ConnectionTrait, rule_id: i32) -> Result<Vec<Row>, DbErr> {
    let sql = "SELECT id, COALESCE(event_count, 1) AS event_count, last_event, \
               COALESCE(events_data, '[]') AS events_data, rule_id, kind, severity FROM notification_batch \
               WHERE status = 'collecting' AND rule_id = $1 ORDER BY due_at FOR UPDATE";
    Row::find_by_statement(statement(sql, vec![rule_id.into()]))
        .all(tx)
        .await
}

/// Its message has to wait longer.
pub async fn postpone(
    tx: &impl ConnectionTrait,
    id: i32,
    due_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE notification_batch SET due_at = $2 WHERE id = $1";
    tx.execute_raw(statement(sql, vec![id.into(), due_at.into()]))
        .await
        .map(|_| ())
}

/// Notes that its message is on its way; what it kept is in the history from now on.
pub async fn mark_sent(tx: &impl ConnectionTrait, id: i32, at: DateTime<Utc>) -> Result<(), DbErr> {
    let sql = "UPDATE notification_batch SET status = 'sent', sent_at = $2 WHERE id = $1";
    tx.execute_raw(statement(sql, vec![id.into(), at.into()]))
        .await
        .map(|_| ())
}

/// Notes that its message was not delivered.
pub async fn mark_failed(tx: &impl ConnectionTrait, id: i32) -> Result<(), DbErr> {
    let sql = "UPDATE notification_batch SET status = 'failed' WHERE id = $1";
    tx.execute_raw(statement(sql, vec![id.into()]))
        .await
        .map(|_| ())
}
