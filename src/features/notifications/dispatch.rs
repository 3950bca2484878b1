//! From events to deliveries: what the rules decide is written in the transaction that marks the events, so that
//! no event is forgotten and none is decided twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::catalogue;
use super::channels::message::Tone;
use super::decide::{Decision, Past, decide};
use super::error::NotificationError;
use super::render;
use super::rule::{Rule, RuleText, searched};
use super::service::NotificationService;
use super::store::{alerts, batches, events, history, rules, services};
use crate::platform::events::{Event, Severity};

/// Events that are decided in one transaction.
const BATCH: i64 = 100;
const FULL: usize = 100;

/// Every rule that is on, and the services they speak by.
#[derive(Debug, Default)]
pub struct RuleBook {
    stamp: (i64, Option<DateTime<Utc>>),
    rules: Vec<Arc<Rule>>,
    by_type: HashMap<String, Vec<usize>>,
}

impl RuleBook {
    fn read(stamp: (i64, Option<DateTime<Utc>>), rows: &[rules::Row]) -> Self {
        let on = rows.iter().filter(|row| row.is_enabled);
        let checked = on.filter_map(|row| match Rule::kept(row.text()) {
            Ok(rule) => Some(Arc::new(rule)),
            Err(bad) => {
                tracing::warn!(
                    rule = row.id,
                    field = bad.field,
                    why = bad.why,
                    "a rule cannot be used"
                );
                None
            }
        });
        Self::new(stamp, checked.collect())
    }

    /// A book of these rules.
    pub fn new(stamp: (i64, Option<DateTime<Utc>>), rules: Vec<Arc<Rule>>) -> Self {
        let types = catalogue::EVENT_TYPES.iter().map(|one| one.name);
        let by_type = types.map(|name| {
            let those = rules
                .iter()
                .enumerate()
                .filter(|(_, rule)| rule.is_for(name));
            (name.to_owned(), those.map(|(at, _)| at).collect())
        });
        Self {
            stamp,
            by_type: by_type.collect(),
            rules,
        }
    }

    /// Whether a rule may tell of one of these types.
    fn has_rule_for(&self, types: &[&str]) -> bool {
        let is_for = |rule: &Arc<Rule>| types.iter().any(|one| rule.is_for(one));
        self.rules.iter().any(is_for)
    }

    /// The rules that tell of an event, in their order.
    pub fn matching<'a>(&'a self, event: &Event) -> Vec<&'a Arc<Rule>> {
        let Some(candidates) = self.by_type.get(&event.event_type) else {
            // A type that this version does not know: rules for all or for its group.
            let text = searched(event);
            return self
                .rules
                .iter()
                .filter(|rule| rule.matches(event, &text))
                .collect();
        };
        if candidates.is_empty() {
            return Vec::new();
        }
        let text = searched(event);
        let those = candidates.iter().map(|at| &self.rules[*at]);
        those.filter(|rule| rule.matches(event, &text)).collect()
    }
}

