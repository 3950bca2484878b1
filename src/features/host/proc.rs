//! What the kernel says, in its own files. Reading those few is all that sampling costs; nothing of it knows a process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::sample::{HostCpu, HostInterface, HostMemory, HostTemperature, percent};

/// More sensors are no news.
const MOST_SENSORS: usize = 32;
/// Interfaces that stand for containers, bridges and this machine itself: what passes them is counted at
/// the real one.
const INNER: [&str; 12] = [
    "lo", "veth", "br-", "docker", "virbr", "cni", "flannel", "cali", "tap", "ifb", "dummy", "sit",
];

/// Where the kernel's files are; tests give a copy.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/`.
    pub root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
            root: PathBuf::from("/"),
        }
    }
}

/// What only means something between two looks.
#[derive(Clone, Debug)]
pub struct Counters {
    at: Instant,
    /// User, nice, system, idle, iowait, irq, softirq, steal.
    ticks: [u64; 8],
    /// Microseconds that a container's processes ran.
    group_us: Option<u64>,
    /// Bytes in and out.
    traffic: BTreeMap<String, (u64, u64)>,
}

/// Everything that was read at one look.
#[derive(Clone, Debug)]
pub struct Look {
    /// For the next look.
    pub counters: Counters,
    /// Without what needs two looks.
    pub cpu: HostCpu,
    /// Memory and swap.
    pub memory: HostMemory,
    /// Sensors.
    pub temperatures: Vec<HostTemperature>,
    /// `mountinfo` as it is.
    pub mounts: String,
    /// Whether the traffic is only that of the container that this runs in.
    pub network_is_own: bool,
}

/// Reads the kernel's files. Blocks, for far less than a millisecond.
pub fn look(roots: &Roots) -> Look {
    let read = |name: &str| std::fs::read_to_string(roots.proc.join(name)).unwrap_or_default();
    let (ticks, cores) = parse_stat(&read("stat"));
    let is_program = is_program_container(&roots.root);
    let traffic = read("net/dev");
    let group = if is_program {
        Group::default()
    } else {
        Group::read(&roots.sys.join("fs/cgroup"))
    };
    let load = read("loadavg");
    let load = load.split_whitespace().take(3);
    Look {
        counters: Counters {
            at: Instant::now(),
            ticks,
            group_us: group.usage_us,
            traffic: parse_traffic(&traffic, &roots.sys.join("class/net")),
        },
        cpu: HostCpu {
            load: load.filter_map(|word| word.parse().ok()).collect(),
            cores,
            limit_cores: group.cores.filter(|limit| *limit < f64::from(cores)),
            ..HostCpu::default()
        },
        memory: memory(&read("meminfo"), &group),
        temperatures: temperatures(&roots.sys),
        mounts: read("self/mountinfo"),
        network_is_own: is_program && !is_network_of_host(&traffic),
    }
}

/// Whether a container was given the machine's own network: that has the engine's bridges, and the ends of other
/// containers.
fn is_network_of_host(text: &str) -> bool {
    let names = text.lines().skip(2).filter_map(|line| line.split_once(':'));
    let marks = ["docker", "veth", "br-", "podman", "cni"];
    names.into_iter().any(|(name, _)| {
        let name = name.trim();
        marks.iter().any(|mark| name.starts_with(mark))
    })
}

/// What happened between two looks: how busy the processor was, and the traffic of each interface.
pub fn between(before: Option<&Counters>, look: &Look) -> (HostCpu, Vec<HostInterface>) {
    let after = &look.counters;
    let seconds = before.map(|before| (after.at - before.at).as_secs_f64());
    let mut cpu = look.cpu.clone();
    if let (Some(before), Some(seconds)) = (before, seconds) {
        fill_cpu(&mut cpu, before, after, seconds);
    }
    let rate = |name: &str, pick: fn(&(u64, u64)) -> u64| {
        let (before, seconds) = (before?.traffic.get(name)?, seconds?);
        let now = after.traffic.get(name)?;
        // Counters begin anew when an interface goes and comes back.
        let bytes = pick(now).checked_sub(pick(before))?;
        (seconds > 0.0).then(|| bytes as f64 / seconds)
    };
    let network = after.traffic.keys().map(|name| HostInterface {
        name: name.clone(),
        rx_bytes_per_second: rate(name, |one| one.0),
        tx_bytes_per_second: rate(name, |one| one.1),
    });
    (cpu, network.collect())
}

