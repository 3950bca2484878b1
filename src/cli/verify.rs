//! `flowkeep verify`: proves a backup of the catalogue, or a file without any database.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::own_database::with_state;
use crate::features::backups::{BackupFiles, Lock, Opener};
use crate::features::verification::{LocalEngine, Outcome, Prover, Subject, SubjectKind, Verdict};
use crate::platform::config::Config;
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::Installations;
use crate::platform::process::Processes;

/// How long a throwaway server may take to end.
pub const GRACE: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The backup's number; the newest good one if neither this nor a file is given.
    id: Option<i32>,
    /// A backup file with its manifest beside it. Needs no database.
    #[arg(long, conflicts_with = "id")]
    file: Option<PathBuf>,
    /// A file that holds n8n's encryption key, to try it on the credentials (with --file).
    #[arg(long, requires = "file")]
    key_file: Option<PathBuf>,
    /// A file with the private key of an encrypted backup, as in the recovery kit (with --file).
    #[arg(long, requires = "file")]
    identity_file: Option<PathBuf>,
    #[command(flatten)]
    config: Config,
}

/// Proves a backup. Ends with 0 if it passed, 1 if it is bad, 2 if it could not be tried.
pub fn run(args: VerifyArgs) -> ExitCode {
    match prove(args) {
        Ok(outcome) => report(&outcome),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "flowkeep: {error}");
            ExitCode::from(2)
        }
    }
}

fn prove(args: VerifyArgs) -> Result<Outcome, Box<dyn Error>> {
    args.config.validate()?;
    let Some(file) = args.file else {
        return with_state(args.config, |state| async move {
            let id = if let Some(id) = args.id {
                id
            } else {
                let newest = state.backups.newest_good(None).await?;
                newest.ok_or("there is no good backup yet")?.id
            };
            let subject = state.verifications.subject(id).await?;
            Ok(state.verifications.prover().prove(&subject, |_| {}).await)
        });
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let subject = subject_of(
            &file,
            args.key_file.as_deref(),
            args.identity_file.as_deref(),
        )?;
        let (processes, ids) = (Processes::new(), Ids::system());
        let dirs = &args.config.database.postgres_dirs;
        let installations = Arc::new(Installations::discover(&processes, dirs).await);
        let root = std::env::temp_dir().join("flowkeep-verify");
        let lifecycle = Lifecycle::new(GRACE);
        let engine = LocalEngine::new(root, installations, processes, ids, lifecycle.clone());
        engine.remove_leftovers().await;
        let prover = Prover {
            engine: Arc::new(engine),
        };
        let outcome = prover.prove(&subject, |_| {}).await;
        lifecycle.drain().await;
        Ok(outcome)
    })
}

/// What the manifest beside a file says has to be in it.
pub fn subject_of(
    file: &Path,
    key_file: Option<&Path>,
    identity_file: Option<&Path>,
) -> Result<Subject, Box<dyn Error>> {
    let manifest = BackupFiles::read_manifest(file)?.ok_or_else(|| {
        format!(
            "{} is missing or unreadable; put the manifest back beside the file",
            BackupFiles::manifest_path(file).display()
        )
    })?;
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map(|text| SecretString::from(text.trim_end_matches('\n').to_owned()))
            .map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let encryption_key = key_file.map(read).transpose()?;
    let identities = identity_file.map(read).transpose()?;
    let lock = manifest.encryption.map(|_| Lock {
        opener: identities.as_ref().map(Opener::new).unwrap_or_default(),
        job_id: manifest.job_id,
    });
    Ok(Subject {
        path: file.to_owned(),
        sha256: Some(manifest.sha256),
        stored_bytes: Some(manifest.stored_bytes),
        archive_bytes: manifest.archive_bytes,
        compression: manifest.compression,
        server_major: manifest.server_major,
        tables: manifest.tables,
        kind: SubjectKind::of(&manifest.backup_type),
        is_n8n: manifest.backup_type == "postgres_n8n",
        entries: manifest.entries,
        lock,
        entry: None,
        encryption_key,
    })
}

/// Prints an outcome. 0 for passed, 1 for bad, 2 for not tried.
pub fn report(outcome: &Outcome) -> ExitCode {
    let mut out = std::io::stdout();
    let mut say = |line: String| {
        let _ = writeln!(out, "{line}");
    };
    for check in &outcome.checks {
        say(format!(
            "{:<20} {:?}: {}",
            check.name, check.status, check.detail
        ));
    }
    for mismatch in &outcome.mismatches {
        let count = |n: Option<u64>| n.map_or_else(|| "no table".to_owned(), |n| n.to_string());
        say(format!(
            "  {}.{}: expected {}, found {}",
            mismatch.schema,
            mismatch.table,
            count(mismatch.expected),
            count(mismatch.actual)
        ));
    }
    say(format!("{}: {}", outcome.verdict.as_str(), outcome.message));
    if let Some(remedy) = &outcome.remedy {
        say(remedy.clone());
    }
    match outcome.verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed => ExitCode::from(1),
        Verdict::CouldNotVerify => ExitCode::from(2),
    }
}
