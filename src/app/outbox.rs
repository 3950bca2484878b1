//! Keeps the outbox: each event is told on the bus once and then marked. What a crash left between
//! the commit and the telling is told at the next start.

use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::DbErr;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::AppState;
use crate::platform::events::{self, Event};

/// Events that are told again at one start, at most.
const BATCH: u64 = 1_000;
const KEPT: TimeDelta = TimeDelta::days(30);
const TIDY: Duration = Duration::from_hours(1);

/// Works until `stop`.
pub async fn keep(state: AppState, stop: CancellationToken) {
    let mut listener = state.events.subscribe();
    if let Err(error) = tell_left_over(&state).await {
        tracing::warn!(%error, "cannot read the events that were left over");
    }
    let mut tidy = tokio::time::interval(TIDY);
    loop {
        tokio::select! {
            heard = listener.recv() => match heard {
                Ok(event) => mark(&state, &event).await,
                Err(RecvError::Lagged(missed)) => {
                    // They stay unmarked and are told again at the next start.
                    tracing::warn!(missed, "too many events at once to mark each");
                }
                Err(RecvError::Closed) => return,
            },
            _ = tidy.tick() => {
                let before = state.clock.now() - KEPT;
                if let Err(error) = events::remove_told(state.db.orm(), before).await {
                    tracing::warn!(%error, "cannot remove old events");
                }
            }
            () = stop.cancelled() => return,
        }
    }
}

/// Tells what nobody heard of. This task hears it too, and marks it.
async fn tell_left_over(state: &AppState) -> Result<(), DbErr> {
    for event in events::undispatched(state.db.orm(), BATCH).await? {
        tracing::info!(
            event_type = event.event_type,
            "telling an event that a stop had cut off"
        );
        state.events.publish(event);
    }
    Ok(())
}

async fn mark(state: &AppState, event: &Event) {
    let (id, now) = (event.event_id, state.clock.now());
    if let Err(error) = events::mark_dispatched(state.db.orm(), id, now).await {
        tracing::warn!(%error, "cannot mark an event");
    }
}
