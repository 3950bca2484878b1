//! Which file systems are mounted here, and what room they have. Pure but for [`Prober`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::sample::{HostDisk, HostFailingDisk, HostShare, ShareStatus, percent};

/// File systems on a disk of this machine.
const DISKS: [&str; 15] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "vfat",
    "exfat", "ntfs", "ntfs3", "fuseblk",
];
/// File systems over a network.
const SHARES: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.glusterfs",
    "fuse.s3fs",
    "afs",
];
/// Two mounts of one disk, asked one after the other, may differ by what was written between.
const ALIKE_BYTES: u64 = 64 * 1024 * 1024;
/// Partitions that only firmware writes.
const FIRMWARE: [&str; 3] = ["/boot/efi", "/efi", "/boot/firmware"];

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub path: PathBuf,
    /// Device, or server and folder.
    pub source: String,
    /// Its file system.
    pub kind: String,
    /// Where else the same disk is mounted, the shortest path first.
    pub others: Vec<PathBuf>,
}

/// What is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// Disks, one entry for each, however often it is mounted.
    pub disks: Vec<Mount>,
    /// Shares.
    pub shares: Vec<Mount>,
    /// Where the kernel mounts something when it is asked for; not being mounted is no fault there.
    pub automatic: BTreeSet<PathBuf>,
}

/// Reads `/proc/self/mountinfo`.
pub fn parse(mountinfo: &str) -> Mounts {
    let mut mounts = Mounts::default();
    let mut by_device: BTreeMap<String, Vec<Mount>> = BTreeMap::new();
    // What is mounted over hides what is below; the last line counts.
    let mut shares: BTreeMap<PathBuf, Mount> = BTreeMap::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let mut left = left.split(' ').skip(2);
        let (Some(device), Some(_), Some(path)) = (left.next(), left.next(), left.next()) else {
            continue;
        };
        let mut right = right.split(' ');
        let (Some(kind), Some(source)) = (right.next(), right.next()) else {
            continue;
        };
        let path = PathBuf::from(unescape(path));
        let mount = Mount {
            path: path.clone(),
            source: unescape(source),
            kind: kind.to_owned(),
            others: Vec::new(),
        };
        if kind == "autofs" {
            mounts.automatic.insert(path);
        } else if SHARES.contains(&kind) {
            shares.insert(path, mount);
        } else {
            let is_root = path == Path::new("/");
            let is_disk = DISKS.contains(&kind) || (is_root && kind == "overlay");
            let is_firmware = FIRMWARE.iter().any(|one| path == Path::new(one));
            if !is_disk || is_firmware {
                continue;
            }
            // btrfs gives each subvolume a number of its own; they share the disk all the same.
            let key = if kind == "btrfs" { source } else { device };
            by_device.entry(key.to_owned()).or_default().push(mount);
        }
    }
    mounts.disks = by_device.into_values().filter_map(first_of).collect();
    mounts.disks.sort_by(|a, b| a.path.cmp(&b.path));
    mounts.shares = shares.into_values().collect();
    mounts
}

/// The mount of a disk with the shortest path, and the others behind it.
fn first_of(mut all: Vec<Mount>) -> Option<Mount> {
    all.sort_by_key(|one| one.path.as_os_str().len());
    let mut all = all.into_iter();
    let first = all.next()?;
    let others = all.map(|one| one.path).filter(|path| *path != first.path);
    Some(Mount {
        others: others.collect(),
        ..first
    })
}

/// The kernel writes blanks, tabs, line ends and backslashes as octal numbers.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..3).filter(|_| *first == b'\\');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        if let Some(code) = code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            bytes.push(code);
            rest = &tail[3..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a file system said of its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// All of it, in bytes.
    pub total: u64,
    /// Not taken.
    pub free: u64,
    /// Not taken and not kept for root.
    pub available: u64,
}

/// How one disk answered: its room; `None` when it is none to this process; or what is wrong.
pub type DiskAnswer = Result<Option<Room>, String>;

type Answer = Result<(Room, Duration), String>;

