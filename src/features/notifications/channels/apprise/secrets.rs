//! Takes secrets out of words that somebody else said: whole, in pieces, and in the forms that servers repeat them.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

/// What stands for a secret.
pub const HIDDEN: &str = "***";
/// Shorter values are not taken out of other words: they would be everywhere.
const LEAST: usize = 4;
/// Segments of paths that say what an address is and not whose.
const PUBLIC: &[&str] = &[
    "webhook",
    "webhook-test",
    "webhooks",
    "hook",
    "hooks",
    "incoming",
    "services",
    "alert",
    "alerts",
    "notify",
    "notifications",
    "message",
    "messages",
    "http",
    "https",
];

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What of a secret somebody could repeat by itself: of an address its path, the path's segments, what its query
/// says, and its login.
fn pieces(secret: &str, found: &mut BTreeSet<String>) {
    found.insert(secret.to_owned());
    let mut path = secret.to_owned();
    if let Some(url) = Url::parse(secret).ok().filter(Url::has_host) {
        let (user, password) = (
            decoded(url.username()),
            decoded(url.password().unwrap_or_default()),
        );
        if !user.is_empty() || !password.is_empty() {
            found.insert(STANDARD.encode(format!("{user}:{password}")));
            found.extend([user, password]);
        }
        found.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        if let Some(query) = url.query() {
            found.insert(query.to_owned());
            found.insert(format!("{}?{query}", url.path()));
        }
        url.path().clone_into(&mut path);
    }
    if path.contains('/') {
        found.insert(path.trim_matches('/').to_owned());
        let segments = path.split('/').filter(|part| !PUBLIC.contains(part));
        found.extend(segments.map(ToOwned::to_owned));
    }
}

/// The words without the secrets. `known` are texts that may be shown, with which a secret may form a login.
pub fn scrub(words: &str, secrets: &[&str], known: &[&str]) -> String {
    let mut found = BTreeSet::new();
    for secret in secrets {
        pieces(secret, &mut found);
        if secret.len() >= LEAST {
            let logins = known.iter().copied().chain(["", "api"]);
            found.extend(logins.map(|name| STANDARD.encode(format!("{name}:{secret}"))));
            found.insert(STANDARD.encode(secret));
        }
    }
    let mut forms = BTreeSet::new();
    for piece in found {
        let plain = decoded(&piece);
        // As JSON, HTML and addresses write it.
        forms.insert(piece.replace('/', "\\/"));
        forms.insert(plain.replace('/', "\\/"));
        forms.insert(plain.replace('&', "&amp;"));
        forms.insert(url::form_urlencoded::byte_serialize(plain.as_bytes()).collect());
        forms.insert(utf8_percent_encode(&plain, NON_ALPHANUMERIC).to_string());
        forms.extend([piece, plain]);
    }
    let mut forms: Vec<_> = forms
        .into_iter()
        .filter(|form| form.len() >= LEAST)
        .collect();
    // A secret that holds another goes first.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    let mut clean = words.to_owned();
    for form in forms {
        if clean.contains(&form) {
            clean = clean.replace(&form, HIDDEN);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form_in_which_servers_repeat_it() {
        let secret = "https://ann:p%40ss-word@n8n.example.org/webhook/7f3a-9b/in%20side?key=t0k/en";
        for words in [
            secret,
            "The requested webhook \"POST /webhook/7f3a-9b/in%20side\" is not registered.",
            "the requested webhook \"POST 7f3a-9b\" is not registered",
            "no route for \\/webhook\\/7f3a-9b\\/in side",
            "nothing at /in side here",
            "key t0k/en, t0k\\/en, t0k%2Fen",
            "who is p@ss-word?",
            "Authorization: Basic YW5uOnBAc3Mtd29yZA==",
        ] {
            let clean = scrub(words, &[secret], &[]);
            for part in ["7f3a", "side", "t0k", "ss-word", "YW5uOnBAc3Mtd29yZA"] {
                assert!(!clean.contains(part), "{words}: {clean}");
            }
        }
        let clean = scrub("The requested webhook is unknown", &[secret], &[]);
        assert_eq!(clean, "The requested webhook is unknown");
        let login = STANDARD.encode("ann:s3cr3t");
        assert_eq!(scrub(&login, &["s3cr3t"], &["ann"]), HIDDEN);
    }
}
