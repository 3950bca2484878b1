//! Where an archive's rows come from: our own archives by their index, without the frames that hold none
//! of them; every other by pg_restore, which writes the few tables as text and executes nothing; flows
//! archives file by file. Blocking, but for pg_restore.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::collect::{Collector, Found, Wanted};
use crate::features::backups::Stored;
use crate::features::backups::archive::{
    ArchiveError, ArchiveReader, ArchiveSummary, SqlLine, fields, read_sql,
};
use crate::platform::postgres::Installation;
use crate::platform::process::{CommandSpec, Input, Processes, SpawnError, describe_exit};

/// No workflow and no list of them is larger.
const MOST_FILE_BYTES: u64 = 64 * 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is damaged.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It holds something else.
    #[error(
        "it holds no n8n: there is no table workflow_entity beside a table credentials_entity in it"
    )]
    NotN8n,
    /// pg_restore cannot read it.
    #[error("pg_restore cannot read it: {0}")]
    Program(String),
    /// No pg_restore is here.
    #[error("no pg_restore is on this machine; install PostgreSQL's client programs")]
    NoProgram,
}

impl From<SpawnError> for ReadError {
    fn from(error: SpawnError) -> Self {
        Self::Program(error.to_string())
    }
}

/// An archive with n8n's tables in it.
#[derive(Clone, Debug)]
pub enum Source {
    /// A dump of our own, with its index.
    Indexed(Stored, Box<ArchiveSummary>),
    /// A dump in pg_dump's custom format, whoever made it.
    Dump(Stored),
    /// A plain SQL dump, or what of it was kept.
    Sql(Stored),
    /// A tar archive of workflows as JSON.
    Packed(Stored),
}

/// What runs pg_restore.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The newest that is here.
    pub installation: Option<Installation>,
    /// Runs it.
    pub processes: Processes,
}

/// Schema and prefix of n8n's tables among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    schema: String,
    prefix: String,
}

impl Located {
    /// Finds them: `workflow_entity` beside `credentials_entity`, whatever stands before both.
    pub fn among<'a>(tables: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Option<Self> {
        let mut found: Vec<Self> = tables
            .clone()
            .filter_map(|(schema, name)| {
                let prefix = name.strip_suffix("workflow_entity")?;
                let beside = format!("{prefix}credentials_entity");
                let is_n8n = tables
                    .clone()
                    .any(|(other, name)| other == schema && name == beside);
                is_n8n.then(|| Self {
                    schema: schema.to_owned(),
                    prefix: prefix.to_owned(),
                })
            })
            .collect();
        found.sort_by_key(|one| (one.schema != "public", one.prefix.len()));
        found.into_iter().next()
    }

    /// n8n's own name of a table, if it is one of n8n's.
    fn base<'a>(&self, schema: &str, table: &'a str) -> Option<&'a str> {
        (schema == self.schema)
            .then(|| table.strip_prefix(self.prefix.as_str()))
            .flatten()
    }
}

impl Source {
    /// Reads what is wanted.
    pub async fn read(&self, wanted: Wanted, tools: &Tools) -> Result<Found, ReadError> {
        let collector = Collector::new(wanted);
        match self {
            Self::Indexed(stored, summary) => {
                let (stored, summary) = (stored.clone(), summary.clone());
                blocking(move || read_indexed(&stored, &summary, collector)).await
            }
            Self::Packed(stored) => {
                let stored = stored.clone();
                blocking(move || read_packed(&stored, collector)).await
            }
            Self::Sql(stored) => {
                let stored = stored.clone();
                blocking(move || read_plain(&stored, collector)).await
            }
            Self::Dump(stored) => {
                let located = tools.locate(stored).await?;
                let tables = collector.tables();
                tools
                    .extract(stored, &located.clone(), &tables, move |sql| {
                        collect_sql(sql, &located, collector)
                    })
                    .await
            }
        }
    }

