//! What runs beside the web server: bringing the database up, the watchdog, housekeeping.

use std::time::Duration;

use super::AppState;
use super::health::DATABASE;
use crate::platform::health::PartStatus;
use crate::platform::postgres::EmbeddedCluster;

/// The private PostgreSQL in `/api/health`.
const EMBEDDED: &str = "embedded_postgres";
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Starts everything that runs in the background.
pub fn start(state: &AppState) {
    state
        .health
        .set(DATABASE, PartStatus::Starting, "connecting");
    if let Some(embedded) = state.embedded.clone() {
        state
            .health
            .set(EMBEDDED, PartStatus::Starting, embedded.version());
        state
            .lifecycle
            .spawn_late("embedded postgres", run_embedded(state.clone(), embedded));
    }
    state.lifecycle.spawn("database", bring_up(state.clone()));
    state
        .lifecycle
        .spawn("watchdog", feed_watchdog(state.clone()));
}

/// Starts the private PostgreSQL and keeps it running.
async fn run_embedded(state: AppState, embedded: EmbeddedCluster) {
    let mut wait = FIRST_WAIT;
    let cluster = loop {
        match embedded.start().await {
            Ok(cluster) => break cluster,
            Err(error) => {
                tracing::error!(%error, "the private PostgreSQL does not start");
                state.health.set(
                    EMBEDDED,
                    PartStatus::Down,
                    "it does not start; the log says why",
                );
            }
        }
        if !pause(&state, &mut wait).await {
            return;
        }
    };
    tracing::info!(
        version = embedded.version(),
        "no DATABASE_URL: using a private PostgreSQL under the data folder"
    );
    let version = embedded.version();
    let health = state.health.clone();
    // It must outlive whatever still writes, so it ends after the other tasks: see `serve`.
    let stop = state.lifecycle.late().clone();
    embedded
        .supervise(cluster, stop, move |changed| match changed {
            Ok(()) => health.set(EMBEDDED, PartStatus::Ok, version.clone()),
            Err(why) => {
                tracing::error!(why, "the private PostgreSQL ended; starting it again");
                health.set(EMBEDDED, PartStatus::Down, "it ended; starting it again");
            }
        })
        .await;
}

/// Waits for the database, migrates it, and opens the gate. Tries for as long as it takes, and
/// goes on watching it afterwards.
async fn bring_up(state: AppState) {
    let mut wait = FIRST_WAIT;
    loop {
        match state.db.migrate().await {
            Ok(()) => break,
            Err(error) => {
                tracing::info!(%error, retry_ms = wait.as_millis(), "waiting for the database");
                state
                    .health
                    .set(DATABASE, PartStatus::Starting, "waiting for the database");
            }
        }
        if !pause(&state, &mut wait).await {
            return;
        }
    }
    state.health.set(DATABASE, PartStatus::Ok, "connected");
    tracing::info!("ready");
    watch_database(&state).await;
}

async fn watch_database(state: &AppState) {
    let mut tick = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = state.lifecycle.soft().cancelled() => return,
        }
        match state.db.ping().await {
            Ok(()) => state.health.set(DATABASE, PartStatus::Ok, "connected"),
            Err(error) => {
                tracing::warn!(%error, "the database does not answer");
                state
                    .health
                    .set(DATABASE, PartStatus::Down, "the database does not answer");
            }
        }
    }
}

/// Waits longer each time. Returns false when Flowkeep is stopping.
async fn pause(state: &AppState, wait: &mut Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(*wait) => {}
        () = state.lifecycle.soft().cancelled() => return false,
    }
    *wait = (*wait * 2).min(LONGEST_WAIT);
    true
}

/// Tells systemd that the event loop still turns, at half the interval it asks for.
async fn feed_watchdog(state: AppState) {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval(interval / 2);
    loop {
        tokio::select! {
            _ = tick.tick() => { let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]); }
            () = state.lifecycle.soft().cancelled() => return,
        }
    }
}
