//! The part of a log that is there already.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_util::{Stream, StreamExt};
use regex::{Regex, RegexBuilder};

use super::clean::without_colours;
use super::lines::{Line, Lines, stream_name};
use crate::features::containers::model::Seen;
use crate::features::containers::{ContainerError, ContainerService};
use crate::platform::docker::{DockerError, LogFrames, LogQuery, LogStream, RawBody};

/// Lines that are looked through, from the end, for what is asked for.
const MOST_SEARCHED: u32 = 50_000;
/// What an answer holds at most.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// How long is read of what the engine has, for one answer or for the end of a run.
pub(super) const LONGEST: Duration = Duration::from_secs(15);
/// How long a download waits for the engine to go on.
const STALLED: Duration = Duration::from_mins(1);
const MOST_SEARCH_CHARS: usize = 500;
const MOST_REGEX_BYTES: usize = 1024 * 1024;

/// What lines are looked for.
#[derive(Clone, Debug)]
pub struct Search(Regex);

impl Search {
    /// Text as it stands or a regular expression; upper and lower case are the same unless told.
    pub fn new(text: &str, is_regex: bool, is_exact: bool) -> Result<Self, ContainerError> {
        let invalid = |why: String| ContainerError::Invalid {
            field: "search",
            why,
        };
        if text.chars().count() > MOST_SEARCH_CHARS {
            return Err(invalid(format!(
                "must be at most {MOST_SEARCH_CHARS} characters"
            )));
        }
        let pattern = if is_regex {
            text.to_owned()
        } else {
            regex::escape(text)
        };
        let built = RegexBuilder::new(&pattern)
            .case_insensitive(!is_exact)
            .size_limit(MOST_REGEX_BYTES)
            .dfa_size_limit(MOST_REGEX_BYTES)
            .build();
        built.map(Self).map_err(|error| {
            let last = error.to_string();
            let last = last.lines().last().unwrap_or_default();
            invalid(format!(
                "is no regular expression: {}",
                last.trim_start_matches("error: ")
            ))
        })
    }

    /// Whether a line has it; colours do not count.
    pub fn finds(&self, line: &Line) -> bool {
        self.0.is_match(&without_colours(&line.text))
    }
}

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// So many last ones; all if absent.
    pub tail: Option<u32>,
    /// From then on.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
    /// Only of this stream.
    pub stream: Option<LogStream>,
    /// Only with this in them.
    pub search: Option<Search>,
}

impl Wanted {
    fn is_filter(&self) -> bool {
        self.stream.is_some() || self.search.is_some()
    }

    fn has(&self, line: &Line) -> bool {
        self.stream.is_none_or(|stream| stream == line.stream)
            && self.search.as_ref().is_none_or(|search| search.finds(line))
    }

    fn query(&self, tail: Option<u32>) -> LogQuery {
        LogQuery {
            is_following: false,
            since: self.since,
            until: self.until,
            tail,
        }
    }
}

/// Lines that are there.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order in which they were written.
    pub lines: VecDeque<Line>,
    /// Whether older ones were left out: they were too many or too long.
    pub is_cut: bool,
    /// Whether newer ones were left out: the engine took too long.
    pub is_unfinished: bool,
    /// How many lines were looked at.
    pub looked_at: u64,
}

impl History {
    fn add(&mut self, line: Line, bytes: &mut usize, tail: usize) {
        *bytes += line.weight();
        self.lines.push_back(line);
        while self.lines.len() > tail || *bytes > MOST_BYTES {
            self.is_cut |= *bytes > MOST_BYTES;
            match self.lines.pop_front() {
                Some(gone) => *bytes -= gone.weight(),
                None => return,
            }
        }
    }
}

fn silent(limit: Duration) -> DockerError {
    DockerError::Unreachable(format!(
        "nothing of the log came within {} s",
        limit.as_secs()
    ))
}

impl ContainerService {
    /// The lines of a container that are wanted.
    pub async fn history(
        &self,
        name: &str,
        wanted: &Wanted,
    ) -> Result<(Seen, History), ContainerError> {
        let seen = self.resolve(name).await?;
        let history = self.read(&seen, wanted).await?;
        Ok((seen, history))
    }

    /// The same of a container that was found before.
    pub(super) async fn read(
        &self,
        seen: &Seen,
        wanted: &Wanted,
    ) -> Result<History, ContainerError> {
        let tail = wanted.tail.unwrap_or(u32::MAX);
        // The engine takes the last lines first, and those before a moment of them only then.
        let asked = match wanted.until {
            Some(_) => None,
            None if wanted.is_filter() => Some(MOST_SEARCHED),
            None => Some(tail.min(MOST_SEARCHED)),
        };
        let mut body = self
            .parts
            .docker
            .logs(&seen.id, &wanted.query(asked))
            .await?;
        let (mut frames, mut lines) = (LogFrames::new(seen.is_tty), Lines::new(seen.is_tty));
        let (mut history, mut bytes) = (History::default(), 0);
        let tail = tail as usize;
        let begun = Instant::now();
        let mut take = |line: Line, history: &mut History| {
            history.looked_at += 1;
            if wanted.has(&line) {
                history.add(line, &mut bytes, tail);
            }
        };
        loop {
            let left = LONGEST.saturating_sub(begun.elapsed());
            // The engine gives the oldest first: what it does not come to is the newest.
            let Ok(piece) = tokio::time::timeout(left, body.next()).await else {
                history.is_unfinished = true;
                break;
            };
            let Some(piece) = piece else { break };
            frames.push(&piece?, |piece| {
                lines.push(&piece, |line| take(line, &mut history));
            });
        }
        lines.finish(|line| take(line, &mut history));
        if history.is_unfinished && history.looked_at == 0 {
            return Err(ContainerError::Docker(silent(LONGEST)));
        }
        history.is_cut |=
            wanted.is_filter() && asked.is_some() && history.looked_at >= u64::from(MOST_SEARCHED);
        Ok(history)
    }

