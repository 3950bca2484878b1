//! How full disks and network shares are, and what is told of it. Pure.

use std::path::Path;

use serde_json::{Value, json};

use super::judge::{Judged, Told, Verdict, gigabytes, look, name_of};
use super::sample::{HostShare, percent};
use crate::platform::events::Severity;
use crate::platform::threshold::{LONGEST_GAP, Turn};

/// What has room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Disk,
    Share,
}

impl What {
    /// The kinds of its conditions.
    fn kinds(self) -> [&'static str; 2] {
        match self {
            Self::Disk => ["disk_warning", "disk_critical"],
            Self::Share => ["share_warning", "share_critical"],
        }
    }

    /// Whose condition that is.
    fn of_kind(kind: &str) -> Option<Self> {
        let all = [Self::Disk, Self::Share];
        all.into_iter().find(|what| what.kinds().contains(&kind))
    }

    fn words(self) -> &'static str {
        match self {
            Self::Disk => "",
            Self::Share => "the network share ",
        }
    }

    /// What is told, with its kind: a disk and a share may be at one place.
    fn data(self, mut data: Value) -> Value {
        if self == Self::Share {
            data["is_share"] = true.into();
        }
        data
    }
}

/// A disk or a share with its room.
struct Room<'a> {
    what: What,
    mount: &'a str,
    percent: f64,
    total_bytes: u64,
    free_bytes: u64,
}

impl<'a> Room<'a> {
    /// `None` where a share does not tell.
    fn of_share(share: &'a HostShare) -> Option<Self> {
        let (total, free) = share.total_bytes.zip(share.free_bytes)?;
        (total > 0).then(|| Self {
            what: What::Share,
            mount: &share.mount,
            percent: percent(total.saturating_sub(free) as f64, total as f64),
            total_bytes: total,
            free_bytes: free,
        })
    }
}

/// Judges how full everything is.
pub(super) fn judge(it: &Judged<'_>, verdict: &mut Verdict) {
    for disk in &it.sample.disks {
        let room = Room {
            what: What::Disk,
            mount: &disk.mount,
            percent: disk.percent,
            total_bytes: disk.total_bytes,
            free_bytes: disk.free_bytes,
        };
        judge_one(it, verdict, &room);
    }
    for share in &it.sample.shares {
        if let Some(room) = Room::of_share(share) {
            judge_one(it, verdict, &room);
        }
    }
    // One that hangs or fails is as full as it was: an alert of it neither begins nor ends.
    for disk in &it.sample.failing_disks {
        for kind in What::Disk.kinds() {
            let name = name_of(kind, &disk.mount);
            if it.before.contains_key(&name) {
                look(it, verdict, &name, None, it.thresholds.disk_warning);
                if let Some(kept) = verdict.kept.last_mut() {
                    kept.detail = Some(disk.problem.clone());
                }
            }
        }
    }
    forget_gone(it, verdict);
}

fn judge_one(it: &Judged<'_>, verdict: &mut Verdict, room: &Room<'_>) {
    let (mount, value) = (room.mount, Some(room.percent));
    let limits = (it.thresholds.disk_warning, it.thresholds.disk_critical);
    let names = room.what.kinds().map(|kind| name_of(kind, mount));
    let warning = look(it, verdict, &names[0], value, limits.0);
    let critical = look(it, verdict, &names[1], value, limits.1);
    let (event_type, severity) = match (warning, critical) {
        ((_, _), (_, Some(Turn::Raised))) => ("system.disk_critical", Severity::Critical),
        ((_, Some(Turn::Raised)), (false, _)) => ("system.disk_warning", Severity::Warning),
        ((false, Some(Turn::Ended)), (false, _)) | ((false, _), (false, Some(Turn::Ended))) => {
            ("system.disk_normal", Severity::Info)
        }
        _ => return,
    };
    let shown = room.percent.round();
    let (words, left) = (room.what.words(), gigabytes(room.free_bytes));
    let message = format!("{shown} % of {words}{mount} are used; {left} are free.");
    let data = json!({
        "mount": mount, "percent": shown, "free_bytes": room.free_bytes,
        "total_bytes": room.total_bytes, "message": message,
    });
    verdict.told.push(Told {
        event_type,
        severity,
        data: room.what.data(data),
    });
}

fn forget_gone(it: &Judged<'_>, verdict: &mut Verdict) {
    for (name, condition) in it.before {
        let Some((kind, mount)) = name.split_once(':') else {
            continue;
        };
        let Some(what) = What::of_kind(kind) else {
            continue;
        };
        let is_this = |path: &Path| name_of(kind, &path.display().to_string()) == *name;
        let is_mounted = match what {
            What::Disk => it.mounted.disks.iter().any(|one| is_this(&one.path)),
            // One that is away, or that the kernel mounts when somebody asks for it, comes back as it was.
            What::Share => {
                let of_share = name_of("share", mount);
                it.mounted.shares.iter().any(|one| is_this(&one.path))
                    || it.mounted.automatic.iter().any(|one| is_this(one))
                    || verdict.kept.iter().any(|kept| kept.name == of_share)
            }
        };
        let is_kept = is_mounted || verdict.kept.iter().any(|kept| kept.name == *name);
        // One that was taken away for a moment is not gone.
        if is_kept || it.sample.at - condition.seen_at <= LONGEST_GAP {
            continue;
        }
        verdict.gone.push(name.clone());
        if kind == what.kinds()[0] && condition.state == "raised" {
            let message = match what {
                What::Disk => format!("{mount} is no longer mounted as a disk of its own."),
                What::Share => format!("The network share {mount} is no longer mounted."),
            };
            let data = json!({ "mount": mount, "is_forgotten": true, "message": message });
            verdict.told.push(Told {
                event_type: "system.disk_normal",
                severity: Severity::Info,
                data: what.data(data),
            });
        }
    }
}
