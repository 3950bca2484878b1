//! The client that asks.

use std::error::Error;
use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use super::policy::check_name;
use super::{
    Answer, Exchange, Logins, MOST_BYTES, MOST_SENT, NEAR, Outgoing, Policy, Refusal, Unreached,
    Wire, check_address, check_url,
};
use crate::platform::causes::root_cause;
use crate::platform::tls;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(15);
/// A server that asks for more than a day is asked again after a day.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// A client for what [`Outbound`] does not fit, large answers maybe: it follows no redirect, and every address
/// is checked before anything is sent. The URL itself is for [`check_url`].
pub fn guarded_client() -> reqwest::ClientBuilder {
    tls::install();
    let guard = Guard {
        names: Arc::new(SystemNames),
        policy: Arc::new(|| NEAR),
    };
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(guard))
        .user_agent(concat!("flowkeep/", env!("CARGO_PKG_VERSION")))
}

/// What [`Names::resolve`] comes to.
pub type Resolution<'a> = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Turns names into addresses.
pub trait Names: Send + Sync {
    /// The addresses of a name.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolution<'a>;
}

/// This machine's resolver.
#[derive(Debug)]
pub struct SystemNames;

impl Names for SystemNames {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolution<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

type CurrentPolicy = Arc<dyn Fn() -> Policy + Send + Sync>;

/// Asks places that people named. Cheap to clone.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

struct Inner {
    guard: Guard,
    /// For right certificates, and for any; each with what was allowed when its connections were made.
    strict: Mutex<Option<(Policy, reqwest::Client)>>,
    lax: Mutex<Option<(Policy, reqwest::Client)>>,
    logins: Logins,
}

impl Outbound {
    /// Asks by `names` what `policy` allows at that moment.
    pub fn new(names: Arc<dyn Names>, policy: impl Fn() -> Policy + Send + Sync + 'static) -> Self {
        tls::install();
        let policy: CurrentPolicy = Arc::new(policy);
        Self(Arc::new(Inner {
            guard: Guard { names, policy },
            strict: Mutex::default(),
            lax: Mutex::default(),
            logins: Logins::default(),
        }))
    }

    /// Asks what the administrator runs: also this machine and its neighbours, never a metadata service.
    pub fn near() -> Self {
        Self::new(Arc::new(SystemNames), || NEAR)
    }

    /// The addresses of a host that may be connected to, for what does not speak HTTP. Connect to these and
    /// not to the name: it may lead elsewhere the next time.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreached> {
        let guard = &self.0.guard;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match Host::parse(host).or_else(|_| Host::parse(&format!("[{bare}]"))) {
            Ok(Host::Ipv4(ip)) => guard.allow(IpAddr::V4(ip)).map(|()| vec![IpAddr::V4(ip)])?,
            Ok(Host::Ipv6(ip)) => guard.allow(IpAddr::V6(ip)).map(|()| vec![IpAddr::V6(ip)])?,
            Ok(Host::Domain(name)) => guard.resolve(&name).await?,
            Err(_) => {
                return Err(Unreached::Unresolved(
                    host.to_owned(),
                    "it is no host name".to_owned(),
                ));
            }
        };
        Ok(found
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect())
    }

