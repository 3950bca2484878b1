//! n8n out of the way while its database changes places, and back afterwards whatever came of it.

use std::time::{Duration, Instant};

use sqlx::Connection;

use super::RestoreError;
use super::server;
use super::service::RestoreService;
use super::store;
use crate::platform::postgres::ConnInfo;

/// Connections of a program that was stopped are gone by then.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Which containers a restore stops.
pub struct Paused<'a> {
    pub restore_id: i32,
    pub containers: &'a [String],
}

/// Refuses when somebody is connected to a database.
pub(super) async fn disconnected(info: &ConnInfo, database: &str) -> Result<(), RestoreError> {
    let mut connection = server::maintenance(info).await?;
    let free = server::in_use(&mut connection, database).await;
    let _ = connection.close().await;
    free
}

/// Waits until nobody is connected to a database whose programs were stopped.
pub async fn until_disconnected(info: &ConnInfo, database: &str) -> Result<(), RestoreError> {
    let stopped = Instant::now();
    loop {
        match disconnected(info, database).await {
            Err(RestoreError::InUse { .. }) if stopped.elapsed() < DISCONNECT_LIMIT => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            other => return other,
        }
    }
}

impl RestoreService {
    /// Stops n8n's containers. They are noted first: a crash starts them again.
    pub(super) async fn pause(
        &self,
        paused: &Paused<'_>,
        source: &ConnInfo,
    ) -> Result<(), RestoreError> {
        if paused.containers.is_empty() {
            return Ok(());
        }
        store::note_stopped(self.parts.db.orm(), paused.restore_id, paused.containers).await?;
        self.parts.n8n.stop_containers(paused.containers).await?;
        until_disconnected(source, &source.database).await
    }

    /// Starts n8n's containers again. One that does not start is told with the restore: the databases are
    /// where they are.
    pub(super) async fn resume(&self, paused: &Paused<'_>) -> Result<(), RestoreError> {
        if paused.containers.is_empty() {
            return Ok(());
        }
        let db = self.parts.db.orm();
        if let Err(error) = self.parts.n8n.start_containers(paused.containers).await {
            let message = format!("n8n did not start again: {error}. Start it by hand.");
            store::note_message(db, paused.restore_id, &message).await?;
        }
        store::note_stopped(db, paused.restore_id, &[]).await?;
        Ok(())
    }
}
