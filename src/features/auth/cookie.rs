//! The cookies of Flowkeep's own host: the session, the mark of a browser that signed in before, and
//! that of one which is on its way to another tool.
//!
//! Over HTTPS and on the machine itself they carry the `__Host-` prefix with `Secure`. A browser
//! drops such cookies over plain HTTP on a LAN, so there, and only there, they go without, under
//! names of their own. Those names are never believed over HTTPS: whoever can write into the
//! plain connection must not be able to plant a session in the safe one.

use std::net::IpAddr;

use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, header};

use crate::platform::http::client::Client;

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieKind {
    /// The session's token.
    Session,
    /// The known device's token.
    Device,
    /// The mark of a browser that is to come back to a tool after it signed in.
    Return,
}

/// How a request came, as far as cookies are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS, to us or to a trusted proxy.
    Https,
    /// Plain HTTP to this very machine, which browsers trust as much.
    Loopback,
    /// Plain HTTP over a network.
    Plain,
}

/// A cookie that is there twice or is no token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Transport {
    /// How this request came.
    pub fn of(client: &Client, headers: &HeaderMap) -> Self {
        if client.is_https {
            Self::Https
        } else if client.ip.is_loopback() && is_loopback_host(headers) {
            Self::Loopback
        } else {
            Self::Plain
        }
    }

    fn name(self, kind: CookieKind) -> &'static str {
        match (self, kind) {
            (Self::Https | Self::Loopback, CookieKind::Session) => "__Host-flowkeep_session",
            (Self::Plain, CookieKind::Session) => "flowkeep_session",
            (Self::Https | Self::Loopback, CookieKind::Device) => "__Host-flowkeep_device",
            (Self::Plain, CookieKind::Device) => "flowkeep_device",
            (Self::Https | Self::Loopback, CookieKind::Return) => "__Host-flowkeep_return",
            (Self::Plain, CookieKind::Return) => "flowkeep_return",
        }
    }

    /// The token in this cookie, if there is one. The prefixed name is looked for on every
    /// transport: a browser only ever sends it when it was set safely. The plain one is looked for
    /// on every transport but HTTPS: a proxy on this machine may pass on what came over the
    /// network.
    pub fn read(self, kind: CookieKind, headers: &HeaderMap) -> Result<Option<&str>, Malformed> {
        match single_token(headers, Self::Https.name(kind))? {
            None if self != Self::Https => single_token(headers, Self::Plain.name(kind)),
            found => Ok(found),
        }
    }

    /// The `Set-Cookie` header that stores a token for so long.
    pub fn store(self, kind: CookieKind, token: &str, lifetime: TimeDelta) -> Option<HeaderValue> {
        let text = self.attributes(kind, token, lifetime.num_seconds().max(0));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The `Set-Cookie` headers that make the browser forget a token.
    pub fn forget(self, kind: CookieKind) -> impl Iterator<Item = HeaderValue> {
        let plain = (self == Self::Loopback).then_some(Self::Plain);
        [Some(self), plain]
            .into_iter()
            .flatten()
            .filter_map(move |transport| {
                HeaderValue::from_str(&transport.attributes(kind, "", 0)).ok()
            })
    }

    fn attributes(self, kind: CookieKind, value: &str, max_age_seconds: i64) -> String {
        let name = self.name(kind);
        let secure = match self {
            Self::Https | Self::Loopback => "; Secure",
            Self::Plain => "",
        };
        // Whoever comes from a tool of another site must still be known as who left for it.
        let same_site = match kind {
            CookieKind::Session | CookieKind::Device => "Strict",
            CookieKind::Return => "Lax",
        };
        format!(
            "{name}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite={same_site}{secure}"
        )
    }
}

/// Whether the session of whoever asks travels unprotected: over plain HTTP through a network.
pub fn travels_in_the_clear(client: &Client, headers: &HeaderMap) -> bool {
    Transport::of(client, headers) == Transport::Plain
}

/// Whether this is the form of our tokens: 64 lower-case hexadecimal characters.
pub fn is_token(text: &[u8]) -> bool {
    text.len() == 64
        && text
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The token in the cookie of this name, if there is exactly one.
pub fn single_token<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Malformed> {
    let mut found = None;
    for header in headers.get_all(header::COOKIE) {
        for pair in header.as_bytes().split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            let Some(value) = pair.strip_prefix(name.as_bytes()) else {
                continue;
            };
            let Some(value) = value.strip_prefix(b"=") else {
                continue;
            };
            // A sibling host can plant a second one; which of them is ours cannot be told.
            if found.is_some() || !is_token(value) {
                return Err(Malformed);
            }
            found = Some(std::str::from_utf8(value).map_err(|_| Malformed)?);
        }
    }
    Ok(found)
}

fn is_loopback_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value.parse().unwrap());
        }
        map
    }

    fn client(ip: &str, is_https: bool) -> Client {
        Client {
            ip: ip.parse().unwrap(),
            is_https,
            user_agent: None,
        }
    }

    #[test]
    fn only_https_and_the_machine_itself_count_as_secure() {
        let of = |ip: &str, is_https, host: &str| {
            Transport::of(&client(ip, is_https), &headers(&[(header::HOST, host)]))
        };
        assert_eq!(of("198.51.100.1", true, "box.lan"), Transport::Https);
        for host in [
            "127.0.0.1:3333",
            "localhost:3333",
            "[::1]:3333",
            "LOCALHOST",
        ] {
            assert_eq!(of("127.0.0.1", false, host), Transport::Loopback, "{host}");
            assert_eq!(of("192.168.1.5", false, host), Transport::Plain, "{host}");
        }
        for host in [
            "box.lan:3333",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
        ] {
            assert_eq!(of("127.0.0.1", false, host), Transport::Plain, "{host}");
        }
    }

    #[test]
    fn the_plain_name_is_never_believed_over_https() {
        let cookie = format!("flowkeep_session={TOKEN}");
        let map = headers(&[(header::COOKIE, &cookie)]);
        assert_eq!(Transport::Https.read(CookieKind::Session, &map), Ok(None));
        for transport in [Transport::Plain, Transport::Loopback] {
            assert_eq!(transport.read(CookieKind::Session, &map), Ok(Some(TOKEN)));
        }
    }

    #[test]
    fn a_cookie_that_is_there_twice_or_malformed_is_an_error() {
        for cookie in [
            format!("__Host-flowkeep_session={TOKEN}; __Host-flowkeep_session={TOKEN}"),
            "__Host-flowkeep_session=".to_owned(),
            "__Host-flowkeep_session=\"x\"".to_owned(),
            format!("__Host-flowkeep_session={TOKEN}0"),
            format!("__Host-flowkeep_session={}", TOKEN.to_uppercase()),
        ] {
            let map = headers(&[(header::COOKIE, &cookie)]);
            let read = Transport::Https.read(CookieKind::Session, &map);
            assert_eq!(read, Err(Malformed), "{cookie}");
        }
    }

    #[test]
    fn other_cookies_do_not_disturb() {
        let cookie = format!("a; __Host-flowkeep_sessionx=1; __Host-flowkeep_session={TOKEN};b=\"");
        let mut map = headers(&[(header::COOKIE, &cookie)]);
        map.append(
            header::COOKIE,
            HeaderValue::from_bytes(b"c=\xff\xfe").unwrap(),
        );
        let read = Transport::Https.read(CookieKind::Session, &map);
        assert_eq!(read, Ok(Some(TOKEN)));
    }
}
