//! The use cases.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Notify;
use url::Url;

use super::decide::Decision;
use super::digest::RULE_DELETED;
use super::dispatch::RuleBook;
use super::error::NotificationError;
use super::render::{self, Words};
use super::rule::{Rule, RuleText};
use super::store::{events, history, rules};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::email::EmailService;
use crate::features::settings::{MasterKey, SettingsService};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::db::page::{Page, PageRequest};
use crate::platform::events::{self as happened, Event, EventBus, Severity};
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::mail::Mailer;
use crate::platform::outbound::Outbound;

const MAX_NAME_CHARS: usize = 100;
/// Events that a rule is tried on, at most.
const MOST_TRIED: i64 = 5_000;

/// What the service is made of.
#[derive(Clone)]
pub struct NotificationParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Keeps secrets.
    pub settings: SettingsService,
    /// Tells what happens.
    pub events: EventBus,
    /// Asks services.
    pub outbound: Outbound,
    /// Hands mail over.
    pub mailer: Mailer,
    /// Flowkeep's own mail.
    pub email: EmailService,
    /// Where Flowkeep is, for links in messages.
    pub public_url: Option<Url>,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Start and stop.
    pub lifecycle: Lifecycle,
}

/// Notifications. Cheap to clone.
#[derive(Clone)]
pub struct NotificationService {
    pub(super) parts: Arc<NotificationParts>,
    /// Wakes the worker.
    pub(super) changed: Arc<Notify>,
    pub(super) book: Arc<RwLock<Arc<RuleBook>>>,
    pub(super) link_key: Arc<SecretString>,
    /// Services whose lane is at work.
    pub(super) busy: Arc<Mutex<BTreeSet<i32>>>,
}

/// Something that happened, with its place in the feed.
pub(super) struct Happened {
    pub id: i64,
    pub event: Event,
}

/// A past event with what a rule would do with it.
pub(super) struct Tried {
    pub event: Event,
    pub decision: Decision,
    pub words: Words,
}

/// What a rule would have done.
pub(super) struct Trial {
    pub events: usize,
    pub is_cut: bool,
    pub decisions: Vec<Decision>,
    /// The newest of them.
    pub shown: Vec<Tried>,
}

impl NotificationService {
    /// Puts the service together.
    pub fn new(parts: NotificationParts, master: &MasterKey) -> Self {
        Self {
            link_key: Arc::new(master.derive("links that acknowledge alerts")),
            parts: Arc::new(parts),
            changed: Arc::default(),
            book: Arc::default(),
            busy: Arc::default(),
        }
    }

    pub(super) async fn rules(&self) -> Result<Vec<rules::Row>, NotificationError> {
        Ok(rules::list(self.parts.db.orm()).await?)
    }

    pub(super) async fn rule(&self, id: i32) -> Result<rules::Row, NotificationError> {
        let found = rules::get(self.parts.db.orm(), id).await?;
        found.ok_or(NotificationError::NoRule(id))
    }

    pub(super) async fn create_rule(
        &self,
        actor: &Actor,
        text: RuleText,
        sort_order: i32,
    ) -> Result<rules::Row, NotificationError> {
        let rule = self.check_rule(text).await?;
        let tx = self.parts.db.begin().await?;
        let id = rules::insert(&tx, &rule.text, sort_order, self.parts.clock.now()).await?;
        let entry = Entry::new(Action::NotificationRuleCreated).resource("notification_rule", id);
        self.commit(
            tx,
            actor,
            entry.details(facts(&rule.text)),
            "notifications.rules",
        )
        .await?;
        self.rule(id).await
    }

    pub(super) async fn update_rule(
        &self,
        actor: &Actor,
        text: RuleText,
        sort_order: i32,
    ) -> Result<rules::Row, NotificationError> {
        let id = text.id;
        self.rule(id).await?;
        let rule = self.check_rule(text).await?;
        let tx = self.parts.db.begin().await?;
        if !rules::update(&tx, &rule.text, sort_order, self.parts.clock.now()).await? {
            return Err(NotificationError::NoRule(id));
        }
        let entry = Entry::new(Action::NotificationRuleChanged).resource("notification_rule", id);
        self.commit(
            tx,
            actor,
            entry.details(facts(&rule.text)),
            "notifications.rules",
        )
        .await?;
        self.rule(id).await
    }

    pub(super) async fn delete_rule(
        &self,
        actor: &Actor,
        id: i32,
    ) -> Result<(), NotificationError> {
        let rule = self.rule(id).await?;
        let tx = self.parts.db.begin().await?;
        self.leave_gathered(&tx, std::slice::from_ref(&rule), RULE_DELETED)
            .await?;
        if !rules::delete(&tx, id).await? {
            return Err(NotificationError::NoRule(id));
        }
        let entry = Entry::new(Action::NotificationRuleDeleted).resource("notification_rule", id);
        self.commit(
            tx,
            actor,
            entry.details(json!({ "name": rule.name })),
            "notifications.rules",
        )
        .await
    }

