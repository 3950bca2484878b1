//! `flowkeep serve`.

use std::error::Error;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::app::{self, AppState, ServeError, bootstrap};
use crate::platform::config::Config;
use crate::platform::data_lock::DataLock;
use crate::platform::telemetry;

/// Runs the daemon until it is told to stop.
pub fn run(config: Config) -> Result<bool, Box<dyn Error>> {
    config.validate()?;
    telemetry::init(&config.telemetry);
    // The allocator asks for huge pages, of which a daemon this small uses a corner each: 12 MB
    // more at rest. A kernel that cannot turn them off only costs memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
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
    let address = listener.local_addr()?;
    let _lock = DataLock::take(&config.data.data_dir)?;
    let parts = bootstrap(config).await?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    Ok(app::serve(AppState::new(parts), listener).await?)
}
