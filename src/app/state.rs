//! What handlers can reach: each names exactly the part it needs by `State<Part>`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;

use super::about::StartedAt;
use super::assemble::{backups, containers, flows, n8n, post, sso, upgrades};
use super::watch::watch;
use crate::features::auth::{AuthParts, AuthService};
use crate::features::backups::BackupService;
use crate::features::containers::ContainerService;
use crate::features::destinations::{DestinationParts, DestinationService};
use crate::features::email::EmailService;
use crate::features::flows::FlowService;
use crate::features::host::HostService;
use crate::features::migration::{MigrationParts, MigrationService};
use crate::features::n8n::N8nService;
use crate::features::notifications::NotificationService;
use crate::features::recovery::{RecoveryParts, RecoveryService};
use crate::features::restores::{RestoreParts, RestoreService};
use crate::features::retention::{RetentionParts, RetentionService};
use crate::features::schedules::{ScheduleParts, ScheduleService};
use crate::features::settings::{MasterKey, SettingsService, Vault};
use crate::features::sso::SsoService;
use crate::features::upgrades::{Patience, UpgradeService};
use crate::features::verification::{
    ChosenEngine, DockerEngine, DockerEngineParts, LocalEngine, VerificationParts,
    VerificationService,
};
use crate::features::watchdog::WatchdogService;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db::Db;
use crate::platform::docker::Docker;
use crate::platform::events::EventBus;
use crate::platform::health::HealthRegistry;
use crate::platform::http::rate_limit::{Limits, Rates};
use crate::platform::ids::Ids;
use crate::platform::leader::{self, Candidacy, LeaseTimes};
use crate::platform::lifecycle::Lifecycle;
use crate::platform::mail::Mailer;
use crate::platform::metrics::Metrics;
use crate::platform::outbound::Outbound;
use crate::platform::postgres::{ConnInfo, EmbeddedCluster, Installations};
use crate::platform::process::Processes;
use crate::platform::tls;

/// What tests turn down; the daemon takes the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tuning {
    /// How much each client address may ask for.
    pub rates: Rates,
    /// bcrypt's cost in place of the setting.
    pub bcrypt_cost: Option<u32>,
    /// How long a leader that says nothing stays one.
    pub lease: LeaseTimes,
    /// How long a destination may say nothing, and a mail server may take.
    pub patience: Option<Duration>,
    /// How long an upgrade of n8n waits for its containers.
    pub upgrade: Option<Patience>,
}

/// What the state is built from; tests give a manual clock and seeded ids.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The validated configuration.
    pub config: Arc<Config>,
    /// Flowkeep's own database, perhaps not there yet.
    pub db: Db,
    /// Where that database is.
    pub own_database: ConnInfo,
    /// The private PostgreSQL that holds it, if no server was given.
    pub embedded: Option<EmbeddedCluster>,
    /// The PostgreSQL programs of this machine.
    pub installations: Arc<Installations>,
    /// Runs programs.
    pub processes: Processes,
    /// Wraps the keys that secrets are encrypted under.
    pub master_key: MasterKey,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Start and stop.
    pub lifecycle: Lifecycle,
    /// Limits and costs.
    pub tuning: Tuning,
}

