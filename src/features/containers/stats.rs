//! What a container uses, counted as `docker stats` counts it. Pure.

use serde::Serialize;
use utoipa::ToSchema;

use crate::platform::docker::models::{
    ContainerBlkioStats, ContainerCpuStats, ContainerMemoryStats, ContainerStatsResponse,
};

/// What a container uses. Counters are since it was started.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ContainerUsage)]
pub struct Usage {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// 100 is one core; null until it was measured twice.
    pub cpu_percent: Option<f64>,
    /// Cores of this machine.
    pub cpus: u32,
    /// Without the cache of files, which the kernel gives back.
    pub memory_bytes: Option<u64>,
    /// Its limit, or the machine's memory.
    pub memory_limit_bytes: Option<u64>,
    /// Null for a container without a network of its own.
    pub network_rx_bytes: Option<u64>,
    /// Null for a container without a network of its own.
    pub network_tx_bytes: Option<u64>,
    /// Read from disks.
    pub block_read_bytes: u64,
    /// Written to disks.
    pub block_write_bytes: u64,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// Processor time that a container and the machine had used at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTime {
    container: u64,
    system: u64,
}

impl CpuTime {
    fn of(stats: &ContainerCpuStats) -> Option<Self> {
        Some(Self {
            container: stats.cpu_usage.as_ref()?.total_usage?,
            system: stats.system_cpu_usage?,
        })
    }
}

/// Reads a measurement. `before` is the one before, if the engine itself did not measure twice.
pub fn usage(
    name: &str,
    stats: &ContainerStatsResponse,
    before: Option<CpuTime>,
) -> (Usage, Option<CpuTime>) {
    let cpu = stats.cpu_stats.as_ref();
    let now = cpu.and_then(CpuTime::of);
    let before = before.or_else(|| stats.precpu_stats.as_ref().and_then(CpuTime::of));
    let cpus = cpu.map_or(1, cores);
    let memory = stats.memory_stats.as_ref();
    let networks = stats.networks.as_ref();
    let network =
        |read: fn(&crate::platform::docker::models::ContainerNetworkStats) -> Option<u64>| {
            networks.map(|all| all.values().filter_map(read).sum())
        };
    let (block_read_bytes, block_write_bytes) = stats.blkio_stats.as_ref().map_or((0, 0), blocks);
    let usage = Usage {
        name: name.to_owned(),
        id: stats.id.clone().unwrap_or_default(),
        cpu_percent: before
            .zip(now)
            .and_then(|(before, now)| percent(before, now, cpus)),
        cpus,
        memory_bytes: memory.and_then(memory_without_cache),
        memory_limit_bytes: memory.and_then(|memory| memory.limit),
        network_rx_bytes: network(|one| one.rx_bytes),
        network_tx_bytes: network(|one| one.tx_bytes),
        block_read_bytes,
        block_write_bytes,
        pids: stats.pids_stats.as_ref().and_then(|pids| pids.current),
    };
    (usage, now)
}

fn cores(stats: &ContainerCpuStats) -> u32 {
    let counted = stats
        .cpu_usage
        .as_ref()
        .and_then(|usage| usage.percpu_usage.as_ref());
    let counted = counted.and_then(|each| u32::try_from(each.len()).ok());
    match stats.online_cpus {
        Some(online) if online > 0 => online,
        _ => counted.unwrap_or(1).max(1),
    }
}

/// The container's share of the machine's time, times its cores. Nothing when the container was started
/// again in between, and its counter with it.
fn percent(before: CpuTime, now: CpuTime, cpus: u32) -> Option<f64> {
    let used = now.container.checked_sub(before.container)?;
    let passed = now.system.checked_sub(before.system)?;
    (passed > 0).then(|| used as f64 / passed as f64 * f64::from(cpus) * 100.0)
}

fn memory_without_cache(memory: &ContainerMemoryStats) -> Option<u64> {
    let used = memory.usage?;
    let of = |name: &str| {
        memory
            .stats
            .as_ref()
            .and_then(|stats| stats.get(name))
            .copied()
    };
    // The first is that of control groups 1, the second of 2.
    let cache = of("total_inactive_file").or_else(|| of("inactive_file"));
    Some(
        cache
            .filter(|cache| *cache < used)
            .map_or(used, |cache| used - cache),
    )
}

