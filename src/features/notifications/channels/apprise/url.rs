//! Reads and writes Apprise's URLs, which look like others but are not: the host may be a token, the path may
//! hold `#rooms` and `@people`, and what follows a colon need not be a port.

use std::collections::BTreeMap;
use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::features::notifications::channels::form::Misfit;

/// Longer ones mean something else.
const MOST_CHARS: usize = 4_000;

/// Everything but what RFC 3986 reserves for nothing.
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same, with what paths may hold as it is; commas and semicolons separate targets in Apprise.
const SEGMENT: &AsciiSet = &PART
    .remove(b'@')
    .remove(b':')
    .remove(b'!')
    .remove(b'*')
    .remove(b'=');

/// An Apprise URL in its parts, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppriseUrl {
    /// In small letters.
    pub scheme: String,
    /// Before the colon in front of the host.
    pub user: Option<String>,
    /// After it.
    pub password: Option<String>,
    /// The host, or a service's first token.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
    /// The path's segments.
    pub path: Vec<String>,
    /// Query parameters; the names with their signs.
    pub query: BTreeMap<String, String>,
}

fn misfit(why: impl Into<String>) -> Misfit {
    Misfit::new("url", why)
}

fn decode(text: &str) -> Result<String, Misfit> {
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| misfit("it holds bytes that are no UTF-8"))?;
    if decoded.chars().any(char::is_control) {
        return Err(misfit("it holds a control character, a line break maybe"));
    }
    Ok(decoded.trim().to_owned())
}

fn given(text: &str) -> Result<Option<String>, Misfit> {
    Ok(Some(decode(text)?).filter(|text| !text.is_empty()))
}

impl AppriseUrl {
    /// Reads one, as leniently as Apprise does.
    pub fn read(text: &str) -> Result<Self, Misfit> {
        let text = text.trim();
        if text.chars().count() > MOST_CHARS {
            return Err(misfit(format!("it is longer than {MOST_CHARS} characters")));
        }
        let shape = || misfit("it is not of the form scheme://…");
        let (scheme, rest) = text.split_once("://").ok_or_else(shape)?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if scheme.is_empty() || !scheme.chars().all(is_word) {
            return Err(shape());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        let (user, password) =
            userinfo.map_or((None, None), |userinfo| match userinfo.split_once(':') {
                Some((user, password)) => (Some(user), Some(password)),
                None => (Some(userinfo), None),
            });
        let mut url = Self {
            scheme: scheme.to_ascii_lowercase(),
            user: user.map(given).transpose()?.flatten(),
            password: password.map(given).transpose()?.flatten(),
            ..Self::default()
        };
        url.set_authority(host)?;
        url.path = path
            .split('/')
            .map(given)
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?;
        for pair in query.split(['&', ';']).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            // Names of headers and form fields keep their letters; Apprise's own words are small.
            let name = match name.chars().next() {
                Some('+' | '-' | ':') => name,
                _ => name.to_ascii_lowercase(),
            };
            if !name.is_empty() {
                url.query.insert(name, decode(value)?);
            }
        }
        Ok(url)
    }

    /// Sets host and port from `host:port`, percent-encoded. A port that is none belongs to the host.
    pub fn set_authority(&mut self, text: &str) -> Result<(), Misfit> {
        let port = text
            .rsplit_once(':')
            .filter(|(host, _)| !host.contains(':') || host.ends_with(']'))
            .and_then(|(host, port)| {
                let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
                is_number.then_some((host, port))
            });
        let host = port.map_or(text, |(host, _)| host);
        self.host = decode(host)?;
        self.port = port.map(|(_, port)| port);
        Ok(())
    }

    /// The segments of the path that come as targets, and those of `?to=`.
    pub fn targets(&self, from: usize) -> Vec<String> {
        let more = self.query.get("to").map_or("", String::as_str);
        let path = self.path.iter().skip(from).map(String::as_str);
        path.chain(more.split(','))
            .map(str::trim)
            .filter(|target| !target.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// Writes it so that [`AppriseUrl::read`] reads the same.
    pub fn write(&self) -> String {
        let mut text = format!("{}://", self.scheme);
        let part = |part: &str| utf8_percent_encode(part, PART).to_string();
        if self.user.is_some() || self.password.is_some() {
            text.push_str(&part(self.user.as_deref().unwrap_or_default()));
            if let Some(password) = &self.password {
                text.push(':');
                text.push_str(&part(password));
            }
            text.push('@');
        }
        text.push_str(&self.host_text());
        if let Some(port) = self.port {
            // Writing to a string does not fail.
            let _ = write!(text, ":{port}");
        }
        for segment in &self.path {
            text.push('/');
            text.push_str(&utf8_percent_encode(segment, SEGMENT).to_string());
        }
        for (index, (name, value)) in self.query.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            let sign = name.starts_with(['+', '-', ':']);
            let (sign, name) = name.split_at(usize::from(sign));
            text.push_str(sign);
            let _ = write!(text, "{}={}", part(name), part(value));
        }
        text
    }

    /// `[::1]` and `123:ABC` as they are; the rest of what could mislead encoded.
    fn host_text(&self) -> String {
        let inside = self
            .host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'));
        if inside.is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok()) {
            return self.host.clone();
        }
        let encode = |text: &str| utf8_percent_encode(text, PART).to_string();
        match self.host.split_once(':') {
            Some((before, after)) if self.port.is_none() && after.parse::<u32>().is_err() => {
                format!("{}:{}", encode(before), encode(after))
            }
            _ => encode(&self.host),
        }
    }
}
