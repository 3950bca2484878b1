//! A container made anew from another image: all that somebody set stays, all that came from the former image goes.

use std::collections::HashMap;

use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, ContainerUpdateBody,
    EndpointSettings, HostConfig, ImageConfig, ImageInspect, MountPoint, NetworkConnectRequest,
    NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RenameContainerOptionsBuilder};

use super::{Docker, DockerError};

/// Compose compares this with the image that the name leads to.
const COMPOSE_IMAGE: &str = "com.docker.compose.image";

const ASIDE: &str = "-before-upgrade-";

/// The name of a former container while it is kept.
pub fn aside(name: &str, upgrade: i32) -> String {
    format!("{name}{ASIDE}{upgrade}")
}

/// Whether a container of that name is a former one that is kept.
pub fn is_aside(name: &str) -> bool {
    let number = name.rsplit_once(ASIDE).map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// What to create, and the networks that are joined before it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Successor {
    /// The body of the request.
    pub body: ContainerCreateBody,
    /// Further networks by name: older engines take one with the request.
    pub networks: Vec<(String, EndpointSettings)>,
}

/// What replaces `old` when `image` is used in place of its own, which is `former`. `image_id` is the new one's.
/// `label` is added.
pub fn successor(
    old: &ContainerInspectResponse,
    former: &ImageInspect,
    image: &str,
    image_id: &str,
    label: (&str, &str),
) -> Successor {
    let config = old.config.clone().unwrap_or_default();
    let defaults = former.config.clone().unwrap_or_default();
    let id = old.id.clone().unwrap_or_default();
    let mut host = old.host_config.clone().unwrap_or_default();
    keep_anonymous_volumes(&mut host, old.mounts.as_deref().unwrap_or_default());
    let mut networks = networks(old, &host, &id);
    let first = (!networks.is_empty()).then(|| networks.remove(0));
    let mut body = own(config, &defaults, &id);
    if has_anothers_name(&host) {
        (body.hostname, body.domainname) = (None, None);
    }
    let all = body.labels.get_or_insert_default();
    if let Some(compose) = all.get_mut(COMPOSE_IMAGE) {
        image_id.clone_into(compose);
    }
    all.insert(label.0.to_owned(), label.1.to_owned());
    body.image = Some(image.to_owned());
    body.networking_config = first.map(|(name, endpoint)| NetworkingConfig {
        endpoints_config: Some(HashMap::from([(name, endpoint)])),
    });
    body.host_config = Some(host);
    Successor { body, networks }
}

/// Whether the container has the name of another one or of the machine. The engine says it as if it were the
/// container's own, and takes it from nobody.
fn has_anothers_name(host: &HostConfig) -> bool {
    let mode = host.network_mode.as_deref().unwrap_or_default();
    mode.starts_with("container:") || host.uts_mode.as_deref() == Some("host")
}

/// The configuration without what the image said.
fn own(config: ContainerConfig, image: &ImageConfig, id: &str) -> ContainerCreateBody {
    fn unless<T: PartialEq>(own: Option<T>, default: Option<&T>) -> Option<T> {
        own.filter(|own| default != Some(own))
    }
    fn without(own: Option<Vec<String>>, default: Option<&Vec<String>>) -> Option<Vec<String>> {
        let is_own = |one: &String| !default.is_some_and(|default| default.contains(one));
        own.map(|all| all.into_iter().filter(is_own).collect())
    }
    let has_own_entrypoint = config.entrypoint != image.entrypoint;
    let labels = config.labels.unwrap_or_default().into_iter();
    let defaults = image.labels.clone().unwrap_or_default();
    let labels = labels.filter(|(name, value)| defaults.get(name) != Some(value));
    ContainerCreateBody {
        // By itself it is the beginning of the id, and another container's then.
        hostname: config.hostname.filter(|name| !id.starts_with(name)),
        domainname: config.domainname,
        user: unless(config.user, image.user.as_ref()),
        attach_stdin: config.attach_stdin,
        attach_stdout: config.attach_stdout,
        attach_stderr: config.attach_stderr,
        exposed_ports: without(config.exposed_ports, image.exposed_ports.as_ref()),
        tty: config.tty,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        env: without(config.env, image.env.as_ref()),
        // With an entrypoint of its own the image's command is not used, so this one was given.
        cmd: if has_own_entrypoint {
            config.cmd
        } else {
            unless(config.cmd, image.cmd.as_ref())
        },
        healthcheck: unless(config.healthcheck, image.healthcheck.as_ref()),
        volumes: without(config.volumes, image.volumes.as_ref()),
        working_dir: unless(config.working_dir, image.working_dir.as_ref()),
        entrypoint: config.entrypoint.filter(|_| has_own_entrypoint),
        network_disabled: config.network_disabled,
        labels: Some(labels.collect()),
        stop_signal: unless(config.stop_signal, image.stop_signal.as_ref()),
        stop_timeout: config.stop_timeout,
        shell: unless(config.shell, image.shell.as_ref()),
        ..ContainerCreateBody::default()
    }
}

