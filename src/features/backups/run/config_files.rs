//! n8n's configuration: its `.n8n` folder with the encryption key, compose and environment files.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::content::{Content, TarFile};
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
        let at = u64::try_from(job.started_at.timestamp()).unwrap_or(0);
        let packed = tokio::task::spawn_blocking(move || {
            let mut tar = TarFile::begin(file, compression, at).map_err(|e| storage_failure(&e))?;
            let mut total = 0;
            for path in &paths {
                add(&mut tar, path, &mut total)?;
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
        return Err(Failure::new(
            "not_configuration",
            format!(
                "{} is too large to be configuration. Name the folders and files of n8n's configuration \
                 one by one in the settings.",
                shown.display()
            ),
        ));
    }
    tar.add_with(&name, metadata, &content)
        .map_err(|error| storage_failure(&error))
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
