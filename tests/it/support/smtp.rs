//! A real SMTP server on loopback (the state machine of `mailin`, TLS of `rustls`), which can be made to
//! refuse, to stall and to cheat.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use flowkeep::platform::lifecycle::Lifecycle;
use mailin::response::{INVALID_CREDENTIALS, OK};
use mailin::{Action, AuthMechanism, Handler, Response, SessionBuilder};
use parking_lot::Mutex;
use rcgen::{KeyPair, generate_simple_self_signed};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub const USER: &str = "box@example.org";
pub const SECRET: &str = "a very secret word";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    None,
    StartTls,
    Tls,
}

/// Where the server says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    Greeting,
    /// After it said that encryption may begin.
    Handshake,
    Login,
    Recipient,
    Data,
}

/// How the server behaves.
#[derive(Clone)]
pub struct Behaviour {
    pub encryption: Encryption,
    /// Which ways to sign in there are; none for a server that wants no login.
    pub logins: Vec<AuthMechanism>,
    pub stall: Option<Stall>,
    /// What stands behind the answer to STARTTLS, as somebody in between would put it there.
    pub injected: Option<&'static [u8]>,
}

impl Behaviour {
    pub fn new(encryption: Encryption) -> Self {
        Self {
            encryption,
            logins: Vec::new(),
            stall: None,
            injected: None,
        }
    }

    pub fn login(mut self, login: AuthMechanism) -> Self {
        self.logins.push(login);
        self
    }

    pub fn stall(mut self, stall: Stall) -> Self {
        self.stall = Some(stall);
        self
    }
}

/// A message that came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub data: Vec<u8>,
    pub login: Option<String>,
    pub is_encrypted: bool,
}

/// What is seen and what is to be said.
#[derive(Default)]
pub struct Shared {
    pub received: Mutex<Vec<Received>>,
    pub connections: AtomicU32,
    /// Commands that named a sender.
    pub senders: AtomicU32,
    /// Answers to recipients whose address begins so, each once.
    pub refusals: Mutex<VecDeque<(&'static str, u16, &'static str)>>,
    /// The answer to the next sender.
    pub sender_answer: Mutex<Option<(u16, &'static str)>>,
    /// The answer to the next message, once it is whole.
    pub content_answer: Mutex<Option<(u16, &'static str)>>,
    /// Counts how often everybody was hung up on.
    hung_up: watch::Sender<u32>,
    /// Passwords that came over the wire without encryption.
    pub passwords_in_clear: AtomicU32,
}

pub struct SmtpServer {
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
    tasks: Lifecycle,
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.tasks.stop();
        self.tasks.hard().cancel();
    }
}

impl SmtpServer {
    /// With a certificate of its own that nobody vouches for.
    pub async fn start(behaviour: Behaviour) -> Self {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = generate_simple_self_signed(names).unwrap();
        let certificate = made.cert.der().clone();
        Self::with_certificate(behaviour, certificate, &made.signing_key).await
    }

    pub async fn with_certificate(
        behaviour: Behaviour,
        certificate: CertificateDer<'static>,
        key: &KeyPair,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let tasks = Lifecycle::new(Duration::from_millis(1));
        let (state, inner) = (Arc::clone(&shared), tasks.clone());
        let acceptor = acceptor(certificate, key);
        tasks.spawn("mail server", async move {
            while let Ok((stream, _)) = listener.accept().await {
                state.connections.fetch_add(1, Ordering::SeqCst);
                let (state, acceptor) = (Arc::clone(&state), acceptor.clone());
                let behaviour = behaviour.clone();
                inner.spawn("mail client", async move {
                    let _ = converse(stream, &behaviour, &state, &acceptor).await;
                });
            }
        });
        Self {
            address,
            shared,
            tasks,
        }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().clone()
    }

    pub fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The next recipient whose address begins so is answered like this.
    pub fn refuse(&self, address: &'static str, code: u16, words: &'static str) {
        let mut refusals = self.shared.refusals.lock();
        refusals.push_back((address, code, words));
    }

