//! Which addresses may be asked. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// What is allowed beyond the public internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// This machine and the private networks around it.
    pub allow_private: bool,
}

/// What the administrator's own may be: n8n stands beside this.
pub const NEAR: Policy = Policy {
    allow_private: true,
};

/// Why a place must not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not of the web.
    #[error("only http and https URLs are asked, not {0}:")]
    Scheme(String),
    /// A name and a password in the URL.
    #[error("a user name or password in front of the host is not allowed in a URL")]
    Userinfo,
    /// No host.
    #[error("the URL names no host")]
    NoHost,
    /// A port on which something else listens.
    #[error("port {0} is that of another service; it is never asked")]
    Port(u16),
    /// The cloud's own services, which hand out credentials.
    #[error("{0} is a cloud's metadata service or a link-local address; those are never asked")]
    Metadata(String),
    /// No address of a single machine on the internet.
    #[error("{0} is a reserved address; those are never asked")]
    Reserved(IpAddr),
    /// Private, and those are not allowed here.
    #[error(
        "{0} is a private address. Allow private networks under Settings, Notifications, if it is yours"
    )]
    Private(IpAddr),
}

/// Ports that browsers refuse too (Fetch standard, "port blocking").
const BAD_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

/// Names that clouds give their metadata services.
const METADATA_NAMES: &[&str] = &[
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
    "metadata.platformequinix.com",
];

/// Checks what can be seen from a URL itself.
pub fn check_url(url: &Url, policy: Policy) -> Result<(), Refusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refusal::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::Userinfo);
    }
    check_port(url.port_or_known_default().unwrap_or_default())?;
    match url.host() {
        None => Err(Refusal::NoHost),
        Some(Host::Ipv4(ip)) => check_address(ip.into(), policy),
        Some(Host::Ipv6(ip)) => check_address(ip.into(), policy),
        Some(Host::Domain(name)) => check_name(name),
    }
}

/// Checks a port, of whatever is not mail.
pub fn check_port(port: u16) -> Result<(), Refusal> {
    if BAD_PORTS.contains(&port) {
        return Err(Refusal::Port(port));
    }
    Ok(())
}

/// Checks a name before it is resolved.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let plain = name.trim_end_matches('.').to_ascii_lowercase();
    if plain.is_empty() {
        return Err(Refusal::NoHost);
    }
    if METADATA_NAMES.contains(&plain.as_str()) {
        return Err(Refusal::Metadata(plain));
    }
    Ok(())
}

/// Checks an address that a name resolved to, or that stood in a URL.
pub fn check_address(ip: IpAddr, policy: Policy) -> Result<(), Refusal> {
    match ip {
        IpAddr::V4(v4) => check_v4(v4, ip, policy),
        IpAddr::V6(v6) => check_v6(v6, policy),
    }
}

/// `shown` is the address as it was given: an IPv6 form of `v4` maybe.
fn check_v4(v4: Ipv4Addr, shown: IpAddr, policy: Policy) -> Result<(), Refusal> {
    let [a, b, c, d] = v4.octets();
    let is_metadata = v4.is_link_local()
        // Alibaba, Oracle, Azure's wire server, Oracle's other one.
        || matches!([a, b, c, d], [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16]);
    if is_metadata {
        return Err(Refusal::Metadata(shown.to_string()));
    }
    let is_private = v4.is_private() || v4.is_loopback() || (a == 100 && (64..128).contains(&b));
    if is_private {
        return if policy.allow_private {
            Ok(())
        } else {
            Err(Refusal::Private(shown))
        };
    }
    let is_reserved = a == 0
        || v4.is_multicast()
        || a >= 240
        || v4.is_documentation()
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b & 0xfe) == 18);
    if is_reserved {
        return Err(Refusal::Reserved(shown));
    }
    Ok(())
}

fn check_v6(v6: Ipv6Addr, policy: Policy) -> Result<(), Refusal> {
    let shown = IpAddr::V6(v6);
    let segments = v6.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    if v6.is_loopback() {
        return if policy.allow_private {
            Ok(())
        } else {
            Err(Refusal::Private(shown))
        };
    }
    if let Some(v4) = v6.to_ipv4_mapped() {
        return check_v4(v4, shown, policy);
    }
    match segments {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) lead to the IPv4 address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            return check_v4(embedded(high, low), shown, policy);
        }
        [0x2002, high, low, ..] => return check_v4(embedded(high, low), shown, policy),
        // AWS (all of what it keeps for such services), Google, Oracle, Scaleway, Linode, Alibaba.
        [0xfd00, 0xec2, ..]
        | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]
        | [0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
        | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]
        | [0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 0x1]
        | [0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200] => {
            return Err(Refusal::Metadata(shown.to_string()));
        }
        _ => {}
    }
    if v6.is_unicast_link_local() {
        return Err(Refusal::Metadata(shown.to_string()));
    }
    if v6.is_unique_local() {
        return if policy.allow_private {
            Ok(())
        } else {
            Err(Refusal::Private(shown))
        };
    }
    // All that is handed out to machines is in 2000::/3; Teredo, ORCHID and documentation are not machines.
    let is_special = matches!(
        segments,
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..]
    );
    if segments[0] & 0xe000 != 0x2000 || is_special {
        return Err(Refusal::Reserved(shown));
    }
    Ok(())
}
