//! One change: its rows, its audit row and its events in one transaction; whoever listens is told
//! when it is committed, never before.

use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AuthService, Inner};
use crate::features::audit::{self, Actor, Entry};
use crate::features::auth::error::AuthError;
use crate::platform::events::{self, Event, Severity};

/// A transaction with what it will tell.
pub struct Work<'a> {
    service: &'a Inner,
    /// Where the rows go.
    pub tx: DatabaseTransaction,
    events: Vec<Event>,
}

impl AuthService {
    pub(super) async fn begin(&self) -> Result<Work<'_>, AuthError> {
        Ok(Work {
            tx: self.0.db.begin().await?,
            service: &self.0,
            events: Vec::new(),
        })
    }

    /// What a session opened elsewhere has ended in the database. Holds no turn and no transaction meanwhile.
    pub(super) async fn openings_ended(&self, session: Uuid) {
        if let Some(openings) = self.0.openings.get() {
            openings.ended(session).await;
        }
    }
}

impl Work<'_> {
    /// Adds an audit row.
    pub async fn audit(&self, actor: &Actor, entry: Entry) -> Result<(), AuthError> {
        audit::record(&self.tx, &self.service.clock, actor, entry).await?;
        Ok(())
    }

    /// Adds an event.
    pub async fn event(
        &mut self,
        event_type: &str,
        severity: Severity,
        data: Value,
    ) -> Result<(), AuthError> {
        let event = Event {
            event_id: self.service.ids.uuid(),
            event_type: event_type.to_owned(),
            severity,
            occurred_at: self.service.clock.now(),
            data,
        };
        events::record(&self.tx, &event).await?;
        self.events.push(event);
        Ok(())
    }

    /// Adds the event that other addresses may come in than before.
    pub async fn subnets_changed(&mut self, actor: &Actor) -> Result<(), AuthError> {
        let data = json!({ "settings": ["allowed_subnets"], "by": actor.username });
        self.event("management.settings_changed", Severity::Info, data)
            .await
    }

    /// Ends what a session that goes on has opened elsewhere. [`AuthService::openings_ended`] belongs after the commit.
    pub async fn end_openings(&self, session: Uuid) -> Result<(), AuthError> {
        if let Some(openings) = self.service.openings.get() {
            openings.end(&self.tx, session).await?;
        }
        Ok(())
    }

    /// Makes it so, and tells.
    pub async fn commit(self) -> Result<(), AuthError> {
        self.tx.commit().await?;
        for event in self.events {
            self.service.events.publish(event);
        }
        Ok(())
    }
}
