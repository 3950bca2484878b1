//! When nobody acknowledges a trouble, the next is told.

use chrono::TimeDelta;
use serde_json::json;
use url::Url;

use super::error::NotificationError;
use super::link;
use super::rule::Rule;
use super::service::NotificationService;
use super::store::{alerts, rules, services};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::platform::events::{Event, Severity};

/// A page of Flowkeep's, also where that is in a folder of another site.
pub(super) fn page(base: &Url, path: &str) -> Option<Url> {
    Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/'))).ok()
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
        let mut rows = Vec::new();
        for alert in &due {
            let rule = rules::get(&tx, alert.rule_id).await?;
            let Some(rule) = rule.and_then(|row| Rule::new(row.text()).ok()) else {
                alerts::step(&tx, alert.id, alert.next_step, None).await?;
                continue;
            };
            let steps = &rule.text.conditions.escalation;
            let at = usize::try_from(alert.next_step).unwrap_or_default();
            let Some(step) = steps.get(at) else {
                alerts::step(&tx, alert.id, alert.next_step, None).await?;
                continue;
            };
            if let Some(service) = services::get(&tx, step.service_id)
                .await?
                .filter(|one| one.is_enabled)
            {
                let event = Event {
                    event_id: alert.event_id,
                    event_type: alert.event_type.clone(),
                    severity: Severity::from_name(&alert.severity),
                    occurred_at: alert.opened_at,
                    data: alert.event_data.clone(),
                };
                let mut row = self.row(&rule, &service, &event, now);
                let minutes = (now - alert.opened_at).num_minutes();
                let intro = format!("Nobody has acknowledged this for {minutes} minutes.\n\n");
                row.message = format!("{intro}{}", row.message);
                row.alert_id = Some(alert.id);
                row.event_count = alert.event_count;
                rows.push(row);
            }
            let next = steps.get(at + 1);
            let next_at = next.map(|step| now + TimeDelta::minutes(i64::from(step.after_minutes)));
            alerts::step(&tx, alert.id, alert.next_step + 1, next_at).await?;
        }
        super::store::history::insert(&tx, &rows).await?;
        tx.commit().await?;
        Ok(due.len())
    }

    /// Where whoever gets a message can acknowledge it; needs Flowkeep's own address.
    pub(super) fn acknowledge_link(&self, alert_id: i32) -> Option<Url> {
        let base = self.parts.public_url.as_ref()?;
        let token = link::sign(&self.link_key, alert_id, self.parts.clock.now())?;
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
