//! Who is at the other end: the client's address, and whether it came over HTTPS.
//!
//! Forwarding headers are believed only from listed proxies, and of `X-Forwarded-For` only the
//! right-most address that is not itself such a proxy counts. What cannot be parsed is refused,
//! never skipped (CVE-2024-47070).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, header};
use ipnet::IpNet;

use super::{ApiError, headers};

/// What is known of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, an IPv4-mapped IPv6 address turned back into IPv4.
    pub ip: IpAddr,
    /// Whether it speaks HTTPS, to us or to a trusted proxy.
    pub is_https: bool,
    /// What it calls itself, cut to 400 characters.
    pub user_agent: Option<String>,
}

/// Networks whose forwarding headers are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Believes these networks and nobody else.
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&ip))
    }

    /// Works out the client from the peer of the connection and the headers.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Client, ApiError> {
        let user_agent = headers.get(header::USER_AGENT).map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .chars()
                .take(400)
                .collect()
        });
        let client = self.client_without_agent(peer, headers)?;
        Ok(Client {
            user_agent,
            ..client
        })
    }

    /// The same without what the client calls itself, for where that is never told.
    pub fn client_without_agent(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<Client, ApiError> {
        let peer = canonical(peer);
        let mut client = Client {
            ip: peer,
            is_https: false,
            user_agent: None,
        };
        if !self.contains(peer) {
            return Ok(client);
        }
        for value in headers.get_all("x-forwarded-for").iter().rev() {
            let value = value.to_str().map_err(|_| malformed("X-Forwarded-For"))?;
            for hop in value.rsplit(',') {
                if !self.contains(client.ip) {
                    break;
                }
                client.ip = parse_hop(hop.trim()).ok_or_else(|| malformed("X-Forwarded-For"))?;
            }
        }
        client.is_https = headers
            .get("x-forwarded-proto")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"));
        Ok(client)
    }
}

fn malformed(name: &'static str) -> ApiError {
    ApiError::bad_request(format!("The proxy sent a malformed {name} header."))
}

fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|addr| addr.ip()))
        .or_else(|_| hop.trim_start_matches('[').trim_end_matches(']').parse())
        .ok()
        .map(canonical)
}

/// `::ffff:10.0.0.1` is `10.0.0.1`: subnets and counters must see one address.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// The other end of the connection.
pub fn peer(request: &Request) -> IpAddr {
    request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip())
}

/// Middleware: notes the [`Client`] for everything behind it.
pub async fn identify(
    State(proxies): State<TrustedProxies>,
    mut request: Request,
    next: Next,
) -> Response {
    match proxies.client(peer(&request), request.headers()) {
        Ok(client) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        Err(error) => {
            let mut response = error.into_response();
            headers::add(response.headers_mut(), true, false);
            response
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::bad_request("The client's address is unknown."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> Result<Client, ApiError> {
        let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &map)
    }

    #[test]
    fn forwarding_headers_of_strangers_are_ignored() {
        let headers = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ];
        let seen = client("203.0.113.9", &headers).unwrap();
        assert_eq!(seen.ip.to_string(), "203.0.113.9");
        assert!(!seen.is_https);
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        let headers = [("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.0.0.2")];
        assert_eq!(
            client("10.0.0.1", &headers).unwrap().ip.to_string(),
            "198.51.100.7"
        );
        let split = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "198.51.100.7"),
        ];
        assert_eq!(
            client("10.0.0.1", &split).unwrap().ip.to_string(),
            "198.51.100.7"
        );
    }

    #[test]
    fn cve_2024_47070_an_unparsable_forwarded_for_is_refused() {
        assert!(client("10.0.0.1", &[("x-forwarded-for", "a")]).is_err());
        assert!(client("10.0.0.1", &[("x-forwarded-for", "")]).is_err());
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_self() {
        assert_eq!(
            client("::ffff:203.0.113.9", &[]).unwrap().ip.to_string(),
            "203.0.113.9"
        );
    }
}
