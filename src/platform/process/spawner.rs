//! Starts children from one thread that lives as long as the process.
//!
//! The kernel's parent-death signal fires when the *thread* that forked ends, so a pooled thread
//! must never fork: its idle end would kill a healthy child.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Child, CommandSpec, Input, Output};

/// A program that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program could not be started.
    #[error("cannot run {program}: {source}")]
    Start {
        /// Its file name.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// Its output could not be read.
    #[error("cannot read what {program} says: {source}")]
    Read {
        /// Its file name.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("{program} did not end within {seconds} s and was killed")]
    Timeout {
        /// Its file name.
        program: String,
        /// How long it was given.
        seconds: u64,
    },
}

type Request = (
    CommandSpec,
    Handle,
    oneshot::Sender<Result<Child, SpawnError>>,
);

/// Starts programs. Cheap to clone; all clones share one forking thread.
#[derive(Clone, Debug)]
pub struct Processes(Arc<Mutex<Sender<Request>>>);

impl Processes {
    /// Starts the forking thread.
    pub fn new() -> Self {
        let (requests, inbox) = channel::<Request>();
        let worker = std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                for (spec, runtime, reply) in inbox {
                    let _ = reply.send(spawn_here(&spec, &runtime));
                }
            });
        if let Err(error) = worker {
            tracing::error!(%error, "cannot start the thread that runs programs");
        }
        Self(Arc::new(Mutex::new(requests)))
    }

    /// Starts a program.
    pub async fn spawn(&self, spec: CommandSpec) -> Result<Child, SpawnError> {
        let program = spec.name();
        let (reply, answer) = oneshot::channel();
        let is_sent = self.0.lock().send((spec, Handle::current(), reply)).is_ok();
        let gone = || SpawnError::Start {
            program,
            source: io::Error::other("no forking thread"),
        };
        if !is_sent {
            return Err(gone());
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Runs a program to its end and keeps what it says, up to 1 MB.
    pub async fn output(&self, spec: CommandSpec) -> Result<Output, SpawnError> {
        let timeout = spec.timeout;
        let mut child = self.spawn(spec).await?;
        let Some(timeout) = timeout else {
            return child.output().await;
        };
        if let Ok(output) = tokio::time::timeout(timeout, child.output()).await {
            return output;
        }
        child.kill().await;
        let (program, seconds) = (child.program().to_owned(), timeout.as_secs());
        Err(SpawnError::Timeout { program, seconds })
    }
}

impl Default for Processes {
    fn default() -> Self {
        Self::new()
    }
}

fn spawn_here(spec: &CommandSpec, runtime: &Handle) -> Result<Child, SpawnError> {
    let program = spec.name();
    let start = |source| SpawnError::Start {
        program: spec.name(),
        source,
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that starts programs"
    )]
    let mut command = std::process::Command::new(&spec.program);
    command
        .args(&spec.args)
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C")
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .current_dir(
            spec.dir
                .as_deref()
                .unwrap_or_else(|| std::path::Path::new("/")),
        )
        .process_group(0)
        .stdin(if spec.input == Input::Piped {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(if spec.is_stdout_discarded {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stderr(Stdio::piped());
    if let Some(identity) = &spec.identity {
        command.uid(identity.uid).gid(identity.gid);
    }
    die_with_parent(&mut command, spec.last_signal);
    let _entered = runtime.enter();
    let child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    Ok(Child::new(program, child))
}

/// Asks the kernel to end the child by `signal` when this process dies, however it dies.
fn die_with_parent(command: &mut std::process::Command, signal: Signal) {
    let parent = rustix::process::getpid();
    #[expect(
        unsafe_code,
        reason = "pre_exec is the only place between fork and exec; the closure \
                                    makes two system calls and allocates nothing"
    )]
    // SAFETY: prctl and getppid are async-signal-safe and touch no memory of ours.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(signal))?;
            // The parent may have died between fork and prctl.
            if getppid() != Some(parent) {
                return Err(io::Error::from_raw_os_error(
                    rustix::io::Errno::SRCH.raw_os_error(),
                ));
            }
            Ok(())
        });
    }
}

/// The process group of a child, whose leader it is.
pub(super) fn group_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
