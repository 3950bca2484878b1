//! The data folder, the backup folder, the master key.

use std::fs::{DirEntry, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::place::Place;
use super::report::Report;
use super::{Patient, users};

const DATA: &str = "data folder";
const BACKUPS: &str = "backup folder";
const KEY: &str = "master key";
const MB: u64 = 1_000_000;
/// A backup of a small n8n and PostgreSQL's own files.
const LITTLE: u64 = 2_000 * MB;
const NEXT_TO_NOTHING: u64 = 200 * MB;

/// Returns whether there is something to work with.
pub fn check(patient: &Patient, report: &mut Report) -> bool {
    let dir = &patient.config.data.data_dir;
    let place = dir.display();
    let folder = match dir.metadata() {
        Ok(folder) if folder.is_dir() => folder,
        Ok(_) => {
            report.fail(
                DATA,
                format!("{place} is no folder"),
                "set FLOWKEEP_DATA_DIR to a folder",
            );
            return false;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            report.warn(
                DATA,
                format!("{place} is not there yet"),
                format!(
                    "start the daemon, which makes it: {}",
                    patient.place.start()
                ),
            );
            return false;
        }
        Err(error) => {
            report.fail(
                DATA,
                format!("{place} cannot be looked at: {error}"),
                format!(
                    "run this as the daemon's user: {}",
                    patient.place.command_as("flowkeep", "doctor")
                ),
            );
            return false;
        }
    };
    let is_ours = ownership(dir, &folder, patient.place, report);
    space(DATA, dir, report);
    backups(patient, &folder, report);
    key(patient, report);
    is_ours
}

/// Whether the daemon can use the folder and what is in it.
fn ownership(dir: &Path, folder: &Metadata, of: Place, report: &mut Report) -> bool {
    let place = dir.display();
    let owner = users::user(folder.uid());
    let mode = folder.permissions().mode() & 0o7777;
    if access(dir, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        report.fail(
            DATA,
            format!(
                "{place} belongs to {owner}, and {} may not write there",
                users::me()
            ),
            format!(
                "run this as {owner}: {}; or give the folder away: {}",
                of.command_as(&owner, "doctor"),
                of.shell(&format!("chown -R {}: {place}", users::me()))
            ),
        );
        return false;
    }
    if mode & 0o022 != 0 {
        report.fail(
            DATA,
            format!("others than {owner} may write to {place} (mode {mode:o})"),
            of.shell(&format!("chmod 711 {place}")),
        );
    }
    // A command that root ran leaves files that the daemon cannot open. Root's own folder holds PostgreSQL's too.
    let strange = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .find(|entry| {
            let is_strange =
                |file: Metadata| file.uid() != folder.uid() && !is_the_disks(entry, &file);
            entry.metadata().is_ok_and(is_strange)
        });
    match strange {
        Some(entry) if folder.uid() != 0 => report.fail(
            DATA,
            format!(
                "{} does not belong to {owner}, who owns the folder",
                entry.path().display()
            ),
            format!(
                "{}; and run commands as {owner}: {}",
                of.shell(&format!("chown -R {owner}: {place}")),
                of.command_as(&owner, "…")
            ),
        ),
        _ => report.ok(DATA, format!("{place}, of {owner}, mode {mode:o}")),
    }
    true
}

/// What ext4 makes at the top of a disk, for root alone.
fn is_the_disks(entry: &DirEntry, file: &Metadata) -> bool {
    entry.file_name() == "lost+found" && file.is_dir() && file.uid() == 0
}

fn space(check: &'static str, dir: &Path, report: &mut Report) {
    let Ok(disk) = statvfs(dir) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let all = disk.f_blocks.saturating_mul(disk.f_frsize);
    let place = dir.display();
    let found = format!("{} MB of {} MB are free for {place}", free / MB, all / MB);
    let fix = "free some space, keep fewer backups (Settings, Retention), or move them: FLOWKEEP_BACKUP_DIR";
    if free < NEXT_TO_NOTHING {
        report.fail(check, found, fix);
    } else if free < LITTLE {
        report.warn(check, found, fix);
    } else if disk.f_files > 0 && disk.f_favail < 1_000 {
        report.fail(
            check,
            format!("{found}, and room for {} more files", disk.f_favail),
            fix,
        );
    } else {
        report.ok(check, found);
    }
}

fn backups(patient: &Patient, data: &Metadata, report: &mut Report) {
    let dir = patient.config.data.backup_dir();
    let place = dir.display();
    let folder = match dir.metadata() {
        Ok(folder) => folder,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if patient.config.data.backup_dir.is_some() {
                let owner = users::user(data.uid());
                report.fail(
                    BACKUPS,
                    format!("{place} is not there"),
                    match patient.place {
                        Place::Machine => format!("mount its disk, or: install -d -m 700 -o {owner} -g {owner} {place}"),
                        Place::Container => format!("mount a volume or a folder of {owner} there, under `volumes` of flowkeep in the compose file"),
                    },
                );
            }
            return;
        }
        Err(error) => {
            report.fail(
                BACKUPS,
                format!("{place}: {error}"),
                format!("give Flowkeep's user rights to {place}"),
            );
            return;
        }
    };
    if access(&dir, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let owner = users::user(data.uid());
        report.fail(
            BACKUPS,
            format!("{} may not write to {place}", users::me()),
            match patient.place {
                Place::Machine => format!("chown {owner}: {place}; under systemd it also needs a drop-in with ReadWritePaths={place}"),
                Place::Container => format!("{}, and mount it without `:ro`", patient.place.shell(&format!("chown {owner}: {place}"))),
            },
        );
    } else if folder.permissions().mode() & 0o077 != 0 {
        report.warn(
            BACKUPS,
            format!("others can look into {place}"),
            patient.place.shell(&format!("chmod 700 {place}")),
        );
    }
    if folder.dev() != data.dev() {
        space(BACKUPS, &dir, report);
    }
}

