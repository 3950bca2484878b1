//! The connection to n8n: kept, tried, handed to whoever backs it up.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::sync::Arc;

use super::api_access::Tasted;
use super::probe::{self, N8nTables};
use super::sample::{self, Sample};
use super::{KeyCheck, N8nError};
use crate::features::audit::{Action, Actor, Entry};
use crate::features::settings::{Key, SettingsService};
use crate::platform::clock::Clock;
use crate::platform::docker::Docker;
use crate::platform::ids::Ids;
use crate::platform::postgres::{
    ConnInfo, EmbeddedCluster, Installations, PassFile, server_words, unreadable_tables,
};
use crate::platform::process::Processes;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// What the service is made of.
#[derive(Clone)]
pub struct N8nParts {
    /// Where the connection is kept.
    pub settings: SettingsService,
    /// The PostgreSQL programs of this machine.
    pub installations: Arc<Installations>,
    /// The private PostgreSQL, if there is one.
    pub embedded: Option<EmbeddedCluster>,
    /// Runs programs.
    pub processes: Processes,
    /// Where n8n's containers are.
    pub docker: Docker,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
}

/// The n8n that Flowkeep looks after. Cheap to clone.
#[derive(Clone)]
pub struct N8nService {
    pub(super) parts: Arc<N8nParts>,
    last_test: Arc<Mutex<Option<LastTest>>>,
    pub(super) tasted: Arc<Mutex<Option<Tasted>>>,
}

type LastTest = (DateTime<Utc>, TestReport);

/// Where n8n's data is and what opens it.
#[derive(Clone, Debug)]
pub struct N8nSource {
    /// Its database.
    pub conninfo: ConnInfo,
    /// The key its credentials are encrypted with, if it was given.
    pub encryption_key: Option<SecretString>,
    /// Whether it is the sample that comes with Flowkeep.
    pub is_sample: bool,
}

