//! n8n's configuration: its `.n8n` folder with the encryption key, compose and environment files.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use futures_util::TryStreamExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::content::{Content, TarFile};
use super::sink::Sink;
use super::{Job, storage_failure};
use crate::features::backups::error::Failure;
use crate::features::backups::service::BackupService;
use crate::platform::events::Posted;

/// A file of configuration is small; what is larger is something else.
const MOST_FILE_BYTES: u64 = 64 * 1024 * 1024;
const MOST_TOTAL_BYTES: u64 = 1024 * 1024 * 1024;
/// What n8n keeps in its folder that is no configuration: it can be large, and is made or fetched anew.
const SKIPPED: [&str; 6] = [
    "node_modules",
    "binaryData",
    "storage",
    ".cache",
    "cache",
    "crash.journal",
];
/// Where the files are in the archive.
const FOLDER: &str = "files";
/// Where those out of containers are.
const CONTAINERS: &str = "containers";

impl BackupService {
    pub(super) async fn pack_config(
        &self,
        job: &Job,
        paths: &[PathBuf],
        posted: &Posted,
    ) -> Result<Content, Failure> {
        let files = self.files.clone();
        files.prepare().map_err(|error| storage_failure(&error))?;
        posted.update(super::progress(job, "packing", None));
        let (partial, file) = files
            .create_partial(job.job_id)
            .map_err(|error| storage_failure(&error))?;
        let (compression, paths) = (job.compression, paths.to_vec());
        let (seal, job_id) = (job.seal.clone(), job.job_id);
        let at = u64::try_from(job.started_at.timestamp()).unwrap_or(0);
        let contained = self.parts.n8n.config_archive().await;
        let contained =
            contained.map_err(|error| Failure::new("config_unreadable", format!("{error}.")))?;
        let contained = contained.map(|(container, folder, stream)| {
            let stream = stream.map_err(io::Error::other);
            let reader = SyncIoBridge::new(StreamReader::new(Box::pin(stream)));
            (container, folder, reader)
        });
        let packed = tokio::task::spawn_blocking(move || {
            let file = Sink::new(file, seal.as_ref(), job_id).map_err(|e| storage_failure(&e))?;
            let mut tar = TarFile::begin(file, compression, at).map_err(|e| storage_failure(&e))?;
            let mut total = 0;
            for path in &paths {
                add(&mut tar, path, &mut total)?;
            }
            if let Some((container, folder, reader)) = contained {
                let shown = format!("{container}:{folder}");
                add_contained(&mut tar, &container, &folder, reader, &mut total)
                    .map_err(|error| error.unwrap_or_else(|error| unreadable_in(&shown, &error)))?;
            }
            tar.finish().map_err(|error| storage_failure(&error))
        });
        let packed = packed
            .await
            .map_err(|error| Failure::new("internal", error.to_string()))??;
        if job.cancel.is_cancelled() {
            return Err(self.stopped(job));
        }
        Ok(Content {
            partial,
            sha256: packed.sha256,
            stored_bytes: packed.stored_bytes,
            archive_bytes: packed.plain_bytes,
            compression: job.compression.name(),
            server_version: String::new(),
            server_major: 0,
            dump_version: String::new(),
            n8n_version: None,
            tables: Vec::new(),
            index: serde_json::json!({ "entries": packed.entries.len() }),
            entries: packed.entries,
        })
    }
}

/// Adds a path that somebody named, and what is below it.
fn add(tar: &mut TarFile, path: &Path, total: &mut u64) -> Result<(), Failure> {
    // A link that was named is followed; those below a folder are kept as links.
    let real = path
        .canonicalize()
        .map_err(|error| unreadable(path, &error))?;
    let metadata = fs::metadata(&real).map_err(|error| unreadable(path, &error))?;
    add_entry(tar, &real, path, &metadata, total)
}