    /// The client and its connections. Those that were made under another policy are not used any more: they
    /// may lead where nobody may go now.
    fn client(&self, is_verified: bool, policy: Policy) -> Result<reqwest::Client, Unreached> {
        let slot = if is_verified {
            &self.0.strict
        } else {
            &self.0.lax
        };
        let mut slot = slot.lock();
        if let Some((_, client)) = slot.as_ref().filter(|(known, _)| *known == policy) {
            return Ok(client.clone());
        }
        let built = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(2)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_danger_accept_invalid_certs(!is_verified)
            .dns_resolver(Arc::new(self.0.guard.clone()))
            .user_agent(concat!("flowkeep/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Unreached::Failed(error.to_string()))?;
        *slot = Some((policy, built.clone()));
        Ok(built)
    }

    async fn send(&self, outgoing: Outgoing) -> Result<Answer, Unreached> {
        let policy = (self.0.guard.policy)();
        check_url(&outgoing.url, policy)?;
        if outgoing.body.len() > MOST_SENT {
            return Err(Unreached::TooLarge(outgoing.body.len()));
        }
        let client = self.client(outgoing.is_verified, policy)?;
        let timeout = outgoing.timeout;
        let mut request = client
            .request(outgoing.method, outgoing.url)
            .timeout(timeout);
        for (name, value) in &outgoing.headers {
            request = request.header(name, value);
        }
        if !outgoing.body.is_empty() {
            request = request.body(outgoing.body);
        }
        let failed = |error: reqwest::Error| unreached(error, timeout);
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let retry_after = retry_after(answer.headers());
        // What is refused with private networks forbidden, is one of them.
        let is_near = answer
            .remote_addr()
            .is_none_or(|address| check_address(address.ip(), Policy::default()).is_err());
        let mut body = Vec::new();
        // The rest of a longer answer is not read: the connection goes.
        while body.len() < MOST_BYTES {
            let Some(piece) = answer.chunk().await.map_err(failed)? else {
                break;
            };
            let room = MOST_BYTES - body.len();
            body.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Ok(Answer {
            status,
            retry_after,
            body: String::from_utf8_lossy(&body).into_owned(),
            is_near,
        })
    }
}

impl Wire for Outbound {
    fn exchange(&self, outgoing: Outgoing) -> Exchange<'_> {
        Box::pin(self.send(outgoing))
    }

    fn logins(&self) -> &Logins {
        &self.0.logins
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}

/// Resolves names for the client, once for each connection, and lets through only what is allowed.
#[derive(Clone)]
struct Guard {
    names: Arc<dyn Names>,
    policy: CurrentPolicy,
}

impl Guard {
    fn allow(&self, ip: IpAddr) -> Result<(), Refusal> {
        check_address(ip, (self.policy)())
    }

    /// Every address must be allowed: one that is not shows what the name is for.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Unreached> {
        check_name(name)?;
        let unresolved = |why: String| Unreached::Unresolved(name.to_owned(), why);
        let found = self.names.resolve(name).await;
        let found = found.map_err(|error| unresolved(root_cause(&error)))?;
        if found.is_empty() {
            return Err(unresolved("it has no address".to_owned()));
        }
        for ip in &found {
            self.allow(*ip)?;
        }
        Ok(found)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.resolve(name.as_str()).await?;
            let addresses: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

/// Finds our own words in what the client says, and takes the URL out of its.
fn unreached(error: reqwest::Error, timeout: Duration) -> Unreached {
    let mut current: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(cause) = current {
        if let Some(own) = cause.downcast_ref::<Unreached>() {
            return own.clone();
        }
        current = cause.source();
    }
    if error.is_builder() {
        return Unreached::Unwritable(root_cause(&error.without_url()));
    }
    if error.is_timeout() {
        return Unreached::TimedOut(timeout);
    }
    let remedy = remedy(&error);
    let why = root_cause(&error.without_url());
    Unreached::Failed(match remedy {
        Some(remedy) => format!("{why}. {remedy}"),
        None => why,
    })
}

/// What the person can do about a connection that failed.
fn remedy(error: &reqwest::Error) -> Option<&'static str> {
    let mut current: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = current {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(match tls {
                rustls::Error::InvalidCertificate(_) => {
                    "Give the name that the certificate is for, or switch its check off for a service of your own"
                }
                _ => "Check that the port speaks TLS, or use http",
            });
        }
        let io = cause.downcast_ref::<std::io::Error>();
        match io.map(std::io::Error::kind) {
            Some(ErrorKind::ConnectionRefused) => {
                return Some("Nothing listens there: check the port, and that the service runs");
            }
            Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
                return Some("Check the address, and that this machine has a way there");
            }
            Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
                return Some("Check that http and https are not mixed up, and the port");
            }
            _ => {}
        }
        // What an I/O error carries is not its source, but itself.
        current = match io.and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

/// Seconds, or a date (RFC 9110, 10.2.3); a date counts from the server's own.
fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    let value = text(http::header::RETRY_AFTER)?;
    let seconds = if let Ok(seconds) = value.parse::<f64>() {
        // Some servers send fractions (Discord).
        seconds
    } else {
        let date = |text: &str| chrono::DateTime::parse_from_rfc2822(text).ok();
        let then = date(value)?;
        let now = date(text(http::header::DATE)?)?;
        (then - now).num_seconds().max(0) as f64
    };
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    Some(wait.min(LONGEST_RETRY_AFTER))
}
