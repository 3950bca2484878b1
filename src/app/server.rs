//! Serves until it is told to stop.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::{AppState, background, router};
use crate::platform::lifecycle::Signals;

/// Why the daemon could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The address is not known.
    #[error("cannot tell which address is listened on")]
    Address(#[source] std::io::Error),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
}

/// Serves on `listener` until the lifecycle ends. Returns whether everything ended well.
pub async fn serve(state: AppState, listener: TcpListener) -> Result<bool, ServeError> {
    let lifecycle = state.lifecycle.clone();
    let signals = Signals::listen().map_err(ServeError::Signals)?;
    let listen = listener.local_addr().map_err(ServeError::Address)?;
    background::start(&state, listen);
    let service = router::build(state).into_make_service_with_connect_info::<SocketAddr>();
    let soft = lifecycle.soft().clone();
    let stop = lifecycle.clone();
    lifecycle.spawn("http", async move {
        let server = axum::serve(listener, service).with_graceful_shutdown(soft.cancelled_owned());
        if let Err(error) = server.await {
            tracing::error!(%error, "the web server ended");
            stop.stop();
        }
    });
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    Ok(lifecycle.run_until_stopped(signals).await)
}
