//! `flowkeep migrate-v2`: takes version 2's file over, or gives it back.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::own_database::with_state;
use crate::features::audit::Actor;
use crate::features::migration::MigrationService;
use crate::platform::config::Config;

#[derive(Args, Debug)]
pub struct MigrateArgs {
    /// Version 2's configuration file.
    #[arg(long, required_unless_present = "undo")]
    file: Option<PathBuf>,
    /// Only read the file and say what is wrong with it.
    #[arg(long, conflicts_with = "undo")]
    check: bool,
    /// Give back what was taken over, within thirty days.
    #[arg(long, conflicts_with = "file")]
    undo: bool,
    #[command(flatten)]
    config: Config,
}

/// Ends with an error when nothing was changed.
pub fn run(args: MigrateArgs) -> Result<bool, Box<dyn Error>> {
    args.config.validate()?;
    let text = match &args.file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
        None => String::new(),
    };
    let mut out = io::stdout();
    if args.check {
        let wanted = MigrationService::read(&text)?;
        writeln!(out, "The file can be taken over.")?;
        for key in wanted.ignored {
            writeln!(out, "{key} means nothing here.")?;
        }
        return Ok(true);
    }
    with_state(args.config, async move |state| {
        let actor = Actor::cli();
        let phases = if args.undo {
            state.migration.undo(&actor).await?
        } else {
            state.migration.run(&actor, &text).await?
        };
        for phase in phases {
            writeln!(out, "{:<12} {}", phase.phase, phase.status)?;
        }
        Ok(true)
    })
}
