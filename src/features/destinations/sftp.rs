//! A folder on another machine, over SFTP. One session for each call: between copies nothing is kept open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::BytesMut;
use futures_util::StreamExt;
use openssh_sftp_client::Error;
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::file::File;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::error::Trouble;
use super::folder::{FOLDER, PARTIAL};
use super::remote::{Boxed, Pieces, Remote, RemotePlace, Upload, advance};
use super::ssh::{self, Session};
use crate::platform::ids::Ids;
use crate::platform::process::Processes;

/// What is written or read at once; the protocol's packets are smaller.
const CHUNK_BYTES: u32 = 256 * 1024;
/// Sidecars and sentinels are small; what is larger is something else.
const MOST_SMALL_BYTES: u64 = 64 * 1024 * 1024;

/// Where a folder is, but for password or key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SftpConfig {
    /// The other machine.
    pub host: String,
    /// 22 if nothing else.
    pub port: u16,
    /// Who signs in.
    pub user: String,
    /// The folder there; it must be there already.
    pub folder: String,
    /// The host key that was seen first, as in `ssh-ed25519 AAAA…`; any is taken while there is none.
    pub host_key: Option<String>,
}

/// What somebody signs in with.
#[derive(Clone, Debug)]
pub enum SftpSecret {
    /// A password.
    Password(SecretString),
    /// A private key without a passphrase, as ssh-keygen writes it.
    PrivateKey(SecretString),
}

impl SftpConfig {
    /// Checks it. The error names the field and what would be right.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let is_host = !self.host.is_empty()
            && self.host.len() <= 255
            && !self.host.starts_with('-')
            && self
                .host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-_:%".contains(c));
        if !is_host {
            return Err(("host", "must be a host's name or address".to_owned()));
        }
        if self.port == 0 {
            return Err(("port", "must be a port between 1 and 65535".to_owned()));
        }
        let is_user = !self.user.is_empty()
            && self.user.len() <= 100
            && !self.user.starts_with('-')
            && self
                .user
                .chars()
                .all(|c| c.is_alphanumeric() || "._-@\\".contains(c));
        if !is_user {
            return Err(("user", "must be a user's name".to_owned()));
        }
        let is_folder = !self.folder.is_empty()
            && self.folder.len() <= 1_000
            && !self.folder.chars().any(char::is_control)
            && self.folder.split('/').all(|part| part != "..");
        if !is_folder {
            return Err((
                "folder",
                "write a folder, as in /volume1/backups".to_owned(),
            ));
        }
        if let Some(key) = &self.host_key {
            let mut words = key.split(' ');
            let is_key = words.next().is_some_and(|kind| {
                kind.starts_with("ssh-") || kind.starts_with("ecdsa-") || kind.starts_with("sk-")
            }) && words.next().is_some_and(|data| {
                data.starts_with("AAAA") && data.chars().all(|c| c.is_ascii_graphic())
            }) && words.next().is_none();
            if !is_key {
                let why = "write it as ssh-keyscan prints it, as in ssh-ed25519 AAAA…";
                return Err(("host_key", why.to_owned()));
            }
        }
        Ok(())
    }

    /// How it is called among the destinations.
    pub fn address(&self) -> String {
        let slash = if self.folder.starts_with('/') {
            ""
        } else {
            "/~/"
        };
        format!(
            "sftp://{}@{}:{}{slash}{}",
            self.user,
            self.host,
            self.port,
            self.folder.trim_end_matches('/')
        )
    }
}

/// A folder on another machine.
pub struct Server {
    pub config: SftpConfig,
    pub secret: SftpSecret,
    pub processes: Processes,
    pub ids: Ids,
}

impl Server {
    /// As a place.
    pub fn into_place(self) -> RemotePlace {
        Arc::new(self)
    }

    /// Connects once and tells the key that the server showed.
    pub async fn see_host_key(&self) -> Result<Option<String>, Trouble> {
        let session = self.open().await?;
        let key = session.host_key();
        session.close().await;
        Ok(key)
    }