/// What a test of the connection found.
#[derive(Clone, Debug, Default)]
pub struct TestReport {
    pub facts: Option<Facts>,
    pub client: Option<(String, String, u32)>,
    pub key_check: Option<(&'static str, String)>,
    pub problems: Vec<Problem>,
    pub duration_ms: u64,
}

impl TestReport {
    pub fn is_ok(&self) -> bool {
        self.facts.is_some() && self.problems.iter().all(|problem| !problem.is_error)
    }
}

/// What is in the database.
#[derive(Clone, Debug)]
pub struct Facts {
    pub n8n_version: String,
    pub server_version: String,
    pub server_major: u32,
    pub database_size_bytes: i64,
    pub workflow_count: i64,
    pub active_workflow_count: i64,
    pub credential_count: i64,
    pub execution_count: i64,
}

/// Something that stands in the way, and what to do about it.
#[derive(Clone, Debug)]
pub struct Problem {
    pub code: &'static str,
    pub is_error: bool,
    pub message: String,
    pub remedy: String,
}

impl Problem {
    fn error(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            is_error: true,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl N8nService {
    /// Puts the service together.
    pub fn new(parts: N8nParts) -> Self {
        Self {
            parts: Arc::new(parts),
            last_test: Arc::default(),
            tasted: Arc::default(),
        }
    }

    /// The connection, if one is set.
    pub fn source(&self) -> Result<Option<N8nSource>, N8nError> {
        let settings = &self.parts.settings;
        let Some(url) = settings.secret(Key::N8nDatabaseUrl)? else {
            return Ok(None);
        };
        Ok(Some(N8nSource {
            conninfo: ConnInfo::parse(url.expose_secret())?,
            encryption_key: settings.secret(Key::N8nEncryptionKey)?,
            is_sample: settings.boolean(Key::N8nIsSample),
        }))
    }

    /// The saved URL with its password, for the recovery kit.
    pub fn database_url(&self) -> Result<Option<SecretString>, N8nError> {
        Ok(self.parts.settings.secret(Key::N8nDatabaseUrl)?)
    }

    /// Whether the sample can be made here.
    pub fn is_sample_available(&self) -> bool {
        self.parts.embedded.is_some()
    }

    /// The last test and when it was.
    pub fn last_test(&self) -> Option<(DateTime<Utc>, TestReport)> {
        self.last_test.lock().clone()
    }

    /// Sets the connection; what is `None` stays as it is. An inner `None` removes the key.
    pub async fn connect(
        &self,
        actor: &Actor,
        url: Option<SecretString>,
        key: Option<Option<SecretString>>,
    ) -> Result<(), N8nError> {
        if url.is_none() && key.is_none() {
            return Err(N8nError::NothingToChange);
        }
        let mut changes: Vec<(Key, Option<Value>)> = Vec::new();
        let mut details = json!({});
        let was_sample = self.parts.settings.boolean(Key::N8nIsSample);
        if let Some(url) = url {
            let info = ConnInfo::parse(url.expose_secret())?;
            details = json!({ "address": info.address(), "database": info.database });
            changes.push((Key::N8nDatabaseUrl, Some(json!(url.expose_secret().trim()))));
            changes.push((Key::N8nIsSample, None));
            if was_sample && key.is_none() {
                // The sample's key opens nothing of a real n8n.
                changes.push((Key::N8nEncryptionKey, None));
            }
        }
        if let Some(key) = key {
            let key = key.filter(|key| !key.expose_secret().is_empty());
            let key = key.map(|key| json!(key.expose_secret()));
            changes.push((Key::N8nEncryptionKey, key));
        }
        let entry = Entry::new(Action::N8nConnected)
            .resource("n8n", "connection")
            .details(details);
        self.parts
            .settings
            .change(actor, changes, Some(entry))
            .await?;
        *self.last_test.lock() = None;
        Ok(())
    }

    /// Forgets the connection.
    pub async fn disconnect(&self, actor: &Actor) -> Result<(), N8nError> {
        let changes =
            [Key::N8nDatabaseUrl, Key::N8nEncryptionKey, Key::N8nIsSample].map(|key| (key, None));
        let entry = Entry::new(Action::N8nDisconnected).resource("n8n", "connection");
        self.parts
            .settings
            .change(actor, changes.into(), Some(entry))
            .await?;
        *self.last_test.lock() = None;
        Ok(())
    }

    /// Makes the sample n8n in the private PostgreSQL and connects to it.
    pub async fn create_sample(&self, actor: &Actor) -> Result<(), N8nError> {
        let embedded = self
            .parts
            .embedded
            .as_ref()
            .ok_or(N8nError::SampleUnavailable)?;
        let Sample { url, key } = sample::create(embedded, &self.parts).await?;
        let changes = vec![
            (Key::N8nDatabaseUrl, Some(json!(url.expose_secret()))),
            (Key::N8nEncryptionKey, Some(json!(key.expose_secret()))),
            (Key::N8nIsSample, Some(json!(true))),
        ];
        let entry = Entry::new(Action::N8nSampleCreated).resource("n8n", "connection");
        self.parts
            .settings
            .change(actor, changes, Some(entry))
            .await?;
        *self.last_test.lock() = None;
        Ok(())
    }

    /// Tries a connection: the given parts in place of the saved ones.
    pub async fn test(
        &self,
        url: Option<SecretString>,
        key: Option<SecretString>,
    ) -> Result<TestReport, N8nError> {
        let started = Instant::now();
        let saved = self.source()?;
        let is_saved = url.is_none() && key.is_none();
        let conninfo = match (&url, &saved) {
            (Some(url), _) => ConnInfo::parse(url.expose_secret())?,
            (None, Some(saved)) => saved.conninfo.clone(),
            (None, None) => return Err(N8nError::NotConfigured),
        };
        let key = key.or(saved.and_then(|saved| saved.encryption_key));
        let mut report = TestReport::default();
        match connect(&conninfo).await {
            Err(problem) => report.problems.push(problem),
            Ok(mut connection) => {
                let inspected = self.inspect(&mut connection, &conninfo, key, &mut report);
                match tokio::time::timeout(QUERY_TIMEOUT, inspected).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => report.problems.push(Problem::error(
                        "query_failed",
                        format!("The server refused a question: {}.", server_words(&error)),
                        "Give the role rights to read n8n's tables.",
                    )),
                    Err(_) => report.problems.push(Problem::error(
                        "too_slow",
                        "The server took too long to answer.",
                        "Try again when it is less busy.",
                    )),
                }
                let _ = connection.close().await;
            }
        }
        report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if is_saved {
            *self.last_test.lock() = Some((self.parts.clock.now(), report.clone()));
        }
        Ok(report)
    }

    async fn inspect(
        &self,
        connection: &mut PgConnection,
        conninfo: &ConnInfo,
        key: Option<SecretString>,
        report: &mut TestReport,
    ) -> sqlx::Result<()> {
        let (server_version, server_major) = server_version(connection).await?;
        match self.parts.installations.client_for(server_major) {
            Ok(client) => {
                let path = client.program("pg_dump").display().to_string();
                report.client = Some((path, client.version.clone(), client.major));
            }
            Err(error) => report.problems.push(Problem::error(
                "no_client",
                format!("No pg_dump here can dump this server: {error}."),
                format!("apt-get install postgresql-client-{server_major}"),
            )),
        }
        let Some(tables) = probe::find_tables(connection).await? else {
            report.problems.push(Problem::error(
                "not_n8n",
                format!("The database {} holds no n8n.", conninfo.database),
                "Give the database that n8n's DB_POSTGRESDB_DATABASE names.",
            ));
            return Ok(());
        };
        let unreadable = unreadable_tables(connection).await?;
        if let Some(first) = unreadable.first() {
            let (table, user) = (&first.table, &conninfo.user);
            report.problems.push(if first.is_row_security {
                Problem::error(
                    "row_security",
                    format!("Row security hides rows of {table} from {user}."),
                    format!("ALTER ROLE {user} BYPASSRLS, or use the owner of n8n's tables."),
                )
            } else {
                Problem::error(
                    "no_permission",
                    format!("{user} may not read {table}."),
                    format!("GRANT pg_read_all_data TO {user}, or use the owner of n8n's tables."),
                )
            });
            return Ok(());
        }
        report.facts = Some(facts(connection, &tables, server_version, server_major).await?);
        report.key_check = Some(match key {
            None => (
                "no_key",
                "No key was given, so the credentials cannot be checked.".to_owned(),
            ),
            Some(key) => match probe::check_credentials(connection, &tables, key)
                .await?
                .key
            {
                KeyCheck::Proven(how) => ("proven", format!("The key is right: {how}.")),
                KeyCheck::CannotProve(why) => ("cannot_prove", format!("Cannot tell: {why}.")),
                KeyCheck::Wrong(how) => {
                    report.problems.push(Problem {
                        code: "wrong_key",
                        is_error: false,
                        message: format!("The key is not the one n8n uses: {how}."),
                        remedy: "Copy encryptionKey out of n8n's .n8n/config file, or the value \
                                 of N8N_ENCRYPTION_KEY."
                            .to_owned(),
                    });
                    ("wrong", format!("The key is wrong: {how}."))
                }
            },
        });
        Ok(())
    }

    /// A password file for programs that connect to `conninfo`.
    pub(super) fn pass_file(parts: &N8nParts, conninfo: &ConnInfo) -> std::io::Result<PassFile> {
        PassFile::create(conninfo, &std::env::temp_dir(), None, &parts.ids)
    }
}

async fn facts(
    connection: &mut PgConnection,
    tables: &N8nTables,
    server_version: String,
    server_major: u32,
) -> sqlx::Result<Facts> {
    let size = "SELECT pg_database_size(current_database())";
    Ok(Facts {
        n8n_version: probe::version(connection, tables).await?,
        server_version,
        server_major,
        database_size_bytes: sqlx::query_scalar(size).fetch_one(&mut *connection).await?,
        workflow_count: probe::count(connection, tables, "workflow_entity", "TRUE").await?,
        active_workflow_count: probe::count(connection, tables, "workflow_entity", "active")
            .await?,
        credential_count: probe::count(connection, tables, "credentials_entity", "TRUE").await?,
        execution_count: probe::count_roughly(connection, tables, "execution_entity").await?,
    })
}

/// The server's version, whole and major.
pub async fn server_version(connection: &mut PgConnection) -> sqlx::Result<(String, u32)> {
    let version: String = sqlx::query_scalar("SELECT current_setting('server_version')")
        .fetch_one(&mut *connection)
        .await?;
    let number: String = sqlx::query_scalar("SELECT current_setting('server_version_num')")
        .fetch_one(connection)
        .await?;
    let major = number.parse::<u32>().map_or(0, |number| number / 10_000);
    let version = version
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    Ok((version, major))
}

/// Connects, or says in a user's words why not.
async fn connect(conninfo: &ConnInfo) -> Result<PgConnection, Problem> {
    let address = conninfo.address();
    let options = conninfo.to_sqlx();
    let error = match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(error)) => error,
        Err(_) => {
            return Err(Problem::error(
                "no_answer",
                format!("Nothing answers at {address}."),
                "Check host and port, and that a firewall lets Flowkeep through.",
            ));
        }
    };
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    Err(match (code.as_deref(), &error) {
        (Some("28P01" | "28000"), _) => Problem::error(
            "access_denied",
            format!(
                "The server at {address} does not let {} in: {}.",
                conninfo.user,
                server_words(&error)
            ),
            "Check user and password; n8n has them in DB_POSTGRESDB_USER and DB_POSTGRESDB_PASSWORD.",
        ),
        (Some("3D000"), _) => Problem::error(
            "no_database",
            format!(
                "The server at {address} has no database {}.",
                conninfo.database
            ),
            "Give the database that n8n's DB_POSTGRESDB_DATABASE names.",
        ),
        (_, sqlx::Error::Io(cause)) => Problem::error(
            "unreachable",
            format!("Cannot reach {address}: {cause}."),
            "Check host and port. A database in Docker must publish its port or share a network \
             with Flowkeep.",
        ),
        _ => Problem::error(
            "cannot_connect",
            format!("Cannot connect to {address}: {}.", server_words(&error)),
            "Check the URL.",
        ),
    })
}
