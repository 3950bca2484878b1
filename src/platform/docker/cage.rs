//! Containers that are thrown away, and may do nothing but what they are for: no network, no
//! capabilities, bounded memory and processes, and labels that say whose they are and until when.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, StartContainerOptions, UploadToContainerOptionsBuilder,
};
use bytes::Bytes;

use super::{Docker, DockerError};

const OWNER: &str = "flowkeep.owner";
const INSTALLATION: &str = "flowkeep.installation";
const RUN: &str = "flowkeep.run";
const EXPIRES: &str = "flowkeep.expires";

/// Whose a container is, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The installation of Flowkeep that made it.
    pub installation: String,
    /// What it was made for.
    pub run: String,
    /// Seconds since 1970 after which it is left over, whoever made it.
    pub expires_at: i64,
}

impl Labels {
    fn to_map(&self) -> HashMap<String, String> {
        [
            (OWNER, "flowkeep".to_owned()),
            (INSTALLATION, self.installation.clone()),
            (RUN, self.run.clone()),
            (EXPIRES, self.expires_at.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    pub(super) fn from_map(map: &HashMap<String, String>) -> Option<Self> {
        Some(Self {
            installation: map.get(INSTALLATION)?.clone(),
            run: map.get(RUN)?.clone(),
            expires_at: map.get(EXPIRES)?.parse().ok()?,
        })
    }

    /// What all of Flowkeep's throwaway containers carry.
    pub(super) fn filter() -> String {
        format!("{OWNER}=flowkeep")
    }
}

/// A throwaway container.
#[derive(Clone, Debug)]
pub struct Cage {
    /// The image, which must be there.
    pub image: String,
    /// Whom to run as.
    pub user: String,
    /// What to run instead of the image's entry point.
    pub argv: Vec<String>,
    /// Its environment. Whoever may use Docker can read it.
    pub env: Vec<String>,
    /// Most memory in bytes; there is no swap beside it.
    pub memory_bytes: i64,
    /// Most processes and threads.
    pub pids: i64,
    /// The container whose loopback it shares; `None` for one of its own. There is never more of a
    /// network than that.
    pub shares_network_of: Option<String>,
    /// Whose it is.
    pub labels: Labels,
    /// A tar archive that is unpacked at `/` before it starts.
    pub files: Option<Vec<u8>>,
}

impl Docker {
    /// Starts a throwaway container. Returns its id. What was made of one that does not start is removed.
    pub async fn start_caged(&self, cage: &Cage) -> Result<String, DockerError> {
        let client = self.client().await?;
        let network = match &cage.shares_network_of {
            Some(id) => format!("container:{id}"),
            None => "none".to_owned(),
        };
        let host = HostConfig {
            network_mode: Some(network),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            memory: Some(cage.memory_bytes),
            memory_swap: Some(cage.memory_bytes),
            pids_limit: Some(cage.pids),
            shm_size: Some(256 * 1024 * 1024),
            oom_score_adj: Some(500),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            init: Some(false),
            ..HostConfig::default()
        };
        let body = ContainerCreateBody {
            image: Some(cage.image.clone()),
            user: Some(cage.user.clone()),
            entrypoint: Some(cage.argv.clone()),
            cmd: Some(Vec::new()),
            env: Some(cage.env.clone()),
            labels: Some(cage.labels.to_map()),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let name = format!("flowkeep-{}", cage.labels.run);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let made = client
            .create_container(Some(options), body)
            .await
            .map_err(|error| self.sort(error))?;
        let started = self.fill_and_start(&client, &made.id, cage).await;
        if started.is_err() {
            let _ = self.remove_container(&made.id).await;
        }
        started.map(|()| made.id)
    }

    async fn fill_and_start(
        &self,
        client: &bollard::Docker,
        id: &str,
        cage: &Cage,
    ) -> Result<(), DockerError> {
        if let Some(files) = &cage.files {
            let options = UploadToContainerOptionsBuilder::new().path("/").build();
            let tar = bollard::body_full(Bytes::from(files.clone()));
            client
                .upload_to_container(id, Some(options), tar)
                .await
                .map_err(|error| self.sort(error))?;
        }
        client
            .start_container(id, None::<StartContainerOptions>)
            .await
            .map_err(|error| self.sort(error))
    }
}
