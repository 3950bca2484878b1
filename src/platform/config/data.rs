//! `FLOWKEEP_DATA_DIR`, `FLOWKEEP_BACKUP_DIR`.

use std::path::PathBuf;

use clap::Args;

use super::ConfigError;

/// Where files go.
#[derive(Args, Clone, Debug)]
pub struct DataConfig {
    /// The folder for everything Flowkeep keeps on disk.
    #[arg(long, env = "FLOWKEEP_DATA_DIR", default_value = "/var/lib/flowkeep")]
    pub data_dir: PathBuf,

    /// The folder for backups; `backups` under the data folder if not given.
    #[arg(long, env = "FLOWKEEP_BACKUP_DIR")]
    pub backup_dir: Option<PathBuf>,
}

impl DataConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(ConfigError {
                name: "FLOWKEEP_DATA_DIR",
                problem: "is empty; give the folder Flowkeep may write to".to_owned(),
            });
        }
        Ok(())
    }

    /// Where backups are written.
    pub fn backup_dir(&self) -> PathBuf {
        self.backup_dir
            .clone()
            .unwrap_or_else(|| self.data_dir.join("backups"))
    }
}
