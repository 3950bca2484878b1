//! Messages over MQTT 3.1.1 (OASIS): a connection for each message, to an address that was checked.

mod packet;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::form::Limits;
use super::message::Message;
use super::outcome::{Attempt, Delivered, Undelivered};
use super::parts::Parts;
use super::words::{Acknowledge, Words};
use crate::platform::causes::root_cause;
use crate::platform::outbound::{Outbound, Unreached, check_port};

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How long one of the broker's addresses may take: another may be alive.
const ADDRESS_LIMIT: Duration = Duration::from_secs(8);
/// How long the goodbye may take: what was confirmed is there without it.
const GOODBYE: Duration = Duration::from_secs(1);
/// Brokers take 268 MB; people read less.
const LIMITS: Limits = Limits::new(0, 60_000, 0);

/// A broker, and what is told there.
#[derive(Clone, Debug)]
pub struct MqttRoute {
    /// The broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether over TLS.
    pub is_tls: bool,
    /// Whether its certificate must be right.
    pub is_verified: bool,
    /// Name and password, if it wants them.
    pub login: Option<(String, SecretString)>,
    /// Where to publish.
    pub topics: Vec<String>,
    /// 0: at most once, 1: at least once, 2: once.
    pub qos: u8,
    /// Whether the broker keeps the last one for those who come later.
    pub is_retained: bool,
}

/// Why it came to nothing.
enum Failure {
    /// The broker does not want it.
    Rejected(String),
    Lasting(String),
    Transient(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Transient(root_cause(&error))
    }
}

impl MqttRoute {
    /// Publishes a message to every topic that does not have it yet.
    pub async fn publish(
        &self,
        outbound: &Outbound,
        message: &Message,
        mut told: Parts,
    ) -> Attempt {
        let attempt = tokio::time::timeout(LIMIT, self.attempt(outbound, message, &mut told));
        let outcome = attempt.await.unwrap_or_else(|_| {
            let why = Unreached::TimedOut(LIMIT).to_string();
            Err(Failure::Transient(why))
        });
        let (why, is_transient, is_unreached) = match outcome {
            Ok(()) => {
                return Attempt {
                    payload: Some(words(message)),
                    outcome: Ok(Delivered {
                        status: 200,
                        words: String::new(),
                    }),
                };
            }
            Err(Failure::Rejected(why)) => (why, false, false),
            Err(Failure::Lasting(why)) => (why, false, true),
            Err(Failure::Transient(why)) => (why, true, true),
        };
        Attempt::failed(Undelivered {
            is_transient,
            is_unreached,
            parts: told,
            ..Undelivered::lasting(why, 0)
        })
    }

    async fn attempt(
        &self,
        outbound: &Outbound,
        message: &Message,
        told: &mut Parts,
    ) -> Result<(), Failure> {
        check_port(self.port).map_err(|refusal| Failure::Lasting(refusal.to_string()))?;
        let addresses = outbound.addresses(&self.host, self.port).await;
        let addresses = addresses.map_err(|error| match error {
            Unreached::Refused(_) => Failure::Lasting(error.to_string()),
            other => Failure::Transient(other.to_string()),
        })?;
        let stream = connect(&addresses).await?;
        if !self.is_tls {
            return self.talk(stream, message, told).await;
        }
        let lasting = |why: String| Failure::Lasting(why);
        let config = tls::config(self.is_verified).map_err(|error| lasting(error.to_string()))?;
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| lasting(format!("{bare} is no host name")))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        let stream = stream.map_err(|error| {
            // A certificate does not get better by itself.
            if error.kind() == io::ErrorKind::InvalidData {
                Failure::Lasting(root_cause(&error))
            } else {
                error.into()
            }
        })?;
        self.talk(stream, message, told).await
    }

    async fn talk(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        message: &Message,
        told: &mut Parts,
    ) -> Result<(), Failure> {
        let login = self.login.as_ref();
        let login = login.map(|(name, password)| (name.as_str(), password.expose_secret()));
        // 23 characters are what every broker takes; the same id twice puts the older connection out.
        let client_id: String = format!("flowkeep{}", message.id.simple())
            .chars()
            .take(23)
            .collect();
        stream
            .write_all(&packet::connect(&client_id, login))
            .await?;
        let (first, content) = read(&mut stream).await?;
        match packet::connected(first, &content).map_err(malformed)? {
            Ok(()) => {}
            Err(packet::Refusal::Lasting(why)) => {
                return Err(Failure::Rejected(why.to_owned()));
            }
            Err(packet::Refusal::Unavailable) => {
                return Err(Failure::Transient("it is not ready".to_owned()));
            }
        }
        let payload = words(message);
        for ((part, topic), id) in self.topics.iter().enumerate().zip(1_u16..) {
            if !told.is_open(part) {
                continue;
            }
            let bytes = packet::publish(topic, payload.as_bytes(), self.qos, id, self.is_retained);
            stream.write_all(&bytes).await?;
            if self.qos == 0 {
                continue;
            }
            let (first, content) = read(&mut stream).await?;
            let expected = if self.qos == 2 {
                packet::RECEIVED
            } else {
                packet::CONFIRMED
            };
            if !packet::is_about(expected, first, &content, id) {
                return Err(malformed(packet::Malformed));
            }
            if self.qos == 2 {
                stream.write_all(&packet::release(id)).await?;
                let (first, content) = read(&mut stream).await?;
                if !packet::is_about(packet::COMPLETE, first, &content, id) {
                    return Err(malformed(packet::Malformed));
                }
            }
            told.take(part);
        }
        stream.write_all(&packet::disconnect()).await?;
        stream.flush().await?;
        // The broker closes when it has read everything before. An end without a goodbye is one too, and so is a
        // broker that keeps the connection.
        let mut rest = [0; 64];
        let drain = async { while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {} };
        let _ = tokio::time::timeout(GOODBYE, drain).await;
        Ok(())
    }
}

fn words(message: &Message) -> String {
    Words::of(message, LIMITS, Acknowledge::InText).body
}

fn malformed(_: packet::Malformed) -> Failure {
    Failure::Transient("it does not answer as a broker of MQTT does".to_owned())
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut last = Failure::Transient("it has no address".to_owned());
    for address in addresses {
        match tokio::time::timeout(ADDRESS_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error.into(),
            Err(_) => {
                last = Failure::Transient(Unreached::TimedOut(ADDRESS_LIMIT).to_string());
            }
        }
    }
    Err(last)
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<(u8, Vec<u8>), Failure> {
    let first = stream.read_u8().await?;
    let mut bytes = Vec::new();
    let length = loop {
        bytes.push(stream.read_u8().await?);
        if let Some(length) = packet::length(&bytes).map_err(malformed)? {
            break length;
        }
    };
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    Ok((first, content))
}
