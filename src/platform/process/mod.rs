//! Runs programs: an argument vector and never a shell, an empty environment but for what is
//! given, a process group of its own, and no child that outlives the daemon.

mod child;
mod exit;
mod spawner;
mod tail;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

pub use child::{Child, Output};
pub use exit::describe_exit;
pub use spawner::{Processes, SpawnError};

use rustix::process::Signal;

/// The unprivileged user a child runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Name, for messages.
    pub name: String,
}

/// Where a child's standard input comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    #[default]
    Null,
    /// A pipe that the caller writes to.
    Piped,
}

/// A program to run and how.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    identity: Option<Identity>,
    input: Input,
    is_stdout_discarded: bool,
    timeout: Option<Duration>,
    last_signal: Signal,
}

impl CommandSpec {
    /// Runs `program`, an absolute path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            identity: None,
            input: Input::Null,
            is_stdout_discarded: false,
            timeout: None,
            last_signal: Signal::KILL,
        }
    }

    /// Adds an argument, passed on verbatim.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable; others are not inherited.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs in this folder; `/` if not said.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Runs as this user, if any.
    #[must_use]
    pub fn identity(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// Says where standard input comes from.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Throws standard output away.
    #[must_use]
    pub fn discard_stdout(mut self) -> Self {
        self.is_stdout_discarded = true;
        self
    }

    /// Kills the group when it takes longer than this (for [`Processes::output`]).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What the kernel sends the program when this process dies; `SIGKILL` if not said. For programs
    /// that hold what the kernel does not take back from the dead, and that end by this at once.
    #[must_use]
    pub fn last_signal(mut self, signal: Signal) -> Self {
        self.last_signal = signal;
        self
    }

    /// The program's file name, for messages.
    pub fn name(&self) -> String {
        self.program
            .file_name()
            .unwrap_or(self.program.as_os_str())
            .to_string_lossy()
            .into_owned()
    }
}