/// Everything handlers can reach. Cheap to clone.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The validated configuration.
    pub config: Arc<Config>,
    /// Flowkeep's own database.
    pub db: Db,
    /// Where that database is.
    pub own_database: Arc<ConnInfo>,
    /// The private PostgreSQL, if there is one.
    pub embedded: Option<Arc<EmbeddedCluster>>,
    /// The PostgreSQL programs of this machine.
    pub installations: Arc<Installations>,
    /// Runs programs.
    pub processes: Processes,
    /// Time.
    pub clock: Clock,
    /// When this process began.
    pub started_at: StartedAt,
    /// Randomness.
    pub ids: Ids,
    /// Start and stop.
    pub lifecycle: Lifecycle,
    /// The state of each part.
    pub health: HealthRegistry,
    /// What happens, told to this process' listeners.
    pub events: EventBus,
    /// The Docker engine.
    pub docker: Docker,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// How much each client may ask for.
    pub limits: Limits,
    /// What people can change.
    pub settings: SettingsService,
    /// Signing in.
    pub auth: AuthService,
    /// One login for the tools beside Flowkeep.
    pub sso: SsoService,
    /// The n8n that is looked after.
    pub n8n: N8nService,
    /// Backups.
    pub backups: BackupService,
    /// Where backups are proven.
    pub local_engine: LocalEngine,
    /// Where they are proven in containers.
    pub docker_engine: DockerEngine,
    /// Their proof.
    pub verifications: VerificationService,
    /// Where copies go.
    pub destinations: DestinationService,
    /// Asks places that people named.
    pub outbound: Outbound,
    /// Hands mail to servers.
    pub mailer: Mailer,
    /// E-mail.
    pub email: EmailService,
    /// Who is told what.
    pub notifications: NotificationService,
    /// Containers of the project.
    pub containers: ContainerService,
    /// Workflows, now and in every backup.
    pub flows: FlowService,
    /// The way from version 2.
    pub migration: MigrationService,
    /// How a lost box comes back.
    pub recovery: RecoveryService,
    /// How they come back.
    pub restores: RestoreService,
    /// How long they stay.
    pub retention: RetentionService,
    /// When they are made.
    pub schedules: ScheduleService,
    /// n8n from another image.
    pub upgrades: UpgradeService,
    /// The machine that this runs on.
    pub host: HostService,
    /// The watch over n8n's executions.
    pub watchdog: WatchdogService,
    /// Who asks for the lead.
    pub candidacy: Arc<Candidacy>,
}

impl AppState {
    /// Puts the services together. Touches neither network nor disk.
    pub fn new(parts: Parts) -> Self {
        tls::install();
        let docker = Docker::new(&parts.config.docker.docker_host);
        let events = EventBus::default();
        let metrics = Metrics::default();
        let vault = Vault::new(
            parts.master_key.clone(),
            parts.ids.clone(),
            parts.clock.clone(),
        );
        let settings = SettingsService::new(
            parts.db.clone(),
            parts.clock.clone(),
            parts.ids.clone(),
            events.clone(),
            vault,
        );
        let auth = AuthService::new(AuthParts {
            settings: settings.clone(),
            metrics: metrics.clone(),
            db: parts.db.clone(),
            clock: parts.clock.clone(),
            ids: parts.ids.clone(),
            events: events.clone(),
            bcrypt_cost: parts.tuning.bcrypt_cost,
        });
        let sso = sso(&parts, &events, &settings, &auth, &metrics);
        let n8n = n8n(&parts, &docker, &settings);
        let backups = backups(&parts, &n8n, &settings, &events);
        let proofs = Proofs::new(&parts, &docker, &settings, &n8n, &backups, &events);
        let upkeep = Upkeep::new(&parts, &backups, &settings, &n8n, &proofs.verifications);
        let flows = flows(&parts, &n8n, &backups, &events);
        let upgrades = upgrades(
            &parts,
            &docker,
            &n8n,
            &backups,
            &proofs.verifications,
            &upkeep.restores,
            &events,
        );
        let (host, watchdog) = watch(
            &parts,
            &settings,
            &n8n,
            &upkeep.destinations,
            (&upkeep.restores, &upgrades),
            &events,
        );
        let containers = containers(&parts, &docker, &settings, &events, &n8n, &upgrades);
        let (outbound, mailer, email, notifications) = post(&parts, &settings, &events);
        backups.register_metrics(&metrics);
        Self {
            config: parts.config,
            db: parts.db,
            own_database: Arc::new(parts.own_database),
            embedded: parts.embedded.map(Arc::new),
            installations: parts.installations,
            processes: parts.processes,
            started_at: StartedAt(parts.clock.now()),
            clock: parts.clock,
            ids: parts.ids,
            lifecycle: parts.lifecycle,
            health: HealthRegistry::default(),
            events,
            docker,
            metrics,
            limits: Limits::new(parts.tuning.rates),
            settings,
            auth,
            sso,
            n8n,
            backups,
            local_engine: proofs.local_engine,
            docker_engine: proofs.docker_engine,
            verifications: proofs.verifications,
            destinations: upkeep.destinations,
            outbound,
            mailer,
            email,
            notifications,
            containers,
            flows,
            migration: upkeep.migration,
            recovery: upkeep.recovery,
            restores: upkeep.restores,
            retention: upkeep.retention,
            schedules: upkeep.schedules,
            upgrades,
            host,
            watchdog,
            candidacy: Arc::new(upkeep.candidacy),
        }
    }
}

