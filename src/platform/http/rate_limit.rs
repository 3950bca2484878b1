//! Requests a second for each client address, by GCRA.
//!
//! An IPv6 client is counted by its /64: one host has a whole one to choose addresses from.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::StatusCode;

use super::ApiError;
use super::client::Client;

/// Counts requests for each client address. Cheap to clone.
#[derive(Clone)]
pub struct IpLimiter {
    limiter: Arc<DefaultKeyedRateLimiter<IpAddr>>,
    clock: DefaultClock,
}

impl IpLimiter {
    /// Lets this many through a second, and as many at once.
    pub fn per_second(requests: NonZeroU32) -> Self {
        Self::new(Quota::per_second(requests))
    }

    /// Lets this many through a minute, and as many at once.
    pub fn per_minute(requests: NonZeroU32) -> Self {
        Self::new(Quota::per_minute(requests))
    }

    fn new(quota: Quota) -> Self {
        Self {
            limiter: Arc::new(RateLimiter::keyed(quota)),
            clock: DefaultClock::default(),
        }
    }

    /// Takes one request from the client's budget, or says in how many seconds to come back.
    pub fn check(&self, ip: IpAddr) -> Result<(), u64> {
        self.limiter.check_key(&bucket(ip)).map_err(|denied| {
            denied
                .wait_time_from(self.clock.now())
                .as_secs()
                .saturating_add(1)
        })
    }

    /// Forgets clients whose budget is full again, so that the table stays small.
    pub fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// How much of what each client address may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Requests a second on the API.
    pub api_per_second: NonZeroU32,
    /// Logins a minute.
    pub login_per_minute: NonZeroU32,
    /// Requests a minute that check the password of somebody who is signed in.
    pub password_per_minute: NonZeroU32,
    /// Requests a minute with a setup link.
    pub setup_per_minute: NonZeroU32,
}

impl Default for Rates {
    fn default() -> Self {
        const FIVE: NonZeroU32 = NonZeroU32::new(5).unwrap();
        const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
        const THIRTY: NonZeroU32 = NonZeroU32::new(30).unwrap();
        Self {
            api_per_second: THIRTY,
            login_per_minute: FIVE,
            password_per_minute: FIVE,
            setup_per_minute: TEN,
        }
    }
}

/// A limiter for each of the [`Rates`]. Cheap to clone.
#[derive(Clone)]
pub struct Limits {
    /// The API as a whole.
    pub api: IpLimiter,
    /// Logins.
    pub login: IpLimiter,
    /// Checks of the password of somebody who is signed in.
    pub password: IpLimiter,
    /// The setup link.
    pub setup: IpLimiter,
}

impl Limits {
    /// Limiters with full budgets.
    pub fn new(rates: Rates) -> Self {
        Self {
            api: IpLimiter::per_second(rates.api_per_second),
            login: IpLimiter::per_minute(rates.login_per_minute),
            password: IpLimiter::per_minute(rates.password_per_minute),
            setup: IpLimiter::per_minute(rates.setup_per_minute),
        }
    }

    /// Forgets clients whose budgets are full again, so that the tables stay small.
    pub fn forget_idle(&self) {
        for limiter in [&self.api, &self.login, &self.password, &self.setup] {
            limiter.forget_idle();
        }
    }
}

/// Whom a client is counted as: an IPv6 client as its /64.
pub fn bucket(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

/// The answer to one request too many.
pub fn too_many(wait_seconds: u64) -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        format!("Too many requests. Try again in {wait_seconds} s."),
    )
    .retry_after(wait_seconds)
}

/// Middleware: limits everything behind it.
pub async fn limit(State(limiter): State<IpLimiter>, request: Request, next: Next) -> Response {
    let verdict = match request.extensions().get::<Client>() {
        Some(client) => limiter.check(client.ip),
        None => Ok(()),
    };
    match verdict {
        Ok(()) => next.run(request).await,
        Err(wait_seconds) => too_many(wait_seconds).into_response(),
    }
}
