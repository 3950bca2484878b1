//! Shows the setup link: once, on standard output, where nobody can miss it.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use secrecy::ExposeSecret;
use url::Url;

use crate::features::auth::SetupOffer;

/// Writes the link for everybody who may have to open it.
pub fn show(
    out: &mut impl Write,
    offer: &SetupOffer,
    public_url: Option<&Url>,
    listen: SocketAddr,
) -> io::Result<()> {
    let rule = "=".repeat(78);
    writeln!(out, "{rule}")?;
    writeln!(
        out,
        "Flowkeep has no administrator yet. Open this link to make one:\n"
    )?;
    for base in bases(public_url, listen) {
        writeln!(
            out,
            "    {base}/setup#token={}",
            offer.token.expose_secret()
        )?;
    }
    let until = offer.expires_at.format("%H:%M UTC");
    writeln!(
        out,
        "\nIt works once and until {until}. A restart makes a new one."
    )?;
    writeln!(out, "{rule}")?;
    out.flush()
}

fn bases(public_url: Option<&Url>, listen: SocketAddr) -> Vec<String> {
    if let Some(url) = public_url {
        return vec![url.as_str().trim_end_matches('/').to_owned()];
    }
    let address = |ip: IpAddr| format!("http://{}", SocketAddr::new(ip, listen.port()));
    if !listen.ip().is_unspecified() {
        return vec![address(listen.ip())];
    }
    let mut bases = vec![format!("http://localhost:{}", listen.port())];
    bases.extend(own_address(listen.ip()).map(address));
    bases
}

/// The address by which this machine's network knows it. Connecting a UDP socket asks the routing
/// table and sends nothing; 192.0.2.0/24 and 2001:db8::/32 are nobody's (RFC 5737, RFC 3849).
fn own_address(listen: IpAddr) -> Option<IpAddr> {
    let (bind, far): (IpAddr, IpAddr) = match listen {
        IpAddr::V4(_) => (listen, Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(_) => (
            listen,
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        ),
    };
    let socket = UdpSocket::bind((bind, 0)).ok()?;
    socket.connect((far, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use secrecy::SecretString;

    use super::*;

    fn shown(public_url: Option<&str>, listen: &str) -> String {
        let offer = SetupOffer {
            token: SecretString::from("abc"),
            expires_at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        };
        let url = public_url.map(|url| url.parse().unwrap());
        let mut out = Vec::new();
        show(&mut out, &offer, url.as_ref(), listen.parse().unwrap()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_link_names_the_address_that_people_open() {
        let public = shown(Some("https://flowkeep.example.com/"), "127.0.0.1:3333");
        assert!(
            public.contains(" https://flowkeep.example.com/setup#token=abc\n"),
            "{public}"
        );
        assert_eq!(public.matches("#token=").count(), 1);
        let v4 = shown(None, "127.0.0.1:3333");
        assert!(
            v4.contains(" http://127.0.0.1:3333/setup#token=abc\n"),
            "{v4}"
        );
        let v6 = shown(None, "[::1]:3333");
        assert!(v6.contains(" http://[::1]:3333/setup#token=abc\n"), "{v6}");
        let any = shown(None, "0.0.0.0:8080");
        assert!(
            any.contains(" http://localhost:8080/setup#token=abc\n"),
            "{any}"
        );
    }
}
