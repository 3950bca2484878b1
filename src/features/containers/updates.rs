//! Whether a registry has a newer image than a container runs. Asked only when somebody asks.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ContainerError;
use super::model::Seen;
use super::service::ContainerService;
use crate::platform::docker::DockerError;

/// An answer is good for this long.
const LASTS: TimeDelta = TimeDelta::hours(6);
const LIMIT: Duration = Duration::from_secs(20);

/// What a registry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ContainerUpdateState)]
pub enum UpdateState {
    /// It has the same.
    Current,
    /// It has another one under the same name.
    Available,
    /// The image was made here and is in no registry.
    LocalOnly,
    /// The container asks for one image by its digest, and no other.
    Pinned,
    /// The registry does not answer.
    Unreachable,
    /// The registry does not show it without signing in, or does not have it.
    Denied,
}

/// Whether there is a newer image.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ContainerUpdate)]
pub struct Update {
    /// The image that the container asks for.
    pub image: String,
    /// What its registry says.
    pub state: UpdateState,
    /// The digest that is here.
    pub local_digest: Option<String>,
    /// The digest that the registry has.
    pub registry_digest: Option<String>,
    /// For people.
    pub message: String,
    /// When the registry was asked.
    pub checked_at: DateTime<Utc>,
}

/// An answer that is kept.
#[derive(Clone, Debug)]
pub struct Checked {
    image_id: String,
    update: Update,
}

impl ContainerService {
    /// Asks the registry of a container's image, or takes the answer of before.
    pub(super) async fn update_of(
        &self,
        name: &str,
        is_fresh: bool,
    ) -> Result<Update, ContainerError> {
        let seen = self.resolve(name).await?;
        if let Some(known) = self.known_update(&seen).filter(|_| !is_fresh) {
            return Ok(known);
        }
        let update = self.ask_registry(&seen).await?;
        let checked = Checked {
            image_id: seen.image_id,
            update: update.clone(),
        };
        let mut updates = self.shared.updates.lock();
        let now = self.parts.clock.now();
        updates.retain(|_, one| now - one.update.checked_at < LASTS);
        updates.insert(seen.image, checked);
        Ok(update)
    }

    /// What a registry said lately.
    pub(super) fn known_update(&self, seen: &Seen) -> Option<Update> {
        let updates = self.shared.updates.lock();
        let known = updates.get(&seen.image)?;
        let age = self.parts.clock.now() - known.update.checked_at;
        (known.image_id == seen.image_id && age < LASTS).then(|| known.update.clone())
    }

    async fn ask_registry(&self, seen: &Seen) -> Result<Update, ContainerError> {
        let tell = |state, local: Option<&str>, registry: Option<String>, message: String| Update {
            image: seen.image.clone(),
            state,
            local_digest: local.map(str::to_owned),
            registry_digest: registry,
            message,
            checked_at: self.parts.clock.now(),
        };
        let image = seen.image.as_str();
        if image.contains("@sha256:") {
            let message = "It asks for exactly this image by its digest.".to_owned();
            return Ok(tell(UpdateState::Pinned, None, None, message));
        }
        let local = self.parts.docker.image(&seen.image_id).await?;
        let digests = local
            .and_then(|local| local.repo_digests)
            .unwrap_or_default();
        let own: Vec<_> = digests
            .iter()
            .filter_map(|digest| digest.split_once('@'))
            .filter(|(repository, _)| is_same_repository(repository, image))
            .map(|(_, digest)| digest)
            .collect();
        let Some(first) = own.first().copied() else {
            let message =
                "The image was made or loaded here: there is no registry to ask.".to_owned();
            return Ok(tell(UpdateState::LocalOnly, None, None, message));
        };
        let asked = tokio::time::timeout(LIMIT, self.parts.docker.registry_image(image)).await;
        let answer = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let (state, message) = refused(error)?;
                return Ok(tell(state, Some(first), None, message));
            }
            Err(_) => {
                let message = format!("The registry did not answer within {} s.", LIMIT.as_secs());
                return Ok(tell(UpdateState::Unreachable, Some(first), None, message));
            }
        };
        let Some(remote) = answer.descriptor.digest else {
            let message = "The registry answered without a digest.".to_owned();
            return Ok(tell(UpdateState::Unreachable, Some(first), None, message));
        };
        let here = own.iter().find(|digest| **digest == remote);
        if let Some(same) = here {
            let message = "The registry has the same image.".to_owned();
            return Ok(tell(
                UpdateState::Current,
                Some(same),
                Some(remote),
                message,
            ));
        }
        let message = format!("The registry has another image under {image}.");
        Ok(tell(
            UpdateState::Available,
            Some(first),
            Some(remote),
            message,
        ))
    }
}

/// Why a registry did not say; an engine that does not answer is an error.
fn refused(error: DockerError) -> Result<(UpdateState, String), ContainerError> {
    let words = match error {
        DockerError::NotFound(words) => {
            let message = format!("The registry does not have it: {words}");
            return Ok((UpdateState::Denied, message));
        }
        DockerError::Refused { message, .. } => message,
        other => return Err(other.into()),
    };
    let lower = words.to_lowercase();
    let denied = [
        "denied",
        "unauthorized",
        "authentication required",
        "forbidden",
        "manifest unknown",
    ];
    if denied.iter().any(|word| lower.contains(word)) {
        let message = format!(
            "The registry does not show it without signing in, or does not have it: {words}"
        );
        return Ok((UpdateState::Denied, message));
    }
    Ok((
        UpdateState::Unreachable,
        format!("The registry does not answer: {words}"),
    ))
}

/// Whether an image's name, with or without a tag, is of that repository.
fn is_same_repository(repository: &str, image: &str) -> bool {
    let name = match image.rsplit_once(':') {
        // A colon before a slash is that of a port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    };
    full(repository) == full(name)
}

/// The name with what Docker leaves out.
fn full(name: &str) -> String {
    let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
    match name.split_once('/') {
        Some((host, rest)) if host == "docker.io" || host == "index.docker.io" => {
            if rest.contains('/') {
                format!("docker.io/{rest}")
            } else {
                format!("docker.io/library/{rest}")
            }
        }
        Some((host, _)) if is_host(host) => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_repository_are_the_same_however_they_are_written() {
        assert!(is_same_repository(
            "n8nio/n8n",
            "docker.io/n8nio/n8n:latest"
        ));
        assert!(is_same_repository(
            "postgres",
            "docker.io/library/postgres:16"
        ));
        assert!(is_same_repository(
            "127.0.0.1:5000/n8n",
            "127.0.0.1:5000/n8n"
        ));
        assert!(is_same_repository(
            "127.0.0.1:5000/n8n",
            "127.0.0.1:5000/n8n:1.2"
        ));
        assert!(!is_same_repository(
            "127.0.0.1:5000/n8n",
            "127.0.0.1:5001/n8n:1.2"
        ));
        assert!(!is_same_repository("n8nio/n8n", "n8n"));
    }

    #[test]
    fn what_a_registry_refuses_is_told_from_what_does_not_answer() {
        let state = |words: &str| {
            let error = DockerError::Refused {
                status: 500,
                message: words.to_owned(),
            };
            refused(error).unwrap().0
        };
        assert_eq!(
            state("Get \"https://registry-1.docker.io/v2/\": dial tcp: no such host"),
            UpdateState::Unreachable
        );
        assert_eq!(
            state("denied: requested access to the resource is denied"),
            UpdateState::Denied
        );
        assert_eq!(
            state("unauthorized: authentication required"),
            UpdateState::Denied
        );
        assert!(refused(DockerError::Unreachable("gone".to_owned())).is_err());
    }
}
