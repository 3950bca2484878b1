//! `flowkeep health`: asks the daemon on this machine how it is, for a container's health check.

use std::error::Error;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(4);
const MOST_BYTES: u64 = 64 * 1024;

#[derive(Args, Debug)]
pub struct HealthArgs {
    /// The address that the daemon listens on.
    #[arg(long, env = "FLOWKEEP_LISTEN", default_value = "0.0.0.0:3333")]
    listen: SocketAddr,
}

/// Says how the daemon is. Returns whether it is ready.
pub fn run(args: &HealthArgs) -> Result<bool, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (code, health) = runtime
        .block_on(ask(args.listen))
        .map_err(|error| format!("nothing answers on {}: {error}", nearest(args.listen)))?;
    writeln!(io::stdout(), "{}", describe(&health))?;
    Ok(code == 200)
}

/// Asks `/api/health` of the daemon that listens there. Returns the status code and the answer.
pub async fn ask(listen: SocketAddr) -> io::Result<(u16, Value)> {
    tokio::time::timeout(LIMIT, exchange(nearest(listen)))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// `ok`, or what each part that is not well says.
pub fn describe(health: &Value) -> String {
    let status = health["status"].as_str().unwrap_or("unknown");
    let parts = health["parts"].as_object().into_iter().flatten();
    let unwell: Vec<String> = parts
        .filter(|(_, part)| part["status"] != "ok")
        .map(|(name, part)| format!("{name}: {}", part["detail"].as_str().unwrap_or("not well")))
        .collect();
    if unwell.is_empty() {
        status.to_owned()
    } else {
        format!("{status} ({})", unwell.join("; "))
    }
}

/// Where on this machine an address is reached.
fn nearest(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn exchange(address: SocketAddr) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /api/health HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer).await?;
    let strange = || io::Error::other("another program answers there");
    let text = String::from_utf8(answer).map_err(|_| strange())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(strange)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let health: Value = serde_json::from_str(body).map_err(|_| strange())?;
    match code {
        Some(code) if health["is_live"] == true => Ok((code, health)),
        _ => Err(strange()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_well_is_named() {
        let health = json!({ "status": "starting", "parts": {
            "database": { "status": "starting", "detail": "waiting" }, "docker": { "status": "ok", "detail": "20.10" } } });
        assert_eq!(describe(&health), "starting (database: waiting)");
        assert_eq!(describe(&json!({ "status": "ok", "parts": {} })), "ok");
    }

    #[test]
    fn an_open_address_is_reached_on_the_loopback() {
        for (listen, wanted) in [
            ("0.0.0.0:3333", "127.0.0.1:3333"),
            ("[::]:1", "[::1]:1"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ] {
            assert_eq!(nearest(listen.parse().unwrap()).to_string(), wanted);
        }
    }
}
