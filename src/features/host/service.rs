//! The use cases: look now, store a look, draw what was, look ahead.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::HostError;
use super::forecast::{Forecast, forecast};
use super::history::{self, History, KEPT, Range};
use super::judge::{self, Judged, Thresholds};
use super::mounts::{self, Mounts, Prober};
use super::proc::{self, Counters, Roots};
use super::sample::{self, HostSample, N8nNow};
use super::store::{self, Condition};
use crate::features::destinations::DestinationService;
use crate::features::n8n::{DatabaseSizes, N8nService};
use crate::features::restores::RestoreService;
use crate::features::settings::{Key, SettingsService};
use crate::features::upgrades::UpgradeService;
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::events::{self, Event, EventBus};
use crate::platform::ids::Ids;
use crate::platform::threshold;

/// A disk that takes longer than this is broken.
const DISK_LIMIT: Duration = Duration::from_secs(2);
/// A share that takes longer than this hangs.
const SHARE_LIMIT: Duration = Duration::from_secs(5);
/// Between the two looks of which the first has none before it.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Live looks that are closer together share one, as a rule.
pub const FRESH_FOR: Duration = Duration::from_millis(1_500);
/// What is longer ago says nothing of now: an average since then would be one of a whole night.
const RECENT: TimeDelta = TimeDelta::seconds(10);

/// What the service is made of.
#[derive(Clone)]
pub struct HostParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Thresholds.
    pub settings: SettingsService,
    /// n8n's health and the size of its database.
    pub n8n: N8nService,
    /// Which shares are looked after elsewhere.
    pub destinations: DestinationService,
    /// Whether n8n is stopped for a change of its database,
    pub restores: RestoreService,
    /// or of its image.
    pub upgrades: UpgradeService,
    /// Whoever listens.
    pub events: EventBus,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// The kernel's files.
    pub roots: Roots,
    /// Looks that are closer together share one.
    pub fresh_for: Duration,
}

/// The machine. Cheap to clone.
#[derive(Clone)]
pub struct HostService {
    pub(super) parts: Arc<HostParts>,
    prober: Prober,
    live: Arc<Mutex<Live>>,
}

/// What live looks share.
#[derive(Default)]
struct Live {
    meter: Meter,
    last: Option<(Instant, HostSample)>,
}

/// Remembers the look before, for what happens between two.
#[derive(Clone, Debug, Default)]
pub struct Meter(Option<Counters>);

/// When one disk or network share will be full.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskForecast {
    /// Where it is mounted.
    pub mount: String,
    /// Whether it is a network share.
    pub is_share: bool,
    /// All of it.
    pub total_bytes: u64,
    /// Left for programs.
    pub free_bytes: u64,
    /// What can be said.
    pub forecast: Forecast,
}

/// n8n's database: how large it is, and when its disk will be full.
pub(super) struct DatabaseReport {
    pub sizes: DatabaseSizes,
    /// How it grows, as if it had ten years of room.
    pub growth: Forecast,
    /// The disk of this machine that it is on, if that can be known.
    pub disk: Option<DiskForecast>,
}

impl HostService {
    /// Puts the service together.
    pub fn new(parts: HostParts) -> Self {
        Self {
            parts: Arc::new(parts),
            prober: Prober::default(),
            live: Arc::default(),
        }
    }

