//! Lines, put together from what comes in pieces. Pure.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::clean::clean;
use crate::platform::docker::{LogPiece, LogStream};

/// Bytes of a line that are kept; it is also where Docker itself cuts lines in two.
pub const MOST_LINE_BYTES: usize = 16 * 1024;
/// A time is at most this long, with the space after it.
const MOST_TIME_BYTES: usize = 40;

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When the engine took it; `None` when it does not say.
    pub at: Option<DateTime<Utc>>,
    /// `stdout` or `stderr`.
    pub stream: LogStream,
    /// What it says; of escape sequences only colours are left.
    pub text: String,
    /// How long it really is in bytes, when more than 16 KB were cut off at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_bytes: Option<u64>,
}

/// How a stream is called.
pub fn stream_name(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    }
}

impl Line {
    /// What it takes of memory, about.
    pub fn weight(&self) -> usize {
        self.text.len() + 64
    }

    /// What tells it from the others of its container.
    pub fn key(&self) -> (i64, bool) {
        let nanos = self.at.and_then(|at| at.timestamp_nanos_opt());
        (nanos.unwrap_or_default(), self.stream == LogStream::Stderr)
    }
}

/// A line that has not ended.
#[derive(Debug, Default)]
struct Begun {
    at: Option<DateTime<Utc>>,
    kept: Vec<u8>,
    length: u64,
    is_begun: bool,
}

/// Puts lines together, those of each stream by themselves.
#[derive(Debug)]
pub struct Lines {
    is_tty: bool,
    stdout: Begun,
    stderr: Begun,
}

impl Lines {
    /// For a container with or without a terminal.
    pub fn new(is_tty: bool) -> Self {
        Self {
            is_tty,
            stdout: Begun::default(),
            stderr: Begun::default(),
        }
    }

    /// Takes a piece; hands on the lines that end in it.
    pub fn push(&mut self, piece: &LogPiece, mut take: impl FnMut(Line)) {
        let (is_tty, stream) = (self.is_tty, piece.stream);
        let begun = self.of(stream);
        let mut bytes: &[u8] = &piece.bytes;
        if piece.is_begin {
            let (at, rest) = split_time(bytes);
            bytes = rest;
            if begun.is_apart_from(at, is_tty) {
                take(begun.end(stream, is_tty));
            }
            if !begun.is_begun {
                begun.at = at;
            }
        }
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            begun.add(&bytes[..end], is_tty);
            bytes = &bytes[end + 1..];
            let at = begun.at;
            take(begun.end(stream, is_tty));
            // What follows in the same entry came at the same time.
            begun.at = at;
        }
        if !bytes.is_empty() {
            begun.add(bytes, is_tty);
        }
    }

    /// The lines that never ended.
    pub fn finish(&mut self, mut take: impl FnMut(Line)) {
        let is_tty = self.is_tty;
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let begun = self.of(stream);
            if begun.is_begun {
                take(begun.end(stream, is_tty));
            }
        }
    }

    fn of(&mut self, stream: LogStream) -> &mut Begun {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }
}

impl Begun {
    /// Whether an entry of that time begins a line of its own although this one has not ended: what a container wrote last and did
    /// not end is an entry too, and the next one is of its next run. The parts of a line that Docker cuts have one time,
    /// and all but the last are as long as a part can be.
    fn is_apart_from(&self, at: Option<DateTime<Utc>>, is_tty: bool) -> bool {
        let is_part = self.length.is_multiple_of(MOST_LINE_BYTES as u64);
        !is_tty && self.is_begun && !is_part && at.is_some() && at != self.at
    }

    fn add(&mut self, bytes: &[u8], is_tty: bool) {
        self.is_begun = true;
        // A terminal's line still has its time.
        let most = MOST_LINE_BYTES + if is_tty { MOST_TIME_BYTES } else { 0 };
        let room = most.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.length += bytes.len() as u64;
    }

    fn end(&mut self, stream: LogStream, is_tty: bool) -> Line {
        let begun = std::mem::take(self);
        let (mut at, mut text, mut length) = (begun.at, &begun.kept[..], begun.length);
        if is_tty {
            (at, text) = split_time(text);
            length -= (begun.kept.len() - text.len()) as u64;
        }
        let is_cut = length > MOST_LINE_BYTES as u64;
        if is_cut {
            text = &text[..text.len().min(MOST_LINE_BYTES)];
        } else {
            text = text.strip_suffix(b"\r").unwrap_or(text);
        }
        Line {
            at,
            stream,
            text: clean(text),
            cut_bytes: is_cut.then_some(length),
        }
    }
}

