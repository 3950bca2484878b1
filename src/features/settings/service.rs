//! Reads settings from memory and changes them in the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::keys;
use super::registry::{DEFINITIONS, Definition, Key, ORDERED, find};
use super::store::{self, Row};
use super::{Location, SettingsError, Vault};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::{self, Event, EventBus, Severity};
use crate::platform::ids::Ids;

/// The settings. Cheap to clone; all clones share one cache.
#[derive(Clone)]
pub struct SettingsService {
    db: Db,
    clock: Clock,
    ids: Ids,
    events: EventBus,
    vault: Vault,
    cache: Arc<RwLock<BTreeMap<String, Row>>>,
    /// One change at a time, until the cache holds it: an older list must not replace a newer one.
    changing: Arc<tokio::sync::Mutex<()>>,
    /// The same for reading: what was read later must not be replaced by what was read before.
    loading: Arc<tokio::sync::Mutex<()>>,
}

/// A setting with its present value.
pub struct SettingView {
    pub definition: &'static Definition,
    /// Null for secrets.
    pub value: Value,
    pub is_set: bool,
    pub updated_at: Option<DateTime<Utc>>,
    pub updated_by: Option<String>,
}

/// A data key, without the key.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its name in sealed values.
    pub key_id: String,
    /// The cipher.
    pub algorithm: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When another took its place.
    pub rotated_at: Option<DateTime<Utc>>,
    /// Whether new values are sealed under it.
    pub is_active: bool,
}

impl SettingsService {
    /// Puts the service together. Touches no database; [`SettingsService::load`] does.
    pub fn new(db: Db, clock: Clock, ids: Ids, events: EventBus, vault: Vault) -> Self {
        Self {
            db,
            clock,
            ids,
            events,
            vault,
            cache: Arc::default(),
            changing: Arc::default(),
            loading: Arc::default(),
        }
    }

    /// Opens the vault and reads every setting, as of one moment: another process may rotate the keys
    /// meanwhile.
    pub async fn load(&self) -> Result<(), SettingsError> {
        let _one_at_a_time = self.loading.lock().await;
        self.vault.begin(&self.db).await?;
        self.read_all().await
    }

    /// Reads every setting and writes nothing: an empty database stays empty.
    pub async fn look(&self) -> Result<(), SettingsError> {
        let _one_at_a_time = self.loading.lock().await;
        self.read_all().await
    }

    async fn read_all(&self) -> Result<(), SettingsError> {
        let tx = self.db.begin_snapshot().await?;
        self.vault.load(&tx).await?;
        let rows = store::list(&tx).await?;
        tx.commit().await?;
        *self.cache.write() = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
        Ok(())
    }

    /// A number.
    pub fn integer(&self, key: Key) -> i64 {
        let definition = key.definition();
        let stored = self.stored(definition).and_then(|value| value.as_i64());
        stored
            .or_else(|| definition.default_value().as_i64())
            .unwrap_or_default()
    }

    /// Yes or no.
    pub fn boolean(&self, key: Key) -> bool {
        let definition = key.definition();
        let stored = self.stored(definition).and_then(|value| value.as_bool());
        stored
            .or_else(|| definition.default_value().as_bool())
            .unwrap_or_default()
    }

    /// One of a few words.
    pub fn choice(&self, key: Key) -> String {
        let definition = key.definition();
        let text = |value: Value| value.as_str().map(str::to_owned);
        let stored = self.stored(definition).and_then(text);
        stored
            .or_else(|| text(definition.default_value()))
            .unwrap_or_default()
    }

    /// Lines of text; none if it is not set.
    pub fn lines(&self, key: Key) -> Vec<String> {
        let stored = self.stored(key.definition());
        stored
            .and_then(|value| serde_json::from_value(value).ok())
            .unwrap_or_default()
    }

    /// A secret, if it is set.
    pub fn secret(&self, key: Key) -> Result<Option<SecretString>, SettingsError> {
        let name = key.definition().name;
        let Some(sealed) = self.cache.read().get(name).map(|row| row.value.clone()) else {
            return Ok(None);
        };
        let plain = self.vault.open(location(name), &sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| super::VaultError::Malformed)?;
        Ok(Some(SecretString::from(text.to_owned())))
    }

