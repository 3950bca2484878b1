//! The use cases; what happens by itself is in `watcher`, what is followed in `logs` and `sampler`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Semaphore, broadcast};

use super::error::ContainerError;
use super::logs::Feed;
use super::model::Seen;
use super::policy::{Policy, is_name};
use super::sampler::Sampler;
use super::store::{self, Cached};
use super::updates::Checked;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::n8n::N8nService;
use crate::features::settings::SettingsService;
use crate::features::upgrades::UpgradeService;
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::docker::{Docker, DockerError};
use crate::platform::events::EventBus;
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;

/// How long a container that does not say otherwise may take to end.
const GRACE: Duration = Duration::from_secs(30);
/// What a container may take at most, whatever it says.
const LONGEST_GRACE: Duration = Duration::from_mins(10);
/// Questions to the engine at the same time.
pub const AT_ONCE: usize = 8;
/// Streams that may be open at the same time, whoever opened them.
const MOST_STREAMS: usize = 100;
const ACTS_KEPT: usize = 100;
/// What somebody asked for explains what happens within this, and the container's own time to end.
const ACT_LASTS: Duration = Duration::from_mins(2);

/// What the service is made of.
#[derive(Clone)]
pub struct ContainerParts {
    /// The engine.
    pub docker: Docker,
    /// Flowkeep's own database.
    pub db: Db,
    /// The policy.
    pub settings: SettingsService,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Owns the tasks that follow.
    pub lifecycle: Lifecycle,
    /// Tells what happened.
    pub events: EventBus,
    /// Which containers are n8n's.
    pub n8n: N8nService,
    /// May have n8n stopped. A restore may too, and PostgreSQL lets no database change places that somebody is connected to.
    pub upgrades: UpgradeService,
}

/// What can be done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Let it run.
    Start,
    /// End it.
    Stop,
    /// End it and let it run again.
    Restart,
}

impl Verb {
    fn action(self) -> Action {
        match self {
            Self::Start => Action::ContainerStartRequested,
            Self::Stop => Action::ContainerStopRequested,
            Self::Restart => Action::ContainerRestartRequested,
        }
    }
}

/// How long a container may take to end. Less than nothing is the engine's word for as long as it likes.
fn grace(stop_seconds: Option<i64>) -> Duration {
    let asked = stop_seconds.map(|seconds| u64::try_from(seconds).map(Duration::from_secs));
    let asked = asked.map_or(GRACE, |asked| asked.unwrap_or(LONGEST_GRACE));
    asked.min(LONGEST_GRACE)
}

/// What somebody asked for.
struct Act {
    id: String,
    verb: Verb,
    name: String,
    until: Instant,
}

/// How the engine is.
#[derive(Clone, Debug)]
pub enum Engine {
    /// It answers.
    Answers,
    /// It does not.
    Fails(DockerError),
}

/// Every container of the project.
pub struct Overview {
    pub seen: Vec<Seen>,
    /// What is known from before, when the engine does not answer.
    pub cached: Vec<Cached>,
    pub engine: Engine,
}

/// Containers. Cheap to clone.
#[derive(Clone)]
pub struct ContainerService {
    pub(super) parts: Arc<ContainerParts>,
    pub(super) shared: Arc<Shared>,
}

/// What all clones share.
pub(super) struct Shared {
    acts: Mutex<VecDeque<Act>>,
    pub feeds: Mutex<HashMap<String, Feed>>,
    pub sampler: Sampler,
    /// Names of containers to which something happened.
    pub changes: broadcast::Sender<String>,
    pub streams: Arc<Semaphore>,
    pub updates: Mutex<HashMap<String, Checked>>,
}

