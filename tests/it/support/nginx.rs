//! A real nginx with the shipped configuration, a tool behind it, and a client that sends what it likes.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub const HOSTS: [&str; 4] = [
    "flowkeep.example.com",
    "dozzle.example.com",
    "adminer.example.com",
    "other.example.com",
];

/// Where Flowkeep's files for nginx are.
pub fn shipped() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/nginx"))
}

pub fn free_port() -> u16 {
    // nginx takes no port 0; between asking for a free one and taking it nobody else does here.
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Ports that stand for 80, 443 and 3333.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub http: u16,
    pub https: u16,
    pub flowkeep: u16,
}

impl Ports {
    pub fn free() -> Self {
        let held: Vec<_> = (0..3)
            .map(|_| StdListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let port = |number: usize| held[number].local_addr().unwrap().port();
        Self {
            http: port(0),
            https: port(1),
            flowkeep: port(2),
        }
    }
}

pub struct Nginx {
    pub dir: TempDir,
    pub ports: Ports,
    certificate: CertificateDer<'static>,
    child: Child,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// Every value under that name.
    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        let all = self.headers.iter();
        all.filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        if status == "100" {
            return Self::parse(&bytes[end + 4..]);
        }
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = &bytes[end + 4..];
        let is_chunked = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("transfer-encoding") && value == "chunked"
        });
        let body = if is_chunked {
            unchunk(body)
        } else {
            body.to_vec()
        };
        Self {
            status: status.parse().unwrap(),
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
    whole
}

/// What is put in the place of the examples in the shipped files.
pub fn fitted(
    text: &str,
    ports: Ports,
    flowkeep: SocketAddr,
    tool: SocketAddr,
    certificates: &str,
) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let bare = line.trim();
        if bare.starts_with("listen [::]") {
            continue;
        }
        let line = line
            .replace("listen 80;", &format!("listen 127.0.0.1:{};", ports.http))
            .replace("listen 443 ", &format!("listen 127.0.0.1:{} ", ports.https))
            .replace(
                "listen 3333 ",
                &format!("listen 127.0.0.1:{} ", ports.flowkeep),
            )
            .replace("server 127.0.0.1:3334;", &format!("server {flowkeep};"))
            .replace("http://127.0.0.1:8080;", &format!("http://{tool};"))
            .replace("http://127.0.0.1:8081;", &format!("http://{tool};"))
            .replace(
                "default https://flowkeep.example.com;",
                &format!("default https://flowkeep.example.com:{};", ports.https),
            )
            .replace("/etc/ssl/", certificates);
        lines.push(line);
    }
    lines.join("\n") + "\n"
}

