//! What runs beside the web server: bringing the database up, the watchdog, housekeeping.

use std::time::Duration;

use super::AppState;
use super::health::DATABASE;
use crate::platform::health::PartStatus;

/// Starts everything that runs in the background.
pub fn start(state: &AppState) {
    state
        .health
        .set(DATABASE, PartStatus::Starting, "connecting");
    state.lifecycle.spawn("database", bring_up(state.clone()));
    state
        .lifecycle
        .spawn("watchdog", feed_watchdog(state.clone()));
}

/// Waits for the database, migrates it, and opens the gate. Tries for as long as it takes.
async fn bring_up(state: AppState) {
    let mut wait = Duration::from_millis(200);
    while !state.lifecycle.is_stopping() {
        match state.db.migrate().await {
            Ok(()) => {
                state.health.set(DATABASE, PartStatus::Ok, "connected");
                tracing::info!("the database is ready");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, retry_ms = wait.as_millis(), "the database is not ready");
                state
                    .health
                    .set(DATABASE, PartStatus::Starting, "waiting for the database");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = state.lifecycle.soft().cancelled() => {}
        }
        wait = (wait * 2).min(Duration::from_secs(5));
    }
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