/// How backups are proven.
struct Proofs {
    local_engine: LocalEngine,
    docker_engine: DockerEngine,
    verifications: VerificationService,
}

impl Proofs {
    fn new(
        parts: &Parts,
        docker: &Docker,
        settings: &SettingsService,
        n8n: &N8nService,
        backups: &BackupService,
        events: &EventBus,
    ) -> Self {
        let local_engine = LocalEngine::new(
            parts.config.data.data_dir.join("verify"),
            Arc::clone(&parts.installations),
            parts.processes.clone(),
            parts.ids.clone(),
            parts.lifecycle.clone(),
        );
        let docker_engine = DockerEngine::new(DockerEngineParts {
            docker: docker.clone(),
            settings: settings.clone(),
            clock: parts.clock.clone(),
            ids: parts.ids.clone(),
            lifecycle: parts.lifecycle.clone(),
        });
        let chosen = ChosenEngine::new(
            docker_engine.clone(),
            local_engine.clone(),
            settings.clone(),
        );
        let verifications = VerificationService::new(VerificationParts {
            db: parts.db.clone(),
            backups: backups.clone(),
            n8n: n8n.clone(),
            settings: settings.clone(),
            engine: Arc::new(chosen),
            docker_engine: docker_engine.clone(),
            clock: parts.clock.clone(),
            ids: parts.ids.clone(),
            events: events.clone(),
        });
        Self {
            local_engine,
            docker_engine,
            verifications,
        }
    }
}

/// What stands on backups and their proof.
struct Upkeep {
    destinations: DestinationService,
    migration: MigrationService,
    recovery: RecoveryService,
    restores: RestoreService,
    retention: RetentionService,
    schedules: ScheduleService,
    candidacy: Candidacy,
}

impl Upkeep {
    fn new(
        parts: &Parts,
        backups: &BackupService,
        settings: &SettingsService,
        n8n: &N8nService,
        verifications: &VerificationService,
    ) -> Self {
        let destinations = DestinationService::new(DestinationParts {
            db: parts.db.clone(),
            backups: backups.clone(),
            settings: settings.clone(),
            processes: parts.processes.clone(),
            backup_dir: parts.config.data.backup_dir(),
            clock: parts.clock.clone(),
            ids: parts.ids.clone(),
            patience: parts.tuning.patience.unwrap_or(Duration::from_mins(1)),
        });
        let retention = RetentionService::new(RetentionParts {
            db: parts.db.clone(),
            backups: backups.clone(),
            settings: settings.clone(),
            clock: parts.clock.clone(),
            ids: parts.ids.clone(),
        });
        let schedules = ScheduleService::new(ScheduleParts {
            db: parts.db.clone(),
            settings: settings.clone(),
            backups: backups.clone(),
            verifications: verifications.clone(),
            destinations: destinations.clone(),
            near: Outbound::near(),
            clock: parts.clock.clone(),
            ids: parts.ids.clone(),
        });
        let migration = MigrationService::new(MigrationParts {
            db: parts.db.clone(),
            settings: settings.clone(),
            n8n: n8n.clone(),
            backups: backups.clone(),
            schedules: schedules.clone(),
            retention: retention.clone(),
            destinations: destinations.clone(),
            clock: parts.clock.clone(),
        });
        Self {
            destinations: destinations.clone(),
            recovery: RecoveryService::new(RecoveryParts {
                db: parts.db.clone(),
                settings: settings.clone(),
                n8n: n8n.clone(),
                backups: backups.clone(),
                destinations: destinations.clone(),
                backup_dir: parts.config.data.backup_dir().display().to_string(),
                clock: parts.clock.clone(),
            }),
            restores: RestoreService::new(RestoreParts {
                db: parts.db.clone(),
                own_database: parts.own_database.clone(),
                backups: backups.clone(),
                verifications: verifications.clone(),
                n8n: n8n.clone(),
                installations: Arc::clone(&parts.installations),
                processes: parts.processes.clone(),
                clock: parts.clock.clone(),
                ids: parts.ids.clone(),
                lifecycle: parts.lifecycle.clone(),
            }),
            migration,
            retention,
            schedules,
            candidacy: Candidacy::new(
                parts.db.clone(),
                parts.own_database.to_sqlx(),
                parts.ids.uuid(),
                &leader::own_name(),
                parts.tuning.lease,
            ),
        }
    }
}
