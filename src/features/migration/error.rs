//! Why version 2's configuration cannot be taken over.

use sea_orm::DbErr;

use super::input::Problem;
use crate::features::backups::BackupError;
use crate::features::destinations::DestinationError;
use crate::features::n8n::N8nError;
use crate::features::retention::RetentionError;
use crate::features::schedules::ScheduleError;
use crate::features::settings::SettingsError;

/// Why version 2's configuration cannot be taken over or given back.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The file holds what cannot be taken over.
    #[error("{}", problems_in_words(.0))]
    Input(Vec<Problem>),
    /// It was done already.
    #[error("version 2's configuration was taken over already; undo that first")]
    AlreadyDone,
    /// There is nothing to undo.
    #[error("nothing was taken over from version 2")]
    NothingToUndo,
    /// The thirty days are over.
    #[error("the thirty days in which this could be undone are over")]
    UndoIsOver,
    /// A phase failed; what was done before it was undone.
    #[error("{phase}: {why}. What was taken over before that was undone")]
    Phase {
        /// Which.
        phase: &'static str,
        /// Why.
        why: String,
    },
    /// The catalogue failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// n8n's connection failed.
    #[error(transparent)]
    N8n(#[from] N8nError),
    /// The settings failed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The schedules failed.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Retention failed.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// The destinations failed.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

fn problems_in_words(problems: &[Problem]) -> String {
    let words: Vec<String> = problems
        .iter()
        .map(|one| format!("line {} ({}): {}", one.line, one.key, one.why))
        .collect();
    words.join("; ")
}
