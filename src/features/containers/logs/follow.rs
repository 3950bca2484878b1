//! Logs as they are written. One stream of the engine's for each container, however many look at it; nobody, no
//! stream.
//!
//! What comes is taken every tenth of a second in one go, put into words once and handed to all who look. Whoever
//! is too slow is told how many lines are missing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

use super::history::{LONGEST, Wanted};
use super::lines::{Line, Lines};
use super::state::FollowState;
use super::viewer::{Followed, Following, Viewer, lines_json, state_json};
use crate::features::containers::model::Seen;
use crate::features::containers::pace::Pace;
use crate::features::containers::policy::is_name;
use crate::features::containers::{ContainerError, ContainerService};
use crate::platform::docker::{DockerError, LogFrames, LogQuery, RawBody};

/// What comes within this is one message.
const GATHER: Duration = Duration::from_millis(100);
/// What is taken in one go; the engine keeps the rest until the next.
const MOST_GATHERED_BYTES: usize = 512 * 1024;
/// Messages that wait for whoever is slow.
const MOST_WAITING: usize = 32;
/// Whether the container is still the project's is asked again this often; the engine's events tell sooner.
const RECHECK: Duration = Duration::from_secs(15);
/// A stream that lasted this long is followed by another at once; one that did not, later and later.
const LASTED: Duration = Duration::from_secs(5);
/// Lines that a stream begins with, so that nothing is missed between them and the history that was read apart.
const OVERLAP: u32 = 200;
/// Lines that are taken up after a break.
const RESUMED: u32 = 2_000;

/// Lines that came together.
#[derive(Debug)]
pub struct Batch {
    /// How many lines came before.
    pub first: u64,
    pub lines: Vec<Line>,
    pub json: Arc<str>,
}

#[derive(Clone, Debug)]
pub enum Told {
    State(FollowState),
    Lines(Arc<Batch>),
    /// More lines were written during a break than are taken up after it.
    Missing {
        after: DateTime<Utc>,
        /// How many, as far as they were counted.
        lines: u64,
    },
}

/// A log that somebody follows. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed {
    sender: broadcast::Sender<Told>,
    state: Arc<Mutex<FollowState>>,
    /// Lines that were told.
    count: Arc<AtomicU64>,
    left: Arc<Notify>,
}

impl Feed {
    fn new() -> Self {
        Self {
            sender: broadcast::channel(MOST_WAITING).0,
            state: Arc::new(Mutex::new(FollowState::Connecting)),
            count: Arc::default(),
            left: Arc::default(),
        }
    }

    fn tell_state(&self, state: FollowState) {
        let mut current = self.state.lock();
        if *current != state {
            current.clone_from(&state);
            let _ = self.sender.send(Told::State(state));
        }
    }
}

/// Takes what the engine sends and makes messages of it.
struct Gatherer<'a> {
    container: &'a str,
    frames: LogFrames,
    lines: Lines,
    gathered: Vec<Line>,
    bytes: usize,
    /// Lines up to then were told before the break.
    after: Option<DateTime<Utc>>,
    /// When the first line was written, told before or not.
    first: Option<DateTime<Utc>>,
    /// Up to when nothing is missing, until it is known from when on the engine tells more.
    resumed: Option<DateTime<Utc>>,
}

/// Whether a line was not told before a break.
fn is_after(told: Option<DateTime<Utc>>, line: &Line) -> bool {
    told.is_none_or(|told| line.at.is_none_or(|at| at > told))
}

impl<'a> Gatherer<'a> {
    fn new(container: &'a str, is_tty: bool, after: Option<DateTime<Utc>>) -> Self {
        Self {
            container,
            frames: LogFrames::new(is_tty),
            lines: Lines::new(is_tty),
            gathered: Vec::new(),
            bytes: 0,
            after,
            first: None,
            resumed: None,
        }
    }

