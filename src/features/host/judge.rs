//! What a sample means: which conditions turn, and what is told of them. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::mounts::Mounts;
use super::room;
use super::sample::{HostSample, N8nNow, ShareStatus};
use super::store::Condition;
use crate::platform::events::Severity;
use crate::platform::threshold::{LONGEST_GAP, Rule, Turn, Watch, lasting, step};

/// A share or n8n must be seen so for as long before it is told: a restart is no trouble.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(50);
/// A share that is gone for as long is forgotten.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(7);
/// Characters that the name of a condition may have in the database.
const LONGEST_NAME: usize = 300;

/// What people set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Percent of the processor.
    pub cpu: f64,
    /// Percent of memory.
    pub memory: f64,
    /// Percent of a disk.
    pub disk_warning: f64,
    /// Percent of a disk; never less than the warning.
    pub disk_critical: f64,
    /// For how long it must be too high.
    pub raise_after: TimeDelta,
    /// For how long it must be well.
    pub clear_after: TimeDelta,
}

impl Thresholds {
    fn rule(&self, threshold: f64) -> Rule {
        Rule::of_percent(threshold, self.raise_after, self.clear_after)
    }
}

/// An event before it has an id.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// `group.event`.
    pub event_type: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub data: Value,
}

/// What changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Conditions as they are now.
    pub kept: Vec<Condition>,
    /// Conditions of what is there no more.
    pub gone: Vec<String>,
    /// What is told.
    pub told: Vec<Told>,
}

/// What is looked at together.
pub struct Judged<'a> {
    /// The machine.
    pub sample: &'a HostSample,
    /// n8n, if it is looked after.
    pub n8n: Option<&'a N8nNow>,
    /// Where n8n is.
    pub n8n_url: Option<&'a str>,
    /// How everything stood before.
    pub before: &'a BTreeMap<String, Condition>,
    /// What people set.
    pub thresholds: &'a Thresholds,
    /// Mounts that others tell of.
    pub foreign: &'a [String],
    /// What is mounted, also where it does not answer, and what comes and goes by itself.
    pub mounted: &'a Mounts,
    /// Whether Flowkeep itself has n8n stopped.
    pub is_held: bool,
}

/// Judges a sample.
pub fn judge(it: &Judged<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    cpu_and_memory(it, &mut verdict);
    shares(it, &mut verdict);
    room::judge(it, &mut verdict);
    n8n(it, &mut verdict);
    verdict
}

/// The name under which something is kept. Paths may be longer than a name; those are cut and made one of a kind again.
pub(super) fn name_of(kind: &str, about: &str) -> String {
    let name = format!("{kind}:{about}");
    if name.chars().count() <= LONGEST_NAME {
        return name;
    }
    let hash = hex::encode(Sha256::digest(name.as_bytes()));
    let begin: String = name.chars().take(LONGEST_NAME - 17).collect();
    format!("{begin}~{}", &hash[..16])
}

pub(super) fn gigabytes(bytes: u64) -> String {
    let gigabytes = bytes as f64 / 1e9;
    if gigabytes >= 9.95 {
        format!("{gigabytes:.0} GB")
    } else {
        format!("{gigabytes:.1} GB")
    }
}

/// Compares a value with its threshold and keeps how it stands.
pub(super) fn look(
    it: &Judged<'_>,
    verdict: &mut Verdict,
    name: &str,
    value: Option<f64>,
    threshold: f64,
) -> (bool, Option<Turn>) {
    let now = it.sample.at;
    let before = it.before.get(name);
    let watch = before.map_or_else(Watch::default, |one| Watch {
        is_raised: one.state == "raised",
        pending_since: one.pending_since,
        seen_at: Some(one.seen_at),
    });
    let (watch, turn) = step(watch, value, now, &it.thresholds.rule(threshold));
    let changed_at = match (turn, before) {
        (None, Some(before)) => before.changed_at,
        _ => now,
    };
    let other = if watch.is_raised { "normal" } else { "raised" };
    verdict.kept.push(Condition {
        name: name.to_owned(),
        state: if watch.is_raised { "raised" } else { "normal" }.to_owned(),
        pending: watch.pending_since.map(|_| other.to_owned()),
        pending_since: watch.pending_since,
        seen_at: now,
        changed_at,
        value,
        detail: None,
    });
    (watch.is_raised, turn)
}

