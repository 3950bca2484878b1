//! The restore itself: stored file → decompression → pg_restore's input. Never psql: an archive's
//! rows are data to pg_restore, and a script's would be commands to psql.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::engine::ThrowawayServer;
use crate::features::backups::archive::decompress;
use crate::platform::ids::Ids;
use crate::platform::postgres::PassFile;
use crate::platform::process::{CommandSpec, Input, Processes, SpawnError, describe_exit};

const BUFFER_BYTES: usize = 256 * 1024;

/// How a restore went.
pub struct Restored {
    pub is_success: bool,
    pub end: String,
    pub stderr: String,
    /// The stored file could not be read or decompressed.
    pub read_error: Option<String>,
}

/// Restores a stored file into a server's empty database. `done` is told the uncompressed bytes.
pub async fn restore(
    path: &Path,
    compression: &str,
    server: &dyn ThrowawayServer,
    processes: &Processes,
    ids: &Ids,
    done: Arc<AtomicU64>,
) -> Result<Restored, SpawnError> {
    let start = |source| SpawnError::Start {
        program: "pg_restore".to_owned(),
        source,
    };
    let conninfo = server.conninfo();
    let pass_file = PassFile::create(conninfo, &std::env::temp_dir(), None, ids).map_err(start)?;
    let spec = CommandSpec::new(server.installation().program("pg_restore"))
        .args(["--no-password", "--no-owner", "--no-acl", "--format=custom"])
        .arg(format!("--dbname={}", conninfo.to_libpq()))
        .input(Input::Piped)
        .discard_stdout();
    let mut child = processes.spawn(pass_file.apply(spec)).await?;
    let stdin = child
        .take_stdin()
        .ok_or_else(|| start(io::Error::other("no input pipe")))?;
    let stdin = File::from(stdin.into_owned_fd().map_err(start)?);
    let (path, compression) = (path.to_owned(), compression.to_owned());
    let feeder = tokio::task::spawn_blocking(move || feed(path, &compression, stdin, &done));
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

fn feed(path: PathBuf, compression: &str, mut stdin: File, done: &AtomicU64) -> io::Result<()> {
    let mut archive = decompress(File::open(path)?, compression)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = archive.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        match stdin.write_all(&buffer[..read]) {
            // pg_restore gave up: its own words and end say why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
        done.fetch_add(read as u64, Ordering::Relaxed);
    }
}
