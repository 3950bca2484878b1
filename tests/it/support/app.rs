//! The whole application in process: the real router over a database of its own, a clock that
//! stands still, repeatable ids, and clients that keep cookies as a browser does.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use flowkeep::app::health::DATABASE;
use flowkeep::app::{AppState, Parts, Tuning, router};
use flowkeep::features::auth::NewAdmin;
use flowkeep::features::settings::MasterKey;
use flowkeep::features::upgrades::Patience;
use flowkeep::platform::clock::Clock;
use flowkeep::platform::config::Config;
use flowkeep::platform::db::Db;
use flowkeep::platform::health::PartStatus;
use flowkeep::platform::http::rate_limit::Rates;
use flowkeep::platform::ids::Ids;
use flowkeep::platform::lifecycle::Lifecycle;
use flowkeep::platform::postgres::{ConnInfo, Installations};
use flowkeep::platform::process::Processes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::postgres::{installations, migrated_database};

/// The administrator that [`TestApp::setup_admin`] makes.
pub const USERNAME: &str = "admin";
/// Their password.
pub const PASSWORD: &str = "a quiet river at dawn";

/// One application.
pub struct TestApp {
    /// What handlers reach.
    pub state: AppState,
    /// Its database.
    pub database: ConnInfo,
    /// Its folder for data, removed with it.
    pub data_dir: TempDir,
    router: Router,
}

/// What an application is started with.
pub struct TestAppBuilder {
    args: Vec<String>,
    rates: Rates,
    bcrypt_cost: u32,
    database: Option<ConnInfo>,
    master_key_of: Option<PathBuf>,
    installations: Option<Installations>,
    patience: Option<Duration>,
}

/// A browser or a program: it keeps cookies, and has an address.
#[derive(Clone)]
pub struct TestClient {
    router: Router,
    jar: Arc<Mutex<BTreeMap<String, String>>>,
    headers: HeaderMap,
    address: SocketAddr,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct TestResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

impl TestAppBuilder {
    /// Adds command line arguments, as in `["--trusted-proxies", "10.0.0.0/8"]`.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Sets request limits; without it a test never meets one.
    pub fn rates(mut self, rates: Rates) -> Self {
        self.rates = rates;
        self
    }

    /// Sets bcrypt's cost; the least there is without it.
    pub fn bcrypt_cost(mut self, cost: u32) -> Self {
        self.bcrypt_cost = cost;
        self
    }

    /// Uses the database and the master key of another application, as after a restart.
    pub fn beside(mut self, other: &TestApp) -> Self {
        self.database = Some(other.database.clone());
        self.master_key_of = Some(other.data_dir.path().join("master.key"));
        self
    }

    /// Uses this migrated database.
    pub fn database(mut self, database: ConnInfo) -> Self {
        self.database = Some(database);
        self
    }

    /// Takes these PostgreSQL programs in place of all there are.
    pub fn installations(mut self, installations: Installations) -> Self {
        self.installations = Some(installations);
        self
    }

    /// Sets how long a destination may say nothing.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Builds it, as far as after the start.
    pub async fn start(self) -> TestApp {
        let app = self.build().await;
        app.state.settings.load().await.unwrap();
        app.state.auth.load().await.unwrap();
        app.state.sso.load().await.unwrap();
        app.state.health.set(DATABASE, PartStatus::Ok, "connected");
        app
    }

    /// Runs the daemon itself on a free port, with everything that it does in the background, and
    /// waits until it is ready.
    pub async fn serve(self) -> TestApp {
        let app = self.build().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = flowkeep::app::serve(app.state.clone(), listener);
        app.state.lifecycle.spawn("serve", async move {
            serving.await.unwrap();
        });
        while !app.state.health.is_ok(DATABASE) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        app
    }

