//! Streams of the engine as they come: bytes, with nothing kept but what the reader has not taken yet.
//!
//! bollard decodes logs as well, but keeps a terminal's line whole until its end, however long it is, and
//! takes a terminal's first bytes for a header. What a container writes is not to be trusted with either.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::Request;
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::error::{sort_broken, sort_status};
use super::{Docker, DockerError};

/// Longest wait for the head of an answer.
const HEAD_LIMIT: Duration = Duration::from_secs(20);
/// The most of an error's text that is read.
const MOST_ERROR_BYTES: usize = 16 * 1024;

type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

/// The body of an answer. Dropping it closes the connection.
pub struct RawBody {
    docker: Docker,
    body: Incoming,
    connection: Option<Connection>,
    _sender: SendRequest<Empty<Bytes>>,
}

impl Docker {
    /// Asks for a stream; `path` begins with a slash and has no version.
    pub(super) async fn open(&self, path: &str) -> Result<RawBody, DockerError> {
        let (major, minor) = self.api_version().await?;
        let path = format!("/v{major}.{minor}{path}");
        match tokio::time::timeout(HEAD_LIMIT, self.request(&path)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.noted(DockerError::Unreachable(format!(
                "no answer within {} s",
                HEAD_LIMIT.as_secs()
            )))),
        }
    }

    async fn request(&self, path: &str) -> Result<RawBody, DockerError> {
        let broken = |error: &(dyn std::error::Error + 'static)| {
            self.noted(sort_broken(self.address(), error))
        };
        if let Some(socket) = self.address().strip_prefix("unix://") {
            let io = UnixStream::connect(socket).await;
            self.request_over(io.map_err(|error| broken(&error))?, path)
                .await
        } else {
            let host = self.address().rsplit("://").next().unwrap_or_default();
            let io = TcpStream::connect(host.trim_end_matches('/')).await;
            self.request_over(io.map_err(|error| broken(&error))?, path)
                .await
        }
    }

    async fn request_over(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        path: &str,
    ) -> Result<RawBody, DockerError> {
        let broken = |error: hyper::Error| self.noted(sort_broken(self.address(), &error));
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(broken)?;
        let request = Request::get(path)
            .header(http::header::HOST, "docker")
            .body(Empty::<Bytes>::new())
            .map_err(|error| DockerError::Unreachable(error.to_string()))?;
        let mut connection: Connection = Box::pin(connection);
        let mut is_over = false;
        let answer = {
            let mut sending = std::pin::pin!(sender.send_request(request));
            tokio::select! {
                biased;
                answer = &mut sending => answer,
                _ = &mut connection => {
                    is_over = true;
                    sending.await
                }
            }
        };
        let answer = answer.map_err(broken)?;
        let status = answer.status();
        let mut body = RawBody {
            docker: self.clone(),
            body: answer.into_body(),
            connection: (!is_over).then_some(connection),
            _sender: sender,
        };
        if status.is_success() {
            return Ok(body);
        }
        let mut text = Vec::new();
        while let Some(Ok(piece)) = body.next().await {
            text.extend_from_slice(&piece);
            if text.len() > MOST_ERROR_BYTES {
                break;
            }
        }
        let said = serde_json::from_slice::<serde_json::Value>(&text).ok();
        let said = said.and_then(|said| Some(said.get("message")?.as_str()?.to_owned()));
        let message = said.unwrap_or_else(|| status.to_string());
        Err(sort_status(status.as_u16(), message))
    }
}

impl Stream for RawBody {
    type Item = Result<Bytes, DockerError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // The body asks, the connection reads, the body has it: nobody else drives the connection.
        for _ in 0..3 {
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                    continue;
                }
                Poll::Ready(Some(Err(error))) => {
                    let error = sort_broken(this.docker.address(), &error);
                    return Poll::Ready(Some(Err(this.docker.noted(error))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            let Some(connection) = &mut this.connection else {
                return Poll::Pending;
            };
            if connection.as_mut().poll(context).is_ready() {
                this.connection = None;
            }
        }
        Poll::Pending
    }
}
