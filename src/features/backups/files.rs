//! The backup folder: where files go, how they become durable, what is left after a crash.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::archive::{ArchiveSummary, Compression};
use super::{BackupType, Manifest, seal};

const PARTIAL_DIR: &str = ".partial";
const MANIFEST_SUFFIX: &str = ".manifest.json";
const INDEX_SUFFIX: &str = ".index.json";

/// The backup folder.
#[derive(Clone, Debug)]
pub struct BackupFiles {
    root: PathBuf,
}

/// A file that is being written. Dropped before it is published, it goes.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    is_published: bool,
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl PartialFile {
    /// Where it is while it is being written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for reading and takes its name away: the bytes are there for as long as it is open.
    pub fn hide(&mut self) -> io::Result<File> {
        let file = File::open(&self.path)?;
        std::fs::remove_file(&self.path)?;
        self.is_published = true;
        Ok(file)
    }
}

impl BackupFiles {
    /// Keeps backups under `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name of a run's file, as in `n8n-20261121T041530Z-0f3a9c1d.dump.zst`. Nothing a user
    /// typed is in it.
    pub fn file_name(
        kind: BackupType,
        started_at: DateTime<Utc>,
        job_id: Uuid,
        compression: Compression,
        is_sealed: bool,
    ) -> String {
        let stamp = started_at.format("%Y%m%dT%H%M%SZ");
        let job = job_id.simple().to_string();
        let sealed = if is_sealed { seal::SUFFIX } else { "" };
        let ending = match kind {
            BackupType::PostgresN8n | BackupType::PostgresMgmt => ".dump",
            BackupType::N8nConfig | BackupType::Flows => ".tar",
            // The dumps in it are compressed, not the whole.
            BackupType::PostgresFull => {
                return format!("{}-{stamp}-{}.tar{sealed}", kind.file_prefix(), &job[..8]);
            }
        };
        format!(
            "{}-{stamp}-{}{ending}{}{sealed}",
            kind.file_prefix(),
            &job[..8],
            compression.suffix()
        )
    }

    /// Where a file of that name ends up.
    pub fn final_path(&self, kind: BackupType, name: &str) -> PathBuf {
        self.root.join(kind.as_str()).join(name)
    }

    /// Makes the folders, on one file system, readable by nobody else.
    pub fn prepare(&self) -> io::Result<()> {
        for dir in [PARTIAL_DIR]
            .into_iter()
            .chain(BackupType::ALL.iter().map(|kind| kind.as_str()))
        {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(self.root.join(dir))?;
        }
        Ok(())
    }

    /// Bytes that are free for us on the backup disk.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Opens a new file for a run.
    pub fn create_partial(&self, job_id: Uuid) -> io::Result<(PartialFile, File)> {
        self.create_part(job_id, None)
    }

