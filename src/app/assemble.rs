//! Puts features together that stand by themselves.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use crate::features::auth::AuthService;
use crate::features::backups::{BackupFiles, BackupParts, BackupService};
use crate::features::containers::{ContainerParts, ContainerService};
use crate::features::email::{EmailParts, EmailService};
use crate::features::flows::{FlowParts, FlowService};
use crate::features::n8n::{N8nParts, N8nService};
use crate::features::notifications::{NotificationParts, NotificationService};
use crate::features::restores::RestoreService;
use crate::features::settings::{Key, SettingsService};
use crate::features::sso::{SsoParts, SsoService};
use crate::features::upgrades::{UpgradeParts, UpgradeService};
use crate::features::verification::VerificationService;
use crate::platform::docker::{Docker, Place};
use crate::platform::events::{EventBus, ProgressBoard};
use crate::platform::mail::{Mailer, MailerParts};
use crate::platform::metrics::Metrics;
use crate::platform::outbound::{Outbound, Policy, SystemNames};

pub(super) fn sso(
    parts: &Parts,
    events: &EventBus,
    settings: &SettingsService,
    auth: &AuthService,
    metrics: &Metrics,
) -> SsoService {
    SsoService::new(SsoParts {
        db: parts.db.clone(),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
        events: events.clone(),
        settings: settings.clone(),
        auth: auth.clone(),
        metrics: metrics.clone(),
        public_url: parts.config.http.public_url.clone(),
    })
}

pub(super) fn backups(
    parts: &Parts,
    n8n: &N8nService,
    settings: &SettingsService,
    events: &EventBus,
) -> BackupService {
    BackupService::new(
        BackupParts {
            db: parts.db.clone(),
            own_database: parts.own_database.clone(),
            n8n: n8n.clone(),
            settings: settings.clone(),
            installations: Arc::clone(&parts.installations),
            processes: parts.processes.clone(),
            clock: parts.clock.clone(),
            ids: parts.ids.clone(),
            lifecycle: parts.lifecycle.clone(),
            events: events.clone(),
            board: ProgressBoard::default(),
        },
        BackupFiles::new(parts.config.data.backup_dir()),
    )
}

pub(super) fn n8n(parts: &Parts, docker: &Docker, settings: &SettingsService) -> N8nService {
    N8nService::new(N8nParts {
        settings: settings.clone(),
        installations: Arc::clone(&parts.installations),
        embedded: parts.embedded.clone(),
        processes: parts.processes.clone(),
        docker: docker.clone(),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
    })
}

pub(super) fn containers(
    parts: &Parts,
    docker: &Docker,
    settings: &SettingsService,
    events: &EventBus,
    n8n: &N8nService,
    upgrades: &UpgradeService,
) -> ContainerService {
    docker.set_place(Place::read());
    ContainerService::new(ContainerParts {
        docker: docker.clone(),
        db: parts.db.clone(),
        settings: settings.clone(),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
        lifecycle: parts.lifecycle.clone(),
        events: events.clone(),
        n8n: n8n.clone(),
        upgrades: upgrades.clone(),
    })
}

pub(super) fn flows(
    parts: &Parts,
    n8n: &N8nService,
    backups: &BackupService,
    events: &EventBus,
) -> FlowService {
    FlowService::new(FlowParts {
        db: parts.db.clone(),
        own_database: parts.own_database.clone(),
        n8n: n8n.clone(),
        backups: backups.clone(),
        installations: Arc::clone(&parts.installations),
        processes: parts.processes.clone(),
        archive_dir: parts.config.data.data_dir.join("flow-archives"),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
        lifecycle: parts.lifecycle.clone(),
        events: events.clone(),
    })
}

pub(super) fn upgrades(
    parts: &Parts,
    docker: &Docker,
    n8n: &N8nService,
    backups: &BackupService,
    verifications: &VerificationService,
    restores: &RestoreService,
    events: &EventBus,
) -> UpgradeService {
    UpgradeService::new(UpgradeParts {
        db: parts.db.clone(),
        own_database: parts.own_database.clone(),
        docker: docker.clone(),
        n8n: n8n.clone(),
        backups: backups.clone(),
        verifications: verifications.clone(),
        restores: restores.clone(),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
        lifecycle: parts.lifecycle.clone(),
        events: events.clone(),
        patience: parts.tuning.upgrade.unwrap_or_default(),
    })
}

/// What goes out to places that people named.
pub(super) fn post(
    parts: &Parts,
    settings: &SettingsService,
    events: &EventBus,
) -> (Outbound, Mailer, EmailService, NotificationService) {
    let policy = settings.clone();
    let outbound = Outbound::new(Arc::new(SystemNames), move || Policy {
        allow_private: policy.boolean(Key::NotificationPrivateNetworks),
    });
    let mailer = Mailer::new(MailerParts {
        outbound: outbound.clone(),
        clock: parts.clock.clone(),
        lifecycle: parts.lifecycle.clone(),
        limit: parts.tuning.patience.unwrap_or(Duration::from_secs(30)),
    });
    let email = EmailService::new(EmailParts {
        db: parts.db.clone(),
        settings: settings.clone(),
        mailer: mailer.clone(),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
        events: events.clone(),
        public_url: parts.config.http.public_url.clone(),
    });
    let telling = NotificationParts {
        db: parts.db.clone(),
        settings: settings.clone(),
        events: events.clone(),
        outbound: outbound.clone(),
        mailer: mailer.clone(),
        email: email.clone(),
        public_url: parts.config.http.public_url.clone(),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
        lifecycle: parts.lifecycle.clone(),
    };
    let notifications = NotificationService::new(telling, &parts.master_key);
    (outbound, mailer, email, notifications)
}
