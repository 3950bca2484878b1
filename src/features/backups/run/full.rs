//! Every database of a server, and what belongs to none of them, in one tar archive.

use std::fs::File;
use std::io::Read;

use sqlx::{Connection, Row};

use super::content::{Content, Entry, TarFile};
use super::preflight::{Plan, connect, query_failure};
use super::sink::Sink;
use super::{Job, storage_failure};
use crate::features::backups::archive::Compression;
use crate::features::backups::error::Failure;
use crate::features::backups::files::PartialFile;
use crate::features::backups::model::TableCount;
use crate::features::backups::service::BackupService;
use crate::platform::events::Posted;
use crate::platform::postgres::{ConnInfo, PassFile};
use crate::platform::process::{CommandSpec, describe_exit};

/// Roles and tablespaces of a server are few.
const MOST_GLOBALS_BYTES: u64 = 64 * 1024 * 1024;

struct Part {
    partial: PartialFile,
    /// Its file, when that has no name any more.
    hidden: Option<File>,
    entry: Entry,
}

impl BackupService {
    pub(super) async fn dump_all(
        &self,
        job: &Job,
        server: &ConnInfo,
        posted: &Posted,
    ) -> Result<Content, Failure> {
        let (databases, is_superuser) = list(server).await?;
        let mut parts = Vec::new();
        let mut last_plan: Option<Plan> = None;
        let mut dump_version = String::new();
        for (number, name) in databases.iter().enumerate() {
            let database = server.with_database(name);
            let plan = tokio::select! {
                plan = self.preflight(job, &database, false) => plan?,
                () = job.cancel.cancelled() => return Err(self.stopped(job)),
            };
            let part = u32::try_from(number).unwrap_or(u32::MAX);
            let (partial, dumped) = self.dump(job, &database, &plan, posted, Some(part)).await?;
            dump_version.clone_from(&dumped.summary.header.dump_version);
            parts.push(Part {
                partial,
                hidden: dumped.hidden,
                entry: Entry {
                    name: format!(
                        "{:02}-{}.dump{}",
                        number + 1,
                        plain(name),
                        job.compression.suffix()
                    ),
                    bytes: dumped.summary.stored_bytes,
                    sha256: dumped.summary.sha256.clone(),
                    database: Some(name.clone()),
                    archive_bytes: Some(dumped.summary.archive_bytes),
                    compression: Some(job.compression.name().to_owned()),
                    tables: dumped.tables,
                },
            });
            last_plan = Some(plan);
        }
        let Some(plan) = last_plan else {
            return Err(Failure::new(
                "no_databases",
                "The server has no database that this role may connect to.",
            ));
        };
        posted.update(super::progress(job, "packing", None));
        let globals = self.globals(job, server, &plan, is_superuser).await?;
        let (partial, file) = self
            .files
            .create_partial(job.job_id)
            .map_err(|error| storage_failure(&error))?;
        let at = u64::try_from(job.started_at.timestamp()).unwrap_or(0);
        let (seal, job_id) = (job.seal.clone(), job.job_id);
        let packed = tokio::task::spawn_blocking(move || {
            // The dumps in it are compressed already.
            let file = Sink::new(file, seal.as_ref(), job_id)?;
            let mut tar = TarFile::begin(file, Compression::None, at)?;
            tar.add("globals.sql", &globals)?;
            for part in parts {
                let file = match part.hidden {
                    Some(file) => file,
                    None => File::open(part.partial.path())?,
                };
                tar.add_file(file, part.entry)?;
            }
            let list = serde_json::to_vec_pretty(tar.entries())?;
            tar.add("manifest.json", &list)?;
            tar.finish()
        });
        let packed = packed
            .await
            .map_err(|error| Failure::new("internal", error.to_string()))?
            .map_err(|error| storage_failure(&error))?;
        let tables = packed.entries.iter().flat_map(|entry| {
            let database = entry.database.clone().unwrap_or_default();
            entry.tables.iter().map(move |table| TableCount {
                schema: format!("{database}.{}", table.schema),
                ..table.clone()
            })
        });
        let tables = tables.collect();
        let archive_bytes = packed.entries.iter().filter_map(|one| one.archive_bytes);
        Ok(Content {
            partial,
            sha256: packed.sha256,
            stored_bytes: packed.stored_bytes,
            archive_bytes: archive_bytes.sum(),
            compression: Compression::None.name(),
            server_version: plan.server_version,
            server_major: plan.server_major,
            dump_version,
            n8n_version: None,
            tables,
            index: serde_json::json!({ "entries": packed.entries.len() }),
            entries: packed.entries,
        })
    }

    /// Roles, their memberships and tablespaces, as `pg_dumpall` writes them.
    async fn globals(
        &self,
        job: &Job,
        server: &ConnInfo,
        plan: &Plan,
        is_superuser: bool,
    ) -> Result<Vec<u8>, Failure> {
        let storage = |error: std::io::Error| storage_failure(&error);
        let pass_file =
            PassFile::create(server, self.files.root(), None, &self.parts.ids).map_err(storage)?;
        let mut spec = CommandSpec::new(plan.installation.program("pg_dumpall"))
            .args(["--globals-only", "--no-password"])
            .arg(format!("--dbname={}", server.to_libpq()));
        if !is_superuser {
            // Their hashes are only for superusers to read.
            spec = spec.arg("--no-role-passwords");
        }
        let failed = |why: String| {
            Failure::new(
                "client_failed",
                format!("The server's roles could not be read: {why}"),
            )
        };
        let mut child = self
            .parts
            .processes
            .spawn(pass_file.apply(spec))
            .await
            .map_err(|error| failed(error.to_string()))?;
        let output = child
            .take_stdout()
            .ok_or_else(|| failed("pg_dumpall has no output".to_owned()))?
            .map_err(storage)?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            File::from(output)
                .take(MOST_GLOBALS_BYTES + 1)
                .read_to_end(&mut text)
                .map(|_| text)
        });
        let ended = tokio::select! {
            ended = child.wait() => ended,
            () = job.cancel.cancelled() => return Err(self.stopped(job)),
        };
        let (status, stderr) = ended.map_err(|error| failed(error.to_string()))?;
        let text = reading
            .await
            .map_err(|error| failed(error.to_string()))?
            .map_err(storage)?;
        if !status.success() || text.len() as u64 > MOST_GLOBALS_BYTES {
            return Err(failed(format!(
                "{}: {stderr}",
                describe_exit("pg_dumpall", status)
            )));
        }
        Ok(text)
    }
}

/// The databases that can be connected to, and whether the role is a superuser.
async fn list(server: &ConnInfo) -> Result<(Vec<String>, bool), Failure> {
    let mut connection = connect(server).await?;
    let refused = |error: sqlx::Error| query_failure(&error);
    let sql = "SELECT datname, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS super \
               FROM pg_database WHERE datallowconn AND NOT datistemplate \
               AND has_database_privilege(oid, 'CONNECT') ORDER BY datname";
    let rows = sqlx::query(sql)
        .fetch_all(&mut connection)
        .await
        .map_err(refused)?;
    let _ = connection.close().await;
    let is_superuser = rows
        .first()
        .is_some_and(|row| row.try_get("super").unwrap_or(false));
    let names = rows
        .iter()
        .map(|row| row.try_get("datname"))
        .collect::<sqlx::Result<_>>()
        .map_err(refused)?;
    Ok((names, is_superuser))
}

/// A database's name as part of a file name.
fn plain(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.chars()
        .map(|c| if keep(c) { c } else { '_' })
        .take(60)
        .collect()
}
