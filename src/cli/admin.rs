//! `flowkeep admin`: for whoever has a shell on the machine and cannot get in by the browser.

use std::error::Error;
use std::io::{self, BufRead, Write};

use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};

use super::own_database::with_state;
use crate::app::setup_link;
use crate::features::audit::Actor;
use crate::platform::config::Config;

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Set an administrator's password, open a locked account and end all sessions.
    ResetPassword {
        /// Whose; not needed if there is only one administrator.
        #[arg(long)]
        username: Option<String>,
        /// Read the new password from the first line of standard input; otherwise one is made and
        /// printed.
        #[arg(long)]
        password_stdin: bool,
        /// Turn two-step sign-in off as well.
        #[arg(long)]
        clear_totp: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Remove every allowed subnet, so that every address may come in.
    ClearSubnets {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Make a new data key and encrypt every stored secret under it.
    RotateKey {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Print a new setup link, if there is no administrator yet.
    SetupLink {
        #[command(flatten)]
        config: Box<Config>,
    },
}

/// Runs one of them.
pub fn run(command: AdminCommand) -> Result<bool, Box<dyn Error>> {
    match command {
        AdminCommand::ResetPassword {
            username,
            password_stdin,
            clear_totp,
            config,
        } => reset_password(*config, username.as_deref(), password_stdin, clear_totp),
        AdminCommand::ClearSubnets { config } => clear_subnets(*config),
        AdminCommand::RotateKey { config } => rotate_key(*config),
        AdminCommand::SetupLink { config } => print_setup_link(*config),
    }
}

fn reset_password(
    config: Config,
    username: Option<&str>,
    password_stdin: bool,
    clear_totp: bool,
) -> Result<bool, Box<dyn Error>> {
    let given = if password_stdin {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        let text = line.trim_end_matches(['\r', '\n']);
        Some(SecretString::from(text.to_owned()))
    } else {
        None
    };
    with_state(config, async |state| {
        let (password, is_made) = match given {
            Some(given) => (given, false),
            None => (state.auth.suggest_password(), true),
        };
        let name = state
            .auth
            .reset_password(username, &password, clear_totp)
            .await?;
        let mut out = io::stdout();
        if is_made {
            writeln!(out, "New password of {name}: {}", password.expose_secret())?;
        } else {
            writeln!(out, "The password of {name} is set.")?;
        }
        writeln!(out, "Every session has ended.")?;
        Ok(true)
    })
}

fn clear_subnets(config: Config) -> Result<bool, Box<dyn Error>> {
    with_state(config, async |state| {
        let removed = state.auth.clear_subnets().await?;
        writeln!(
            io::stdout(),
            "Removed {removed} subnets; every address may come in."
        )?;
        Ok(true)
    })
}

fn rotate_key(config: Config) -> Result<bool, Box<dyn Error>> {
    with_state(config, async |state| {
        state.settings.rotate_keys(&Actor::cli()).await?;
        let count = state.settings.count_sealed().await?;
        writeln!(
            io::stdout(),
            "A new data key is in use; {count} secrets are encrypted under it."
        )?;
        Ok(true)
    })
}

fn print_setup_link(config: Config) -> Result<bool, Box<dyn Error>> {
    let (public_url, listen) = (config.http.public_url.clone(), config.http.listen);
    with_state(config, async |state| {
        let Some(offer) = state.auth.offer_setup().await? else {
            return Err("there is an administrator already; see admin reset-password".into());
        };
        setup_link::show(&mut io::stdout(), &offer, public_url.as_ref(), listen)?;
        Ok(true)
    })
}
