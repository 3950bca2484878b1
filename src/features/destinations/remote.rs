//! What is done at a place over the network, whatever it speaks. The same rules as in a folder: nothing
//! where the sentinel is missing, a name only for what is whole, and the manifest last.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use uuid::Uuid;

use super::error::Trouble;
use super::folder::{FOLDER, SENTINEL};
use crate::features::backups::{BackupFiles, BackupType, Manifest};

/// A future that a trait object gives.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'a>>;

/// Pieces of a file under way: what S3 takes at least.
pub const PIECE_BYTES: u64 = 5 * 1024 * 1024;

/// A file that is to be put somewhere.
pub struct Upload<'a> {
    /// Where it is.
    pub source: &'a Path,
    /// Its size in bytes.
    pub bytes: u64,
    /// What its SHA-256 must be; nothing gets its name otherwise.
    pub sha256: &'a str,
    /// The run it is of.
    pub job_id: Uuid,
    /// Is told the bytes that are through.
    pub done: &'a AtomicU64,
}

/// A place over the network: the edge of the world. Names are relative, as in `flowkeep/flows/x.tar`.
pub trait Remote: Send + Sync {
    /// A small file. `None` when there is none.
    fn get<'a>(&'a self, name: &'a str) -> Boxed<'a, Option<Vec<u8>>>;
    /// Puts a small file, whole or not at all.
    fn put<'a>(&'a self, name: &'a str, content: Vec<u8>) -> Boxed<'a, ()>;
    /// Puts a file, whole or not at all.
    fn upload<'a>(&'a self, name: &'a str, upload: Upload<'a>) -> Boxed<'a, ()>;
    /// Writes a file of the place into `target`. Returns its SHA-256.
    fn download<'a>(
        &'a self,
        name: &'a str,
        target: &'a Path,
        done: &'a AtomicU64,
    ) -> Boxed<'a, String>;
    /// Removes a file. One that is not there is fine.
    fn delete<'a>(&'a self, name: &'a str) -> Boxed<'a, ()>;
    /// The names of the files in a folder of the place.
    fn list<'a>(&'a self, folder: &'a str) -> Boxed<'a, Vec<String>>;
}

/// Makes a place a destination: puts the sentinel there, or reads the one that is there already.
pub async fn claim(remote: &dyn Remote, wanted: Uuid) -> Result<Uuid, Trouble> {
    if let Some(found) = sentinel(remote).await? {
        return Ok(found);
    }
    remote
        .put(SENTINEL, format!("{wanted}\n").into_bytes())
        .await?;
    Ok(wanted)
}

async fn sentinel(remote: &dyn Remote) -> Result<Option<Uuid>, Trouble> {
    let Some(bytes) = remote.get(SENTINEL).await? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    text.trim().parse().map(Some).map_err(|_| {
        Trouble::new(
            "strange_sentinel",
            format!("{SENTINEL} there holds something else; remove it."),
        )
    })
}

async fn is_ours(remote: &dyn Remote, wanted: Uuid) -> Result<(), Trouble> {
    match sentinel(remote).await? {
        Some(found) if found == wanted => Ok(()),
        Some(_) => Err(Trouble::new(
            "another_destination",
            "Another destination is there now.",
        )),
        None => Err(Trouble::new(
            "not_mounted",
            "The sentinel file is missing there: it is not the same place, or was emptied. Nothing was \
             written.",
        )),
    }
}

/// Whether the place is the one that was claimed, and can be written.
pub async fn check(remote: &dyn Remote, wanted: Uuid) -> Result<(), Trouble> {
    is_ours(remote, wanted).await?;
    let probe = format!("{SENTINEL}-probe");
    remote.put(&probe, b"probe".to_vec()).await?;
    remote.delete(&probe).await
}

fn name_of(manifest: &Manifest) -> String {
    format!("{FOLDER}/{}/{}", manifest.backup_type, manifest.filename)
}

/// The sidecars of a file of that name: its index, then its manifest.
fn sidecars(name: &str) -> [String; 2] {
    BackupFiles::sidecars(Path::new(name)).map(|path| path.to_string_lossy().into_owned())
}