    fn push(&mut self, piece: &bytes::Bytes) {
        let Self {
            frames,
            lines,
            gathered,
            after,
            first,
            ..
        } = self;
        self.bytes += piece.len();
        frames.push(piece, |piece| {
            lines.push(&piece, |line| {
                *first = first.or(line.at);
                if is_after(*after, &line) {
                    gathered.push(line);
                }
            });
        });
    }

    fn finish(&mut self) {
        let (gathered, after) = (&mut self.gathered, self.after);
        self.lines.finish(|line| {
            if is_after(after, &line) {
                gathered.push(line);
            }
        });
    }

    /// Between which moments lines may be missing: the engine begins with the last that was told, or with older ones if
    /// none was, unless there are more than were asked for.
    fn gap(&mut self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let first = self.first?;
        let after = self.resumed.take()?;
        (first > after).then_some((after, first))
    }

    fn flush(&mut self, feed: &Feed, progress: &mut Progress) {
        self.bytes = 0;
        let Some(last) = self.gathered.last() else {
            return;
        };
        progress.last = last.at.or(progress.last);
        let lines = std::mem::take(&mut self.gathered);
        let count = lines.len() as u64;
        let json = lines_json(self.container, &lines).into();
        let batch = Batch {
            first: feed.count.fetch_add(count, Ordering::Relaxed),
            lines,
            json,
        };
        let _ = feed.sender.send(Told::Lines(Arc::new(batch)));
    }
}

/// How far a log was told.
#[derive(Default)]
struct Progress {
    /// Whose log it was.
    id: String,
    last: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    is_begun: bool,
    /// Whether all was read of its last run, which is over.
    is_whole: bool,
    /// Up to when all of this container's was told or lies in the history, if its log was followed before.
    resumed: Option<DateTime<Utc>>,
    /// When its log was first followed.
    begun: Option<DateTime<Utc>>,
}

/// Why a stream ended.
enum Ended {
    /// Ask again how the container is.
    Look,
    /// Nobody looks any more, or Flowkeep stops.
    Over,
    /// The engine broke it off.
    Broken(DockerError),
}

impl ContainerService {
    /// Follows the logs of containers in one stream, from those lines of each on that are wanted to begin with. Ends by
    /// itself only when Flowkeep does.
    pub async fn follow(
        &self,
        names: &[String],
        begin: &Wanted,
    ) -> Result<impl Stream<Item = Followed> + Send + use<>, ContainerError> {
        let permit = Arc::clone(&self.shared.streams).try_acquire_owned();
        let permit = Arc::new(permit.map_err(|_| ContainerError::TooMany)?);
        let mut all = Vec::new();
        for name in names {
            let seen = match self.resolve(name).await {
                Ok(seen) => Some(seen),
                // What cannot be known now is followed as soon as it can.
                Err(ContainerError::Docker(_)) if is_name(name) => None,
                Err(error) => return Err(error),
            };
            let (viewer, state, count) = self.join(name);
            let following = Following {
                service: self.clone(),
                name: name.clone(),
                viewer,
                told: VecDeque::from([Followed::State(state_json(name, &state))]),
                history: seen.map(|seen| (seen, begin.clone())),
                known: None,
                expected: count,
                _permit: Arc::clone(&permit),
            };
            all.push(Box::pin(following.into_stream()));
        }
        Ok(futures_util::stream::select_all(all))
    }

    /// How many logs are being followed.
    pub fn followed(&self) -> usize {
        self.shared.feeds.lock().len()
    }

    fn join(&self, name: &str) -> (Viewer, FollowState, u64) {
        let mut feeds = self.shared.feeds.lock();
        let feed = feeds.entry(name.to_owned()).or_insert_with(|| {
            let feed = Feed::new();
            let (service, name, own) = (self.clone(), name.to_owned(), feed.clone());
            // The task's first act is to look whether somebody is there; it waits for this lock.
            self.parts.lifecycle.spawn("container log", async move {
                service.feed(&name, &own).await;
            });
            feed
        });
        let viewer = Viewer {
            receiver: Some(feed.sender.subscribe()),
            left: Arc::clone(&feed.left),
        };
        let state = feed.state.lock().clone();
        (viewer, state, feed.count.load(Ordering::Relaxed))
    }

