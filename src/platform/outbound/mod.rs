//! Requests to places that people name. Every address is checked after its name was resolved and
//! before anything is sent (OWASP ASVS 15.3.2, 1.3.6): what a URL looks like says nothing about where it leads.

mod client;
mod policy;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use client::{Names, Outbound, SystemNames, guarded_client};
pub use policy::{NEAR, Policy, Refusal, check_address, check_port, check_url};

/// Most of an answer that is read.
pub const MOST_BYTES: usize = 64 * 1024;
/// Most of a body that is sent: a long message, percent-encoded.
pub const MOST_SENT: usize = 256 * 1024;

/// A request to somewhere else.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// How.
    pub method: http::Method,
    /// Where. Never with a name and a password in it: they belong in a header.
    pub url: url::Url,
    /// With these headers.
    pub headers: Vec<(String, String)>,
    /// With this body.
    pub body: Vec<u8>,
    /// Whether the certificate must be right.
    pub is_verified: bool,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long the server asks to be left alone (RFC 9110, 10.2.3).
    pub retry_after: Option<Duration>,
    /// The first 64 KB of what it said.
    pub body: String,
    /// Whether it came from this machine or a private network.
    pub is_near: bool,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// It must not be asked.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// What is to be sent is too large.
    #[error("it is {0} bytes long; more than 262144 are not sent")]
    TooLarge(usize),
    /// Something in it is nothing that a request can hold.
    #[error("the request cannot be written: {0}")]
    Unwritable(String),
    /// The name has no address.
    #[error(
        "the name {0} cannot be resolved: {1}. Check its spelling, and that this machine's DNS answers"
    )]
    Unresolved(String, String),
    /// It took too long.
    #[error(
        "no answer within {} seconds. Check the address and the port, and that no firewall stands between",
        .0.as_secs()
    )]
    TimedOut(Duration),
    /// The connection failed.
    #[error("{0}")]
    Failed(String),
}

impl Unreached {
    /// Whether it stays so, however often it is tried.
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::TooLarge(_) | Self::Unwritable(_)
        )
    }
}

/// What a request comes to.
pub type Exchange<'a> = Pin<Box<dyn Future<Output = Result<Answer, Unreached>> + Send + 'a>>;

/// Takes requests elsewhere: the edge of this program. [`Outbound`] does it for real.
pub trait Wire: Send + Sync {
    /// Sends a request and reads the answer.
    fn exchange(&self, outgoing: Outgoing) -> Exchange<'_>;
}
