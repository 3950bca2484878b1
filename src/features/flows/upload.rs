//! Archives that somebody brings: pg_dump's, whoever made them, plain or compressed; files of workflows.
//! What of them is n8n's is kept, the rest is not.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::FlowError;
use super::collect::{Wanted, is_flow};
use super::service::FlowService;
use super::source::{ReadError, Source, stored};
use super::store::{self, Upload};
use super::version::Place;
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::{BackupFiles, Stored};
use crate::features::n8n;

/// Room on the disk that an upload must leave.
const RESERVE_BYTES: u64 = 256 * 1024 * 1024;
/// No file of workflows is larger.
const MOST_JSON_BYTES: u64 = 256 * 1024 * 1024;
const LEFT_OVER_AFTER: Duration = Duration::from_hours(24);
const MOST_FILES: usize = 20_000;

/// A file that goes when it is dropped.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What an upload turned out to be.
enum Kind {
    Dump,
    Sql,
    Tar,
    Zip,
    Json,
}

impl FlowService {
    /// Takes an archive in. Nothing of it is kept when it holds no workflows.
    pub async fn take_upload<E: std::fmt::Display>(
        &self,
        actor: &Actor,
        name: &str,
        body: impl Stream<Item = Result<bytes::Bytes, E>>,
    ) -> Result<Upload, FlowError> {
        let name: String = name.chars().filter(|c| !c.is_control()).take(255).collect();
        if name.trim().is_empty() {
            return Err(FlowError::invalid("name", "must be the file's name"));
        }
        let dir = self.parts.archive_dir.clone();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)?;
        let id = self.parts.ids.uuid().simple().to_string();
        let partial = Passing(dir.join(format!("{id}.partial")));
        let received = receive(&partial.0, &dir, body).await?;
        let path = partial.0.clone();
        let sniffed = tokio::task::spawn_blocking(move || sniff(&path)).await;
        let (kind, compression) = sniffed.map_err(io::Error::other)??;
        let raw = stored(partial.0.clone(), compression);
        let format = match kind {
            Kind::Dump | Kind::Sql => "sql",
            _ => "packed",
        };
        let suffix = if format == "sql" { "sql" } else { "tar" };
        let kept = Passing(dir.join(format!("{id}.{suffix}.zst")));
        let refused = |error: ReadError| FlowError::Upload(refusal(&error));
        let is_own = match kind {
            Kind::Dump => {
                let _one_at_a_time = self.reading.lock().await;
                let keeping = Source::Dump(raw).keep(&kept.0, &self.tools()).await;
                keeping.map_err(refused)?;
                false
            }
            Kind::Sql => {
                let keeping = Source::Sql(raw).keep(&kept.0, &self.tools()).await;
                keeping.map_err(refused)?;
                false
            }
            kind => {
                let (to, ids) = (kept.0.clone(), self.parts.ids.clone());
                let repacking = tokio::task::spawn_blocking(move || {
                    repack(&raw, &kind, &to, || n8n::new_id(&ids))
                });
                repacking
                    .await
                    .map_err(io::Error::other)?
                    .map_err(refused)?;
                true
            }
        };
        let source = stored(kept.0.clone(), "zstd");
        let source = if is_own {
            Source::Packed(source)
        } else {
            Source::Sql(source)
        };
        let found = source.read(Wanted::List, &self.tools()).await;
        let found = found.map_err(refused)?;
        if found.listed.is_empty() {
            let why = "It holds no workflow that n8n could read.".to_owned();
            return Err(FlowError::Upload(why));
        }
        let path = kept.0.clone();
        let hashed = tokio::task::spawn_blocking(move || BackupFiles::hash(&path)).await;
        let (sha256, bytes) = hashed.map_err(io::Error::other)??;
        let now = self.parts.clock.now();
        let file_name = kept.0.file_name().unwrap_or_default();
        let upload = Upload {
            id: 0,
            name: name.clone(),
            format: format.to_owned(),
            filename: file_name.to_string_lossy().into_owned(),
            original_bytes: i64::try_from(received).unwrap_or(i64::MAX),
            stored_bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            uploaded_at: now,
            workflow_count: i64::try_from(found.listed.len()).unwrap_or(i64::MAX),
            n8n_version: found.inventory.n8n_version.clone(),
        };
        let tx = self.parts.db.begin().await?;
        let id = store::insert_upload(&tx, &upload, &sha256, actor.user_id).await?;
        store::record(&tx, Place::Archive(id), now, Ok(&found), now).await?;
        let entry = Entry::new(Action::FlowArchiveUploaded).resource("archive", id);
        let entry = entry.details(serde_json::json!({ "name": name, "bytes": received }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        std::mem::forget(kept);
        Ok(Upload { id, ..upload })
    }

    /// Every uploaded archive, newest first.
    pub async fn uploads(&self) -> Result<Vec<Upload>, FlowError> {
        Ok(store::uploads(self.parts.db.orm(), None).await?)
    }

    pub(super) async fn upload(&self, id: i32) -> Result<Upload, FlowError> {
        let found = store::uploads(self.parts.db.orm(), Some(id)).await?;
        found.into_iter().next().ok_or(FlowError::NoArchive(id))
    }

    /// Deletes an uploaded archive.
    pub async fn delete_upload(&self, actor: &Actor, id: i32) -> Result<(), FlowError> {
        let upload = self.upload(id).await?;
        let tx = self.parts.db.begin().await?;
        store::delete_upload(&tx, id).await?;
        let entry = Entry::new(Action::FlowArchiveDeleted).resource("archive", id);
        let entry = entry.details(serde_json::json!({ "name": upload.name }));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        match std::fs::remove_file(self.parts.archive_dir.join(&upload.filename)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes files of uploads that never came to their end.
    pub(super) async fn remove_leftovers(&self) -> Result<(), FlowError> {
        let known = self.uploads().await?;
        let Ok(files) = std::fs::read_dir(&self.parts.archive_dir) else {
            return Ok(());
        };
        for file in files.flatten() {
            let name = file.file_name();
            let age = file.metadata().and_then(|meta| meta.modified());
            let age = age
                .ok()
                .and_then(|at| at.elapsed().ok())
                .unwrap_or_default();
            // A younger one may be on its way in this moment.
            if age > LEFT_OVER_AFTER && !known.iter().any(|one| name == one.filename.as_str()) {
                let _ = std::fs::remove_file(file.path());
            }
        }
        Ok(())
    }
}

/// Why an upload is not taken, and what would be.
fn refusal(error: &ReadError) -> String {
    match error {
        ReadError::Archive(_) | ReadError::Io(_) => format!("It cannot be read: {error}."),
        error => format!("{error}."),
    }
}

async fn receive<E: std::fmt::Display>(
    path: &Path,
    dir: &Path,
    body: impl Stream<Item = Result<bytes::Bytes, E>>,
) -> Result<u64, FlowError> {
    let mut options = File::options();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut body = std::pin::pin!(body);
    let (mut received, mut checked) = (0_u64, 0_u64);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| {
            FlowError::Upload(format!("The upload broke off: {error}. Try again."))
        })?;
        received += piece.len() as u64;
        if received >= checked {
            let stat = rustix::fs::statvfs(dir).map_err(io::Error::from)?;
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            if free < RESERVE_BYTES {
                let why = "There is no room for it on the disk of the data folder.";
                return Err(FlowError::Upload(why.to_owned()));
            }
            checked = received + RESERVE_BYTES / 8;
        }
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    Ok(received)
}

/// What it is, by its first bytes, and how it is compressed.
fn sniff(path: &Path) -> Result<(Kind, &'static str), FlowError> {
    let mut head = [0; 8];
    let read = File::open(path)?.take(8).read(&mut head)?;
    let head = &head[..read];
    let compression = if head.starts_with(&[0x1f, 0x8b]) {
        "gzip"
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        "zstd"
    } else {
        "none"
    };
    if head.starts_with(b"PK\x03\x04") {
        return Ok((Kind::Zip, compression));
    }
    let mut begin = Vec::new();
    let looked = stored(path.to_owned(), compression).read(|plain| {
        plain.take(4096).read_to_end(&mut begin)?;
        Ok(())
    });
    looked.map_err(|error| FlowError::Upload(format!("It cannot be uncompressed: {error}.")))?;
    let text = begin.trim_ascii_start();
    let kind = if begin.starts_with(b"PGDMP") {
        Kind::Dump
    } else if begin.get(257..262) == Some(b"ustar".as_slice()) {
        Kind::Tar
    } else if text.starts_with(b"{") || text.starts_with(b"[") {
        Kind::Json
    } else if text.starts_with(b"--") || text.starts_with(b"SET ") || text.starts_with(b"COPY ") {
        Kind::Sql
    } else if begin.starts_with(b"age-encryption.org") {
        let why = "It is encrypted; open it with age first: age -d -i key.txt FILE.";
        return Err(FlowError::Upload(why.to_owned()));
    } else {
        let why = "It is none of the archives that can be read: pg_dump's custom format or plain SQL, a \
                   backup of Flowkeep's, or workflows that n8n exported (JSON, zip or tar), each also \
                   compressed by gzip or zstd.";
        return Err(FlowError::Upload(why.to_owned()));
    };
    Ok((kind, compression))
}

fn is_json(name: &str) -> bool {
    let ending = Path::new(name).extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// Packs files of workflows as our own flows archives are.
fn repack(
    raw: &Stored,
    kind: &Kind,
    to: &Path,
    new_id: impl Fn() -> String,
) -> Result<(), ReadError> {
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(to)?;
    let mut out = tar::Builder::new(zstd::stream::write::Encoder::new(file, 3)?);
    let mut count = 0;
    let mut add = |name: &str, content: Value| -> io::Result<()> {
        let known = ["workflows.json", "credentials.json", "n8n.json"];
        let is_list = known.contains(&name);
        let mut all = match content {
            // A list is what it is in our own archives, and workflows in n8n's.
            content if is_list => vec![content],
            Value::Array(all) => all,
            one => vec![one],
        };
        for one in &mut all {
            if !is_list && !is_flow(one) {
                continue;
            }
            count += 1;
            if count > MOST_FILES {
                return Err(io::Error::other("it holds more than 20,000 files"));
            }
            // What the editor downloads has no id, or one of another n8n.
            if !is_list && one["id"].as_str().is_none_or(str::is_empty) {
                one["id"] = Value::String(new_id());
            }
            let content = serde_json::to_vec(&one)?;
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            let path = if is_list {
                name.to_owned()
            } else {
                format!("workflows/{count}.json")
            };
            out.append_data(&mut header, path, content.as_slice())?;
        }
        Ok(())
    };
    let parse = |name: &str, input: &mut dyn Read| -> io::Result<Value> {
        serde_json::from_reader(BufReader::new(input.take(MOST_JSON_BYTES)))
            .map_err(|error| io::Error::other(format!("{name}: {error}")))
    };
    match kind {
        Kind::Zip => {
            let mut zip = zip::ZipArchive::new(File::open(&raw.path)?).map_err(io::Error::from)?;
            for at in 0..zip.len().min(MOST_FILES) {
                let mut file = zip.by_index(at).map_err(io::Error::from)?;
                let name = file.name().map_err(io::Error::from)?.into_owned();
                if file.is_file() && is_json(&name) {
                    add(&name, parse(&name, &mut file)?)?;
                }
            }
        }
        Kind::Tar => raw.read(|plain| {
            let mut tar = tar::Archive::new(plain);
            for file in tar.entries()?.take(MOST_FILES) {
                let mut file = file?;
                let name = file.path()?.display().to_string();
                if file.header().entry_type().is_file() && is_json(&name) {
                    add(&name, parse(&name, &mut file)?)?;
                }
            }
            Ok(())
        })?,
        _ => raw.read(|plain| {
            let content = parse("the file", &mut BufReader::new(plain) as &mut dyn Read)?;
            add("", content)
        })?,
    }
    out.into_inner()?.finish()?.sync_all()?;
    Ok(())
}
