//! For commands that work on Flowkeep's own database, whether the daemon runs or not.

use std::error::Error;
use std::future::Future;

use crate::app::{AppState, bootstrap};
use crate::platform::config::Config;

/// Opens Flowkeep's own database, does the work, and leaves everything as it was. A private
/// PostgreSQL that does not run is started for the time being.
pub fn with_state<T, F, Fut>(config: Config, work: F) -> Result<T, Box<dyn Error>>
where
    F: FnOnce(AppState) -> Fut,
    Fut: Future<Output = Result<T, Box<dyn Error>>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let parts = bootstrap(config).await?;
        let embedded = parts.embedded.clone();
        let state = AppState::new(parts);
        let cluster = match (state.db.ping().await, embedded) {
            (Ok(()), _) => None,
            (Err(_), Some(embedded)) => Some(embedded.start().await?),
            (Err(error), None) => return Err(format!("the database: {error}").into()),
        };
        let outcome = prepare_and(state.clone(), work).await;
        state.db.close().await;
        if let Some(cluster) = cluster {
            cluster.stop().await;
        }
        outcome
    })
}

async fn prepare_and<T, F, Fut>(state: AppState, work: F) -> Result<T, Box<dyn Error>>
where
    F: FnOnce(AppState) -> Fut,
    Fut: Future<Output = Result<T, Box<dyn Error>>>,
{
    state.db.migrate().await?;
    state.settings.load().await?;
    state.auth.load().await?;
    work(state).await
}