/// Splits the time off that the engine puts before what was written.
fn split_time(bytes: &[u8]) -> (Option<DateTime<Utc>>, &[u8]) {
    let head = &bytes[..bytes.len().min(MOST_TIME_BYTES)];
    let time = memchr::memchr(b' ', head).and_then(|end| {
        let text = std::str::from_utf8(&bytes[..end]).ok()?;
        let at = DateTime::parse_from_rfc3339(text).ok()?;
        Some((at.to_utc(), end))
    });
    match time {
        Some((at, end)) => (Some(at), &bytes[end + 1..]),
        None => (None, bytes),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const AT: &str = "2026-11-21T20:00:23.725387960Z";

    fn piece(stream: LogStream, is_begin: bool, text: &str) -> LogPiece {
        LogPiece {
            stream,
            is_begin,
            bytes: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    fn all(is_tty: bool, pieces: &[LogPiece]) -> Vec<Line> {
        let (mut lines, mut got) = (Lines::new(is_tty), Vec::new());
        for piece in pieces {
            lines.push(piece, |line| got.push(line));
        }
        lines.finish(|line| got.push(line));
        got
    }

    #[test]
    fn an_entry_is_a_line_with_its_time_and_stream() {
        use LogStream::{Stderr, Stdout};
        let got = all(
            false,
            &[
                piece(Stdout, true, &format!("{AT} one\n")),
                piece(Stderr, true, &format!("{AT} two\r\n")),
                piece(Stdout, true, &format!("{AT} \n")),
            ],
        );
        let texts: Vec<_> = got
            .iter()
            .map(|line| (line.stream, line.text.as_str()))
            .collect();
        assert_eq!(texts, [(Stdout, "one"), (Stderr, "two"), (Stdout, "")]);
        let at: DateTime<Utc> = AT.parse().unwrap();
        assert!(
            got.iter()
                .all(|line| line.at == Some(at) && line.cut_bytes.is_none())
        );
    }

    #[test]
    fn what_the_engine_cut_in_two_is_one_line_without_the_second_time() {
        use LogStream::{Stderr, Stdout};
        let got = all(
            false,
            &[
                piece(Stdout, true, &format!("{AT} one ")),
                piece(Stderr, true, &format!("{AT} between\n")),
                piece(Stdout, true, &format!("{AT} line\n")),
            ],
        );
        let texts: Vec<_> = got.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["between", "one line"]);
    }

    #[test]
    fn what_did_not_end_before_an_entry_of_another_time_is_a_line_of_its_own() {
        use LogStream::{Stderr, Stdout};
        const LATER: &str = "2026-11-21T20:05:00Z";
        let part = "x".repeat(MOST_LINE_BYTES);
        let got = all(
            false,
            &[
                piece(Stdout, true, &format!("{AT} bye")),
                piece(Stderr, true, &format!("{LATER} between\n")),
                piece(Stdout, true, &format!("{LATER} begun\n")),
                // Some drivers note a time of its own of each part.
                piece(Stdout, true, &format!("{AT} {part}")),
                piece(Stdout, true, &format!("{LATER} of one line\n")),
            ],
        );
        let texts: Vec<_> = got.iter().map(|line| line.text.len()).collect();
        assert_eq!(texts, ["between".len(), 3, 5, MOST_LINE_BYTES]);
        let time = |line: &Line| line.at.unwrap().to_rfc3339();
        assert!(time(&got[1]) < time(&got[2]), "{got:?}");
    }

    #[test]
    fn a_line_of_a_megabyte_is_cut_with_its_length_and_never_kept_whole() {
        for is_tty in [false, true] {
            let mut lines = Lines::new(is_tty);
            let mut got = Vec::new();
            for index in 0..64 {
                let text = if index == 0 || !is_tty {
                    format!("{AT} {}", "x".repeat(16 * 1024))
                } else {
                    "x".repeat(16 * 1024)
                };
                lines.push(&piece(LogStream::Stdout, !is_tty, &text), |line| {
                    got.push(line);
                });
                assert!(lines.stdout.kept.capacity() <= 4 * MOST_LINE_BYTES);
            }
            lines.push(&piece(LogStream::Stdout, false, "\n"), |line| {
                got.push(line);
            });
            assert_eq!(got.len(), 1);
            assert_eq!(got[0].text.len(), MOST_LINE_BYTES);
            assert_eq!(got[0].cut_bytes, Some(1024 * 1024));
            assert!(got[0].at.is_some());
        }
    }

    #[test]
    fn a_terminals_lines_begin_with_their_times_wherever_they_are_cut() {
        let whole = format!("{AT} one\r\n{AT} two\r\nnot a time\r\n");
        for cut in 1..whole.len() {
            let pieces: Vec<_> = whole
                .as_bytes()
                .chunks(cut)
                .map(|part| piece(LogStream::Stdout, false, std::str::from_utf8(part).unwrap()))
                .collect();
            let got = all(true, &pieces);
            let texts: Vec<_> = got.iter().map(|line| line.text.as_str()).collect();
            assert_eq!(texts, ["one", "two", "not a time"]);
            assert!(got[0].at.is_some() && got[2].at.is_none());
        }
    }
}
