//! How the machine stood at one moment, and the numbers that charts are made of. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How the machine stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostSample {
    /// When it was looked at.
    pub at: DateTime<Utc>,
    /// The processor.
    pub cpu: HostCpu,
    /// Memory and swap.
    pub memory: HostMemory,
    /// Disks of this machine.
    pub disks: Vec<HostDisk>,
    /// Disks that are mounted and do not say what room they have.
    pub failing_disks: Vec<HostFailingDisk>,
    /// Network interfaces, but for those of containers.
    pub network: Vec<HostInterface>,
    /// Whether that is the traffic of Flowkeep's own container, and the machine's cannot be seen.
    pub network_is_own: bool,
    /// Sensors; none on most virtual machines.
    pub temperatures: Vec<HostTemperature>,
    /// Network shares.
    pub shares: Vec<HostShare>,
}

/// The processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostCpu {
    /// Busy since the look before, of all that may be used; null at the very first look.
    pub percent: Option<f64>,
    /// Waiting for disks.
    pub iowait_percent: Option<f64>,
    /// Taken by the machine below this virtual one.
    pub steal_percent: Option<f64>,
    /// Load averages of 1, 5 and 15 minutes; those of the whole host also in a container.
    pub load: Vec<f64>,
    /// Processors that the kernel shows.
    pub cores: u32,
    /// How many of them may be used, where a container is given fewer.
    pub limit_cores: Option<f64>,
}

/// Memory and swap, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostMemory {
    /// All there is, or all that a container may take.
    pub total_bytes: u64,
    /// Taken, without what the kernel gives back when asked (caches).
    pub used_bytes: u64,
    /// Left for programs: `MemAvailable`.
    pub available_bytes: u64,
    /// Used of all.
    pub percent: f64,
    /// Whether it is a container's limit that counts.
    pub is_limited: bool,
    /// Swap in all.
    pub swap_total_bytes: u64,
    /// Swap that is taken.
    pub swap_used_bytes: u64,
}

/// A disk that is mounted here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostDisk {
    /// Where.
    pub mount: String,
    /// What.
    pub device: String,
    /// Its file system.
    pub kind: String,
    /// All of it.
    pub total_bytes: u64,
    /// Taken.
    pub used_bytes: u64,
    /// Left for programs that are not root's.
    pub free_bytes: u64,
    /// Used of what programs may take, as `df` counts.
    pub percent: f64,
}

/// A disk that hangs or answers with an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostFailingDisk {
    /// Where.
    pub mount: String,
    /// What.
    pub device: String,
    /// Its file system.
    pub kind: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostInterface {
    /// Its name.
    pub name: String,
    /// Bytes a second that come in; null at the first look.
    pub rx_bytes_per_second: Option<f64>,
    /// Bytes a second that go out.
    pub tx_bytes_per_second: Option<f64>,
}

/// A sensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostTemperature {
    /// Its name.
    pub sensor: String,
    /// Degrees.
    pub celsius: f64,
}

/// How a share stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareStatus {
    /// It answers.
    #[default]
    Connected,
    /// It was mounted and is not.
    Disconnected,
    /// It is mounted and does not answer, or with an error.
    Error,
}

impl ShareStatus {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Error => "error",
        }
    }
}

/// A network share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostShare {
    /// Where it is mounted.
    pub mount: String,
    /// Server and folder.
    pub source: String,
    /// Its file system.
    pub kind: String,
    /// How it stands.
    pub status: ShareStatus,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// Milliseconds that it took to answer.
    pub latency_ms: Option<f64>,
    /// All of it.
    pub total_bytes: Option<u64>,
    /// Left for programs that are not root's.
    pub free_bytes: Option<u64>,
}

/// Whether n8n answers, and how large its database is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct N8nNow {
    /// Whether `/healthz` says it is well; null when no address is set.
    pub is_up: Option<bool>,
    /// What is wrong.
    pub problem: Option<String>,
    /// Milliseconds that it took to answer.
    pub latency_ms: Option<f64>,
    /// Bytes of its database; null when it is not known.
    pub database_bytes: Option<i64>,
}

/// What part in whole is in percent; 0 of nothing.
pub fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        (part / whole * 100.0).clamp(0.0, 100.0)
    } else {
        0.0
    }
}

/// A number of a chart and its name: the metric, and behind a colon what it is about.
pub type Point = (String, f64);

/// Rows for `system_metrics_cache`: the metric's type and its data.
pub fn rows(sample: &HostSample, n8n: Option<&N8nNow>) -> Vec<(&'static str, Value)> {
    let mut cpu = to_value(&sample.cpu);
    if let Some(fields) = cpu.as_object_mut() {
        fields.insert("temperatures".to_owned(), to_value(&sample.temperatures));
    }
    let mut rows = vec![
        ("cpu", cpu),
        ("memory", to_value(&sample.memory)),
        ("disk", to_value(&sample.disks)),
        ("network", to_value(&sample.network)),
    ];
    if !sample.shares.is_empty() {
        rows.push(("nfs", to_value(&sample.shares)));
    }
    if let Some(n8n) = n8n {
        rows.push(("n8n", to_value(n8n)));
    }
    rows
}

