//! What runs beside the web server: bringing the database up, the watchdog, housekeeping.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::migrate::MigrateError;
use tokio_util::sync::CancellationToken;

use super::health::DATABASE;
use super::{AppState, setup_link};
use crate::features::auth::NewAdmin;
use crate::features::containers::PRESSURE_EVENTS;
use crate::features::settings::{SettingsError, VaultError};
use crate::platform::health::PartStatus;
use crate::platform::leader::{Ballot, Term};
use crate::platform::postgres::{EmbeddedCluster, PassFile};

/// The master key in `/api/health`.
const MASTER_KEY: &str = "master_key";
/// The private PostgreSQL in `/api/health`.
const EMBEDDED: &str = "embedded_postgres";
/// Who does what must be done once, in `/api/health`.
const LEADER: &str = "leader";
/// The backup folder in `/api/health`.
const STORAGE: &str = "storage";
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Starts everything that runs in the background; the web server listens on `listen`.
pub fn start(state: &AppState, listen: SocketAddr) {
    for dir in [state.config.data.backup_dir(), std::env::temp_dir()] {
        PassFile::sweep(&dir);
    }
    state
        .health
        .set(DATABASE, PartStatus::Starting, "connecting");
    if let Some(embedded) = state.embedded.clone() {
        state
            .health
            .set(EMBEDDED, PartStatus::Starting, embedded.version());
        state
            .lifecycle
            .spawn_late("embedded postgres", run_embedded(state.clone(), embedded));
    }
    state
        .lifecycle
        .spawn("database", bring_up(state.clone(), listen));
    state
        .lifecycle
        .spawn("limits", forget_idle_clients(state.clone()));
    state
        .lifecycle
        .spawn("watchdog", feed_watchdog(state.clone()));
}

/// Starts the private PostgreSQL and keeps it running.
async fn run_embedded(state: AppState, embedded: Arc<EmbeddedCluster>) {
    let mut wait = FIRST_WAIT;
    let cluster = loop {
        match embedded.start().await {
            Ok(cluster) => break cluster,
            Err(error) => {
                tracing::error!(%error, "the private PostgreSQL does not start");
                state.health.set(
                    EMBEDDED,
                    PartStatus::Down,
                    "it does not start; the log says why",
                );
            }
        }
        if !pause(&state, &mut wait).await {
            return;
        }
    };
    tracing::info!(
        version = embedded.version(),
        "no DATABASE_URL: using a private PostgreSQL under the data folder"
    );
    let version = embedded.version();
    let health = state.health.clone();
    // It must outlive whatever still writes, so it ends after the other tasks: see `serve`.
    let stop = state.lifecycle.late().clone();
    embedded
        .supervise(cluster, stop, move |changed| match changed {
            Ok(()) => health.set(EMBEDDED, PartStatus::Ok, version.clone()),
            Err(why) => {
                tracing::error!(why, "the private PostgreSQL ended; starting it again");
                health.set(EMBEDDED, PartStatus::Down, "it ended; starting it again");
            }
        })
        .await;
}

/// Waits for the database, migrates it, and opens the gate. Tries for as long as it takes, and
/// goes on watching it afterwards.
async fn bring_up(state: AppState, listen: SocketAddr) {
    let mut wait = FIRST_WAIT;
    loop {
        match prepare(&state, listen).await {
            Ok(()) => break,
            Err(Unprepared::WrongMasterKey(error)) => {
                tracing::error!(
                    %error,
                    "Flowkeep does not start: put the right master key back and restart it"
                );
                let detail = "the master key is not the one this database was encrypted with; \
                              put the right one back and restart Flowkeep";
                state.health.set(MASTER_KEY, PartStatus::Failed, detail);
                return;
            }
            Err(Unprepared::OtherVersion(why)) => {
                tracing::error!(why, "Flowkeep does not start");
                state.health.set(DATABASE, PartStatus::Failed, why);
                return;
            }
            Err(Unprepared::Retry(error)) => {
                tracing::info!(
                    error,
                    retry_ms = wait.as_millis(),
                    "waiting for the database"
                );
                state
                    .health
                    .set(DATABASE, PartStatus::Starting, "waiting for the database");
            }
        }
        if !pause(&state, &mut wait).await {
            return;
        }
    }
    state.health.set(DATABASE, PartStatus::Ok, "connected");
    tracing::info!("ready");
    let (auth, stop) = (state.auth.clone(), state.lifecycle.soft().clone());
    state
        .lifecycle
        .spawn("sessions", async move { auth.keep_up(stop).await });
    let (sso, stop) = (state.sso.clone(), state.lifecycle.soft().clone());
    state
        .lifecycle
        .spawn("single sign-on", async move { sso.keep_up(stop).await });
    let (sso, stop) = (state.sso.clone(), state.lifecycle.soft().clone());
    state
        .lifecycle
        .spawn("visits", async move { sso.write_visits(stop).await });
    let (backups, stop) = (state.backups.clone(), state.lifecycle.soft().clone());
    state.lifecycle.spawn(
        "backup metrics",
        async move { backups.keep_metrics(stop).await },
    );
    settle(&state).await;
    state.lifecycle.spawn("leader", lead(state.clone()));
    watch_database(&state).await;
}