    async fn open(&self) -> Result<Session, Trouble> {
        ssh::open(&self.config, &self.secret, &self.processes, &self.ids).await
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.config.folder).join(name)
    }

    /// Makes the folders that a name lies in; the destination's own folder must be there.
    async fn make_parents(&self, session: &Session, name: &str) -> Result<(), Trouble> {
        let mut fs = session.sftp.fs();
        let parts: Vec<&str> = name.split('/').collect();
        let mut so_far = PathBuf::from(&self.config.folder);
        for part in &parts[..parts.len().saturating_sub(1)] {
            so_far.push(part);
            // The protocol has no answer of its own for "is there already".
            if let Err(error) = fs.create_dir(&so_far).await
                && fs.metadata(&so_far).await.is_err()
            {
                return Err(trouble(&error));
            }
        }
        Ok(())
    }

    /// Opens a file under a partial name.
    async fn begin(&self, session: &Session, name: &str, partial: &str) -> Result<File, Trouble> {
        let partial = format!("{FOLDER}/{PARTIAL}/{partial}");
        self.make_parents(session, &partial).await?;
        self.make_parents(session, name).await?;
        let mut options = session.sftp.options();
        let options = options.write(true).create(true).truncate(true);
        let opened = options.open(self.path(&partial)).await;
        opened.map_err(|error| trouble(&error))
    }

    /// Makes a file durable and gives it its name.
    async fn publish(
        &self,
        session: &Session,
        mut file: File,
        name: &str,
        partial: &str,
    ) -> Result<(), Trouble> {
        if session.sftp.support_fsync() {
            file.sync_all().await.map_err(|error| trouble(&error))?;
        }
        file.close().await.map_err(|error| trouble(&error))?;
        let mut fs = session.sftp.fs();
        let target = self.path(name);
        if !session.sftp.support_posix_rename() {
            // Without the extension a name that is taken is refused.
            let _ = fs.remove_file(&target).await;
        }
        let partial = self.path(&format!("{FOLDER}/{PARTIAL}/{partial}"));
        fs.rename(&partial, &target)
            .await
            .map_err(|error| trouble(&error))
    }

    async fn drop_partial(&self, session: &Session, partial: &str) {
        let path = self.path(&format!("{FOLDER}/{PARTIAL}/{partial}"));
        let _ = session.sftp.fs().remove_file(&path).await;
    }

    async fn upload_in(
        &self,
        session: &Session,
        name: &str,
        partial: &str,
        upload: &Upload<'_>,
    ) -> Result<(), Trouble> {
        let mut file = self.begin(session, name, partial).await?;
        let mut pieces = Pieces::open(upload.source, u64::from(CHUNK_BYTES)).await?;
        loop {
            let piece = pieces.next().await?;
            if piece.is_empty() {
                break;
            }
            file.write_all(&piece)
                .await
                .map_err(|error| trouble(&error))?;
            advance(upload.done, piece.len());
        }
        pieces.finish(upload.sha256)?;
        self.publish(session, file, name, partial).await
    }

    async fn put_in(&self, session: &Session, name: &str, content: &[u8]) -> Result<(), Trouble> {
        let partial = format!("{}.small", hex::encode(self.ids.bytes::<8>()));
        let put = async {
            let mut file = self.begin(session, name, &partial).await?;
            file.write_all(content)
                .await
                .map_err(|error| trouble(&error))?;
            self.publish(session, file, name, &partial).await
        };
        let put = put.await;
        if put.is_err() {
            self.drop_partial(session, &partial).await;
        }
        put
    }

    async fn get_in(&self, session: &Session, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        let mut file = match session.sftp.open(self.path(name)).await {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(trouble(&error)),
        };
        let mut content = Vec::new();
        loop {
            let buffer = BytesMut::with_capacity(CHUNK_BYTES as usize);
            let read = file.read(CHUNK_BYTES, buffer).await;
            match read.map_err(|error| trouble(&error))? {
                Some(piece) if !piece.is_empty() => content.extend_from_slice(&piece),
                _ => break,
            }
            if content.len() as u64 > MOST_SMALL_BYTES {
                let message = format!("{name} there is far larger than it should be.");
                return Err(Trouble::new("storage_failed", message));
            }
        }
        file.close().await.map_err(|error| trouble(&error))?;
        Ok(Some(content))
    }

    async fn download_in(
        &self,
        session: &Session,
        name: &str,
        target: &Path,
        done: &AtomicU64,
    ) -> Result<String, Trouble> {
        let unwritable = |error: std::io::Error| {
            Trouble::new("no_space", format!("It cannot be written here: {error}."))
        };
        let opened = session.sftp.open(self.path(name)).await;
        let mut file = opened.map_err(|error| trouble(&error))?;
        let mut here = tokio::fs::File::create(target).await.map_err(unwritable)?;
        let mut hasher = Sha256::new();
        loop {
            let buffer = BytesMut::with_capacity(CHUNK_BYTES as usize);
            let read = file.read(CHUNK_BYTES, buffer).await;
            match read.map_err(|error| trouble(&error))? {
                Some(piece) if !piece.is_empty() => {
                    hasher.update(&piece);
                    here.write_all(&piece).await.map_err(unwritable)?;
                    advance(done, piece.len());
                }
                _ => break,
            }
        }
        here.sync_all().await.map_err(unwritable)?;
        file.close().await.map_err(|error| trouble(&error))?;
        Ok(hex::encode(hasher.finalize()))
    }

    async fn list_in(&self, session: &Session, folder: &str) -> Result<Vec<String>, Trouble> {
        let dir = match session.sftp.fs().open_dir(self.path(folder)).await {
            Ok(dir) => dir,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(error) => return Err(trouble(&error)),
        };
        let mut entries = Box::pin(dir.read_dir());
        let mut names = Vec::new();
        while let Some(entry) = entries.next().await {
            let entry = entry.map_err(|error| trouble(&error))?;
            names.push(entry.filename().to_string_lossy().into_owned());
        }
        Ok(names)
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::SftpError(SftpErrorKind::NoSuchFile, _))
}