    /// Looks at the machine. The first look of a meter waits for a moment, to have something between two.
    pub async fn look(&self, meter: &mut Meter) -> (HostSample, Mounts) {
        if meter.0.is_none() {
            meter.0 = self.read().await.map(|look| look.counters);
            tokio::time::sleep(FIRST_WAIT).await;
        }
        let Some(look) = self.read().await else {
            return (HostSample::default(), Mounts::default());
        };
        let (cpu, network) = proc::between(meter.0.as_ref(), &look);
        let mut mounted = mounts::parse(&look.mounts);
        let mut sample = HostSample {
            at: self.parts.clock.now(),
            cpu,
            network,
            memory: look.memory,
            temperatures: look.temperatures,
            network_is_own: look.network_is_own,
            ..HostSample::default()
        };
        meter.0 = Some(look.counters);
        let mut asked = Vec::new();
        for mount in &mut mounted.disks {
            let answer = self.prober.ask_any(mount, DISK_LIMIT).await;
            asked.push((mount.clone(), answer));
        }
        let found = mounts::gather(asked);
        mounted
            .disks
            .retain(|mount| !found.merged.contains(&mount.path));
        (sample.disks, sample.failing_disks) = (found.disks, found.failing);
        for mount in &mounted.shares {
            let asked = self.prober.ask(&mount.path, SHARE_LIMIT).await;
            sample.shares.push(mounts::share(mount, asked));
        }
        (sample, mounted)
    }

    async fn read(&self) -> Option<proc::Look> {
        let roots = self.parts.roots.clone();
        tokio::task::spawn_blocking(move || proc::look(&roots))
            .await
            .ok()
    }

    /// How the machine stands now. Many who look at once share one look.
    pub async fn now(&self) -> HostSample {
        let mut live = self.live.lock().await;
        if let Some((at, sample)) = &live.last
            && at.elapsed() < self.parts.fresh_for
        {
            return sample.clone();
        }
        let now = self.parts.clock.now();
        let age = live.last.as_ref().map(|(_, sample)| now - sample.at);
        if age.is_none_or(|age| age < TimeDelta::zero() || age > RECENT) {
            live.meter = Meter::default();
        }
        let (sample, _) = self.look(&mut live.meter).await;
        live.last = Some((Instant::now(), sample.clone()));
        sample
    }

    /// How n8n stands now, without the size of its database.
    pub async fn n8n_now(&self) -> Option<N8nNow> {
        let health = self.parts.n8n.health().await?;
        Some(N8nNow {
            is_up: Some(health.problem.is_none()),
            latency_ms: Some(health.took.as_secs_f64() * 1000.0),
            problem: health.problem,
            database_bytes: None,
        })
    }

    /// What people set.
    pub fn thresholds(&self) -> Thresholds {
        let get = |key| self.parts.settings.integer(key);
        let percent = |key| get(key) as f64;
        let warning = percent(Key::HostDiskWarningPercent);
        Thresholds {
            cpu: percent(Key::HostCpuPercent),
            memory: percent(Key::HostMemoryPercent),
            disk_warning: warning,
            disk_critical: percent(Key::HostDiskCriticalPercent).max(warning),
            raise_after: TimeDelta::minutes(get(Key::HostRaiseMinutes)),
            clear_after: TimeDelta::minutes(get(Key::HostClearMinutes)),
        }
    }

    /// Stores a look with its buckets, and tells what it means.
    pub async fn observe(
        &self,
        sample: &HostSample,
        n8n: Option<&N8nNow>,
        mounted: &Mounts,
    ) -> Result<(), HostError> {
        let foreign = self.foreign_shares(sample).await;
        let is_held = self.holds_n8n().await;
        let url = self.parts.n8n.api_url();
        let rows = sample::rows(sample, n8n);
        let mut points: Vec<_> = rows
            .iter()
            .flat_map(|(kind, data)| sample::points(kind, data))
            .collect();
        points.sort_by(|a, b| a.0.cmp(&b.0));
        points.dedup_by(|a, b| a.0 == b.0);
        let tx = self.parts.db.begin().await?;
        store::add_raw(&tx, rows, sample.at).await?;
        for (width, _) in KEPT {
            let bucket = history::bucket_of(sample.at, width);
            store::add_to_buckets(&tx, width, bucket, &points, sample.at).await?;
        }
        store::forget_old(&tx, self.parts.clock.now()).await?;
        let before = store::conditions(&tx).await?;
        let verdict = judge::judge(&Judged {
            sample,
            n8n,
            n8n_url: url.as_deref(),
            before: &before,
            thresholds: &self.thresholds(),
            foreign: &foreign,
            mounted,
            is_held,
        });
        for condition in &verdict.kept {
            store::save_condition(&tx, condition).await?;
        }
        for name in &verdict.gone {
            store::remove_condition(&tx, name).await?;
        }
        let (ids, clock) = (&self.parts.ids, &self.parts.clock);
        let mut told = Vec::new();
        for one in verdict.told {
            let event = Event::now(ids, clock, one.event_type, one.severity, one.data);
            events::record(&tx, &event).await?;
            told.push(event);
        }
        tx.commit().await?;
        for event in told {
            tracing::warn!(event = event.event_type, message = %event.data["message"], "the machine");
            self.parts.events.publish(event);
        }
        Ok(())
    }