fn fill_cpu(cpu: &mut HostCpu, before: &Counters, after: &Counters, seconds: f64) {
    let mut passed = [0_u64; 8];
    for (index, passed) in passed.iter_mut().enumerate() {
        // iowait may go back a little.
        *passed = after.ticks[index].saturating_sub(before.ticks[index]);
    }
    let all: u64 = passed.iter().sum();
    if all == 0 {
        return;
    }
    let of_all = |ticks: u64| percent(ticks as f64, all as f64);
    cpu.percent = Some(of_all(all - passed[3] - passed[4]));
    cpu.iowait_percent = Some(of_all(passed[4]));
    cpu.steal_percent = Some(of_all(passed[7]));
    if let (Some(limit), Some(from), Some(to)) = (cpu.limit_cores, before.group_us, after.group_us)
    {
        let ran = to.saturating_sub(from) as f64 / 1e6;
        cpu.percent = Some(percent(ran, seconds * limit));
    }
}

fn parse_stat(text: &str) -> ([u64; 8], u32) {
    let mut ticks = [0; 8];
    let mut cores = 0;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("cpu") => {
                for (slot, word) in ticks.iter_mut().zip(words) {
                    *slot = word.parse().unwrap_or(0);
                }
            }
            Some(name) if name.starts_with("cpu") => cores += 1,
            _ => break,
        }
    }
    (ticks, cores)
}

/// Whether what passes an interface passes a real one as well: a bridge, a bond, a VLAN stands on others, and a tunnel
/// goes through one.
fn is_upon_others(interface: &Path) -> bool {
    const NO_HARDWARE: &str = "65534";
    let marks = ["bridge", "bonding", "tun_flags"];
    if marks.iter().any(|mark| interface.join(mark).exists()) {
        return true;
    }
    let kind = std::fs::read_to_string(interface.join("type")).unwrap_or_default();
    if kind.trim() == NO_HARDWARE {
        return true;
    }
    let Ok(inside) = std::fs::read_dir(interface) else {
        return false;
    };
    inside
        .flatten()
        .any(|one| one.file_name().as_encoded_bytes().starts_with(b"lower_"))
}

fn parse_traffic(text: &str, interfaces: &Path) -> BTreeMap<String, (u64, u64)> {
    let mut traffic = BTreeMap::new();
    for line in text.lines().skip(2) {
        let Some((name, numbers)) = line.split_once(':') else {
            continue;
        };
        let name = name.trim();
        let is_inner = INNER.iter().any(|inner| name.starts_with(inner));
        if is_inner || is_upon_others(&interfaces.join(name)) {
            continue;
        }
        let mut numbers = numbers
            .split_whitespace()
            .map(|word| word.parse().unwrap_or(0));
        let rx = numbers.next().unwrap_or(0);
        let tx = numbers.nth(7).unwrap_or(0);
        traffic.insert(name.to_owned(), (rx, tx));
    }
    traffic
}

/// Whether this is a container of Docker or Podman, which is a program's. The kernel's files are the machine's there, and
/// the limits are Flowkeep's alone: they say nothing about what n8n and the others beside it may take.
fn is_program_container(root: &Path) -> bool {
    let marks = [".dockerenv", "run/.containerenv"];
    marks.iter().any(|mark| root.join(mark).exists())
}

/// Limits of the container that this runs in, where that is all the machine there is (LXC, systemd-nspawn). On the
/// machine itself the root group has none, so those of single services are not taken for the machine's.
#[derive(Clone, Debug, Default)]
struct Group {
    memory_limit: Option<u64>,
    memory_used: Option<u64>,
    cores: Option<f64>,
    usage_us: Option<u64>,
}

impl Group {
    fn read(root: &Path) -> Self {
        let read = |name: &str| std::fs::read_to_string(root.join(name)).ok();
        let number = |name: &str| read(name).and_then(|text| text.trim().parse::<u64>().ok());
        let field = |name: &str, field: &str| {
            let text = read(name)?;
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            lines
                .find(|(key, _)| *key == field)?
                .1
                .trim()
                .parse::<u64>()
                .ok()
        };
        if root.join("memory").is_dir() {
            // Version 1: no limit is a number beyond all memory.
            let taken = number("memory/memory.usage_in_bytes");
            let cache = field("memory/memory.stat", "total_inactive_file").unwrap_or(0);
            let quota = read("cpu/cpu.cfs_quota_us").and_then(|text| text.trim().parse().ok());
            let period = number("cpu/cpu.cfs_period_us").unwrap_or(0);
            let usage_ns = number("cpuacct/cpuacct.usage");
            return Self {
                memory_limit: number("memory/memory.limit_in_bytes"),
                memory_used: taken.map(|taken| taken.saturating_sub(cache)),
                cores: quota
                    .filter(|quota: &i64| *quota > 0 && period > 0)
                    .map(|quota| quota as f64 / period as f64),
                usage_us: usage_ns.map(|ns| ns / 1000),
            };
        }
        let cache = field("memory.stat", "inactive_file").unwrap_or(0);
        let quota = read("cpu.max").and_then(|text| {
            let (quota, period) = text.trim().split_once(' ')?;
            let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
            (period > 0.0).then_some(quota / period)
        });
        let set = read("cpuset.cpus.effective").filter(|_| root.join("cpu.max").exists());
        let set = set
            .map(|list| f64::from(count_of(&list)))
            .filter(|count| *count > 0.0);
        Self {
            memory_limit: number("memory.max"),
            memory_used: number("memory.current").map(|taken| taken.saturating_sub(cache)),
            cores: [quota, set].into_iter().flatten().reduce(f64::min),
            usage_us: field("cpu.stat", "usage_usec"),
        }
    }
}

