//! An audit line for each first visit of a session to a tool, written off the hot path.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::error::SsoError;
use super::service::SsoService;
use super::store;
use crate::features::audit::{self, Action, Actor, Entry};

/// Most visits that wait to be written. Beyond it the next request of that session tells again.
const WAITING: usize = 1_024;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// A session was let through to a tool for the first time.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The session.
    pub session_id: Uuid,
    /// The tool.
    pub slug: String,
    /// The account.
    pub user_id: i32,
    /// Its name.
    pub username: String,
    /// From where.
    pub ip: IpAddr,
    /// By what.
    pub user_agent: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Where visits wait.
pub struct Waiting {
    sender: mpsc::Sender<Visit>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<Visit>>,
}

impl Default for Waiting {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let receiver = tokio::sync::Mutex::new(receiver);
        Self { sender, receiver }
    }
}

impl Waiting {
    /// Leaves one to be written. False if too many wait.
    pub fn leave(&self, visit: Visit) -> bool {
        self.sender.try_send(visit).is_ok()
    }
}

impl SsoService {
    /// Writes visits down until it is told to stop, and then those that still wait.
    pub async fn write_visits(&self, stop: CancellationToken) {
        let mut receiver = self.waiting().receiver.lock().await;
        loop {
            let visit = tokio::select! {
                visit = receiver.recv() => visit,
                () = stop.cancelled() => break,
            };
            let Some(visit) = visit else { return };
            while let Err(error) = self.write_visit(&visit).await {
                tracing::warn!(%error, "a visit to a tool is not in the audit log yet; trying again");
                tokio::select! {
                    () = tokio::time::sleep(TRY_AGAIN_AFTER) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
        while let Ok(visit) = receiver.try_recv() {
            if let Err(error) = self.write_visit(&visit).await {
                tracing::error!(%error, "visits to tools were not written to the audit log");
                return;
            }
        }
    }

    async fn write_visit(&self, visit: &Visit) -> Result<(), SsoError> {
        let tx = self.db().begin().await?;
        let (session, slug) = (visit.session_id, visit.slug.as_str());
        let is_first = store::note_visit(&tx, session, slug, visit.at).await?;
        // Another process may have been first; or session or tool are gone, and it happened all the same.
        if !is_first && store::is_visited(&tx, session, slug).await? {
            return Ok(());
        }
        let actor = Actor {
            user_id: Some(visit.user_id),
            username: Some(visit.username.clone()),
            ip: Some(visit.ip),
            user_agent: visit.user_agent.clone(),
        };
        let entry = Entry::new(Action::SsoVisited)
            .resource("tool", slug)
            .details(json!({ "session": session, "at": visit.at }));
        audit::record(&tx, self.clock(), &actor, entry).await?;
        tx.commit().await?;
        Ok(())
    }
}
