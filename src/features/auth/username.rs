//! What a user name may be: plain letters, so that two names never look or fold alike and each
//! can stand in a header.

/// Why a name cannot be used, in words for the person who chose it.
pub fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 100 {
        return Err("use 1 to 100 characters");
    }
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
    if !name.bytes().all(is_fine) {
        return Err("use letters a to z, digits and . _ @ + - only");
    }
    if !name.as_bytes()[0].is_ascii_alphanumeric() {
        return Err("begin with a letter or a digit");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["admin", "Jane.Doe+n8n@example.com", "0"] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = "a".repeat(101);
        for bad in [
            "",
            "-rf",
            "a b",
            "a\r\nRemote-User: root",
            "\u{410}dmin",
            "a\0",
            &long,
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
