//! Which PostgreSQL programs this machine has, and which of them fit a server.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::platform::process::{CommandSpec, Processes};

/// One set of programs of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Installation {
    /// The folder they are in.
    #[schema(value_type = String)]
    pub bin_dir: PathBuf,
    /// Major version, as in 16.
    pub major: u32,
    /// Whole version, as in 16.4.
    pub version: String,
    /// Whether a server can be run from here.
    pub has_server: bool,
}

/// No installed program fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MissingProgram {
    /// No `pg_dump` is new enough: one older than the server refuses to dump it.
    #[error("the server is PostgreSQL {server_major}, and {}; install one of version \
             {server_major} or newer: apt-get install postgresql-client-{server_major}", newest_client(*newest))]
    Client {
        /// The server's major version.
        server_major: u32,
        /// The newest client there is.
        newest: Option<u32>,
    },
    /// No server of this version, in which a backup could be proven.
    #[error(
        "no server programs of PostgreSQL {major} are installed here; install them: \
             apt-get install postgresql-{major}"
    )]
    Server {
        /// The version that is needed.
        major: u32,
    },
    /// No server at all.
    #[error(
        "no PostgreSQL server programs are installed here; install them (Debian: apt-get \
             install postgresql, Alpine: apk add postgresql16), or set DATABASE_URL to use a \
             server that runs elsewhere"
    )]
    AnyServer,
}

fn newest_client(newest: Option<u32>) -> String {
    match newest {
        Some(major) => format!("the newest pg_dump here is version {major}"),
        None => "there is no pg_dump here".to_owned(),
    }
}

/// Every installation found, newest last.
#[derive(Clone, Debug, Default)]
pub struct Installations {
    found: Vec<Installation>,
    broken: Vec<String>,
}

impl Installations {
    /// Looks in `extra` folders, then where Debian, Alpine, PGDG and hand-made builds put them,
    /// then along `PATH`.
    pub async fn discover(processes: &Processes, extra: &[PathBuf]) -> Self {
        let mut seen = Vec::new();
        let mut all = Self::default();
        let mut by_major = BTreeMap::<u32, Installation>::new();
        for dir in extra
            .iter()
            .cloned()
            .chain(usual_places())
            .chain(path_places())
        {
            let Ok(dir) = dir.canonicalize() else {
                continue;
            };
            if seen.contains(&dir) || !is_program(&dir.join("pg_dump")) {
                continue;
            }
            seen.push(dir.clone());
            match inspect(processes, &dir).await {
                Ok(found) => {
                    // Of two of one version, one with a server is worth more.
                    let is_better = by_major
                        .get(&found.major)
                        .is_none_or(|known| found.has_server && !known.has_server);
                    if is_better {
                        by_major.insert(found.major, found);
                    }
                }
                Err(why) => all.broken.push(format!("{}: {why}", dir.display())),
            }
        }
        all.found = by_major.into_values().collect();
        all
    }

    /// Every installation, oldest first.
    pub fn all(&self) -> &[Installation] {
        &self.found
    }

    /// What looked like an installation and does not run, and why.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// Keeps only those that fit.
    pub fn retain(&mut self, keep: impl FnMut(&Installation) -> bool) {
        self.found.retain(keep);
    }

    /// The oldest client that is not older than the server.
    pub fn client_for(&self, server_major: u32) -> Result<&Installation, MissingProgram> {
        self.found
            .iter()
            .find(|found| found.major >= server_major)
            .ok_or_else(|| {
                let newest = self.found.last().map(|found| found.major);
                MissingProgram::Client {
                    server_major,
                    newest,
                }
            })
    }

    /// A server of exactly this version.
    pub fn server_for(&self, major: u32) -> Result<&Installation, MissingProgram> {
        self.found
            .iter()
            .find(|found| found.major == major && found.has_server)
            .ok_or(MissingProgram::Server { major })
    }

    /// The newest server.
    pub fn newest_server(&self) -> Result<&Installation, MissingProgram> {
        self.found
            .iter()
            .rfind(|found| found.has_server)
            .ok_or(MissingProgram::AnyServer)
    }
}

impl Installation {
    /// The path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }
}

/// Whether something can be run there.
pub fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

async fn inspect(processes: &Processes, dir: &Path) -> Result<Installation, String> {
    let spec = CommandSpec::new(dir.join("pg_dump"))
        .arg("--version")
        .timeout(Duration::from_secs(10));
    let output = processes
        .output(spec)
        .await
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(output.describe("pg_dump --version"));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (major, version) =
        parse_version(&text).ok_or_else(|| format!("pg_dump says {:?}", text.trim()))?;
    let has_server = ["postgres", "initdb", "pg_restore"]
        .iter()
        .all(|name| is_program(&dir.join(name)));
    Ok(Installation {
        bin_dir: dir.to_owned(),
        major,
        version,
        has_server,
    })
}

/// `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(text: &str) -> Option<(u32, String)> {
    let version = text
        .split_once("(PostgreSQL) ")?
        .1
        .split_whitespace()
        .next()?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((digits.parse().ok()?, version.to_owned()))
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    for (parent, prefix, suffix) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr/libexec", "postgresql", ""),
        ("/usr/lib", "postgresql", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt", "postgresql", "bin"),
    ] {
        let Ok(entries) = std::fs::read_dir(parent) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                places.push(entry.path().join(suffix));
            }
        }
    }
    places.sort();
    places.push("/usr/local/pgsql/bin".into());
    places
}

/// Debian's `/usr/bin/pg_dump` is a wrapper that chooses by itself; the real ones are found above.
fn path_places() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|dir| {
            dir.join("pg_dump")
                .canonicalize()
                .is_ok_and(|real| !real.ends_with("postgresql-common/pg_wrapper"))
        })
        .filter_map(|dir| {
            dir.join("pg_dump")
                .canonicalize()
                .ok()?
                .parent()
                .map(Path::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(major: u32, has_server: bool) -> Installation {
        let version = format!("{major}.1");
        Installation {
            bin_dir: PathBuf::from("/x"),
            major,
            version,
            has_server,
        }
    }

    fn installations(found: &[(u32, bool)]) -> Installations {
        let found = found
            .iter()
            .map(|(major, server)| installation(*major, *server))
            .collect();
        Installations {
            found,
            broken: Vec::new(),
        }
    }

    #[test]
    fn f18_a_client_is_never_older_than_the_server() {
        let all = installations(&[(15, true), (17, false)]);
        assert_eq!(all.client_for(14).unwrap().major, 15);
        assert_eq!(all.client_for(16).unwrap().major, 17);
        let error = all.client_for(18).unwrap_err().to_string();
        assert!(
            error.contains("postgresql-client-18") && error.contains("version 17"),
            "{error}"
        );
    }

    #[test]
    fn proving_needs_a_server_of_the_same_version() {
        let all = installations(&[(15, true), (16, false)]);
        assert!(all.server_for(15).is_ok());
        assert!(
            all.server_for(16)
                .unwrap_err()
                .to_string()
                .contains("postgresql-16")
        );
        assert_eq!(all.newest_server().unwrap().major, 15);
        assert_eq!(
            installations(&[]).newest_server(),
            Err(MissingProgram::AnyServer)
        );
    }

    #[test]
    fn versions_of_debian_and_of_betas_are_read() {
        let debian = parse_version("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n");
        assert_eq!(debian, Some((15, "15.18".to_owned())));
        assert_eq!(parse_version("pg_dump (PostgreSQL) 18beta1").unwrap().0, 18);
        assert_eq!(parse_version("hello"), None);
    }
}
