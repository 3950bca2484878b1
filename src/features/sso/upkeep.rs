//! Other processes' changes, and tidying up.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::error::SsoError;
use super::service::SsoService;
use super::store::CHANNEL;

const EVERY: Duration = Duration::from_mins(1);
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(5);

impl SsoService {
    /// Follows other processes' changes, until it is told to stop.
    pub async fn keep_up(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.listen(&stop).await
                && !stop.is_cancelled()
            {
                tracing::warn!(%error, "cannot listen for changes of single sign-on; trying again");
                tokio::select! {
                    () = tokio::time::sleep(LISTEN_AGAIN_AFTER) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }

    async fn listen(&self, stop: &CancellationToken) -> Result<(), SsoError> {
        let mut listener = PgListener::connect_with(self.db().pool()).await?;
        listener.listen(CHANNEL).await?;
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = listener.try_recv() => {
                    heard?;
                    self.settings().load().await?;
                }
                _ = tick.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            self.load().await?;
        }
    }
}
