//! A receiver of requests on this machine, and a wire that leads every request there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use flowkeep::features::notifications::channels::apprise::Target;
use flowkeep::features::notifications::channels::form::Transport;
use flowkeep::features::notifications::channels::message::Message;
use flowkeep::features::notifications::channels::{
    Attempt, Delivered, Parts, Terms, Undelivered, deliver,
};
use flowkeep::platform::outbound::{
    Answer, Exchange, Logins, Outbound, Outgoing, Policy, SystemNames, Wire,
};
use serde_json::{Value, json};

const ORIGIN: &str = "x-test-origin";

/// At once, and for the first time.
pub fn terms() -> Terms {
    Terms {
        now: super::now(),
        is_verified: true,
        pace: Duration::ZERO,
        parts: Parts::default(),
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub method: String,
    pub origin: String,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Arrived {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// For a snapshot: without what the client adds to every request.
    pub fn shown(&self) -> Value {
        let usual = [
            "host",
            "content-length",
            "user-agent",
            "accept-encoding",
            "idempotency-key",
            ORIGIN,
        ];
        let headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, value)| !usual.contains(&name.as_str()) && value != "*/*")
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let kind = self.header("content-type").unwrap_or_default();
        let body = if kind.starts_with("application/json") {
            serde_json::from_str(&self.body).unwrap()
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            let pairs = url::form_urlencoded::parse(self.body.as_bytes());
            pairs
                .map(|(name, value)| format!("{name} = {value}"))
                .collect()
        } else {
            Value::String(self.body.clone())
        };
        json!({
            "request": format!("{} {}{}", self.method, self.origin, self.uri),
            "headers": headers,
            "body": body,
        })
    }

    /// Every text in it, decoded.
    pub fn texts(&self) -> Vec<String> {
        fn collect(value: &Value, texts: &mut Vec<String>) {
            match value {
                Value::String(text) => texts.push(text.clone()),
                Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
                Value::Object(members) => members.values().for_each(|item| collect(item, texts)),
                _ => {}
            }
        }
        let mut texts = Vec::new();
        if let Ok(value) = serde_json::from_str(&self.body) {
            collect(&value, &mut texts);
        } else if self
            .header("content-type")
            .is_some_and(|kind| kind.contains("xml"))
        {
            texts.extend(self.body.split(['<', '>']).map(ToOwned::to_owned));
        } else {
            let pairs = url::form_urlencoded::parse(self.body.as_bytes());
            texts.extend(pairs.map(|(_, value)| value.into_owned()));
        }
        let query = self.uri.split_once('?').map_or("", |(_, query)| query);
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        texts.extend(pairs.map(|(_, value)| value.into_owned()));
        texts
    }
}

/// What a service answers.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// What all services take for a success: the same that Apprise is answered in the comparison.
    pub fn fine() -> Self {
        let said = json!({
            "ok": true, "status": 1, "errcode": 0, "code": 0, "StatusCode": 0, "success": true,
            "result": "success", "access_token": "tok", "user_id": "@u:h", "room_id": "!r:h",
            "data": { "authToken": "at", "userId": "ui", "success": 1, "failure": 0 },
            "messages": [{ "status": "0" }],
        });
        Self::new(200, said.to_string())
    }
}

/// All services of the internet at one port of this machine.
pub struct Receiver {
    outbound: Outbound,
    address: std::net::SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Receiver {
    /// One that answers everything with `reply`.
    pub async fn start(reply: Reply) -> Self {
        Self::answering(move |_| reply.clone()).await
    }

    pub async fn answering(reply: impl Fn(&Arrived) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&arrived);
        let reply = Arc::new(reply);
        let app = Router::new().fallback(
            async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
                let request = Arrived {
                    method: method.to_string(),
                    origin: header(ORIGIN).unwrap_or_default().to_owned(),
                    uri: uri.to_string(),
                    headers: headers
                        .iter()
                        .map(|(name, value)| {
                            (
                                name.to_string(),
                                String::from_utf8_lossy(value.as_bytes()).into_owned(),
                            )
                        })
                        .collect(),
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                let reply = reply(&request);
                noted.lock().unwrap().push(request);
                let mut answer =
                    (StatusCode::from_u16(reply.status).unwrap(), reply.body).into_response();
                for (name, value) in reply.headers {
                    answer.headers_mut().insert(name, value.parse().unwrap());
                }
                answer
            },
        );
        #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let policy = || Policy {
            allow_private: true,
        };
        Self {
            outbound: Outbound::new(Arc::new(SystemNames), policy),
            address,
            arrived,
        }
    }

    /// Delivers a message to a target, wherever it is.
    pub async fn deliver(
        &self,
        target: &Target,
        message: &Message,
    ) -> Result<Delivered, Undelivered> {
        self.deliver_after(target, message, Parts::default()).await
    }

    /// The same when some requests were taken before.
    pub async fn deliver_after(
        &self,
        target: &Target,
        message: &Message,
        parts: Parts,
    ) -> Result<Delivered, Undelivered> {
        self.attempt(target, message, parts).await.outcome
    }

    /// The same with what was sent.
    pub async fn attempt(&self, target: &Target, message: &Message, parts: Parts) -> Attempt {
        let Transport::Http(service) = target.build().unwrap() else {
            panic!("{} is not spoken to over HTTP", target.definition.id);
        };
        let terms = Terms {
            parts,
            is_verified: target.is_verified,
            ..terms()
        };
        deliver(self, service.as_ref(), message, &terms).await
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }
}

impl Wire for Receiver {
    fn exchange(&self, mut outgoing: Outgoing) -> Exchange<'_> {
        let origin = outgoing.url.origin().ascii_serialization();
        outgoing.headers.push((ORIGIN.to_owned(), origin));
        let _ = outgoing.url.set_scheme("http");
        outgoing.url.set_ip_host(self.address.ip()).unwrap();
        outgoing.url.set_port(Some(self.address.port())).unwrap();
        self.outbound.exchange(outgoing)
    }

    fn logins(&self) -> &Logins {
        self.outbound.logins()
    }
}

/// A wire that only notes what would be sent, and answers that all is fine.
#[derive(Default)]
pub struct Noted(pub Mutex<Vec<Outgoing>>, Logins);

impl Wire for Noted {
    fn exchange(&self, outgoing: Outgoing) -> Exchange<'_> {
        self.0.lock().unwrap().push(outgoing);
        let reply = Reply::fine();
        Box::pin(async move {
            Ok(Answer {
                status: reply.status,
                retry_after: None,
                body: reply.body,
                is_near: false,
            })
        })
    }

    fn logins(&self) -> &Logins {
        &self.1
    }
}
