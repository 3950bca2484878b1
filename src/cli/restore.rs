//! `flowkeep restore`: from a file into a new database, with nothing of Flowkeep's own needed.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection};

use super::verify::{GRACE, report, subject_of};
use crate::features::n8n;
use crate::features::n8n::make_inactive;
use crate::features::restores::NewDatabase;
use crate::features::verification::{LocalEngine, Outcome, Prover, SubjectKind, Verdict};
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::{ConnInfo, Installations};
use crate::platform::process::Processes;

#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// The backup's file; its manifest lies beside it.
    #[arg(long)]
    file: PathBuf,
    /// The new database, as in <postgres://user:password@host:5432/n8n_restored>. It is made; one
    /// that is there already is refused. Prefer the environment: others can read flags.
    #[arg(long, env = "FLOWKEEP_RESTORE_URL", hide_env_values = true)]
    into: SecretString,
    /// Leave workflows active: they run as soon as n8n starts on the database.
    #[arg(long)]
    keep_active: bool,
    /// A file with n8n's encryption key, to try the credentials with it.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// A file with the private key of an encrypted backup, as in the recovery kit.
    #[arg(long)]
    identity_file: Option<PathBuf>,
    /// More folders to look for PostgreSQL programs in, before the usual places.
    #[arg(long, env = "FLOWKEEP_POSTGRES_DIRS", value_delimiter = ':')]
    postgres_dirs: Vec<PathBuf>,
}

/// Restores a file. Ends with 0 if all is there, 1 if the backup is bad, 2 if it could not be tried.
pub fn run(args: RestoreArgs) -> ExitCode {
    match restore(args) {
        Ok(outcome) => report(&outcome),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "flowkeep: {error}");
            ExitCode::from(2)
        }
    }
}

fn restore(args: RestoreArgs) -> Result<Outcome, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let target = ConnInfo::parse(args.into.expose_secret())?;
        let subject = subject_of(
            &args.file,
            args.key_file.as_deref(),
            args.identity_file.as_deref(),
        )?;
        if subject.kind != SubjectKind::Dump {
            return Err(
                "this is a tar archive and no dump of one database; unpack it with tar -xf \
                        and restore what is in it"
                    .into(),
            );
        }
        let (processes, ids) = (Processes::new(), Ids::system());
        let installations =
            Arc::new(Installations::discover(&processes, &args.postgres_dirs).await);
        let prover = Prover {
            engine: Arc::new(LocalEngine::new(
                std::env::temp_dir(),
                Arc::clone(&installations),
                processes.clone(),
                ids.clone(),
                Lifecycle::new(GRACE),
            )),
        };
        let database = NewDatabase::create(
            &target,
            subject.server_major,
            &installations,
            processes,
            ids,
        )
        .await?;
        let outcome = prover.restore_into(&database, &subject, |_| {}).await;
        if outcome.verdict != Verdict::Failed && !args.keep_active {
            let mut connection = target.to_sqlx().connect().await?;
            if let Some(tables) = n8n::find_tables(&mut connection).await? {
                make_inactive(&target, &tables).await?;
                writeln!(
                    std::io::stdout(),
                    "Every workflow is inactive; switch on in n8n what is to run."
                )?;
            }
            connection.close().await?;
        }
        if outcome.verdict == Verdict::Failed {
            writeln!(
                std::io::stderr(),
                "What was restored is in {} and is not whole; look at it, or drop it.",
                target.database
            )?;
        }
        Ok(outcome)
    })
}
