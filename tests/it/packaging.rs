//! What packages are made of: the unit, manual pages, the bill of materials, the box of containers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowkeep::platform::postgres::is_program;
use flowkeep::platform::process::{CommandSpec, Output, Processes};
use serde_json::Value;

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Where a program is, if this machine has it.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|path| is_program(path))
}

async fn run(program: PathBuf, args: &[&str]) -> Output {
    let inherited = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"];
    let spec = CommandSpec::new(program)
        .args(args)
        .dir(top())
        .timeout(Duration::from_mins(3));
    let spec = inherited
        .iter()
        .fold(spec, |spec, name| match std::env::var_os(name) {
            Some(value) => spec.env(name, value),
            None => spec,
        });
    Processes::new().output(spec).await.unwrap()
}

#[test]
fn manual_pages_and_completions_are_those_of_the_program() {
    let mut wanted: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut command = flowkeep::cli::command();
    for (shell, name) in [
        (clap_complete::Shell::Bash, "flowkeep.bash"),
        (clap_complete::Shell::Zsh, "_flowkeep"),
        (clap_complete::Shell::Fish, "flowkeep.fish"),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "flowkeep", &mut text);
        wanted.insert(name.to_owned(), text);
    }
    let dir = tempfile::tempdir().unwrap();
    let undated = flowkeep::cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(undated, dir.path()).unwrap();
    for page in std::fs::read_dir(dir.path()).unwrap() {
        let page = page.unwrap();
        let name = page.file_name().into_string().unwrap();
        wanted.insert(name, std::fs::read(page.path()).unwrap());
    }
    let folder = top().join("packaging/manual");
    if std::env::var_os("FLOWKEEP_WRITE_MANUAL").is_some() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &wanted {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    let there: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(there.iter().eq(wanted.keys()), "run make manual: {there:?}");
    for (name, text) in &wanted {
        let is_same = std::fs::read(folder.join(name)).unwrap() == *text;
        assert!(is_same, "packaging/manual/{name} is stale: run make manual");
    }
}

#[tokio::test]
async fn the_unit_scores_under_2_and_still_shows_the_hosts_metrics() {
    let unit = read("systemd/flowkeep.service");
    // Each would take something away that the daemon reads or runs.
    for never in [
        "ProcSubset=pid",
        "PrivateNetwork=yes",
        "ProtectHome=yes",
        "PrivateUsers=yes",
    ] {
        assert!(!unit.lines().any(|line| line == never), "{never}");
    }
    let Some(analyze) = program("systemd-analyze") else {
        let _ = std::io::stderr().write_all(b"left out: systemd-analyze is not installed\n");
        return;
    };
    let args = [
        "security",
        "--offline=true",
        "--threshold=20",
        "--no-pager",
        "systemd/flowkeep.service",
    ];
    let output = run(analyze, &args).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("Overall exposure level"),
        "{said} {}",
        output.stderr
    );
    assert!(output.status.success(), "{said}");
}

#[test]
fn every_packaged_variable_is_in_the_readme() {
    let readme = read("README.md");
    for line in read("packaging/debian/environment").lines() {
        let name = line.trim_start_matches('#').split('=').next().unwrap();
        if name.starts_with("FLOWKEEP_") || name == "DATABASE_URL" {
            assert!(
                readme.contains(&format!("`{name}`")),
                "{name} is not in README.md"
            );
        }
    }
}

#[test]
fn the_packaged_variables_say_where_the_shipped_nginx_looks_for_flowkeep() {
    let shipped = read("nginx/flowkeep-http.conf");
    let upstream = shipped
        .lines()
        .find_map(|line| line.trim().strip_prefix("server "))
        .unwrap()
        .trim_end_matches(';');
    let wanted = format!("Behind nginx on this machine: {upstream}\n");
    assert!(read("packaging/debian/environment").contains(&wanted));
}

/// Names and versions of what Cargo.lock locks from elsewhere.
fn locked_crates() -> BTreeSet<String> {
    let lock = read("Cargo.lock");
    let value = |block: &str, name: &str| {
        let line = block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        line.map(|line| line.trim_end_matches('"').to_owned())
    };
    lock.split("[[package]]")
        .filter(|block| value(block, "source").is_some())
        .map(|block| {
            format!(
                "pkg:cargo/{}@{}",
                value(block, "name").unwrap(),
                value(block, "version").unwrap()
            )
        })
        .collect()
}

