//! A service on this machine that takes what is sent to it, and answers as a test wants.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Came {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Came {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

type Reply = Arc<dyn Fn(usize, &Came) -> Response + Send + Sync>;

#[derive(Clone)]
struct Shared {
    came: Arc<Mutex<Vec<Came>>>,
    news: Arc<Notify>,
    reply: Reply,
}

/// A service on a free port.
pub struct Receiver {
    pub url: String,
    shared: Shared,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An answer without a body.
pub fn status(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

impl Receiver {
    /// One that takes everything.
    pub async fn start() -> Self {
        Self::answering(|_, _| status(200)).await
    }

    /// One that answers the requests, which are counted from 0, as `reply` says.
    pub async fn answering(
        reply: impl Fn(usize, &Came) -> Response + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            came: Arc::default(),
            news: Arc::default(),
            reply: Arc::new(reply),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(shared.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "a server beside the daemon, ended when it is dropped"
        )]
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            url,
            shared,
            serving,
        }
    }

    /// What came, in order.
    pub fn came(&self) -> Vec<Came> {
        self.shared.came.lock().clone()
    }

    /// Waits until so many have come.
    pub async fn wait_for(&self, count: usize) -> Vec<Came> {
        loop {
            let news = self.shared.news.notified();
            let came = self.came();
            if came.len() >= count {
                return came;
            }
            news.await;
        }
    }
}

async fn take(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let came = Came {
        method,
        path,
        headers,
        body,
    };
    let at = {
        let mut all = shared.came.lock();
        all.push(came.clone());
        all.len() - 1
    };
    shared.news.notify_waiters();
    (shared.reply)(at, &came)
}
