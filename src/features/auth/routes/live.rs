//! Streams of events for whoever is signed in.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};

use crate::features::auth::{AuthService, CurrentUser};
use crate::platform::lifecycle::Lifecycle;

/// A stream ends with its session, and after this long anyway; the browser opens another.
const LONGEST: Duration = Duration::from_mins(15);

/// Sends events for as long as the session lasts and the daemon does not stop.
pub fn follow<S>(
    stream: S,
    user: CurrentUser,
    auth: AuthService,
    lifecycle: &Lifecycle,
) -> impl IntoResponse + use<S>
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    let stop = lifecycle.soft().clone();
    let stream = stream.take_until(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = auth.until_ended(&user) => {}
            () = tokio::time::sleep(LONGEST) => {}
        }
    });
    let events = Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
    // nginx would hold the events back until its buffer is full.
    let headers = [("cache-control", "no-store"), ("x-accel-buffering", "no")];
    (headers, events)
}