fn to_value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

/// The numbers of one row of `system_metrics_cache`. What cannot be read has none.
pub fn points(metric_type: &str, data: &Value) -> Vec<Point> {
    let mut points = Vec::new();
    match metric_type {
        "cpu" => cpu_points(data, &mut points),
        "memory" => {
            if let Ok(memory) = HostMemory::deserialize(data) {
                points.push(("memory.percent".to_owned(), memory.percent));
                points.push(("memory.used".to_owned(), memory.used_bytes as f64));
                points.push(("memory.swap".to_owned(), memory.swap_used_bytes as f64));
            }
        }
        "disk" => {
            for disk in Vec::<HostDisk>::deserialize(data).unwrap_or_default() {
                points.push((format!("disk.percent:{}", disk.mount), disk.percent));
                points.push((format!("disk.used:{}", disk.mount), disk.used_bytes as f64));
            }
        }
        "network" => {
            for one in Vec::<HostInterface>::deserialize(data).unwrap_or_default() {
                let rates = [
                    ("rx", one.rx_bytes_per_second),
                    ("tx", one.tx_bytes_per_second),
                ];
                for (way, rate) in rates {
                    points.extend(rate.map(|rate| (format!("network.{way}:{}", one.name), rate)));
                }
            }
        }
        "nfs" => {
            for share in Vec::<HostShare>::deserialize(data).unwrap_or_default() {
                let name = |what: &str| format!("nfs.{what}:{}", share.mount);
                points.extend(share.latency_ms.map(|ms| (name("latency"), ms)));
                if let (Some(total), Some(free)) = (share.total_bytes, share.free_bytes) {
                    points.push((name("used"), total.saturating_sub(free) as f64));
                }
            }
        }
        "n8n" => {
            if let Ok(n8n) = N8nNow::deserialize(data) {
                let latency = n8n.latency_ms.map(|ms| ("n8n.latency".to_owned(), ms));
                let size = n8n.database_bytes.map(|size| size as f64);
                points.extend(latency);
                points.extend(size.map(|size| ("n8n.database".to_owned(), size)));
            }
        }
        _ => {}
    }
    points.retain(|(name, value)| value.is_finite() && name.len() <= 300);
    points
}

fn cpu_points(data: &Value, points: &mut Vec<Point>) {
    let Ok(cpu) = HostCpu::deserialize(data) else {
        return;
    };
    let named = [
        ("cpu.percent", cpu.percent),
        ("cpu.iowait", cpu.iowait_percent),
        ("cpu.steal", cpu.steal_percent),
        ("cpu.load", cpu.load.first().copied()),
    ];
    for (name, value) in named {
        points.extend(value.map(|value| (name.to_owned(), value)));
    }
    let sensors = data
        .get("temperatures")
        .map(Vec::<HostTemperature>::deserialize);
    for sensor in sensors.and_then(Result::ok).unwrap_or_default() {
        points.push((format!("temperature:{}", sensor.sensor), sensor.celsius));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_gives_its_numbers_back() {
        let sample = HostSample {
            cpu: HostCpu {
                percent: Some(12.5),
                load: vec![0.5, 0.4, 0.3],
                ..HostCpu::default()
            },
            disks: vec![HostDisk {
                mount: "/".to_owned(),
                used_bytes: 70,
                percent: 70.0,
                ..HostDisk::default()
            }],
            network: vec![HostInterface {
                name: "eth0".to_owned(),
                rx_bytes_per_second: Some(10.0),
                tx_bytes_per_second: None,
            }],
            temperatures: vec![HostTemperature {
                sensor: "core".to_owned(),
                celsius: 41.0,
            }],
            shares: vec![HostShare {
                mount: "/mnt/nas".to_owned(),
                latency_ms: Some(2.0),
                total_bytes: Some(100),
                free_bytes: Some(30),
                ..HostShare::default()
            }],
            ..HostSample::default()
        };
        let n8n = N8nNow {
            database_bytes: Some(5),
            ..N8nNow::default()
        };
        let rows = rows(&sample, Some(&n8n));
        let all: Vec<Point> = rows
            .iter()
            .flat_map(|(kind, data)| points(kind, data))
            .collect();
        for (name, value) in [
            ("cpu.percent", 12.5),
            ("cpu.load", 0.5),
            ("temperature:core", 41.0),
            ("disk.used:/", 70.0),
            ("network.rx:eth0", 10.0),
            ("nfs.used:/mnt/nas", 70.0),
            ("n8n.database", 5.0),
        ] {
            let found = all
                .iter()
                .find(|point| point.0 == name)
                .map(|point| point.1);
            assert_eq!(found, Some(value), "{name}: {all:?}");
        }
        assert!(!all.iter().any(|point| point.0 == "network.tx:eth0"));
        assert_eq!(points("cpu", &Value::Null), []);
    }
}