fn cpu_and_memory(it: &Judged<'_>, verdict: &mut Verdict) {
    let lasting = lasting(it.thresholds.raise_after);
    let cpu = it.sample.cpu.percent;
    let shown = cpu.unwrap_or(0.0).round();
    let (event_type, severity, message) = match look(it, verdict, "cpu", cpu, it.thresholds.cpu).1 {
        Some(Turn::Raised) => (
            "system.high_cpu",
            Severity::Warning,
            format!(
                "The processor has been at least {} % busy{lasting}; it is {shown} % busy now.",
                it.thresholds.cpu
            ),
        ),
        Some(Turn::Ended) => (
            "system.cpu_normal",
            Severity::Info,
            format!("The processor is {shown} % busy."),
        ),
        None => ("", Severity::Info, String::new()),
    };
    if !event_type.is_empty() {
        let data = json!({ "resource": "cpu", "percent": shown, "message": message });
        verdict.told.push(Told {
            event_type,
            severity,
            data,
        });
    }
    let memory = &it.sample.memory;
    let known = (memory.total_bytes > 0).then_some(memory.percent);
    let shown = memory.percent.round();
    let left = gigabytes(memory.available_bytes);
    let (event_type, severity) = match look(it, verdict, "memory", known, it.thresholds.memory).1 {
        Some(Turn::Raised) => ("system.high_memory", Severity::Warning),
        Some(Turn::Ended) => ("system.memory_normal", Severity::Info),
        None => return,
    };
    let message = format!("{shown} % of the memory are used; {left} are left for programs.");
    let data = json!({
        "resource": "memory", "percent": shown, "available_bytes": memory.available_bytes, "message": message,
    });
    verdict.told.push(Told {
        event_type,
        severity,
        data,
    });
}

/// Follows a state that must be seen twice before it counts. Returns whether it changed, and from what.
fn follow(
    before: Option<&Condition>,
    name: String,
    seen: &str,
    detail: Option<String>,
    now: DateTime<Utc>,
) -> (Condition, Option<Option<String>>) {
    let fresh = |state: &str| Condition {
        name: name.clone(),
        state: state.to_owned(),
        pending: None,
        pending_since: None,
        seen_at: now,
        changed_at: now,
        value: None,
        detail: detail.clone(),
    };
    let Some(before) = before else {
        // What is well when it is first looked at is no news; what is not must be seen again.
        let well = if name == "n8n" { "up" } else { "connected" };
        let mut first = fresh(well);
        if seen != well {
            first.pending = Some(seen.to_owned());
            first.pending_since = Some(now);
        }
        return (first, None);
    };
    let mut next = Condition {
        seen_at: now,
        detail: detail.clone(),
        pending: None,
        pending_since: None,
        ..before.clone()
    };
    if before.state == seen {
        return (next, None);
    }
    // What was seen before a pause of Flowkeep, or by a clock that was put back, says nothing about the time between.
    let is_gap = now - before.seen_at > LONGEST_GAP || before.seen_at > now;
    let since = before
        .pending_since
        .filter(|since| !is_gap && before.pending.as_deref() == Some(seen) && *since <= now)
        .unwrap_or(now);
    if now - since >= SETTLED_AFTER {
        return (fresh(seen), Some(Some(before.state.clone())));
    }
    next.pending = Some(seen.to_owned());
    next.pending_since = Some(since);
    (next, None)
}

