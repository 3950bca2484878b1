//! The Docker engine.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use super::place::{Place, installed};
use super::report::Report;
use super::{Patient, users};
use crate::platform::docker::{Docker, DockerError};

const NAME: &str = "Docker";
const LIMIT: Duration = Duration::from_secs(10);
const MOUNT: &str = "mount it in the compose file (/var/run/docker.sock:/var/run/docker.sock), or name a socket proxy with \
     FLOWKEEP_DOCKER_HOST=tcp://…";
const DROP_IN: &str = "doc/flowkeep/examples/docker.conf";

/// Without an engine backups are proven on this machine, so that nothing here is worse than a warning, unless an
/// engine was named.
pub async fn check(patient: &Patient, report: &mut Report) {
    let docker = Docker::new(&patient.config.docker.docker_host);
    let address = docker.address().to_owned();
    let socket = address.strip_prefix("unix://").map(Path::new);
    let owner = socket.and_then(owner);
    let asked = tokio::time::timeout(LIMIT, docker.version()).await;
    match asked {
        Ok(Ok(version)) => {
            let owner = owner.map(|(words, _)| format!(", {words}")).unwrap_or_default();
            report.ok(NAME, format!("version {version} at {address}{owner}"));
            if socket.is_none() && !address.contains("127.0.0.1") && !address.contains("localhost") {
                report.warn(
                    NAME,
                    format!("{address} is spoken to unencrypted over the network"),
                    "keep a socket proxy on this machine or on a network of containers",
                );
            }
        }
        Ok(Err(DockerError::NotThere(_))) => report.warn(
            NAME,
            format!("no engine at {address}: containers are not watched, and backups are proven on this machine"),
            match patient.place {
                Place::Machine => DockerError::NotThere(String::new()).remedy(),
                Place::Container => MOUNT,
            },
        ),
        Ok(Err(error @ DockerError::Denied(_))) => {
            let (words, group) = owner.unwrap_or_else(|| ("its folder is closed".to_owned(), "docker".to_owned()));
            let fix = if patient.place == Place::Container {
                format!("give flowkeep the group that owns it on the machine (stat -c %g /var/run/docker.sock), under `group_add` in the compose file; here it is {group}")
            } else if group == "root" {
                format!("let a socket proxy speak for it (FLOWKEEP_DOCKER_HOST=tcp://127.0.0.1:2375), or give the socket to a group: chgrp docker {address}")
            } else {
                format!("install {} as a drop-in with SupplementaryGroups={group}; for commands: usermod -aG {group} {}", installed(DROP_IN), users::me())
            };
            report.warn(NAME, format!("{error} for {}; {words}", users::me()), fix);
        }
        Ok(Err(error)) => report.warn(NAME, error.to_string(), error.remedy()),
        Err(_) => report.warn(
            NAME,
            format!("the engine at {address} does not answer within {} s", LIMIT.as_secs()),
            "on the machine: systemctl restart docker",
        ),
    }
}

/// Whose the socket is, in words, and its group.
fn owner(path: &Path) -> Option<(String, String)> {
    let file = path.metadata().ok()?;
    if !file.file_type().is_socket() {
        return Some((
            format!("{} is no socket", path.display()),
            "docker".to_owned(),
        ));
    }
    let (user, group) = (users::user(file.uid()), users::group(file.gid()));
    let mode = file.permissions().mode() & 0o777;
    Some((
        format!("the socket is {user}:{group}, mode {mode:o}"),
        group,
    ))
}
