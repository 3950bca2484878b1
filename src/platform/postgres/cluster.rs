//! A private PostgreSQL cluster: made, started and stopped by us, reached by a socket only we can
//! open.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection};

use super::{ConnInfo, Host, Installation};
use crate::platform::ids::Ids;
use crate::platform::process::{Child, CommandSpec, Identity, Processes, SpawnError};

/// The longest socket path the kernel takes is 107 bytes; PostgreSQL adds a file name.
const SOCKET_DIR_LIMIT_BYTES: usize = 80;
const START_TIMEOUT: Duration = Duration::from_mins(1);
const STOP_GRACE: Duration = Duration::from_secs(15);
/// An "immediate shutdown" (PostgreSQL 15, "Shutting Down the Server"): nothing is written and
/// everybody is thrown out. A postmaster that is killed instead leaves its shared memory behind: a
/// megabyte in `/dev/shm` and one of the kernel's 4,096 System V segments, until the next boot.
const AT_ONCE: Signal = Signal::QUIT;
/// How long an immediate shutdown may take; the postmaster itself kills what is left after 5 s.
const AT_ONCE_GRACE: Duration = Duration::from_secs(8);
/// Written when initdb is through: a folder without it is the rest of a start that was cut off.
const COMPLETE_MARKER: &str = "flowkeep-initialised";
const SUPERUSER: &str = "flowkeep";

/// How much a cluster's data is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It must outlive a power cut.
    Durable,
    /// It is thrown away: speed is all.
    Throwaway,
}

/// Where and how to run a cluster.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// The programs.
    pub installation: Installation,
    /// The folder of the cluster; made if absent.
    pub dir: PathBuf,
    /// Where the socket goes; a private folder under the temporary one if its path is too long.
    pub socket_dir: PathBuf,
    /// The superuser's password.
    pub password: SecretString,
    /// Whom to run as when we are root.
    pub identity: Option<Identity>,
    /// What the data is worth.
    pub durability: Durability,
}

/// Why a cluster does not run.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A folder or file cannot be used.
    #[error("cannot use {path}: {source}")]
    Files {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process runs a cluster here.
    #[error("{0} is in use by another Flowkeep; stop that one or choose another data folder")]
    InUse(PathBuf),
    /// The folder was made by another major version.
    #[error(
        "{dir} was made by PostgreSQL {found}, and the programs here are version {wanted}; \
             install postgresql-{found} again, or dump and restore by hand"
    )]
    WrongVersion {
        /// The cluster's folder.
        dir: PathBuf,
        /// What made it.
        found: String,
        /// What is there now.
        wanted: u32,
    },
    /// A program could not be run.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// `initdb` failed.
    #[error("{end}: {stderr}")]
    Init {
        /// How it ended.
        end: String,
        /// What it complained of.
        stderr: String,
    },
    /// The server ended while it started.
    #[error("the private PostgreSQL did not start: {0}")]
    Start(String),
}

/// A running cluster. Dropping it kills the server; [`Cluster::stop`] ends it well.
#[derive(Debug)]
pub struct Cluster {
    child: Child,
    conninfo: ConnInfo,
    _private_socket_dir: Option<PrivateDir>,
    _lock: File,
}

