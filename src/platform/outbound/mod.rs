//! Requests to places that people name. Every address is checked after its name was resolved and
//! before anything is sent (OWASP ASVS 15.3.2, 1.3.6): what a URL looks like says nothing about where it leads.

mod client;
mod policy;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

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

    /// Where answers to logins are kept, for as long as this program runs.
    fn logins(&self) -> &Logins;
}

/// Answers to logins, by what was sent: a server that is told a password for every message lists as many devices.
#[derive(Debug, Default)]
pub struct Logins(Mutex<BTreeMap<[u8; 32], String>>);

/// More are not kept.
const MOST_LOGINS: usize = 100;

impl Logins {
    /// What a login is known by: nobody reads a password out of it.
    pub fn key(outgoing: &Outgoing) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(outgoing.url.as_str());
        hash.update([0, u8::from(outgoing.is_verified)]);
        hash.update(&outgoing.body);
        hash.finalize().into()
    }

    /// The answer to this login.
    pub fn recall(&self, key: &[u8; 32]) -> Option<String> {
        self.0.lock().get(key).cloned()
    }

    /// Keeps an answer.
    pub fn keep(&self, key: [u8; 32], answer: String) {
        let mut kept = self.0.lock();
        if kept.len() >= MOST_LOGINS {
            kept.clear();
        }
        kept.insert(key, answer);
    }

    /// Forgets one that is refused. Returns whether there was one.
    pub fn forget(&self, key: &[u8; 32]) -> bool {
        self.0.lock().remove(key).is_some()
    }
}
