//! Why e-mail cannot be set up, written or sent.

use sea_orm::DbErr;

use crate::features::settings::VaultError;
use crate::platform::mail::MailTrouble;

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Its field.
    pub field: &'static str,
    /// What would be right.
    pub why: String,
    /// The line in a template, from 1.
    pub line: Option<usize>,
}

impl Misfit {
    /// A field, and what would be right.
    pub fn new(field: &'static str, why: impl Into<String>) -> Self {
        Self {
            field,
            why: why.into(),
            line: None,
        }
    }
}

impl From<MailTrouble> for Misfit {
    fn from(trouble: MailTrouble) -> Self {
        Self::new(trouble.field.unwrap_or("to"), trouble.why)
    }
}

/// Why e-mail cannot be set up, written or sent.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// Values that do not fit.
    #[error("{}", .0.iter().map(|one| format!("{}: {}", one.field, one.why)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Misfit>),
    /// There is no such template.
    #[error("there is no template {0}")]
    NoTemplate(String),
    /// Nobody has set e-mail up, or it is switched off.
    #[error("e-mail is not set up or switched off; see to it on the page E-mail")]
    NotConfigured,
    /// The message was not taken.
    #[error(transparent)]
    Mail(#[from] MailTrouble),
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

impl EmailError {
    /// Whether another try may go better.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Mail(trouble) => trouble.is_transient,
            Self::Database(_) => true,
            _ => false,
        }
    }
}

impl From<Misfit> for EmailError {
    fn from(misfit: Misfit) -> Self {
        Self::Invalid(vec![misfit])
    }
}