/// Copies a backup and what lies beside it.
pub async fn copy(
    remote: &dyn Remote,
    wanted: Uuid,
    source: &Path,
    manifest: &Manifest,
    done: &AtomicU64,
) -> Result<u64, Trouble> {
    is_ours(remote, wanted).await?;
    let name = name_of(manifest);
    let upload = Upload {
        source,
        bytes: manifest.stored_bytes,
        sha256: &manifest.sha256,
        job_id: manifest.job_id,
        done,
    };
    let copied = async {
        remote.upload(&name, upload).await?;
        for (from, to) in BackupFiles::sidecars(source).iter().zip(sidecars(&name)) {
            match tokio::fs::read(from).await {
                Ok(bytes) => remote.put(&to, bytes).await?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
        Ok(manifest.stored_bytes)
    };
    let copied = copied.await;
    if copied.is_err() {
        // Nothing half stays; the manifest goes first.
        let _ = remove_named(remote, &name).await;
    }
    copied
}

async fn remove_named(remote: &dyn Remote, name: &str) -> Result<(), Trouble> {
    let [index, manifest] = sidecars(name);
    for name in [&manifest, name, &index] {
        remote.delete(name).await?;
    }
    Ok(())
}

/// Removes a copy and what lies beside it. What is not there is fine.
pub async fn remove(
    remote: &dyn Remote,
    wanted: Uuid,
    backup_type: &str,
    filename: &str,
) -> Result<(), Trouble> {
    is_ours(remote, wanted).await?;
    remove_named(remote, &format!("{FOLDER}/{backup_type}/{filename}")).await
}

/// The manifests of the backups there, of every type.
pub async fn manifests(remote: &dyn Remote) -> Result<Vec<Manifest>, Trouble> {
    let mut found = Vec::new();
    for kind in BackupType::ALL {
        let folder = format!("{FOLDER}/{}", kind.as_str());
        for name in remote.list(&folder).await? {
            if !BackupFiles::is_manifest(&name) {
                continue;
            }
            let content = remote.get(&format!("{folder}/{name}")).await?;
            let manifest =
                content.and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
            found.extend(manifest.filter(|one| {
                one.backup_type == kind.as_str() && BackupFiles::is_plain_name(&one.filename)
            }));
        }
    }
    Ok(found)
}

/// Brings a backup's file and its index into `target` and beside it. The caller publishes them.
pub async fn fetch(
    remote: &dyn Remote,
    manifest: &Manifest,
    target: &Path,
    done: &AtomicU64,
) -> Result<Option<Vec<u8>>, Trouble> {
    let name = name_of(manifest);
    let sha256 = remote.download(&name, target, done).await?;
    if sha256 != manifest.sha256 {
        return Err(Trouble::new(
            "checksum_mismatch",
            "The copy there is not what was written any more.",
        ));
    }
    let [index, _] = sidecars(&name);
    remote.get(&index).await
}

fn unreadable(error: &std::io::Error) -> Trouble {
    Trouble::new(
        "file_missing",
        format!("The backup's own file cannot be read: {error}."),
    )
}

/// A file as it is read piece by piece and hashed.
pub struct Pieces {
    file: tokio::fs::File,
    hasher: Sha256,
    piece_bytes: usize,
}

impl Pieces {
    pub async fn open(path: &Path, piece_bytes: u64) -> Result<Self, Trouble> {
        let file = tokio::fs::File::open(path).await;
        Ok(Self {
            file: file.map_err(|error| unreadable(&error))?,
            hasher: Sha256::new(),
            piece_bytes: usize::try_from(piece_bytes).unwrap_or(usize::MAX),
        })
    }

    /// The next piece; a short one is the last, an empty one comes after it.
    pub async fn next(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut piece = Vec::with_capacity(self.piece_bytes);
        let limit = self.piece_bytes as u64;
        (&mut self.file)
            .take(limit)
            .read_to_end(&mut piece)
            .await
            .map_err(|error| unreadable(&error))?;
        self.hasher.update(&piece);
        Ok(piece)
    }

    /// Whether what was read is what the manifest says.
    pub fn finish(self, sha256: &str) -> Result<(), Trouble> {
        if hex::encode(self.hasher.finalize()) == sha256 {
            return Ok(());
        }
        Err(Trouble::new(
            "checksum_mismatch",
            "The backup's own file is not what was written any more, so it was not copied.",
        ))
    }
}

/// Tells `done` that more bytes are through.
pub fn advance(done: &AtomicU64, bytes: usize) {
    done.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// What a remote place is made of.
pub type RemotePlace = Arc<dyn Remote>;