    /// The same for one of several files of a run.
    pub fn create_part(&self, job_id: Uuid, part: Option<u32>) -> io::Result<(PartialFile, File)> {
        let part = part.map(|part| format!(".{part}")).unwrap_or_default();
        let path = self
            .root
            .join(PARTIAL_DIR)
            .join(format!("{}{part}.dump", job_id.simple()));
        let mut options = File::options();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| told_apart(error, &self.root))?;
        Ok((
            PartialFile {
                path,
                is_published: false,
            },
            file,
        ))
    }

    /// Publishes a durable partial file under its final name, then its sidecars, each by the same
    /// steps: write, fsync, rename, fsync the folder. The manifest is last: it says that all is
    /// there.
    pub fn publish(
        &self,
        mut partial: PartialFile,
        final_path: &Path,
        manifest: &Manifest,
        index: &impl serde::Serialize,
    ) -> io::Result<()> {
        std::fs::rename(&partial.path, final_path)?;
        partial.is_published = true;
        let published = sync_parent(final_path)
            .and_then(|()| self.write_sidecar(final_path, INDEX_SUFFIX, manifest.job_id, index))
            .and_then(|()| {
                self.write_sidecar(final_path, MANIFEST_SUFFIX, manifest.job_id, manifest)
            });
        if published.is_err() {
            self.remove(final_path)?;
        }
        published
    }

    fn write_sidecar(
        &self,
        final_path: &Path,
        suffix: &str,
        job_id: Uuid,
        content: &impl serde::Serialize,
    ) -> io::Result<()> {
        let partial = self
            .root
            .join(PARTIAL_DIR)
            .join(format!("{}{suffix}", job_id.simple()));
        let partial = PartialFile {
            path: partial,
            is_published: false,
        };
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&partial.path)?;
        file.write_all(&serde_json::to_vec_pretty(content)?)?;
        file.sync_all()?;
        let target = sidecar(final_path, suffix);
        std::fs::rename(&partial.path, &target)?;
        sync_parent(&target)
    }

    /// Removes a backup: the manifest first, so that what is left after a crash is never taken for
    /// a backup. What is not there is fine.
    pub fn remove(&self, final_path: &Path) -> io::Result<()> {
        let paths = [
            sidecar(final_path, MANIFEST_SUFFIX),
            final_path.to_owned(),
            sidecar(final_path, INDEX_SUFFIX),
        ];
        for path in paths {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match sync_parent(final_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Every partial file: its run and where it is.
    pub fn partials(&self) -> io::Result<Vec<(Uuid, PathBuf)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.root.join(PARTIAL_DIR))? {
            let path = entry?.path();
            let job = path.file_name().and_then(|name| name.to_str());
            let job = job.and_then(|name| name.split('.').next()?.parse().ok());
            if let Some(job) = job {
                found.push((job, path));
            }
        }
        Ok(found)
    }

    /// Every published file that has a manifest, with what that says, oldest first.
    pub fn published(&self) -> io::Result<Vec<(PathBuf, Manifest)>> {
        let mut found = Vec::new();
        for kind in BackupType::ALL {
            let entries = match std::fs::read_dir(self.root.join(kind.as_str())) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let path = entry?.path();
                let text = path
                    .to_str()
                    .and_then(|text| text.strip_suffix(MANIFEST_SUFFIX));
                let Some(file) = text.map(PathBuf::from) else {
                    continue;
                };
                if let Some(manifest) = Self::read_manifest(&file)?
                    && manifest.backup_type == kind.as_str()
                {
                    found.push((file, manifest));
                }
            }
        }
        found.sort_by_key(|(_, manifest)| manifest.started_at);
        Ok(found)
    }

    /// The manifest beside a file, if it is there and readable.
    pub fn read_manifest(path: &Path) -> io::Result<Option<Manifest>> {
        match File::open(sidecar(path, MANIFEST_SUFFIX)) {
            Ok(file) => Ok(serde_json::from_reader(io::BufReader::new(file)).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The index beside a dump: where each table's rows are. `None` if there is none, or none that can be
    /// read; the dump is whole without it.
    pub fn read_index(path: &Path) -> Option<ArchiveSummary> {
        let file = File::open(sidecar(path, INDEX_SUFFIX)).ok()?;
        serde_json::from_reader(io::BufReader::new(file)).ok()
    }

    /// Whether a name is a manifest's.
    pub fn is_manifest(name: &str) -> bool {
        name.ends_with(MANIFEST_SUFFIX)
    }

    /// Whether a name that somebody else gives is a file's alone: no folder, nothing hidden.
    pub fn is_plain_name(name: &str) -> bool {
        !name.is_empty()
            && name.len() <= 200
            && !name.starts_with('.')
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
    }

    /// What lies beside a file: its index, then its manifest.
    pub fn sidecars(path: &Path) -> [PathBuf; 2] {
        [INDEX_SUFFIX, MANIFEST_SUFFIX].map(|suffix| sidecar(path, suffix))
    }

    /// Where the manifest of a file is.
    pub fn manifest_path(path: &Path) -> PathBuf {
        sidecar(path, MANIFEST_SUFFIX)
    }

    /// SHA-256 and size of a file as it stands on disk.
    pub fn hash(path: &Path) -> io::Result<(String, u64)> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut total = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((hex::encode(hasher.finalize()), total)),
                read => {
                    hasher.update(&buffer[..read]);
                    total += read as u64;
                }
            }
        }
    }
}

/// What a disk lacks on which no more files can be made though bytes are free.
pub const NO_INODES: &str = "no room for another file (its inodes are used up)";

/// Tells a disk that lacks inodes from one that lacks bytes: the system has one error for both.
pub fn told_apart(error: io::Error, dir: &Path) -> io::Error {
    let lacks_inodes = error.kind() == io::ErrorKind::StorageFull
        && rustix::fs::statvfs(dir).is_ok_and(|stat| stat.f_favail == 0 && stat.f_bavail > 0);
    if lacks_inodes {
        io::Error::new(io::ErrorKind::StorageFull, NO_INODES)
    } else {
        error
    }
}

fn sidecar(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