/// What the engine said of several containers. One of which it says nothing does not hide the others; an engine that
/// is away, or says nothing of any, is at fault itself.
pub(super) fn unless_all_refused<T>(
    asked: Vec<Result<T, DockerError>>,
) -> Result<Vec<T>, DockerError> {
    let (mut found, mut refused) = (Vec::with_capacity(asked.len()), None);
    for one in asked {
        match one {
            Ok(one) => found.push(one),
            Err(DockerError::NotFound(_)) => {}
            Err(error @ DockerError::Refused { .. }) => {
                tracing::debug!(%error, "a container is left out");
                refused = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

impl ContainerService {
    /// Puts the service together. Nothing is asked of the engine yet.
    pub fn new(parts: ContainerParts) -> Self {
        let shared = Shared {
            acts: Mutex::default(),
            feeds: Mutex::default(),
            sampler: Sampler::default(),
            changes: broadcast::channel(64).0,
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            updates: Mutex::default(),
        };
        Self {
            parts: Arc::new(parts),
            shared: Arc::new(shared),
        }
    }

    /// Which containers are the project's.
    pub fn policy(&self) -> Policy {
        Policy::of(&self.parts.settings)
    }

    pub(super) fn is_own(&self, id: &str) -> bool {
        self.parts.docker.is_own(id)
    }

    /// The container with exactly that name, if it is the project's. The engine would also answer to an id or
    /// to its first characters.
    pub(super) async fn resolve(&self, name: &str) -> Result<Seen, ContainerError> {
        if !is_name(name) {
            return Err(ContainerError::NotFound);
        }
        let found = self.parts.docker.inspect(name).await?;
        let seen = found
            .map(Seen::read)
            .filter(|seen| seen.name == name && self.policy().allows(&seen.name, &seen.labels));
        seen.ok_or(ContainerError::NotFound)
    }

    /// Every container of the project that the engine has.
    pub(super) async fn all(&self) -> Result<Vec<Seen>, DockerError> {
        let policy = self.policy();
        let listed = self.parts.docker.list().await?;
        let ids = listed.into_iter().filter_map(|one| {
            let labels = one.labels.unwrap_or_default();
            let names = one.names.unwrap_or_default();
            let is_allowed = names
                .iter()
                .any(|name| policy.allows(name.trim_start_matches('/'), &labels));
            one.id.filter(|_| is_allowed)
        });
        let ids: Vec<_> = ids.collect();
        let asked = futures_util::stream::iter(ids)
            .map(|id| async move { self.parts.docker.inspect(&id).await })
            .buffer_unordered(AT_ONCE);
        let found = unless_all_refused(asked.collect().await)?;
        let seen = found.into_iter().flatten().map(Seen::read);
        let mut seen: Vec<_> = seen
            .filter(|one| policy.allows(&one.name, &one.labels))
            .collect();
        seen.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(seen)
    }

    /// Every container of the project; what was known last when the engine does not answer.
    pub(super) async fn overview(&self) -> Result<Overview, ContainerError> {
        match self.all().await {
            Ok(seen) => Ok(Overview {
                seen,
                cached: Vec::new(),
                engine: Engine::Answers,
            }),
            Err(error) => Ok(Overview {
                seen: Vec::new(),
                cached: store::all(self.parts.db.orm())
                    .await?
                    .into_iter()
                    .filter(|row| row.memory().gone_since().is_none())
                    .collect(),
                engine: Engine::Fails(error),
            }),
        }
    }

    /// Starts, stops or restarts a container. `expected` is the id that somebody saw under the name.
    pub(super) async fn act(
        &self,
        actor: &Actor,
        verb: Verb,
        name: &str,
        expected: Option<&str>,
    ) -> Result<Seen, ContainerError> {
        let seen = self.resolve(name).await?;
        if expected.is_some_and(|expected| expected != seen.id) {
            return Err(ContainerError::Changed(name.to_owned()));
        }
        if self.is_own(&seen.id) {
            return Err(ContainerError::Own(name.to_owned()));
        }
        if self.is_held(name).await? {
            return Err(ContainerError::Held(name.to_owned()));
        }
        let details = json!({ "id": seen.id, "image": seen.image });
        let entry = Entry::new(verb.action())
            .resource("container", name)
            .details(details);
        audit::record(self.parts.db.orm(), &self.parts.clock, actor, entry).await?;
        // Between the question and the act somebody may have renamed it, or let another one take the name.
        let again = self.parts.docker.inspect(&seen.id).await?.map(Seen::read);
        if again
            .is_none_or(|again| again.name != name || !self.policy().allows(name, &again.labels))
        {
            return Err(ContainerError::NotFound);
        }
        // What does not change anything explains nothing that happens later.
        if (verb == Verb::Stop) == seen.status.is_up() || verb == Verb::Restart {
            self.note_act(&seen, verb, actor);
        }
        let grace = grace(seen.stop_seconds);
        let docker = &self.parts.docker;
        let done = match verb {
            Verb::Start => docker.start_container(&seen.id).await,
            Verb::Stop => docker.stop_container(&seen.id, grace).await,
            Verb::Restart => docker.restart_container(&seen.id, grace).await,
        };
        if let Err(error) = done {
            self.forget_act(&seen.id);
            let details = json!({ "id": seen.id, "asked": verb.action().as_str(), "error": error.to_string() });
            let entry = Entry::new(Action::ContainerActFailed)
                .resource("container", name)
                .details(details);
            audit::record(self.parts.db.orm(), &self.parts.clock, actor, entry).await?;
            return Err(error.into());
        }
        let _ = self.shared.changes.send(name.to_owned());
        let after = self.parts.docker.inspect(&seen.id).await?.map(Seen::read);
        after.ok_or(ContainerError::NotFound)
    }

    /// Whether Flowkeep itself is at work with that container, and counts on how it left it.
    async fn is_held(&self, name: &str) -> Result<bool, ContainerError> {
        let parts = &self.parts;
        if !parts.n8n.containers().iter().any(|one| one == name) {
            return Ok(false);
        }
        Ok(parts.upgrades.holds_n8n().await?)
    }

    fn note_act(&self, seen: &Seen, verb: Verb, actor: &Actor) {
        let mut acts = self.shared.acts.lock();
        acts.truncate(ACTS_KEPT);
        acts.push_front(Act {
            id: seen.id.clone(),
            verb,
            name: actor
                .username
                .clone()
                .unwrap_or_else(|| "somebody".to_owned()),
            until: Instant::now() + grace(seen.stop_seconds) + ACT_LASTS,
        });
    }

    fn forget_act(&self, id: &str) {
        self.shared.acts.lock().retain(|act| act.id != id);
    }

    /// A container began to run, or was stopped and had not run: what was asked for explains nothing any more.
    pub(super) fn forget_asked(&self, id: &str, name: &str) {
        self.forget_act(id);
        self.parts.docker.take_asked(&[id, name]);
    }

    /// Who asked lately for a container to end. Explains one end.
    pub(super) fn take_end(&self, id: &str) -> Option<String> {
        self.take_act(id, |verb| verb != Verb::Start)
    }

    /// Who asked lately for a container to run.
    pub(super) fn take_start(&self, id: &str) -> Option<String> {
        self.take_act(id, |verb| verb != Verb::Stop)
    }

    fn take_act(&self, id: &str, fits: impl Fn(Verb) -> bool) -> Option<String> {
        let mut acts = self.shared.acts.lock();
        let act = acts.iter().position(|act| act.id == id && fits(act.verb))?;
        let act = acts.remove(act)?;
        acts.retain(|act| act.id != id);
        (Instant::now() < act.until).then_some(act.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> DockerError {
        DockerError::Refused {
            status: 500,
            message: "a broken container".to_owned(),
        }
    }

    #[test]
    fn a_container_of_which_the_engine_says_nothing_does_not_hide_the_others() {
        let gone = || DockerError::NotFound("gone".to_owned());
        let away = || DockerError::Unreachable("away".to_owned());
        let found = unless_all_refused(vec![Ok(1), Err(refused()), Err(gone()), Ok(2)]);
        assert_eq!(found.unwrap(), [1, 2]);
        assert!(
            unless_all_refused::<i32>(vec![Err(gone())])
                .unwrap()
                .is_empty()
        );
        assert!(unless_all_refused::<i32>(vec![Err(refused()), Err(gone())]).is_err());
        assert!(unless_all_refused(vec![Ok(1), Err(away())]).is_err());
    }

    #[test]
    fn a_container_has_its_own_time_to_end_within_ten_minutes() {
        for (asked, seconds) in [
            (None, 30),
            (Some(0), 0),
            (Some(120), 120),
            (Some(-1), 600),
            (Some(86_400), 600),
        ] {
            assert_eq!(grace(asked).as_secs(), seconds, "{asked:?}");
        }
    }
}
