//! PostgreSQL's programs, and those of others that Flowkeep runs.

use super::Patient;
use super::place::Place;
use super::report::Report;
use crate::platform::postgres::{is_program, unprivileged_identity};

const POSTGRESQL: &str = "PostgreSQL programs";

pub fn check(patient: &Patient, report: &mut Report) {
    for broken in patient.installations.broken() {
        report.fail(POSTGRESQL, broken.clone(), "install that package again");
    }
    let all = patient.installations.all();
    if all.is_empty() {
        report.fail(
            POSTGRESQL,
            "there is no pg_dump here",
            format!(
                "{}, of a version not older than n8n's server",
                patient
                    .place
                    .install("postgresql-client postgresql", "POSTGRES_CLIENTS")
            ),
        );
    } else {
        let found = all.iter().map(|one| {
            let kind = if one.has_server {
                "client and server"
            } else {
                "client"
            };
            format!("{} ({kind}, {})", one.version, one.bin_dir.display())
        });
        report.ok(POSTGRESQL, found.collect::<Vec<_>>().join(", "));
    }
    let needs_server = matches!(patient.config.database.external_url(), Ok(None));
    match patient.installations.newest_server() {
        Ok(server) => report.ok(
            "proofs on this machine",
            format!("with the server programs of {}", server.version),
        ),
        Err(error) if needs_server => report.fail(
            "private PostgreSQL",
            error.to_string(),
            format!(
                "{}, or set DATABASE_URL",
                patient.place.install("postgresql", "POSTGRES_SERVERS")
            ),
        ),
        Err(_) => report.warn(
            "proofs on this machine",
            "no server programs are here, so backups can only be proven in Docker",
            format!(
                "{}, of the major version of n8n's server",
                patient.place.install("postgresql", "POSTGRES_SERVERS")
            ),
        ),
    }
    if rustix::process::geteuid().is_root()
        && let Err(error) = unprivileged_identity()
    {
        report.fail("user for PostgreSQL", error, "useradd --system flowkeep");
    }
    if !has_program("ssh") {
        report.warn(
            "ssh",
            "not installed: copies cannot go to another machine by SFTP",
            match patient.place {
                Place::Machine => "apt-get install openssh-client, if you want that",
                Place::Container => "use an image that has openssh-client, if you want that",
            },
        );
    }
}

fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| is_program(&dir.join(name)))
}