/// In a user's words why something could not be done there.
fn trouble(error: &Error) -> Trouble {
    match error {
        Error::SftpError(SftpErrorKind::PermDenied, _) => Trouble::new(
            "permission_denied",
            "The other machine refused: permission denied. Give the user the right to write in the folder.",
        ),
        Error::SftpError(SftpErrorKind::NoSuchFile, _) => Trouble::new(
            "no_such_folder",
            "The folder is not there on the other machine. Make it first.",
        ),
        Error::SftpError(_, message) => Trouble::new(
            "storage_failed",
            format!("The other machine refused: {message}. Its disk may be full."),
        ),
        other => Trouble::new(
            "connection_lost",
            format!("The connection to the other machine broke: {other}."),
        ),
    }
}

impl Remote for Server {
    fn get<'a>(&'a self, name: &'a str) -> Boxed<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let session = self.open().await?;
            let got = self.get_in(&session, name).await;
            session.close().await;
            got
        })
    }

    fn put<'a>(&'a self, name: &'a str, content: Vec<u8>) -> Boxed<'a, ()> {
        Box::pin(async move {
            let session = self.open().await?;
            let found = session.sftp.fs().metadata(&self.config.folder).await;
            let put = match found {
                Ok(_) => self.put_in(&session, name, &content).await,
                Err(error) => Err(trouble(&error)),
            };
            session.close().await;
            put
        })
    }

    fn upload<'a>(&'a self, name: &'a str, upload: Upload<'a>) -> Boxed<'a, ()> {
        Box::pin(async move {
            let session = self.open().await?;
            let partial = upload.job_id.simple().to_string();
            let uploaded = self.upload_in(&session, name, &partial, &upload).await;
            if uploaded.is_err() {
                self.drop_partial(&session, &partial).await;
            }
            session.close().await;
            uploaded
        })
    }

    fn download<'a>(
        &'a self,
        name: &'a str,
        target: &'a Path,
        done: &'a AtomicU64,
    ) -> Boxed<'a, String> {
        Box::pin(async move {
            let session = self.open().await?;
            let got = self.download_in(&session, name, target, done).await;
            session.close().await;
            got
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Boxed<'a, ()> {
        Box::pin(async move {
            let session = self.open().await?;
            let removed = session.sftp.fs().remove_file(self.path(name)).await;
            session.close().await;
            match removed {
                Err(error) if !is_missing(&error) => Err(trouble(&error)),
                _ => Ok(()),
            }
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Boxed<'a, Vec<String>> {
        Box::pin(async move {
            let session = self.open().await?;
            let listed = self.list_in(&session, folder).await;
            session.close().await;
            listed
        })
    }
}
