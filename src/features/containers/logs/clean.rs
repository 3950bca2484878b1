//! What containers write, made harmless to look at. Pure.
//!
//! Colours (SGR) stay; every other thing that a terminal would obey goes, and what would hide or turn text
//! around is shown as a sign of its own.

const ESCAPE: char = '\u{1b}';
const MOST_SGR_CHARS: usize = 64;

/// Bytes of a line as text that can be shown.
pub fn clean(bytes: &[u8]) -> String {
    let is_plain = |byte: &u8| matches!(byte, 0x20..=0x7e | b'\t');
    let text = String::from_utf8_lossy(bytes);
    if bytes.iter().all(is_plain) {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(c) = rest.chars().next() {
        if c == ESCAPE {
            let (shown, length) = escape(rest);
            out.push_str(shown);
            rest = &rest[length..];
            continue;
        }
        out.push(harmless(c));
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn harmless(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        // Controls of eight bits, separators of lines, and what turns the direction of text.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

/// What is shown of the sequence that `text` begins with, and its length in bytes.
fn escape(text: &str) -> (&str, usize) {
    let bytes = text.as_bytes();
    let lone = ("\u{241b}", 1);
    match bytes.get(1) {
        Some(b'[') => {
            let end = bytes[2..]
                .iter()
                .position(|byte| !matches!(byte, 0x20..=0x3f));
            let Some(end) = end.map(|end| end + 2) else {
                return lone;
            };
            let is_colour = bytes[end] == b'm'
                && end <= MOST_SGR_CHARS
                && bytes[2..end]
                    .iter()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'));
            match bytes[end] {
                b'm' if is_colour => (&text[..=end], end + 1),
                0x40..=0x7e => ("", end + 1),
                _ => lone,
            }
        }
        // Titles, links and other strings: they end by BEL or ESC \.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let end = bytes[2..].iter().position(|byte| matches!(byte, 7 | 0x1b));
            match end.map(|end| end + 2) {
                Some(end) if bytes[end] == 7 => ("", end + 1),
                Some(end) if bytes.get(end + 1) == Some(&b'\\') => ("", end + 2),
                _ => lone,
            }
        }
        Some(0x20..=0x2f) => match bytes.get(2) {
            Some(0x30..=0x7e) => ("", 3),
            _ => lone,
        },
        Some(0x30..=0x7e) => ("", 2),
        _ => lone,
    }
}

/// The same text without its colours.
pub fn without_colours(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(ESCAPE) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for (index, part) in text.split(ESCAPE).enumerate() {
        // After cleaning, an escape always begins a colour.
        let part = if index == 0 {
            part
        } else {
            part.split_once('m').map_or("", |(_, rest)| rest)
        };
        out.push_str(part);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_stay_and_what_a_terminal_obeys_goes() {
        let shown = |text: &str| clean(text.as_bytes());
        assert_eq!(
            shown("\u{1b}[1;31mred\u{1b}[0m"),
            "\u{1b}[1;31mred\u{1b}[0m"
        );
        assert_eq!(shown("\u{1b}[38:2:1:2:3mx"), "\u{1b}[38:2:1:2:3mx");
        assert_eq!(shown("a\u{1b}[2J\u{1b}[Hb\u{1b}[10Cc"), "abc");
        assert_eq!(
            shown("\u{1b}]0;title\u{7}x\u{1b}]8;;http://evil\u{1b}\\link"),
            "xlink"
        );
        assert_eq!(shown("\u{1b}(Bx\u{1b}cy\u{1b}7"), "xy");
        assert_eq!(shown("\u{1b}[?25mx"), "x");
        assert_eq!(shown("\u{1b}]never ends"), "\u{241b}]never ends");
        assert_eq!(shown("end\u{1b}"), "end\u{241b}");
        assert_eq!(shown("\u{1b}[31"), "\u{241b}[31");
    }

    #[test]
    fn bytes_that_hide_or_turn_text_are_shown_as_signs() {
        assert_eq!(
            clean(b"a\0b\x07\x08\x7f"),
            "a\u{2400}b\u{2407}\u{2408}\u{2421}"
        );
        assert_eq!(clean(b"\xff\xfe ok \xc3"), "\u{fffd}\u{fffd} ok \u{fffd}");
        assert_eq!(
            clean("safe\u{202e}gpj.exe\u{2066}x".as_bytes()),
            "safe\u{fffd}gpj.exe\u{fffd}x"
        );
        assert_eq!(clean("\u{9b}31m".as_bytes()), "\u{fffd}31m");
        assert_eq!(clean("50 %\rdone".as_bytes()), "50 %\u{240d}done");
        assert_eq!(clean("tab\there é 漢 🙂".as_bytes()), "tab\there é 漢 🙂");
    }

    #[test]
    fn text_without_colours_is_what_is_read() {
        let text = clean("\u{1b}[31mERROR\u{1b}[0m: no disk".as_bytes());
        assert_eq!(without_colours(&text), "ERROR: no disk");
        assert_eq!(without_colours("plain"), "plain");
    }

    proptest! {
        #[test]
        fn whatever_is_written_nothing_but_colours_can_be_obeyed(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let text = clean(&bytes);
            for part in text.split(ESCAPE).skip(1) {
                let colour = part.strip_prefix('[').and_then(|part| part.split_once('m'));
                let (numbers, _) = colour.expect("an escape begins a colour");
                prop_assert!(numbers.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')));
            }
            let plain = without_colours(&text);
            prop_assert!(!plain.chars().any(|c| c != '\t' && c.is_control()));
        }

        #[test]
        fn sequences_of_any_kind_are_cut_where_they_end(text in "(\u{1b}[\\[\\]P(]?[0-9;:mHJ?\u{7}\\\\]{0,5}[a-z]{0,3}){0,10}") {
            let text = clean(text.as_bytes());
            prop_assert!(!without_colours(&text).chars().any(char::is_control));
        }
    }
}
