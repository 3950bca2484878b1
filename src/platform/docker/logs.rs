//! What containers wrote.

use std::fmt::Write;

use bytes::{Buf, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Docker, DockerError, RawBody};

/// A frame is handed on in pieces of at most this many bytes.
const MOST_PIECE_BYTES: usize = 64 * 1024;
const HEADER_BYTES: usize = 8;

/// Where a container wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Its output; of a container with a terminal everything.
    Stdout,
    /// Its complaints.
    Stderr,
}

/// Which part of a log is wanted. Both streams, with times.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// Whether what comes later is wanted too.
    pub is_following: bool,
    /// Only what was written from then on.
    pub since: Option<DateTime<Utc>>,
    /// Only what was written before.
    pub until: Option<DateTime<Utc>>,
    /// Only so many last lines; all if absent.
    pub tail: Option<u32>,
}

/// Bytes of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPiece {
    /// Which.
    pub stream: LogStream,
    /// Whether it begins an entry, and so with a time.
    pub is_begin: bool,
    /// What was written.
    pub bytes: Bytes,
}

/// Takes apart what the engine sends: frames with a header, or bare bytes of a terminal.
#[derive(Debug)]
pub struct LogFrames {
    is_tty: bool,
    buffer: BytesMut,
    /// Stream, bytes that are still to come, whether none were handed on yet.
    frame: Option<(LogStream, usize, bool)>,
}

impl LogFrames {
    /// For a container with or without a terminal.
    pub fn new(is_tty: bool) -> Self {
        Self {
            is_tty,
            buffer: BytesMut::new(),
            frame: None,
        }
    }

    /// Takes what came. Never keeps more than a piece and a header.
    pub fn push(&mut self, bytes: &Bytes, mut take: impl FnMut(LogPiece)) {
        if self.is_tty {
            take(LogPiece {
                stream: LogStream::Stdout,
                is_begin: false,
                bytes: bytes.clone(),
            });
            return;
        }
        self.buffer.extend_from_slice(bytes);
        while let Some(piece) = self.next() {
            take(piece);
        }
    }

    fn next(&mut self) -> Option<LogPiece> {
        if self.frame.is_none() {
            let header = self.buffer.first_chunk::<HEADER_BYTES>()?;
            let stream = if header[0] == 2 {
                LogStream::Stderr
            } else {
                LogStream::Stdout
            };
            let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            self.buffer.advance(HEADER_BYTES);
            self.frame = Some((stream, length as usize, true));
        }
        let (stream, length, is_begin) = self.frame?;
        let there = self.buffer.len().min(length);
        if there < length && there < MOST_PIECE_BYTES {
            return None;
        }
        let bytes = self.buffer.split_to(there).freeze();
        self.frame = (there < length).then_some((stream, length - there, false));
        Some(LogPiece {
            stream,
            is_begin,
            bytes,
        })
    }
}

fn seconds(at: DateTime<Utc>) -> String {
    format!("{}.{:09}", at.timestamp(), at.timestamp_subsec_nanos())
}

impl Docker {
    /// What a container wrote, by its id: raw, for [`LogFrames`].
    pub async fn logs(&self, id: &str, query: &LogQuery) -> Result<RawBody, DockerError> {
        let tail = query
            .tail
            .map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let follow = u8::from(query.is_following);
        let mut path = format!(
            "/containers/{id}/logs?stdout=1&stderr=1&timestamps=1&follow={follow}&tail={tail}"
        );
        for (name, at) in [("since", query.since), ("until", query.until)] {
            if let Some(at) = at {
                let _ = write!(path, "&{name}={}", seconds(at));
            }
        }
        self.open(&path).await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(text);
        frame
    }

    proptest! {
        #[test]
        fn however_it_is_cut_on_the_way_the_same_comes_out(
            texts in proptest::collection::vec((1_u8..3, proptest::collection::vec(any::<u8>(), 0..200)), 1..10),
            cut in 1_usize..50,
        ) {
            let sent: Vec<u8> = texts.iter().flat_map(|(stream, text)| frame(*stream, text)).collect();
            let mut frames = LogFrames::new(false);
            let mut got = Vec::new();
            for piece in sent.chunks(cut) {
                frames.push(&Bytes::copy_from_slice(piece), |piece| got.push(piece));
            }
            prop_assert_eq!(got.len(), texts.len());
            for (piece, (stream, text)) in got.iter().zip(&texts) {
                let expected = if *stream == 2 { LogStream::Stderr } else { LogStream::Stdout };
                prop_assert_eq!(piece.stream, expected);
                prop_assert!(piece.is_begin);
                prop_assert_eq!(&piece.bytes[..], &text[..]);
            }
        }
    }

    #[test]
    fn a_frame_that_says_it_is_four_gigabytes_is_handed_on_in_pieces() {
        let mut frames = LogFrames::new(false);
        let mut sizes = Vec::new();
        frames.push(
            &Bytes::from_static(&[1, 0, 0, 0, 255, 255, 255, 255]),
            |_| panic!("nothing came yet"),
        );
        for _ in 0..100 {
            let chunk = Bytes::from(vec![b'x'; 8 * 1024]);
            frames.push(&chunk, |piece| {
                sizes.push((piece.is_begin, piece.bytes.len()));
            });
        }
        assert!(frames.buffer.len() < MOST_PIECE_BYTES);
        assert_eq!(sizes[0], (true, MOST_PIECE_BYTES));
        assert!(sizes[1..].iter().all(|(is_begin, _)| !is_begin));
    }

    #[test]
    fn a_terminal_that_writes_bytes_like_a_header_is_taken_as_it_is() {
        let mut frames = LogFrames::new(true);
        let bytes = Bytes::from_static(&[1, 0, 0, 0, 255, 255, 255, 255, b'x']);
        let mut got = Vec::new();
        frames.push(&bytes, |piece| got.push(piece.bytes));
        assert_eq!(got, [bytes]);
    }
}