    /// A stored value that still fits: bounds may have narrowed since it was written.
    fn stored(&self, definition: &Definition) -> Option<Value> {
        let value = self
            .cache
            .read()
            .get(definition.name)
            .map(|row| row.value.clone())?;
        definition.check(&value).is_ok().then_some(value)
    }

    pub(super) fn list(&self) -> Vec<SettingView> {
        let shown = DEFINITIONS
            .iter()
            .filter(|definition| !definition.is_internal);
        shown.map(|definition| self.view(definition)).collect()
    }

    pub(super) fn find(name: &str) -> Result<Key, SettingsError> {
        find(name)
            .filter(|definition| !definition.is_internal)
            .map(|definition| definition.key)
            .ok_or_else(|| SettingsError::Unknown(name.to_owned()))
    }

    pub(super) fn view(&self, definition: &'static Definition) -> SettingView {
        let row = self.cache.read().get(definition.name).cloned();
        let value = if definition.is_secret() {
            Value::Null
        } else {
            self.stored(definition)
                .unwrap_or_else(|| definition.default_value())
        };
        SettingView {
            definition,
            value,
            is_set: row.is_some(),
            updated_at: row.as_ref().and_then(|row| row.updated_at),
            updated_by: row.and_then(|row| row.updated_by),
        }
    }

    /// What differs from the defaults and is neither secret nor changed by a page of its own.
    pub fn changed_values(&self) -> BTreeMap<String, Value> {
        let cache = self.cache.read();
        let changed = DEFINITIONS
            .iter()
            .filter(|definition| !definition.is_secret() && !definition.is_internal)
            .filter_map(|definition| {
                let row = cache.get(definition.name)?;
                Some((definition.name.to_owned(), row.value.clone()))
            });
        changed.collect()
    }

    /// Sets what [`SettingsService::changed_values`] gave elsewhere; what this version does not know or
    /// take is left out.
    pub async fn restore_values(
        &self,
        actor: &Actor,
        values: &BTreeMap<String, Value>,
    ) -> Result<(), SettingsError> {
        let mut known: Vec<(Key, Option<Value>)> = values
            .iter()
            .filter_map(|(name, value)| {
                let definition = find(name).filter(|definition| {
                    !definition.is_internal
                        && !definition.is_secret()
                        && definition.check(value).is_ok()
                })?;
                Some((definition.key, Some(value.clone())))
            })
            .collect();
        for (less, more) in ORDERED {
            let is_one = |key: Key| key == *less || key == *more;
            let pair: Vec<_> = known.iter().filter(|one| is_one(one.0)).cloned().collect();
            if self.check_order(&pair).is_err() {
                known.retain(|one| !is_one(one.0));
            }
        }
        if known.is_empty() {
            return Ok(());
        }
        self.change(actor, known, None).await
    }

    /// Changes settings, `None` for back to the default, all or none. `extra` is one more audit
    /// line for what the caller does by this.
    pub async fn change(
        &self,
        actor: &Actor,
        changes: Vec<(Key, Option<Value>)>,
        extra: Option<Entry>,
    ) -> Result<(), SettingsError> {
        for (key, value) in &changes {
            if let Some(value) = value {
                let check = key.definition().check(value);
                check.map_err(|why| SettingsError::Invalid {
                    key: key.definition().name,
                    why,
                })?;
            }
        }
        let _one_at_a_time = self.changing.lock().await;
        self.check_order(&changes)?;
        let tx = self.db.begin().await?;
        self.vault.hold(&tx).await?;
        let now = self.clock.now();
        let names: Vec<_> = changes
            .iter()
            .map(|(key, _)| key.definition().name)
            .collect();
        for (key, value) in changes {
            let definition = key.definition();
            let entry = if let Some(value) = value {
                let before = self.view(definition).value;
                let details = if definition.is_secret() {
                    json!({})
                } else {
                    json!({ "from": before, "to": value })
                };
                let stored = self.for_storage(&tx, definition, value).await?;
                store::upsert(&tx, definition, stored, now, actor.user_id).await?;
                Entry::new(Action::SettingChanged).details(details)
            } else {
                store::delete(&tx, definition.name).await?;
                Entry::new(Action::SettingReset)
            };
            let entry = entry.resource("setting", definition.name);
            audit::record(&tx, &self.clock, actor, entry).await?;
        }
        if let Some(entry) = extra {
            audit::record(&tx, &self.clock, actor, entry).await?;
        }
        self.commit(tx, actor, &names).await
    }

