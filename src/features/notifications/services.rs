//! The use cases of services: kept, changed, tried.

use serde_json::{Value, json};

use super::channel::Channel;
use super::channels::message::Message;
use super::channels::{Parts, Undelivered};
use super::digest::SERVICE_DELETED;
use super::error::NotificationError;
use super::kinds::{self, Prepared};
use super::service::{NotificationService, one_line};
use super::store::{alerts, history, rules, services};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::settings::Location;

/// A service as somebody wants it.
#[derive(Clone, Debug)]
pub(super) struct ServiceDraft {
    pub name: String,
    pub service_type: String,
    pub is_enabled: bool,
    pub priority: i32,
    pub config: Value,
}

/// What became of a test.
#[derive(Clone, Debug)]
pub(super) struct Tested {
    pub error: Option<String>,
    pub field: Option<&'static str>,
    pub status: Option<u16>,
    pub duration_ms: u64,
}

impl NotificationService {
    pub(super) async fn services(&self) -> Result<Vec<services::Service>, NotificationError> {
        Ok(services::list(self.parts.db.orm()).await?)
    }

    pub(super) async fn service(&self, id: i32) -> Result<services::Service, NotificationError> {
        let found = services::get(self.parts.db.orm(), id).await?;
        found.ok_or(NotificationError::NoService(id))
    }

    pub(super) async fn create_service(
        &self,
        actor: &Actor,
        draft: ServiceDraft,
    ) -> Result<services::Service, NotificationError> {
        let prepared = kinds::prepare(&draft.service_type, &draft.config, None)?;
        let row = row_of(&draft, &prepared)?;
        let tx = self.parts.db.begin().await?;
        self.parts.settings.vault().hold(&tx).await?;
        let id = services::insert(&tx, &row, self.parts.clock.now()).await?;
        let id = id.ok_or_else(name_taken)?;
        self.seal(&tx, id, &prepared).await?;
        let entry =
            Entry::new(Action::NotificationServiceCreated).resource("notification_service", id);
        let entry = entry.details(json!({ "name": row.name, "type": row.service_type }));
        self.commit(tx, actor, entry, "notifications.services")
            .await?;
        self.service(id).await
    }

    pub(super) async fn update_service(
        &self,
        actor: &Actor,
        id: i32,
        draft: ServiceDraft,
    ) -> Result<services::Service, NotificationError> {
        let stored = self.service(id).await?;
        let is_same_type = stored.service_type == draft.service_type;
        let before = if is_same_type {
            Some(self.fields(&stored).await?)
        } else {
            None
        };
        let prepared = kinds::prepare(&draft.service_type, &draft.config, before.as_ref())?;
        let row = row_of(&draft, &prepared)?;
        let tx = self.parts.db.begin().await?;
        self.parts.settings.vault().hold(&tx).await?;
        if !services::update(&tx, id, &row, self.parts.clock.now()).await? {
            return Err(name_taken());
        }
        self.seal(&tx, id, &prepared).await?;
        let secret = before.as_ref().map(Prepared::secret);
        if stored.config != row.config || secret != Some(prepared.secret()) {
            history::begin_anew(&tx, id).await?;
        }
        let entry =
            Entry::new(Action::NotificationServiceChanged).resource("notification_service", id);
        let entry = entry.details(json!({ "name": row.name, "enabled": row.is_enabled }));
        self.commit(tx, actor, entry, "notifications.services")
            .await?;
        self.service(id).await
    }

