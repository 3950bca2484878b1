//! When nobody acknowledges a trouble, the next is told.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use url::Url;

use super::digest::SERVICE_OFF;
use super::error::NotificationError;
use super::link;
use super::rule::{EscalationStep, RuleText};
use super::service::NotificationService;
use super::store::{alerts, history, rules, services};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::platform::events::{Event, Severity};

/// A page of Flowkeep's, also where that is in a folder of another site.
pub(super) fn page(base: &Url, path: &str) -> Option<Url> {
    Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/'))).ok()
}

fn step(rule: Option<&RuleText>, at: i32) -> Option<&EscalationStep> {
    rule?
        .conditions
        .escalation
        .get(usize::try_from(at).unwrap_or_default())
}

impl NotificationService {
    /// Takes the steps that are due. Returns how many.
    pub(super) async fn escalate(&self) -> Result<usize, NotificationError> {
        let now = self.parts.clock.now();
        let tx = self.parts.db.begin().await?;
        let due = alerts::claim_due(&tx, now).await?;
        if due.is_empty() {
            tx.rollback().await?;
            return Ok(0);
        }
        let rules = rules::list(&tx).await?;
        let services = services::list(&tx).await?;
        let mut rows = Vec::new();
        for alert in &due {
            // A rule that was switched off tells nobody further.
            let rule = rules
                .iter()
                .find(|row| row.id == alert.rule_id && row.is_enabled)
                .map(rules::Row::text);
            let (mut at, mut next_at) = (alert.next_step, None);
            while let Some((rule, step)) = rule.as_ref().zip(step(rule.as_ref(), at)) {
                at += 1;
                let service = services.iter().find(|one| one.id == step.service_id);
                if let Some(service) = service {
                    rows.push(self.step_row(rule, service, alert, at, now));
                }
                if service.is_some_and(|one| one.is_enabled || one.disabled_reason.is_some()) {
                    let next = self::step(Some(rule), at);
                    next_at =
                        next.map(|next| now + TimeDelta::minutes(i64::from(next.after_minutes)));
                    break;
                }
                // Nobody hears that step: the next one has to, now.
            }
            alerts::step(&tx, alert.id, at, next_at).await?;
        }
        history::insert(&tx, &rows).await?;
        tx.commit().await?;
        Ok(due.len())
    }

    fn step_row(
        &self,
        rule: &RuleText,
        service: &services::Service,
        alert: &alerts::Alert,
        step: i32,
        now: DateTime<Utc>,
    ) -> history::New {
        let event = Event {
            event_id: alert.event_id,
            event_type: alert.event_type.clone(),
            severity: Severity::from_name(&alert.severity),
            occurred_at: alert.opened_at,
            data: alert.event_data.clone(),
        };
        let mut row = self.row(rule, service, &event, now);
        // An alert about several things has no event whose words it could have.
        if let Some(told) = alert.event_data.get("told") {
            let text = |part| told.get(part).and_then(Value::as_str).unwrap_or_default();
            text("title").clone_into(&mut row.title);
            text("message").clone_into(&mut row.message);
        }
        let minutes = (now - alert.opened_at).num_minutes();
        let intro = format!("Nobody has acknowledged this for {minutes} minutes.\n\n");
        row.message = format!("{intro}{}", row.message);
        row.alert_id = Some(alert.id);
        row.escalation_step = Some(step);
        row.event_count = alert.event_count;
        if !service.is_enabled && service.disabled_reason.is_none() {
            row.leave(SERVICE_OFF);
        }
        row
    }

    /// Where whoever gets a message of then can acknowledge it; needs Flowkeep's own address. The same in every
    /// attempt, for services that compare.
    pub(super) fn acknowledge_link(&self, alert_id: i32, told_at: DateTime<Utc>) -> Option<Url> {
        let base = self.parts.public_url.as_ref()?;
        let token = link::sign(&self.link_key, alert_id, told_at)?;
        // After the `#` it is in no server's log.
        page(base, &format!("acknowledge#token={token}"))
    }

    /// What a signed link is about.
    pub(super) async fn linked_alert(
        &self,
        token: &str,
    ) -> Result<alerts::Alert, NotificationError> {
        let id = link::verify(&self.link_key, token, self.parts.clock.now());
        let id = id.ok_or(NotificationError::BadLink)?;
        let alert = alerts::get(self.parts.db.orm(), id).await?;
        alert.ok_or(NotificationError::BadLink)
    }

    /// Acknowledges an alert: nobody further is told. Again is fine.
    pub(super) async fn acknowledge(
        &self,
        actor: &Actor,
        id: i32,
    ) -> Result<alerts::Alert, NotificationError> {
        let tx = self.parts.db.begin().await?;
        let by = actor
            .username
            .clone()
            .unwrap_or_else(|| "a signed link".to_owned());
        if alerts::acknowledge(&tx, id, &by, self.parts.clock.now()).await? {
            let entry = Entry::new(Action::AlertAcknowledged).resource("alert", id);
            let entry = entry.details(json!({ "by": by }));
            audit::record(&tx, &self.parts.clock, actor, entry).await?;
            tx.commit().await?;
        }
        let alert = alerts::get(self.parts.db.orm(), id).await?;
        alert.ok_or(NotificationError::NoAlert(id))
    }

    /// The alerts, those that are open first.
    pub(super) async fn alerts(&self) -> Result<Vec<alerts::Alert>, NotificationError> {
        Ok(alerts::list(self.parts.db.orm(), 200).await?)
    }
}
