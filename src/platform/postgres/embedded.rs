//! The private PostgreSQL that holds Flowkeep's own tables when no server is given.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use sqlx::{ConnectOptions, Connection, Row};
use tokio_util::sync::CancellationToken;

use super::{
    Cluster, ClusterError, ClusterSpec, ConnInfo, Durability, Installation, Installations,
    MissingProgram, unprivileged_identity,
};
use crate::platform::ids::Ids;
use crate::platform::process::Processes;

/// The database beside n8n's own.
const DATABASE: &str = "n8n_management";

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Nothing to run it with.
    #[error(transparent)]
    Missing(#[from] MissingProgram),
    /// Nobody to run it as.
    #[error("{0}")]
    Identity(String),
    /// The data folder cannot be used.
    #[error("cannot use {path}: {source}")]
    Files {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It does not run.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It runs and does not do as told.
    #[error("the private PostgreSQL refused: {0}")]
    Sql(#[from] sqlx::Error),
}

/// The private PostgreSQL, prepared: where it is and who gets in is known before it runs.
#[derive(Clone, Debug)]
pub struct EmbeddedCluster {
    spec: ClusterSpec,
    processes: Processes,
    ids: Ids,
}

impl EmbeddedCluster {
    /// Chooses the programs and makes the password at the first start. A cluster that is there
    /// keeps the major version it was made with.
    pub fn prepare(
        data_dir: &Path,
        installations: &Installations,
        processes: Processes,
        ids: Ids,
    ) -> Result<Self, EmbeddedError> {
        let root = data_dir.join("postgres");
        let failed = |path: &Path, source| EmbeddedError::Files {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&root)
            .map_err(|source| failed(&root, source))?;
        let installation = match existing_major(&root) {
            Some(major) => installations.server_for(major)?,
            None => installations.newest_server()?,
        };
        let password_file = root.join("password");
        let password = load_or_make_password(&password_file, &ids)
            .map_err(|source| failed(&password_file, source))?;
        let spec = ClusterSpec {
            installation: installation.clone(),
            dir: root.join(installation.major.to_string()),
            socket_dir: root.join("socket"),
            password,
            identity: unprivileged_identity().map_err(EmbeddedError::Identity)?,
            durability: Durability::Durable,
        };
        Ok(Self {
            spec,
            processes,
            ids,
        })
    }

    /// How to reach Flowkeep's own database in it.
    pub fn conninfo(&self) -> ConnInfo {
        self.spec.conninfo().with_database(DATABASE)
    }

    /// What it runs with, as in `PostgreSQL 15.18`.
    pub fn version(&self) -> String {
        format!("PostgreSQL {}", self.spec.installation.version)
    }

    /// The programs that it runs with. A newer client would send it settings that it does not know.
    pub fn installation(&self) -> &Installation {
        &self.spec.installation
    }

    /// Starts it, making the cluster and the database if they are not there.
    pub async fn start(&self) -> Result<Cluster, EmbeddedError> {
        let cluster = self.spec.start(&self.processes, &self.ids).await?;
        let mut connection = cluster.conninfo().to_sqlx().connect().await?;
        let row = sqlx::query("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
        if !row.get::<bool, _>(0) {
            sqlx::query("CREATE DATABASE n8n_management")
                .execute(&mut connection)
                .await?;
        }
        connection.close().await?;
        Ok(cluster)
    }

    /// Keeps it running until `stop`, then ends it well. `changed` is told whenever it comes up
    /// (`Ok`) or goes down (`Err`).
    pub async fn supervise(
        &self,
        mut cluster: Cluster,
        stop: CancellationToken,
        changed: impl Fn(Result<(), String>),
    ) {
        let mut wait = Duration::from_millis(500);
        loop {
            changed(Ok(()));
            let why = tokio::select! {
                why = cluster.ended() => why,
                () = stop.cancelled() => return cluster.stop().await,
            };
            drop(cluster);
            changed(Err(why));
            cluster = loop {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = stop.cancelled() => return,
                }
                wait = (wait * 2).min(Duration::from_secs(30));
                match self.start().await {
                    Ok(cluster) => break cluster,
                    Err(error) => changed(Err(error.to_string())),
                }
            };
        }
    }
}

fn existing_major(root: &Path) -> Option<u32> {
    std::fs::read_dir(root)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .max()
}

fn load_or_make_password(path: &Path, ids: &Ids) -> io::Result<SecretString> {
    match File::open(path) {
        Ok(mut file) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            if text.trim().is_empty() {
                return Err(io::Error::other("it is empty; restore it from a copy"));
            }
            Ok(SecretString::from(text.trim().to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let password = hex::encode(ids.bytes::<32>());
            let partial = path.with_extension("partial");
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&partial)?;
            file.write_all(password.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&partial, path)?;
            Ok(SecretString::from(password))
        }
        Err(error) => Err(error),
    }
}
