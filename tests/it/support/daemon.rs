//! The real program, started as a service would start it, on the database of a test.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::app::{PASSWORD, TestApp, USERNAME};
use super::postgres::{extra_dirs, url_of};

/// A running `flowkeep serve`.
pub struct Daemon {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

/// A `flowkeep` command line on the database, key and folder of an application.
pub fn command(app: &TestApp, args: &[&str]) -> Command {
    let mut command = program(args);
    command
        .env("DATABASE_URL", url_of(&app.database))
        .env("FLOWKEEP_DATA_DIR", app.data_dir.path());
    command
}

/// A `flowkeep` command line that knows the PostgreSQL programs of the tests and nothing else.
pub fn program(args: &[&str]) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test is started as a shell would"
    )]
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowkeep"));
    let dirs = std::env::join_paths(extra_dirs()).unwrap();
    command
        .args(args)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("FLOWKEEP_POSTGRES_DIRS", dirs)
        .env("FLOWKEEP_LISTEN", "127.0.0.1:0")
        .env("FLOWKEEP_ENVIRONMENT_FILE", "")
        .env("FLOWKEEP_DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

impl Daemon {
    /// Starts it and waits until it listens.
    pub async fn start(app: &TestApp) -> Self {
        Self::spawn(&mut command(app, &["serve"])).await
    }

    /// Starts a command line that serves, and waits until it listens.
    pub async fn spawn(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = channel();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening address=") {
                    let address = rest.split_whitespace().next().unwrap();
                    let _ = found.send(address.parse().unwrap());
                }
                let mut log = kept.lock();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address = receive(address, &log).await;
        Self {
            child,
            address,
            log,
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().clone()
    }

    /// Waits until its health is as wanted.
    pub async fn until_health(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = std::time::Instant::now() + Duration::from_mins(1);
        loop {
            let (_, health) = self.call("GET", "/api/health", None, None).await;
            if wanted(&health) {
                return health;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{health}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it is ready and what a crash left is settled.
    pub async fn until_settled(&self) {
        self.until_health(|health| {
            health["is_ready"] == true && health["parts"]["storage"]["status"] == "ok"
        })
        .await;
    }

    /// Signs the administrator in. Returns a token that later processes honour too.
    pub async fn login(&self) -> String {
        let body = json!({ "username": USERNAME, "password": PASSWORD, "issue": "token" });
        let (status, answer) = self
            .call("POST", "/api/auth/login", None, Some(&body))
            .await;
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().unwrap().to_owned()
    }

    /// A page as text.
    pub async fn text(&self, path: &str, token: &str) -> String {
        let (status, body) = self.exchange("GET", path, Some(token), None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// One request on a connection of its own. Returns status and JSON.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let (status, body) = self.exchange(method, path, token, body).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> (u16, String) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !body.is_empty() {
            head.push_str("Content-Type: application/json\r\n");
        }
        if let Some(token) = token {
            head = head + "Authorization: Bearer " + token + "\r\n";
        }
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream
                .write_all(format!("{head}\r\n{body}").as_bytes())
                .await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = exchange.await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Kills the process alone, as a crash or the kernel would.
    pub async fn kill(self) {
        let status = self.end(Signal::KILL).await;
        assert_eq!(status.signal(), Some(9));
    }

    /// Asks it to end and waits for that.
    pub async fn stop(self) -> ExitStatus {
        self.end(Signal::TERM).await
    }

    async fn end(mut self, signal: Signal) -> ExitStatus {
        kill_process(self.pid(), signal).unwrap();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn receive(address: Receiver<SocketAddr>, log: &Arc<Mutex<String>>) -> SocketAddr {
    let received =
        tokio::task::spawn_blocking(move || address.recv_timeout(Duration::from_mins(1)).ok());
    received
        .await
        .unwrap()
        .unwrap_or_else(|| panic!("it does not listen:\n{}", log.lock()))
}
