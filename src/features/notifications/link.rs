//! Links by which whoever got a message acknowledges it, without signing in: signed, and valid for three days.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use url::Url;

const LIFETIME: TimeDelta = TimeDelta::days(3);

fn mac(key: &SecretString, alert_id: i32, expires: i64) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok()?;
    mac.update(format!("acknowledge {alert_id} until {expires}").as_bytes());
    Some(mac)
}

/// Signs a link's token. `None` only if there is no key.
pub fn sign(key: &SecretString, alert_id: i32, now: DateTime<Utc>) -> Option<String> {
    let expires = (now + LIFETIME).timestamp();
    let tag = mac(key, alert_id, expires)?.finalize().into_bytes();
    Some(format!(
        "{alert_id}.{expires}.{}",
        URL_SAFE_NO_PAD.encode(tag)
    ))
}

/// Which alert a token is for, if it is ours and still valid.
pub fn verify(key: &SecretString, token: &str, now: DateTime<Utc>) -> Option<i32> {
    let mut parts = token.splitn(3, '.');
    let alert_id: i32 = parts.next()?.parse().ok()?;
    let expires: i64 = parts.next()?.parse().ok()?;
    let tag = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
    // In constant time.
    mac(key, alert_id, expires)?.verify_slice(&tag).ok()?;
    (now.timestamp() < expires).then_some(alert_id)
}

/// `text` without the signature of `url`, however it was escaped: with the rest of the link nobody can do anything.
pub fn without(text: &str, url: &Url) -> String {
    let tag = url.fragment().and_then(|token| token.rsplit('.').next());
    let Some(tag) = tag.filter(|tag| !tag.is_empty()) else {
        return text.to_owned();
    };
    // As it is, as Markdown escapes it, and that within JSON.
    ["", "\\", "\\\\"]
        .into_iter()
        .fold(text.to_owned(), |text, mark| {
            let escaped = tag.replace('_', &format!("{mark}_"));
            let escaped = escaped.replace('-', &format!("{mark}-"));
            text.replace(&escaped, "***")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_nothing_without_its_signature() {
        let url: Url = "https://box.example/acknowledge#token=7.1772.a-b_cdEF"
            .parse()
            .unwrap();
        let json = serde_json::json!({ "text": r"7\.1772\.a\-b\_cdEF" }).to_string();
        for text in [
            url.as_str(),
            r"7\.1772\.a\-b\_cdEF",
            "text=https%3A%2F%2F7.1772.a-b_cdEF",
            &json,
        ] {
            let kept = without(text, &url);
            assert!(
                kept.contains("***") && !kept.contains("cdEF"),
                "{text}: {kept}"
            );
        }
        let bare: Url = "https://box.example/".parse().unwrap();
        assert_eq!(without("as it was", &bare), "as it was");
    }

    #[test]
    fn a_link_is_good_for_its_alert_and_its_time_and_no_other() {
        let (key, other) = (SecretString::from("a"), SecretString::from("b"));
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let token = sign(&key, 7, now).unwrap();
        assert_eq!(verify(&key, &token, now), Some(7));
        assert_eq!(verify(&other, &token, now), None);
        assert_eq!(verify(&key, &token, now + TimeDelta::days(4)), None);
        let forged = token.replacen('7', "8", 1);
        assert_eq!(verify(&key, &forged, now), None);
        for nonsense in ["", "7", "7.9", "7.9.!", "x.y.z"] {
            assert_eq!(verify(&key, nonsense, now), None, "{nonsense}");
        }
    }
}
