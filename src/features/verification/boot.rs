//! The deepest proof: the n8n image starts on the restored copy and says that it is ready. It shares the
//! loopback of the database's container and has no other network; its workflows are inert.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection};

use super::engine::Boot;
use crate::features::n8n;
use crate::platform::docker::{Cage, Docker, Labels};
use crate::platform::postgres::ConnInfo;

/// n8n 1.x and 2.x migrate and listen within a minute on a small machine.
const LIMIT: Duration = Duration::from_mins(5);
const MEMORY_BYTES: i64 = 2 * 1024 * 1024 * 1024;
const PIDS: i64 = 256;
const HOME: &str = "/tmp/flowkeep-n8n";
/// Asks n8n, from inside the network it shares.
const ASK: &str = "exec 3<>/dev/tcp/127.0.0.1/5678 && \
    printf 'GET /healthz/readiness HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && cat <&3";

/// The database's container that n8n is started beside.
pub struct Beside<'a> {
    pub docker: &'a Docker,
    pub database: &'a str,
    pub labels: &'a Labels,
    pub conninfo: &'a ConnInfo,
}

/// Starts n8n beside a restored copy. What happens there stays there.
pub async fn boot(beside: &Beside<'_>, image: &str, key: Option<SecretString>) -> Boot {
    if image.is_empty() {
        return Boot::NotTried("No n8n image is named in the settings of proofs.".to_owned());
    }
    let Some(key) = key else {
        return Boot::NotTried(
            "n8n's encryption key is not saved here, and without it n8n would make a new one."
                .to_owned(),
        );
    };
    match beside.docker.has_image(image).await {
        Ok(true) => {}
        Ok(false) => return Boot::NotTried(format!("The image {image} is not there.")),
        Err(error) => return Boot::NotTried(format!("{error}.")),
    }
    if let Err(error) = make_inert(beside.conninfo).await {
        return Boot::NotTried(format!("Its workflows could not be made inert: {error}."));
    }
    let config = match config(&key) {
        Ok(config) => config,
        Err(error) => return Boot::NotTried(format!("{error}.")),
    };
    let cage = Cage {
        image: image.to_owned(),
        user: "1000".to_owned(),
        argv: ["n8n", "start"].map(str::to_owned).into(),
        env: environment(),
        memory_bytes: MEMORY_BYTES,
        pids: PIDS,
        shares_network_of: Some(beside.database.to_owned()),
        labels: Labels {
            run: format!("{}-n8n", beside.labels.run),
            ..beside.labels.clone()
        },
        files: Some(config),
    };
    let started = Instant::now();
    let id = match beside.docker.start_caged(&cage).await {
        Ok(id) => id,
        Err(error) => {
            return Boot::NotTried(format!("A container of {image} does not start: {error}."));
        }
    };
    let booted = wait(beside, &id, started).await;
    if let Err(error) = beside.docker.remove_container(&id).await {
        tracing::warn!(%error, "n8n's throwaway container is left to the reaper");
    }
    booted
}

async fn make_inert(conninfo: &ConnInfo) -> sqlx::Result<()> {
    let mut connection = conninfo.to_sqlx().connect().await?;
    let tables = n8n::find_tables(&mut connection).await?;
    connection.close().await?;
    match tables {
        Some(tables) => n8n::make_inactive(conninfo, &tables).await,
        None => Ok(()),
    }
}

fn environment() -> Vec<String> {
    [
        "DB_TYPE=postgresdb",
        "DB_POSTGRESDB_HOST=127.0.0.1",
        "DB_POSTGRESDB_PORT=5432",
        "DB_POSTGRESDB_USER=postgres",
        "DB_POSTGRESDB_DATABASE=postgres",
        "DB_POSTGRESDB_PASSWORD=none",
        "N8N_USER_FOLDER=/tmp/flowkeep-n8n",
        "HOME=/tmp/flowkeep-n8n",
        "N8N_PORT=5678",
        "N8N_LISTEN_ADDRESS=127.0.0.1",
        "N8N_DIAGNOSTICS_ENABLED=false",
        "N8N_VERSION_NOTIFICATIONS_ENABLED=false",
        "N8N_TEMPLATES_ENABLED=false",
        "N8N_PERSONALIZATION_ENABLED=false",
        "N8N_RUNNERS_ENABLED=false",
        "N8N_ENFORCE_SETTINGS_FILE_PERMISSIONS=false",
        "EXECUTIONS_DATA_PRUNE=false",
    ]
    .map(str::to_owned)
    .into()
}

/// n8n's own file with the key, as every version reads it; the environment would show it to whoever may
/// use Docker.
fn config(key: &SecretString) -> std::io::Result<Vec<u8>> {
    let content = serde_json::to_vec(&serde_json::json!({ "encryptionKey": key.expose_secret() }))?;
    let mut tar = tar::Builder::new(Vec::new());
    let home = HOME.trim_start_matches('/');
    for (path, is_dir) in [
        (home.to_owned(), true),
        (format!("{home}/.n8n"), true),
        (format!("{home}/.n8n/config"), false),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_mode(if is_dir { 0o700 } else { 0o600 });
        header.set_entry_type(if is_dir {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        let bytes: &[u8] = if is_dir { &[] } else { &content };
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, bytes)?;
    }
    tar.into_inner()
}

async fn wait(beside: &Beside<'_>, id: &str, started: Instant) -> Boot {
    while started.elapsed() < LIMIT {
        match beside.docker.state(id, false).await {
            Ok(Some(state)) if state.is_running => {}
            Ok(Some(state)) => {
                let why = if state.is_out_of_memory {
                    "it took more memory than it may".to_owned()
                } else {
                    format!("it ended with code {}", state.exit_code.unwrap_or(-1))
                };
                let words = beside.docker.last_words(id).await.unwrap_or_default();
                return Boot::Failed(format!("{why}. {words}").trim().to_owned());
            }
            Ok(None) => return Boot::NotTried("Somebody removed n8n's container.".to_owned()),
            Err(error) => return Boot::NotTried(format!("{error}.")),
        }
        let asked = beside.docker.output(beside.database, &["bash", "-c", ASK]);
        if let Ok(Ok(ended)) = tokio::time::timeout(Duration::from_secs(10), asked).await
            && is_ready(&ended.stdout)
        {
            return Boot::Ready(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let words = beside.docker.last_words(id).await.unwrap_or_default();
    Boot::Failed(format!(
        "it was not ready after {} s. {words}",
        LIMIT.as_secs()
    ))
}

/// `HTTP/1.1 200`: 503 while it still connects or migrates.
fn is_ready(answer: &str) -> bool {
    let mut words = answer.split_whitespace();
    words
        .next()
        .is_some_and(|version| version.starts_with("HTTP/"))
        && words.next() == Some("200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_of_200_is_ready() {
        assert!(is_ready("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}"));
        assert!(!is_ready("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
        assert!(!is_ready(""));
        assert!(!is_ready("200 OK"));
    }
}
