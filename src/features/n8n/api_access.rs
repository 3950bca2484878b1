//! Where n8n's public API is and what opens it: kept, tried, handed to whoever puts workflows back.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use super::{ApiTaste, ApiTrouble, N8nApi, N8nError, N8nService};
use crate::features::audit::{Action, Actor, Entry};
use crate::features::settings::Key;
use crate::platform::outbound::{NEAR, check_url};

/// How long it is believed that an n8n takes what it took: an upgrade changes it.
const TASTE_FOR: Duration = Duration::from_mins(5);

/// What an n8n took, where and when that was read.
pub(super) type Tasted = (Url, Instant, ApiTaste);

/// What a test of the API found.
#[derive(Clone, Debug)]
pub struct ApiReport {
    /// Why it cannot be used.
    pub trouble: Option<ApiTrouble>,
    /// Scopes that the key lacks.
    pub missing_scopes: Vec<&'static str>,
    /// Whether this n8n keeps a change of an active workflow from going live.
    pub has_publish_if_active: bool,
}

impl N8nService {
    /// n8n's API, if its address and a key are set.
    pub fn api(&self) -> Result<Option<N8nApi>, N8nError> {
        let url = self.api_url();
        let key = self.parts.settings.secret(Key::N8nApiKey)?;
        match (url, key) {
            (Some(url), Some(key)) => Ok(Some(N8nApi::new(&read_url(&url)?, key)?)),
            _ => Ok(None),
        }
    }

    /// The saved address.
    pub fn api_url(&self) -> Option<String> {
        let url = self.parts.settings.choice(Key::N8nApiUrl);
        (!url.is_empty()).then_some(url)
    }

    /// What n8n's API takes; asked again after a while.
    pub async fn api_taste(&self, api: &N8nApi) -> Result<ApiTaste, N8nError> {
        if let Some((base, at, taste)) = &*self.tasted.lock()
            && base == api.base()
            && at.elapsed() < TASTE_FOR
        {
            return Ok(taste.clone());
        }
        let taste = api.taste().await?;
        *self.tasted.lock() = Some((api.base().clone(), Instant::now(), taste.clone()));
        Ok(taste)
    }

    /// Sets address and key; a key that is `None` stays.
    pub async fn set_api(
        &self,
        actor: &Actor,
        url: &str,
        key: Option<SecretString>,
    ) -> Result<(), N8nError> {
        let url = read_url(url)?;
        let is_elsewhere = self.api_url().is_none_or(|saved| {
            Url::parse(&saved).is_ok_and(|saved| saved.origin() != url.origin())
        });
        if key.is_none() && is_elsewhere {
            // The saved key is never sent to another address than it was given for.
            return Err(N8nError::ApiUrl(
                "give the API key again when the address changes".to_owned(),
            ));
        }
        let mut changes = vec![(Key::N8nApiUrl, Some(json!(url.as_str())))];
        if let Some(key) = key {
            changes.push((Key::N8nApiKey, Some(json!(key.expose_secret().trim()))));
        }
        let entry = Entry::new(Action::N8nApiSet).resource("n8n", "api");
        let entry = entry.details(json!({ "url": url.as_str() }));
        self.parts
            .settings
            .change(actor, changes, Some(entry))
            .await?;
        *self.tasted.lock() = None;
        Ok(())
    }

    /// Forgets address and key.
    pub async fn forget_api(&self, actor: &Actor) -> Result<(), N8nError> {
        let changes = vec![(Key::N8nApiUrl, None), (Key::N8nApiKey, None)];
        let entry = Entry::new(Action::N8nApiForgotten).resource("n8n", "api");
        self.parts
            .settings
            .change(actor, changes, Some(entry))
            .await?;
        Ok(())
    }

    /// Tries address and key: those given in place of the saved ones. The saved key only goes to the saved
    /// address.
    pub async fn test_api(
        &self,
        url: Option<&str>,
        key: Option<SecretString>,
    ) -> Result<ApiReport, N8nError> {
        let api = match (url, key) {
            (Some(url), Some(key)) => N8nApi::new(&read_url(url)?, key)?,
            (Some(url), None) if self.api_url().as_deref() != Some(read_url(url)?.as_str()) => {
                return Err(N8nError::ApiUrl(
                    "give the API key to try another address".to_owned(),
                ));
            }
            (None, Some(key)) => {
                let url = self.api_url().ok_or(N8nError::NoApi)?;
                N8nApi::new(&read_url(&url)?, key)?
            }
            _ => self.api()?.ok_or(N8nError::NoApi)?,
        };
        let mut report = ApiReport {
            trouble: None,
            missing_scopes: Vec::new(),
            has_publish_if_active: false,
        };
        let tried = async {
            api.check().await?;
            report.missing_scopes = api.missing_scopes().await?;
            report.has_publish_if_active = api.taste().await?.has_publish_if_active;
            Ok(())
        };
        report.trouble = tried.await.err();
        Ok(report)
    }
}

/// n8n's address as people copy it from the browser.
fn read_url(text: &str) -> Result<Url, N8nError> {
    let invalid = |why: &str| N8nError::ApiUrl(why.to_owned());
    let text = text.trim().trim_end_matches('/');
    let text = text.strip_suffix("/api/v1").unwrap_or(text);
    let url = Url::parse(text).map_err(|_| invalid("must be an address as in http://n8n:5678"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "must hold no user and no password; the API key is enough",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("must end after the path"));
    }
    check_url(&url, NEAR).map_err(|refusal| N8nError::ApiUrl(refusal.to_string()))?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_people_copy_it() {
        for (given, kept) in [
            ("http://n8n:5678/", "http://n8n:5678/"),
            (
                " https://n8n.example.com/api/v1/ ",
                "https://n8n.example.com/",
            ),
            ("https://example.com/n8n", "https://example.com/n8n"),
        ] {
            assert_eq!(read_url(given).unwrap().as_str(), kept);
        }
        for wrong in ["n8n", "ftp://n8n", "http://u:p@n8n", "http://n8n/?x=1", ""] {
            assert!(read_url(wrong).is_err(), "{wrong}");
        }
    }
}
