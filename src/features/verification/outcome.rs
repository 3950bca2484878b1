//! What a verification can find.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::engine::EngineError;

/// What the attempt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The backup restores, whole.
    Passed,
    /// The backup is bad.
    Failed,
    /// It could not be tried; the backup may be good or bad.
    CouldNotVerify,
}

impl Verdict {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::CouldNotVerify => "could_not_verify",
        }
    }
}

/// How one check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed,
    /// Not tried.
    Skipped,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// `checksum`, `restore`, `row_counts`, `workflows_json`, `credentials_decrypt` or `n8n_starts`.
    pub name: String,
    /// How it went.
    pub status: CheckStatus,
    /// What was found.
    pub detail: String,
}

/// A table that does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mismatch {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Rows when the backup was made; null when it should not be there.
    pub expected: Option<u64>,
    /// Rows after the restore; null when it is missing.
    pub actual: Option<u64>,
}

/// Everything a verification found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it says of the backup.
    pub verdict: Verdict,
    /// For programs, as in `rows_differ`; `ok` when passed.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// The checks in the order in which they were made.
    pub checks: Vec<Check>,
    /// Tables that differ.
    pub mismatches: Vec<Mismatch>,
    /// Tables that were compared.
    pub tables_checked: usize,
    /// How long the restore itself took, in ms: what a recovery would take.
    pub restore_ms: Option<u64>,
    /// The server it was restored into.
    pub server_version: Option<String>,
    /// `docker` or `local`, once a server was started.
    pub engine: Option<&'static str>,
    /// Why it was not the other one.
    pub engine_note: Option<String>,
    /// Whether another try may go better without anybody doing anything.
    pub is_passing: bool,
}

impl Outcome {
    /// Nothing found yet.
    pub fn begin() -> Self {
        Self {
            verdict: Verdict::Passed,
            code: "ok",
            message: String::new(),
            remedy: None,
            checks: Vec::new(),
            mismatches: Vec::new(),
            tables_checked: 0,
            restore_ms: None,
            server_version: None,
            engine: None,
            engine_note: None,
            is_passing: false,
        }
    }

    /// Notes a check. The first that fails decides code and message.
    pub fn note(&mut self, name: &str, status: CheckStatus, detail: impl Into<String>) {
        let detail = detail.into();
        self.checks.push(Check {
            name: name.to_owned(),
            status,
            detail,
        });
    }

    /// The backup is bad.
    pub fn fail(&mut self, code: &'static str, message: impl Into<String>, remedy: &str) {
        if self.verdict == Verdict::Passed {
            self.verdict = Verdict::Failed;
            self.code = code;
            self.message = message.into();
            self.remedy = Some(remedy.to_owned());
        }
    }

    /// There was no server to try it on, or it broke.
    #[must_use]
    pub fn lack(mut self, error: EngineError) -> Self {
        self.is_passing = error.is_passing;
        self.give_up(error.code, error.message, error.remedy)
    }

    /// It could not be tried.
    #[must_use]
    pub fn give_up(mut self, code: &'static str, message: String, remedy: String) -> Self {
        self.verdict = Verdict::CouldNotVerify;
        self.code = code;
        self.message = message;
        self.remedy = Some(remedy);
        self
    }
}
