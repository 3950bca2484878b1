//! Listens to the engine: keeps the table of containers, and tells what happened to them and why.
//!
//! One stream of events is open, and nothing is asked while nothing happens but a list every few minutes. What is
//! remembered stands in the table, so that a restart or another leader goes on where this one ended.

mod ends;
mod gone;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::error::ContainerError;
use super::judge::{Culprit, Ending, Fact, Memory, Told};
use super::model::{Health, Seen};
use super::news::{Clues, data, is_same, is_up, news, words};
use super::pace::Pace;
use super::service::ContainerService;
use super::store::{self, Cached};
use crate::platform::docker::models::{ContainerInspectResponse, EventMessage};
use crate::platform::docker::{DockerError, is_aside};
use crate::platform::events::{self, Event};

/// Everything is listed again this often, whatever the events said.
const RESYNC: Duration = Duration::from_mins(5);
/// While something is about to be told the clock is looked at this often.
const TICK: Duration = Duration::from_secs(1);
/// A stream that lasted this long is followed by another at once.
const LASTED: Duration = Duration::from_secs(10);
const SETTINGS_CHANGED: &str = "management.settings_changed";

/// What is known of a container by its name.
struct Known {
    id: String,
    memory: Memory,
    /// Whether it runs, by what was taken in. Right after a connect the engine tells again what the list showed
    /// already.
    is_up: bool,
    /// The start that was taken in last.
    started_at: Option<DateTime<Utc>>,
}

struct Watcher<'a> {
    service: &'a ContainerService,
    known: BTreeMap<String, Known>,
    clues: Clues,
}