/// How many are in a list as in `0-3,8`.
fn count_of(list: &str) -> u32 {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        Some(to.saturating_sub(from) + 1)
    });
    ranges.sum()
}

fn memory(meminfo: &str, group: &Group) -> HostMemory {
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let number = line.strip_prefix(':')?.split_whitespace().next()?;
        number.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    let get = |name: &str| field(name).unwrap_or(0);
    let mut total = get("MemTotal");
    // Kernels before 3.14, and some containers, do not say what is available.
    let loose = get("MemFree") + get("Buffers") + get("Cached") + get("SReclaimable");
    let mut available = field("MemAvailable")
        .unwrap_or_else(|| loose.saturating_sub(get("Shmem")))
        .min(total);
    let mut is_limited = false;
    if let Some(limit) = group.memory_limit.filter(|limit| *limit < total) {
        // The container's limit counts, and what it takes itself; the host may have less left than that.
        is_limited = true;
        total = limit;
        let used = group.memory_used.unwrap_or(0).min(limit);
        available = (limit - used).min(available);
    }
    let used = total - available;
    let swap_total = get("SwapTotal");
    HostMemory {
        total_bytes: total,
        used_bytes: used,
        available_bytes: available,
        percent: percent(used as f64, total as f64),
        is_limited,
        swap_total_bytes: swap_total,
        swap_used_bytes: swap_total.saturating_sub(get("SwapFree")),
    }
}

fn temperatures(sys: &Path) -> Vec<HostTemperature> {
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let degrees = |path: PathBuf| {
        let milli: f64 = read(path)?.trim().parse().ok()?;
        let celsius = milli / 1000.0;
        // What a sensor without a probe says.
        (-50.0..200.0).contains(&celsius).then_some(celsius)
    };
    for chip in folders(&sys.join("class/hwmon")) {
        let Some(name) = read(chip.join("name")) else {
            continue;
        };
        let name = numbered(name.trim(), &mut names);
        for index in 1..=MOST_SENSORS {
            let Some(celsius) = degrees(chip.join(format!("temp{index}_input"))) else {
                continue;
            };
            let label = read(chip.join(format!("temp{index}_label")));
            let sensor = match label.as_deref().map(str::trim) {
                Some(label) if !label.is_empty() => format!("{name} {label}"),
                _ if index == 1 => name.clone(),
                _ => format!("{name} {index}"),
            };
            found.insert(sensor, celsius);
        }
    }
    if found.is_empty() {
        for zone in folders(&sys.join("class/thermal")) {
            if let (Some(kind), Some(celsius)) =
                (read(zone.join("type")), degrees(zone.join("temp")))
            {
                found.insert(numbered(kind.trim(), &mut names), celsius);
            }
        }
    }
    let sensors = found.into_iter().take(MOST_SENSORS);
    sensors
        .map(|(sensor, celsius)| HostTemperature { sensor, celsius })
        .collect()
}