/// A question that a thread is at.
#[derive(Clone, Debug)]
struct Asking {
    since: Instant,
    answer: watch::Receiver<Option<Answer>>,
}

/// Asks file systems for their room, each on a thread that may hang with it. Whoever asks the same meanwhile waits
/// for the same answer. One that hangs is not asked again until it comes back, so it costs one thread and, once its
/// time is over, nobody waits for it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Prober {
    asking: Arc<Mutex<BTreeMap<PathBuf, Asking>>>,
}

impl Prober {
    /// Asks, for at most `limit`. Returns how long it took.
    pub async fn ask(&self, path: &Path, limit: Duration) -> Answer {
        let path = path.to_owned();
        self.run(path.clone(), limit, move || {
            is_there(&path).and_then(|()| room(&path))
        })
        .await
    }

    /// Asks a disk, for at most `limit`. What this process may not enter, what is mounted over, and single files of the
    /// host, which containers mount as /etc/hosts, are no disks to it.
    pub async fn ask_disk(&self, path: &Path, limit: Duration) -> DiskAnswer {
        use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
        let path = path.to_owned();
        let nothing = Room {
            total: 0,
            free: 0,
            available: 0,
        };
        let work = {
            let path = path.clone();
            move || match is_there(&path).and_then(|()| room(&path)) {
                Err(error)
                    if matches!(error.kind(), NotADirectory | NotFound | PermissionDenied) =>
                {
                    Ok(nothing)
                }
                other => other,
            }
        };
        let (room, _) = self.run(path, limit, work).await?;
        Ok((room.total > 0).then_some(room))
    }

    /// Asks a disk where it is mounted, in turn, until it is one there. That place is the first from then on.
    pub async fn ask_any(&self, mount: &mut Mount, limit: Duration) -> DiskAnswer {
        let first = self.ask_disk(&mount.path, limit).await;
        if first != Ok(None) {
            return first;
        }
        for other in mount.others.clone() {
            let answer = self.ask_disk(&other, limit).await;
            if answer != Ok(None) {
                mount.path = other;
                return answer;
            }
        }
        first
    }

    /// Does `work` for `path` on a thread of its own, unless one is at it already.
    pub async fn run<F>(&self, path: PathBuf, limit: Duration, work: F) -> Answer
    where
        F: FnOnce() -> std::io::Result<Room> + Send + 'static,
    {
        let Asking { since, mut answer } = self.begin(path, work);
        let silent = || {
            let seconds = limit.as_secs().max(1);
            format!("no answer for {seconds} s; it hangs, or what it is on is away")
        };
        // From when the thread began, not from when this one asked: so much is said above.
        let left = limit.saturating_sub(since.elapsed());
        if left.is_zero() {
            return answer.borrow().clone().unwrap_or_else(|| Err(silent()));
        }
        match tokio::time::timeout(left, answer.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or_else(|| Err(silent())),
            Ok(Err(_)) => Err("what asked it broke off".to_owned()),
            Err(_) => Err(silent()),
        }
    }

    fn begin<F>(&self, path: PathBuf, work: F) -> Asking
    where
        F: FnOnce() -> std::io::Result<Room> + Send + 'static,
    {
        // Held until it is in there, so that there is never a second thread.
        let mut asking = self.asking.lock();
        let running = asking.get(&path);
        // One whose thread broke off never answers.
        if let Some(running) = running.filter(|one| one.answer.has_changed().is_ok()) {
            return running.clone();
        }
        let (sender, answer) = watch::channel(None);
        let begun = Asking {
            since: Instant::now(),
            answer,
        };
        asking.insert(path.clone(), begun.clone());
        drop(asking);
        let all = Arc::clone(&self.asking);
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let outcome = work();
            all.lock().remove(&path);
            let answer = outcome.map(|room| (room, began.elapsed()));
            sender.send_replace(Some(answer.map_err(|error| error.to_string())));
        });
        begun
    }

    /// How many were asked and have not answered.
    pub fn hanging(&self) -> usize {
        self.asking.lock().len()
    }
}

fn is_there(path: &Path) -> std::io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Ok(());
    }
    Err(std::io::Error::from(std::io::ErrorKind::NotADirectory))
}

