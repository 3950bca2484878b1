//! Variables: can they be used, do they mean anything, do they fit each other.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::place::{Place, installed};
use super::report::Report;
use super::{Patient, users};
use crate::cli::environment;
use crate::platform::config::HttpConfig;

const NAME: &str = "configuration";
const VARIABLES: &str = "variables";
const ACCESS: &str = "access";
/// Where the shipped nginx looks for Flowkeep; the usual port is nginx's own then.
const BEHIND_NGINX: &str = "FLOWKEEP_LISTEN=127.0.0.1:3334";

/// Returns whether the daemon could start with it.
pub fn check(patient: &Patient, report: &mut Report) -> bool {
    let checked = patient.config.validate();
    match &checked {
        Ok(()) => report.ok(NAME, "readable"),
        Err(error) => report.fail(
            NAME,
            error.to_string(),
            format!(
                "correct {} in {}, then: {}",
                error.name,
                patient.place.variables(),
                patient.place.restart()
            ),
        ),
    }
    file(patient.place, report);
    let from_process = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let from_file = environment::read().unwrap_or_default().values.into_keys();
    unknown(from_process.chain(from_file).collect(), report);
    tokens(patient, report);
    access(&patient.config.http, patient.place, report);
    checked.is_ok()
}

fn file(of: Place, report: &mut Report) {
    let Some(path) = environment::path().filter(|path| path.exists()) else {
        return;
    };
    let place = path.display();
    match environment::read() {
        Err(error) => report.warn(
            VARIABLES,
            format!(
                "{place} cannot be read as {}: {error}; its values are not looked at",
                users::me()
            ),
            format!(
                "run this as the daemon's user: {}",
                of.command_as("flowkeep", "doctor")
            ),
        ),
        Ok(found) if !found.bad_lines.is_empty() => {
            // The line itself may hold a password.
            let lines: Vec<String> = found.bad_lines.iter().map(ToString::to_string).collect();
            report.fail(
                VARIABLES,
                format!("{place}: line {} is no NAME=value", lines.join(", ")),
                format!("correct it in {place}; systemd passes over it"),
            );
        }
        Ok(found) => report.ok(VARIABLES, format!("{place} sets {}", found.values.len())),
    }
    secrecy(&path, of, report);
}

/// A file that may hold a secret must be closed to others. In a container there are none, and it is not the container that says
/// how a secret is mounted (Docker: for all to read).
fn secrecy(path: &Path, place: Place, report: &mut Report) {
    if place == Place::Container {
        return;
    }
    let Ok(file) = path.metadata() else { return };
    if file.permissions().mode() & 0o027 != 0 {
        let (owner, group) = (users::user(file.uid()), users::group(file.gid()));
        report.fail(
            VARIABLES,
            format!(
                "others than {owner} and the group {group} can read or change {} (mode {:o}), which may hold a password",
                path.display(),
                file.permissions().mode() & 0o7777
            ),
            closed(path),
        );
    }
}

/// What makes a file one that the daemon can read, and nobody else but root.
fn closed(path: &Path) -> String {
    format!("chown root:flowkeep {0} && chmod 640 {0}", path.display())
}

fn unknown(names: BTreeSet<String>, report: &mut Report) {
    let known = environment::known(&crate::cli::command());
    // What the scripts and the tests of the sources take.
    let is_other = |name: &str| name.starts_with("FLOWKEEP_TEST_") || name == "FLOWKEEP_CACHE";
    for name in names {
        if !name.starts_with("FLOWKEEP_") || known.contains(&name) || is_other(&name) {
            continue;
        }
        let near = known.iter().min_by_key(|known| distance(known, &name));
        let fix = match near.filter(|near| distance(near, &name) <= 4) {
            Some(near) => format!("write {near}, or take it out"),
            None => "take it out; `flowkeep serve --help` lists those that are known".to_owned(),
        };
        report.warn(VARIABLES, format!("{name} means nothing to Flowkeep"), fix);
    }
}

