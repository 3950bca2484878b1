//! An SFTP session through the `ssh` program: its ciphers, its agents' caution and its known hosts are those
//! that administrators trust already. Secrets go through files only we can read, never through arguments.

use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use openssh_sftp_client::{Sftp, SftpOptions};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::unix::pipe;

use super::error::Trouble;
use super::sftp::{SftpConfig, SftpSecret};
use crate::platform::ids::Ids;
use crate::platform::process::{Child, CommandSpec, Input, Processes};

const SSH: &str = "/usr/bin/ssh";

/// What a connection needs, in a folder only we can read, gone with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn make(ids: &Ids) -> std::io::Result<Self> {
        let path =
            std::env::temp_dir().join(format!("flowkeep-ssh-{}", hex::encode(ids.bytes::<8>())));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, mode: u32, content: &str) -> std::io::Result<PathBuf> {
        let path = self.0.join(name);
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)?;
        file.write_all(content.as_bytes())?;
        Ok(path)
    }
}

/// A session that is open. Its program ends when it is dropped.
pub struct Session {
    pub sftp: Sftp,
    child: Child,
    folder: Folder,
}

impl Session {
    /// The host key that the server showed, as in `ssh-ed25519 AAAA…`.
    pub fn host_key(&self) -> Option<String> {
        let known = std::fs::read_to_string(self.folder.0.join("known_hosts")).ok()?;
        let line = known.lines().find(|line| !line.trim().is_empty())?;
        let mut words = line.split_whitespace().skip(1);
        Some(format!("{} {}", words.next()?, words.next()?))
    }
}

/// What the other side is called in `known_hosts`.
fn known_name(config: &SftpConfig) -> String {
    if config.port == 22 {
        config.host.clone()
    } else {
        format!("[{}]:{}", config.host, config.port)
    }
}

fn spec(config: &SftpConfig, secret: &SftpSecret, folder: &Folder) -> std::io::Result<CommandSpec> {
    let known = config
        .host_key
        .as_ref()
        .map(|key| format!("{} {key}\n", known_name(config)))
        .unwrap_or_default();
    let known_hosts = folder.write("known_hosts", 0o600, &known)?;
    // The first time the key is taken as it is and shown to whoever adds the destination.
    let strictness = if config.host_key.is_some() {
        "yes"
    } else {
        "accept-new"
    };
    let mut spec = CommandSpec::new(SSH)
        .input(Input::Piped)
        .env("HOME", &folder.0)
        .args(["-F", "/dev/null", "-T", "-x", "-a"])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
        .args(["-o", "GlobalKnownHostsFile=/dev/null"])
        .args(["-o", "HashKnownHosts=no"])
        .arg("-o")
        .arg(format!("StrictHostKeyChecking={strictness}"))
        .args(["-o", "ConnectTimeout=15"])
        .args(["-o", "ServerAliveInterval=15"])
        .args(["-o", "ServerAliveCountMax=3"])
        .args(["-o", "NumberOfPasswordPrompts=1"])
        .arg("-p")
        .arg(config.port.to_string())
        .arg("-l")
        .arg(&config.user);
    spec = match secret {
        SftpSecret::PrivateKey(key) => {
            let key = key.expose_secret().trim();
            let file = folder.write("key", 0o600, &format!("{key}\n"))?;
            spec.arg("-i")
                .arg(file)
                .args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
                .args(["-o", "PreferredAuthentications=publickey"])
        }
        SftpSecret::Password(password) => {
            let file = folder.write("password", 0o600, password.expose_secret())?;
            let script = folder.write(
                "askpass",
                0o700,
                "#!/bin/sh\nexec cat \"$FLOWKEEP_PASSWORD_FILE\"\n",
            )?;
            spec.env("SSH_ASKPASS", script)
                .env("SSH_ASKPASS_REQUIRE", "force")
                .env("FLOWKEEP_PASSWORD_FILE", file)
                .args(["-o", "PubkeyAuthentication=no"])
                .args([
                    "-o",
                    "PreferredAuthentications=password,keyboard-interactive",
                ])
        }
    };
    Ok(spec.arg("-s").arg("--").arg(&config.host).arg("sftp"))
}