    pub(super) async fn delete_service(
        &self,
        actor: &Actor,
        id: i32,
    ) -> Result<(), NotificationError> {
        let service = self.service(id).await?;
        let tx = self.parts.db.begin().await?;
        let all = rules::list(&tx).await?;
        let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| row.service_id == id);
        self.leave_gathered(&tx, &own, SERVICE_DELETED).await?;
        history::leave_waiting(&tx, id, SERVICE_DELETED).await?;
        self.forget_steps(&tx, &others, id).await?;
        if !services::delete(&tx, id).await? {
            return Err(NotificationError::NoService(id));
        }
        let entry =
            Entry::new(Action::NotificationServiceDeleted).resource("notification_service", id);
        let entry = entry.details(json!({ "name": service.name }));
        self.commit(tx, actor, entry, "notifications.services")
            .await
    }

    /// Takes the steps of escalations out that tell a service which goes; what is open goes on with the others.
    async fn forget_steps(
        &self,
        tx: &impl sea_orm::ConnectionTrait,
        rows: &[rules::Row],
        service_id: i32,
    ) -> Result<(), NotificationError> {
        for row in rows {
            let mut text = row.text();
            let steps = &text.conditions.escalation;
            let gone: Vec<i32> = (0..)
                .zip(steps)
                .filter(|(_, step)| step.service_id == service_id)
                .map(|(at, _)| at)
                .collect();
            if gone.is_empty() {
                continue;
            }
            text.conditions
                .escalation
                .retain(|step| step.service_id != service_id);
            rules::update(tx, &text, row.sort_order, self.parts.clock.now()).await?;
            alerts::steps_gone(tx, row.id, gone).await?;
        }
        Ok(())
    }

    /// Sends a test message by a service that is kept, and keeps what became of it.
    pub(super) async fn test_service(
        &self,
        actor: &Actor,
        id: i32,
    ) -> Result<Tested, NotificationError> {
        let service = self.service(id).await?;
        let tested = match self.open(&service).await {
            Ok(channel) => self.test(&channel).await,
            Err(why) => Tested {
                error: Some(why),
                field: None,
                status: None,
                duration_ms: 0,
            },
        };
        let now = self.parts.clock.now();
        let tx = self.parts.db.begin().await?;
        services::note_test(&tx, id, tested.error.as_deref(), now).await?;
        let entry =
            Entry::new(Action::NotificationServiceTested).resource("notification_service", id);
        let entry = entry.details(json!({ "worked": tested.error.is_none() }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(tested)
    }

    /// Sends a test message by a service that is not kept yet.
    pub(super) async fn test_draft(
        &self,
        service_type: &str,
        config: &Value,
        id: Option<i32>,
    ) -> Result<Tested, NotificationError> {
        let before = match id {
            Some(id) => {
                let stored = self.service(id).await?;
                if stored.service_type == service_type {
                    Some(self.fields(&stored).await?)
                } else {
                    None
                }
            }
            None => None,
        };
        let prepared = kinds::prepare(service_type, config, before.as_ref())?;
        let channel = Channel::new(prepared)?;
        Ok(self.test(&channel).await)
    }

    async fn test(&self, channel: &Channel) -> Tested {
        let message = Message {
            id: self.parts.ids.uuid(),
            link: self.parts.public_url.clone(),
            occurred_at: self.parts.clock.now(),
            data: json!({ "is_test": true }),
            ..Message::sample()
        };
        let started = std::time::Instant::now();
        let sent = channel.send(&self.parts, &message, Parts::default()).await;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match sent.outcome {
            Ok(delivered) => Tested {
                error: None,
                field: None,
                status: Some(delivered.status).filter(|status| *status != 0),
                duration_ms,
            },
            Err(Undelivered {
                why,
                discreet,
                status,
                is_unreached,
                ..
            }) => Tested {
                field: channel.address_field().filter(|_| is_unreached),
                // Whoever may test an address must not read by that what stands in the network around.
                error: Some(match discreet.filter(|_| channel.goes_anywhere()) {
                    Some(words) => words.into_string(),
                    None => why,
                }),
                status,
                duration_ms,
            },
        }
    }

    /// Every field of a service, the secret ones too.
    async fn fields(&self, service: &services::Service) -> Result<Prepared, NotificationError> {
        let secret = match &service.secret {
            Some(sealed) => {
                let row = service.id.to_string();
                let vault = self.parts.settings.vault();
                let plain = vault
                    .open_fresh(self.parts.db.orm(), location(&row), sealed)
                    .await?;
                serde_json::from_slice(&plain).unwrap_or(Value::Null)
            }
            None => Value::Null,
        };
        Ok(kinds::restore(
            &service.service_type,
            &service.config,
            &secret,
        )?)
    }

    /// The channel of a service; the error is for people.
    pub(super) async fn open(&self, service: &services::Service) -> Result<Channel, String> {
        let fields = self.fields(service).await;
        let channel = fields.and_then(|prepared| Ok(Channel::new(prepared)?));
        channel.map_err(|error| format!("its configuration cannot be used: {error}"))
    }

    async fn seal(
        &self,
        tx: &impl sea_orm::ConnectionTrait,
        id: i32,
        prepared: &Prepared,
    ) -> Result<(), NotificationError> {
        let sealed = match prepared.secret() {
            Some(secret) => {
                let row = id.to_string();
                let plain = secret.to_string();
                let vault = self.parts.settings.vault();
                Some(vault.seal(tx, location(&row), plain.as_bytes()).await?)
            }
            None => None,
        };
        Ok(services::set_secret(tx, id, sealed).await?)
    }
}

fn location(row: &str) -> Location<'_> {
    Location {
        table: "notification_services",
        column: "secret",
        row,
    }
}

fn row_of(draft: &ServiceDraft, prepared: &Prepared) -> Result<services::Draft, NotificationError> {
    if !(-1_000..=1_000).contains(&draft.priority) {
        return Err(NotificationError::invalid(
            "priority",
            "must be between -1000 and 1000",
        ));
    }
    Ok(services::Draft {
        name: one_line("name", &draft.name)?,
        service_type: draft.service_type.clone(),
        is_enabled: draft.is_enabled,
        config: prepared.public(),
        priority: draft.priority,
    })
}

fn name_taken() -> NotificationError {
    NotificationError::invalid("name", "another service has this name already")
}
