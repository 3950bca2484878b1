//! What signing in needs beside the requests: other processes' changes, last use, tidying up.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::AuthService;
use crate::features::auth::error::AuthError;
use crate::features::auth::store::sessions::CHANNEL;
use crate::features::auth::store::{devices, sessions};

const EVERY: Duration = Duration::from_mins(1);
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(5);

impl AuthService {
    /// Follows other processes' changes and tidies up, until it is told to stop.
    pub async fn keep_up(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.listen(&stop).await
                && !stop.is_cancelled()
            {
                tracing::warn!(%error, "cannot listen for session changes; trying again");
                self.0.live.note_outage(self.now());
                tokio::select! {
                    () = tokio::time::sleep(LISTEN_AGAIN_AFTER) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
        if let Err(error) = self.note_last_use().await {
            tracing::warn!(%error, "the last use of the sessions was not stored");
        }
    }

    async fn listen(&self, stop: &CancellationToken) -> Result<(), AuthError> {
        let mut listener = PgListener::connect_with(self.0.db.pool()).await?;
        listener.listen(CHANNEL).await?;
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // None says that the connection was lost meanwhile, and perhaps a word with it.
                heard = listener.try_recv() => { heard?; }
                _ = tick.tick() => self.tidy_up().await?,
                () = stop.cancelled() => return Ok(()),
            }
            self.load().await?;
        }
    }

    /// Stores when sessions were last used and deletes what is over.
    pub async fn tidy_up(&self) -> Result<(), AuthError> {
        self.note_last_use().await?;
        let db = self.0.db.orm();
        sessions::delete_dead(db, self.now()).await?;
        devices::delete_expired(db, self.now()).await?;
        let idle = self.idle_timeout();
        self.0.live.forget_expired(self.now(), idle);
        Ok(())
    }

    async fn note_last_use(&self) -> Result<(), AuthError> {
        let seen = self.0.live.last_seen();
        if seen.is_empty() {
            return Ok(());
        }
        sessions::note_seen(self.0.db.orm(), seen).await?;
        Ok(())
    }
}