/// Asks for the lead, and does what only one daemon may do for as long as it has it.
async fn lead(state: AppState) {
    let stop = state.lifecycle.soft();
    loop {
        match state.candidacy.ask().await {
            Ok(Ballot::Won(lead)) => {
                state.health.set(LEADER, PartStatus::Ok, "this one leads");
                tracing::info!(epoch = lead.term.epoch, "leading");
                let over = stop.child_token();
                let work = do_once(&state, lead.term, &over);
                tokio::join!(work, state.candidacy.hold(lead, stop, &over));
            }
            Ok(Ballot::Lost(holder)) => {
                let detail = match holder {
                    Some(holder) => format!("stands by: {} leads", holder.name),
                    None => "stands by".to_owned(),
                };
                state.health.set(LEADER, PartStatus::Ok, detail);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot ask for the lead");
                state
                    .health
                    .set(LEADER, PartStatus::Down, "the database does not answer");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(state.candidacy.pause()) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// What only the leader does, until its time is over.
async fn do_once(state: &AppState, term: Term, over: &CancellationToken) {
    tokio::join!(
        state.verifications.work(over.clone()),
        state.schedules.work(term, over.clone()),
        state.retention.work(over.clone()),
        state.destinations.work(over.clone()),
        state.destinations.keep_watch(over.clone()),
        state.containers.work(over.clone()),
        state
            .containers
            .watch_pressure(|| is_pressure_told(state.clone()), over.clone()),
        state.flows.work(over.clone()),
        state.notifications.work(over.clone()),
        state.verifications.keep_scrubbing(over.clone()),
        state.schedules.keep_watch(over.clone()),
        state.host.work(over.clone()),
        state.watchdog.work(over.clone()),
        state.upgrades.work(over.clone()),
    );
}

/// Whether anybody would be told that a container uses up what it may.
async fn is_pressure_told(state: AppState) -> bool {
    let told = state.notifications.has_rule_for(PRESSURE_EVENTS).await;
    told.unwrap_or_default()
}

/// Puts what a crash left in order.
async fn settle(state: &AppState) {
    state.local_engine.remove_leftovers().await;
    if let Err(error) = state.migration.settle().await {
        tracing::error!(%error, "cannot settle the way from version 2");
    }
    if let Err(error) = state.restores.settle().await {
        tracing::error!(%error, "cannot settle restores");
    }
    if let Err(error) = state.upgrades.settle().await {
        tracing::error!(%error, "cannot settle upgrades of n8n");
    }
    if let Err(error) = state.email.settle().await {
        tracing::error!(%error, "cannot put the templates of e-mail");
    }
    if let Err(error) = state.flows.settle().await {
        tracing::error!(%error, "cannot settle restores of workflows");
    }
    match state.backups.settle().await {
        Ok(()) => state
            .health
            .set(STORAGE, PartStatus::Ok, "the backup folder can be written"),
        Err(error) => {
            tracing::error!(%error, "the backup folder cannot be used");
            state.health.set(
                STORAGE,
                PartStatus::Down,
                "the backup folder cannot be used",
            );
        }
    }
}

/// Why Flowkeep is not ready.
enum Unprepared {
    /// Another try may go better.
    Retry(String),
    /// No other try goes better.
    WrongMasterKey(VaultError),
    /// The tables are another version's; no other try goes better.
    OtherVersion(String),
}

impl Unprepared {
    fn retry(error: impl std::fmt::Display) -> Self {
        Self::Retry(error.to_string())
    }
}

/// Brings the tables up to date and reads what is answered from memory; without an administrator,
/// makes the one that the configuration names or shows the way to make one.
async fn prepare(state: &AppState, listen: SocketAddr) -> Result<(), Unprepared> {
    state.db.migrate().await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => Unprepared::OtherVersion(format!(
            "a newer Flowkeep brought this database to version {version}; start that one, or restore the \
             database from a backup of before"
        )),
        MigrateError::VersionMismatch(version) => Unprepared::OtherVersion(format!(
            "this database was brought to version {version} by a Flowkeep that is not a released one"
        )),
        error => Unprepared::retry(error),
    })?;
    state.settings.load().await.map_err(|error| match error {
        SettingsError::Vault(error @ VaultError::WrongMasterKey) => {
            Unprepared::WrongMasterKey(error)
        }
        error => Unprepared::retry(error),
    })?;
    state.auth.load().await.map_err(Unprepared::retry)?;
    state.sso.load().await.map_err(Unprepared::retry)?;
    if let Some(file) = &state.config.secrets.admin_password_file
        && state.auth.is_setup_required()
        && let Err(error) = create_configured_admin(state, file).await
    {
        tracing::error!(
            error,
            "FLOWKEEP_ADMIN_PASSWORD_FILE: the administrator was not made"
        );
    }
    let offer = state.auth.offer_setup().await;
    if let Some(offer) = offer.map_err(Unprepared::retry)? {
        let public_url = state.config.http.public_url.as_ref();
        setup_link::show(&mut std::io::stdout(), &offer, public_url, listen)
            .map_err(|error| Unprepared::Retry(format!("cannot show the setup link: {error}")))?;
    }
    Ok(())
}

async fn create_configured_admin(state: &AppState, file: &Path) -> Result<(), String> {
    let username = &state.config.secrets.admin_username;
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let admin = NewAdmin {
        username: username.clone(),
        password: SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()),
        email: None,
    };
    let made = state.auth.create_first_admin(admin).await;
    if made.map_err(|error| error.to_string())? {
        tracing::info!(
            username,
            "made the administrator from FLOWKEEP_ADMIN_PASSWORD_FILE"
        );
    }
    Ok(())
}

/// Keeps the tables of the request limits small.
async fn forget_idle_clients(state: AppState) {
    let mut tick = tokio::time::interval(Duration::from_mins(1));
    loop {
        tokio::select! {
            _ = tick.tick() => state.limits.forget_idle(),
            () = state.lifecycle.soft().cancelled() => return,
        }
    }
}

/// At every so many looks it is also tried whether the database can be written.
const WRITE_EVERY: u64 = 6;

async fn watch_database(state: &AppState) {
    let mut tick = tokio::time::interval(Duration::from_secs(10));
    let (mut was_away, mut looks) = (false, 1_u64);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = state.lifecycle.soft().cancelled() => return,
        }
        match state.db.ping().await {
            Ok(()) => {
                if looks % WRITE_EVERY == 0 {
                    match state.db.try_write().await {
                        Ok(()) => state.health.set(DATABASE, PartStatus::Ok, "connected"),
                        Err(error) => {
                            tracing::error!(%error, "the database can be read and not written");
                            let detail = "it can be read and not written: its disk is full, or it is a \
                                          read-only standby";
                            state.health.set(DATABASE, PartStatus::Down, detail);
                        }
                    }
                } else if was_away {
                    state.health.set(DATABASE, PartStatus::Ok, "connected");
                }
                looks += 1;
                if std::mem::take(&mut was_away) {
                    // Ends that could not be noted meanwhile.
                    settle(state).await;
                }
            }
            Err(error) => {
                was_away = true;
                tracing::warn!(%error, "the database does not answer");
                state
                    .health
                    .set(DATABASE, PartStatus::Down, "the database does not answer");
            }
        }
    }
}

/// Waits longer each time. Returns false when Flowkeep is stopping.
async fn pause(state: &AppState, wait: &mut Duration) -> bool {
    // Several daemons that lost one database do not come back to it at the same moment.
    let jitter = f64::from(state.ids.bytes::<1>()[0]) / 255.0;
    tokio::select! {
        () = tokio::time::sleep(wait.mul_f64(0.75 + jitter / 2.0)) => {}
        () = state.lifecycle.soft().cancelled() => return false,
    }
    *wait = (*wait * 2).min(LONGEST_WAIT);
    true
}

/// Tells systemd that the event loop still turns, at half the interval it asks for.
async fn feed_watchdog(state: AppState) {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval(interval / 2);
    loop {
        tokio::select! {
            _ = tick.tick() => { let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]); }
            () = state.lifecycle.soft().cancelled() => return,
        }
    }
}