/// Opens a session.
pub async fn open(
    config: &SftpConfig,
    secret: &SftpSecret,
    processes: &Processes,
    ids: &Ids,
) -> Result<Session, Trouble> {
    if !Path::new(SSH).exists() {
        let message = format!("{SSH} is not there. apt-get install openssh-client");
        return Err(Trouble::new("no_ssh", message));
    }
    let failed = |error: &dyn std::fmt::Display| {
        Trouble::new("storage_failed", format!("ssh cannot be run: {error}."))
    };
    let folder = Folder::make(ids).map_err(|error| failed(&error))?;
    let spec = spec(config, secret, &folder).map_err(|error| failed(&error))?;
    let mut child = processes
        .spawn(spec)
        .await
        .map_err(|error| failed(&error))?;
    let stdin = child
        .take_stdin()
        .ok_or_else(|| failed(&"no input pipe"))?
        .into_owned_fd()
        .map_err(|error| failed(&error))?;
    let stdout = child
        .take_stdout()
        .ok_or_else(|| failed(&"no output pipe"))?
        .map_err(|error| failed(&error))?;
    let opened = async { Ok::<_, std::io::Error>((sender(stdin)?, receiver(stdout)?)) };
    let (stdin, stdout) = opened.await.map_err(|error| failed(&error))?;
    match Sftp::new(stdin, stdout, SftpOptions::new()).await {
        Ok(sftp) => Ok(Session {
            sftp,
            child,
            folder,
        }),
        Err(error) => {
            let words = match child.wait().await {
                Ok((_, stderr)) if !stderr.trim().is_empty() => stderr,
                _ => error.to_string(),
            };
            Err(refusal(config, words.trim()))
        }
    }
}

fn sender(fd: OwnedFd) -> std::io::Result<pipe::Sender> {
    pipe::Sender::from_owned_fd(fd)
}

fn receiver(fd: OwnedFd) -> std::io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(fd)
}

/// In a user's words why ssh did not connect.
fn refusal(config: &SftpConfig, words: &str) -> Trouble {
    let last = words.lines().last().unwrap_or_default();
    if words.contains("Host key verification failed")
        || words.contains("REMOTE HOST IDENTIFICATION HAS CHANGED")
    {
        return Trouble::new(
            "host_key_changed",
            format!(
                "{} shows another host key than the one that was saved. Find out why; if the server was set up \
                 anew, remove this destination and add it again.",
                config.host
            ),
        );
    }
    if words.contains("Permission denied")
        || words.contains("invalid format")
        || words.contains("error in libcrypto")
    {
        return Trouble::new(
            "credentials_refused",
            format!(
                "{} refused {}: {last}. Check the user and the password or key.",
                config.host, config.user
            ),
        );
    }
    Trouble::new(
        "cannot_connect",
        format!("Cannot connect to {}:{}: {last}.", config.host, config.port),
    )
}

impl Session {
    /// Ends the program and waits for it.
    pub async fn close(self) {
        let Self {
            sftp,
            mut child,
            folder,
        } = self;
        drop(sftp);
        child.kill().await;
        drop(folder);
    }
}

/// A password or a private key, as it is sealed.
pub fn secret_text(secret: &SftpSecret) -> SecretString {
    match secret {
        SftpSecret::Password(text) => {
            SecretString::from(format!("password:{}", text.expose_secret()))
        }
        SftpSecret::PrivateKey(text) => SecretString::from(format!("key:{}", text.expose_secret())),
    }
}

/// The reverse of [`secret_text`].
pub fn secret_of(text: &SecretString) -> SftpSecret {
    match text.expose_secret().split_once(':') {
        Some(("key", key)) => SftpSecret::PrivateKey(SecretString::from(key.to_owned())),
        Some((_, password)) => SftpSecret::Password(SecretString::from(password.to_owned())),
        None => SftpSecret::Password(text.clone()),
    }
}