/// A volume without a name of its own would be lost to the new container.
fn keep_anonymous_volumes(host: &mut HostConfig, mounts: &[MountPoint]) {
    // As people write it and as the engine says it.
    let is_same = |one: Option<&str>, target: &str| {
        one.is_some_and(|one| one.trim_end_matches('/') == target.trim_end_matches('/'))
    };
    for mount in mounts {
        let (Some(name), Some(target)) = (&mount.name, &mount.destination) else {
            continue;
        };
        let is_volume = mount.typ.as_deref() == Some("volume");
        let binds = host.binds.as_deref().unwrap_or_default();
        let is_bound = binds
            .iter()
            .any(|bind| is_same(bind.split(':').nth(1), target));
        let named = host.mounts.as_deref().unwrap_or_default();
        let is_mounted = named
            .iter()
            .any(|one| is_same(one.target.as_deref(), target) && one.source.is_some());
        if !is_volume || is_bound || is_mounted {
            continue;
        }
        if let Some(mounts) = &mut host.mounts {
            mounts.retain(|one| !is_same(one.target.as_deref(), target));
        }
        let mode = if mount.rw == Some(false) { ":ro" } else { "" };
        host.binds
            .get_or_insert_default()
            .push(format!("{name}:{target}{mode}"));
    }
}

/// The networks as they were asked for, without what the engine handed out.
fn networks(
    old: &ContainerInspectResponse,
    host: &HostConfig,
    id: &str,
) -> Vec<(String, EndpointSettings)> {
    let mode = host.network_mode.as_deref().unwrap_or_default();
    if mode == "host" || mode == "none" || mode.starts_with("container:") {
        return Vec::new();
    }
    let settings = old.network_settings.clone().unwrap_or_default();
    let mut networks: Vec<_> = settings
        .networks
        .unwrap_or_default()
        .into_iter()
        .map(|(name, endpoint)| {
            let asked = EndpointSettings {
                ipam_config: endpoint.ipam_config,
                links: endpoint.links,
                aliases: endpoint.aliases.map(|all| {
                    all.into_iter()
                        .filter(|alias| !id.starts_with(alias.as_str()))
                        .collect()
                }),
                driver_opts: endpoint.driver_opts,
                gw_priority: endpoint.gw_priority,
                ..EndpointSettings::default()
            };
            (name, asked)
        })
        .collect();
    // The one that the container was made in comes first.
    networks.sort_by_key(|(name, _)| (name != mode, name.clone()));
    networks
}

impl Docker {
    /// Makes a container, not running. Returns its id.
    pub async fn create_successor(
        &self,
        name: &str,
        successor: Successor,
    ) -> Result<String, DockerError> {
        let client = self.client().await?;
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let made = client
            .create_container(Some(options), successor.body)
            .await
            .map_err(|error| self.sort(error))?;
        for (network, endpoint) in successor.networks {
            let request = NetworkConnectRequest {
                container: made.id.clone(),
                endpoint_config: Some(endpoint),
            };
            client
                .connect_network(&network, request)
                .await
                .map_err(|error| self.sort(error))?;
        }
        Ok(made.id)
    }

