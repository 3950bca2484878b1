//! Whether backups are encrypted, and the keys.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::error::BackupError;
use super::seal::{self, Opener, Sealer};
use super::service::BackupService;
use crate::features::audit::{Action, Actor, Entry};
use crate::features::settings::Key;

/// How backups are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// Whether new backups are.
    pub is_enabled: bool,
    /// What they are encrypted to; its private key is in the vault and in the recovery kit.
    pub public_key: Option<String>,
    /// Private keys that are kept to open older backups.
    pub former_keys: usize,
    /// Further public keys, whose private ones are somewhere else.
    pub recipients: Vec<String>,
}

impl BackupService {
    /// How backups are encrypted.
    pub fn encryption(&self) -> Encryption {
        let opener = self.opener();
        Encryption {
            is_enabled: self.parts.settings.boolean(Key::BackupEncryption),
            public_key: opener.public_key(),
            former_keys: opener.count().saturating_sub(1),
            recipients: self.parts.settings.lines(Key::BackupRecipients),
        }
    }

    /// Switches encryption on or off for new backups. The first time makes a key.
    pub(super) async fn set_encryption(
        &self,
        actor: &Actor,
        is_enabled: bool,
        recipients: Vec<String>,
    ) -> Result<Encryption, BackupError> {
        for recipient in &recipients {
            seal::check_recipient(recipient).map_err(BackupError::Recipient)?;
        }
        let _one_at_a_time = self.sealing.lock().await;
        let mut changes = vec![
            (Key::BackupEncryption, Some(json!(is_enabled))),
            (Key::BackupRecipients, Some(json!(recipients))),
        ];
        if is_enabled && self.identities()?.is_none() {
            let (secret, _) = seal::generate();
            changes.push((Key::BackupIdentities, Some(json!(secret.expose_secret()))));
        }
        let entry = Entry::new(Action::BackupEncryptionChanged);
        let entry = entry.details(json!({ "enabled": is_enabled, "recipients": recipients }));
        self.parts
            .settings
            .change(actor, changes, Some(entry))
            .await?;
        Ok(self.encryption())
    }

    /// Encrypts new backups to a new key. The former ones are kept: older backups open with them.
    pub(super) async fn rotate_identity(&self, actor: &Actor) -> Result<Encryption, BackupError> {
        let _one_at_a_time = self.sealing.lock().await;
        let former = self.identities()?.ok_or(BackupError::NoIdentity)?;
        let (secret, _) = seal::generate();
        let all = format!("{}\n{}", secret.expose_secret(), former.expose_secret());
        let entry = Entry::new(Action::BackupEncryptionChanged).details(json!({ "rotated": true }));
        let changes = vec![(Key::BackupIdentities, Some(json!(all)))];
        self.parts
            .settings
            .change(actor, changes, Some(entry))
            .await?;
        Ok(self.encryption())
    }

    /// The private keys, one a line, the newest first.
    pub fn identities(&self) -> Result<Option<SecretString>, BackupError> {
        Ok(self.parts.settings.secret(Key::BackupIdentities)?)
    }

    /// Takes keys up that a recovery kit brings, before those that are here.
    pub async fn take_identities(
        &self,
        actor: &Actor,
        identities: &SecretString,
        is_enabled: bool,
        recipients: &[String],
    ) -> Result<(), BackupError> {
        let _one_at_a_time = self.sealing.lock().await;
        let mut lines: Vec<String> = Vec::new();
        let own = self.identities()?;
        for text in [Some(identities), own.as_ref()].into_iter().flatten() {
            for line in text.expose_secret().lines().map(str::trim) {
                if !line.is_empty() && !lines.iter().any(|known| known == line) {
                    lines.push(line.to_owned());
                }
            }
        }
        let changes = vec![
            (Key::BackupIdentities, Some(json!(lines.join("\n")))),
            (Key::BackupEncryption, Some(json!(is_enabled))),
            (Key::BackupRecipients, Some(json!(recipients))),
        ];
        self.parts.settings.change(actor, changes, None).await?;
        Ok(())
    }

    /// What opens encrypted backups. Keys that cannot be read open nothing, and the proof says so.
    pub fn opener(&self) -> Opener {
        self.identities()
            .ok()
            .flatten()
            .map(|text| Opener::new(&text))
            .unwrap_or_default()
    }

    /// What encrypts a new backup. `None` when backups are not encrypted.
    pub(super) fn sealer(&self) -> Result<Option<Sealer>, BackupError> {
        if !self.parts.settings.boolean(Key::BackupEncryption) {
            return Ok(None);
        }
        let identities = self.identities()?.ok_or(BackupError::NoIdentity)?;
        let public = Opener::new(&identities).public_key();
        let mut recipients = vec![public.ok_or(BackupError::NoIdentity)?];
        recipients.extend(self.parts.settings.lines(Key::BackupRecipients));
        Ok(Some(Sealer::new(recipients)))
    }
}