fn room(path: &Path) -> std::io::Result<Room> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Room {
        total: found.f_blocks.saturating_mul(found.f_frsize),
        free: found.f_bfree.saturating_mul(found.f_frsize),
        available: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

/// Disks as they answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disks {
    /// Those that said what room they have, each once.
    pub disks: Vec<HostDisk>,
    /// Those that hang or fail.
    pub failing: Vec<HostFailingDisk>,
    /// Mounts that are shown with another of the same disk.
    pub merged: BTreeSet<PathBuf>,
}

fn is_alike(a: u64, b: u64) -> bool {
    a.abs_diff(b) <= ALIKE_BYTES
}

/// Takes mounts of the same room together: a container's overlay at the root is one with the volumes beside it if they are
/// on the same disk, and each dataset of a ZFS pool has all that is free in the pool, but for those with a quota.
pub fn gather(asked: Vec<(Mount, DiskAnswer)>) -> Disks {
    let mut found = Disks::default();
    let mut rooms: Vec<(Mount, Room)> = Vec::new();
    for (mount, answer) in asked {
        match answer {
            Ok(Some(room)) => rooms.push((mount, room)),
            Ok(None) => {}
            Err(problem) => found.failing.push(HostFailingDisk {
                mount: mount.path.display().to_string(),
                device: mount.source,
                kind: mount.kind,
                problem,
            }),
        }
    }
    let is_same = |a: &Room, b: &Room| {
        a.total == b.total && is_alike(a.free, b.free) && is_alike(a.available, b.available)
    };
    let mut kept: Vec<(Mount, Room)> = Vec::new();
    for (at, (mount, room)) in rooms.iter().enumerate() {
        let mut others = rooms.iter().enumerate().filter(|(other, _)| *other != at);
        if mount.kind == "overlay" && others.any(|(_, (_, other))| is_same(room, other)) {
            found.merged.insert(mount.path.clone());
            continue;
        }
        let pool = |mount: &Mount| mount.source.split('/').next().map(str::to_owned);
        let known = kept.iter_mut().find(|(other, of)| {
            let are_zfs = mount.kind == "zfs" && other.kind == "zfs";
            are_zfs && pool(mount) == pool(other) && is_alike(room.available, of.available)
        });
        let Some((first, of)) = known else {
            kept.push((mount.clone(), *room));
            continue;
        };
        // What is used adds up, what is free is the same for all.
        let used = room.total.saturating_sub(room.free);
        of.total = of.total.saturating_add(used);
        let (shown, hidden) = if mount.path.as_os_str().len() < first.path.as_os_str().len() {
            (mount.clone(), first.path.clone())
        } else {
            (first.clone(), mount.path.clone())
        };
        *first = shown;
        found.merged.insert(hidden);
    }
    found.disks = kept
        .iter()
        .map(|(mount, room)| disk(mount, *room))
        .collect();
    found
}

/// A disk with its room.
fn disk(mount: &Mount, room: Room) -> HostDisk {
    let used = room.total.saturating_sub(room.free);
    HostDisk {
        mount: mount.path.display().to_string(),
        device: mount.source.clone(),
        kind: mount.kind.clone(),
        total_bytes: room.total,
        used_bytes: used,
        free_bytes: room.available,
        percent: percent(used as f64, (used + room.available) as f64),
    }
}

