//! The conversation with a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Noop, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::Instant;

use super::guard::LineByLine;
use super::message;
use super::pool::Pool;
use super::trouble::{Step, tidy};
use super::{Mail, MailServer, MailTrouble, Receipt, Security};
use crate::platform::clock::Clock;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::outbound::Outbound;

/// Longest that one of several addresses may take to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Ways to sign in with a password, the better first.
const LOGINS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

/// What a mailer is made of.
#[derive(Clone, Debug)]
pub struct MailerParts {
    /// Says which addresses may be asked.
    pub outbound: Outbound,
    /// Dates messages.
    pub clock: Clock,
    /// Closes connections that nobody uses.
    pub lifecycle: Lifecycle,
    /// How long one message may take.
    pub limit: Duration,
}

/// Sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    parts: Arc<MailerParts>,
    pool: Pool,
}

/// How far a conversation came, for when its time is over.
type Mark = Mutex<Step>;

impl Mailer {
    /// Puts it together. Touches no network.
    pub fn new(parts: MailerParts) -> Self {
        Self {
            pool: Pool::new(parts.lifecycle.clone()),
            parts: Arc::new(parts),
        }
    }

    /// Hands a message to a server. When it takes the message for some recipients only, they get it and the
    /// receipt names the others.
    pub async fn send(&self, server: &MailServer, mail: &Mail) -> Result<Receipt, MailTrouble> {
        let built = message::build(mail, self.parts.clock.now().into())?;
        let began = Instant::now();
        let bytes = built.formatted();
        let work = async |mark: &Mark| {
            let mut connection = self.connection(server, mark).await?;
            let said = hand_over(&mut connection, server, built.envelope(), &bytes, mark).await?;
            self.pool.put(server, connection);
            Ok(said)
        };
        let (response, refused) = self.within_limit(server, work).await?;
        Ok(Receipt {
            response,
            took_ms: millis(began),
            refused,
            text: format!("Subject: {}\n\n{}", mail.subject, mail.text),
        })
    }

    /// Connects and signs in, and sends nothing. The receipt holds the server's answer.
    pub async fn check(&self, server: &MailServer) -> Result<Receipt, MailTrouble> {
        let began = Instant::now();
        let work = async |mark: &Mark| {
            let mut connection = self.connect(server, mark).await?;
            let said = ask(&mut connection, server, mark, Step::Check, Noop).await?;
            self.pool.put(server, connection);
            Ok(shown(&said, server))
        };
        let response = self.within_limit(server, work).await?;
        Ok(Receipt {
            response,
            took_ms: millis(began),
            refused: Vec::new(),
            text: String::new(),
        })
    }

    /// What is cut off here drops its connection: half an answer is left in it.
    async fn within_limit<T>(
        &self,
        server: &MailServer,
        work: impl AsyncFnOnce(&Mark) -> Result<T, MailTrouble>,
    ) -> Result<T, MailTrouble> {
        let mark = Mutex::new(Step::Connect);
        let limit = self.parts.limit;
        match tokio::time::timeout(limit, work(&mark)).await {
            Ok(done) => done,
            Err(_) => Err(MailTrouble::timed_out(*mark.lock(), server, limit)),
        }
    }

    /// One that waited and is still there, or a new one.
    async fn connection(
        &self,
        server: &MailServer,
        mark: &Mark,
    ) -> Result<AsyncSmtpConnection, MailTrouble> {
        while let Some(mut waiting) = self.pool.take(server) {
            // What was allowed when it was opened may not be any more.
            self.addresses(server).await?;
            if waiting.test_connected().await {
                return Ok(waiting);
            }
        }
        self.connect(server, mark).await
    }

    async fn addresses(&self, server: &MailServer) -> Result<Vec<SocketAddr>, MailTrouble> {
        let found = self.parts.outbound.addresses(&server.host, server.port);
        found
            .await
            .map_err(|unreached| MailTrouble::unreached(&unreached, server))
    }

