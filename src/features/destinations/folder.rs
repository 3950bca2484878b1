//! A folder as a place for copies. Blocking code: a share that hangs must hang a thread of its own.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error::Trouble;
use crate::features::backups::{BackupFiles, Manifest, NO_INODES, told_apart};

/// Stands in the folder and says which one it is.
pub const SENTINEL: &str = ".flowkeep-destination";
/// Backups lie below this, as in the backup folder.
pub const FOLDER: &str = "flowkeep";
pub const PARTIAL: &str = ".partial";

fn trouble(what: &str, error: &io::Error) -> Trouble {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull if error.to_string().contains(NO_INODES) => Trouble::new(
            "no_inodes",
            format!("The destination has {NO_INODES}. Remove small files there."),
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Trouble::new(
            "no_space",
            "The destination is full. Make room there; what was begun is removed, older copies stay.",
        ),
        ErrorKind::PermissionDenied => Trouble::new(
            "permission_denied",
            format!("{what}: {error}. Give Flowkeep's user the right to write there."),
        ),
        ErrorKind::ReadOnlyFilesystem => Trouble::new(
            "read_only",
            "The destination is mounted read-only. Mount it for writing.",
        ),
        _ if error.raw_os_error() == Some(rustix::io::Errno::STALE.raw_os_error()) => Trouble::new(
            "stale_mount",
            "The network share is mounted and gone stale. Unmount and mount it again.",
        ),
        _ => Trouble::new("storage_failed", format!("{what}: {error}.")),
    }
}

/// Makes a folder a destination: puts the sentinel there, or reads the one that is there already.
pub fn claim(path: &Path, wanted: Uuid) -> Result<Uuid, Trouble> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        Trouble::new(
            "no_such_folder",
            format!(
                "{} cannot be used: {error}. Make the folder, or mount the share first.",
                path.display()
            ),
        )
    })?;
    if !metadata.is_dir() {
        return Err(Trouble::new(
            "no_such_folder",
            format!("{} is no folder.", path.display()),
        ));
    }
    let file = path.join(SENTINEL);
    if let Some(found) = read_sentinel(&file)? {
        return Ok(found);
    }
    let write = || -> io::Result<()> {
        let mut options = File::options();
        let mut sentinel = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)?;
        writeln!(sentinel, "{wanted}")?;
        sentinel.sync_all()?;
        File::open(path)?.sync_all()
    };
    write().map_err(|error| trouble("The sentinel file cannot be written", &error))?;
    Ok(wanted)
}

