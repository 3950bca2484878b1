//! Who is told in the place of a service that does not deliver: a trouble must not go unheard because its channel is
//! the trouble.

use chrono::TimeDelta;
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::digest::SERVICE_OFF;
use super::error::NotificationError;
use super::service::NotificationService;
use super::store::{history, services};
use super::worker::skipped;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::platform::events::{self as happened, Event, Severity};

/// When the turn of a message does not come for that long, because its service is left alone or others wait too,
/// another service is told.
const UNHEARD_AFTER: TimeDelta = TimeDelta::minutes(2);

impl NotificationService {
    /// The service was switched off meanwhile. If Flowkeep did that, another one is told.
    pub(super) async fn note_off(
        &self,
        service: &services::Service,
        row: &history::Row,
    ) -> Result<(), NotificationError> {
        let tx = self.parts.db.begin().await?;
        let end = skipped(SERVICE_OFF, row.parts.clone());
        history::end(&tx, row.id, &end, self.parts.clock.now()).await?;
        if let Some(why) = &service.disabled_reason {
            self.fall_back(&tx, service, row, why).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Nobody is there any more: the service is switched off, and that is told.
    pub(super) async fn switch_off(
        &self,
        tx: &impl ConnectionTrait,
        service: &services::Service,
    ) -> Result<Event, NotificationError> {
        let why = "It answered 410: nobody is there any more. Switch it on again when it is back.";
        let (clock, ids) = (&self.parts.clock, &self.parts.ids);
        services::switch_off(tx, service.id, why, clock.now()).await?;
        let entry = Entry::new(Action::NotificationServiceChanged)
            .resource("notification_service", service.id)
            .details(json!({ "name": service.name, "enabled": false, "why": why }));
        audit::record(tx, clock, &Actor::system(), entry).await?;
        let data = json!({ "service": service.name, "service_id": service.id, "message": why });
        let event = Event::now(ids, clock, "management.service_off", Severity::Error, data);
        happened::record(tx, &event).await?;
        Ok(event)
    }

    /// Tells others what waits for a service that does not deliver, when it has waited long enough.
    pub(super) async fn tell_others(&self) -> Result<(), NotificationError> {
        let now = self.parts.clock.now();
        let rows = history::unheard(self.parts.db.orm(), now - UNHEARD_AFTER, now).await?;
        for row in rows {
            let tx = self.parts.db.begin().await?;
            let service = match row.service_id {
                Some(id) => services::get(&tx, id).await?,
                None => None,
            };
            if let Some(service) = service {
                let why = match &service.last_error {
                    Some(error) => error.clone(),
                    None => "it has not taken it for two minutes".to_owned(),
                };
                self.fall_back(&tx, &service, &row, &why).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// Tells the next service in order of preference what this one could not be told: a trouble must not go
    /// unheard because its channel is the trouble.
    pub(super) async fn fall_back(
        &self,
        db: &impl ConnectionTrait,
        failed: &services::Service,
        row: &history::Row,
        why: &str,
    ) -> Result<(), NotificationError> {
        let severity = Severity::from_name(&row.severity);
        if severity < Severity::Warning || history::has_fallback(db, row.id).await? {
            return Ok(());
        }
        let mut tried = history::tried(db, row.id).await?;
        tried.push(failed.id);
        let all = services::list(db).await?;
        let next = all
            .into_iter()
            .find(|one| one.is_enabled && !tried.contains(&one.id));
        let Some(next) = next else {
            return Ok(());
        };
        let now = self.parts.clock.now();
        let intro = format!("{} could not be reached: {why}\n\n", failed.name);
        let new = history::New {
            delivery_id: self.parts.ids.uuid(),
            event_id: row.event_id,
            event_type: row.event_type.clone(),
            event_data: row.event_data.clone().unwrap_or_default(),
            severity: severity.as_str(),
            occurred_at: row.occurred_at.unwrap_or(now),
            service_id: next.id,
            service_name: next.name.clone(),
            rule_id: row.rule_id,
            rule_name: row.rule_name.clone(),
            status: "pending",
            skip_code: None,
            error_message: None,
            event_count: row.event_count,
            next_retry: Some(now),
            created_at: now,
            title: row.title.clone(),
            message: format!("{intro}{}", row.message),
            priority: row.priority.clone(),
            subject: row.subject.clone(),
            has_details: row.has_details,
            batch_id: None,
            alert_id: row.alert_id,
            escalation_step: row.escalation_step,
            fallback_of: Some(row.id),
        };
        history::insert(db, &[new]).await?;
        self.changed.notify_one();
        Ok(())
    }
}