    async fn connect(
        &self,
        server: &MailServer,
        mark: &Mark,
    ) -> Result<AsyncSmtpConnection, MailTrouble> {
        *mark.lock() = Step::Connect;
        let addresses = self.addresses(server).await?;
        let hello = own_name(&addresses).await;
        let at = |step| move |error| MailTrouble::at(step, &error, server);
        let mut connection = if server.security == Security::Tls {
            *mark.lock() = Step::Encryption;
            let (limit, tls) = (Some(CONNECT_LIMIT), Some(tls(server)?));
            AsyncSmtpConnection::connect_tokio1(&addresses[..], limit, &hello, tls, None)
                .await
                .map_err(at(Step::Encryption))?
        } else {
            let stream = reach(&addresses, server).await?;
            *mark.lock() = Step::Greeting;
            let stream = Box::new(LineByLine::new(stream));
            let greeted = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
            greeted.map_err(at(Step::Greeting))?
        };
        if server.security == Security::StartTls {
            if !connection.can_starttls() {
                return Err(MailTrouble::no_starttls(server));
            }
            *mark.lock() = Step::Encryption;
            let started = connection.starttls(tls(server)?, &hello).await;
            started.map_err(at(Step::Encryption))?;
        }
        if let Some((name, password)) = &server.login {
            *mark.lock() = Step::Login;
            if connection
                .server_info()
                .get_auth_mechanism(LOGINS)
                .is_none()
            {
                return Err(MailTrouble::no_login(server));
            }
            let login = Credentials::new(name.clone(), password.expose_secret().to_owned());
            let let_in = connection.auth(LOGINS, &login).await;
            let_in.map_err(at(Step::Login))?;
        }
        Ok(connection)
    }
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").finish_non_exhaustive()
    }
}

/// The first address that answers.
async fn reach(addresses: &[SocketAddr], server: &MailServer) -> Result<TcpStream, MailTrouble> {
    let mut last = std::io::Error::other("it has no address");
    for address in addresses {
        match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::Error::other("no answer"),
        }
    }
    Err(MailTrouble::unconnected(&last, server))
}

fn tls(server: &MailServer) -> Result<TlsParameters, MailTrouble> {
    let host = server.host.trim_start_matches('[').trim_end_matches(']');
    TlsParameters::builder(host.to_owned())
        .dangerous_accept_invalid_certs(!server.is_verified)
        // A certificate of one's own seldom has the name by which the server is reached.
        .dangerous_accept_invalid_hostnames(!server.is_verified)
        .build()
        .map_err(|error| MailTrouble::at(Step::Encryption, &error, server))
}

/// What this machine calls itself: its whole name, or else the address it speaks from (RFC 5321, 4.1.4).
/// Some servers turn away what calls itself `localhost`.
async fn own_name(addresses: &[SocketAddr]) -> ClientId {
    let name = ClientId::default();
    if matches!(&name, ClientId::Domain(name) if name.contains('.')) {
        return name;
    }
    let Some(server) = addresses.first() else {
        return name;
    };
    let any = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let own = async {
        // Sends nothing: it only asks the kernel for the route.
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        socket.local_addr()
    };
    match own.await {
        Ok(SocketAddr::V4(own)) => ClientId::Ipv4(*own.ip()),
        Ok(SocketAddr::V6(own)) => ClientId::Ipv6(*own.ip()),
        Err(_) => name,
    }
}

/// Sends a command and reads the answer.
async fn ask(
    connection: &mut AsyncSmtpConnection,
    server: &MailServer,
    mark: &Mark,
    step: Step,
    command: impl std::fmt::Display,
) -> Result<Response, MailTrouble> {
    *mark.lock() = step;
    let answer = connection.command(command).await;
    answer.map_err(|error| MailTrouble::at(step, &error, server))
}

/// Hands the message over for all whom the server takes. One mailbox that is gone does not keep the news
/// from the others.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    server: &MailServer,
    envelope: &Envelope,
    bytes: &[u8],
    mark: &Mark,
) -> Result<(String, Vec<(String, String)>), MailTrouble> {
    let from = MailFrom::new(envelope.from().cloned(), Vec::new());
    ask(connection, server, mark, Step::Sender, from).await?;
    let mut refused = Vec::new();
    let mut worst: Option<MailTrouble> = None;
    for to in envelope.to() {
        let command = Rcpt::new(to.clone(), Vec::new());
        match ask(connection, server, mark, Step::Recipient, command).await {
            Ok(_) => {}
            // Nothing was said: the connection is gone.
            Err(trouble) if trouble.code.is_none() => return Err(trouble),
            Err(trouble) => {
                let words = trouble.response.clone().unwrap_or_default();
                refused.push((to.to_string(), words));
                // If anybody may be reached later, trying again is of use.
                if worst.as_ref().is_none_or(|worst| !worst.is_transient) {
                    worst = Some(trouble);
                }
            }
        }
    }
    if refused.len() == envelope.to().len()
        && let Some(trouble) = worst
    {
        return Err(trouble);
    }
    ask(connection, server, mark, Step::Content, Data).await?;
    let said = connection.message(bytes).await;
    let said = said.map_err(|error| MailTrouble::at(Step::Content, &error, server))?;
    Ok((shown(&said, server), refused))
}

fn shown(said: &Response, server: &MailServer) -> String {
    let words = said.message().collect::<Vec<_>>().join(" ");
    format!("{} {}", u16::from(said.code()), tidy(&words, server))
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