fn shares(it: &Judged<'_>, verdict: &mut Verdict) {
    let now = it.sample.at;
    let mut looks: Vec<(String, ShareStatus, Option<String>)> = Vec::new();
    for share in &it.sample.shares {
        looks.push((share.mount.clone(), share.status, share.problem.clone()));
    }
    for (name, condition) in it.before {
        let Some(mount) = name.strip_prefix("share:") else {
            continue;
        };
        if looks.iter().any(|look| name_of("share", &look.0) == *name) {
            continue;
        }
        let mut automatic = it.mounted.automatic.iter();
        let is_automatic = automatic.any(|one| one.display().to_string() == mount);
        let is_old =
            condition.state == "disconnected" && now - condition.changed_at > FORGOTTEN_AFTER;
        if is_automatic || is_old {
            let why = if is_automatic {
                "it is mounted when somebody asks for it"
            } else {
                "it has not been mounted for a week"
            };
            forget_share(condition, mount, why, verdict);
        } else {
            let problem = Some("the share is not mounted".to_owned());
            looks.push((mount.to_owned(), ShareStatus::Disconnected, problem));
        }
    }
    for (mount, status, problem) in looks {
        let name = name_of("share", &mount);
        let before = it.before.get(&name);
        if it.foreign.contains(&mount) {
            if let Some(before) = before {
                let why = "the destination on it tells of it from now on";
                forget_share(before, &mount, why, verdict);
            }
            continue;
        }
        let (condition, turned) = follow(before, name, status.as_str(), problem.clone(), now);
        verdict.kept.push(condition);
        if turned.is_none() {
            continue;
        }
        let (event_type, severity) = match status {
            ShareStatus::Connected => ("system.nfs_connected", Severity::Info),
            ShareStatus::Disconnected => ("system.nfs_disconnected", Severity::Error),
            ShareStatus::Error => ("system.nfs_error", Severity::Error),
        };
        let why = problem.unwrap_or_else(|| "the share answers".to_owned());
        let message = format!("{mount}: {why}.");
        verdict.told.push(Told {
            event_type,
            severity,
            data: json!({ "destination": mount, "path": mount, "message": message }),
        });
    }
}

/// Watches a share no longer. An alert that was told of it ends with that.
fn forget_share(before: &Condition, mount: &str, why: &str, verdict: &mut Verdict) {
    verdict.gone.push(before.name.clone());
    if before.state != ShareStatus::Connected.as_str() {
        let message = format!("{mount} is no longer watched: {why}.");
        verdict.told.push(Told {
            event_type: "system.nfs_connected",
            severity: Severity::Info,
            data: json!({
                "destination": mount, "path": mount, "is_forgotten": true, "message": message,
            }),
        });
    }
}

