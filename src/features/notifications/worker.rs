//! Delivers: a lane for each service, so that one that stalls holds up no other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::stream::StreamExt;
use tokio_util::sync::CancellationToken;

use super::backoff::wait_after;
use super::channel::Channel;
use super::channels::message::Message;
use super::channels::{Attempt, Delivered, Undelivered};
use super::digest::Left;
use super::error::NotificationError;
use super::escalation::page;
use super::service::NotificationService;
use super::store::{alerts, batches, history, services};
use crate::features::settings::Key;
use crate::platform::events::{self as happened, Severity};

/// Deliveries that are taken at once, for each that a service takes side by side.
const CLAIM: i64 = 4;
/// All of them take no longer; if they do, their daemon is dead.
const LEASE: TimeDelta = TimeDelta::minutes(15);
/// After a database that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the worker sleeps when nothing wakes it: events of other daemons come by the table alone.
const PERIOD: Duration = Duration::from_secs(5);
/// Decides so long before it looks after deliveries again.
const DECIDING: Duration = Duration::from_millis(250);
const TIDY: Duration = Duration::from_hours(1);
/// After that many failed attempts another service is told, while the first is tried on.
const FALLBACK_AFTER: i32 = 3;
/// Messages that may wait for one service.
const MOST_WAITING: i64 = 10_000;
/// The bell and the trial of rules look back that far.
const EVENTS_KEPT: TimeDelta = TimeDelta::days(30);
const LONGEST_WAIT: TimeDelta = TimeDelta::days(3);

/// How a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// It took what it got.
    Well,
    /// It did not.
    Ill,
    /// It did not, and asks to be left alone.
    LeftAlone,
}

const ACKNOWLEDGED: Left = Left {
    code: "acknowledged",
    why: "somebody acknowledged it meanwhile, or it ended",
};

impl NotificationService {
    /// Works until `stop`: decides, gathers, delivers, escalates.
    pub async fn work(&self, stop: CancellationToken) {
        let mut happened = self.parts.events.subscribe();
        // Only the leader works: whoever held something before was killed, or lost its place.
        if let Err(error) = history::release_all(self.parts.db.orm()).await {
            tracing::warn!(%error, "cannot free what was being delivered; it goes on when its lease is over");
        }
        let mut tidy = tokio::time::interval(TIDY);
        loop {
            // Once for everything that came meanwhile.
            while happened.try_recv().is_ok() {}
            let busy = self.busy.lock().clone();
            let wait = match self.turn(&busy).await {
                Ok((due, wait)) => {
                    for id in due {
                        self.open_lane(id, stop.clone());
                    }
                    wait
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot look after notifications");
                    PERIOD
                }
            };
            tokio::select! {
                _ = happened.recv() => {}
                () = self.changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
                _ = tidy.tick() => {
                    if let Err(error) = self.tidy().await {
                        tracing::warn!(%error, "cannot tidy notifications up");
                    }
                }
                () = stop.cancelled() => return,
            }
        }
    }

