//! One who follows: the history first, then what comes, each line once.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::Stream;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit, broadcast};

use super::follow::{Batch, Told};
use super::history::Wanted;
use super::lines::Line;
use super::state::FollowState;
use crate::features::containers::ContainerService;
use crate::features::containers::model::Seen;

/// What whoever follows is told.
#[derive(Clone, Debug)]
pub enum Followed {
    /// How it stands, as JSON.
    State(String),
    /// Lines that were there already, as JSON.
    History(String),
    /// Lines, as JSON.
    Lines(Arc<str>),
    /// That lines are missing, as JSON.
    Dropped(String),
}

/// Somebody who follows.
pub struct Viewer {
    pub receiver: Option<broadcast::Receiver<Told>>,
    pub left: Arc<Notify>,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // First out, then tell: whoever counts must not count this one.
        self.receiver.take();
        self.left.notify_one();
    }
}

/// Lines with their container, as JSON.
pub fn lines_json(container: &str, lines: &[Line]) -> String {
    json!({ "container": container, "lines": lines }).to_string()
}

/// A state with its container, as JSON.
pub fn state_json(name: &str, state: &FollowState) -> String {
    let mut whole = json!({ "container": name });
    if let (Some(whole), Ok(serde_json::Value::Object(state))) =
        (whole.as_object_mut(), serde_json::to_value(state))
    {
        whole.extend(state);
    }
    whole.to_string()
}

/// Lines that the history told already.
pub struct Known {
    keys: HashSet<(i64, bool)>,
    oldest: i64,
    newest: i64,
}

/// One container for one who follows.
pub struct Following {
    pub service: ContainerService,
    pub name: String,
    pub viewer: Viewer,
    pub told: VecDeque<Followed>,
    pub history: Option<(Seen, Wanted)>,
    pub known: Option<Known>,
    /// The line that must come next.
    pub expected: u64,
    pub _permit: Arc<OwnedSemaphorePermit>,
}

impl Following {
    pub fn into_stream(self) -> impl Stream<Item = Followed> + Send {
        futures_util::stream::unfold(self, |mut this| async move {
            loop {
                if let Some(told) = this.told.pop_front() {
                    return Some((told, this));
                }
                if let Some((seen, wanted)) = this.history.take() {
                    this.read_history(&seen, &wanted).await;
                    continue;
                }
                let receiver = this.viewer.receiver.as_mut()?;
                match receiver.recv().await {
                    Ok(Told::State(state)) => {
                        let json = state_json(&this.name, &state);
                        this.told.push_back(Followed::State(json));
                    }
                    Ok(Told::Lines(batch)) => this.take(&batch),
                    Ok(Told::Missing { after, lines }) => this.missing(after, lines),
                    // The next message tells how many lines are missing.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        })
    }

    async fn read_history(&mut self, seen: &Seen, wanted: &Wanted) {
        // What the engine cannot tell now, the stream says in its state.
        let Ok(history) = self.service.read(seen, wanted).await else {
            return;
        };
        let lines: Vec<_> = history.lines.into();
        let keys: HashSet<_> = lines.iter().map(Line::key).collect();
        // If there is none yet, older ones than are wanted must not come with the stream either.
        let since = wanted.since.and_then(|since| since.timestamp_nanos_opt());
        let before = since.map_or(i64::MIN, |since| since.saturating_sub(1));
        self.known = Some(Known {
            oldest: keys.iter().map(|key| key.0).min().unwrap_or(before),
            newest: keys.iter().map(|key| key.0).max().unwrap_or(before),
            keys,
        });
        let json = json!({
            "container": self.name, "lines": lines, "is_cut": history.is_cut,
            "is_unfinished": history.is_unfinished,
        });
        self.told.push_back(Followed::History(json.to_string()));
    }

    /// Lines after a moment were left out of a break. Whoever came later has them in the history.
    fn missing(&mut self, after: DateTime<Utc>, lines: u64) {
        let after = after.timestamp_nanos_opt().unwrap_or_default();
        if self
            .known
            .as_ref()
            .is_none_or(|known| known.newest <= after)
        {
            self.tell_dropped(lines);
        }
    }

    fn tell_dropped(&mut self, lines: u64) {
        let json = json!({ "container": self.name, "lines": lines });
        self.told.push_back(Followed::Dropped(json.to_string()));
    }

    fn take(&mut self, batch: &Batch) {
        let missing = batch.first.saturating_sub(self.expected);
        self.expected = batch.first + batch.lines.len() as u64;
        let is_told = |known: &Known| {
            let first = batch.lines.first();
            first.is_some_and(|first| first.key().0 <= known.newest)
        };
        // What is missing here may be in the history.
        if missing > 0 && !self.known.as_ref().is_some_and(is_told) {
            self.tell_dropped(missing);
        }
        let Some(known) = &self.known else {
            self.told
                .push_back(Followed::Lines(Arc::clone(&batch.json)));
            return;
        };
        let is_new = |line: &&Line| {
            let key = line.key();
            key.0 >= known.oldest && !known.keys.contains(&key)
        };
        let new: Vec<_> = batch.lines.iter().filter(is_new).cloned().collect();
        let is_past = batch.lines.iter().all(|line| line.key().0 > known.newest);
        if is_past {
            self.known = None;
        }
        if !new.is_empty() {
            let json = lines_json(&self.name, &new);
            self.told.push_back(Followed::Lines(json.into()));
        }
    }
}
