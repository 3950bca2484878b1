//! `flowkeep recover`: an empty box comes back from a recovery kit and the backup files.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::own_database::with_state;
use crate::features::audit::Actor;
use crate::features::recovery::{Contents, open};
use crate::platform::config::Config;

#[derive(Args, Debug)]
pub struct RecoverArgs {
    /// The kit.
    #[arg(long)]
    kit: PathBuf,
    /// A file with the passphrase in its first line; asked for on standard input if not given.
    #[arg(long)]
    passphrase_file: Option<PathBuf>,
    /// Fetch the newest backup of each type from the destinations in the kit into the backup folder.
    #[arg(long)]
    fetch: bool,
    #[command(flatten)]
    config: Config,
}

/// Takes up what a kit holds: master key, n8n's connection and key, settings; then the backups in the
/// backup folder.
pub fn run(args: RecoverArgs) -> Result<bool, Box<dyn Error>> {
    args.config.validate()?;
    let passphrase = passphrase(args.passphrase_file.as_deref())?;
    let kit = std::fs::read(&args.kit)
        .map_err(|error| format!("cannot read {}: {error}", args.kit.display()))?;
    let contents = open(&kit, &passphrase)?;
    let key_file = args
        .config
        .secrets
        .master_key_file
        .clone()
        .unwrap_or_else(|| args.config.data.data_dir.join("master.key"));
    put_key(&key_file, &contents)?;
    let backup_dir = args.config.data.backup_dir();
    with_state(args.config, async |state| {
        let mut backups = state.recovery.take_up(&Actor::cli(), &contents).await?;
        let mut out = io::stdout();
        if args.fetch {
            for line in state.destinations.fetch_newest().await? {
                writeln!(out, "{line}")?;
            }
            state.backups.settle().await?;
            backups = state.backups.count().await?;
        }
        writeln!(out, "The master key is in {}.", key_file.display())?;
        writeln!(
            out,
            "n8n's connection and the settings are as on {}.",
            contents.configuration.made_at
        )?;
        writeln!(
            out,
            "{backups} backups from {} are in the catalogue.",
            backup_dir.display()
        )?;
        writeln!(
            out,
            "Start Flowkeep; it shows the link with which an administrator is made."
        )?;
        Ok(true)
    })
}

fn passphrase(file: Option<&Path>) -> Result<SecretString, Box<dyn Error>> {
    let mut line = String::new();
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        text.lines()
            .next()
            .unwrap_or_default()
            .clone_into(&mut line);
    } else {
        write!(io::stderr(), "Passphrase of the kit: ")?;
        io::stdin().lock().read_line(&mut line)?;
    }
    Ok(SecretString::from(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

/// Puts the master key in its place. Another one there is never replaced.
fn put_key(path: &Path, contents: &Contents) -> Result<(), Box<dyn Error>> {
    let wanted = contents.master_key.expose_secret();
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim() == wanted => return Ok(()),
        Ok(_) => {
            return Err(format!(
                "{} holds another master key; recover into an empty data folder",
                path.display()
            )
            .into());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("cannot read {}: {error}", path.display()).into()),
    }
    if let Some(dir) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o711).create(dir)?;
    }
    let mut options = std::fs::File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{wanted}")?;
    file.sync_all()?;
    Ok(())
}
