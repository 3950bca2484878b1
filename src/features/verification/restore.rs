//! The restore itself: stored file → decompression → pg_restore's input. Never psql: an archive's
//! rows are data to pg_restore, and a script's would be commands to psql.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::engine::EngineError;
use crate::features::backups::Stored;
use crate::platform::ids::Ids;
use crate::platform::postgres::{ConnInfo, Installation, PassFile};
use crate::platform::process::{CommandSpec, Input, Processes, SpawnError, describe_exit};

const BUFFER_BYTES: usize = 256 * 1024;
/// What pg_restore is told wherever it runs.
pub const ARGS: [&str; 4] = ["--no-password", "--no-owner", "--no-acl", "--format=custom"];

/// How a restore went.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Whether pg_restore ended with 0.
    pub is_success: bool,
    /// How it ended, in words.
    pub end: String,
    /// What it complained of.
    pub stderr: String,
    /// The stored file could not be read or decompressed.
    pub read_error: Option<String>,
}

/// The programs of this machine to restore with.
#[derive(Clone, Debug)]
pub struct HostTools {
    /// pg_restore.
    pub installation: Installation,
    /// Runs it.
    pub processes: Processes,
    /// Randomness.
    pub ids: Ids,
}

impl HostTools {
    /// Restores a stored file into an empty database.
    pub async fn restore(
        &self,
        archive: &Stored,
        conninfo: &ConnInfo,
        done: Arc<AtomicU64>,
    ) -> Result<Restored, EngineError> {
        self.run(archive, conninfo, done).await.map_err(|error| {
            let remedy = "Reinstall PostgreSQL's client programs.";
            EngineError::new("client_failed", error.to_string(), remedy)
        })
    }

    async fn run(
        &self,
        archive: &Stored,
        conninfo: &ConnInfo,
        done: Arc<AtomicU64>,
    ) -> Result<Restored, SpawnError> {
        let start = |source| SpawnError::Start {
            program: "pg_restore".to_owned(),
            source,
        };
        let pass_file = PassFile::create(conninfo, &std::env::temp_dir(), None, &self.ids);
        let pass_file = pass_file.map_err(start)?;
        let spec = CommandSpec::new(self.installation.program("pg_restore"))
            .args(ARGS)
            .arg(format!("--dbname={}", conninfo.to_libpq()))
            .input(Input::Piped)
            .discard_stdout();
        let mut child = self.processes.spawn(pass_file.apply(spec)).await?;
        let stdin = child
            .take_stdin()
            .ok_or_else(|| start(io::Error::other("no input pipe")))?;
        let mut stdin = File::from(stdin.into_owned_fd().map_err(start)?);
        let archive = archive.clone();
        let feeder = tokio::task::spawn_blocking(move || {
            feed(&archive, |piece| {
                let written = stdin.write_all(piece);
                done.fetch_add(piece.len() as u64, Ordering::Relaxed);
                written
            })
        });
        let ended = child.wait().await;
        let fed = feeder
            .await
            .map_err(|error| start(io::Error::other(error)))?;
        let (status, stderr) = ended.map_err(start)?;
        Ok(Restored {
            is_success: status.success(),
            end: describe_exit("pg_restore", status),
            stderr,
            read_error: fed.err().map(|error| error.to_string()),
        })
    }
}

/// Hands the uncompressed archive over piece by piece, until its end or until nobody takes it any more:
/// pg_restore gave up, and its own words and end say why.
pub fn feed(archive: &Stored, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    archive.read(|archive| {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = archive.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            match take(&buffer[..read]) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                other => other?,
            }
        }
    })
}