fn n8n(it: &Judged<'_>, verdict: &mut Verdict) {
    let before = it.before.get("n8n");
    let is_told = before.is_some_and(|one| one.state == "down");
    let Some(is_up) = it.n8n.and_then(|n8n| n8n.is_up) else {
        verdict.gone.extend(before.map(|one| one.name.clone()));
        if is_told {
            let message = "n8n's address is no longer set, so it is not asked any more.";
            verdict.told.push(Told {
                event_type: "system.n8n_up",
                severity: Severity::Info,
                data: json!({ "resource": "n8n", "is_forgotten": true, "message": message }),
            });
        }
        return;
    };
    let problem = it.n8n.and_then(|n8n| n8n.problem.clone());
    if it.is_held && !is_up && !is_told {
        // Flowkeep stopped it for an upgrade or a restore, which tells by itself how that went. If n8n does not come back
        // afterwards, the wait begins then.
        let (mut kept, _) = follow(None, "n8n".to_owned(), "down", problem, it.sample.at);
        kept.pending_since = None;
        kept.changed_at = before.map_or(kept.changed_at, |one| one.changed_at);
        verdict.kept.push(kept);
        return;
    }
    let seen = if is_up { "up" } else { "down" };
    let (condition, turned) = follow(
        before,
        "n8n".to_owned(),
        seen,
        problem.clone(),
        it.sample.at,
    );
    let since = before.map(|before| before.changed_at);
    verdict.kept.push(condition);
    if turned.is_none() {
        return;
    }
    let place = it.n8n_url.unwrap_or("its address");
    let told = if is_up {
        let since = since.map_or_else(String::new, |since| {
            format!(" It did not since {}.", since.format("%Y-%m-%d %H:%M UTC"))
        });
        let message = format!("n8n at {place} answers again.{since}");
        ("system.n8n_up", Severity::Info, message)
    } else {
        let why = problem.unwrap_or_else(|| "no answer".to_owned());
        let message = format!("n8n at {place} does not answer: {why}.");
        ("system.n8n_down", Severity::Critical, message)
    };
    verdict.told.push(Told {
        event_type: told.0,
        severity: told.1,
        data: json!({ "resource": "n8n", "message": told.2 }),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::host::mounts;
    use crate::features::host::sample::{HostDisk, HostFailingDisk, HostShare};

    const THRESHOLDS: Thresholds = Thresholds {
        cpu: 90.0,
        memory: 90.0,
        disk_warning: 85.0,
        disk_critical: 95.0,
        raise_after: TimeDelta::minutes(2),
        clear_after: TimeDelta::minutes(2),
    };

    struct World {
        minute: i64,
        before: BTreeMap<String, Condition>,
        foreign: Vec<String>,
        mounted: Mounts,
        is_held: bool,
        told: Vec<Told>,
    }

    impl World {
        fn new() -> Self {
            Self {
                minute: 0,
                before: BTreeMap::new(),
                foreign: Vec::new(),
                mounted: Mounts::default(),
                is_held: false,
                told: Vec::new(),
            }
        }

        fn look(&mut self, mut sample: HostSample, n8n: Option<bool>) -> Vec<&'static str> {
            sample.at = DateTime::from_timestamp(1_800_000_000 + self.minute * 60, 0).unwrap();
            self.minute += 1;
            let n8n = n8n.map(|is_up| N8nNow {
                is_up: Some(is_up),
                ..N8nNow::default()
            });
            let verdict = judge(&Judged {
                sample: &sample,
                n8n: n8n.as_ref(),
                n8n_url: Some("http://n8n:5678"),
                before: &self.before,
                thresholds: &THRESHOLDS,
                foreign: &self.foreign,
                mounted: &self.mounted,
                is_held: self.is_held,
            });
            for condition in verdict.kept {
                self.before.insert(condition.name.clone(), condition);
            }
            for name in verdict.gone {
                self.before.remove(&name);
            }
            let types = verdict.told.iter().map(|told| told.event_type).collect();
            self.told = verdict.told;
            types
        }

        fn disk(&mut self, percent: f64) -> Vec<&'static str> {
            let disk = HostDisk {
                mount: "/data".to_owned(),
                percent,
                free_bytes: 9_100_000_000,
                total_bytes: 100_000_000_000,
                ..HostDisk::default()
            };
            self.look(
                HostSample {
                    disks: vec![disk],
                    ..HostSample::default()
                },
                None,
            )
        }

        fn share(&mut self, status: Option<ShareStatus>) -> Vec<&'static str> {
            let share = status.map(|status| HostShare {
                mount: "/mnt/nas".to_owned(),
                status,
                ..HostShare::default()
            });
            let shares = share.into_iter().collect();
            self.look(
                HostSample {
                    shares,
                    ..HostSample::default()
                },
                None,
            )
        }
    }

    #[test]
    fn a_disk_is_told_of_once_for_each_threshold_and_once_when_it_has_room_again() {
        let mut world = World::new();
        let mut told = Vec::new();
        for percent in [
            88.0, 88.0, 88.0, 88.0, 96.0, 96.0, 96.0, 96.0, 91.0, 91.0, 91.0, 91.0, 96.0,
        ] {
            told.extend(world.disk(percent));
        }
        assert_eq!(told, ["system.disk_warning", "system.disk_critical"]);
        for percent in [60.0, 60.0, 60.0, 60.0, 60.0] {
            told.extend(world.disk(percent));
        }
        assert_eq!(told[2..], ["system.disk_normal"]);
    }

    #[test]
    fn what_is_told_of_a_disk_says_how_much_there_is_and_how_much_is_left() {
        let mut world = World::new();
        while world.disk(96.0).is_empty() {}
        assert_eq!(
            world.told[0].data,
            json!({
                "mount": "/data", "percent": 96.0, "free_bytes": 9_100_000_000_u64,
                "total_bytes": 100_000_000_000_u64, "message": "96 % of /data are used; 9.1 GB are free.",
            })
        );
    }

    #[test]
    fn a_disk_that_fills_at_once_is_critical_and_nothing_else() {
        let mut world = World::new();
        let told: Vec<_> = (0..6).flat_map(|_| world.disk(99.0)).collect();
        assert_eq!(told, ["system.disk_critical"]);
        let told: Vec<_> = (0..10)
            .flat_map(|_| world.look(HostSample::default(), None))
            .collect();
        assert_eq!(told, ["system.disk_normal"], "it is no longer mounted");
        assert!(!world.before.keys().any(|name| name.starts_with("disk")));
    }

    #[test]
    fn a_share_that_fills_up_is_told_of_as_a_disk_is_until_it_has_room_or_is_gone() {
        let share = |free: Option<u64>| HostShare {
            mount: "/mnt/nas".to_owned(),
            status: free.map_or(ShareStatus::Error, |_| ShareStatus::Connected),
            total_bytes: free.map(|_| 100_000_000_000),
            free_bytes: free,
            ..HostShare::default()
        };
        let looks = |world: &mut World, free: Option<u64>| {
            let sample = HostSample {
                shares: vec![share(free)],
                ..HostSample::default()
            };
            let looks = (0..6).flat_map(|_| world.look(sample.clone(), None));
            looks.collect::<Vec<_>>()
        };
        let mut world = World::new();
        assert_eq!(
            looks(&mut world, Some(12_000_000_000)),
            ["system.disk_warning"]
        );
        let sample = HostSample {
            shares: vec![share(Some(3_000_000_000))],
            ..HostSample::default()
        };
        while world.look(sample.clone(), None).is_empty() {}
        assert_eq!(world.told[0].event_type, "system.disk_critical");
        assert_eq!(
            world.told[0].data,
            json!({
                "mount": "/mnt/nas", "percent": 97.0, "free_bytes": 3_000_000_000_u64,
                "total_bytes": 100_000_000_000_u64, "is_share": true,
                "message": "97 % of the network share /mnt/nas are used; 3.0 GB are free.",
            })
        );
        // While it fails, and while it is away, it is as full as it was.
        assert_eq!(looks(&mut world, None), ["system.nfs_error"]);
        let away = (0..10).flat_map(|_| world.share(None)).collect::<Vec<_>>();
        assert_eq!(away, ["system.nfs_disconnected"]);
        assert_eq!(world.before["share_critical:/mnt/nas"].state, "raised");
        assert_eq!(
            looks(&mut world, Some(3_000_000_000)),
            ["system.nfs_connected"]
        );
        assert_eq!(
            looks(&mut world, Some(60_000_000_000)),
            ["system.disk_normal"]
        );
        // A share that is forgotten ends its alert.
        assert_eq!(looks(&mut world, Some(1_000_000_000)).len(), 1);
        let away = (0..4).flat_map(|_| world.share(None)).collect::<Vec<_>>();
        assert_eq!(away, ["system.nfs_disconnected"]);
        world.minute += 60 * 24 * 8;
        let told = world.share(None);
        assert_eq!(told, ["system.nfs_connected", "system.disk_normal"]);
        assert!(!world.before.keys().any(|name| name.starts_with("share")));
    }

    #[test]
    fn a_disk_and_a_share_at_one_place_and_a_share_that_mounts_itself_have_states_of_their_own() {
        let mut world = World::new();
        world.foreign = vec!["/data".to_owned()];
        world.mounted.automatic.insert("/data".into());
        let sample = HostSample {
            disks: vec![HostDisk {
                mount: "/data".to_owned(),
                percent: 10.0,
                ..HostDisk::default()
            }],
            shares: vec![HostShare {
                mount: "/data".to_owned(),
                total_bytes: Some(100),
                free_bytes: Some(1),
                ..HostShare::default()
            }],
            ..HostSample::default()
        };
        let told: Vec<_> = (0..6)
            .flat_map(|_| world.look(sample.clone(), None))
            .collect();
        assert_eq!(told, ["system.disk_critical"]);
        assert_eq!(world.before["disk_critical:/data"].state, "normal");
        assert_eq!(world.before["share_critical:/data"].state, "raised");
        // Nobody uses it, so the kernel takes it down: it is as full as before.
        for _ in 0..10 {
            assert!(world.disk(10.0).is_empty());
        }
        assert_eq!(world.before["share_critical:/data"].state, "raised");
        // A share that says nothing of its room has no state.
        let mut silent = sample.clone();
        silent.shares[0].total_bytes = Some(0);
        let mut world = World::new();
        assert!(world.look(silent, None).is_empty());
        assert!(!world.before.contains_key("share_warning:/data"));
    }

    #[test]
    fn a_share_is_told_of_when_it_goes_and_comes_and_not_for_a_single_slow_answer() {
        use ShareStatus::{Connected, Error};
        let mut world = World::new();
        let mut told = Vec::new();
        for status in [
            Some(Connected),
            Some(Error),
            Some(Connected),
            Some(Error),
            Some(Error),
            None,
            None,
            Some(Connected),
            Some(Connected),
        ] {
            told.extend(world.share(status));
        }
        assert_eq!(
            told,
            [
                "system.nfs_error",
                "system.nfs_disconnected",
                "system.nfs_connected"
            ]
        );
    }

    #[test]
    fn a_share_of_a_destination_is_left_to_the_destination_and_one_that_mounts_itself_may_go() {
        let mut world = World::new();
        world.foreign = vec!["/mnt/nas".to_owned()];
        for _ in 0..4 {
            assert!(world.share(Some(ShareStatus::Error)).is_empty());
        }
        let mut world = World::new();
        world.mounted.automatic.insert("/mnt/nas".into());
        let told: Vec<_> = [Some(ShareStatus::Connected), None, None, None]
            .into_iter()
            .flat_map(|status| world.share(status))
            .collect();
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn n8n_is_told_of_when_it_stays_away_and_when_it_is_back() {
        let mut world = World::new();
        let mut told = Vec::new();
        for is_up in [true, false, true, false, false, false, true, true] {
            told.extend(world.look(HostSample::default(), Some(is_up)));
        }
        assert_eq!(told, ["system.n8n_down", "system.n8n_up"]);
    }

    fn failing(mount: &str) -> HostSample {
        HostSample {
            failing_disks: vec![HostFailingDisk {
                mount: mount.to_owned(),
                problem: "no answer for 2 s".to_owned(),
                ..HostFailingDisk::default()
            }],
            ..HostSample::default()
        }
    }

    #[test]
    fn a_disk_that_hangs_is_neither_gone_nor_well_and_its_alert_goes_on_when_it_answers() {
        let mut world = World::new();
        let told: Vec<_> = (0..6).flat_map(|_| world.disk(99.0)).collect();
        assert_eq!(told, ["system.disk_critical"]);
        for _ in 0..20 {
            assert!(world.look(failing("/data"), None).is_empty());
        }
        let kept = &world.before["disk_warning:/data"];
        assert_eq!(kept.state, "raised");
        assert_eq!(kept.detail.as_deref(), Some("no answer for 2 s"));
        let told: Vec<_> = (0..6).flat_map(|_| world.disk(99.0)).collect();
        assert!(told.is_empty(), "it was told: {told:?}");
        assert_eq!(world.before["disk_warning:/data"].detail, None);
        // One that is mounted and not looked at for a while is not gone either.
        world.mounted = mounts::parse("1 0 8:1 / /data rw - ext4 /dev/sda1 rw");
        for _ in 0..10 {
            assert!(world.look(HostSample::default(), None).is_empty());
        }
        let told: Vec<_> = (0..6).flat_map(|_| world.disk(10.0)).collect();
        assert_eq!(told, ["system.disk_normal"]);
    }

    #[test]
    fn what_was_seen_before_a_pause_is_not_taken_for_two_looks_in_a_row() {
        use ShareStatus::{Connected, Error};
        let mut world = World::new();
        world.look(HostSample::default(), Some(true));
        world.look(HostSample::default(), Some(false));
        world.minute += 60;
        assert!(world.look(HostSample::default(), Some(false)).is_empty());
        assert_eq!(
            world.look(HostSample::default(), Some(false)),
            ["system.n8n_down"]
        );
        let mut world = World::new();
        world.share(Some(Connected));
        world.share(Some(Error));
        // A clock that was put back says as little.
        world.minute -= 30;
        assert!(world.share(Some(Error)).is_empty());
        assert_eq!(world.share(Some(Error)), ["system.nfs_error"]);
    }

    #[test]
    fn while_flowkeep_has_n8n_stopped_it_is_not_told_and_afterwards_it_is() {
        let mut world = World::new();
        world.look(HostSample::default(), Some(true));
        world.is_held = true;
        for _ in 0..30 {
            assert!(world.look(HostSample::default(), Some(false)).is_empty());
            let kept = &world.before["n8n"];
            assert_eq!(kept.pending.as_deref(), Some("down"), "nothing runs");
        }
        let mut back = World {
            before: world.before.clone(),
            ..World::new()
        };
        back.minute = world.minute;
        assert!(back.look(HostSample::default(), Some(true)).is_empty());
        world.is_held = false;
        assert!(world.look(HostSample::default(), Some(false)).is_empty());
        assert_eq!(
            world.look(HostSample::default(), Some(false)),
            ["system.n8n_down"]
        );
        // One that was told before goes on, and ends as ever.
        world.is_held = true;
        assert!(world.look(HostSample::default(), Some(false)).is_empty());
        assert!(world.look(HostSample::default(), Some(true)).is_empty());
        assert_eq!(
            world.look(HostSample::default(), Some(true)),
            ["system.n8n_up"]
        );
    }

    #[test]
    fn what_was_told_ends_when_it_is_no_longer_watched() {
        use ShareStatus::{Connected, Error};
        let told_share = || {
            let mut world = World::new();
            let told: Vec<_> = [Some(Connected), None, None]
                .into_iter()
                .flat_map(|status| world.share(status))
                .collect();
            assert_eq!(told, ["system.nfs_disconnected"]);
            world
        };
        let mut forgotten = told_share();
        forgotten.minute += 60 * 24 * 8;
        assert_eq!(forgotten.share(None), ["system.nfs_connected"]);
        assert!(forgotten.share(None).is_empty());
        let mut automatic = told_share();
        automatic.mounted.automatic.insert("/mnt/nas".into());
        assert_eq!(automatic.share(None), ["system.nfs_connected"]);
        let mut foreign = told_share();
        foreign.foreign = vec!["/mnt/nas".to_owned()];
        assert_eq!(foreign.share(Some(Error)), ["system.nfs_connected"]);
        let mut world = World::new();
        for is_up in [true, false, false] {
            world.look(HostSample::default(), Some(is_up));
        }
        assert_eq!(world.look(HostSample::default(), None), ["system.n8n_up"]);
        assert!(world.look(HostSample::default(), None).is_empty());
    }

    #[test]
    fn the_longest_paths_have_names_of_their_own_that_fit() {
        let long = |end: &str| format!("/mnt/{}{end}", "ä/".repeat(400));
        let names: Vec<_> = ["a", "b"].map(|end| name_of("share", &long(end))).into();
        assert_ne!(names[0], names[1]);
        for name in &names {
            assert_eq!(name.chars().count(), LONGEST_NAME);
            let cut = name.strip_prefix("share:").unwrap();
            assert_eq!(name_of("share", cut), *name, "it is found again");
        }
        let mut world = World::new();
        let mut told = Vec::new();
        for is_there in [true, false, false] {
            let share = HostShare {
                mount: long("a"),
                ..HostShare::default()
            };
            let shares = is_there.then_some(share).into_iter().collect();
            let sample = HostSample {
                shares,
                ..HostSample::default()
            };
            told.extend(world.look(sample, None));
        }
        assert_eq!(told, ["system.nfs_disconnected"]);
    }
}