    /// Whether Flowkeep itself has n8n stopped for a restore or an upgrade.
    async fn holds_n8n(&self) -> bool {
        let (restores, upgrades) = (&self.parts.restores, &self.parts.upgrades);
        // What cannot be read holds nothing: an outage is rather told too often.
        restores.holds_n8n().await.unwrap_or(false) || upgrades.holds_n8n().await.unwrap_or(false)
    }

    /// Shares on which a destination is: that one tells of them.
    async fn foreign_shares(&self, sample: &HostSample) -> Vec<String> {
        if sample.shares.is_empty() {
            return Vec::new();
        }
        let folders = self.parts.destinations.watched_folders().await;
        let folders: Vec<PathBuf> = folders.unwrap_or_default();
        let mut foreign = Vec::new();
        for share in &sample.shares {
            if folders
                .iter()
                .any(|folder| folder.starts_with(&share.mount))
            {
                foreign.push(share.mount.clone());
            }
        }
        foreign
    }

    /// What stands above a threshold, and how shares and n8n stand.
    pub(super) async fn conditions(&self) -> Result<Vec<Condition>, HostError> {
        let found = store::conditions(self.parts.db.orm()).await?;
        Ok(found.into_values().collect())
    }

    /// The newest stored state of n8n, with the size of its database.
    pub(super) async fn stored_n8n(&self) -> Result<Option<N8nNow>, HostError> {
        let now = self.parts.clock.now();
        let since = now - TimeDelta::minutes(30);
        let rows = store::raw_since(self.parts.db.orm(), Some("n8n"), since).await?;
        let mut found: Option<N8nNow> = None;
        // What was stored by a clock that was ahead is not the newest for as long as it lies ahead.
        let is_past = |row: &store::Raw| row.collected_at <= now + TimeDelta::minutes(1);
        for row in rows.into_iter().filter(is_past) {
            if let Ok(mut one) = serde_json::from_value::<N8nNow>(row.metric_data) {
                one.database_bytes = one
                    .database_bytes
                    .or(found.as_ref().and_then(|before| before.database_bytes));
                found = Some(one);
            }
        }
        if let Some(found) = found
            .as_mut()
            .filter(|_| self.parts.n8n.api_url().is_none())
        {
            // What was heard at an address that is no longer set says nothing.
            found.is_up = None;
            found.latency_ms = None;
        }
        Ok(found)
    }

    /// Lines of a metric, or of all.
    pub async fn history(&self, metric: Option<&str>, range: Range) -> Result<History, HostError> {
        let (db, now) = (self.parts.db.orm(), self.parts.clock.now());
        let since = history::begin(range, now);
        let prefix = metric.unwrap_or_default();
        let mut buckets = match range.resolution_seconds() {
            None => {
                let raw = store::raw_since(db, None, since).await?;
                history::gather(&raw, range.step_seconds())
            }
            Some(resolution) => {
                store::buckets_since(db, resolution, range.step_seconds(), prefix, since).await?
            }
        };
        buckets.retain(|bucket| bucket.series.starts_with(prefix));
        Ok(history::align(range, now, &buckets))
    }