/// How many letters must change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn tokens(patient: &Patient, report: &mut Report) {
    let files = [
        (
            "FLOWKEEP_METRICS_TOKEN_FILE",
            &patient.config.http.metrics_token_file,
        ),
        (
            "FLOWKEEP_DATABASE_URL_FILE",
            &patient.config.database.url_file,
        ),
        (
            "FLOWKEEP_ADMIN_PASSWORD_FILE",
            &patient.config.secrets.admin_password_file,
        ),
    ];
    for (name, path) in files {
        let Some(path) = path else { continue };
        match std::fs::File::open(path) {
            Ok(_) => secrecy(path, patient.place, report),
            Err(error) => report.fail(
                VARIABLES,
                format!(
                    "{name}: {} cannot be read as {}: {error}",
                    path.display(),
                    users::me()
                ),
                match patient.place {
                    Place::Machine => format!("put it there, and: {}", closed(path)),
                    Place::Container => format!(
                        "mount it there in the compose file, readable for {} alone",
                        users::me()
                    ),
                },
            ),
        }
    }
}

/// Who can reach the page, and who can read along.
fn access(http: &HttpConfig, place: Place, report: &mut Report) {
    let is_open = !http.listen.ip().is_loopback();
    let is_https = http
        .public_url
        .as_ref()
        .is_some_and(|url| url.scheme() == "https");
    let proxies = &http.trusted_proxies;
    let mut has_said = false;
    if is_https && proxies.is_empty() {
        has_said = true;
        report.warn(
            ACCESS,
            "people come by https, so through a proxy, and no proxy is trusted: everybody looks like the proxy, and one \
             person's wrong passwords lock all out",
            "set FLOWKEEP_TRUSTED_PROXIES to the proxy's address, as in 127.0.0.1/32",
        );
    }
    if !proxies.is_empty() && http.public_url.is_none() {
        has_said = true;
        report.warn(
            ACCESS,
            "a proxy is trusted, and links in messages do not know its address",
            "set FLOWKEEP_PUBLIC_URL to the address people open",
        );
    }
    if is_open && !is_https {
        has_said = true;
        let (found, fix) = unencrypted(http.listen, place);
        report.warn(ACCESS, found, fix);
    }
    // In a container it must listen so; there the networks of the compose file say who comes.
    if is_open && is_https && !proxies.is_empty() && place == Place::Machine {
        has_said = true;
        let is_here = proxies.iter().all(|net| net.addr().is_loopback());
        report.warn(
            ACCESS,
            format!(
                "the proxy can be passed by: Flowkeep itself listens on {}, unencrypted",
                http.listen
            ),
            if is_here {
                format!("set {BEHIND_NGINX}, where the nginx that comes with it looks for it")
            } else {
                format!(
                    "let the firewall pass nobody but the proxy to port {}",
                    http.listen.port()
                )
            },
        );
    }
    if !has_said {
        let address = http.public_url.as_ref().map_or_else(
            || format!("only from this machine, at http://{}", http.listen),
            |url| format!("at {url}"),
        );
        report.ok(ACCESS, address);
    }
}

