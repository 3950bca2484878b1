//! Why n8n's connection cannot be used or changed.

use crate::features::settings::SettingsError;
use crate::platform::postgres::{ConnInfoError, server_words};

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
    /// The database does not answer.
    #[error("n8n's database at {0} does not answer: {1}")]
    DatabaseAway(String, String),
    /// The database is not n8n's.
    #[error("the database {0} holds no n8n; correct it on the n8n page")]
    NotN8n(String),
    /// n8n's database refused a question.
    #[error("n8n's database refused a question: {}", server_words(.0))]
    Query(#[from] sqlx::Error),
    /// No API is set.
    #[error("n8n's address and an API key are not set yet; set them on the n8n page")]
    NoApi,
    /// The address of n8n's API cannot be used.
    #[error("{0}")]
    ApiUrl(String),
    /// n8n's API did not do what was asked.
    #[error(transparent)]
    Api(#[from] super::ApiTrouble),
    /// The settings failed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}
