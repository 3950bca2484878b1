//! `flowkeep doctor`: what this machine has and lacks.

use std::error::Error;
use std::io::Write;

use crate::app::bootstrap;
use crate::features::backups::BackupFiles;
use crate::platform::config::Config;
use crate::platform::postgres::{Installations, unprivileged_identity};
use crate::platform::process::Processes;

struct Doctor {
    is_well: bool,
}

impl Doctor {
    fn say(&mut self, name: &str, found: Result<String, String>) {
        let (mark, text) = match found {
            Ok(text) => ("ok     ", text),
            Err(text) => {
                self.is_well = false;
                ("PROBLEM", text)
            }
        };
        let _ = writeln!(std::io::stdout(), "{mark}  {name}: {text}");
    }
}

/// Looks at everything. Returns whether all is well.
pub fn run(config: Config) -> Result<bool, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut doctor = Doctor { is_well: true };
        let checked = config.validate();
        doctor.say(
            "configuration",
            checked
                .map(|()| "readable".to_owned())
                .map_err(|e| e.to_string()),
        );
        let processes = Processes::new();
        let all = Installations::discover(&processes, &config.database.postgres_dirs).await;
        for found in all.all() {
            let kind = if found.has_server {
                "server and client"
            } else {
                "client only"
            };
            let place = found.bin_dir.display();
            doctor.say(
                "PostgreSQL",
                Ok(format!("{} in {place}, {kind}", found.version)),
            );
        }
        for broken in all.broken() {
            doctor.say("PostgreSQL", Err(broken.clone()));
        }
        let newest = all
            .newest_server()
            .map(|found| format!("version {}", found.version));
        doctor.say(
            "server for proofs",
            newest.map_err(|error| error.to_string()),
        );
        let identity = unprivileged_identity().map(|identity| {
            identity.map_or_else(|| "this user".to_owned(), |identity| identity.name)
        });
        doctor.say("user for PostgreSQL", identity);
        let files = BackupFiles::new(config.data.backup_dir());
        let space = files.prepare().and_then(|()| files.free_bytes());
        let root = files.root().display().to_string();
        doctor.say(
            "backup folder",
            space
                .map(|bytes| format!("{root}, {} MB free", bytes / 1_000_000))
                .map_err(|error| format!("{root}: {error}")),
        );
        match bootstrap(config).await {
            Err(error) => doctor.say("start", Err(error.to_string())),
            Ok(parts) if parts.embedded.is_some() => {
                let text = match parts.db.ping().await {
                    Ok(()) => "private PostgreSQL, running",
                    Err(_) => "private PostgreSQL, not running; `flowkeep serve` starts it",
                };
                doctor.say("database", Ok(text.to_owned()));
            }
            Ok(parts) => {
                let answer = parts.db.ping().await.map_err(|error| error.to_string());
                doctor.say("database", answer.map(|()| "answers".to_owned()));
            }
        }
        Ok(doctor.is_well)
    })
}
