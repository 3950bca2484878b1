//! Text of bounded size: its beginning and its end, with a note of what was left out.

use std::fmt::Write;

const HALF_BYTES: usize = 32 * 1024;

/// Keeps the first and the last 32 KB of what is pushed.
#[derive(Debug, Default)]
pub(super) struct BoundedText {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped_bytes: usize,
}

impl BoundedText {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = HALF_BYTES - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > 2 * HALF_BYTES {
            let excess = self.tail.len() - HALF_BYTES;
            self.tail.drain(..excess);
            self.dropped_bytes += excess;
        }
    }

    pub(super) fn into_text(self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.dropped_bytes > 0 {
            let _ = write!(text, "\n[… {} bytes left out …]\n", self.dropped_bytes);
        }
        text.push_str(&String::from_utf8_lossy(&self.tail));
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f19_ten_megabytes_of_complaints_stay_small() {
        let mut text = BoundedText::default();
        text.push(b"first line\n");
        for _ in 0..10_240 {
            text.push(&[b'x'; 1024]);
        }
        text.push(b"\nlast line\n");
        assert!(text.head.len() + text.tail.len() <= 4 * HALF_BYTES);
        let text = text.into_text();
        assert!(text.starts_with("first line") && text.ends_with("last line"));
        assert!(text.contains("bytes left out"));
    }
}
