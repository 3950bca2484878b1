//! What was told, is to be told, or was left untold: a row for each message to each service.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::features::notifications::channels::Parts;
use crate::features::notifications::digest::Left;
use crate::platform::db::page::{Page, PageRequest};
use crate::platform::db::statement;

const COLUMNS: &str = "id, event_type, event_data, COALESCE(severity, 'info') AS severity, service_id, service_name, \
    rule_id, rule_name, status, sent_at, error_message, COALESCE(retry_count, 0) AS retry_count, next_retry, created_at, \
    delivery_id, event_id, occurred_at, title, message, priority, subject, has_details, skip_code, event_count, \
    parts, response_status, response_text, duration_ms, alert_id, escalation_step, fallback_of, batch_id, queued_at";

/// Attempts that are kept of a message, the latest.
const MOST_ATTEMPTS: i32 = 20;

/// A row of `notification_history`.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    pub id: i32,
    pub event_type: String,
    pub event_data: Option<Value>,
    pub severity: String,
    pub service_id: Option<i32>,
    pub service_name: Option<String>,
    pub rule_id: Option<i32>,
    pub rule_name: Option<String>,
    pub status: String,
    pub sent_at: Option<DateTime<Utc>>,
    pub error_message: Option<String>,
    pub retry_count: i32,
    pub next_retry: Option<DateTime<Utc>>,
    pub created_at: Option<DateTime<Utc>>,
    pub delivery_id: Uuid,
    pub event_id: Option<Uuid>,
    pub occurred_at: Option<DateTime<Utc>>,
    pub title: String,
    pub message: String,
    pub priority: String,
    pub subject: String,
    pub has_details: bool,
    pub skip_code: Option<String>,
    pub event_count: i32,
    pub parts: Option<Value>,
    pub response_status: Option<i32>,
    pub response_text: Option<String>,
    pub duration_ms: Option<i32>,
    pub alert_id: Option<i32>,
    pub escalation_step: Option<i32>,
    pub fallback_of: Option<i32>,
    pub batch_id: Option<i32>,
    pub queued_at: Option<DateTime<Utc>>,
}

/// A row with what only the page of one message shows, which may be long.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Detailed {
    #[sea_orm(nested)]
    pub row: Row,
    pub attempts: Value,
    pub payload: Option<String>,
}

impl Row {
    /// What became of its targets so far.
    pub fn told(&self) -> Parts {
        let parts = self.parts.clone();
        parts
            .and_then(|parts| serde_json::from_value(parts).ok())
            .unwrap_or_default()
    }
}

/// A row before it is written.
#[derive(Clone, Debug, Serialize)]
pub struct New {
    pub delivery_id: Uuid,
    pub event_id: Option<Uuid>,
    pub event_type: String,
    pub event_data: Value,
    pub severity: &'static str,
    pub occurred_at: DateTime<Utc>,
    pub service_id: i32,
    pub service_name: String,
    pub rule_id: Option<i32>,
    pub rule_name: Option<String>,
    pub status: &'static str,
    pub skip_code: Option<&'static str>,
    pub error_message: Option<String>,
    pub event_count: i32,
    pub next_retry: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub title: String,
    pub message: String,
    pub priority: String,
    pub subject: String,
    pub has_details: bool,
    pub batch_id: Option<i32>,
    pub alert_id: Option<i32>,
    pub escalation_step: Option<i32>,
    pub fallback_of: Option<i32>,
}

impl New {
    /// It is not told, and says why.
    pub fn leave(&mut self, left: Left) {
        self.status = "skipped";
        self.skip_code = Some(left.code);
        self.error_message = Some(left.why.to_owned());
        self.next_retry = None;
    }
}

/// Writes rows. Services and rules that went meanwhile take theirs along.
pub async fn insert(tx: &impl ConnectionTrait, rows: &[New]) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO notification_history (delivery_id, event_id, event_type, event_data, severity, occurred_at, \
               service_id, service_name, rule_id, rule_name, status, skip_code, error_message, event_count, next_retry, \
               created_at, title, message, priority, subject, has_details, batch_id, alert_id, escalation_step, fallback_of) \
               SELECT n.delivery_id, n.event_id, n.event_type, n.event_data, n.severity, n.occurred_at, s.id, \
               n.service_name, r.id, n.rule_name, n.status, n.skip_code, n.error_message, n.event_count, n.next_retry, \
               n.created_at, n.title, n.message, n.priority, n.subject, n.has_details, n.batch_id, n.alert_id, n.escalation_step, n.fallback_of \
               FROM jsonb_to_recordset($1) AS n(delivery_id uuid, event_id uuid, event_type text, event_data jsonb, \
               severity text, occurred_at timestamptz, service_id integer, service_name text, rule_id integer, rule_name text, \
               status text, skip_code text, error_message text, event_count integer, next_retry timestamptz, \
               created_at timestamptz, title text, message text, priority text, subject text, has_details boolean, \
               batch_id integer, alert_id integer, escalation_step integer, fallback_of integer) \
               JOIN notification_services s ON s.id = n.service_id LEFT JOIN notification_rules r ON r.id = n.rule_id";
    let rows = serde_json::to_value(rows).map_err(|error| DbErr::Custom(error.to_string()))?;
    tx.execute_raw(statement(sql, vec![rows.into()]))
        .await
        .map(|_| ())
}

