//! What a new password must be (OWASP ASVS 5.0, 6.2): long and not a known one. Nothing else:
//! no required kinds of characters, no expiry.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Fewest characters.
pub const MIN_CHARS: usize = 12;
/// Most characters.
pub const MAX_CHARS: usize = 128;
/// Most bytes: bcrypt reads no further, and what it does not read must not be let in.
pub const MAX_BYTES: usize = 72;

/// What every guesser tries, in lower case: the words that are tried with something around them,
/// and the passwords that are long enough to get this far. Drawn from the lists of zxcvbn
/// (MIT, Dropbox) and Django (BSD, Django Software Foundation).
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// Why a new password cannot be used, in words for the person who chose it.
pub fn check(password: &str, username: &str) -> Result<(), String> {
    let chars = password.chars().count();
    if chars < MIN_CHARS {
        return Err(format!("use at least {MIN_CHARS} characters"));
    }
    if chars > MAX_CHARS {
        return Err(format!("use at most {MAX_CHARS} characters"));
    }
    if password.len() > MAX_BYTES {
        return Err(format!(
            "is {} bytes long and bcrypt takes {MAX_BYTES}; choose a shorter one \
             (letters with accents and emoji take 2 to 4 bytes each)",
            password.len()
        ));
    }
    if password.contains('\0') {
        return Err("must not contain a NUL character".to_owned());
    }
    let folded = password.to_lowercase();
    let name = username.to_lowercase();
    if is_repetition(&folded) {
        return Err("is one short piece over and over; choose a less regular one".to_owned());
    }
    if !name.is_empty() && folded.contains(&name) && folded.len() < name.len() + MIN_CHARS {
        return Err("is little more than the user name; choose another".to_owned());
    }
    if COMMON.contains(folded.as_str()) || is_decorated_word(&folded) || is_sequence(&folded) {
        return Err("is one of the passwords that are tried first; choose another".to_owned());
    }
    Ok(())
}

/// Whether it is a well-known word with at most eight digits and signs around it, some letters
/// perhaps written as such, as in `P@ssw0rd2024!`.
fn is_decorated_word(text: &str) -> bool {
    const MOST_DECORATION: usize = 8;
    let is_word = |text: &str| {
        let word = text.trim_matches(|c: char| !c.is_alphabetic());
        let decoration = text.chars().count() - word.chars().count();
        decoration <= MOST_DECORATION && COMMON.contains(word)
    };
    let plain: String = text
        .chars()
        .map(|c| match c {
            '@' | '4' => 'a',
            '0' => 'o',
            '3' => 'e',
            '1' => 'l',
            '$' | '5' => 's',
            '7' => 't',
            other => other,
        })
        .collect();
    // Digits at the end are decoration first and letters second: try each reading.
    let tail = text
        .trim_end_matches(|c: char| !c.is_alphabetic())
        .chars()
        .count();
    let head: String = plain.chars().take(tail).collect();
    is_word(text) || is_word(&head) && text.chars().count() - tail <= MOST_DECORATION
}

/// Whether it is a piece of up to four characters repeated.
fn is_repetition(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=4).any(|period| {
        chars.len() > period
            && chars
                .iter()
                .zip(&chars[period..])
                .all(|(first, second)| first == second)
    })
}

/// Whether each character follows the one before, as in `abcdefghijkl` or `987654321098`.
fn is_sequence(text: &str) -> bool {
    let bytes = text.as_bytes();
    [1, 255].iter().any(|step: &u8| {
        bytes.windows(2).all(|pair| {
            pair[1] == pair[0].wrapping_add(*step)
                || (pair[0].is_ascii_digit()
                    && pair[1].is_ascii_digit()
                    && (pair[1] + 10 - pair[0]) % 10 == (step.wrapping_add(10)) % 10)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_fine(password: &str) -> bool {
        check(password, "admin").is_ok()
    }

    #[test]
    fn length_is_what_counts() {
        assert!(!is_fine("a1b2c3d4e5f"));
        assert!(is_fine("a1b2c3d4e5f6"));
        assert!(is_fine("correct horse battery staple"));
        let long = "Ungefähr so lang ist ein guter Satz, den sich jemand merkt: 64.";
        assert!(is_fine(long), "{}", long.len());
    }

    #[test]
    fn cve_2025_22228_the_72_byte_rule_refuses_instead_of_cutting() {
        let of_len = |len: usize| "x1Y.zz-8".chars().cycle().take(len).collect::<String>();
        assert!(is_fine(&of_len(64)));
        assert!(is_fine(&of_len(72)));
        let why = check(&of_len(73), "admin").unwrap_err();
        assert!(why.contains("73 bytes") && why.contains("shorter"), "{why}");
        assert!(!is_fine(&of_len(128)));
        assert!(!is_fine(&of_len(129)));
        // 36 characters of two bytes fill bcrypt; one more is too much though only 37 are typed.
        let accents = "äöüß€é".replace('€', "ê");
        let at_edge: String = accents.chars().cycle().take(36).collect();
        assert_eq!(at_edge.len(), 72);
        assert!(is_fine(&at_edge));
        assert!(!is_fine(&format!("{at_edge}é")));
    }

    #[test]
    fn what_guessers_try_first_is_refused() {
        for bad in [
            "aaaaaaaaaaaaaa",
            "abcabcabcabc",
            "abcdefghijklm",
            "123456789012",
            "987654321098",
            "Administrator",
            "Admin1234567",
            "qwertyuiop123",
            "Password1234",
            "passwordpassword",
            "P@ssw0rd2024!",
            "!!Dragon2019!!",
            "a\0bcdefghijkl",
        ] {
            assert!(!is_fine(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_list_is_long_and_lower_case() {
        assert!(COMMON.len() > 3000, "{}", COMMON.len());
        for word in COMMON.iter() {
            assert_eq!(*word, word.to_lowercase());
            assert!(word.len() >= 4, "{word:?}");
        }
        assert!(is_fine("dragonfly-over-the-pond"));
    }
}
