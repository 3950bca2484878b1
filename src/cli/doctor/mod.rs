//! `flowkeep doctor`: looks at an installation and says what to fix. It changes nothing, needs nothing to run, and no
//! line of it holds a secret.

mod configuration;
mod database;
mod engine;
mod files;
mod machine;
mod place;
mod programs;
mod report;
mod rest;
mod users;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::place::Place;
use self::report::{Level, Report};
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::data_lock::DataLock;
use crate::platform::postgres::Installations;
use crate::platform::process::Processes;

#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: Config,
}

/// What every check may look at.
struct Patient {
    config: Config,
    processes: Processes,
    clock: Clock,
    installations: Installations,
    /// Where the daemon lives.
    place: Place,
    /// The process that holds the data folder, if the daemon runs.
    daemon: Option<String>,
}

impl Patient {
    fn key_file(&self) -> PathBuf {
        let chosen = self.config.secrets.master_key_file.clone();
        chosen.unwrap_or_else(|| self.config.data.data_dir.join("master.key"))
    }
}

/// Looks at everything. Ends with 0 if all is well, 1 if something could be better, 2 if something is wrong.
pub fn run(args: DoctorArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let report = match runtime {
        Ok(runtime) => runtime.block_on(examine(args.config)),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "flowkeep: {error}");
            return ExitCode::from(2);
        }
    };
    let text = if args.json {
        format!("{:#}\n", report.to_json())
    } else {
        report.to_text()
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(match report.level() {
        Level::Ok => 0,
        Level::Warn => 1,
        Level::Fail => 2,
    })
}

async fn examine(config: Config) -> Report {
    let mut report = Report::default();
    let processes = Processes::new();
    let installations = Installations::discover(&processes, &config.database.postgres_dirs).await;
    // A folder that cannot be read is spoken of below.
    let daemon = DataLock::holder(&config.data.data_dir).unwrap_or_default();
    let patient = Patient {
        config,
        processes,
        clock: Clock::system(),
        installations,
        place: Place::here(),
        daemon,
    };
    let is_valid = configuration::check(&patient, &mut report);
    machine::check(&patient, &mut report).await;
    let is_usable = files::check(&patient, &mut report);
    programs::check(&patient, &mut report);
    engine::check(&patient, &mut report).await;
    let destinations = if is_valid && is_usable {
        database::check(&patient, &mut report).await
    } else {
        None
    };
    files::one_disk(&patient, destinations, &mut report);
    report
}
