//! `FLOWKEEP_MASTER_KEY_FILE`, `FLOWKEEP_MASTER_KEY`, `FLOWKEEP_ADMIN_USERNAME`,
//! `FLOWKEEP_ADMIN_PASSWORD_FILE`.

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::Args;
use secrecy::SecretString;

/// The master key of the daemon's file of variables, for commands that systemd does not start.
static OFFERED: OnceLock<SecretString> = OnceLock::new();

/// The master key and the first administrator.
#[derive(Args, Clone, Debug)]
pub struct SecretsConfig {
    /// The file with the master key; made at the first start, readable by its owner alone.
    /// `master.key` under the data folder if not given.
    #[arg(long, env = "FLOWKEEP_MASTER_KEY_FILE")]
    pub master_key_file: Option<PathBuf>,

    /// The name of the administrator made from `FLOWKEEP_ADMIN_PASSWORD_FILE`.
    #[arg(long, env = "FLOWKEEP_ADMIN_USERNAME", default_value = "admin")]
    pub admin_username: String,

    /// A file with the first administrator's password, instead of the setup link.
    #[arg(long, env = "FLOWKEEP_ADMIN_PASSWORD_FILE")]
    pub admin_password_file: Option<PathBuf>,
}

impl SecretsConfig {
    /// The master key itself (base64 of 32 bytes), from the environment only: others can read
    /// flags.
    pub fn master_key(&self) -> Option<SecretString> {
        std::env::var("FLOWKEEP_MASTER_KEY")
            .ok()
            .filter(|text| !text.trim().is_empty())
            .map(SecretString::from)
            .or_else(|| OFFERED.get().cloned())
    }

    /// Gives the master key that holds where the environment has none.
    pub fn offer_master_key(key: SecretString) {
        let _ = OFFERED.set(key);
    }
}