    /// Checks a rule, and that the services it names are there.
    async fn check_rule(&self, mut text: RuleText) -> Result<Rule, NotificationError> {
        text.name = one_line("name", &text.name)?;
        for template in [
            &mut text.custom_title,
            &mut text.custom_message,
            &mut text.event_pattern,
        ] {
            *template = template.take().filter(|given| !given.trim().is_empty());
        }
        if text
            .custom_title
            .as_ref()
            .is_some_and(|title| title.chars().count() > 500)
        {
            return Err(NotificationError::invalid(
                "custom_title",
                "is longer than 500 characters",
            ));
        }
        let rule = Rule::new(text)?;
        let known: Vec<i32> = self.services().await?.iter().map(|one| one.id).collect();
        let missing = |field: String| {
            NotificationError::invalid(field, "is no service that there is; choose one of the list")
        };
        if !known.contains(&rule.text.service_id) {
            return Err(missing("service_id".to_owned()));
        }
        for (at, step) in rule.text.conditions.escalation.iter().enumerate() {
            if !known.contains(&step.service_id) {
                return Err(missing(format!("conditions.escalation.{at}.service_id")));
            }
        }
        Ok(rule)
    }

    /// What a rule would have done with the events of the last days; the newest `most_shown` in words.
    pub(super) async fn try_rule(
        &self,
        text: RuleText,
        days: u32,
        most_shown: usize,
    ) -> Result<Trial, NotificationError> {
        let rule = Rule::new(text)?;
        let since = self.parts.clock.now() - chrono::TimeDelta::days(i64::from(days));
        let rows = events::since(self.parts.db.orm(), since, MOST_TRIED).await?;
        let past: Vec<Event> = rows.into_iter().map(events::Row::event).collect();
        let tried = Self::try_on(&rule, &past, true);
        let own = (
            rule.text.custom_title.as_deref(),
            rule.text.custom_message.as_deref(),
        );
        let shown = tried
            .iter()
            .rev()
            .take(most_shown)
            .map(|(at, decision)| Tried {
                event: past[*at].clone(),
                decision: decision.clone(),
                words: render::words(&past[*at], own.0, own.1),
            });
        Ok(Trial {
            events: past.len(),
            is_cut: i64::try_from(past.len()).unwrap_or(i64::MAX) >= MOST_TRIED,
            shown: shown.collect(),
            decisions: tried.into_iter().map(|(_, decision)| decision).collect(),
        })
    }

    pub(super) async fn history(
        &self,
        filter: &history::Filter,
        page: &PageRequest,
    ) -> Result<Page<history::Row>, NotificationError> {
        Ok(history::list(self.parts.db.orm(), filter, page).await?)
    }

    pub(super) async fn message_row(
        &self,
        id: i32,
    ) -> Result<history::Detailed, NotificationError> {
        let found = history::get(self.parts.db.orm(), id).await?;
        found.ok_or(NotificationError::NoMessage(id))
    }

    /// Puts a message that ended untold back into the queue.
    pub(super) async fn retry(
        &self,
        actor: &Actor,
        id: i32,
    ) -> Result<history::Detailed, NotificationError> {
        let row = self.message_row(id).await?.row;
        let tx = self.parts.db.begin().await?;
        if !history::retry(&tx, id, self.parts.clock.now()).await? {
            let message = match row.status.as_str() {
                "sent" => "It was delivered; there is nothing to try again.",
                "pending" => "It is on its way already.",
                _ => "Its service was deleted; there is nowhere to send it.",
            };
            return Err(NotificationError::Conflict {
                code: "not_retryable",
                message: message.to_owned(),
            });
        }
        let entry = Entry::new(Action::NotificationRetried).resource("notification", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        self.changed.notify_one();
        self.message_row(id).await
    }

    pub(super) async fn commit(
        &self,
        tx: sea_orm::DatabaseTransaction,
        actor: &Actor,
        entry: Entry,
        what: &str,
    ) -> Result<(), NotificationError> {
        let data = json!({ "settings": [what], "by": actor.username });
        let (ids, clock) = (&self.parts.ids, &self.parts.clock);
        let event = Event::now(
            ids,
            clock,
            "management.settings_changed",
            Severity::Info,
            data,
        );
        audit::record(&tx, clock, actor, entry).await?;
        happened::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.events.publish(event);
        self.changed.notify_one();
        Ok(())
    }
}

pub(super) fn one_line(field: &str, text: &str) -> Result<String, NotificationError> {
    let text = text.trim();
    if text.is_empty()
        || text.chars().count() > MAX_NAME_CHARS
        || text.chars().any(char::is_control)
    {
        return Err(NotificationError::invalid(
            field,
            "must be one line of 1 to 100 characters",
        ));
    }
    Ok(text.to_owned())
}

fn facts(rule: &RuleText) -> Value {
    json!({
        "name": rule.name, "event_type": rule.event_type, "service_id": rule.service_id,
        "enabled": rule.is_enabled, "priority": rule.priority,
    })
}