    fn is_alone(&self, name: &str, feed: &Feed) -> bool {
        let mut feeds = self.shared.feeds.lock();
        let is_alone = feed.sender.receiver_count() == 0;
        if is_alone {
            feeds.remove(name);
        }
        is_alone
    }

    async fn feed(&self, name: &str, feed: &Feed) {
        let stop = self.parts.lifecycle.soft().clone();
        let mut changes = self.shared.changes.subscribe();
        let (mut pace, mut progress) = (Pace::default(), Progress::default());
        while !stop.is_cancelled() && !self.is_alone(name, feed) {
            let ended = tokio::select! {
                ended = self.feed_once(name, feed, &mut progress, &mut changes, &mut pace) => ended,
                () = stop.cancelled() => break,
            };
            if matches!(ended, Ended::Over) {
                break;
            }
            if let Ended::Broken(error) = ended {
                feed.tell_state(FollowState::down(&error));
            }
            let wait = pace.wait(self.parts.ids.bytes::<1>()[0]);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changed(&mut changes, name) => {}
                () = feed.left.notified() => {}
                () = stop.cancelled() => break,
            }
        }
        // Stopping: whoever still looks is let go.
        let mut feeds = self.shared.feeds.lock();
        if stop.is_cancelled() {
            feeds.remove(name);
        }
    }

    async fn feed_once(
        &self,
        name: &str,
        feed: &Feed,
        progress: &mut Progress,
        changes: &mut broadcast::Receiver<String>,
        pace: &mut Pace,
    ) -> Ended {
        let mut seen = match self.resolve(name).await {
            Ok(seen) => seen,
            Err(error) => {
                feed.tell_state(FollowState::of(error));
                return Ended::Look;
            }
        };
        let stopped = FollowState::Stopped {
            exit_code: seen.exit_code,
        };
        if !seen.status.is_up() && progress.is_begun && seen.started_at == progress.started_at {
            self.read_rest(&seen, feed, progress).await;
            feed.tell_state(stopped);
            return Ended::Look;
        }
        let query = LogQuery {
            is_following: true,
            since: progress.last,
            until: None,
            tail: Some(if progress.is_begun { RESUMED } else { OVERLAP }),
        };
        let asked = self.parts.clock.now();
        let body = match self.parts.docker.logs(&seen.id, &query).await {
            Ok(body) => body,
            Err(DockerError::NotFound(_)) => return Ended::Look,
            Err(error) => return Ended::Broken(error),
        };
        // Between the look and the stream it may have been started: then its lines come, and no event tells.
        if !seen.status.is_up()
            && let Ok(now) = self.resolve(name).await
            && now.id == seen.id
        {
            seen = now;
        }
        (progress.is_begun, progress.is_whole) = (true, false);
        if progress.id == seen.id {
            progress.resumed = progress.last.max(progress.begun);
        } else {
            (progress.resumed, progress.begun) = (None, Some(asked));
        }
        progress.id.clone_from(&seen.id);
        progress.started_at = seen.started_at;
        if seen.status.is_up() {
            feed.tell_state(FollowState::Following {
                id: seen.id.clone(),
            });
        }
        let begun = Instant::now();
        let ended = self.read_on(&seen, body, feed, progress, changes).await;
        if begun.elapsed() > LASTED {
            pace.reset();
        }
        if matches!(ended, Ended::Look) {
            // Why it ended is said before the wait: it was stopped, removed, renamed.
            match self.resolve(name).await {
                Ok(again) if !again.status.is_up() => {
                    self.read_rest(&again, feed, progress).await;
                    feed.tell_state(FollowState::Stopped {
                        exit_code: again.exit_code,
                    });
                }
                Ok(_) => {}
                Err(error) => feed.tell_state(FollowState::of(error)),
            }
        }
        ended
    }

    /// Reads what a run that is over wrote last. An engine may end a stream that is followed before those lines, and so
    /// may a connection that breaks.
    async fn read_rest(&self, seen: &Seen, feed: &Feed, progress: &mut Progress) {
        if progress.is_whole || progress.id != seen.id {
            return;
        }
        let query = LogQuery {
            is_following: false,
            since: progress.last,
            until: None,
            tail: Some(RESUMED),
        };
        let mut gatherer = Gatherer::new(&seen.name, seen.is_tty, progress.last);
        let read = tokio::time::timeout(LONGEST, async {
            let mut body = self.parts.docker.logs(&seen.id, &query).await?;
            loop {
                match take(&mut gatherer, body.next().await) {
                    None => {}
                    Some(Ended::Broken(error)) => return Err(error),
                    Some(_) => return Ok(()),
                }
            }
        });
        match read.await {
            Ok(Ok(())) => progress.is_whole = true,
            Ok(Err(error)) => tracing::debug!(%error, "the last lines of a log are not read"),
            Err(_) => tracing::debug!("the last lines of a log are not read in time"),
        }
        gatherer.flush(feed, progress);
    }

    async fn read_on(
        &self,
        seen: &Seen,
        mut body: RawBody,
        feed: &Feed,
        progress: &mut Progress,
        changes: &mut broadcast::Receiver<String>,
    ) -> Ended {
        let mut gatherer = Gatherer::new(&seen.name, seen.is_tty, progress.last);
        gatherer.resumed = progress.resumed;
        let mut recheck = tokio::time::interval(RECHECK);
        recheck.reset();
        loop {
            tokio::select! {
                piece = body.next() => {
                    let mut ended = take(&mut gatherer, piece);
                    if ended.is_none() {
                        // Asleep, what is written meanwhile wakes nobody.
                        tokio::time::sleep(GATHER).await;
                    }
                    while ended.is_none() && gatherer.bytes < MOST_GATHERED_BYTES {
                        let Some(piece) = body.next().now_or_never() else { break };
                        ended = take(&mut gatherer, piece);
                    }
                    if let Some((after, first)) = gatherer.gap() {
                        let lines = self.count_between(seen, after, first).await;
                        let told = (lines > 0).then_some(Told::Missing { after, lines });
                        let _ = told.map(|told| feed.sender.send(told));
                    }
                    gatherer.flush(feed, progress);
                    if let Some(ended) = ended {
                        return ended;
                    }
                }
                () = feed.left.notified() => {
                    if self.is_alone(&seen.name, feed) {
                        return Ended::Over;
                    }
                }
                _ = recheck.tick() => if self.is_another(seen).await { return Ended::Look; },
                () = changed(changes, &seen.name) => if self.is_another(seen).await { return Ended::Look; },
            }
        }
    }

    /// Whether the name is another container's now, or nobody's of the project.
    async fn is_another(&self, seen: &Seen) -> bool {
        match self.resolve(&seen.name).await {
            Ok(now) => now.id != seen.id,
            Err(ContainerError::NotFound) => true,
            // If the engine is away, the stream says so by itself.
            Err(_) => false,
        }
    }
}

/// Takes a piece; says when there are no more.
fn take(
    gatherer: &mut Gatherer<'_>,
    piece: Option<Result<bytes::Bytes, DockerError>>,
) -> Option<Ended> {
    match piece {
        Some(Ok(piece)) => {
            gatherer.push(&piece);
            None
        }
        Some(Err(error)) => Some(Ended::Broken(error)),
        None => {
            gatherer.finish();
            Some(Ended::Look)
        }
    }
}

async fn changed(changes: &mut broadcast::Receiver<String>, name: &str) {
    loop {
        match changes.recv().await {
            Ok(changed) if changed != name => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