/// Lays the shipped files out as on a machine, under `dir`.
pub fn lay_out(
    dir: &Path,
    ports: Ports,
    flowkeep: SocketAddr,
    tool: SocketAddr,
) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(HOSTS.map(str::to_owned)).unwrap();
    for folder in [
        "conf.d",
        "snippets",
        "sites-enabled",
        "flowkeep-tools",
        "ssl",
        "temp",
    ] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let certificates = format!("{}/ssl/", dir.display());
    for host in HOSTS {
        std::fs::write(format!("{certificates}{host}.pem"), cert.pem()).unwrap();
        std::fs::write(
            format!("{certificates}{host}.key"),
            signing_key.serialize_pem(),
        )
        .unwrap();
    }
    let mut files = vec![
        (
            "flowkeep-http.conf".to_owned(),
            "conf.d/flowkeep-http.conf".to_owned(),
        ),
        (
            "flowkeep.conf".to_owned(),
            "sites-enabled/flowkeep.conf".to_owned(),
        ),
    ];
    for (folder, to) in [
        ("snippets", "snippets"),
        ("flowkeep-tools", "flowkeep-tools"),
        ("sites", "sites-enabled"),
    ] {
        for entry in std::fs::read_dir(shipped().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            files.push((format!("{folder}/{name}"), format!("{to}/{name}")));
        }
    }
    for (from, to) in files {
        let text = std::fs::read_to_string(shipped().join(&from)).unwrap();
        let text = fitted(&text, ports, flowkeep, tool, &certificates);
        std::fs::write(dir.join(to), text).unwrap();
    }
    let temp = dir.join("temp");
    let temp = temp.display();
    let main = format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {temp}/pid;\nerror_log {temp}/error.log info;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {temp}/body;\n  proxy_temp_path {temp}/proxy;\n\
         fastcgi_temp_path {temp}/fastcgi;\n  uwsgi_temp_path {temp}/uwsgi;\n  scgi_temp_path {temp}/scgi;\n\
         include conf.d/*.conf;\n  include sites-enabled/*.conf;\n}}\n"
    );
    std::fs::write(dir.join("nginx.conf"), main).unwrap();
    cert.der().clone()
}

fn command(dir: &Path) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .arg("-p")
        .arg(dir)
        .arg("-c")
        .arg(dir.join("nginx.conf"));
    command.arg("-e").arg(dir.join("temp/error.log"));
    command
}

/// `nginx -t`.
pub fn check(dir: &Path) -> Output {
    command(dir).arg("-t").output().unwrap()
}

impl Nginx {
    /// Starts one in front of Flowkeep and of a tool.
    pub async fn start(ports: Ports, flowkeep: SocketAddr, tool: SocketAddr) -> Self {
        Self::start_with(ports, flowkeep, tool, |_| {}).await
    }

    /// The same, with files changed or added first.
    pub async fn start_with(
        ports: Ports,
        flowkeep: SocketAddr,
        tool: SocketAddr,
        change: impl FnOnce(&Path),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certificate = lay_out(dir.path(), ports, flowkeep, tool);
        change(dir.path());
        let checked = check(dir.path());
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "{said}");
        let mut start = command(dir.path());
        let child = start.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let this = Self {
            dir,
            ports,
            certificate,
            child: child.unwrap(),
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", ports.https)).is_err() {
            assert!(
                Instant::now() < deadline,
                "nginx does not listen: {}",
                this.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        this
    }

    /// What it complained of.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("temp/error.log")).unwrap_or_default()
    }

    /// A connection by TLS, for that host name.
    pub async fn connect(&self, host: &str, port: u16) -> TlsStream<TcpStream> {
        flowkeep::platform::tls::install();
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.unwrap()
    }

    /// Sends what it is given and reads until the connection ends.
    pub async fn raw(&self, host: &str, request: &[u8]) -> Reply {
        let stream = self.connect(host, self.ports.https).await;
        exchange(stream, request).await
    }

    /// The same at another port.
    pub async fn raw_at(&self, host: &str, port: u16, request: &[u8]) -> Reply {
        let stream = self.connect(host, port).await;
        exchange(stream, request).await
    }

    /// The same without TLS.
    pub async fn plain(&self, port: u16, request: &[u8]) -> Reply {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        exchange(stream, request).await
    }

    /// The same at a Unix socket under its folder.
    pub async fn local(&self, socket: &str, request: &[u8]) -> Reply {
        let stream = UnixStream::connect(self.dir.path().join(socket)).await;
        exchange(stream.unwrap(), request).await
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Reply {
    stream.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    // Whether it is said goodbye in TLS does not matter here.
    let _ = stream.read_to_end(&mut bytes).await;
    Reply::parse(&bytes)
}

/// What stands behind the gate: it says back what it was sent.
pub struct Tool {
    pub address: SocketAddr,
    /// The heads of all requests.
    pub seen: Arc<Mutex<Vec<String>>>,
    /// Lets the second event of `/events` go.
    pub go_on: Arc<Notify>,
}

impl Tool {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            go_on: Arc::default(),
        };
        let (seen, go_on) = (Arc::clone(&this.seen), Arc::clone(&this.go_on));
        #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&seen), Arc::clone(&go_on)));
            }
        });
        this
    }

    pub fn requests(&self) -> usize {
        self.seen.lock().len()
    }
}

async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>, go_on: Arc<Notify>) {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes.drain(..end);
        seen.lock().push(head.clone());
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let status = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\ntool");
        let said = if path.ends_with("/ws") && head.to_lowercase().contains("upgrade: websocket") {
            let welcome = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
            stream.write_all(welcome.as_bytes()).await.unwrap();
            let mut buffer = [0; 1024];
            while let Ok(read) = stream.read(&mut buffer).await {
                if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
            return;
        } else if path.ends_with("/events") {
            let first = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n\r\ndata: one\n\n";
            let _ = stream.write_all(first.as_bytes()).await;
            go_on.notified().await;
            let _ = stream.write_all(b"data: two\n\n").await;
            return;
        } else if path.ends_with("/import") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            let known = bytes.len().min(length);
            body[..known].copy_from_slice(&bytes[..known]);
            bytes.drain(..known);
            stream.read_exact(&mut body[known..]).await.unwrap();
            let took = format!("took {length}");
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{took}",
                took.len()
            )
        } else if path.ends_with("/401") {
            status("401 Unauthorized")
        } else if path.ends_with("/500") {
            status("500 Internal Server Error")
        } else if path.ends_with("/accel") {
            "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /flowkeep-verify\r\nContent-Length: 4\r\n\r\ntool"
                .to_owned()
        } else {
            let length = head.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{head}"
            )
        };
        if stream.write_all(said.as_bytes()).await.is_err() {
            return;
        }
    }
}