impl ContainerService {
    /// Listens until `stop`.
    pub async fn work(&self, stop: CancellationToken) {
        let mut pace = Pace::default();
        let mut was_told = false;
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let mut watcher = Watcher {
                service: self,
                known: BTreeMap::new(),
                clues: Clues::default(),
            };
            let ended = tokio::select! {
                ended = watcher.listen(&mut was_told) => ended,
                () = stop.cancelled() => return,
            };
            if let Err(error) = ended
                && !std::mem::replace(&mut was_told, true)
            {
                tracing::warn!(%error, "cannot listen to the Docker engine; trying again");
            }
            if begun.elapsed() > LASTED {
                pace.reset();
            }
            let wait = pace.wait(self.parts.ids.bytes::<1>()[0]);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

fn is_put_aside(found: &ContainerInspectResponse) -> bool {
    let name = found.name.as_deref().unwrap_or_default();
    is_aside(name.trim_start_matches('/'))
}

impl Watcher<'_> {
    /// Listens to one stream of events until it breaks.
    async fn listen(&mut self, was_told: &mut bool) -> Result<(), ContainerError> {
        let parts = &self.service.parts;
        let mut settings = parts.events.subscribe();
        let mut told = parts.docker.events().await?;
        parts.docker.learn_own().await?;
        // Only now: what happens from here on is in the stream.
        self.resync().await?;
        if std::mem::take(was_told) {
            tracing::info!("listening to the Docker engine again");
        }
        let mut resync = tokio::time::interval(RESYNC);
        resync.reset();
        // Not a sleep of each round: what the engine tells meanwhile would begin it anew.
        let mut tick = tokio::time::interval(TICK);
        // It is asked only while something is due: what passed before is not made up for.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut has_changed = false;
        loop {
            let is_due = self.known.values().any(|one| one.memory.due().is_some());
            tokio::select! {
                event = told.next() => {
                    let gone = || DockerError::Unreachable("it ended its stream of events".to_owned());
                    self.take(&event.ok_or_else(gone)??).await?;
                }
                _ = tick.tick(), if is_due || has_changed => {
                    if std::mem::take(&mut has_changed) {
                        self.resync().await?;
                    }
                    self.look().await?;
                }
                _ = resync.tick() => self.resync().await?,
                happened = settings.recv() => {
                    if happened.is_ok_and(|event| event.event_type == SETTINGS_CHANGED) {
                        // Told before it is read back: a moment later it is.
                        has_changed = true;
                        tick.reset();
                    }
                }
            }
        }
    }

    /// Compares what is there with what is remembered.
    async fn resync(&mut self) -> Result<(), ContainerError> {
        self.clues.forget_old();
        let service = self.service;
        let rows = store::all(service.parts.db.orm()).await?;
        let all = service.all().await?;
        self.known.clear();
        for row in &rows {
            let memory = row.memory();
            let known = Known {
                id: row.container_id.clone().unwrap_or_default(),
                is_up: is_up(row) && !memory.is_ending(),
                started_at: row.started_at,
                memory,
            };
            self.known.insert(row.container_name.clone(), known);
        }
        for seen in &all {
            let row = rows.iter().find(|row| row.container_name == seen.name);
            for fact in news(row, seen, self.is_ending(&seen.name)) {
                self.apply(seen, Some(fact)).await?;
            }
            self.apply(seen, None).await?;
        }
        for row in rows {
            if all.iter().all(|seen| seen.name != row.container_name) {
                self.missing(&row).await?;
            }
        }
        self.forget_gone().await
    }

    fn is_ending(&self, name: &str) -> bool {
        self.known
            .get(name)
            .is_some_and(|known| known.memory.is_ending())
    }

    /// A container that was there and is not among the project's any more.
    async fn missing(&mut self, row: &Cached) -> Result<(), ContainerError> {
        let name = &row.container_name;
        if self.memory(name).gone_since().is_some() {
            return Ok(());
        }
        let id = row.container_id.clone().unwrap_or_default();
        match self.service.parts.docker.inspect(&id).await {
            // Put aside for one that takes its place.
            Ok(Some(found)) if is_put_aside(&found) && !self.is_ending(name) => {
                return self.part(name).await;
            }
            // Renamed, or the policy changed: nothing happened to it.
            Ok(Some(_)) => return self.forget(name).await,
            Ok(None) => {}
            // It is there, and the engine does not say how it is.
            Err(DockerError::Refused { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let was_up = is_up(row);
        if self.is_ending(name) {
            return Ok(());
        }
        if !was_up {
            return self.part(name).await;
        }
        let ending = Ending {
            culprit: Culprit::Unseen,
            exit_code: None,
            is_removed: true,
        };
        self.apply_gone(name, Fact::Ended(ending)).await
    }

    /// Takes an event of the engine.
    async fn take(&mut self, event: &EventMessage) -> Result<(), ContainerError> {
        let Some((id, facts)) = event.actor.as_ref().and_then(|actor| {
            Some((
                actor.id.clone()?,
                actor.attributes.clone().unwrap_or_default(),
            ))
        }) else {
            return Ok(());
        };
        let name = facts.get("name").cloned().unwrap_or_default();
        let action = event.action.as_deref().unwrap_or_default();
        if action == "rename" {
            let old = facts
                .get("oldName")
                .map(|old| old.trim_start_matches('/').to_owned());
            for changed in [Some(name), old].into_iter().flatten() {
                let _ = self.service.shared.changes.send(changed);
            }
            return self.resync().await;
        }
        if !self.service.policy().allows(&name, &facts) {
            return Ok(());
        }
        match action {
            "kill" => {
                let signal = facts.get("signal").cloned().unwrap_or_default();
                self.clues.signals.insert(id, (signal, Instant::now()));
            }
            "oom" => {
                self.clues.out_of_memory.insert(id, Instant::now());
            }
            "die" => {
                let at = event.time_nano.map(DateTime::from_timestamp_nanos);
                if !self.is_old_end(&name, at) {
                    self.ended(&id, &name, facts.get("exitCode")).await?;
                }
            }
            "stop" => {
                self.correct(&name, |ending| {
                    let is_guess =
                        matches!(ending.culprit, Culprit::DockerKill { .. } | Culprit::Itself);
                    if is_guess {
                        ending.culprit = Culprit::DockerStop;
                    }
                });
                // Its end was taken in before, or there was none: the engine only gave up starting it.
                if self.known.get(&name).is_none_or(|known| !known.is_up) {
                    self.service.forget_asked(&id, &name);
                }
                self.seen_by_id(&id, &name, None).await?;
            }
            "start" => self.started(&id, &name).await?,
            "destroy" => self.destroyed(&id, &name).await?,
            "create" | "pause" | "unpause" | "update" => self.seen_by_id(&id, &name, None).await?,
            _ if action.starts_with("health_status") => self.checked(&id, &name).await?,
            _ => return Ok(()),
        }
        let _ = self.service.shared.changes.send(name);
        Ok(())
    }

    fn correct(&mut self, name: &str, change: impl FnOnce(&mut Ending)) {
        if let Some(known) = self.known.get_mut(name) {
            known.memory.correct(change);
        }
    }

    async fn inspect(&self, id: &str, name: &str) -> Result<Option<Seen>, ContainerError> {
        let found = self.service.parts.docker.inspect(id).await?;
        Ok(found.map(Seen::read).filter(|seen| seen.name == name))
    }

    async fn seen_by_id(
        &mut self,
        id: &str,
        name: &str,
        fact: Option<Fact>,
    ) -> Result<(), ContainerError> {
        match self.inspect(id, name).await? {
            Some(seen) => self.apply(&seen, fact).await,
            None => Ok(()),
        }
    }

    /// Whether an end was taken in already, by the list or together with a later start.
    fn is_old_end(&self, name: &str, at: Option<DateTime<Utc>>) -> bool {
        self.known.get(name).is_some_and(|known| {
            let is_before = known
                .started_at
                .zip(at)
                .is_some_and(|(started, at)| at < started);
            !known.is_up || is_before
        })
    }

    /// It runs.
    async fn started(&mut self, id: &str, name: &str) -> Result<(), ContainerError> {
        let Some(seen) = self.inspect(id, name).await? else {
            return Ok(());
        };
        let is_known = self.known.get(name).is_some_and(|known| {
            known.is_up && known.id == seen.id && is_same(known.started_at, seen.started_at)
        });
        self.apply(&seen, (!is_known).then_some(Fact::Started))
            .await
    }

    /// It was removed. If it runs again under another id, that is a restart.
    async fn destroyed(&mut self, id: &str, name: &str) -> Result<(), ContainerError> {
        let is_this = self.known.get(name).is_some_and(|known| known.id == id);
        if !is_this {
            return Ok(());
        }
        if self.is_ending(name) {
            self.correct(name, |ending| ending.is_removed = true);
            return self.keep_gone(name).await;
        }
        self.part(name).await
    }

    async fn checked(&mut self, id: &str, name: &str) -> Result<(), ContainerError> {
        let Some(seen) = self.inspect(id, name).await? else {
            return Ok(());
        };
        let fact = match seen.health {
            Health::Unhealthy => Some(Fact::Unhealthy(seen.check_output().unwrap_or_default())),
            Health::Healthy => Some(Fact::Healthy),
            Health::Starting | Health::None => None,
        };
        self.apply(&seen, fact).await
    }

    /// Looks at those for which something is due.
    async fn look(&mut self) -> Result<(), ContainerError> {
        let now = self.service.parts.clock.now();
        let is_due = |known: &Known| known.memory.due().is_some_and(|due| due <= now);
        let due = self.known.iter().filter(|(_, known)| is_due(known));
        let names: Vec<_> = due.map(|(name, _)| name.clone()).collect();
        for name in names {
            match self.service.resolve(&name).await {
                Ok(seen) => {
                    let mut memory = self.memory(&name);
                    let told = memory.look(seen.now(), now);
                    self.keep(&seen, memory, told, now).await?;
                }
                Err(ContainerError::NotFound) => {
                    let mut memory = self.memory(&name);
                    let told = memory.look(super::judge::Now::default(), now);
                    self.keep_missing(&name, memory, told).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn memory(&self, name: &str) -> Memory {
        self.known
            .get(name)
            .map(|known| known.memory.clone())
            .unwrap_or_default()
    }

    /// Keeps how a container is, and tells what follows from a fact.
    async fn apply(&mut self, seen: &Seen, fact: Option<Fact>) -> Result<(), ContainerError> {
        let now = self.service.parts.clock.now();
        let mut memory = self.memory(&seen.name);
        memory.come();
        let known = self.known.get(&seen.name);
        let is_up = match &fact {
            Some(Fact::Started) => true,
            Some(Fact::Ended(_)) => false,
            _ => known.map_or(seen.status.is_up(), |known| known.is_up),
        };
        let started_at = match (&fact, known) {
            (Some(Fact::Started), _) | (_, None) => seen.started_at,
            (_, Some(known)) => known.started_at,
        };
        let is_start = matches!(fact, Some(Fact::Started));
        let told = fact.and_then(|fact| memory.take(fact, now));
        self.keep(seen, memory, told, now).await?;
        if is_start {
            // Told or not: what was asked for before does not explain how this run ends.
            self.service.forget_asked(&seen.id, &seen.name);
            self.clues.forget(&seen.id);
        }
        if let Some(known) = self.known.get_mut(&seen.name) {
            (known.is_up, known.started_at) = (is_up, started_at);
        }
        Ok(())
    }

    async fn keep(
        &mut self,
        seen: &Seen,
        memory: Memory,
        told: Option<Told>,
        now: DateTime<Utc>,
    ) -> Result<(), ContainerError> {
        let parts = &self.service.parts;
        let event = told.map(|told| self.event(&seen.name, Some(seen), &told));
        let tx = parts.db.begin().await?;
        store::put(&tx, seen, &memory, now).await?;
        if let Some(event) = &event {
            events::record(&tx, event).await?;
        }
        tx.commit().await?;
        let before = self.known.get(&seen.name);
        let known = Known {
            id: seen.id.clone(),
            memory,
            is_up: before.map_or(seen.status.is_up(), |before| before.is_up),
            started_at: before.map_or(seen.started_at, |before| before.started_at),
        };
        self.known.insert(seen.name.clone(), known);
        if let Some(event) = event {
            parts.events.publish(event);
        }
        Ok(())
    }

    fn event(&self, name: &str, seen: Option<&Seen>, told: &Told) -> Event {
        let parts = &self.service.parts;
        let asked = seen.filter(|_| *told == Told::Started);
        let asked = asked.and_then(|seen| self.service.take_start(&seen.id));
        let (event_type, severity, message) = words(told, asked.as_deref());
        let data = data(name, seen, told, &message);
        tracing::info!(
            container = name,
            event = event_type,
            message,
            "a container changed"
        );
        Event::now(&parts.ids, &parts.clock, event_type, severity, data)
    }
}
