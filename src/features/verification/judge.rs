//! What pg_restore's end and n8n's start say of a backup.

use super::checks;
use super::engine::Boot;
use super::outcome::{CheckStatus, Outcome};
use super::prove::PASS_REMEDY;
use super::restore::Restored;

/// n8n on the restored copy says the last word.
pub fn judge_boot(booted: Boot, outcome: &mut Outcome) {
    match booted {
        Boot::NotTried(why) => outcome.note("n8n_starts", CheckStatus::Skipped, why),
        Boot::Ready(ms) => {
            let detail = format!(
                "n8n was ready on the copy after {:.1} s",
                ms as f64 / 1000.0
            );
            outcome.note("n8n_starts", CheckStatus::Passed, detail);
        }
        Boot::Failed(why) => {
            outcome.note("n8n_starts", CheckStatus::Failed, why.clone());
            let message =
                format!("Every row is there, but n8n does not start on the restored copy: {why}");
            let remedy = "Compare the image's version with the n8n that was backed up; keep an older proven \
                          backup.";
            outcome.fail("n8n_does_not_start", message, remedy);
        }
    }
}

/// Sorts pg_restore's end. `None` when this machine's disk is at fault.
pub fn judge_restore(restored: &Restored, mut outcome: Outcome) -> Option<Outcome> {
    if let Some(error) = &restored.read_error {
        outcome.note("restore", CheckStatus::Failed, error.clone());
        let message = format!("The file cannot be decompressed: {error}.");
        outcome.fail("archive_damaged", message, PASS_REMEDY);
        return Some(outcome);
    }
    let errors = checks::serious_errors(&restored.stderr);
    if checks::is_out_of_space(&errors) {
        return None;
    }
    if let Some(extension) = checks::missing_extension(&errors) {
        let message = format!("This machine's PostgreSQL lacks an extension: {extension}.");
        let remedy = "Install the extension's package for this PostgreSQL version.".to_owned();
        return Some(outcome.give_up("missing_extension", message, remedy));
    }
    // With harmless complaints alone pg_restore ends with 1; a crash or a damaged archive says so.
    let said_why = restored.stderr.contains("errors ignored on restore");
    if errors.is_empty() && (restored.is_success || said_why) {
        outcome.note("restore", CheckStatus::Passed, restored.end.clone());
        return Some(outcome);
    }
    let first = errors
        .first()
        .cloned()
        .unwrap_or_else(|| restored.end.clone());
    outcome.note("restore", CheckStatus::Failed, first.clone());
    outcome.fail(
        "restore_failed",
        format!("It does not restore: {first}"),
        PASS_REMEDY,
    );
    Some(outcome)
}
