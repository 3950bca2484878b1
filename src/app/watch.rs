//! Puts together what watches: the machine, and n8n's executions.

use super::Parts;
use crate::features::destinations::DestinationService;
use crate::features::host::{FRESH_FOR, HostParts, HostService, Roots};
use crate::features::n8n::N8nService;
use crate::features::restores::RestoreService;
use crate::features::settings::SettingsService;
use crate::features::upgrades::UpgradeService;
use crate::features::watchdog::{WatchdogParts, WatchdogService};
use crate::platform::events::EventBus;

/// What watches the machine and n8n's executions.
pub(super) fn watch(
    parts: &Parts,
    settings: &SettingsService,
    n8n: &N8nService,
    destinations: &DestinationService,
    (restores, upgrades): (&RestoreService, &UpgradeService),
    events: &EventBus,
) -> (HostService, WatchdogService) {
    let host = HostService::new(HostParts {
        db: parts.db.clone(),
        settings: settings.clone(),
        n8n: n8n.clone(),
        destinations: destinations.clone(),
        restores: restores.clone(),
        upgrades: upgrades.clone(),
        events: events.clone(),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
        roots: Roots::default(),
        fresh_for: FRESH_FOR,
    });
    let watchdog = WatchdogService::new(WatchdogParts {
        db: parts.db.clone(),
        n8n: n8n.clone(),
        host: host.clone(),
        settings: settings.clone(),
        events: events.clone(),
        clock: parts.clock.clone(),
        ids: parts.ids.clone(),
    });
    (host, watchdog)
}