#[derive(FromQueryResult)]
struct Counted {
    id: i32,
    n: i64,
}

/// How many messages rules sent since a moment.
pub async fn sent_since(
    db: &impl ConnectionTrait,
    rules: Vec<i32>,
    at: DateTime<Utc>,
) -> Result<Vec<(i32, i64)>, DbErr> {
    let sql = "SELECT rule_id AS id, COUNT(*) AS n FROM notification_history WHERE rule_id = ANY($1) AND created_at > $2 \
               AND status <> 'skipped' AND batch_id IS NULL GROUP BY rule_id";
    let rows = Counted::find_by_statement(statement(sql, vec![rules.into(), at.into()]))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.n)).collect())
}

/// Services that have something to deliver now.
pub async fn due_services(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<Vec<i32>, DbErr> {
    let sql = "SELECT h.service_id AS id, COUNT(*) AS n FROM notification_history h \
               JOIN notification_services s ON s.id = h.service_id WHERE h.status = 'pending' \
               AND h.next_retry <= $1 AND (h.lease_expires_at IS NULL OR h.lease_expires_at <= $1) \
               AND (s.not_before IS NULL OR s.not_before <= $1) GROUP BY h.service_id";
    let rows = Counted::find_by_statement(statement(sql, vec![now.into()]))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Takes up to `limit` deliveries of a service under a lease, the oldest first; those that failed before come after
/// those that were not tried yet.
pub async fn claim(
    db: &impl ConnectionTrait,
    service_id: i32,
    limit: i64,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Vec<Row>, DbErr> {
    let sql = format!(
        "WITH claimed AS (UPDATE notification_history SET lease_expires_at = $4 WHERE id IN (\
             SELECT id FROM notification_history WHERE status = 'pending' AND service_id = $1 AND next_retry <= $2 \
             AND (lease_expires_at IS NULL OR lease_expires_at <= $2) ORDER BY COALESCE(retry_count, 0), id LIMIT $3 \
             FOR UPDATE SKIP LOCKED\
         ) RETURNING *) SELECT {COLUMNS} FROM claimed ORDER BY COALESCE(retry_count, 0), id"
    );
    let values = vec![
        service_id.into(),
        now.into(),
        limit.into(),
        lease_until.into(),
    ];
    Row::find_by_statement(statement(sql, values)).all(db).await
}

/// When the next delivery, batch or escalation is due, but for deliveries of some services.
pub async fn next_due(
    db: &impl ConnectionTrait,
    without_services: Vec<i32>,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    #[derive(FromQueryResult)]
    struct Next {
        at: Option<DateTime<Utc>>,
    }
    let sql = "SELECT LEAST((SELECT MIN(GREATEST(h.next_retry, h.lease_expires_at, s.not_before)) FROM notification_history h \
               JOIN notification_services s ON s.id = h.service_id WHERE h.status = 'pending' AND h.service_id <> ALL($1)), \
               (SELECT MIN(due_at) FROM notification_batch WHERE status = 'collecting'), \
               (SELECT MIN(next_at) FROM notification_alerts WHERE status = 'open')) AS at";
    let next = Next::find_by_statement(statement(sql, vec![without_services.into()]))
        .one(db)
        .await?;
    Ok(next.and_then(|next| next.at))
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct End {
    /// `sent`, `failed`, `skipped`, or `pending` when it is tried again.
    pub status: &'static str,
    pub skip_code: Option<&'static str>,
    pub error: Option<String>,
    pub next_retry: Option<DateTime<Utc>>,
    pub parts: Option<Value>,
    pub response_status: Option<i32>,
    pub response_text: Option<String>,
    pub duration_ms: i32,
    pub is_attempt: bool,
    /// What was sent, if anything was; else what was sent before stays.
    pub payload: Option<String>,
}

/// Notes how an attempt ended.
pub async fn end(
    db: &impl ConnectionTrait,
    id: i32,
    end: &End,
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE notification_history SET status = $2, skip_code = $3, error_message = $4, next_retry = $5, \
               parts = $6, response_status = $7, response_text = $8, duration_ms = $9, lease_expires_at = NULL, \
               sent_at = CASE WHEN $2 = 'sent' THEN $10 END, \
               retry_count = COALESCE(retry_count, 0) + CASE WHEN $11 AND $2 <> 'sent' THEN 1 ELSE 0 END, \
               attempts = CASE WHEN NOT $11 THEN attempts \
                   WHEN jsonb_array_length(attempts) >= $13 THEN (attempts - 0) || $12 ELSE attempts || $12 END, \
               payload = COALESCE($14, payload) \
               WHERE id = $1 AND status = 'pending'";
    let attempt = json!([{
        "at": at, "outcome": if end.status == "sent" { "sent" } else { "failed" }, "error": end.error,
        "response_status": end.response_status, "response_text": end.response_text, "duration_ms": end.duration_ms,
    }]);
    let values = vec![
        id.into(),
        end.status.into(),
        end.skip_code.map(str::to_owned).into(),
        end.error.clone().into(),
        end.next_retry.into(),
        end.parts.clone().into(),
        end.response_status.into(),
        end.response_text.clone().into(),
        end.duration_ms.into(),
        at.into(),
        end.is_attempt.into(),
        attempt.into(),
        MOST_ATTEMPTS.into(),
        end.payload.clone().into(),
    ];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// Frees what daemons of before held: they are no more.
pub async fn release_all(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = "UPDATE notification_history SET lease_expires_at = NULL WHERE status = 'pending' AND lease_expires_at IS NOT NULL";
    db.execute_raw(statement(sql, Vec::new())).await.map(|_| ())
}

/// Gives back what was claimed and not tried.
pub async fn release(db: &impl ConnectionTrait, ids: Vec<i32>) -> Result<(), DbErr> {
    let sql = "UPDATE notification_history SET lease_expires_at = NULL WHERE id = ANY($1) AND status = 'pending'";
    db.execute_raw(statement(sql, vec![ids.into()]))
        .await
        .map(|_| ())
}

/// Puts one back into the queue, from its beginning, for those who do not have it yet. `false` when it is not one that ended untold.
pub async fn retry(tx: &impl ConnectionTrait, id: i32, at: DateTime<Utc>) -> Result<bool, DbErr> {
    let sql = "UPDATE notification_history SET status = 'pending', next_retry = $2, queued_at = $2, retry_count = 0, skip_code = NULL, \
               error_message = NULL, lease_expires_at = NULL, parts = parts - 'refused' WHERE id = $1 AND status IN ('failed', 'skipped') \
               AND service_id IS NOT NULL";
    let done = tx
        .execute_raw(statement(sql, vec![id.into(), at.into()]))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// One of them.
pub async fn get(db: &impl ConnectionTrait, id: i32) -> Result<Option<Detailed>, DbErr> {
    let sql =
        format!("SELECT {COLUMNS}, attempts, payload FROM notification_history WHERE id = $1");
    Detailed::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await
}

/// Which rows are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<String>,
    pub event_type: Option<String>,
    pub service_id: Option<i32>,
    pub rule_id: Option<i32>,
}

/// A page of them, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Row>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notification_history WHERE ($1::text IS NULL OR status = $1) \
         AND ($2::text IS NULL OR event_type = $2 OR event_type LIKE $2 || '.%') \
         AND ($3::integer IS NULL OR service_id = $3) AND ($4::integer IS NULL OR rule_id = $4) \
         AND ($5::bigint IS NULL OR id < $5) ORDER BY id DESC LIMIT $6"
    );
    let group = filter
        .event_type
        .as_deref()
        .map(|one| one.trim_end_matches(".*").to_owned());
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX - 1) + 1;
    let values = vec![
        filter.status.clone().into(),
        group.into(),
        filter.service_id.into(),
        filter.rule_id.into(),
        page.before_id.into(),
        limit.into(),
    ];
    let rows = Row::find_by_statement(statement(sql, values))
        .all(db)
        .await?;
    Ok(Page::from_rows(rows, page.limit, |row| i64::from(row.id)))
}

/// What waits for a service that is going.
pub async fn leave_waiting(
    tx: &impl ConnectionTrait,
    service_id: i32,
    left: Left,
) -> Result<(), DbErr> {
    let sql = "UPDATE notification_history SET status = 'skipped', skip_code = $2, error_message = $3, next_retry = NULL, \
               lease_expires_at = NULL WHERE status = 'pending' AND service_id = $1";
    let values = vec![
        service_id.into(),
        left.code.to_owned().into(),
        left.why.to_owned().into(),
    ];
    tx.execute_raw(statement(sql, values)).await.map(|_| ())
}

/// What was taken of messages counts no more: their service goes to other targets now.
pub async fn begin_anew(tx: &impl ConnectionTrait, service_id: i32) -> Result<(), DbErr> {
    let sql = "UPDATE notification_history SET parts = NULL WHERE service_id = $1 AND status <> 'sent' AND parts IS NOT NULL";
    tx.execute_raw(statement(sql, vec![service_id.into()]))
        .await
        .map(|_| ())
}

/// Troubles that wait for a service which does not deliver, for longer than from `before`, and that nobody else was
/// told in its place.
pub async fn unheard(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<Row>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notification_history h WHERE status = 'pending' \
         AND severity IN ('warning', 'error', 'critical') AND COALESCE(queued_at, created_at) <= $1 \
         AND EXISTS (SELECT 1 FROM notification_services s WHERE s.id = h.service_id AND s.enabled \
             AND (s.failing_since IS NOT NULL OR s.not_before > $2)) \
         AND NOT EXISTS (SELECT 1 FROM notification_history f WHERE f.fallback_of = h.id) \
         AND EXISTS (SELECT 1 FROM notification_services o WHERE o.id <> h.service_id AND o.enabled) \
         ORDER BY id LIMIT 100"
    );
    Row::find_by_statement(statement(sql, vec![before.into(), now.into()]))
        .all(db)
        .await
}

/// Services that a message and its fallbacks went to already.
pub async fn tried(db: &impl ConnectionTrait, id: i32) -> Result<Vec<i32>, DbErr> {
    let sql = "WITH RECURSIVE up AS (SELECT id, service_id, fallback_of FROM notification_history WHERE id = $1 \
               UNION SELECT h.id, h.service_id, h.fallback_of FROM notification_history h JOIN up ON h.id = up.fallback_of) \
               SELECT DISTINCT service_id AS id, 0::bigint AS n FROM up WHERE service_id IS NOT NULL";
    let rows = Counted::find_by_statement(statement(sql, vec![id.into()]))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Whether somebody else was told in its place already.
pub async fn has_fallback(db: &impl ConnectionTrait, id: i32) -> Result<bool, DbErr> {
    let sql = "SELECT COUNT(*) AS n, 0 AS id FROM notification_history WHERE fallback_of = $1";
    let row = Counted::find_by_statement(statement(sql, vec![id.into()]))
        .one(db)
        .await?;
    Ok(row.is_some_and(|row| row.n > 0))
}

/// Ends what waits too long, what waits for a service that is gone, and the oldest of too many.
pub async fn expire(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
    most_waiting: i64,
) -> Result<(), DbErr> {
    let expired = "UPDATE notification_history SET status = 'failed', skip_code = 'expired', next_retry = NULL, \
                   error_message = 'it waited for three days; ' || COALESCE(error_message, 'the service was never free') \
                   WHERE status = 'pending' AND COALESCE(queued_at, created_at) < $1 AND lease_expires_at IS NULL";
    db.execute_raw(statement(expired, vec![before.into()]))
        .await?;
    let orphans = "UPDATE notification_history SET status = 'skipped', skip_code = 'service_deleted', next_retry = NULL, \
                   error_message = 'its service was deleted' WHERE status = 'pending' AND service_id IS NULL";
    db.execute_raw(statement(orphans, Vec::new())).await?;
    let surplus = "UPDATE notification_history SET status = 'skipped', skip_code = 'queue_full', next_retry = NULL, \
                   error_message = 'too many messages waited for this service; the oldest gave way' WHERE id IN (\
                   SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY service_id \
                   ORDER BY COALESCE(queued_at, created_at) DESC, id DESC) AS place \
                   FROM notification_history WHERE status = 'pending' AND lease_expires_at IS NULL) AS waiting WHERE place > $1)";
    db.execute_raw(statement(surplus, vec![most_waiting.into()]))
        .await
        .map(|_| ())
}

/// Forgets what is older than a moment and has ended.
pub async fn forget(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<(), DbErr> {
    let history = "DELETE FROM notification_history WHERE status <> 'pending' AND created_at < $1";
    db.execute_raw(statement(history, vec![before.into()]))
        .await?;
    let batches = "DELETE FROM notification_batch WHERE status <> 'collecting' AND last_event < $1";
    db.execute_raw(statement(batches, vec![before.into()]))
        .await
        .map(|_| ())
}