    /// Gives a container another name.
    pub async fn rename_container(&self, container: &str, name: &str) -> Result<(), DockerError> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        let client = self.client().await?;
        client
            .rename_container(container, options)
            .await
            .map_err(|error| self.sort(error))
    }

    /// Says whether the engine starts a container again by itself: `None` for never, else as it was.
    pub async fn set_restart_policy(
        &self,
        container: &str,
        policy: Option<RestartPolicy>,
    ) -> Result<(), DockerError> {
        let never = RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        };
        let update = ContainerUpdateBody {
            restart_policy: Some(policy.unwrap_or(never)),
            ..ContainerUpdateBody::default()
        };
        let client = self.client().await?;
        client
            .update_container(container, update)
            .await
            .map_err(|error| self.sort(error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn old() -> ContainerInspectResponse {
        serde_json::from_value(json!({
            "Id": "0123456789abcdef", "Name": "/n8n_main",
            "Config": {
                "Hostname": "0123456789ab", "User": "node", "WorkingDir": "/home/node",
                "Env": ["PATH=/usr/bin", "NODE_VERSION=22", "DB_TYPE=postgresdb"],
                "Entrypoint": ["tini", "--", "/entry.sh"], "Cmd": ["worker"],
                "Labels": { "org.opencontainers.image.version": "1.123.0", "com.docker.compose.project": "box",
                    "com.docker.compose.image": "sha256:old" },
                "ExposedPorts": { "5678/tcp": {} },
            },
            "HostConfig": { "NetworkMode": "box_default", "Binds": ["n8n:/home/node/.n8n"],
                "RestartPolicy": { "Name": "unless-stopped" }, "Memory": 536_870_912 },
            "Mounts": [
                { "Type": "volume", "Name": "n8n", "Destination": "/home/node/.n8n", "RW": true },
                { "Type": "volume", "Name": "f00d", "Destination": "/files", "RW": false },
                { "Type": "bind", "Source": "/etc/hosts", "Destination": "/hosts" },
            ],
            "NetworkSettings": { "Networks": {
                "aside": { "Aliases": ["0123456789ab"], "IPAddress": "172.20.0.9", "NetworkID": "n1" },
                "box_default": { "Aliases": ["n8n", "0123456789ab"], "IPAddress": "172.19.0.3", "EndpointID": "e1",
                    "IPAMConfig": { "IPv4Address": "172.19.0.3" } },
            } },
        }))
        .unwrap()
    }

    fn former() -> ImageInspect {
        serde_json::from_value(json!({ "Id": "sha256:old", "Config": {
            "User": "node", "WorkingDir": "/home/node", "Env": ["PATH=/usr/bin", "NODE_VERSION=22"],
            "Entrypoint": ["tini", "--", "/entry.sh"], "ExposedPorts": { "5678/tcp": {} },
            "Labels": { "org.opencontainers.image.version": "1.123.0" },
        } }))
        .unwrap()
    }

    fn made() -> Successor {
        let label = ("io.flowkeep.upgrade", "7");
        successor(&old(), &former(), "n8nio/n8n:2", "sha256:new", label)
    }

    #[test]
    fn what_somebody_set_stays_and_what_the_image_said_goes() {
        let made = made();
        let body = serde_json::to_value(&made.body).unwrap();
        assert_eq!(body["Image"], "n8nio/n8n:2");
        assert_eq!(body["Env"], json!(["DB_TYPE=postgresdb"]));
        assert_eq!(body["Cmd"], json!(["worker"]));
        for gone in ["Entrypoint", "User", "WorkingDir", "Hostname"] {
            assert_eq!(body[gone], Value::Null, "{gone}");
        }
        assert_eq!(
            body["Labels"],
            json!({ "com.docker.compose.project": "box", "com.docker.compose.image": "sha256:new",
                "io.flowkeep.upgrade": "7" })
        );
        assert_eq!(body["HostConfig"]["Memory"], 536_870_912);
        assert_eq!(
            body["HostConfig"]["RestartPolicy"]["Name"],
            "unless-stopped"
        );
    }

    #[test]
    fn volumes_without_a_name_go_along() {
        let host = made().body.host_config.unwrap();
        assert_eq!(
            host.binds.unwrap(),
            ["n8n:/home/node/.n8n", "f00d:/files:ro"]
        );
    }

    #[test]
    fn a_volume_is_bound_once_however_its_folder_was_written() {
        let mounts = |target: &str| MountPoint {
            typ: Some("volume".to_owned()),
            name: Some("n8n".to_owned()),
            destination: Some(target.to_owned()),
            ..MountPoint::default()
        };
        let mut host = HostConfig {
            binds: Some(vec!["n8n:/home/node/.n8n/".to_owned()]),
            mounts: Some(vec![crate::platform::docker::models::Mount {
                target: Some("/files/".to_owned()),
                source: Some("n8n".to_owned()),
                ..Default::default()
            }]),
            ..HostConfig::default()
        };
        let before = host.clone();
        keep_anonymous_volumes(&mut host, &[mounts("/home/node/.n8n"), mounts("/files")]);
        assert_eq!(host, before);
    }

    #[test]
    fn networks_are_asked_for_as_they_were_and_addresses_are_not_taken_along() {
        let made = made();
        let first = made
            .body
            .networking_config
            .unwrap()
            .endpoints_config
            .unwrap();
        let endpoint = &first["box_default"];
        assert_eq!(endpoint.aliases.as_deref(), Some(&["n8n".to_owned()][..]));
        assert_eq!(
            endpoint
                .ipam_config
                .as_ref()
                .unwrap()
                .ipv4_address
                .as_deref(),
            Some("172.19.0.3")
        );
        assert_eq!(
            (&endpoint.ip_address, &endpoint.endpoint_id),
            (&None, &None)
        );
        let [(name, aside)] = made.networks.as_slice() else {
            panic!("{:?}", made.networks);
        };
        assert_eq!(name, "aside");
        assert_eq!(aside.aliases.as_deref(), Some(&[][..]));
    }

    #[test]
    fn an_entrypoint_of_its_own_keeps_its_command() {
        let mut old = old();
        let config = old.config.as_mut().unwrap();
        config.entrypoint = Some(vec!["sh".to_owned()]);
        config.cmd = None;
        let body = successor(&old, &former(), "n8n:2", "sha256:new", ("a", "b")).body;
        assert_eq!(body.entrypoint.unwrap(), ["sh"]);
        assert_eq!(body.cmd, None);
    }

    #[test]
    fn a_container_in_the_hosts_network_stays_there() {
        let mut old = old();
        old.host_config.as_mut().unwrap().network_mode = Some("host".to_owned());
        let made = successor(&old, &former(), "n8n:2", "sha256:new", ("a", "b"));
        assert_eq!(made.body.networking_config, None);
        assert!(made.networks.is_empty());
    }

    #[test]
    fn a_name_that_is_anothers_or_the_machines_is_not_asked_for() {
        let of = |mode: &str, uts: &str| {
            let mut old = old();
            let config = old.config.as_mut().unwrap();
            config.hostname = Some("vpn".to_owned());
            config.domainname = Some("example.com".to_owned());
            let host = old.host_config.as_mut().unwrap();
            host.network_mode = Some(mode.to_owned());
            host.uts_mode = Some(uts.to_owned());
            let made = successor(&old, &former(), "n8n:2", "sha256:new", ("a", "b"));
            (made.body.hostname, made.body.domainname)
        };
        let own = (Some("vpn".to_owned()), Some("example.com".to_owned()));
        assert_eq!(of("box_default", ""), own);
        assert_eq!(of("container:feed", ""), (None, None));
        assert_eq!(of("box_default", "host"), (None, None));
    }

    #[test]
    fn a_kept_container_is_known_by_its_name() {
        assert_eq!(aside("n8n_main", 3), "n8n_main-before-upgrade-3");
        assert!(is_aside(&aside("n8n_main", 12)));
        for name in [
            "n8n_main",
            "n8n-before-upgrade-",
            "n8n-before-upgrade-x",
            "n8n-before-upgrade-3b",
        ] {
            assert!(!is_aside(name), "{name}");
        }
    }
}
