//! The token that a request presents: `Authorization: Bearer`, else the cookie.
//!
//! Whatever is malformed, doubled or contradictory is no token at all: it is answered 401, never
//! let through and never an error of ours (CVE-2026-25748).

use http::{HeaderMap, header};

use super::cookie::{CookieKind, Transport, is_token};
use crate::platform::http::client::Client;

/// The token, if there is exactly one in the right form.
pub fn presented_token<'a>(headers: &'a HeaderMap, client: &Client) -> Option<&'a str> {
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(value) = authorization.next() {
        if authorization.next().is_some() {
            return None;
        }
        // Another scheme, as in `Basic`, is meant for the tool behind us.
        if let Some(token) = bearer(value.as_bytes()) {
            return is_token(token).then(|| std::str::from_utf8(token).ok())?;
        }
    }
    Transport::of(client, headers)
        .read(CookieKind::Session, headers)
        .ok()?
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    let is_bearer =
        scheme.eq_ignore_ascii_case(b"bearer") && rest.first().is_none_or(u8::is_ascii_whitespace);
    is_bearer.then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    fn token(headers: &[(header::HeaderName, String)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        let client = Client {
            ip: "198.51.100.1".parse().unwrap(),
            is_https: true,
            user_agent: None,
        };
        presented_token(&map, &client).map(str::to_owned)
    }

    fn cookie(token: &str) -> (header::HeaderName, String) {
        (header::COOKIE, format!("__Host-flowkeep_session={token}"))
    }

    fn authorization(value: &str) -> (header::HeaderName, String) {
        (header::AUTHORIZATION, value.to_owned())
    }

    #[test]
    fn a_bearer_token_goes_before_the_cookie_and_another_scheme_does_not() {
        let bearer = format!("Bearer {ONE}");
        assert_eq!(token(&[cookie(TWO), authorization(&bearer)]).unwrap(), ONE);
        let basic = authorization("Basic dXNlcjpwYXNz");
        assert_eq!(token(&[cookie(TWO), basic]).unwrap(), TWO);
        let lower = format!("bearer   {ONE}");
        assert_eq!(token(&[authorization(&lower)]).unwrap(), ONE);
    }

    #[test]
    fn cve_2026_25748_what_is_malformed_is_no_token() {
        let bearer = format!("Bearer {ONE}");
        assert_eq!(token(&[]), None);
        assert_eq!(
            token(&[authorization(&bearer), authorization(&bearer)]),
            None
        );
        assert_eq!(token(&[cookie(ONE), cookie(ONE)]), None);
        for bad in ["Bearer", "Bearer ", "Bearer x", "Bearer \u{e9}"] {
            assert_eq!(token(&[cookie(ONE), authorization(bad)]), None, "{bad}");
        }
    }
}
