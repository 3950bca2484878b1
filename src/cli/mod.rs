//! The command line.

mod admin;
mod backup;
mod doctor;
mod environment;
mod health;
mod migrate_v2;
mod openapi;
mod own_database;
mod recover;
mod restore;
mod serve;
mod verify;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::platform::config::Config;

/// Backs n8n up, proves that the backup restores, and guards the tools beside it.
#[derive(Debug, Parser)]
#[command(name = "flowkeep", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Serve {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Bring the tables of Flowkeep's own database up to date.
    Migrate {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Take version 2's configuration file over, or give it back.
    MigrateV2 {
        #[command(flatten)]
        args: Box<migrate_v2::MigrateArgs>,
    },
    /// Look at the installation and the machine and say what to fix. Changes nothing. Ends with 0 if all is
    /// well, 1 if something could be better, 2 if something is wrong.
    Doctor {
        #[command(flatten)]
        args: Box<doctor::DoctorArgs>,
    },
    /// Ask the daemon on this machine how it is. Ends with 1 if it is not ready.
    Health {
        #[command(flatten)]
        args: health::HealthArgs,
    },
    /// Make a backup now and wait for it. Ends with 1 if it fails.
    Backup {
        #[command(flatten)]
        args: Box<backup::BackupArgs>,
    },
    /// Prove a backup by restoring it. Ends with 1 if it is bad and with 2 if it could not be tried.
    Verify {
        #[command(flatten)]
        args: Box<verify::VerifyArgs>,
    },
    /// Come back on an empty box: take up a recovery kit and the backups in the backup folder.
    Recover {
        #[command(flatten)]
        args: Box<recover::RecoverArgs>,
    },
    /// Restore a backup's file into a new database. Needs no database of Flowkeep's own. Ends with 1 if
    /// the backup is bad and with 2 if it could not be tried.
    Restore {
        #[command(flatten)]
        args: Box<restore::RestoreArgs>,
    },
    /// Print the OpenAPI description of the API.
    Openapi,
    /// Get back in when nobody can.
    Admin {
        #[command(subcommand)]
        command: admin::AdminCommand,
    },
}

/// The command line's description, for manual pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command. Anything it cannot do is said on standard error with exit code 1.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // A file that this user may not read is the doctor's to speak of.
    let variables = environment::read().unwrap_or_default();
    let parsed = environment::as_defaults(command(), &variables)
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let outcome = match cli.command {
        Command::Serve { config } => serve::run(*config),
        Command::Migrate { config } => own_database::with_state(*config, |_| async { Ok(true) }),
        Command::MigrateV2 { args } => migrate_v2::run(*args),
        Command::Doctor { args } => return doctor::run(*args),
        Command::Health { args } => health::run(&args),
        Command::Backup { args } => backup::run(*args),
        Command::Verify { args } => return verify::run(*args),
        Command::Recover { args } => recover::run(*args),
        Command::Restore { args } => return restore::run(*args),
        Command::Openapi => openapi::run(),
        Command::Admin { command } => admin::run(command),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "flowkeep: {error}");
            ExitCode::FAILURE
        }
    }
}
