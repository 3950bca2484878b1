//! The sample n8n that comes with Flowkeep: a small database that a real n8n 2.41 made.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection};
use tokio::io::AsyncWriteExt;

use super::N8nError;
use super::probe;
use super::service::{N8nParts, N8nService};
use crate::platform::postgres::{ConnInfo, EmbeddedCluster, Host};
use crate::platform::process::{CommandSpec, Input};

const DUMP: &[u8] = include_bytes!("../../../assets/sample/n8n-sample.dump");
const KEY: &str = include_str!("../../../assets/sample/n8n-sample.key");
const DATABASE: &str = "n8n_sample";
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
const TIMEOUT: Duration = Duration::from_mins(2);

/// Where the sample is and what opens it.
pub(super) struct Sample {
    pub url: SecretString,
    pub key: SecretString,
}

/// Makes the sample's database, or uses the one that is whole: what somebody changed in it stays.
pub(super) async fn create(
    embedded: &EmbeddedCluster,
    parts: &N8nParts,
) -> Result<Sample, N8nError> {
    let _one_at_a_time = ONE_AT_A_TIME.lock().await;
    let admin = embedded.conninfo();
    let target = admin.with_database(DATABASE);
    let failed = |error: &dyn std::fmt::Display| N8nError::Sample(error.to_string());
    let mut connection = admin
        .to_sqlx()
        .connect()
        .await
        .map_err(|error| failed(&error))?;
    if is_whole(&target).await {
        let _ = connection.close().await;
        return Ok(sample_at(&target));
    }
    for sql in [
        "DROP DATABASE IF EXISTS n8n_sample WITH (FORCE)",
        "CREATE DATABASE n8n_sample",
    ] {
        sqlx::query(sql)
            .execute(&mut connection)
            .await
            .map_err(|error| failed(&error))?;
    }
    connection.close().await.map_err(|error| failed(&error))?;
    let installation = embedded.installation();
    let pass_file = N8nService::pass_file(parts, &target).map_err(|error| failed(&error))?;
    let spec = CommandSpec::new(installation.program("pg_restore"))
        .args([
            "--no-password",
            "--no-owner",
            "--no-acl",
            "--exit-on-error",
            "--single-transaction",
        ])
        .arg(format!("--dbname={}", target.to_libpq()))
        .input(Input::Piped)
        .discard_stdout();
    let mut child = parts
        .processes
        .spawn(pass_file.apply(spec))
        .await
        .map_err(|error| failed(&error))?;
    if let Some(mut stdin) = child.take_stdin() {
        // When pg_restore gives up early, its own words say more than the broken pipe.
        let _ = stdin.write_all(DUMP).await;
        let _ = stdin.shutdown().await;
    }
    match tokio::time::timeout(TIMEOUT, child.wait()).await {
        Ok(Ok((status, _))) if status.success() => {}
        Ok(Ok((_, stderr))) => return Err(N8nError::Sample(stderr)),
        Ok(Err(error)) => return Err(failed(&error)),
        Err(_) => return Err(N8nError::Sample("pg_restore took too long".to_owned())),
    }
    Ok(sample_at(&target))
}

/// Whether the sample is there: it is restored in one transaction, so n8n's tables tell.
async fn is_whole(target: &ConnInfo) -> bool {
    let Ok(mut connection) = target.to_sqlx().connect().await else {
        return false;
    };
    let found = probe::find_tables(&mut connection).await;
    let _ = connection.close().await;
    matches!(found, Ok(Some(_)))
}

fn sample_at(target: &ConnInfo) -> Sample {
    Sample {
        url: url_of(target),
        key: SecretString::from(KEY.trim().to_owned()),
    }
}

/// The URL that reads back as this.
fn url_of(info: &ConnInfo) -> SecretString {
    let Host::Socket(dir) = &info.host else {
        return SecretString::from(String::new());
    };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("host", &dir.to_string_lossy());
    query.append_pair("port", &info.port.to_string());
    query.append_pair("user", &info.user);
    if let Some(password) = &info.password {
        query.append_pair("password", password.expose_secret());
    }
    SecretString::from(format!("postgres:///{}?{}", info.database, query.finish()))
}
