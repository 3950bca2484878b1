//! Why the newest runs failed, read out of what n8n wrote down of them. That may be large, and its database slow just
//! when everything fails: what takes too long is left out, and the look goes on without it.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::failure::failure;
use super::incident::{Board, Incident, Kind};
use super::source::Source;

/// For all of them together, beside the limit of each question.
const MOST_TIME: Duration = Duration::from_secs(10);
/// Bytes of all of them together.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// What could not be read is asked for again for as long.
const AGAIN_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// Reads it of runs whose words are not known yet.
pub(super) async fn describe(source: &mut Source, board: &mut Board, now: DateTime<Utc>) {
    let all = board
        .open
        .values_mut()
        .chain(board.closed.iter_mut().map(|one| &mut one.incident));
    let is_wanted = |one: &&mut Incident| {
        let is_news = one.id.is_none() || now - one.last_seen < AGAIN_WITHIN;
        one.kind == Kind::Failing && !one.is_described && is_news
    };
    let mut wanted: Vec<&mut Incident> = all.filter(is_wanted).collect();
    // Those that nobody was told of yet are told with their words, so they come first.
    wanted.sort_by_key(|one| (one.is_told, std::cmp::Reverse(one.last_seen)));
    let (began, mut bytes) = (Instant::now(), 0);
    for one in wanted {
        if began.elapsed() >= MOST_TIME || bytes >= MOST_BYTES {
            return;
        }
        let Some(id) = one.execution_id else { continue };
        match source.data(id).await {
            Ok(Some(data)) => {
                bytes += data.len();
                // Megabytes, for which others of this thread do not wait.
                let read = tokio::task::spawn_blocking(move || failure(&data)).await;
                let found = read.unwrap_or_default();
                one.error = found.message;
                one.node = found.node;
                one.is_described = true;
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, execution = id, "cannot read why a run failed"),
        }
    }
}
