//! Where the daemon lives, and so what its operator types.

use std::path::Path;

/// A file that was installed with the program, which is under `/usr` by a package and under `/usr/local` by hand.
pub fn installed(path: &str) -> String {
    let program = std::env::current_exe().unwrap_or_default();
    beside(&program, path)
}

fn beside(program: &Path, path: &str) -> String {
    let is_by_hand = program.starts_with("/usr/local");
    let prefix = if is_by_hand { "/usr/local" } else { "/usr" };
    format!("{prefix}/share/{path}")
}

/// Where the daemon lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the machine itself, under systemd.
    Machine,
    /// In a container, most likely of docker compose: there is no systemd in it, and nothing is installed there.
    Container,
}

impl Place {
    /// Where this program runs.
    pub fn here() -> Self {
        Self::under(Path::new("/"))
    }

    fn under(root: &Path) -> Self {
        let marks = [".dockerenv", "run/.containerenv"];
        if marks.iter().any(|mark| root.join(mark).exists()) {
            Self::Container
        } else {
            Self::Machine
        }
    }

    fn choose(self, machine: &str, container: &str) -> String {
        match self {
            Self::Machine => machine.to_owned(),
            Self::Container => container.to_owned(),
        }
    }

    /// Starts the daemon.
    pub fn start(self) -> String {
        self.choose("systemctl start flowkeep", "docker compose up -d flowkeep")
    }

    /// Starts it anew, with variables that were changed.
    pub fn restart(self) -> String {
        self.choose(
            "systemctl restart flowkeep",
            "docker compose up -d --force-recreate flowkeep",
        )
    }

    /// Shows its log.
    pub fn log(self) -> String {
        self.choose("journalctl -u flowkeep", "docker compose logs flowkeep")
    }

    /// Where its variables stand.
    pub fn variables(self) -> String {
        self.choose(
            "/etc/flowkeep/environment",
            "the compose file, under `environment` of flowkeep",
        )
    }

    /// A command of Flowkeep's as the daemon's user.
    pub fn command_as(self, user: &str, command: &str) -> String {
        match self {
            Self::Machine => format!("runuser -u {user} -- flowkeep {command}"),
            Self::Container => format!("docker compose exec flowkeep flowkeep {command}"),
        }
    }

    /// A command that changes files, as the daemon's user or as root. Root of a container that was given no rights has
    /// none over other people's files, so another container of the same image does it.
    pub fn shell(self, command: &str) -> String {
        match self {
            Self::Machine => command.to_owned(),
            Self::Container => {
                // By itself a container's host name is the beginning of its id.
                let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
                let name = Some(name.trim())
                    .filter(|name| name.len() == 12)
                    .unwrap_or("n8n_flowkeep");
                format!(
                    "docker run --rm --network none --user root --volumes-from {name} --entrypoint env flowkeep:{} {command}",
                    env!("CARGO_PKG_VERSION")
                )
            }
        }
    }

    /// Gets packages of PostgreSQL: the image has what it was built with.
    pub fn install(self, packages: &str, argument: &str) -> String {
        match self {
            Self::Machine => format!("apt-get install {packages}"),
            Self::Container => format!(
                "build the image with it ({argument} under `build: args` in the compose file), or mount Docker's socket"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_by_its_engines_mark() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Place::under(root.path()), Place::Machine);
        std::fs::write(root.path().join(".dockerenv"), "").unwrap();
        assert_eq!(Place::under(root.path()), Place::Container);
    }

    #[test]
    fn what_was_installed_is_beside_the_program() {
        let examples = |program| beside(Path::new(program), "doc/flowkeep/examples");
        assert_eq!(
            examples("/usr/bin/flowkeep"),
            "/usr/share/doc/flowkeep/examples"
        );
        assert_eq!(
            examples("/usr/local/bin/flowkeep"),
            "/usr/local/share/doc/flowkeep/examples"
        );
    }

    #[test]
    fn in_a_container_nothing_names_systemd_or_its_files() {
        let place = Place::Container;
        for words in [
            place.start(),
            place.restart(),
            place.log(),
            place.variables(),
            place.command_as("flowkeep", "doctor"),
            place.install("postgresql-16", "POSTGRES_SERVERS"),
        ] {
            for machine in [
                "systemctl",
                "journalctl",
                "runuser",
                "/etc/flowkeep",
                "apt-get",
            ] {
                assert!(!words.contains(machine), "{words}");
            }
        }
        assert!(place.shell("chmod 711 /x").ends_with(concat!(
            "--entrypoint env flowkeep:",
            env!("CARGO_PKG_VERSION"),
            " chmod 711 /x"
        )));
    }
}
