//! Measures what containers use while somebody looks, once for all who do.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit, broadcast};

use super::error::ContainerError;
use super::model::Seen;
use super::pace::Pace;
use super::pressure::Measured;
use super::service::{AT_ONCE, ContainerService, unless_all_refused};
use super::stats::{CpuTime, Usage, usage};
use super::store;
use crate::platform::docker::DockerError;
use crate::platform::docker::models::ContainerStatsResponse;
use crate::platform::http::sentence;

const PERIOD: Duration = Duration::from_secs(2);
/// How long is waited for one container; a whole measurement takes the engine two seconds.
const SLOWEST: Duration = Duration::from_secs(5);
/// What is still fresh enough to answer with.
const FRESH: Duration = Duration::from_secs(5);
/// Every so many measurements the last ones are kept in the database.
const KEEP_EVERY: u64 = 5;
/// Five minutes, for whoever begins to look while others do.
const MOST_REMEMBERED: usize = 150;
const MOST_WAITING: usize = 8;

/// A measurement of every container, or why there is none. JSON, made once.
#[derive(Clone, Debug)]
pub enum Sampled {
    /// What was measured.
    Stats(Arc<str>),
    /// The engine does not answer.
    Down(Arc<str>),
}

/// What is shared by all who look.
#[derive(Default)]
pub struct Sampler {
    state: Mutex<State>,
    left: Arc<Notify>,
}

#[derive(Default)]
struct State {
    sender: Option<broadcast::Sender<Sampled>>,
    remembered: VecDeque<Arc<str>>,
    latest: Option<(Instant, Vec<Usage>)>,
}

/// Somebody who looks.
struct Viewer {
    receiver: Option<broadcast::Receiver<Sampled>>,
    left: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.receiver.take();
        self.left.notify_one();
    }
}

impl ContainerService {
    /// What every container of the project uses now.
    pub(super) async fn usages(&self) -> Result<Vec<Usage>, ContainerError> {
        if let Some(fresh) = self.latest_usages() {
            return Ok(fresh);
        }
        let running = self.running().await?;
        let measured = futures_util::stream::iter(running)
            .map(|one| async move {
                let stats = self.usage_of(&one.id, true).await?;
                Ok::<_, DockerError>(stats.map(|stats| usage(&one.name, &stats, None).0))
            })
            .buffered(AT_ONCE);
        let measured = unless_all_refused(measured.collect().await)?;
        let usages: Vec<_> = measured.into_iter().flatten().collect();
        store::put_usage(self.parts.db.orm(), &usages).await?;
        Ok(usages)
    }

    /// What was measured in the last moments, if somebody looks.
    pub(super) fn latest_usages(&self) -> Option<Vec<Usage>> {
        let state = self.shared.sampler.state.lock();
        let latest = state.latest.as_ref().filter(|(at, _)| at.elapsed() < FRESH);
        latest.map(|(_, usages)| usages.clone())
    }

    /// What the engine says of one; that it does not say so in time is no fault of the others.
    async fn usage_of(
        &self,
        id: &str,
        is_whole: bool,
    ) -> Result<Option<ContainerStatsResponse>, DockerError> {
        let asked = tokio::time::timeout(SLOWEST, self.parts.docker.usage(id, is_whole)).await;
        asked.unwrap_or_else(|_| {
            Err(DockerError::Refused {
                status: 504,
                message: format!("no measurement within {} s", SLOWEST.as_secs()),
            })
        })
    }

    async fn running(&self) -> Result<Vec<Seen>, DockerError> {
        let mut all = self.all().await?;
        all.retain(|one| one.status.is_up());
        Ok(all)
    }

    /// Whether containers are being measured.
    pub fn is_sampling(&self) -> bool {
        self.shared.sampler.state.lock().sender.is_some()
    }