/// What a dispatched batch comes to.
#[derive(Default)]
struct Outcome {
    rows: Vec<history::New>,
    gathered: BTreeMap<(i32, &'static str, String), batches::Gathered>,
    /// Where a skipped row of the same rule, reason and type stands, so that repetitions are counted in it.
    skipped: HashMap<(i32, &'static str, String), usize>,
    triggered: BTreeSet<i32>,
}

impl NotificationService {
    /// Whether a rule that is on may tell of one of these types: whoever has to work for such an event asks first.
    pub async fn has_rule_for(&self, types: &[&str]) -> Result<bool, NotificationError> {
        let book = self.rule_book(self.parts.db.orm()).await?;
        Ok(book.has_rule_for(types))
    }

    /// Decides about everything in the outbox. Returns how many events there were.
    pub async fn dispatch(&self) -> Result<usize, NotificationError> {
        let mut all = 0;
        loop {
            let count = self.dispatch_some().await?;
            all += count;
            if count < FULL {
                return Ok(all);
            }
        }
    }

    /// Decides for a while, so that a flood of events holds up no delivery. Returns whether there is more.
    pub(super) async fn dispatch_for(&self, limit: Duration) -> Result<bool, NotificationError> {
        let begun = Instant::now();
        while self.dispatch_some().await? >= FULL {
            if begun.elapsed() >= limit {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn dispatch_some(&self) -> Result<usize, NotificationError> {
        let tx = self.parts.db.begin().await?;
        let claimed = events::claim(&tx, BATCH).await?;
        if claimed.is_empty() {
            tx.rollback().await?;
            return Ok(0);
        }
        let now = self.parts.clock.now();
        let ids: Vec<i64> = claimed.iter().map(|row| row.id).collect();
        let count = ids.len();
        let happened: Vec<Event> = claimed.into_iter().map(events::Row::event).collect();
        let book = self.rule_book(&tx).await?;
        let matched: Vec<(&Event, Vec<&Arc<Rule>>)> = happened
            .iter()
            .map(|event| (event, book.matching(event)))
            .collect();
        if matched.iter().any(|(_, rules)| !rules.is_empty()) {
            let services = services::list(&tx).await?;
            let services = services.into_iter().map(|one| (one.id, one)).collect();
            let mut past = past(&tx, &matched, now).await?;
            let before = past.told.clone();
            let mut outcome = Outcome::default();
            for (event, rules) in &matched {
                // In the order in which they happened: what recovered and failed again is open.
                resolve(&tx, event, now).await?;
                for rule in rules {
                    self.decide_one(&tx, rule, event, &services, now, &mut past, &mut outcome)
                        .await?;
                }
            }
            let news = past
                .told
                .into_iter()
                .filter(|(key, at)| before.get(key) != Some(at));
            let news = news.map(|((rule, subject), last)| (rule, subject, last));
            events::note_told(&tx, news).await?;
            history::insert(&tx, &outcome.rows).await?;
            for gathered in outcome.gathered.values() {
                batches::add(&tx, gathered).await?;
            }
            if !outcome.triggered.is_empty() {
                rules::note_triggered(&tx, outcome.triggered.into_iter().collect(), now).await?;
            }
        } else {
            for event in &happened {
                resolve(&tx, event, now).await?;
            }
        }
        events::mark(&tx, ids, now).await?;
        tx.commit().await?;
        Ok(count)
    }

    async fn rule_book(
        &self,
        tx: &impl sea_orm::ConnectionTrait,
    ) -> Result<Arc<RuleBook>, NotificationError> {
        let stamp = rules::stamp(tx).await?;
        let known = self.book.read().clone();
        if known.stamp == stamp {
            return Ok(known);
        }
        let book = Arc::new(RuleBook::read(stamp, &rules::list(tx).await?));
        *self.book.write() = Arc::clone(&book);
        Ok(book)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of the loop above, with its state"
    )]
    async fn decide_one(
        &self,
        tx: &impl sea_orm::ConnectionTrait,
        rule: &Rule,
        event: &Event,
        services: &BTreeMap<i32, services::Service>,
        now: DateTime<Utc>,
        past: &mut Past,
        outcome: &mut Outcome,
    ) -> Result<(), NotificationError> {
        let Some(service) = services.get(&rule.text.service_id) else {
            return Ok(());
        };
        let id = rule.text.id;
        // One that Flowkeep itself switched off is asked all the same: another is told in its place.
        let is_on = service.is_enabled || service.disabled_reason.is_some();
        match decide(rule, event, is_on, now, past) {
            Decision::Tell => {
                let mut row = self.row(&rule.text, service, event, now);
                row.alert_id = open_alert(tx, rule, &row.subject, event, &row.title, now).await?;
                outcome.rows.push(row);
                outcome.triggered.insert(id);
            }
            Decision::Gather { kind, key, due_at } => {
                let place = (id, kind.as_str(), key.clone());
                let gathered = outcome
                    .gathered
                    .entry(place)
                    .or_insert_with(|| batches::Gathered {
                        rule_id: id,
                        kind,
                        key,
                        due_at,
                        events: Vec::new(),
                    });
                gathered.events.push(event.clone());
                outcome.triggered.insert(id);
            }
            Decision::Skip { code, why } => {
                let place = (id, code, event.event_type.clone());
                if let Some(at) = outcome.skipped.get(&place) {
                    outcome.rows[*at].event_count += 1;
                } else {
                    let mut row = self.row(&rule.text, service, event, now);
                    row.status = "skipped";
                    row.skip_code = Some(code);
                    row.error_message = Some(why);
                    row.next_retry = None;
                    outcome.skipped.insert(place, outcome.rows.len());
                    outcome.rows.push(row);
                }
            }
        }
        Ok(())
    }

    /// A message of one event, to be delivered at once.
    pub(super) fn row(
        &self,
        rule: &RuleText,
        service: &services::Service,
        event: &Event,
        now: DateTime<Utc>,
    ) -> history::New {
        let own = (rule.custom_title.as_deref(), rule.custom_message.as_deref());
        let words = render::words(event, own.0, own.1);
        history::New {
            delivery_id: self.parts.ids.uuid(),
            event_id: Some(event.event_id),
            event_type: event.event_type.clone(),
            event_data: event.data.clone(),
            severity: event.severity.as_str(),
            occurred_at: event.occurred_at,
            service_id: service.id,
            service_name: service.name.clone(),
            rule_id: Some(rule.id),
            rule_name: Some(rule.name.clone()),
            status: "pending",
            skip_code: None,
            error_message: None,
            event_count: 1,
            next_retry: Some(now),
            created_at: now,
            title: words.title,
            message: words.body,
            priority: rule.priority.clone(),
            subject: catalogue::subject(event),
            has_details: rule.include_details,
            batch_id: None,
            alert_id: None,
            escalation_step: None,
            fallback_of: None,
        }
    }

    /// What rules would do with past events, without doing it. Newest last.
    pub(super) fn try_on(
        rule: &Rule,
        happened: &[Event],
        is_service_on: bool,
    ) -> Vec<(usize, Decision)> {
        let mut past = Past::default();
        let mut minute: Option<DateTime<Utc>> = None;
        let mut decided = Vec::new();
        for (at, event) in happened.iter().enumerate() {
            let text = searched(event);
            if !rule.matches(event, &text) {
                continue;
            }
            // The minute of a storm begins anew when it is over.
            if minute.is_none_or(|begun| event.occurred_at - begun >= TimeDelta::minutes(1)) {
                minute = Some(event.occurred_at);
                past.sent.clear();
            }
            decided.push((
                at,
                decide(rule, event, is_service_on, event.occurred_at, &mut past),
            ));
        }
        decided
    }
}

/// Opens an alert for what somebody must answer, if the rule has somebody to tell next.
pub(super) async fn open_alert(
    tx: &impl sea_orm::ConnectionTrait,
    rule: &Rule,
    subject: &str,
    event: &Event,
    title: &str,
    now: DateTime<Utc>,
) -> Result<Option<i32>, NotificationError> {
    let Some(first) = rule.text.conditions.escalation.first() else {
        return Ok(None);
    };
    if !is_trouble(&rule.text, event) {
        return Ok(None);
    }
    let next_at = now + TimeDelta::minutes(i64::from(first.after_minutes));
    let id = alerts::open(tx, rule.text.id, subject, event, title, next_at).await?;
    Ok(Some(id))
}

/// Whether somebody must answer it: the end of a trouble and other good news that a rule for a whole group tells
/// of too, nobody has to.
pub(super) fn is_trouble(rule: &RuleText, event: &Event) -> bool {
    let known = catalogue::find(&event.event_type);
    let is_good = known.is_some_and(|one| !one.ends.is_empty() || one.tone == Tone::Success);
    // A restart that is done has nobody to end it.
    let is_over = event
        .data
        .get("is_over")
        .and_then(serde_json::Value::as_bool)
        == Some(true);
    !is_good && !is_over && (event.severity > Severity::Info || rule.event_type == event.event_type)
}

/// Ends the alerts whose trouble an event ends.
async fn resolve(
    tx: &impl sea_orm::ConnectionTrait,
    event: &Event,
    now: DateTime<Utc>,
) -> Result<(), NotificationError> {
    let ends = catalogue::find(&event.event_type).map_or(&[][..], |one| one.ends);
    if !ends.is_empty() {
        let at = event.occurred_at.format("%Y-%m-%d %H:%M UTC");
        let by = format!("{} of {at}", event.event_type);
        alerts::resolve(tx, &catalogue::subject(event), ends, &by, now).await?;
    }
    Ok(())
}

/// What the rules that are asked did lately.
async fn past(
    tx: &impl sea_orm::ConnectionTrait,
    matched: &[(&Event, Vec<&Arc<Rule>>)],
    now: DateTime<Utc>,
) -> Result<Past, NotificationError> {
    let mut keys = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (event, rules) in matched {
        for rule in rules {
            ids.insert(rule.text.id);
            if rule.text.cooldown_minutes > 0 {
                keys.insert((rule.text.id, rule.cooldown_key(event)));
            }
        }
    }
    let told = events::told(tx, &keys).await?;
    let sent =
        history::sent_since(tx, ids.into_iter().collect(), now - TimeDelta::minutes(1)).await?;
    let sent = sent
        .into_iter()
        .map(|(id, n)| (id, u32::try_from(n).unwrap_or(u32::MAX)));
    Ok(Past {
        told,
        sent: sent.collect(),
    })
}
