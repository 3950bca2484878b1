//! Why n8n's executions cannot be watched.

use sea_orm::DbErr;

use crate::features::n8n::N8nError;

/// Why n8n's executions cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchdogError {
    /// There is no such incident.
    #[error("there is no incident {0}")]
    NoIncident(i32),
    /// A value that does not fit.
    #[error("{field}: {why}")]
    Invalid {
        /// The field at fault.
        field: &'static str,
        /// What would be right.
        why: String,
    },
    /// n8n's database does not tell.
    #[error(transparent)]
    N8n(#[from] N8nError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

impl From<sqlx::Error> for WatchdogError {
    fn from(error: sqlx::Error) -> Self {
        Self::N8n(N8nError::Query(error))
    }
}
