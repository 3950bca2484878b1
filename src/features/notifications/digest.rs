//! What was gathered becomes one message, when its time has come or its rule goes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::decide::Gathering;
use super::dispatch::{is_trouble, open_alert};
use super::error::NotificationError;
use super::render::{self, Words};
use super::rule::{Rule, RuleText};
use super::service::NotificationService;
use super::store::{batches, history, rules, services};
use crate::platform::events::{Event, Severity};

/// The subject of an alert about several things.
const SEVERAL: &str = "digest";

/// Why a message is not sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub code: &'static str,
    pub why: &'static str,
}

pub(super) const RULE_OFF: Left = Left {
    code: "rule_disabled",
    why: "its rule was switched off meanwhile",
};
pub(super) const RULE_DELETED: Left = Left {
    code: "rule_deleted",
    why: "its rule was deleted",
};
pub(super) const SERVICE_DELETED: Left = Left {
    code: "service_deleted",
    why: "its service was deleted",
};
pub(super) const SERVICE_OFF: Left = Left {
    code: "service_disabled",
    why: "its service is switched off",
};
const RULE_BROKEN: Left = Left {
    code: "rule_invalid",
    why: "its rule cannot be used any more; change it",
};

impl NotificationService {
    /// Turns what was gathered long enough into messages. Returns how many.
    pub async fn flush_batches(&self) -> Result<usize, NotificationError> {
        let now = self.parts.clock.now();
        let tx = self.parts.db.begin().await?;
        let due = batches::claim_due(&tx, now).await?;
        if due.is_empty() {
            tx.rollback().await?;
            return Ok(0);
        }
        let rules = rules::list(&tx).await?;
        let rules: HashMap<i32, rules::Row> = rules.into_iter().map(|row| (row.id, row)).collect();
        let services = services::list(&tx).await?;
        let services: HashMap<i32, services::Service> =
            services.into_iter().map(|one| (one.id, one)).collect();
        let mut rows = Vec::new();
        for batch in &due {
            let Some(row) = rules.get(&batch.rule_id) else {
                continue;
            };
            let Some(service) = services.get(&row.service_id) else {
                continue;
            };
            let text = row.text();
            let rule = Rule::kept(text.clone());
            if let Ok(rule) = &rule
                && row.is_enabled
                && let Some(end) = quiet_until(rule, batch, now)
            {
                batches::postpone(&tx, batch.id, end).await?;
                continue;
            }
            if let Some(mut message) = self.digest(&text, service, batch, now) {
                match &rule {
                    Err(_) => message.leave(RULE_BROKEN),
                    Ok(_) if !row.is_enabled => message.leave(RULE_OFF),
                    Ok(_) if !service.is_enabled && service.disabled_reason.is_none() => {
                        message.leave(SERVICE_OFF);
                    }
                    Ok(rule) => {
                        message.alert_id = alert_of(&tx, rule, batch, &message, now).await?;
                    }
                }
                rows.push(message);
            }
            batches::mark_sent(&tx, batch.id, now).await?;
        }
        history::insert(&tx, &rows).await?;
        tx.commit().await?;
        Ok(due.len())
    }

    /// Puts what rules that go have gathered into the history, as not told and why.
    pub(super) async fn leave_gathered(
        &self,
        tx: &impl sea_orm::ConnectionTrait,
        rules: &[rules::Row],
        left: Left,
    ) -> Result<(), NotificationError> {
        let now = self.parts.clock.now();
        let mut rows = Vec::new();
        for rule in rules {
            let Some(service) = services::get(tx, rule.service_id).await? else {
                continue;
            };
            for batch in batches::collecting(tx, rule.id).await? {
                if let Some(mut message) = self.digest(&rule.text(), &service, &batch, now) {
                    message.leave(left);
                    // They go in this transaction.
                    (message.rule_id, message.batch_id) = (None, None);
                    rows.push(message);
                }
            }
        }
        Ok(history::insert(tx, &rows).await?)
    }

    fn digest(
        &self,
        rule: &RuleText,
        service: &services::Service,
        batch: &batches::Row,
        now: DateTime<Utc>,
    ) -> Option<history::New> {
        let events = batch.events();
        let first = events.first()?;
        let mut row = self.row(rule, service, first, now);
        if batch.event_count > 1 {
            let words = words(batch, &events);
            row.title = words.title;
            row.message = words.body;
            row.event_data = json!({ "count": batch.event_count, "events": events });
            row.severity = Severity::from_name(&batch.severity).as_str();
            row.occurred_at = batch.last_event;
            row.event_id = None;
        }
        row.event_count = batch.event_count;
        row.batch_id = Some(batch.id);
        Some(row)
    }
}

/// Until when a message has to wait because it is quiet now, unless it is urgent.
fn quiet_until(rule: &Rule, batch: &batches::Row, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let severity = Severity::from_name(&batch.severity);
    rule.quiet_until(severity, now)
}

fn words(batch: &batches::Row, events: &[Event]) -> Words {
    let why = match batch.kind.as_str() {
        kind if kind == Gathering::Quiet.as_str() => "from quiet hours",
        kind if kind == Gathering::Storm.as_str() => "within a minute",
        _ => "gathered",
    };
    render::digest(batch.event_count, why, events)
}

/// Opens the alert of a message of several events: that of their subject if they are about one thing, else one
/// for all of them.
async fn alert_of(
    tx: &impl sea_orm::ConnectionTrait,
    rule: &Rule,
    batch: &batches::Row,
    message: &history::New,
    now: DateTime<Utc>,
) -> Result<Option<i32>, NotificationError> {
    let events = batch.events();
    let troubles: Vec<&Event> = events
        .iter()
        .filter(|event| is_trouble(&rule.text, event) && !is_over(event, &events))
        .collect();
    let Some(last) = troubles.last() else {
        return Ok(None);
    };
    let subject = super::catalogue::subject(last);
    let is_one = troubles
        .iter()
        .all(|event| super::catalogue::subject(event) == subject);
    if is_one {
        return open_alert(tx, rule, &subject, last, &message.title, now).await;
    }
    let several = Event {
        event_id: message.delivery_id,
        severity: Severity::from_name(message.severity),
        data: json!({ "told": { "title": message.title, "message": message.message } }),
        ..(*last).clone()
    };
    open_alert(tx, rule, SEVERAL, &several, &message.title, now).await
}

/// Whether a later event among these ended the trouble.
fn is_over(trouble: &Event, events: &[Event]) -> bool {
    let subject = super::catalogue::subject(trouble);
    events.iter().any(|event| {
        event.occurred_at >= trouble.occurred_at
            && super::catalogue::find(&event.event_type)
                .is_some_and(|known| known.ends.contains(&trouble.event_type.as_str()))
            && super::catalogue::subject(event) == subject
    })
}
