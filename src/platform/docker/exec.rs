//! Programs run inside a container that runs.

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Docker, DockerError};

/// Output is kept up to this; the rest is read and dropped.
const MOST_KEPT_BYTES: usize = 64 * 1024;

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// A program that runs inside a container.
pub struct Exec {
    docker: Docker,
    id: String,
    /// Where it reads from; shut it down to let it see the end.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Output,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` when the engine does not say.
    pub code: Option<i64>,
    /// What it wrote, up to 64 KB.
    pub stdout: String,
    /// What it complained of, up to 64 KB.
    pub stderr: String,
}

impl Docker {
    /// Starts a program inside a container that runs. No shell is between.
    pub async fn exec(&self, container: &str, argv: &[&str]) -> Result<Exec, DockerError> {
        let client = self.client().await?;
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.to_vec()),
            ..CreateExecOptions::default()
        };
        let made = client
            .create_exec(container, options)
            .await
            .map_err(|error| self.sort(error))?;
        let start = StartExecOptions {
            output_capacity: Some(64 * 1024),
            ..StartExecOptions::default()
        };
        let started = client
            .start_exec(&made.id, Some(start))
            .await
            .map_err(|error| self.sort(error))?;
        match started {
            StartExecResults::Attached { output, input } => Ok(Exec {
                docker: self.clone(),
                id: made.id,
                input,
                output,
            }),
            StartExecResults::Detached => {
                Err(DockerError::Unreachable("it detached a program".to_owned()))
            }
        }
    }

    /// Runs a program to its end.
    pub async fn output(&self, container: &str, argv: &[&str]) -> Result<Ended, DockerError> {
        let mut exec = self.exec(container, argv).await?;
        let _ = exec.input.shutdown().await;
        exec.wait().await
    }
}

impl Exec {
    /// Feeds the program from `input` to its end, and waits for the program's. What the program writes
    /// is read at the same time, so that neither waits for the other.
    pub async fn feed(
        self,
        mut source: impl AsyncRead + Unpin + Send,
        fed: impl Fn(u64) + Send,
    ) -> Result<(Ended, std::io::Result<()>), DockerError> {
        let Self {
            docker,
            id,
            mut input,
            output,
        } = self;
        let feeding = async move {
            let mut buffer = vec![0; 256 * 1024];
            let mut outcome = Ok(());
            loop {
                match source.read(&mut buffer).await {
                    Ok(0) => break,
                    Ok(read) => {
                        // The program gave up: its own words and end say why.
                        if input.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                        fed(read as u64);
                    }
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
            let _ = input.shutdown().await;
            outcome
        };
        let (outcome, collected) = tokio::join!(feeding, collect(output));
        let (stdout, stderr) = collected.map_err(|error| docker.sort(error))?;
        let ended = end_of(&docker, &id, stdout, stderr).await?;
        Ok((ended, outcome))
    }

    /// Waits for the program's end.
    pub async fn wait(self) -> Result<Ended, DockerError> {
        let Self {
            docker,
            id,
            input,
            output,
        } = self;
        let (stdout, stderr) = collect(output).await.map_err(|error| docker.sort(error))?;
        drop(input);
        end_of(&docker, &id, stdout, stderr).await
    }

    /// Joins the program's input and output with another stream, until either side ends.
    pub async fn relay(self, other: impl AsyncRead + AsyncWrite + Send) {
        let Self {
            mut input,
            mut output,
            ..
        } = self;
        let (mut from, mut to) = tokio::io::split(other);
        let there = async {
            let _ = tokio::io::copy(&mut from, &mut input).await;
            let _ = input.shutdown().await;
        };
        let back = async {
            while let Some(Ok(piece)) = output.next().await {
                if let LogOutput::StdOut { message } | LogOutput::Console { message } = piece
                    && to.write_all(&message).await.is_err()
                {
                    return;
                }
            }
        };
        tokio::select! {
            () = there => {}
            () = back => {}
        }
    }
}

async fn collect(mut output: Output) -> Result<(String, String), bollard::errors::Error> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(piece) = output.next().await {
        let (kept, message) = match piece? {
            LogOutput::StdErr { message } => (&mut stderr, message),
            LogOutput::StdOut { message }
            | LogOutput::Console { message }
            | LogOutput::StdIn { message } => (&mut stdout, message),
        };
        let room = MOST_KEPT_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&message[..message.len().min(room)]);
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(stdout), text(stderr)))
}

async fn end_of(
    docker: &Docker,
    id: &str,
    stdout: String,
    stderr: String,
) -> Result<Ended, DockerError> {
    let client = docker.client().await?;
    let mut code = None;
    // The stream may end a moment before the engine has noted how.
    for _ in 0..50 {
        let state = client
            .inspect_exec(id)
            .await
            .map_err(|error| docker.sort(error))?;
        code = state.exit_code;
        if !state.running.unwrap_or(false) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(Ended {
        code,
        stdout,
        stderr,
    })
}
