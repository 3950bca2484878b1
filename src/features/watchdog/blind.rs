//! What is kept and told while n8n's executions cannot be read, and when there is none to read any more.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::json;

use super::WatchdogError;
use super::incident::{Board, Resolution};
use super::schedules::Memory;
use super::service::WatchdogService;
use super::store;
use crate::platform::events::{self, Event, Severity};

/// A watch that has read nothing for as long says nothing about now.
pub(super) const STALE_AFTER: TimeDelta = TimeDelta::minutes(5);

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

impl WatchdogService {
    /// Keeps why a look failed; tells it once when looks have failed for some minutes.
    pub(super) async fn note_trouble(&self, problem: &str) -> Result<(), WatchdogError> {
        let now = self.parts.clock.now();
        let place = self.source_name().ok().flatten().unwrap_or_default();
        let tx = self.parts.db.begin().await?;
        // While Flowkeep itself did not run, nothing is known to have failed.
        let trouble = store::save_trouble(&tx, &place, problem, now, now - STALE_AFTER).await?;
        let mut told = None;
        if !trouble.is_told && now - trouble.since >= STALE_AFTER {
            store::note_trouble_told(&tx).await?;
            let message = format!(
                "Nothing could be read since {}, so what happens to workflows is not known: {}.",
                moment(trouble.since),
                trouble.problem.trim_end_matches('.'),
            );
            let data = json!({
                "database": place, "message": message,
                "remedy": "Test n8n's connection on the n8n page, and correct it.",
            });
            let event = self.event("n8n.unwatched", Severity::Error, data);
            events::record(&tx, &event).await?;
            told = Some(event);
        }
        tx.commit().await?;
        if let Some(event) = told {
            self.publish(event);
        }
        Ok(())
    }

    /// What is told when executions can be read again, if it was told that they could not.
    pub(super) async fn end_trouble(
        &self,
        tx: &impl ConnectionTrait,
        is_disconnected: bool,
    ) -> Result<Option<Event>, WatchdogError> {
        let ended = store::end_trouble(tx).await?;
        let event = ended.filter(|ended| ended.is_told).map(|ended| {
            let message = if is_disconnected {
                "n8n's database is no longer connected, so its workflows are not watched any more."
                    .to_owned()
            } else {
                format!("They could not be since {}.", moment(ended.since))
            };
            let data = json!({ "is_disconnected": is_disconnected, "message": message });
            self.event("n8n.watched", Severity::Info, data)
        });
        Ok(event)
    }

    /// Ends everything that is open: no n8n is connected any more. How far it was read stays, for the same n8n may
    /// come back.
    pub(super) async fn let_go(&self) -> Result<(), WatchdogError> {
        let db = self.parts.db.orm();
        let rows = store::open(db).await?;
        if rows.is_empty() && store::trouble(db).await?.is_none() {
            return Ok(());
        }
        *self.memory.lock().await = Memory::default();
        self.show(&Memory::default());
        let names: BTreeMap<&str, &str> = rows
            .iter()
            .map(|row| (row.workflow_id.as_str(), row.workflow_name.as_str()))
            .collect();
        let mut board = Board::new(rows.iter().filter_map(store::Row::incident));
        board.close_all(Resolution::Unwatched, self.parts.clock.now());
        let tx = self.parts.db.begin().await?;
        let mut told: Vec<Event> = Vec::new();
        for closed in board.recovered() {
            let id = closed.incident.workflow_id.as_str();
            told.push(self.recovery_of(closed, names.get(id).copied().unwrap_or(id)));
        }
        for closed in &board.closed {
            if let Some(id) = closed.incident.id {
                store::resolve(&tx, id, closed).await?;
            }
        }
        told.extend(self.end_trouble(&tx, true).await?);
        self.conclude(tx, told).await
    }

    /// Ends a transaction with what is told of it.
    pub(super) async fn conclude(
        &self,
        tx: DatabaseTransaction,
        told: Vec<Event>,
    ) -> Result<(), WatchdogError> {
        for event in &told {
            events::record(&tx, event).await?;
        }
        tx.commit().await?;
        for event in told {
            self.publish(event);
        }
        Ok(())
    }

    pub(super) fn publish(&self, event: Event) {
        tracing::info!(event = event.event_type, workflow = %event.data["workflow"], "n8n's executions");
        self.parts.events.publish(event);
    }
}