    /// Ends a change with its event.
    async fn commit(
        &self,
        tx: DatabaseTransaction,
        actor: &Actor,
        changed: &[&str],
    ) -> Result<(), SettingsError> {
        let data = json!({ "settings": changed, "by": actor.username });
        let event = Event::now(
            &self.ids,
            &self.clock,
            "management.settings_changed",
            Severity::Info,
            data,
        );
        events::record(&tx, &event).await?;
        tx.commit().await?;
        // It has happened, whether or not it can be read back at once.
        self.events.publish(event);
        self.load().await
    }

    /// Refuses numbers that contradict each other once they are changed.
    fn check_order(&self, changes: &[(Key, Option<Value>)]) -> Result<(), SettingsError> {
        let changed = |key: Key| changes.iter().find(|change| change.0 == key);
        let after = |key: Key| match changed(key) {
            Some((_, value)) => {
                let value = value.as_ref().and_then(Value::as_i64);
                value.or_else(|| key.definition().default_value().as_i64())
            }
            None => Some(self.integer(key)),
        };
        for (less, more) in ORDERED {
            let (smaller, larger) = (after(*less).unwrap_or(0), after(*more).unwrap_or(0));
            let is_asked = changed(*less).is_some() || changed(*more).is_some();
            if !is_asked || smaller <= larger {
                continue;
            }
            let refuse = |key: Key, why: String| {
                let key = key.definition().name;
                Err(SettingsError::Invalid { key, why })
            };
            let name = |key: Key| key.definition().title;
            if changed(*more).is_some() {
                let why = format!(
                    "must be at least {smaller}, which \"{}\" is set to; lower that one first",
                    name(*less)
                );
                return refuse(*more, why);
            }
            let why = format!(
                "must be at most {larger}, which \"{}\" is set to; raise that one first",
                name(*more)
            );
            return refuse(*less, why);
        }
        Ok(())
    }

    async fn for_storage(
        &self,
        tx: &impl ConnectionTrait,
        definition: &Definition,
        value: Value,
    ) -> Result<Value, SettingsError> {
        match (&value, definition.is_secret()) {
            (Value::String(text), true) => {
                let at = location(definition.name);
                Ok(self.vault.seal(tx, at, text.as_bytes()).await?)
            }
            _ => Ok(value),
        }
    }

    /// The data keys, newest first.
    pub async fn data_keys(&self) -> Result<Vec<KeyInfo>, SettingsError> {
        let rows = keys::list(self.db.orm()).await?;
        Ok(rows
            .into_iter()
            .map(|row| KeyInfo {
                key_id: row.key_id,
                algorithm: row.algorithm.unwrap_or_default(),
                created_at: row.created_at,
                rotated_at: row.rotated_at,
                is_active: row.is_active == Some(true),
            })
            .collect())
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// How many values are sealed.
    pub async fn count_sealed(&self) -> Result<u64, SettingsError> {
        Ok(self.vault.count_sealed(&self.db).await?)
    }

    /// Makes a new data key and seals every secret under it.
    pub async fn rotate_keys(&self, actor: &Actor) -> Result<(), SettingsError> {
        let tx = self.db.begin().await?;
        let count = self.vault.rotate(&tx).await?;
        let entry = Entry::new(Action::KeyRotated).details(json!({ "values": count }));
        audit::record(&tx, &self.clock, actor, entry).await?;
        self.commit(tx, actor, &["encryption_keys"]).await
    }
}

fn location(name: &str) -> Location<'_> {
    Location {
        table: "settings",
        column: "value",
        row: name,
    }
}