/// A share with what it said.
pub fn share(mount: &Mount, asked: Answer) -> HostShare {
    let mut share = HostShare {
        mount: mount.path.display().to_string(),
        source: mount.source.clone(),
        kind: mount.kind.clone(),
        ..HostShare::default()
    };
    match asked {
        Ok((room, took)) => {
            share.latency_ms = Some(took.as_secs_f64() * 1000.0);
            share.total_bytes = Some(room.total);
            share.free_bytes = Some(room.available);
        }
        Err(problem) => {
            share.status = ShareStatus::Error;
            share.problem = Some(problem);
        }
    }
    share
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MOUNTINFO: &str = r"22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 254:0 /var /srv/again rw - ext4 /dev/vda rw
29 27 254:16 / /mnt/with\040blank rw - xfs /dev/vdb rw
30 27 0:40 / /home rw - btrfs /dev/vdc rw
31 27 0:41 / /home/data rw - btrfs /dev/vdc rw
32 27 0:50 / /mnt/nas rw shared:3 - nfs4 nas:/export rw,vers=4.2
33 27 0:51 / /mnt/auto rw - autofs systemd-1 rw
34 27 8:1 / /boot/efi rw - vfat /dev/sda1 rw
35 27 0:60 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
36 27 0:61 / /run rw - tmpfs tmpfs rw
broken line";

    #[test]
    fn each_disk_is_there_once_and_pseudo_file_systems_are_not() {
        let mounts = parse(MOUNTINFO);
        let disks: Vec<_> = mounts
            .disks
            .iter()
            .map(|one| one.path.display().to_string())
            .collect();
        assert_eq!(disks, ["/", "/home", "/mnt/with blank"]);
        assert_eq!(mounts.shares.len(), 1);
        assert_eq!(mounts.shares[0].source, "nas:/export");
        assert!(mounts.automatic.contains(Path::new("/mnt/auto")));
    }

    #[test]
    fn in_a_container_the_overlay_at_the_root_is_its_disk() {
        let mounts = parse(
            "1 0 0:60 / / rw - overlay overlay rw\n2 1 254:0 /hosts /etc/hosts rw - ext4 /dev/vda rw",
        );
        assert_eq!(mounts.disks[0].kind, "overlay");
        // A single file says by itself that it is no disk.
        assert_eq!(mounts.disks.len(), 2);
    }

    #[tokio::test]
    async fn a_share_that_hangs_costs_one_thread_and_one_wait_and_is_asked_again_when_it_is_back() {
        let prober = Prober::default();
        let path = PathBuf::from("/mnt/hangs");
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let (limit, room) = (
            Duration::from_millis(50),
            Room {
                total: 10,
                free: 5,
                available: 4,
            },
        );
        let first = prober
            .run(path.clone(), limit, move || {
                let _ = held.recv();
                Ok(room)
            })
            .await;
        assert!(first.unwrap_err().contains("no answer"));
        for _ in 0..100 {
            let again = prober
                .run(path.clone(), limit, move || Ok(room))
                .now_or_never();
            let again = again.expect("its time is over, and somebody waits");
            assert!(again.is_err(), "a second probe began beside the first");
        }
        assert_eq!(prober.hanging(), 1);
        let other = prober
            .run(PathBuf::from("/mnt/other"), limit, move || Ok(room))
            .await;
        assert_eq!(other.unwrap().0, room);
        drop(let_go);
        while prober.hanging() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(
            prober
                .run(path, Duration::from_mins(1), move || Ok(room))
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn whoever_asks_a_slow_share_while_it_is_being_asked_gets_the_same_answer() {
        let prober = Prober::default();
        let path = PathBuf::from("/mnt/slow");
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let (limit, room) = (
            Duration::from_mins(1),
            Room {
                total: 10,
                free: 5,
                available: 4,
            },
        );
        let first = prober.run(path.clone(), limit, move || {
            let _ = held.recv();
            Ok(room)
        });
        let mut first = std::pin::pin!(first);
        assert!(first.as_mut().now_or_never().is_none());
        let second = prober.run(path, limit, || panic!("a second thread began"));
        let mut second = std::pin::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(prober.hanging(), 1);
        drop(let_go);
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert_eq!((first.0, second), (room, first));
    }

    const GIGABYTE: u64 = 1_000_000_000;

    fn mounted(kind: &str, source: &str, path: &str) -> Mount {
        Mount {
            path: PathBuf::from(path),
            source: source.to_owned(),
            kind: kind.to_owned(),
            others: Vec::new(),
        }
    }

    fn with(mount: Mount, total: u64, free: u64) -> (Mount, DiskAnswer) {
        let (total, free) = (total * GIGABYTE, free * GIGABYTE);
        let room = Room {
            total,
            free,
            available: free,
        };
        (mount, Ok(Some(room)))
    }

    fn paths(found: &Disks) -> Vec<&str> {
        found.disks.iter().map(|one| one.mount.as_str()).collect()
    }

    #[test]
    fn a_containers_root_is_no_second_disk_beside_a_volume_on_the_same_one() {
        let overlay = || mounted("overlay", "overlay", "/");
        let volume = || mounted("ext4", "/dev/vda", "/backups");
        let found = gather(vec![with(overlay(), 100, 40), with(volume(), 100, 40)]);
        assert_eq!(paths(&found), ["/backups"]);
        assert!(found.merged.contains(Path::new("/")));
        let found = gather(vec![with(overlay(), 100, 40), with(volume(), 500, 40)]);
        assert_eq!(paths(&found), ["/", "/backups"], "another disk");
        // While the volume does not answer, the root still says how full the disk is.
        let failing = (volume(), Err("no answer".to_owned()));
        let found = gather(vec![with(overlay(), 100, 40), failing]);
        assert_eq!(paths(&found), ["/"]);
        assert_eq!(found.failing[0].mount, "/backups");
    }

    #[test]
    fn datasets_of_a_pool_are_one_disk_with_what_all_of_them_take_but_for_those_with_a_quota() {
        let dataset = |name: &str, path: &str| mounted("zfs", name, path);
        let found = gather(vec![
            with(dataset("tank/home", "/home"), 110, 10),
            with(dataset("tank/root", "/"), 15, 10),
            with(dataset("tank/data", "/srv/data"), 885, 10),
            with(dataset("tank/small", "/srv/small"), 4, 1),
            with(dataset("other", "/other"), 20, 10),
        ]);
        assert_eq!(paths(&found), ["/", "/srv/small", "/other"]);
        let pool = &found.disks[0];
        assert_eq!(pool.used_bytes, (100 + 5 + 875) * GIGABYTE);
        assert_eq!(pool.free_bytes, 10 * GIGABYTE);
        assert!((pool.percent - 98.98).abs() < 0.01, "{pool:?}");
        assert_eq!(found.merged.len(), 2);
    }

    #[tokio::test]
    async fn what_is_no_disk_to_this_process_neither_counts_nor_fails() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hosts");
        std::fs::write(&file, "127.0.0.1 localhost").unwrap();
        let (prober, limit) = (Prober::default(), Duration::from_mins(1));
        for path in [file, dir.path().join("mounted-over")] {
            assert_eq!(prober.ask_disk(&path, limit).await, Ok(None));
        }
        let there = prober.ask_disk(dir.path(), limit).await.unwrap();
        assert!(there.unwrap().total > 0);
    }

    #[tokio::test]
    async fn a_file_of_a_disk_that_is_mounted_by_itself_does_not_hide_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("hosts"), dir.path().join("a longer path"));
        std::fs::write(&file, "127.0.0.1 localhost").unwrap();
        std::fs::create_dir(&folder).unwrap();
        let line = |path: &Path| {
            let path = path.display().to_string().replace(' ', "\\040");
            format!("1 0 254:0 / {path} rw - ext4 /dev/vda rw\n")
        };
        let gone = dir.path().join("gone");
        let mut mounts = parse(&[&*folder, &file, &gone].map(line).concat());
        assert_eq!(mounts.disks.len(), 1);
        let disk = &mut mounts.disks[0];
        assert_eq!(disk.path, gone);
        let (prober, limit) = (Prober::default(), Duration::from_mins(1));
        let answer = prober.ask_any(disk, limit).await.unwrap();
        assert!(answer.unwrap().total > 0);
        assert_eq!(disk.path, folder);
        disk.path.clone_from(&file);
        disk.others = vec![gone];
        assert_eq!(prober.ask_any(disk, limit).await, Ok(None));
        assert_eq!(disk.path, file);
    }

    #[test]
    fn used_is_counted_as_df_does() {
        let mount = &parse(MOUNTINFO).disks[0];
        let found = disk(
            mount,
            Room {
                total: 1000,
                free: 300,
                available: 200,
            },
        );
        assert_eq!(found.used_bytes, 700);
        assert!((found.percent - 77.777).abs() < 0.01);
    }
}