    /// Begins a lane of its own task: what it holds of the database must never wait for this one's turn. What is
    /// on the wire when the daemon stops comes to its end within the grace of the stop.
    fn open_lane(&self, service_id: i32, stop: CancellationToken) {
        self.busy.lock().insert(service_id);
        let own = self.clone();
        self.parts.lifecycle.spawn("notifications", async move {
            if let Err(error) = own.lane(service_id, stop.clone()).await {
                tracing::warn!(service = service_id, %error, "cannot deliver");
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = stop.cancelled() => {}
                }
            }
            own.busy.lock().remove(&service_id);
            // There may be more that came when this lane looked for the last time.
            own.changed.notify_one();
        });
    }

    /// One turn: which services have something to deliver, and how long nothing will be due.
    async fn turn(&self, busy: &BTreeSet<i32>) -> Result<(Vec<i32>, Duration), NotificationError> {
        let has_more = self.dispatch_for(DECIDING).await?;
        self.flush_batches().await?;
        self.escalate().await?;
        self.tell_others().await?;
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
        let mut due = history::due_services(db, now).await?;
        due.retain(|id| !busy.contains(id));
        // A busy lane looks for more by itself; waiting for it here would be spinning.
        let taken = busy.iter().chain(&due).copied().collect();
        let next = history::next_due(db, taken).await?;
        if has_more {
            return Ok((due, Duration::ZERO));
        }
        let until = next.map(|at| (at - now).to_std().unwrap_or(Duration::from_millis(50)));
        Ok((
            due,
            until.map_or(PERIOD, |until| {
                until.clamp(Duration::from_millis(50), PERIOD)
            }),
        ))
    }

    /// Everything that is due, once. For tests and tools that move the clock by hand.
    pub async fn run_once(&self) -> Result<(), NotificationError> {
        self.dispatch().await?;
        let (due, _) = self.turn(&BTreeSet::new()).await?;
        for id in due {
            self.lane(id, CancellationToken::new()).await?;
        }
        Ok(())
    }

    /// Delivers what is due for a service, until nothing is.
    async fn lane(
        &self,
        service_id: i32,
        stop: CancellationToken,
    ) -> Result<(), NotificationError> {
        let db = self.parts.db.orm();
        while !stop.is_cancelled() {
            let Some(service) = services::get(db, service_id).await? else {
                return Ok(());
            };
            let opened = self.open(&service).await;
            let now = self.parts.clock.now();
            if service.not_before.is_some_and(|at| at > now) {
                return Ok(());
            }
            // One that failed last is asked for one thing first.
            let is_probe = service.failing_since.is_some();
            let width = opened.as_ref().map_or(1, Channel::width);
            let width = if is_probe { 1 } else { width };
            let most = if is_probe {
                1
            } else {
                i64::try_from(width).unwrap_or(1) * CLAIM
            };
            let claimed = history::claim(db, service_id, most, now, now + LEASE).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            let ids: Vec<i32> = claimed.iter().map(|row| row.id).collect();
            let delivered = self
                .deliver_all(&service, opened.as_ref(), claimed, width, &stop)
                .await;
            let is_left_alone = matches!(delivered, Ok(Lane::LeftAlone));
            if delivered.is_err() || is_left_alone || stop.is_cancelled() {
                // What was not begun, or could not be noted, is free at once: rather twice than late.
                history::release(db, ids).await?;
            }
            if delivered? == Lane::Well {
                services::note_delivery(db, service_id, None, self.parts.clock.now()).await?;
            }
        }
        Ok(())
    }

    /// Delivers what was claimed.
    async fn deliver_all(
        &self,
        service: &services::Service,
        channel: Result<&Channel, &String>,
        claimed: Vec<history::Row>,
        width: usize,
        stop: &CancellationToken,
    ) -> Result<Lane, NotificationError> {
        let interval = channel.map_or(Duration::ZERO, Channel::interval);
        // What it asks for holds for the messages after it too.
        let is_left_alone = &AtomicBool::new(false);
        let mut attempts = futures_util::stream::iter(claimed)
            .map(|row| async move {
                if stop.is_cancelled() || is_left_alone.load(Ordering::Relaxed) {
                    return Ok(Lane::LeftAlone);
                }
                let ended = self.attempt(service, channel, &row).await?;
                if ended == Lane::LeftAlone {
                    is_left_alone.store(true, Ordering::Relaxed);
                } else if !interval.is_zero() {
                    tokio::select! {
                        () = tokio::time::sleep(interval) => {}
                        () = stop.cancelled() => {}
                    }
                }
                Ok::<_, NotificationError>(ended)
            })
            .buffer_unordered(width);
        let (mut last, mut failure) = (Lane::Ill, None);
        while let Some(ended) = attempts.next().await {
            match ended {
                Ok(ended) => last = ended,
                Err(error) => failure = Some(error),
            }
        }
        if is_left_alone.load(Ordering::Relaxed) {
            last = Lane::LeftAlone;
        }
        failure.map_or(Ok(last), Err)
    }

    async fn attempt(
        &self,
        service: &services::Service,
        channel: Result<&Channel, &String>,
        row: &history::Row,
    ) -> Result<Lane, NotificationError> {
        let told = row.told();
        let started = std::time::Instant::now();
        if !service.is_enabled {
            self.note_off(service, row).await?;
            return Ok(Lane::Ill);
        }
        if self.is_answered(row).await? {
            let end = skipped(ACKNOWLEDGED, row.parts.clone());
            history::end(self.parts.db.orm(), row.id, &end, self.parts.clock.now()).await?;
            return Ok(Lane::Well);
        }
        let sent = match channel {
            Ok(channel) => {
                let message = self.message(row);
                channel.send(&self.parts, &message, told).await
            }
            Err(why) => Attempt::failed(Undelivered {
                parts: told,
                ..Undelivered::lasting(why.clone(), 0)
            }),
        };
        let log = Log {
            duration_ms: i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX),
            payload: sent.payload,
        };
        match sent.outcome {
            Ok(delivered) => {
                self.note_sent(row, &delivered, log).await?;
                Ok(Lane::Well)
            }
            Err(trouble) => {
                let is_left_alone = trouble.is_transient && trouble.retry_after.is_some();
                self.note_trouble(service, row, trouble, log).await?;
                Ok(if is_left_alone {
                    Lane::LeftAlone
                } else {
                    Lane::Ill
                })
            }
        }
    }

    /// Whether it says that nobody answered, and somebody did meanwhile.
    async fn is_answered(&self, row: &history::Row) -> Result<bool, NotificationError> {
        let Some(alert) = row.alert_id.filter(|_| row.escalation_step.is_some()) else {
            return Ok(false);
        };
        let alert = alerts::get(self.parts.db.orm(), alert).await?;
        Ok(alert.is_some_and(|alert| alert.status != "open"))
    }

    async fn note_sent(
        &self,
        row: &history::Row,
        delivered: &Delivered,
        log: Log,
    ) -> Result<(), NotificationError> {
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
        let end = history::End {
            status: "sent",
            skip_code: None,
            error: None,
            next_retry: None,
            parts: row.parts.clone(),
            response_status: Some(i32::from(delivered.status)).filter(|status| *status != 0),
            response_text: Some(delivered.words.clone()),
            duration_ms: log.duration_ms,
            is_attempt: true,
            payload: log.payload,
        };
        Ok(history::end(db, row.id, &end, now).await?)
    }

    async fn note_trouble(
        &self,
        service: &services::Service,
        row: &history::Row,
        trouble: Undelivered,
        log: Log,
    ) -> Result<(), NotificationError> {
        let now = self.parts.clock.now();
        let attempt = row.retry_count + 1;
        let [random] = self.parts.ids.bytes::<1>();
        let wait =
            wait_after(attempt, trouble.retry_after, random).filter(|_| trouble.is_transient);
        let end = history::End {
            status: match wait {
                Some(_) => "pending",
                None if trouble.is_partly_sent => "sent",
                None => "failed",
            },
            skip_code: None,
            error: Some(trouble.why.clone()),
            next_retry: wait.map(|wait| now + wait),
            parts: serde_json::to_value(&trouble.parts).ok(),
            response_status: trouble.status.map(i32::from),
            response_text: None,
            duration_ms: log.duration_ms,
            is_attempt: true,
            payload: log.payload,
        };
        tracing::warn!(
            service = service.name,
            message = row.id,
            attempt,
            why = trouble.why,
            retry_at = ?end.next_retry,
            "a notification was not delivered"
        );
        // In one transaction: a trouble that is noted as failed is told to another one, or is not noted.
        let tx = self.parts.db.begin().await?;
        history::end(&tx, row.id, &end, now).await?;
        services::note_delivery(&tx, service.id, Some(&trouble.why), now).await?;
        if let (Some(asked), Some(wait)) = (trouble.retry_after, wait)
            && !asked.is_zero()
        {
            services::leave_alone(&tx, service.id, now + wait).await?;
        }
        let mut happened = None;
        if trouble.is_gone {
            happened = Some(self.switch_off(&tx, service).await?);
        }
        if end.status == "failed"
            && let Some(batch) = row.batch_id
        {
            batches::mark_failed(&tx, batch).await?;
        }
        if end.status == "failed" || (end.status == "pending" && attempt == FALLBACK_AFTER) {
            self.fall_back(&tx, service, row, &trouble.why).await?;
        }
        tx.commit().await?;
        if let Some(event) = happened {
            self.parts.events.publish(event);
        }
        Ok(())
    }

    /// The message of a row, as channels take it.
    pub(super) fn message(&self, row: &history::Row) -> Message {
        let base = self.parts.public_url.as_ref();
        let link =
            base.and_then(|base| page(base, &format!("notifications/history?message={}", row.id)));
        let told_at = row.queued_at.or(row.created_at);
        let told_at = told_at.unwrap_or_else(|| self.parts.clock.now());
        let acknowledge = row
            .alert_id
            .and_then(|id| self.acknowledge_link(id, told_at));
        let severity = Severity::from_name(&row.severity);
        let known = super::catalogue::find(&row.event_type);
        Message {
            id: row.delivery_id,
            event_type: row.event_type.clone(),
            severity,
            priority: super::rule::priority(&row.priority)
                .unwrap_or(super::channels::message::Priority::Normal),
            tone: super::render::tone(known, severity),
            title: row.title.clone(),
            body: row.message.clone(),
            link,
            acknowledge,
            key: row.subject.clone(),
            occurred_at: row.occurred_at.unwrap_or_else(|| self.parts.clock.now()),
            data: row
                .event_data
                .clone()
                .filter(|_| row.has_details)
                .unwrap_or_default(),
        }
    }

    /// Ends what waited too long, and forgets what is old.
    pub async fn tidy(&self) -> Result<(), NotificationError> {
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
        history::expire(db, now - LONGEST_WAIT, MOST_WAITING).await?;
        let days = self.parts.settings.integer(Key::NotificationHistoryDays);
        let before = now - TimeDelta::days(days);
        history::forget(db, before).await?;
        super::store::alerts::forget(db, before).await?;
        super::store::events::forget_told(db, now - TimeDelta::days(31)).await?;
        happened::remove_told(db, now - EVENTS_KEPT).await?;
        Ok(())
    }
}

/// What is noted of an attempt, whatever came of it.
struct Log {
    duration_ms: i32,
    payload: Option<String>,
}

/// How a message ends that is not sent.
pub(super) fn skipped(left: Left, parts: Option<serde_json::Value>) -> history::End {
    history::End {
        status: "skipped",
        skip_code: Some(left.code),
        error: Some(left.why.to_owned()),
        next_retry: None,
        parts,
        response_status: None,
        response_text: None,
        duration_ms: 0,
        is_attempt: false,
        payload: None,
    }
}
