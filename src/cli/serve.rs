//! `flowkeep serve`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::app::{self, AppState, Parts, ServeError};
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db::Db;
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::telemetry;

/// Runs the daemon until it is told to stop.
pub fn run(config: Config) -> Result<bool, Box<dyn Error>> {
    config.validate()?;
    telemetry::init(&config.telemetry);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve(config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(config: Config) -> Result<bool, Box<dyn Error>> {
    let address = config.http.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let url = config
        .database
        .external_url()?
        .unwrap_or_else(|| SecretString::from(""));
    let db = Db::lazy(&url, config.database.max_connections)?;
    let parts = Parts {
        lifecycle: Lifecycle::new(Duration::from_secs(config.http.stop_grace_seconds)),
        config: Arc::new(config),
        db,
        clock: Clock::system(),
        ids: Ids::system(),
    };
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    Ok(app::serve(AppState::new(parts), listener).await?)
}
