//! The use cases: make a kit, say whether there is a fresh one, take one up on an empty box.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::RecoveryError;
use super::kit::{self, Configuration, Contents};
use super::store;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::{BackupService, BackupType};
use crate::features::destinations::DestinationService;
use crate::features::n8n::N8nService;
use crate::features::settings::SettingsService;
use crate::platform::clock::Clock;
use crate::platform::db::Db;

const FORMAT: u32 = 1;
/// scrypt makes each guess cost a second; the passphrase must do the rest.
const LEAST_CHARS: usize = 14;

/// What the service is made of.
#[derive(Clone)]
pub struct RecoveryParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// The settings, and the master key.
    pub settings: SettingsService,
    /// n8n's connection and key.
    pub n8n: N8nService,
    /// The backups.
    pub backups: BackupService,
    /// Their further places.
    pub destinations: DestinationService,
    /// Where they are.
    pub backup_dir: String,
    /// Time.
    pub clock: Clock,
}

/// Recovery kits. Cheap to clone.
#[derive(Clone)]
pub struct RecoveryService {
    parts: Arc<RecoveryParts>,
}

/// Whether a kit would still be of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KitStatus {
    /// When the newest was made.
    pub made_at: Option<DateTime<Utc>>,
    /// Whether a key or the connection has changed since.
    pub is_outdated: bool,
}

impl RecoveryService {
    /// Puts the service together.
    pub fn new(parts: RecoveryParts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    /// A kit without the list of backups, which nothing depends on.
    async fn essentials(&self) -> Result<Contents, RecoveryError> {
        let parts = &self.parts;
        let source = parts.n8n.source()?;
        let encryption = parts.backups.encryption();
        Ok(Contents {
            master_key: parts.settings.vault().master().to_text(),
            n8n_key: source.and_then(|source| source.encryption_key),
            backup_identities: parts.backups.identities()?,
            n8n_database_url: parts.n8n.database_url()?,
            destinations: parts.destinations.saved().await?,
            configuration: Configuration {
                format: FORMAT,
                flowkeep_version: env!("CARGO_PKG_VERSION").to_owned(),
                made_at: parts.clock.now().to_rfc3339(),
                backup_dir: parts.backup_dir.clone(),
                settings: parts.settings.changed_values(),
                encrypts_backups: encryption.is_enabled,
                backup_recipients: encryption.recipients,
                backups: Vec::new(),
            },
        })
    }

    async fn contents(&self) -> Result<Contents, RecoveryError> {
        let parts = &self.parts;
        let mut contents = self.essentials().await?;
        let backups = &mut contents.configuration.backups;
        for kind in BackupType::ALL {
            for backup in parts.backups.kept(kind).await? {
                if backup.status == "success" {
                    backups.push(json!({
                        "file": backup.filepath, "sha256": backup.checksum, "type": backup.backup_type,
                        "made_at": backup.started_at, "proof": backup.verification_status,
                    }));
                }
            }
        }
        Ok(contents)
    }

    /// Makes a kit. Returns the file.
    pub(super) async fn make(
        &self,
        actor: &Actor,
        passphrase: SecretString,
    ) -> Result<Vec<u8>, RecoveryError> {
        if passphrase.expose_secret().chars().count() < LEAST_CHARS {
            return Err(RecoveryError::WeakPassphrase(LEAST_CHARS));
        }
        let contents = self.contents().await?;
        let fingerprint = fingerprint(&contents);
        let made = tokio::task::spawn_blocking(move || kit::make(&contents, &passphrase)).await;
        let made = made.map_err(|error| RecoveryError::Make(error.to_string()))??;
        let tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        store::insert(&tx, &fingerprint, actor.user_id, now).await?;
        let entry = Entry::new(Action::RecoveryKitMade).details(json!({ "bytes": made.len() }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Whether there is a kit, and whether it is still right.
    pub async fn status(&self) -> Result<KitStatus, RecoveryError> {
        let Some(newest) = store::newest(self.parts.db.orm()).await? else {
            return Ok(KitStatus {
                made_at: None,
                is_outdated: false,
            });
        };
        let now = fingerprint(&self.essentials().await?);
        Ok(KitStatus {
            made_at: Some(newest.created_at),
            is_outdated: newest.fingerprint != now,
        })
    }

    /// Takes a kit's connection and settings up, and the backups that lie in the folder. Returns how many
    /// backups the catalogue has then. The master key must be in use already.
    pub async fn take_up(&self, actor: &Actor, contents: &Contents) -> Result<i64, RecoveryError> {
        let parts = &self.parts;
        if contents.n8n_database_url.is_some() || contents.n8n_key.is_some() {
            let key = contents.n8n_key.clone().map(Some);
            parts
                .n8n
                .connect(actor, contents.n8n_database_url.clone(), key)
                .await?;
        }
        parts
            .settings
            .restore_values(actor, &contents.configuration.settings)
            .await?;
        if let Some(identities) = &contents.backup_identities {
            let Configuration {
                encrypts_backups,
                backup_recipients,
                ..
            } = &contents.configuration;
            let backups = &parts.backups;
            backups
                .take_identities(actor, identities, *encrypts_backups, backup_recipients)
                .await?;
        }
        parts
            .destinations
            .take_up(actor, &contents.destinations)
            .await?;
        parts.backups.settle().await?;
        Ok(parts.backups.count().await?)
    }
}

/// Changes when something in the kit does that it would be useless without.
fn fingerprint(contents: &Contents) -> String {
    let mut hasher = Sha256::new();
    for part in [
        Some(&contents.master_key),
        contents.n8n_key.as_ref(),
        contents.n8n_database_url.as_ref(),
    ] {
        let text = part.map_or("", |secret| secret.expose_secret());
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    if let Some(keys) = &contents.backup_identities {
        hasher.update(keys.expose_secret().as_bytes());
    }
    for one in &contents.destinations {
        hasher.update(one.path.as_bytes());
        hasher.update(one.secret.as_deref().unwrap_or_default().as_bytes());
    }
    hasher.update(contents.configuration.backup_dir.as_bytes());
    hex::encode(hasher.finalize())
}
