//! Destinations in a recovery kit.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::error::DestinationError;
use super::place::{Saved, Where};
use super::service::DestinationService;
use super::store;
use crate::features::audit::{Action, Actor, Entry};

impl DestinationService {
    /// Makes a folder of this machine a destination. Returns its number.
    pub async fn add_folder(
        &self,
        actor: &Actor,
        name: &str,
        folder: PathBuf,
    ) -> Result<i32, DestinationError> {
        let made = self
            .create(actor, name, Where::Folder(folder), None)
            .await?;
        Ok(made.id)
    }

    /// Forgets a destination, if it is still there.
    pub async fn forget(&self, actor: &Actor, id: i32) -> Result<(), DestinationError> {
        match self.delete(actor, id).await {
            Err(DestinationError::NotFound(_)) => Ok(()),
            other => other,
        }
    }

    /// Takes destinations up that a recovery kit brings; one whose name or place is there already stays as
    /// it is.
    pub async fn take_up(&self, actor: &Actor, saved: &[Saved]) -> Result<(), DestinationError> {
        for one in saved {
            let Ok(place) = Where::read(&one.kind, &one.path, &one.config) else {
                continue;
            };
            let tx = self.parts.db.begin().await?;
            self.parts.settings.vault().hold(&tx).await?;
            let now = self.parts.clock.now();
            let Some(id) = store::insert(&tx, &one.name, &place, one.sentinel, now).await? else {
                continue;
            };
            if let Some(secret) = &one.secret {
                self.seal(&tx, id, &SecretString::from(secret.clone()))
                    .await?;
            }
            let entry = Entry::new(Action::DestinationCreated).resource("destination", id);
            let entry = entry.details(json!({ "name": one.name, "place": place.address() }));
            self.commit(tx, actor, entry).await?;
        }
        Ok(())
    }

    /// Every destination with its secret, for a recovery kit.
    pub async fn saved(&self) -> Result<Vec<Saved>, DestinationError> {
        let mut saved = Vec::new();
        for one in store::list(self.parts.db.orm()).await? {
            let secret = self.secret_of(&one).await?;
            saved.push(Saved {
                secret: secret.map(|secret| secret.expose_secret().to_owned()),
                name: one.name,
                kind: one.kind,
                path: one.path,
                config: one.config,
                sentinel: one.sentinel,
            });
        }
        Ok(saved)
    }
}