    async fn build(self) -> TestApp {
        let database = match self.database {
            Some(database) => database,
            None => migrated_database().await,
        };
        let data_dir = tempfile::tempdir().unwrap();
        let mut args = vec!["flowkeep".to_owned()];
        args.push(format!("--data-dir={}", data_dir.path().display()));
        if !self.args.iter().any(|arg| arg.starts_with("--docker-host")) {
            // Never the machine's own engine.
            let none = data_dir.path().join("no-docker.sock");
            args.push(format!("--docker-host=unix://{}", none.display()));
        }
        args.extend(self.args);
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let ids = Ids::system();
        let key_file = match &self.master_key_of {
            Some(other) => other.clone(),
            None => data_dir.path().join("master.key"),
        };
        let state = AppState::new(Parts {
            master_key: MasterKey::load(None, &key_file, &ids).unwrap(),
            config: Arc::new(Cli::parse_from(args).config),
            db: Db::with_options(database.to_sqlx(), 4),
            own_database: database.clone(),
            embedded: None,
            installations: Arc::new(match self.installations {
                Some(given) => given,
                None => installations().await,
            }),
            processes: Processes::new(),
            clock,
            ids,
            lifecycle: Lifecycle::new(Duration::from_secs(5)),
            tuning: Tuning {
                rates: self.rates,
                bcrypt_cost: Some(self.bcrypt_cost),
                patience: self.patience,
                upgrade: Some(Patience {
                    ready: Duration::from_secs(20),
                    steady: Duration::from_secs(3),
                    poll: Duration::from_millis(50),
                }),
                ..Tuning::default()
            },
        });
        TestApp {
            router: router::build(state.clone()),
            state,
            database,
            data_dir,
        }
    }
}

impl TestApp {
    /// An application without an administrator.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// For what differs from the usual.
    pub fn builder() -> TestAppBuilder {
        const PLENTY: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
        TestAppBuilder {
            args: Vec::new(),
            rates: Rates {
                api_per_second: PLENTY,
                login_per_minute: PLENTY,
                password_per_minute: PLENTY,
                setup_per_minute: PLENTY,
            },
            bcrypt_cost: 4,
            database: None,
            master_key_of: None,
            installations: None,
            patience: None,
        }
    }

    /// An application with an administrator, and a browser in which they are signed in.
    pub async fn with_admin() -> (Self, TestClient) {
        let app = Self::start().await;
        app.setup_admin().await;
        let client = app.client();
        client.login().await;
        (app, client)
    }

    /// Makes the administrator.
    pub async fn setup_admin(&self) {
        let admin = NewAdmin {
            username: USERNAME.to_owned(),
            password: SecretString::from(PASSWORD),
            email: Some("admin@example.com".to_owned()),
        };
        assert!(self.state.auth.create_first_admin(admin).await.unwrap());
    }

    /// A new browser on the machine itself.
    pub fn client(&self) -> TestClient {
        let client = TestClient {
            router: self.router.clone(),
            jar: Arc::default(),
            headers: HeaderMap::new(),
            address: "127.0.0.1:40000".parse().unwrap(),
        };
        client.header("host", "localhost:3333")
    }

    /// Answers on a free port of this machine, as the daemon does.
    pub async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router.clone();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        self.state.lifecycle.spawn("listen", async move {
            axum::serve(listener, service).await.unwrap();
        });
        address
    }

    /// Moves the clock.
    pub fn advance(&self, by: TimeDelta) {
        self.state.clock.advance(by);
    }