/// Whether one broken disk takes data and backups. `destinations` is how many places copies go to, if known.
pub fn one_disk(patient: &Patient, destinations: Option<usize>, report: &mut Report) {
    let dir = patient.config.data.backup_dir();
    let device = |path: &Path| path.metadata().ok().map(|folder| folder.dev());
    let data = device(&patient.config.data.data_dir);
    if data.is_none() || device(&dir) != data {
        return;
    }
    let place = dir.display();
    match destinations {
        Some(0) | None => report.warn(
            BACKUPS,
            format!("{place} is on the same disk as the data folder, and no copy goes elsewhere: one broken disk takes both"),
            "add a destination on the page Backups, or set FLOWKEEP_BACKUP_DIR to another disk",
        ),
        Some(count) => report.ok(BACKUPS, format!("{place}, and copies go to {count} more places")),
    }
}

fn key(patient: &Patient, report: &mut Report) {
    if patient.config.secrets.master_key().is_some() {
        report.ok(KEY, "given by FLOWKEEP_MASTER_KEY");
        return;
    }
    let path = patient.key_file();
    let place = path.display();
    match path.metadata() {
        Ok(file) if file.permissions().mode() & 0o077 != 0 => report.fail(
            KEY,
            format!("others can read {place}"),
            patient.place.shell(&format!("chmod 600 {place}")),
        ),
        Ok(_) => report.ok(
            KEY,
            format!("in {place}; keep a copy elsewhere (the recovery kit holds it)"),
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => report.warn(
            KEY,
            format!("{place} is not there yet"),
            "the first start makes it; if this machine had one, put it back before that",
        ),
        Err(error) => report.fail(
            KEY,
            format!("{place}: {error}"),
            format!("give Flowkeep's user rights to {place}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_own_folder_in_a_data_folder_is_nobodys_mistake() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let other = Some(rustix::fs::Uid::from_raw(4321));
        rustix::fs::chown(dir.path(), other, None).unwrap();
        std::fs::create_dir(dir.path().join("lost+found")).unwrap();
        let told = || {
            let mut report = Report::default();
            let folder = dir.path().metadata().unwrap();
            ownership(dir.path(), &folder, Place::Machine, &mut report);
            report.to_text()
        };
        assert!(told().contains("All is well"), "{}", told());
        std::fs::write(dir.path().join("flowkeep.lock"), "").unwrap();
        assert!(
            told().contains("flowkeep.lock does not belong to 4321"),
            "{}",
            told()
        );
    }
}