/// The same of the interface.
fn locked_modules() -> BTreeSet<String> {
    let lock: Value = serde_json::from_str(&read("ui/package-lock.json")).unwrap();
    lock["packages"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, package)| {
            let name = package["name"]
                .as_str()
                .unwrap_or_else(|| path.rsplit("node_modules/").next().unwrap());
            format!(
                "pkg:npm/{}@{}",
                name.replace('@', "%40"),
                package["version"].as_str().unwrap()
            )
        })
        .collect()
}

#[tokio::test]
async fn the_bill_of_materials_is_whole_and_well_formed() {
    // To a file: it is about as long as what is kept of a program's output.
    let file = tempfile::NamedTempFile::new().unwrap();
    let to = file.path().to_str().unwrap();
    let output = run(top().join("packaging/sbom"), &["--output", to]).await;
    assert!(output.status.success(), "{}", output.stderr);
    let bill: Value = serde_json::from_reader(file.as_file()).unwrap();
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"], &bill["version"]),
        (&"CycloneDX".into(), &"1.6".into(), &1.into())
    );
    let serial = bill["serialNumber"].as_str().unwrap();
    assert!(uuid::Uuid::parse_str(serial.strip_prefix("urn:uuid:").unwrap()).is_ok());
    assert_eq!(
        bill["metadata"]["component"]["version"],
        env!("CARGO_PKG_VERSION")
    );
    assert!(
        chrono::DateTime::parse_from_rfc3339(bill["metadata"]["timestamp"].as_str().unwrap())
            .is_ok()
    );
    let mut refs = BTreeSet::new();
    for component in bill["components"].as_array().unwrap() {
        assert_eq!(component["type"], "library");
        for field in ["name", "version", "purl"] {
            assert!(
                component[field]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{component}"
            );
        }
        assert!(
            refs.insert(component["bom-ref"].as_str().unwrap().to_owned()),
            "twice: {component}"
        );
        assert!(
            component["scope"] == "required" || component["scope"] == "excluded",
            "{component}"
        );
    }
    let locked: BTreeSet<String> = locked_crates()
        .union(&locked_modules())
        .map(|one| one.replace('+', "%2B"))
        .collect();
    assert!(locked.len() > 300, "the locks were not read");
    assert_eq!(
        locked.difference(&refs).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not in the bill"
    );
    assert_eq!(
        refs.difference(&locked).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "in no lock"
    );
    let top = bill["metadata"]["component"]["bom-ref"].as_str().unwrap();
    for edge in bill["dependencies"].as_array().unwrap() {
        let from = edge["ref"].as_str().unwrap();
        assert!(from == top || refs.contains(from), "{edge}");
        assert!(
            edge["dependsOn"]
                .as_array()
                .unwrap()
                .iter()
                .all(|to| refs.contains(to.as_str().unwrap())),
            "{edge}"
        );
    }
}

#[tokio::test]
async fn the_box_of_containers_is_what_docker_compose_accepts() {
    let output = run(top().join("packaging/docker/check-compose"), &[]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said} {}", output.stderr);
}

#[test]
fn the_image_has_the_clients_of_every_supported_server() {
    let dockerfile = read("packaging/docker/Dockerfile");
    assert!(dockerfile.contains("ARG POSTGRES_CLIENTS=\"15 16 17 18\""));
    assert!(dockerfile.contains("\nUSER 3333:3333\n"));
    assert!(dockerfile.contains("\nHEALTHCHECK "));
    assert!(
        top()
            .join("packaging/docker/Dockerfile.dockerignore")
            .exists()
    );
}

/// Files that the program takes into itself, which the image's build must be given.
#[test]
fn the_image_is_built_of_everything_that_the_program_includes() {
    let dockerfile = read("packaging/docker/Dockerfile");
    let ignored = read("packaging/docker/Dockerfile.dockerignore");
    let stage = dockerfile.split("\nFROM ").nth(2).unwrap();
    let is_given = |path: &str| {
        let top = path.split('/').next().unwrap();
        let is_copied = stage.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some("COPY") && words.any(|word| word == top)
        });
        is_copied && ignored.lines().any(|line| line == format!("!{top}"))
    };
    let include = regex::Regex::new(r#"include_(?:str|bytes)!\(\s*"(?:\.\./)+([^"]+)""#).unwrap();
    let mut count = 0;
    for file in sources(&top().join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        // What only tests include is not there when the image is built.
        let text = text.split("#[cfg(test)]").next().unwrap();
        for found in include.captures_iter(text) {
            count += 1;
            assert!(
                is_given(&found[1]),
                "{}: the Dockerfile does not copy {}, or its .dockerignore leaves it out",
                file.display(),
                &found[1]
            );
        }
    }
    assert!(count >= 10, "{count}");
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
