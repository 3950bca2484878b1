//! `GET /api/auth/verify` beside a route that does nothing, on one machine in one run.
//!
//! Both are asked over loopback by the same clients in turns, so that whatever else the machine
//! does weighs on both. Run it by `cargo bench --bench verify`; it needs PostgreSQL's programs.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, not the product"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use clap::Parser;
use flowkeep::app::{AppState, bootstrap, router};
use flowkeep::features::auth::NewAdmin;
use flowkeep::platform::config::Config;
use http::StatusCode;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_secs(3);
const TARGET: f64 = 0.75;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

#[derive(Default)]
struct Sample {
    requests: usize,
    seconds: f64,
    latencies_us: Vec<f64>,
}

impl Sample {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.seconds += other.seconds;
        self.latencies_us.extend(other.latencies_us);
    }

    fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    fn report(&mut self, name: &str) {
        self.latencies_us.sort_by(f64::total_cmp);
        let of = |percent: usize| self.latencies_us[self.latencies_us.len() * percent / 100];
        println!(
            "{name:<14} {:>9.0} requests/s   p50 {:>6.0} us   p99 {:>6.0} us",
            self.rate(),
            of(50),
            of(99)
        );
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let data = format!("--data-dir={}", dir.path().display());
    let parts = bootstrap(Cli::parse_from(["verify", &data]).config)
        .await
        .unwrap();
    let cluster = match &parts.embedded {
        Some(embedded) => Some(embedded.start().await.unwrap()),
        None => None,
    };
    let state = AppState::new(parts);
    let token = sign_in(&state).await;

    let empty = listen(Router::new().route("/empty", get(async || StatusCode::OK))).await;
    let flowkeep = listen(router::build(state.clone())).await;
    let empty_request = "GET /empty HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned();
    let verify_request = format!(
        "GET /api/auth/verify HTTP/1.1\r\nHost: localhost\r\n\
         Cookie: __Host-flowkeep_session={token}\r\n\r\n"
    );

    let (mut nothing, mut verify) = (Sample::default(), Sample::default());
    for round in 0..=ROUNDS {
        let first = ask(empty, &empty_request).await;
        let second = ask(flowkeep, &verify_request).await;
        // The first round warms up.
        if round > 0 {
            nothing.add(first);
            verify.add(second);
        }
    }
    nothing.report("empty route");
    verify.report("verify");
    let ratio = verify.rate() / nothing.rate();
    println!("verify / empty {ratio:.2} (target: at least {TARGET})");

    state.db.close().await;
    if let Some(cluster) = cluster {
        cluster.stop().await;
    }
    std::process::exit(i32::from(ratio < TARGET));
}

async fn sign_in(state: &AppState) -> String {
    state.db.migrate().await.unwrap();
    state.settings.load().await.unwrap();
    state.auth.load().await.unwrap();
    let (name, password) = ("bench", "a quiet river at dawn");
    let admin = NewAdmin {
        username: name.to_owned(),
        password: SecretString::from(password),
        email: Some("bench@example.com".to_owned()),
    };
    state.auth.create_first_admin(admin).await.unwrap();
    state.health.set(
        flowkeep::app::health::DATABASE,
        flowkeep::platform::health::PartStatus::Ok,
        "connected",
    );
    let body = serde_json::json!({ "username": name, "password": password, "issue": "token" });
    let body = body.to_string();
    let address = listen(router::build(state.clone())).await;
    let request = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    json["token"].as_str().unwrap().to_owned()
}

async fn listen(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// Asks over and over on every connection for one round.
async fn ask(address: SocketAddr, request: &str) -> Sample {
    let started = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| tokio::spawn(ask_on_one(address, request.to_owned())));
    let mut sample = Sample::default();
    for client in futures_util::future::join_all(clients).await {
        let latencies_us = client.unwrap();
        sample.requests += latencies_us.len();
        sample.latencies_us.extend(latencies_us);
    }
    sample.seconds = started.elapsed().as_secs_f64();
    sample
}

async fn ask_on_one(address: SocketAddr, request: String) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 4096];
    let mut latencies_us = Vec::new();
    let until = Instant::now() + ROUND;
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut length = 0;
        while !buffer[..length].ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer[length..]).await.unwrap();
            assert!(read > 0, "the server hung up");
            length += read;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"), "not answered well");
        latencies_us.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    latencies_us
}
