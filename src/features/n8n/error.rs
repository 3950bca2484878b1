//! Why n8n's connection cannot be used or changed.

use crate::features::settings::SettingsError;
use crate::platform::postgres::ConnInfoError;

/// Why n8n's connection cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum N8nError {
    /// The URL cannot be read.
    #[error("{0}")]
    Url(#[from] ConnInfoError),
    /// The request changes nothing.
    #[error("give the database's URL, the encryption key, or both")]
    NothingToChange,
    /// No connection is set.
    #[error("no n8n database is set yet; set it on the n8n page")]
    NotConfigured,
    /// The sample needs the private PostgreSQL.
    #[error(
        "the sample n8n lives in Flowkeep's private PostgreSQL, and DATABASE_URL names \
             another server; connect your own n8n instead"
    )]
    SampleUnavailable,
    /// The sample could not be made.
    #[error("the sample n8n could not be made: {0}")]
    Sample(String),
    /// A container cannot be stopped, started or read.
    #[error("n8n's container {container}: {why}")]
    Container {
        /// Its name.
        container: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The settings failed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}
