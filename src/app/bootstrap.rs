//! From the configuration to the parts: which database, which programs.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Parts, Tuning};
use crate::features::settings::MasterKey;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db::Db;
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::{ConnInfo, EmbeddedCluster, Installations};
use crate::platform::process::Processes;

/// Builds the parts. Looks for PostgreSQL's programs; starts nothing.
pub async fn bootstrap(config: Config) -> Result<Parts, Box<dyn Error>> {
    config.validate()?;
    let (processes, ids) = (Processes::new(), Ids::system());
    let installations = Installations::discover(&processes, &config.database.postgres_dirs).await;
    let (own_database, embedded) = if let Some(url) = config.database.external_url()? {
        let info = ConnInfo::parse(url.expose_secret())
            .map_err(|error| format!("DATABASE_URL: {error}"))?;
        (info, None)
    } else {
        let cluster = EmbeddedCluster::prepare(
            &config.data.data_dir,
            &installations,
            processes.clone(),
            ids.clone(),
        )?;
        (cluster.conninfo(), Some(cluster))
    };
    let secrets = &config.secrets;
    let key_file = secrets
        .master_key_file
        .clone()
        .unwrap_or_else(|| config.data.data_dir.join("master.key"));
    let master_key = MasterKey::load(secrets.master_key().as_ref(), &key_file, &ids)?;
    let db = Db::with_options(own_database.to_sqlx(), config.database.max_connections);
    Ok(Parts {
        lifecycle: Lifecycle::new(Duration::from_secs(config.http.stop_grace_seconds)),
        config: Arc::new(config),
        db,
        own_database,
        embedded,
        installations: Arc::new(installations),
        processes,
        master_key,
        clock: Clock::system(),
        ids,
        tuning: Tuning::default(),
    })
}
