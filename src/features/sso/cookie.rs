//! The cookie of the parent domain.
//!
//! Every tool under that domain can read it, so it opens tools and nothing else: the API never looks at it, and it ends
//! with the session that it was made in. A sibling can plant another of the same name; two of them are none.

use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue};

use crate::features::auth::{Malformed, single_token};

/// Its name. The prefix makes browsers take it over HTTPS only.
pub const NAME: &str = "__Secure-flowkeep_sso";

/// The token in it, if there is exactly one.
pub fn read(headers: &HeaderMap) -> Result<Option<&str>, Malformed> {
    single_token(headers, NAME)
}

/// The `Set-Cookie` header that stores a token for so long.
pub fn store(domain: &str, token: &str, lifetime: TimeDelta) -> Option<HeaderValue> {
    let seconds = lifetime.num_seconds().max(0);
    let text = format!(
        "{NAME}={token}; Domain={domain}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax; Secure"
    );
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The `Set-Cookie` header that makes the browser forget it.
pub fn forget(domain: &str) -> Option<HeaderValue> {
    store(domain, "", TimeDelta::zero())
}
