//! What happens to containers, as the engine tells it.

use bollard::models::EventMessage;
use bytes::{Buf, BytesMut};
use futures_util::{Stream, StreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Docker, DockerError};

/// An event is far shorter; what is longer is no event.
const MOST_EVENT_BYTES: usize = 1024 * 1024;
/// What happens to a container as a whole. What runs inside it, as each run of a health check, would be most of what is
/// told.
const FILTER: &str = r#"{"type":["container"],"event":["create","start","die","stop","kill","oom","destroy","rename","pause","unpause","update","health_status"]}"#;

impl Docker {
    /// What happens to containers from now on. When this returns the engine tells already: what is listed
    /// afterwards and what is told together miss nothing.
    pub async fn events(
        &self,
    ) -> Result<
        impl Stream<Item = Result<EventMessage, DockerError>> + Send + Unpin + use<>,
        DockerError,
    > {
        let filter = utf8_percent_encode(FILTER, NON_ALPHANUMERIC);
        let body = self.open(&format!("/events?filters={filter}")).await?;
        let told = futures_util::stream::unfold(
            (body, BytesMut::new()),
            |(mut body, mut buffer)| async move {
                loop {
                    if let Some(end) = memchr::memchr(b'\n', &buffer) {
                        let line = buffer.split_to(end);
                        buffer.advance(1);
                        match serde_json::from_slice(&line) {
                            Ok(event) => return Some((Ok(event), (body, buffer))),
                            Err(_) => continue,
                        }
                    }
                    if buffer.len() > MOST_EVENT_BYTES {
                        let error = DockerError::Unreachable("it sends no events".to_owned());
                        return Some((Err(error), (body, BytesMut::new())));
                    }
                    match body.next().await? {
                        Ok(piece) => buffer.extend_from_slice(&piece),
                        Err(error) => return Some((Err(error), (body, buffer))),
                    }
                }
            },
        );
        Ok(Box::pin(told))
    }
}