/// In a container it must listen on all addresses: who reaches them is what the compose file publishes.
fn unencrypted(listen: SocketAddr, place: Place) -> (String, String) {
    match place {
        Place::Machine => (
            format!("passwords travel unencrypted to {listen}, which other machines can reach"),
            format!("put a proxy with HTTPS in front ({}), and set {BEHIND_NGINX}", installed("flowkeep/nginx")),
        ),
        Place::Container => (
            format!("passwords travel unencrypted to {listen}, wherever its port is published"),
            "put a proxy with HTTPS in front (docker-compose.yaml has one), publish no port of flowkeep itself \
             (or only 127.0.0.1:3333:3333), and set FLOWKEEP_PUBLIC_URL to the address people open"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_near() {
        assert_eq!(distance("FLOWKEEP_LISTEN", "FLOWKEEP_LISTEN"), 0);
        assert_eq!(distance("FLOWKEEP_LISTEN", "FLOWKEEP_LITSEN"), 2);
        assert_eq!(distance("abc", ""), 3);
    }

    #[derive(clap::Parser)]
    struct Given {
        #[command(flatten)]
        http: HttpConfig,
    }

    fn said(place: Place, args: &[&str]) -> String {
        let given = [&["test"], args].concat();
        let given = <Given as clap::Parser>::parse_from(given);
        let mut report = Report::default();
        access(&given.http, place, &mut report);
        report.to_text()
    }

    /// Where the shipped nginx passes on to.
    fn upstream() -> String {
        let shipped = include_str!("../../../nginx/flowkeep-http.conf");
        let server = shipped
            .lines()
            .find_map(|line| line.trim().strip_prefix("server "));
        server.unwrap().trim_end_matches(';').to_owned()
    }

    #[test]
    fn behind_the_shipped_nginx_it_listens_where_that_looks_for_it() {
        let wanted = format!("FLOWKEEP_LISTEN={}", upstream());
        let (_, fix) = unencrypted("0.0.0.0:3333".parse().unwrap(), Place::Machine);
        assert!(fix.contains(&wanted), "{fix}");
    }

    #[test]
    fn a_proxy_that_can_be_passed_by_is_spoken_of_but_in_a_container() {
        let open = "--listen=0.0.0.0:3333";
        let here = "--trusted-proxies=127.0.0.1/32,::1/128";
        let away = "--trusted-proxies=10.0.0.7/32";
        let url = "--public-url=https://flowkeep.example.com";
        let text = said(Place::Machine, &[open, here, url]);
        assert!(text.contains("WARN  access: the proxy can be"), "{text}");
        assert!(text.contains(&format!("={}", upstream())), "{text}");
        let text = said(Place::Machine, &[open, away, url]);
        assert!(text.contains("firewall"), "{text}");
        for fine in [
            said(Place::Container, &[open, away, url]),
            said(Place::Machine, &["--listen=127.0.0.1:3334", here, url]),
            said(Place::Machine, &["--listen=[::1]:3334", here, url]),
        ] {
            assert!(fine.contains("ok    access: at https"), "{fine}");
        }
    }

    #[test]
    fn a_secret_that_others_can_read_is_a_failure_but_in_a_container() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "").unwrap();
        let look = |place, mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let mut report = Report::default();
            secrecy(&path, place, &mut report);
            report.to_text()
        };
        let remedy = format!(
            "fix: chown root:flowkeep {0} && chmod 640 {0}\n",
            path.display()
        );
        let text = look(Place::Machine, 0o444);
        assert!(text.contains(&remedy), "{text}");
        assert!(look(Place::Machine, 0o640).starts_with("All is well"));
        // As Docker mounts its secrets.
        assert!(look(Place::Container, 0o444).starts_with("All is well"));
    }

    #[test]
    fn in_a_container_it_may_listen_everywhere_and_what_is_published_counts() {
        let listen = "0.0.0.0:3333".parse().unwrap();
        let (_, fix) = unencrypted(listen, Place::Container);
        assert!(
            !fix.contains("FLOWKEEP_LISTEN=") && fix.contains("publish no port"),
            "{fix}"
        );
    }

    #[test]
    fn a_name_that_means_nothing_is_named_with_the_nearest_that_does() {
        let mut report = Report::default();
        let names = [
            "FLOWKEEP_LISTEN",
            "FLOWKEEP_DATA_DIRS",
            "FLOWKEEP_XYZZY_PLUGH_FROB",
            "HOME",
        ];
        unknown(names.map(str::to_owned).into(), &mut report);
        let text = report.to_text();
        assert!(text.contains("FLOWKEEP_DATA_DIRS means nothing"), "{text}");
        assert!(text.contains("write FLOWKEEP_DATA_DIR, or"), "{text}");
        assert!(text.contains("FLOWKEEP_XYZZY_PLUGH_FROB"), "{text}");
        assert!(
            !text.contains("HOME") && !text.contains("FLOWKEEP_LISTEN means"),
            "{text}"
        );
    }
}
