//! What Prometheus reads about backups, kept in memory so that `/metrics` asks no database.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::service::BackupService;
use super::store;
use crate::platform::events::{Event, Work};
use crate::platform::metrics::Metrics;

/// What others change in the catalogue is seen this late.
const REFRESH: Duration = Duration::from_mins(1);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabels {
    backup_type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// The numbers. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct Gauges {
    last_success: Family<TypeLabels, Gauge>,
    last_proven: Family<TypeLabels, Gauge>,
    last_duration_ms: Family<TypeLabels, Gauge>,
    last_stored_bytes: Family<TypeLabels, Gauge>,
    backups: Family<TypeLabels, Gauge>,
    stored_bytes: Family<TypeLabels, Gauge>,
    free_bytes: Gauge,
    runs: Family<OutcomeLabels, Counter>,
    verifications: Family<OutcomeLabels, Counter>,
}

impl BackupService {
    /// Adds the numbers to what Prometheus reads.
    pub fn register_metrics(&self, metrics: &Metrics) {
        let gauges = self.gauges.clone();
        metrics.register(|registry| {
            registry.register(
                "flowkeep_backup_last_success_timestamp_seconds",
                "When the newest good backup was begun",
                gauges.last_success,
            );
            registry.register(
                "flowkeep_backup_last_proven_timestamp_seconds",
                "When the newest backup that was proven by a restore was begun",
                gauges.last_proven,
            );
            registry.register(
                "flowkeep_backup_last_duration_milliseconds",
                "How long the newest good backup took",
                gauges.last_duration_ms,
            );
            registry.register(
                "flowkeep_backup_last_stored_bytes",
                "What the newest good backup takes on disk",
                gauges.last_stored_bytes,
            );
            registry.register(
                "flowkeep_backups",
                "Good backups that are kept",
                gauges.backups,
            );
            registry.register(
                "flowkeep_backup_stored_bytes",
                "What the good backups take on disk",
                gauges.stored_bytes,
            );
            registry.register(
                "flowkeep_backup_storage_free_bytes",
                "What is free on the backup disk",
                gauges.free_bytes,
            );
            registry.register(
                "flowkeep_backup_runs",
                "Runs that ended since the start of this process",
                gauges.runs,
            );
            registry.register(
                "flowkeep_verifications",
                "Verifications that ended since the start of this process",
                gauges.verifications,
            );
        });
        for (work, name, help) in [
            (
                Work::Backup,
                "flowkeep_backups_running",
                "Backups being made",
            ),
            (
                Work::Verification,
                "flowkeep_verifications_running",
                "Backups being proven",
            ),
        ] {
            let board = self.board().clone();
            metrics.gauge(name, help, move || {
                i64::try_from(board.running(work).len()).unwrap_or(i64::MAX)
            });
        }
    }

    /// Keeps the numbers true until `stop`.
    pub async fn keep_metrics(&self, stop: CancellationToken) {
        let mut happened = self.events().subscribe();
        loop {
            if let Err(error) = self.refresh_metrics().await {
                tracing::debug!(%error, "cannot refresh the numbers of backups");
            }
            tokio::select! {
                event = happened.recv() => if let Ok(event) = event { self.gauges.count(&event) },
                () = tokio::time::sleep(REFRESH) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn refresh_metrics(&self) -> Result<(), DbErr> {
        let gauges = &self.gauges;
        for row in store::summary(self.parts.db.orm()).await? {
            let labels = TypeLabels {
                backup_type: row.backup_type,
            };
            let set = |family: &Family<TypeLabels, Gauge>, value: Option<i64>| {
                family.get_or_create(&labels).set(value.unwrap_or(0));
            };
            set(&gauges.last_success, row.last_success);
            set(&gauges.last_proven, row.last_proven);
            set(&gauges.last_duration_ms, row.last_duration_ms);
            set(&gauges.last_stored_bytes, row.last_stored_bytes);
            set(&gauges.backups, row.backups);
            set(&gauges.stored_bytes, row.stored_bytes);
        }
        if let Ok(free) = self.files.free_bytes() {
            gauges
                .free_bytes
                .set(i64::try_from(free).unwrap_or(i64::MAX));
        }
        Ok(())
    }
}

impl Gauges {
    fn count(&self, event: &Event) {
        let (family, outcome) = match event.event_type.as_str() {
            "backup.success" => (&self.runs, "success"),
            "backup.failed" => (&self.runs, "failed"),
            "verification.passed" => (&self.verifications, "passed"),
            "verification.failed" if event.data["status"] == "could_not_verify" => {
                (&self.verifications, "could_not_verify")
            }
            "verification.failed" => (&self.verifications, "failed"),
            _ => return,
        };
        family.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}
