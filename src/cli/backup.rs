//! `flowkeep backup`.

use std::error::Error;
use std::io::Write;

use clap::{Args, ValueEnum};

use super::own_database::with_state;
use crate::features::audit::Actor;
use crate::features::backups::{BackupType, RunRequest, Trigger};
use crate::platform::config::Config;

#[derive(Args, Debug)]
pub struct BackupArgs {
    /// What to back up.
    #[arg(long = "type", value_enum, default_value = "n8n")]
    kind: Kind,
    #[command(flatten)]
    config: Config,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// n8n's database.
    N8n,
    /// Flowkeep's own database.
    Flowkeep,
    /// Every database of n8n's server, and its roles.
    Full,
    /// n8n's configuration files and its encryption key.
    Config,
    /// Each workflow as JSON.
    Flows,
}

/// Makes a backup and waits for it.
pub fn run(args: BackupArgs) -> Result<bool, Box<dyn Error>> {
    args.config.validate()?;
    let backup_type = match args.kind {
        Kind::N8n => BackupType::PostgresN8n,
        Kind::Flowkeep => BackupType::PostgresMgmt,
        Kind::Full => BackupType::PostgresFull,
        Kind::Config => BackupType::N8nConfig,
        Kind::Flows => BackupType::Flows,
    };
    with_state(args.config, |state| async move {
        let request = RunRequest {
            backup_type,
            compression: None,
            trigger: Trigger::Cli,
            scheduled: None,
        };
        let (id, outcome) = state.backups.run_now(&Actor::cli(), request).await?;
        let mut out = std::io::stdout();
        match outcome {
            Ok(()) => {
                let backup = state.backups.get(id).await?;
                writeln!(
                    out,
                    "backup {id}: {} ({} bytes, {} rows in {} tables)",
                    backup.filepath,
                    backup.compressed_size.unwrap_or_default(),
                    backup.total_rows.unwrap_or_default(),
                    backup.table_count.unwrap_or_default()
                )?;
                Ok(true)
            }
            Err(why) => Err(format!("backup {id} failed: {why}").into()),
        }
    })
}