fn blocks(stats: &ContainerBlkioStats) -> (u64, u64) {
    let (mut read, mut written) = (0_u64, 0_u64);
    for entry in stats.io_service_bytes_recursive.iter().flatten() {
        let value = entry.value.unwrap_or(0);
        match entry.op.as_deref().and_then(|op| op.bytes().next()) {
            Some(b'r' | b'R') => read = read.saturating_add(value),
            Some(b'w' | b'W') => written = written.saturating_add(value),
            _ => {}
        }
    }
    (read, written)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stats(value: Value) -> ContainerStatsResponse {
        serde_json::from_value(value).unwrap()
    }

    fn cpu(container: u64, system: u64) -> Value {
        json!({ "cpu_usage": { "total_usage": container }, "system_cpu_usage": system, "online_cpus": 4 })
    }

    #[test]
    fn cpu_is_the_share_of_the_machines_time_times_its_cores() {
        let whole = stats(json!({ "cpu_stats": cpu(300, 2_000), "precpu_stats": cpu(100, 1_000) }));
        let (usage, _) = usage("n8n_main", &whole, None);
        assert_eq!(usage.cpu_percent, Some(80.0));
        assert_eq!(usage.cpus, 4);
    }

    #[test]
    fn the_measurement_before_counts_when_the_engine_measured_once() {
        let first = stats(
            json!({ "cpu_stats": cpu(100, 1_000), "precpu_stats": { "cpu_usage": { "total_usage": 0 } } }),
        );
        let (once, before) = usage("n8n_main", &first, None);
        assert_eq!(once.cpu_percent, None);
        let second = stats(
            json!({ "cpu_stats": cpu(150, 2_000), "precpu_stats": { "cpu_usage": { "total_usage": 0 } } }),
        );
        let (twice, _) = usage("n8n_main", &second, before);
        assert_eq!(twice.cpu_percent, Some(20.0));
    }

    #[test]
    fn a_counter_that_began_again_is_not_a_number() {
        let again = stats(json!({ "cpu_stats": cpu(5, 3_000) }));
        let before = CpuTime {
            container: 900,
            system: 2_000,
        };
        assert_eq!(usage("n8n_main", &again, Some(before)).0.cpu_percent, None);
        let same = CpuTime {
            container: 5,
            system: 3_000,
        };
        assert_eq!(usage("n8n_main", &again, Some(same)).0.cpu_percent, None);
    }

    #[test]
    fn memory_is_without_the_cache_of_either_kind_of_control_groups() {
        let of = |stats_: Value| {
            let whole = stats(
                json!({ "memory_stats": { "usage": 1_000, "limit": 4_000, "stats": stats_ } }),
            );
            usage("n8n_main", &whole, None).0.memory_bytes
        };
        assert_eq!(
            of(json!({ "total_inactive_file": 300, "inactive_file": 1 })),
            Some(700)
        );
        assert_eq!(of(json!({ "inactive_file": 400 })), Some(600));
        assert_eq!(of(json!({ "inactive_file": 2_000 })), Some(1_000));
        assert_eq!(of(json!({})), Some(1_000));
        // A container that does not run has none.
        assert_eq!(
            usage("x", &stats(json!({ "memory_stats": {} })), None)
                .0
                .memory_bytes,
            None
        );
    }

    #[test]
    fn networks_and_disks_are_added_up_and_no_network_is_not_zero() {
        let whole = stats(json!({
            "networks": { "eth0": { "rx_bytes": 10, "tx_bytes": 1 }, "eth1": { "rx_bytes": 5, "tx_bytes": 2 } },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "op": "Read", "value": 7 }, { "op": "write", "value": 3 }, { "op": "Total", "value": 10 }] },
        }));
        let (whole, _) = usage("n8n_main", &whole, None);
        assert_eq!(
            (whole.network_rx_bytes, whole.network_tx_bytes),
            (Some(15), Some(3))
        );
        assert_eq!((whole.block_read_bytes, whole.block_write_bytes), (7, 3));
        let none = stats(json!({ "blkio_stats": { "io_service_bytes_recursive": null } }));
        assert_eq!(usage("n8n_main", &none, None).0.network_rx_bytes, None);
    }
}