    /// The time on the clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.state.clock.now()
    }

    /// The OpenAPI description.
    pub fn openapi() -> Value {
        serde_json::to_value(router::openapi()).unwrap()
    }

    /// One value from the database.
    pub async fn sql<T>(&self, query: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres>
            + sqlx::Type<sqlx::Postgres>
            + Send
            + Unpin
            + 'static,
    {
        sqlx::query_scalar(query)
            .fetch_one(self.state.db.pool())
            .await
            .unwrap()
    }

    /// Runs a statement.
    pub async fn execute(&self, statement: &'static str) {
        sqlx::query(statement)
            .execute(self.state.db.pool())
            .await
            .unwrap();
    }

    /// The actions in the audit log, oldest first.
    pub async fn audit_actions(&self) -> Vec<String> {
        self.texts("SELECT action FROM audit_log ORDER BY id").await
    }

    /// The events in the outbox, oldest first.
    pub async fn events(&self) -> Vec<String> {
        self.texts("SELECT event_type FROM event_outbox ORDER BY id")
            .await
    }

    /// What was said in the events of one type, oldest first.
    pub async fn told(&self, event_type: &str) -> Vec<Value> {
        sqlx::query_scalar("SELECT data FROM event_outbox WHERE event_type = $1 ORDER BY id")
            .bind(event_type)
            .fetch_all(self.state.db.pool())
            .await
            .unwrap()
    }

    /// Lets the outbox refuse events of one type, as a fault between a row and its event would.
    pub async fn refuse_event(&self, event_type: &str) {
        let sql = format!(
            "ALTER TABLE event_outbox ADD CONSTRAINT refused CHECK (event_type <> '{event_type}') NOT VALID"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(self.state.db.pool())
            .await
            .unwrap();
    }

    /// Lets the outbox take every event again.
    pub async fn accept_events(&self) {
        self.execute("ALTER TABLE event_outbox DROP CONSTRAINT refused")
            .await;
    }

    async fn texts(&self, query: &'static str) -> Vec<String> {
        let rows = sqlx::query_scalar(query).fetch_all(self.state.db.pool());
        rows.await.unwrap()
    }
}

impl TestClient {
    /// The same client with one more header on every request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers
            .insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// The same client at another address.
    pub fn at(mut self, ip: &str) -> Self {
        self.address.set_ip(ip.parse::<IpAddr>().unwrap());
        self
    }

    /// A client with the same address and headers and no cookies.
    pub fn without_cookies(&self) -> Self {
        Self {
            jar: Arc::default(),
            ..self.clone()
        }
    }

    /// Sends `Authorization: Bearer` with every request.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar.lock().get(name).cloned()
    }

    /// Puts a cookie into the jar.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.jar.lock().insert(name.to_owned(), value.to_owned());
    }

    /// Makes the browser forget a cookie.
    pub fn drop_cookie(&self, name: &str) {
        self.jar.lock().remove(name);
    }

    /// Signs the administrator in.
    pub async fn login(&self) {
        let answer = self.try_login(USERNAME, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    /// Tries to sign in.
    pub async fn try_login(&self, username: &str, password: &str) -> TestResponse {
        let body = json!({ "username": username, "password": password });
        self.post("/api/auth/login", body).await
    }

    /// Types the password again.
    pub async fn reauthenticate(&self) {
        let body = json!({ "password": PASSWORD });
        let answer = self.post("/api/auth/reauthenticate", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    pub async fn get(&self, path: &str) -> TestResponse {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> TestResponse {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> TestResponse {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> TestResponse {
        self.call(Method::DELETE, path, None).await
    }

    /// Sends a request and reads the answer whole.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> TestResponse {
        let response = self.send(self.request(method, path, body)).await;
        let (parts, body) = response.into_parts();
        // A stream of events has no end to wait for.
        let is_stream = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let body = if is_stream {
            bytes::Bytes::new()
        } else {
            body.collect().await.unwrap().to_bytes()
        };
        TestResponse {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// A request with this client's headers and cookies, to be changed before it is sent.
    pub fn request(&self, method: Method, path: &str, body: Option<Value>) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        *request.headers_mut() = self.headers.clone();
        if let Some(body) = body {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
            *request.body_mut() = Body::from(body.to_string());
        }
        let jar = self.jar.lock();
        if !jar.is_empty() && !request.headers().contains_key(COOKIE) {
            let pairs: Vec<_> = jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let value = HeaderValue::from_str(&pairs.join("; ")).unwrap();
            request.headers_mut().insert(COOKIE, value);
            // A browser that sends cookies says where the request comes from.
            if !request.headers().contains_key("sec-fetch-site")
                && !request.headers().contains_key("origin")
                && !request.headers().contains_key(AUTHORIZATION)
            {
                let host = request.headers()[HOST].to_str().unwrap().to_owned();
                let origin = HeaderValue::from_str(&format!("http://{host}")).unwrap();
                request.headers_mut().insert("origin", origin);
            }
        }
        request
    }

    /// Sends a request as it is and keeps the cookies of the answer. For streams, and for
    /// requests that no well-behaved client makes.
    pub async fn send(&self, mut request: Request<Body>) -> Response {
        request.extensions_mut().insert(ConnectInfo(self.address));
        let response = self.router.clone().oneshot(request).await.unwrap();
        for header in response.headers().get_all(SET_COOKIE) {
            let text = header.to_str().unwrap();
            let (pair, attributes) = text.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.drop_cookie(name);
            } else {
                self.set_cookie(name, value);
            }
        }
        response
    }
}

impl TestResponse {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error's code; empty if it is no error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The error's message.
    pub fn message(&self) -> String {
        self.json()["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// A header as text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