    /// Ends every conversation, as servers do that were idle for too long.
    pub fn hang_up(&self) {
        self.shared.hung_up.send_modify(|times| *times += 1);
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    flowkeep::platform::tls::install();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn converse(
    stream: TcpStream,
    behaviour: &Behaviour,
    shared: &Arc<Shared>,
    acceptor: &TlsAcceptor,
) -> io::Result<()> {
    let peer = stream.peer_addr()?.ip();
    if behaviour.stall == Some(Stall::Greeting) {
        return never(stream).await;
    }
    let mut builder = SessionBuilder::new("mail.example.org");
    for login in &behaviour.logins {
        builder.enable_auth(login.clone());
    }
    match behaviour.encryption {
        Encryption::StartTls => {
            builder.enable_start_tls();
        }
        Encryption::None => {
            builder.insecure_enable_plaintext_auth();
        }
        Encryption::Tls => {}
    }
    // mailin tells its handler nothing of TLS.
    let is_encrypted = Arc::new(AtomicBool::new(false));
    let mailbox = Mailbox {
        shared: Arc::clone(shared),
        is_encrypted: Arc::clone(&is_encrypted),
        message: Received::default(),
    };
    let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(stream));
    if behaviour.encryption == Encryption::Tls {
        stream = BufReader::new(Box::new(acceptor.accept(stream.into_inner()).await?));
        is_encrypted.store(true, Ordering::SeqCst);
    }
    let mut session = builder.build(peer, mailbox);
    if is_encrypted.load(Ordering::SeqCst) {
        session.tls_active();
    }
    write(&mut stream, &session.greeting()).await?;
    let mut is_data = false;
    let mut hung_up = shared.hung_up.subscribe();
    loop {
        let mut line = Vec::new();
        tokio::select! {
            biased;
            _ = hung_up.changed() => return Ok(()),
            read = stream.read_until(b'\n', &mut line) => if read? == 0 {
                return Ok(());
            },
        }
        if stalls(behaviour.stall, &line, is_data) {
            return never(stream).await;
        }
        let answer = session.process(&line);
        is_data = answer.code == 354 || (is_data && answer.action == Action::NoReply);
        match answer.action {
            Action::NoReply => {}
            Action::Close => return write(&mut stream, &answer).await,
            Action::Reply => write(&mut stream, &answer).await?,
            Action::UpgradeTls => {
                let mut bytes = answer.buffer()?;
                bytes.extend_from_slice(behaviour.injected.unwrap_or_default());
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                if behaviour.stall == Some(Stall::Handshake) {
                    return never(stream).await;
                }
                let plain = stream.into_inner();
                stream = BufReader::new(Box::new(acceptor.accept(plain).await?));
                is_encrypted.store(true, Ordering::SeqCst);
                session.tls_active();
            }
        }
    }
}

fn stalls(stall: Option<Stall>, line: &[u8], is_data: bool) -> bool {
    let begins = |word: &str| line.to_ascii_uppercase().starts_with(word.as_bytes());
    match stall {
        Some(Stall::Login) => !is_data && begins("AUTH"),
        Some(Stall::Recipient) => !is_data && begins("RCPT"),
        Some(Stall::Data) => is_data && line == b".\r\n",
        Some(Stall::Greeting | Stall::Handshake) | None => false,
    }
}

/// Keeps the connection and says nothing.
async fn never<T>(_stream: T) -> io::Result<()> {
    std::future::pending().await
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), answer: &Response) -> io::Result<()> {
    stream.write_all(&answer.buffer()?).await?;
    stream.flush().await
}

struct Mailbox {
    shared: Arc<Shared>,
    is_encrypted: Arc<AtomicBool>,
    message: Received,
}

impl Mailbox {
    fn sign_in(&mut self, name: &str, password: &str) -> Response {
        if !self.is_encrypted.load(Ordering::SeqCst) {
            self.shared
                .passwords_in_clear
                .fetch_add(1, Ordering::SeqCst);
        }
        if name == USER && password == SECRET {
            self.message.login = Some(name.to_owned());
            mailin::response::AUTH_OK
        } else {
            INVALID_CREDENTIALS
        }
    }
}

impl Handler for Mailbox {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, from: &str) -> Response {
        self.shared.senders.fetch_add(1, Ordering::SeqCst);
        from.clone_into(&mut self.message.from);
        self.message.to.clear();
        self.message.data.clear();
        match self.shared.sender_answer.lock().take() {
            Some((code, words)) => Response::custom(code, words.to_owned()),
            None => OK,
        }
    }

    fn rcpt(&mut self, to: &str) -> Response {
        let mut refusals = self.shared.refusals.lock();
        let at = refusals
            .iter()
            .position(|(start, ..)| to.starts_with(start));
        if let Some((_, code, words)) = at.and_then(|at| refusals.remove(at)) {
            return Response::custom(code, words.to_owned());
        }
        self.message.to.push(to.to_owned());
        OK
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.message.data.extend_from_slice(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        if let Some((code, words)) = self.shared.content_answer.lock().take() {
            return Response::custom(code, words.to_owned());
        }
        self.message.is_encrypted = self.is_encrypted.load(Ordering::SeqCst);
        self.shared.received.lock().push(self.message.clone());
        Response::custom(250, "2.0.0 queued as 4711".to_owned())
    }

    fn auth_plain(&mut self, _authorization: &str, name: &str, password: &str) -> Response {
        self.sign_in(name, password)
    }

    fn auth_login(&mut self, name: &str, password: &str) -> Response {
        self.sign_in(name, password)
    }
}