    /// Keeps n8n's tables alone, with the encrypted credentials, as plain SQL compressed by zstd at `to`.
    pub async fn keep(&self, to: &Path, tools: &Tools) -> Result<(), ReadError> {
        let tables = Collector::new(Wanted::Flows {
            ids: std::collections::BTreeSet::new(),
            has_secrets: true,
        })
        .tables();
        let to = to.to_owned();
        match self {
            Self::Dump(stored) => {
                let located = tools.locate(stored).await?;
                let keep = located.clone();
                let names = tables.clone();
                tools
                    .extract(stored, &located, &tables, move |sql| {
                        keep_sql(sql, &keep, &names, &to)
                    })
                    .await
            }
            Self::Sql(stored) => {
                let stored = stored.clone();
                blocking(move || {
                    let located = locate_sql(&stored)?;
                    stored_lines(&stored, |sql| keep_sql(sql, &located, &tables, &to))
                })
                .await
            }
            Self::Indexed(..) | Self::Packed(_) => Ok(()),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

fn read_indexed(
    stored: &Stored,
    summary: &ArchiveSummary,
    collector: Collector,
) -> Result<Found, ReadError> {
    let file = File::open(&stored.path)?;
    match &stored.lock {
        // What is encrypted is sought in all the same, a piece of 64 KiB at a time.
        Some(lock) => read_tables(lock.reader(file)?, summary, collector),
        None => read_tables(file, summary, collector),
    }
}

fn read_tables(
    file: impl Read + Seek,
    summary: &ArchiveSummary,
    mut collector: Collector,
) -> Result<Found, ReadError> {
    let names = summary.tables.iter();
    let names = names.map(|table| (table.schema.as_str(), table.name.as_str()));
    let located = Located::among(names).ok_or(ReadError::NotN8n)?;
    let mut reader = ArchiveReader::new(file, summary.compression, &summary.frames);
    for wanted in collector.tables() {
        let parts = summary
            .tables
            .iter()
            .filter(|table| located.base(&table.schema, &table.name) == Some(wanted));
        for table in parts {
            reader.rows(table, |row| collector.row(wanted, &table.columns, &row))?;
        }
    }
    Ok(collector.finish(false))
}

fn read_packed(stored: &Stored, mut collector: Collector) -> Result<Found, ReadError> {
    stored.read(|archive| {
        let mut tar = tar::Archive::new(archive);
        for file in tar.entries()? {
            let file = file?;
            let name = file.path()?.display().to_string();
            let is_one = name.starts_with("workflows/")
                || ["workflows.json", "credentials.json", "n8n.json"].contains(&name.as_str());
            if !is_one || !file.header().entry_type().is_file() {
                continue;
            }
            let content: Value = serde_json::from_reader(file.take(MOST_FILE_BYTES))
                .map_err(|error| io::Error::other(format!("{name}: {error}")))?;
            collector.file(&name, &content);
        }
        Ok(())
    })?;
    Ok(collector.finish(true))
}

fn stored_lines<T>(
    stored: &Stored,
    work: impl FnOnce(&mut dyn BufRead) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let mut outcome = None;
    stored.read(|sql| {
        outcome = Some(work(&mut BufReader::with_capacity(BUFFER_BYTES, sql)));
        Ok(())
    })?;
    outcome.unwrap_or(Err(ReadError::NotN8n))
}

fn locate_sql(stored: &Stored) -> Result<Located, ReadError> {
    let mut tables = Vec::new();
    stored_lines(stored, |sql| {
        read_sql(sql, |line| {
            if let SqlLine::Table { schema, table, .. } = line {
                tables.push((schema.to_owned(), table.to_owned()));
            }
            Ok(false)
        })
        .map_err(ReadError::Io)
    })?;
    let names = tables
        .iter()
        .map(|(schema, name)| (schema.as_str(), name.as_str()));
    Located::among(names).ok_or(ReadError::NotN8n)
}

fn read_plain(stored: &Stored, collector: Collector) -> Result<Found, ReadError> {
    let located = locate_sql(stored)?;
    stored_lines(stored, |sql| collect_sql(sql, &located, collector))
}

fn collect_sql(
    sql: &mut dyn BufRead,
    located: &Located,
    mut collector: Collector,
) -> Result<Found, ReadError> {
    let wanted = collector.tables();
    let (mut current, mut names) = (String::new(), Vec::new());
    read_sql(sql, |line| {
        match line {
            SqlLine::Table {
                schema,
                table,
                columns,
                ..
            } => {
                let base = located.base(schema, table);
                let Some(base) = base.filter(|base| wanted.contains(base)) else {
                    return Ok(false);
                };
                base.clone_into(&mut current);
                columns.clone_into(&mut names);
            }
            SqlLine::Row(row) => {
                let row = fields(row);
                let row = row.ok_or_else(|| io::Error::other(format!("a row of {current}")))?;
                collector.row(&current, &names, &row);
            }
            SqlLine::End => {}
        }
        Ok(true)
    })?;
    Ok(collector.finish(false))
}

fn keep_sql(
    sql: &mut dyn BufRead,
    located: &Located,
    wanted: &[&str],
    to: &Path,
) -> Result<(), ReadError> {
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.write(true).create_new(true).open(to)?;
    let mut out = zstd::stream::write::Encoder::new(file, 3)?;
    read_sql(sql, |line| {
        match line {
            SqlLine::Table {
                schema,
                table,
                statement,
                ..
            } => {
                let base = located.base(schema, table);
                if base.is_none_or(|base| !wanted.contains(&base)) {
                    return Ok(false);
                }
                writeln!(out, "{statement}")?;
            }
            SqlLine::Row(row) => {
                out.write_all(row)?;
                out.write_all(b"\n")?;
            }
            SqlLine::End => out.write_all(b"\\.\n")?,
        }
        Ok(true)
    })?;
    out.finish()?.sync_all()?;
    Ok(())
}

impl Tools {
    /// Finds n8n's tables by the archive's table of contents.
    async fn locate(&self, stored: &Stored) -> Result<Located, ReadError> {
        let args = vec!["--list".to_owned()];
        self.run(stored, args, |list| {
            let mut tables = Vec::new();
            for line in list.lines() {
                // As in `4012; 0 16390 TABLE DATA public workflow_entity n8n`.
                if let Some((_, rest)) = line?.split_once(" TABLE DATA ") {
                    let words: Vec<_> = rest.split(' ').collect();
                    if let [schema, table, _owner] = words[..] {
                        tables.push((schema.to_owned(), table.to_owned()));
                    }
                }
            }
            let names = tables
                .iter()
                .map(|(schema, name)| (schema.as_str(), name.as_str()));
            Located::among(names).ok_or(ReadError::NotN8n)
        })
        .await
    }

    /// Hands the rows of some tables over as plain SQL.
    async fn extract<T: Send + 'static>(
        &self,
        stored: &Stored,
        located: &Located,
        tables: &[&str],
        work: impl FnOnce(&mut dyn BufRead) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let mut args = vec![
            "--data-only".to_owned(),
            "--file=-".to_owned(),
            format!("--schema={}", located.schema),
        ];
        args.extend(
            tables
                .iter()
                .map(|table| format!("--table={}{table}", located.prefix)),
        );
        self.run(stored, args, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        stored: &Stored,
        args: Vec<String>,
        work: impl FnOnce(&mut dyn BufRead) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let installation = self.installation.as_ref().ok_or(ReadError::NoProgram)?;
        let spec = CommandSpec::new(installation.program("pg_restore"))
            .arg("--format=custom")
            .args(args)
            .input(Input::Piped);
        let mut child = self.processes.spawn(spec).await?;
        let no_pipe = || io::Error::other("no pipe");
        let stdin = child.take_stdin().ok_or_else(no_pipe)?.into_owned_fd()?;
        let stdout = child.take_stdout().ok_or_else(no_pipe)??;
        let stored = stored.clone();
        let feeder = tokio::task::spawn_blocking(move || {
            let mut stdin = File::from(stdin);
            stored.read(|archive| match io::copy(archive, &mut stdin) {
                // It has what it needs, or gave up and says why.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                other => other.map(|_| ()),
            })
        });
        let reader = tokio::task::spawn_blocking(move || {
            let mut stdout = BufReader::with_capacity(BUFFER_BYTES, File::from(stdout));
            let outcome = work(&mut stdout);
            // What is left is of no interest, and must not keep it from ending.
            let _ = io::copy(&mut stdout, &mut io::sink());
            outcome
        });
        let (read, fed) = (reader.await, feeder.await);
        let (status, stderr) = child.wait().await?;
        fed.map_err(io::Error::other)??;
        if !status.success() {
            let end = describe_exit("pg_restore", status);
            let said = stderr.trim();
            return Err(ReadError::Program(format!("{end}: {said}")));
        }
        read.map_err(io::Error::other)?
    }
}

/// A stored file by its path and how it is compressed.
pub fn stored(path: PathBuf, compression: &str) -> Stored {
    Stored {
        path,
        compression: compression.to_owned(),
        lock: None,
        entry: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n8n_is_found_by_two_tables_whatever_stands_before_them() {
        let find = |tables: &[(&str, &str)]| Located::among(tables.iter().copied());
        let found = find(&[
            ("a", "x_workflow_entity"),
            ("b", "x_credentials_entity"),
            ("auto", "p_credentials_entity"),
            ("auto", "p_workflow_entity"),
        ])
        .unwrap();
        assert_eq!(
            (found.schema.as_str(), found.prefix.as_str()),
            ("auto", "p_")
        );
        assert_eq!(found.base("auto", "p_tag_entity"), Some("tag_entity"));
        assert_eq!(found.base("other", "p_tag_entity"), None);
        assert!(find(&[("public", "workflow_entity")]).is_none());
    }
}
