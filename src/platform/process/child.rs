//! A running program.

use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdin};
use tokio::task::JoinHandle;

use super::spawner::group_of;
use super::tail::BoundedText;
use super::{SpawnError, describe_exit};

/// How much of a program's standard output [`Child::output`] keeps, in bytes.
const STDOUT_LIMIT_BYTES: u64 = 1024 * 1024;

/// A running program. Dropping it kills its whole group.
#[derive(Debug)]
pub struct Child {
    program: String,
    inner: tokio::process::Child,
    stderr: Option<JoinHandle<BoundedText>>,
    group: Option<rustix::process::Pid>,
}

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote, at most 1 MB.
    pub stdout: Vec<u8>,
    /// What it complained of, its beginning and end.
    pub stderr: String,
}

impl Output {
    /// The end in words, as in `pg_dump ended with exit code 1`.
    pub fn describe(&self, program: &str) -> String {
        describe_exit(program, self.status)
    }
}

impl Child {
    pub(super) fn new(program: String, mut inner: tokio::process::Child) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the child's standard error"
        )]
        let stderr = inner.stderr.take().map(|pipe| tokio::spawn(collect(pipe)));
        let group = inner.id().and_then(group_of);
        Self {
            program,
            inner,
            stderr,
            group,
        }
    }

    /// The program's file name.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The process id, until it has ended.
    pub fn id(&self) -> Option<u32> {
        self.inner.id()
    }

    /// Standard output as a file descriptor for a blocking reader.
    pub fn take_stdout(&mut self) -> Option<std::io::Result<OwnedFd>> {
        self.inner
            .stdout
            .take()
            .map(tokio::process::ChildStdout::into_owned_fd)
    }

    /// Standard input, if it is a pipe.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.inner.stdin.take()
    }

    /// Waits for the end. Returns how it ended and what it complained of.
    pub async fn wait(&mut self) -> std::io::Result<(ExitStatus, String)> {
        let status = self.inner.wait().await?;
        // Whatever the program started must not outlive it.
        self.signal(Signal::KILL);
        self.group = None;
        let stderr = match self.stderr.take() {
            // A grandchild that escaped the group could hold the pipe open.
            Some(task) => match tokio::time::timeout(Duration::from_secs(5), task).await {
                Ok(Ok(text)) => text.into_text(),
                _ => String::new(),
            },
            None => String::new(),
        };
        Ok((status, stderr))
    }

    /// Runs to the end, keeping standard output.
    pub(super) async fn output(&mut self) -> Result<Output, SpawnError> {
        let mut stdout = Vec::new();
        let program = self.program.clone();
        let failed = |source| SpawnError::Read {
            program: program.clone(),
            source,
        };
        if let Some(pipe) = self.inner.stdout.take() {
            keep_beginning(pipe, &mut stdout).await.map_err(failed)?;
        }
        let (status, stderr) = self.wait().await.map_err(failed)?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Asks the group to end, and makes it end after the grace.
    pub async fn terminate(&mut self, signal: Signal, grace: Duration) {
        if self.group.is_none() {
            return;
        }
        self.signal(signal);
        if tokio::time::timeout(grace, self.inner.wait())
            .await
            .is_err()
        {
            self.kill().await;
        }
        self.signal(Signal::KILL);
        self.group = None;
    }

    /// Kills the group and waits until its leader is gone.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.inner.wait().await;
        self.group = None;
    }

    /// Sends a signal to the group.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Keeps the beginning and reads on, so that the program does not block on a full pipe.
async fn keep_beginning(
    mut pipe: impl AsyncRead + Unpin,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    (&mut pipe)
        .take(STDOUT_LIMIT_BYTES)
        .read_to_end(out)
        .await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink())
        .await
        .map(|_| ())
}

async fn collect(mut pipe: ChildStderr) -> BoundedText {
    let mut text = BoundedText::default();
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        text.push(&buffer[..read]);
    }
    text
}