/// A name, and which of those with the same one: two disks have two chips that are called alike.
fn numbered(name: &str, names: &mut BTreeMap<String, u32>) -> String {
    let count = names.entry(name.to_owned()).or_default();
    *count += 1;
    match *count {
        1 => name.to_owned(),
        count => format!("{name} ({count})"),
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    9000000 kB\n\
                           Buffers:          100000 kB\nCached:          8000000 kB\nSwapTotal:       2000000 kB\n\
                           SwapFree:        1500000 kB\n";

    fn copy(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn look_at(dir: &tempfile::TempDir) -> Look {
        look(&Roots {
            proc: dir.path().join("proc"),
            sys: dir.path().join("sys"),
            root: dir.path().to_owned(),
        })
    }

    /// The counters of a look, as if they had been read a second before it.
    fn a_second_before(look: &Look) -> Counters {
        let mut before = look.counters.clone();
        let second = std::time::Duration::from_secs(1);
        before.at = before.at.checked_sub(second).unwrap();
        before
    }

    #[test]
    fn caches_are_not_used_memory() {
        let look = look_at(&copy(&[("proc/meminfo", MEMINFO)]));
        assert_eq!(look.memory.used_bytes, 7_000_000 * 1024);
        assert_eq!(look.memory.swap_used_bytes, 500_000 * 1024);
        assert!((look.memory.percent - 43.75).abs() < 1e-9);
        assert!(!look.memory.is_limited);
    }

    #[test]
    fn beszel_176_a_container_shows_its_own_limit_and_not_the_hosts_memory() {
        let gigabyte = 1024 * 1024 * 1024_u64;
        let limit = (2 * gigabyte).to_string();
        let current = (gigabyte + 300 * 1024 * 1024).to_string();
        let look = look_at(&copy(&[
            ("proc/meminfo", MEMINFO),
            (
                "proc/stat",
                "cpu  1 0 0 9 0 0 0 0\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1\n",
            ),
            ("sys/fs/cgroup/memory.max", &limit),
            ("sys/fs/cgroup/memory.current", &current),
            (
                "sys/fs/cgroup/memory.stat",
                "anon 5\ninactive_file 314572800\n",
            ),
            ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/cpuset.cpus.effective", "0-3\n"),
            ("sys/fs/cgroup/cpu.stat", "usage_usec 1000000\n"),
        ]));
        assert!(look.memory.is_limited);
        assert_eq!(look.memory.total_bytes, 2 * gigabyte);
        assert_eq!(
            look.memory.used_bytes, gigabyte,
            "the page cache is not used memory"
        );
        assert_eq!(look.cpu.limit_cores, Some(1.5));
        let mut before = a_second_before(&look);
        before.group_us = Some(0);
        before.ticks[3] = 0;
        let (cpu, _) = between(Some(&before), &look);
        // One second of one and a half.
        assert!((cpu.percent.unwrap() - 66.666).abs() < 0.1, "{cpu:?}");
    }

    #[test]
    fn what_passes_an_interface_upon_others_is_counted_once() {
        let names = [
            "eth0",
            "enp3s0",
            "br0",
            "vmbr0",
            "bond0",
            "eth0.10",
            "wg0",
            "tailscale0",
            "eth9",
        ];
        let lines = names.map(|name| format!("{name}: 1000 1 0 0 0 0 0 0 600 1 0\n"));
        let dev = format!("a\nb\n{}", lines.concat());
        let look = look_at(&copy(&[
            ("proc/net/dev", &dev),
            ("sys/class/net/eth0/type", "1\n"),
            ("sys/class/net/enp3s0/upper_bond0/type", "1\n"),
            ("sys/class/net/br0/bridge/stp_state", "0\n"),
            ("sys/class/net/vmbr0/lower_eth0/type", "1\n"),
            ("sys/class/net/bond0/bonding/mode", "active-backup 1\n"),
            ("sys/class/net/eth0.10/lower_eth0/type", "1\n"),
            ("sys/class/net/wg0/type", "65534\n"),
            ("sys/class/net/tailscale0/tun_flags", "0x1001\n"),
        ]));
        let counted: Vec<_> = look.counters.traffic.keys().map(String::as_str).collect();
        // Of the last one the kernel says nothing.
        assert_eq!(counted, ["enp3s0", "eth0", "eth9"]);
    }

    #[test]
    fn in_docker_and_podman_the_machine_is_shown_and_not_what_flowkeep_alone_may_take() {
        let limited = [
            ("proc/meminfo", MEMINFO),
            ("proc/stat", "cpu  50 0 0 50 0 0 0 0\ncpu0 1\ncpu1 1\n"),
            ("sys/fs/cgroup/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/memory.current", "1000000000\n"),
            ("sys/fs/cgroup/memory.stat", "inactive_file 0\n"),
            ("sys/fs/cgroup/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/cpu.stat", "usage_usec 1000000\n"),
        ];
        assert!(look_at(&copy(&limited)).memory.is_limited);
        for mark in [".dockerenv", "run/.containerenv"] {
            let look = look_at(&copy(&[&limited[..], &[(mark, "")]].concat()));
            assert!(!look.memory.is_limited, "{mark}");
            assert_eq!(look.memory.total_bytes, 16_000_000 * 1024);
            assert_eq!(look.memory.used_bytes, 7_000_000 * 1024);
            assert_eq!(look.cpu.limit_cores, None);
            let mut before = a_second_before(&look);
            before.ticks = [0; 8];
            let (cpu, _) = between(Some(&before), &look);
            assert_eq!(cpu.percent, Some(50.0), "of the machine: {cpu:?}");
        }
    }

    #[test]
    fn beszel_1003_without_a_limit_of_its_own_a_container_shows_what_its_meminfo_says() {
        for limit in ["max", "9223372036854771712"] {
            let look = look_at(&copy(&[
                ("proc/meminfo", MEMINFO),
                ("sys/fs/cgroup/memory.max", limit),
                ("sys/fs/cgroup/memory.current", "9000000000"),
                ("sys/fs/cgroup/cpu.max", "max 100000"),
            ]));
            assert_eq!(look.memory.total_bytes, 16_000_000 * 1024);
            assert_eq!(look.memory.used_bytes, 7_000_000 * 1024);
            assert_eq!(look.cpu.limit_cores, None);
        }
        let look = look_at(&copy(&[
            ("proc/meminfo", MEMINFO),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "536870912"),
            (
                "sys/fs/cgroup/memory/memory.stat",
                "total_inactive_file 268435456\n",
            ),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
        ]));
        assert_eq!(look.memory.used_bytes, 268_435_456, "version 1");
    }

    #[test]
    fn busy_is_what_was_not_idle_between_two_looks_and_a_counter_that_went_back_gives_no_rate() {
        let first = look_at(&copy(&[
            (
                "proc/stat",
                "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1\ncpu1 1\nintr 5\n",
            ),
            (
                "proc/net/dev",
                "a\nb\n  eth0: 1000 1 0 0 0 0 0 0 500 1 0\n    lo: 9 0 0 0 0 0 0 0 9\n  eth1: 50 0 0 0 0 0 0 0 50\n",
            ),
        ]));
        let mut second = look_at(&copy(&[
            (
                "proc/stat",
                "cpu  150 0 125 870 5 0 0 50 0 0\ncpu0 1\ncpu1 1\nintr 5\n",
            ),
            (
                "proc/net/dev",
                "a\nb\n  eth0: 3000 1 0 0 0 0 0 0 600 1 0\n  eth1: 40 0 0 0 0 0 0 0 60\nveth1: 1 2 3\n",
            ),
        ]));
        second.counters.at = first.counters.at + std::time::Duration::from_secs(2);
        let (cpu, network) = between(Some(&first.counters), &second);
        assert_eq!(cpu.cores, 2);
        assert!((cpu.percent.unwrap() - 62.5).abs() < 1e-9, "{cpu:?}");
        assert!((cpu.steal_percent.unwrap() - 25.0).abs() < 1e-9);
        let names: Vec<_> = network.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["eth0", "eth1"]);
        assert_eq!(network[0].rx_bytes_per_second, Some(1000.0));
        assert_eq!(network[0].tx_bytes_per_second, Some(50.0));
        assert_eq!(network[1].rx_bytes_per_second, None);
        assert_eq!(between(None, &second).0.percent, None);
    }

    #[test]
    fn sensors_are_named_and_nonsense_is_left_out() {
        let look = look_at(&copy(&[
            ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "41000\n"),
            ("sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
            ("sys/class/hwmon/hwmon0/temp2_input", "-273150\n"),
            ("sys/class/hwmon/hwmon1/name", "nvme\n"),
            ("sys/class/hwmon/hwmon1/temp1_input", "36850\n"),
            ("sys/class/hwmon/hwmon2/name", "nvme\n"),
            ("sys/class/hwmon/hwmon2/temp1_input", "71850\n"),
        ]));
        let found: Vec<_> = look
            .temperatures
            .iter()
            .map(|one| (one.sensor.as_str(), one.celsius))
            .collect();
        assert_eq!(
            found,
            [
                ("coretemp Package id 0", 41.0),
                ("nvme", 36.85),
                ("nvme (2)", 71.85)
            ]
        );
    }

    #[test]
    fn in_docker_the_traffic_is_that_of_the_container_unless_it_was_given_the_machines_network() {
        let own = "a\nb\n  eth0: 1 1 0 0 0 0 0 0 1\n    lo: 9 0 0 0 0 0 0 0 9\n";
        let machines = format!("{own}docker0: 1 1 0 0 0 0 0 0 1\n");
        for (mark, net, expected) in [
            (".dockerenv", own, true),
            (".dockerenv", machines.as_str(), false),
            ("srv/other", own, false),
        ] {
            let look = look_at(&copy(&[("proc/net/dev", net), (mark, "")]));
            assert_eq!(look.network_is_own, expected, "{mark} {net}");
        }
    }
}