    /// Follows what containers use.
    pub fn watch_usages(
        &self,
    ) -> Result<impl Stream<Item = Sampled> + Send + use<>, ContainerError> {
        let permit = Arc::clone(&self.shared.streams).try_acquire_owned();
        let permit = permit.map_err(|_| ContainerError::TooMany)?;
        let mut state = self.shared.sampler.state.lock();
        let remembered = state.remembered.clone();
        let sender = state.sender.get_or_insert_with(|| {
            let sender = broadcast::channel(MOST_WAITING).0;
            let (service, own) = (self.clone(), sender.clone());
            self.parts.lifecycle.spawn("container stats", async move {
                service.sample(&own).await;
            });
            sender
        });
        let viewer = Viewer {
            receiver: Some(sender.subscribe()),
            left: Arc::clone(&self.shared.sampler.left),
            _permit: permit,
        };
        drop(state);
        let told = futures_util::stream::unfold(viewer, |mut viewer| async move {
            loop {
                match viewer.receiver.as_mut()?.recv().await {
                    Ok(sampled) => return Some((sampled, viewer)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        Ok(futures_util::stream::iter(remembered.into_iter().map(Sampled::Stats)).chain(told))
    }

    fn is_unwatched(&self, sender: &broadcast::Sender<Sampled>) -> bool {
        let mut state = self.shared.sampler.state.lock();
        let is_unwatched = sender.receiver_count() == 0;
        if is_unwatched {
            *state = State::default();
        }
        is_unwatched
    }

    async fn sample(&self, sender: &broadcast::Sender<Sampled>) {
        let stop = self.parts.lifecycle.soft().clone();
        let (mut pace, mut before, mut round) = (Pace::default(), HashMap::new(), 0_u64);
        while !self.is_unwatched(sender) {
            let begun = Instant::now();
            let measured = tokio::select! {
                measured = self.measure(&mut before) => measured,
                () = stop.cancelled() => break,
            };
            let wait = match measured {
                Ok(usages) => {
                    pace.reset();
                    self.tell(sender, &usages);
                    if round.is_multiple_of(KEEP_EVERY)
                        && let Err(error) = store::put_usage(self.parts.db.orm(), &usages).await
                    {
                        tracing::debug!(%error, "what containers use is not kept");
                    }
                    round += 1;
                    PERIOD.saturating_sub(begun.elapsed())
                }
                Err(error) => {
                    let down = json!({
                        "code": error.code(), "message": sentence(&error), "remedy": error.remedy(),
                    });
                    let _ = sender.send(Sampled::Down(down.to_string().into()));
                    pace.wait(self.parts.ids.bytes::<1>()[0])
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.nobody_left(sender) => {}
                () = stop.cancelled() => break,
            }
        }
        *self.shared.sampler.state.lock() = State::default();
    }

    async fn nobody_left(&self, sender: &broadcast::Sender<Sampled>) {
        while sender.receiver_count() > 0 {
            self.shared.sampler.left.notified().await;
        }
    }

    async fn measure(
        &self,
        before: &mut HashMap<String, CpuTime>,
    ) -> Result<Vec<Usage>, DockerError> {
        let measured = self.measured(before).await?;
        Ok(measured.into_iter().map(|one| one.usage).collect())
    }

    /// What every container that runs uses; what it used of the processor is since `before`.
    pub(super) async fn measured(
        &self,
        before: &mut HashMap<String, CpuTime>,
    ) -> Result<Vec<Measured>, DockerError> {
        let running = self.running().await?;
        let asked = futures_util::stream::iter(running)
            .map(|one| async move {
                let stats = self.usage_of(&one.id, false).await?;
                Ok::<_, DockerError>((one, stats))
            })
            .buffered(AT_ONCE);
        let asked = unless_all_refused(asked.collect().await)?;
        let mut now = HashMap::new();
        let mut measured = Vec::new();
        for (seen, stats) in asked {
            // One that ended in between is not measured.
            let Some(stats) = stats else { continue };
            let id = stats.id.clone().unwrap_or_default();
            let (usage, cpu) = usage(&seen.name, &stats, before.get(&id).copied());
            now.extend(cpu.map(|cpu| (id, cpu)));
            measured.push(Measured { seen, usage });
        }
        *before = now;
        Ok(measured)
    }

    fn tell(&self, sender: &broadcast::Sender<Sampled>, usages: &[Usage]) {
        let json: Arc<str> = json!({ "at": self.parts.clock.now(), "items": usages })
            .to_string()
            .into();
        let mut state = self.shared.sampler.state.lock();
        state.latest = Some((Instant::now(), usages.to_vec()));
        state.remembered.push_back(Arc::clone(&json));
        if state.remembered.len() > MOST_REMEMBERED {
            state.remembered.pop_front();
        }
        drop(state);
        let _ = sender.send(Sampled::Stats(json));
    }
}
