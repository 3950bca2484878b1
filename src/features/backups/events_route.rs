//! `GET /api/backups/events`: running work and its ends, as they happen.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::Event;
use futures_util::Stream;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::BackupService;
use crate::features::auth::{self, AuthService, CurrentUser};
use crate::platform::events::{Event as Happened, EventBus, ProgressBoard, Work};
use crate::platform::lifecycle::Lifecycle;

const TICK: Duration = Duration::from_millis(400);

/// Follow running backups and verifications (server-sent events).
#[utoipa::path(get, path = "/api/backups/events", tag = "backups",
    responses((status = 200, description = "`snapshot`, then `backup.progress`, `backup.finished`, \
        `verification.progress`, `verification.finished`", content_type = "text/event-stream")))]
pub async fn follow_backups(
    State(backups): State<BackupService>,
    State(lifecycle): State<Lifecycle>,
    State(service): State<AuthService>,
    user: CurrentUser,
) -> impl IntoResponse {
    let stream = follow(backups.board().clone(), backups.events());
    auth::follow(stream, user, service, &lifecycle)
}

fn follow(
    board: ProgressBoard,
    events: &EventBus,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let mut listener = events.subscribe();
    async_stream(move |emit: tokio::sync::mpsc::Sender<Event>| async move {
        let mut last: BTreeSet<String> = BTreeSet::new();
        if emit.send(snapshot(&board)).await.is_err() {
            return;
        }
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    let mut now = BTreeSet::new();
                    for (work, name) in
                        [(Work::Backup, "backup.progress"), (Work::Verification, "verification.progress")]
                    {
                        for value in board.running(work) {
                            let text = value.to_string();
                            if !last.contains(&text)
                                && emit.send(named(name, &value)).await.is_err()
                            {
                                return;
                            }
                            now.insert(text);
                        }
                    }
                    last = now;
                    if emit.is_closed() {
                        return;
                    }
                }
                happened = listener.recv() => {
                    let event = match happened {
                        Ok(happened) => finished(&happened),
                        // Too slow to hear everything: begin again from what runs now.
                        Err(RecvError::Lagged(_)) => Some(snapshot(&board)),
                        Err(RecvError::Closed) => return,
                    };
                    if let Some(event) = event
                        && emit.send(event).await.is_err()
                    {
                        return;
                    }
                }
            }
        }
    })
}

/// A stream from a task that is dropped with it.
fn async_stream<F, Fut>(produce: F) -> impl Stream<Item = Result<Event, Infallible>>
where
    F: FnOnce(tokio::sync::mpsc::Sender<Event>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
    let mut task = Box::pin(produce(sender));
    let mut is_done = false;
    futures_util::stream::poll_fn(move |context| {
        if !is_done && task.as_mut().poll(context).is_ready() {
            is_done = true;
        }
        receiver.poll_recv(context).map(|event| event.map(Ok))
    })
}

fn snapshot(board: &ProgressBoard) -> Event {
    named(
        "snapshot",
        &json!({
            "backups": board.running(Work::Backup),
            "verifications": board.running(Work::Verification),
        }),
    )
}

fn finished(happened: &Happened) -> Option<Event> {
    let data = &happened.data;
    Some(match happened.event_type.as_str() {
        "backup.success" => named(
            "backup.finished",
            &json!({ "id": data["id"], "status": "success" }),
        ),
        "backup.failed" => named(
            "backup.finished",
            &json!({ "id": data["id"], "status": "failed" }),
        ),
        "verification.passed" | "verification.failed" => named(
            "verification.finished",
            &json!({
                "id": data["id"], "backup_id": data["backup_id"], "status": data["status"],
            }),
        ),
        _ => return None,
    })
}

fn named(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