    async fn past_of(&self, series: &str) -> Result<Vec<(DateTime<Utc>, f64)>, HostError> {
        let since = self.parts.clock.now() - Range::Month.length();
        let (db, width) = (self.parts.db.orm(), KEPT[1].0);
        let buckets = store::buckets_since(db, width, width, series, since).await?;
        let exact = buckets.into_iter().filter(|bucket| bucket.series == series);
        Ok(exact
            .map(|bucket| (bucket.bucket, bucket.last_value))
            .collect())
    }

    /// When each disk will be full, and each network share that tells its size.
    pub async fn forecasts(&self) -> Result<Vec<DiskForecast>, HostError> {
        let mut found = Vec::new();
        let now = self.now().await;
        let disks = now.disks.into_iter();
        let disks = disks.map(|one| (one.mount, false, one.total_bytes, one.free_bytes));
        let shares = now.shares.into_iter().filter_map(|one| {
            let (total, free) = one.total_bytes.zip(one.free_bytes)?;
            (total > 0).then_some((one.mount, true, total, free))
        });
        for (mount, is_share, total_bytes, free_bytes) in disks.chain(shares) {
            let metric = if is_share { "nfs.used" } else { "disk.used" };
            let past = self.past_of(&format!("{metric}:{mount}")).await?;
            found.push(DiskForecast {
                forecast: forecast(&past, free_bytes as f64),
                mount,
                is_share,
                total_bytes,
                free_bytes,
            });
        }
        Ok(found)
    }

    /// How large n8n's database is, how it grows, and how long its disk lasts.
    pub(super) async fn n8n_database(&self) -> Result<DatabaseReport, HostError> {
        let sizes = self.parts.n8n.database_sizes().await?;
        let past = self.past_of("n8n.database").await?;
        let folder = sizes.data_directory.as_deref().filter(|_| sizes.is_local);
        let disk = match folder {
            // A server in a container names a folder that is not here.
            Some(folder) if std::path::Path::new(folder).is_absolute() => {
                let disks = self.forecasts().await?;
                disks
                    .into_iter()
                    .filter(|disk| std::path::Path::new(folder).starts_with(&disk.mount))
                    .filter(|_| std::fs::symlink_metadata(folder).is_ok())
                    .max_by_key(|disk| disk.mount.len())
            }
            _ => None,
        };
        Ok(DatabaseReport {
            growth: forecast(&past, f64::MAX),
            sizes,
            disk,
        })
    }

    /// Disks of this machine with their forecast, for whoever fills them.
    pub async fn disk_of_n8n(&self) -> Option<DiskForecast> {
        self.n8n_database().await.ok()?.disk
    }

    /// Whether n8n was found not to answer.
    pub async fn n8n_is_down(&self) -> Result<bool, HostError> {
        let found = store::conditions(self.parts.db.orm()).await?;
        let now = self.parts.clock.now();
        let known = found
            .get("n8n")
            .filter(|one| now - one.seen_at <= threshold::LONGEST_GAP);
        Ok(known.is_some_and(|one| one.state == "down" || one.pending.as_deref() == Some("down")))
    }

    /// Spans of time in which n8n did not answer, since a moment, as far as it was looked at.
    pub async fn n8n_outages(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<(DateTime<Utc>, DateTime<Utc>)>, HostError> {
        let rows = store::raw_since(self.parts.db.orm(), Some("n8n"), since).await?;
        let mut spans: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
        let mut was_down = false;
        for row in rows {
            let is_down = row.metric_data["is_up"] == serde_json::Value::Bool(false);
            match spans.last_mut() {
                Some(last) if was_down && is_down => last.1 = row.collected_at,
                _ if is_down => spans.push((row.collected_at, row.collected_at)),
                _ => {}
            }
            was_down = is_down;
        }
        Ok(spans)
    }
}