fn add_entry(
    tar: &mut TarFile,
    real: &Path,
    shown: &Path,
    metadata: &Metadata,
    total: &mut u64,
) -> Result<(), Failure> {
    let name = name_of(shown);
    if metadata.is_dir() {
        tar.add_special(&name, metadata, None)
            .map_err(|error| storage_failure(&error))?;
        let entries = fs::read_dir(real).map_err(|error| unreadable(shown, &error))?;
        let mut entries: Vec<_> = entries
            .collect::<io::Result<_>>()
            .map_err(|error| unreadable(shown, &error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                continue;
            }
            let (real, shown) = (entry.path(), shown.join(entry.file_name()));
            match fs::symlink_metadata(&real) {
                Ok(metadata) => add_entry(tar, &real, &shown, &metadata, total)?,
                // n8n removes files of its own while it runs.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&shown, &error)),
            }
        }
        return Ok(());
    }
    if metadata.is_symlink() {
        let target = fs::read_link(real).map_err(|error| unreadable(shown, &error))?;
        return tar
            .add_special(&name, metadata, Some(&target))
            .map_err(|error| storage_failure(&error));
    }
    if !metadata.is_file() {
        // Sockets and pipes hold nothing.
        return Ok(());
    }
    let mut content = Vec::new();
    let opened = File::open(real).and_then(|file| {
        file.take(MOST_FILE_BYTES + 1)
            .read_to_end(&mut content)
            .map(|_| ())
    });
    match opened {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(shown, &error)),
    }
    let bytes = content.len() as u64;
    *total += bytes;
    if bytes > MOST_FILE_BYTES || *total > MOST_TOTAL_BYTES {
        return Err(too_large(shown));
    }
    tar.add_with(&name, metadata, &content)
        .map_err(|error| storage_failure(&error))
}

/// Adds n8n's folder as its container holds it. `Err(Ok(_))` is a failure of its own, `Err(Err(_))` one of
/// reading or writing.
fn add_contained(
    tar: &mut TarFile,
    container: &str,
    folder: &str,
    reader: impl Read,
    total: &mut u64,
) -> Result<(), Result<Failure, io::Error>> {
    // The archive begins at the folder's own name.
    let parent = Path::new(folder).parent().unwrap_or(Path::new("/"));
    let base = Path::new(CONTAINERS)
        .join(container)
        .join(parent.strip_prefix("/").unwrap_or(parent));
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(Err)? {
        let mut entry = entry.map_err(Err)?;
        let path = entry.path().map_err(Err)?.into_owned();
        let is_plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let is_skipped = path
            .components()
            .any(|part| SKIPPED.iter().any(|skipped| part.as_os_str() == *skipped));
        let kind = entry.header().entry_type();
        if !is_plain || is_skipped || !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
            continue;
        }
        let size = entry.size();
        *total += size;
        let name = base.join(&path);
        if size > MOST_FILE_BYTES || *total > MOST_TOTAL_BYTES {
            return Err(Ok(too_large(&name)));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(Err)?;
        let link = entry
            .link_name()
            .map_err(Err)?
            .filter(|_| kind.is_symlink());
        let name = name.display().to_string();
        tar.add_copy(&name, entry.header(), link.as_deref(), &content)
            .map_err(|error| Ok(storage_failure(&error)))?;
    }
    Ok(())
}

fn unreadable_in(shown: &str, error: &io::Error) -> Failure {
    Failure::new(
        "config_unreadable",
        format!("{shown} cannot be read: {error}. Correct container and folder in the settings."),
    )
}

fn too_large(shown: &Path) -> Failure {
    Failure::new(
        "not_configuration",
        format!(
            "{} is too large to be configuration. Name the folders and files of n8n's configuration one by \
             one in the settings.",
            shown.display()
        ),
    )
}

/// `/home/node/.n8n/config` is `files/home/node/.n8n/config`.
fn name_of(path: &Path) -> String {
    format!(
        "{FOLDER}/{}",
        path.display().to_string().trim_start_matches('/')
    )
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "Correct the path in the settings, or take it out.",
        _ => "Give Flowkeep's user the right to read it.",
    };
    Failure::new(
        "config_unreadable",
        format!("{} cannot be read: {error}. {remedy}", path.display()),
    )
}
