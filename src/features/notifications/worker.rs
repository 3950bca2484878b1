//! Delivers: a lane for each service, so that one that stalls holds up no other.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::stream::StreamExt;
use tokio_util::sync::CancellationToken;

use super::backoff::wait_after;
use super::channel::Channel;
use super::channels::message::Message;
use super::channels::{Delivered, Undelivered};
use super::error::NotificationError;
use super::escalation::page;
use super::service::NotificationService;
use super::store::{batches, history, services};
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
const TIDY: Duration = Duration::from_hours(1);
/// After that many failed attempts another service is told, while the first is tried on.
const FALLBACK_AFTER: i32 = 3;
/// Messages that may wait for one service.
const MOST_WAITING: i64 = 10_000;
/// The bell and the trial of rules look back that far.
const EVENTS_KEPT: TimeDelta = TimeDelta::days(30);
const LONGEST_WAIT: TimeDelta = TimeDelta::days(3);

impl NotificationService {
    /// Works until `stop`: decides, gathers, delivers, escalates.
    pub async fn work(&self, stop: CancellationToken) {
        let mut happened = self.parts.events.subscribe();
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
        self.dispatch().await?;
        self.flush_batches().await?;
        self.escalate().await?;
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
        let mut due = history::due_services(db, now).await?;
        due.retain(|id| !busy.contains(id));
        // A busy lane looks for more by itself; waiting for it here would be spinning.
        let taken = busy.iter().chain(&due).copied().collect();
        let next = history::next_due(db, taken).await?;
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
            let width = opened.as_ref().map_or(1, Channel::width);
            let now = self.parts.clock.now();
            let most = i64::try_from(width).unwrap_or(1) * CLAIM;
            let claimed = history::claim(db, service_id, most, now, now + LEASE).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            let ids: Vec<i32> = claimed.iter().map(|row| row.id).collect();
            let delivered = self
                .deliver_all(&service, opened.as_ref(), claimed, width, &stop)
                .await;
            if delivered.is_err() || stop.is_cancelled() {
                // What was not begun, or could not be noted, is free at once: rather twice than late.
                history::release(db, ids).await?;
            }
            if delivered? {
                services::note_delivery(db, service_id, None, self.parts.clock.now()).await?;
            }
        }
        Ok(())
    }

    /// Delivers what was claimed. Returns whether the last was taken.
    async fn deliver_all(
        &self,
        service: &services::Service,
        channel: Result<&Channel, &String>,
        claimed: Vec<history::Row>,
        width: usize,
        stop: &CancellationToken,
    ) -> Result<bool, NotificationError> {
        let interval = channel.map_or(Duration::ZERO, Channel::interval);
        let mut attempts = futures_util::stream::iter(claimed)
            .map(|row| async move {
                if stop.is_cancelled() {
                    return Ok(false);
                }
                let is_sent = self.attempt(service, channel, &row).await?;
                if !interval.is_zero() {
                    tokio::select! {
                        () = tokio::time::sleep(interval) => {}
                        () = stop.cancelled() => {}
                    }
                }
                Ok::<_, NotificationError>(is_sent)
            })
            .buffer_unordered(width);
        let (mut is_well, mut failure) = (false, None);
        while let Some(ended) = attempts.next().await {
            match ended {
                Ok(is_sent) => is_well = is_sent,
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(is_well), Err)
    }

    async fn attempt(
        &self,
        service: &services::Service,
        channel: Result<&Channel, &String>,
        row: &history::Row,
    ) -> Result<bool, NotificationError> {
        let told = row.told();
        let started = std::time::Instant::now();
        let result = if service.is_enabled {
            match channel {
                Ok(channel) => {
                    let message = self.message(row);
                    channel.send(&self.parts, &message, told).await
                }
                Err(why) => Err(Undelivered {
                    parts: told,
                    ..Undelivered::lasting(why.clone(), 0)
                }),
            }
        } else {
            let end = skipped(
                "service_disabled",
                "its service is switched off",
                row.parts.clone(),
            );
            history::end(self.parts.db.orm(), row.id, &end, self.parts.clock.now()).await?;
            return Ok(false);
        };
        let duration_ms = i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX);
        match result {
            Ok(delivered) => {
                self.note_sent(row, &delivered, duration_ms).await?;
                Ok(true)
            }
            Err(trouble) => {
                self.note_trouble(service, row, trouble, duration_ms)
                    .await?;
                Ok(false)
            }
        }
    }

    async fn note_sent(
        &self,
        row: &history::Row,
        delivered: &Delivered,
        duration_ms: i32,
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
            duration_ms,
            is_attempt: true,
        };
        Ok(history::end(db, row.id, &end, now).await?)
    }

    async fn note_trouble(
        &self,
        service: &services::Service,
        row: &history::Row,
        trouble: Undelivered,
        duration_ms: i32,
    ) -> Result<(), NotificationError> {
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
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
            duration_ms,
            is_attempt: true,
        };
        tracing::warn!(
            service = service.name,
            message = row.id,
            attempt,
            why = trouble.why,
            retry_at = ?end.next_retry,
            "a notification was not delivered"
        );
        history::end(db, row.id, &end, now).await?;
        services::note_delivery(db, service.id, Some(&trouble.why), now).await?;
        if trouble.is_gone {
            let why =
                "It answered 410: nobody is there any more. Switch it on again when it is back.";
            services::switch_off(db, service.id, why, now).await?;
        }
        if end.status == "failed"
            && let Some(batch) = row.batch_id
        {
            batches::mark_failed(db, batch).await?;
        }
        if end.status == "failed" || (end.status == "pending" && attempt == FALLBACK_AFTER) {
            self.fall_back(service, row, &trouble.why).await?;
        }
        Ok(())
    }

    /// Tells the next service in order of preference what this one could not be told: a trouble must not go
    /// unheard because its channel is the trouble.
    async fn fall_back(
        &self,
        failed: &services::Service,
        row: &history::Row,
        why: &str,
    ) -> Result<(), NotificationError> {
        let db = self.parts.db.orm();
        let severity = Severity::from_name(&row.severity);
        if severity < Severity::Warning || history::has_fallback(db, row.id).await? {
            return Ok(());
        }
        let mut tried = history::tried(db, row.id).await?;
        tried.push(failed.id);
        let all = services::list(db).await?;
        let next = all
            .into_iter()
            .find(|one| one.is_enabled && !tried.contains(&one.id));
        let Some(next) = next else {
            return Ok(());
        };
        let now = self.parts.clock.now();
        let intro = format!("{} could not be reached: {why}\n\n", failed.name);
        let new = history::New {
            delivery_id: self.parts.ids.uuid(),
            event_id: row.event_id,
            event_type: row.event_type.clone(),
            event_data: row.event_data.clone().unwrap_or_default(),
            severity: severity.as_str(),
            occurred_at: row.occurred_at.unwrap_or(now),
            service_id: next.id,
            service_name: next.name.clone(),
            rule_id: row.rule_id,
            rule_name: row.rule_name.clone(),
            status: "pending",
            skip_code: None,
            error_message: None,
            event_count: row.event_count,
            next_retry: Some(now),
            created_at: now,
            title: row.title.clone(),
            message: format!("{intro}{}", row.message),
            priority: row.priority.clone(),
            subject: row.subject.clone(),
            has_details: row.has_details,
            batch_id: None,
            alert_id: row.alert_id,
            fallback_of: Some(row.id),
        };
        history::insert(db, &[new]).await?;
        self.changed.notify_one();
        Ok(())
    }

    /// The message of a row, as channels take it.
    pub(super) fn message(&self, row: &history::Row) -> Message {
        let base = self.parts.public_url.as_ref();
        let link =
            base.and_then(|base| page(base, &format!("notifications/history?message={}", row.id)));
        let acknowledge = row.alert_id.and_then(|id| self.acknowledge_link(id));
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

fn skipped(code: &'static str, why: &str, parts: Option<serde_json::Value>) -> history::End {
    history::End {
        status: "skipped",
        skip_code: Some(code),
        error: Some(why.to_owned()),
        next_retry: None,
        parts,
        response_status: None,
        response_text: None,
        duration_ms: 0,
        is_attempt: false,
    }
}
