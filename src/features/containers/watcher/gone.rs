//! Containers that are not there any more, and what was told of them that has not ended.

use chrono::TimeDelta;

use super::{ContainerError, Fact, Memory, Told, Watcher};
use crate::features::containers::store;
use crate::platform::events::{self, Event};

/// The trouble of so many containers that are gone is remembered, and for how long: one that comes back under its name
/// ends it. Those that run once and go are many.
const MOST_GONE: usize = 30;
const GONE_KEPT: TimeDelta = TimeDelta::days(7);

impl Watcher<'_> {
    pub(super) async fn apply_gone(
        &mut self,
        name: &str,
        fact: Fact,
    ) -> Result<(), ContainerError> {
        let now = self.service.parts.clock.now();
        if let Some(known) = self.known.get_mut(name) {
            known.memory.take(fact, now);
            return self.keep_gone(name).await;
        }
        Ok(())
    }

    pub(super) async fn keep_gone(&self, name: &str) -> Result<(), ContainerError> {
        let parts = &self.service.parts;
        let memory = self.memory(name);
        store::put_gone(parts.db.orm(), name, &memory, parts.clock.now()).await?;
        Ok(())
    }

    /// There was one when something became due, and there is none now.
    pub(super) async fn keep_missing(
        &mut self,
        name: &str,
        memory: Memory,
        told: Option<Told>,
    ) -> Result<(), ContainerError> {
        if let Some(known) = self.known.get_mut(name) {
            known.memory = memory;
        }
        self.leave(name, told, true).await
    }

    /// It is gone. Its trouble is remembered.
    pub(super) async fn part(&mut self, name: &str) -> Result<(), ContainerError> {
        self.leave(name, None, true).await
    }

    /// It is there and no business of this any more: what was told of it ends.
    pub(super) async fn forget(&mut self, name: &str) -> Result<(), ContainerError> {
        let told = self.memory(name).is_in_trouble().then_some(Told::Forgotten);
        self.leave(name, told, false).await
    }

    /// Forgets those that are gone for long, or that are too many. That they stopped was told, and they did not come
    /// back.
    pub(super) async fn forget_gone(&mut self) -> Result<(), ContainerError> {
        let now = self.service.parts.clock.now();
        let mut gone: Vec<_> = self
            .known
            .iter()
            .filter_map(|(name, known)| Some((known.memory.gone_since()?, name.clone())))
            .collect();
        gone.sort();
        gone.reverse();
        for (at, (since, name)) in gone.into_iter().enumerate() {
            if at >= MOST_GONE || now - since > GONE_KEPT {
                self.leave(&name, None, false).await?;
            }
        }
        Ok(())
    }

    async fn leave(
        &mut self,
        name: &str,
        told: Option<Told>,
        is_remembered: bool,
    ) -> Result<(), ContainerError> {
        let parts = &self.service.parts;
        let now = parts.clock.now();
        let mut memory = self.memory(name);
        let stays = is_remembered && memory.is_in_trouble();
        let mut events: Vec<Event> = told
            .map(|told| self.event(name, None, &told))
            .into_iter()
            .collect();
        let tx = parts.db.begin().await?;
        // Nothing measures it any more, so nothing would say that it is well.
        let pressure = store::pressure(&tx, name).await?;
        events.extend(pressure.unwrap_or_default().forgotten(name).map(|told| {
            let (ids, clock) = (&parts.ids, &parts.clock);
            Event::now(ids, clock, told.event_type, told.severity, told.data)
        }));
        if stays {
            memory.go(now);
            store::put_gone(&tx, name, &memory, now).await?;
            store::forget_pressure(&tx, name).await?;
        } else {
            store::remove(&tx, name).await?;
        }
        for event in &events {
            events::record(&tx, event).await?;
        }
        tx.commit().await?;
        match self.known.get_mut(name) {
            Some(known) if stays => known.memory = memory,
            _ => drop(self.known.remove(name)),
        }
        for event in events {
            parts.events.publish(event);
        }
        Ok(())
    }
}
