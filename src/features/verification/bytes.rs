//! The stored bytes: whether they are what was written, and open.

use super::outcome::{CheckStatus, Outcome};
use super::prove::{PASS_REMEDY, Subject};
use crate::features::backups::{BackupFiles, SealError};

/// An encrypted file opens, and is this backup's. False when the outcome stands.
fn check_lock(subject: &Subject, outcome: &mut Outcome) -> bool {
    let Some(lock) = &subject.lock else {
        return true;
    };
    let why = match lock.check(&subject.path) {
        Ok(Ok(())) => {
            outcome.note(
                "opens",
                CheckStatus::Passed,
                "encrypted by age, for this backup",
            );
            return true;
        }
        Ok(Err(error)) => error,
        Err(error) => {
            outcome.note("opens", CheckStatus::Failed, error.to_string());
            outcome.fail(
                "archive_damaged",
                format!("It cannot be read: {error}."),
                PASS_REMEDY,
            );
            return false;
        }
    };
    outcome.note("opens", CheckStatus::Failed, why.to_string());
    let message = format!("The file does not open: {why}.");
    match why {
        // The key is at fault, not the backup.
        SealError::NoKey | SealError::WrongKey => {
            let remedy = "Bring the key back with the recovery kit: flowkeep recover.".to_owned();
            *outcome = outcome.clone().give_up("no_backup_key", message, remedy);
        }
        SealError::WrongBackup(_) => outcome.fail("wrong_backup", message, PASS_REMEDY),
        SealError::Damaged => outcome.fail("archive_damaged", message, PASS_REMEDY),
    }
    false
}

/// The stored bytes are what they were. False when the outcome stands.
pub async fn check_bytes(subject: &Subject, outcome: &mut Outcome) -> bool {
    let path = subject.path.clone();
    let hashed = tokio::task::spawn_blocking(move || BackupFiles::hash(&path)).await;
    let (sha256, bytes) = match hashed {
        Ok(Ok(hashed)) => hashed,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            outcome.note("checksum", CheckStatus::Failed, "The file is not there.");
            outcome.fail(
                "file_missing",
                "The backup's file is not there any more.",
                PASS_REMEDY,
            );
            return false;
        }
        other => {
            let why = match other {
                Ok(Err(error)) => error.to_string(),
                _ => "the reading thread ended".to_owned(),
            };
            let remedy = "Look at the backup disk and its rights.".to_owned();
            *outcome = outcome.clone().give_up(
                "file_unreadable",
                format!("The backup's file cannot be read: {why}."),
                remedy,
            );
            return false;
        }
    };
    let Some(expected) = &subject.sha256 else {
        outcome.note(
            "checksum",
            CheckStatus::Skipped,
            "No manifest says what it should be.",
        );
        return check_lock(subject, outcome);
    };
    if sha256 == *expected
        && subject
            .stored_bytes
            .is_none_or(|expected| expected == bytes)
    {
        outcome.note("checksum", CheckStatus::Passed, format!("SHA-256 {sha256}"));
        return check_lock(subject, outcome);
    }
    let size = match subject.stored_bytes {
        Some(expected) if expected != bytes => {
            format!(" It has {bytes} bytes instead of {expected}.")
        }
        _ => String::new(),
    };
    outcome.note(
        "checksum",
        CheckStatus::Failed,
        format!("SHA-256 {sha256}, not {expected}"),
    );
    let message = format!("The file on disk is not the one that was written.{size}");
    outcome.fail("checksum_mismatch", message, PASS_REMEDY);
    false
}
