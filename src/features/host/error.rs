//! Why the machine's numbers cannot be stored or read.

use sea_orm::DbErr;

use crate::features::n8n::N8nError;

/// Why the machine's numbers cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// n8n's database does not tell.
    #[error(transparent)]
    N8n(#[from] N8nError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}