fn read_sentinel(file: &Path) -> Result<Option<Uuid>, Trouble> {
    match std::fs::read_to_string(file) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| {
            Trouble::new(
                "strange_sentinel",
                format!("{} holds something else; remove it.", file.display()),
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(trouble("The sentinel file cannot be read", &error)),
    }
}

/// Whether the folder is the one that was claimed, and can be written.
pub fn check(path: &Path, sentinel: Uuid) -> Result<(), Trouble> {
    match read_sentinel(&path.join(SENTINEL))? {
        Some(found) if found == sentinel => {}
        Some(_) => {
            return Err(Trouble::new(
                "another_destination",
                format!("Another destination is mounted at {}.", path.display()),
            ));
        }
        None => {
            return Err(Trouble::new(
                "not_mounted",
                format!(
                    "The sentinel file is missing in {}: it is not mounted, or not the same disk. Nothing \
                     was written there.",
                    path.display()
                ),
            ));
        }
    }
    let probe = path.join(format!("{SENTINEL}-probe"));
    let write = || -> io::Result<()> {
        std::fs::write(&probe, b"probe")?;
        std::fs::remove_file(&probe)
    };
    write().map_err(|error| trouble("A file cannot be written there", &told_apart(error, path)))
}

fn place(root: &Path, manifest: &Manifest) -> PathBuf {
    root.join(FOLDER)
        .join(&manifest.backup_type)
        .join(&manifest.filename)
}

/// Copies a backup and what lies beside it. `done` is told the bytes. The same steps as in the backup
/// folder: write, fsync, rename, fsync the folder, and the manifest last.
pub fn copy(
    root: &Path,
    sentinel: Uuid,
    source: &Path,
    manifest: &Manifest,
    done: &AtomicU64,
) -> Result<u64, Trouble> {
    check(root, sentinel)?;
    let target = place(root, manifest);
    let prepare = || -> io::Result<()> {
        let mut builder = DirBuilder::new();
        let builder = builder.recursive(true).mode(0o700);
        builder.create(root.join(FOLDER).join(PARTIAL))?;
        builder.create(root.join(FOLDER).join(&manifest.backup_type))
    };
    prepare()
        .map_err(|error| trouble("A folder cannot be made there", &told_apart(error, root)))?;
    let partial = root
        .join(FOLDER)
        .join(PARTIAL)
        .join(manifest.job_id.simple().to_string());
    let copied = copy_file(source, &partial, done);
    let outcome = match copied {
        Ok((sha256, _)) if sha256 != manifest.sha256 => Err(Trouble::new(
            "checksum_mismatch",
            "The backup's own file is not what was written any more, so it was not copied.",
        )),
        Ok((_, bytes)) => std::fs::rename(&partial, &target)
            .and_then(|()| sync_parent(&target))
            .and_then(|()| copy_sidecars(root, source, &target, manifest))
            .map(|()| bytes)
            .map_err(|error| trouble("The copy cannot be published", &error)),
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        // Nothing half stays; the manifest goes first.
        let [index, manifest_file] = BackupFiles::sidecars(&target);
        let sidecar = sidecar_partial(root, manifest);
        for path in [manifest_file, target, index, partial, sidecar] {
            let _ = std::fs::remove_file(path);
        }
    }
    outcome
}

fn sidecar_partial(root: &Path, manifest: &Manifest) -> PathBuf {
    root.join(FOLDER)
        .join(PARTIAL)
        .join(format!("{}.sidecar", manifest.job_id.simple()))
}

fn copy_file(source: &Path, partial: &Path, done: &AtomicU64) -> Result<(String, u64), Trouble> {
    let mut input = File::open(source).map_err(|error| {
        Trouble::new(
            "file_missing",
            format!("The backup's own file cannot be read: {error}."),
        )
    })?;
    let mut write = || -> io::Result<(String, u64)> {
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut output = options.open(partial)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut total = 0;
        loop {
            let read = input.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            output.write_all(&buffer[..read])?;
            hasher.update(&buffer[..read]);
            total += read as u64;
            done.store(total, Ordering::Relaxed);
        }
        // A failed fsync is final: the copy is thrown away.
        output.sync_all()?;
        Ok((hex::encode(hasher.finalize()), total))
    };
    write().map_err(|error| {
        let dir = partial.parent().unwrap_or(partial);
        trouble("The copy cannot be written", &told_apart(error, dir))
    })
}

fn copy_sidecars(root: &Path, source: &Path, target: &Path, manifest: &Manifest) -> io::Result<()> {
    for (from, to) in BackupFiles::sidecars(source)
        .into_iter()
        .zip(BackupFiles::sidecars(target))
    {
        let bytes = match std::fs::read(&from) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let partial = sidecar_partial(root, manifest);
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&partial)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, &to)?;
        sync_parent(&to)?;
    }
    Ok(())
}

/// Removes a copy and what lies beside it. What is not there is fine.
pub fn remove(
    root: &Path,
    sentinel: Uuid,
    backup_type: &str,
    filename: &str,
) -> Result<(), Trouble> {
    check(root, sentinel)?;
    let target = root.join(FOLDER).join(backup_type).join(filename);
    // The manifest first: what is left after a crash is never taken for a backup.
    let [index, manifest] = BackupFiles::sidecars(&target);
    for path in [manifest, target, index] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(trouble("A copy cannot be removed", &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The manifests of the backups there, of every type.
pub fn manifests(root: &Path) -> Result<Vec<Manifest>, Trouble> {
    let listed = BackupFiles::new(root.join(FOLDER)).published();
    let listed = listed.map_err(|error| trouble("The copies there cannot be listed", &error))?;
    Ok(listed.into_iter().map(|(_, manifest)| manifest).collect())
}

/// Brings a backup's file into `target`. Returns its index, if it has one.
pub fn fetch(
    root: &Path,
    manifest: &Manifest,
    target: &Path,
    done: &AtomicU64,
) -> Result<Option<Vec<u8>>, Trouble> {
    let source = place(root, manifest);
    let (sha256, _) = copy_file(&source, target, done)?;
    if sha256 != manifest.sha256 {
        return Err(Trouble::new(
            "checksum_mismatch",
            "The copy there is not what was written any more.",
        ));
    }
    let [index, _] = BackupFiles::sidecars(&source);
    match std::fs::read(index) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(trouble("The copy's index cannot be read", &error)),
    }
}

/// Bytes that are free there.
pub fn free_bytes(root: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(root).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