/// A folder that goes when it is dropped.
#[derive(Debug)]
struct PrivateDir(PathBuf);

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl ClusterSpec {
    /// How to reach the cluster when it runs, known before it does.
    pub fn conninfo(&self) -> ConnInfo {
        ConnInfo {
            host: Host::Socket(self.effective_socket_dir()),
            port: 5432,
            user: SUPERUSER.to_owned(),
            database: "postgres".to_owned(),
            password: Some(self.password.clone()),
            sslmode: None,
            sslrootcert: None,
        }
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn effective_socket_dir(&self) -> PathBuf {
        if self.socket_dir.as_os_str().len() <= SOCKET_DIR_LIMIT_BYTES {
            return self.socket_dir.clone();
        }
        let name = hex::encode(sha2_prefix(self.socket_dir.as_os_str().as_encoded_bytes()));
        std::env::temp_dir().join(format!("flowkeep-{name}"))
    }

    /// Makes the cluster if it is not there, starts it, and waits until it answers.
    pub async fn start(&self, processes: &Processes, ids: &Ids) -> Result<Cluster, ClusterError> {
        let mut cluster = self.begin(processes, ids).await?;
        cluster.wait_until_ready().await?;
        Ok(cluster)
    }

    /// Makes the cluster if it is not there, and starts it. It answers a moment later, see
    /// [`Cluster::wait_until_ready`].
    pub async fn begin(&self, processes: &Processes, ids: &Ids) -> Result<Cluster, ClusterError> {
        make_dir(&self.dir, 0o700, self.identity.as_ref())?;
        let lock = self.lock()?;
        self.stop_leftover().await?;
        self.initialise(processes, ids).await?;
        let socket_dir = self.effective_socket_dir();
        make_dir(&socket_dir, 0o700, self.identity.as_ref())?;
        let private_socket_dir =
            (socket_dir != self.socket_dir).then(|| PrivateDir(socket_dir.clone()));
        let mut spec = CommandSpec::new(self.installation.program("postgres"))
            .arg("-D")
            .arg(self.data_dir())
            .arg("-k")
            .arg(&socket_dir)
            .identity(self.identity.clone())
            .dir(&self.dir)
            .last_signal(AT_ONCE)
            .discard_stdout();
        for (name, value) in self.settings() {
            spec = spec.arg("-c").arg(format!("{name}={value}"));
        }
        let child = processes.spawn(spec).await?;
        let conninfo = self.conninfo();
        Ok(Cluster {
            child,
            conninfo,
            _private_socket_dir: private_socket_dir,
            _lock: lock,
        })
    }

    /// One daemon for each folder: the lock goes with the process, however it ends.
    fn lock(&self) -> Result<File, ClusterError> {
        let path = self.dir.join("lock");
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path);
        let file = file.map_err(|source| files(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(ClusterError::InUse(self.dir.clone())),
            Err(std::fs::TryLockError::Error(source)) => Err(files(&path, source)),
        }
    }

    /// A server that outlived its daemon still holds the data: it is asked to stop.
    async fn stop_leftover(&self) -> Result<(), ClusterError> {
        let path = self.data_dir().join("postmaster.pid");
        let Ok(text) = std::fs::read_to_string(&path) else {
            return Ok(());
        };
        let pid = text
            .lines()
            .next()
            .and_then(|line| line.trim().parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else {
            return Ok(());
        };
        let dir = std::fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()));
        if !dir.is_ok_and(|dir| self.data_dir().canonicalize().is_ok_and(|ours| ours == dir)) {
            // The number was given to another process since; PostgreSQL sorts that out itself.
            return Ok(());
        }
        tracing::warn!(
            pid = pid.as_raw_nonzero(),
            "stopping a PostgreSQL left by a crash"
        );
        let _ = kill_process(pid, Signal::INT);
        let deadline = Instant::now() + STOP_GRACE;
        while test_kill_process(pid).is_ok() {
            if Instant::now() > deadline {
                let _ = kill_process(pid, Signal::QUIT);
                tokio::time::sleep(Duration::from_secs(1)).await;
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn initialise(&self, processes: &Processes, ids: &Ids) -> Result<(), ClusterError> {
        let data_dir = self.data_dir();
        let marker = self.dir.join(COMPLETE_MARKER);
        if marker.exists() {
            return self.check_version();
        }
        // Without the marker nobody ever used what is there.
        if data_dir.exists() {
            std::fs::remove_dir_all(&data_dir).map_err(|source| files(&data_dir, source))?;
        }
        let password_file = self
            .dir
            .join(format!(".pw-{}", hex::encode(ids.bytes::<8>())));
        write_private(
            &password_file,
            self.password.expose_secret(),
            self.identity.as_ref(),
        )?;
        let mut spec = CommandSpec::new(self.installation.program("initdb"))
            .arg("-D")
            .arg(&data_dir)
            .args([
                "-U",
                SUPERUSER,
                "-E",
                "UTF8",
                "--locale=C",
                "--auth=scram-sha-256",
            ])
            .arg("--pwfile")
            .arg(&password_file)
            .identity(self.identity.clone())
            .dir(&self.dir)
            .timeout(Duration::from_mins(2));
        spec = match self.durability {
            Durability::Durable => spec.arg("--data-checksums"),
            Durability::Throwaway => spec.arg("--no-sync"),
        };
        let output = processes.output(spec).await;
        let _ = std::fs::remove_file(&password_file);
        let output = output?;
        if !output.status.success() {
            return Err(ClusterError::Init {
                end: output.describe("initdb"),
                stderr: output.stderr,
            });
        }
        let made = File::create(&marker).and_then(|file| file.sync_all());
        made.map_err(|source| files(&marker, source))
    }

    fn check_version(&self) -> Result<(), ClusterError> {
        let path = self.data_dir().join("PG_VERSION");
        let found = std::fs::read_to_string(&path).map_err(|source| files(&path, source))?;
        if found.trim() == self.installation.major.to_string() {
            return Ok(());
        }
        let (dir, wanted) = (self.dir.clone(), self.installation.major);
        Err(ClusterError::WrongVersion {
            dir,
            found: found.trim().to_owned(),
            wanted,
        })
    }

    fn settings(&self) -> Vec<(&'static str, &'static str)> {
        let mut settings = vec![
            ("listen_addresses", ""),
            ("unix_socket_permissions", "0700"),
            ("logging_collector", "off"),
            ("log_destination", "stderr"),
            ("jit", "off"),
            ("max_wal_senders", "0"),
            ("wal_level", "minimal"),
            ("max_connections", "30"),
        ];
        match self.durability {
            Durability::Durable => settings.extend([
                ("shared_buffers", "32MB"),
                ("min_wal_size", "32MB"),
                ("max_wal_size", "128MB"),
            ]),
            Durability::Throwaway => settings.extend([
                ("shared_buffers", "128MB"),
                ("maintenance_work_mem", "128MB"),
                ("fsync", "off"),
                ("full_page_writes", "off"),
                ("synchronous_commit", "off"),
                ("autovacuum", "off"),
                ("checkpoint_timeout", "1h"),
                ("max_wal_size", "4GB"),
            ]),
        }
        settings
    }
}

impl Cluster {
    /// How to reach it: its superuser and the database `postgres`.
    pub fn conninfo(&self) -> &ConnInfo {
        &self.conninfo
    }

    /// Waits until the server ends by itself. Returns how, in words.
    pub async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok((status, stderr)) => {
                let end = crate::platform::process::describe_exit("postgres", status);
                format!("{end}: {}", last_lines(&stderr))
            }
            Err(error) => error.to_string(),
        }
    }

    /// Stops it: what runs is rolled back, what was committed is on disk.
    pub async fn stop(mut self) {
        if !self.end(Signal::INT, STOP_GRACE).await {
            self.kill().await;
        }
    }

    /// Ends it at once; nothing in it is worth keeping.
    pub async fn kill(mut self) {
        if !self.end(AT_ONCE, AT_ONCE_GRACE).await {
            self.child.kill().await;
        }
    }

    /// Asks the postmaster, who tells its children itself: a signal to the group would reach them too.
    /// Returns whether it ended within the grace.
    async fn end(&mut self, signal: Signal, grace: Duration) -> bool {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
        tokio::time::timeout(grace, self.child.wait()).await.is_ok()
    }

    /// Waits until it answers. Fails when it ends meanwhile, or takes longer than a minute.
    pub async fn wait_until_ready(&mut self) -> Result<(), ClusterError> {
        let options = self.conninfo.to_sqlx();
        let attempt = async {
            loop {
                if let Ok(connection) = options.connect().await {
                    let _ = connection.close().await;
                    return;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        tokio::select! {
            ended = self.child.wait() => Err(ClusterError::Start(match ended {
                Ok((_, stderr)) => last_lines(&stderr),
                Err(error) => error.to_string(),
            })),
            waited = tokio::time::timeout(START_TIMEOUT, attempt) => waited.map_err(|_| {
                ClusterError::Start(format!("no answer in {} s", START_TIMEOUT.as_secs()))
            }),
        }
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

fn sha2_prefix(bytes: &[u8]) -> [u8; 6] {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|index| digest[index])
}

fn files(path: &Path, source: io::Error) -> ClusterError {
    ClusterError::Files {
        path: path.to_owned(),
        source,
    }
}

/// Makes a folder that belongs to whoever the server runs as. One that somebody else put there is
/// refused: they could read what is in it.
fn make_dir(path: &Path, mode: u32, identity: Option<&Identity>) -> Result<(), ClusterError> {
    let failed = |source| files(path, source);
    if let Some(parent) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(parent)
            .map_err(failed)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let found = path.symlink_metadata().map_err(failed)?;
    let own = rustix::process::geteuid().as_raw();
    let wanted = identity.map_or(own, |identity| identity.uid);
    if !found.is_dir() || (found.uid() != own && found.uid() != wanted) {
        return Err(failed(io::Error::other(
            "it belongs to another user; remove it",
        )));
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    if let Some(identity) = identity {
        chown(path, Some(identity.uid), Some(identity.gid)).map_err(failed)?;
    }
    Ok(())
}

fn write_private(path: &Path, text: &str, identity: Option<&Identity>) -> Result<(), ClusterError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |source| files(path, source);
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    if let Some(identity) = identity {
        chown(path, Some(identity.uid), Some(identity.gid)).map_err(failed)?;
    }
    Ok(())
}