    /// How many lines were written between two others, as far as they can be looked through.
    pub(super) async fn count_between(
        &self,
        seen: &Seen,
        after: DateTime<Utc>,
        before: DateTime<Utc>,
    ) -> u64 {
        let wanted = Wanted {
            since: Some(after + TimeDelta::nanoseconds(1)),
            until: Some(before - TimeDelta::nanoseconds(1)),
            ..Wanted::default()
        };
        match self.read(seen, &wanted).await {
            Ok(between) => between.looked_at,
            Err(error) => {
                tracing::debug!(%error, "lines of a break are not counted");
                0
            }
        }
    }

    /// A container's log as text, as it is read.
    pub async fn download(&self, name: &str, wanted: Wanted) -> Result<Download, ContainerError> {
        let seen = self.resolve(name).await?;
        let body = self
            .parts
            .docker
            .logs(&seen.id, &wanted.query(wanted.tail))
            .await?;
        Ok(Download {
            body,
            frames: LogFrames::new(seen.is_tty),
            lines: Lines::new(seen.is_tty),
            wanted,
            is_over: false,
        })
    }
}

/// A log on its way to a file.
pub struct Download {
    body: RawBody,
    frames: LogFrames,
    lines: Lines,
    wanted: Wanted,
    is_over: bool,
}

fn write_line(text: &mut String, wanted: &Wanted, line: &Line) {
    if !wanted.has(line) {
        return;
    }
    let at = line
        .at
        .map(|at| at.to_rfc3339_opts(SecondsFormat::Nanos, true));
    let at = at.as_deref().unwrap_or("-");
    let _ = write!(
        text,
        "{at} {} {}",
        stream_name(line.stream),
        without_colours(&line.text)
    );
    if let Some(length) = line.cut_bytes {
        let _ = write!(text, " [cut: {length} bytes]");
    }
    text.push('\n');
}

impl Download {
    /// Its bytes. An engine that goes away in the middle breaks the file off with an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
        let told = futures_util::stream::unfold(self, |mut this| async move {
            loop {
                if this.is_over {
                    return None;
                }
                let mut text = String::new();
                let piece = tokio::time::timeout(STALLED, this.body.next()).await;
                let piece = piece.unwrap_or_else(|_| Some(Err(silent(STALLED))));
                let Self {
                    frames,
                    lines,
                    wanted,
                    is_over,
                    ..
                } = &mut this;
                match piece {
                    Some(Ok(piece)) => frames.push(&piece, |piece| {
                        lines.push(&piece, |line| write_line(&mut text, wanted, &line));
                    }),
                    Some(Err(error)) => {
                        *is_over = true;
                        return Some((Err(std::io::Error::other(error)), this));
                    }
                    None => {
                        *is_over = true;
                        lines.finish(|line| write_line(&mut text, wanted, &line));
                    }
                }
                if !text.is_empty() {
                    return Some((Ok(Bytes::from(text)), this));
                }
            }
        });
        // What compresses it asks once more after its end.
        told.fuse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line {
            at: None,
            stream: LogStream::Stdout,
            text: text.to_owned(),
            cut_bytes: None,
        }
    }

    #[test]
    fn text_is_looked_for_as_it_stands_and_colours_do_not_count() {
        let search = Search::new("a.b [", false, false).unwrap();
        assert!(search.finds(&line("x A.B [ y")));
        assert!(!search.finds(&line("axb [")));
        let coloured = Search::new("no disk", false, true).unwrap();
        assert!(coloured.finds(&line("no \u{1b}[31mdisk\u{1b}[0m")));
        assert!(!coloured.finds(&line("No disk")));
    }

    #[test]
    fn an_expression_that_is_none_or_too_large_is_refused_with_the_reason() {
        let refused = |text: &str| Search::new(text, true, false).unwrap_err().to_string();
        assert!(refused("(").contains("unclosed group"), "{}", refused("("));
        assert!(
            refused("(a{1000}){1000}").contains("size"),
            "{}",
            refused("(a{1000}){1000}")
        );
        assert!(refused(&"x".repeat(501)).contains("500"));
    }

    #[test]
    fn an_answer_holds_the_last_lines_within_its_size() {
        let (mut history, mut bytes) = (History::default(), 0);
        for index in 0..1_000 {
            let text = format!("{index} {}", "x".repeat(16 * 1024));
            history.add(line(&text), &mut bytes, usize::MAX);
        }
        assert!(history.is_cut && bytes <= MOST_BYTES);
        assert!(history.lines.back().unwrap().text.starts_with("999 "));
        let (mut history, mut bytes) = (History::default(), 0);
        for index in 0..10 {
            history.add(line(&index.to_string()), &mut bytes, 3);
        }
        assert!(!history.is_cut);
        assert_eq!(history.lines[0].text, "7");
    }
}
