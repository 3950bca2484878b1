//! Disks that refuse in their own ways.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use rustix::fs::{IFlags, ioctl_setflags};
use serde_json::json;

use super::source::Story;
use crate::support::app::TestApp;
use crate::support::daemon::{command, output};
use crate::support::disk;
use crate::support::postgres::{empty_database_on, server_majors};

/// An fsync that fails for what is being written, as a disk that finds out late that it is full.
const SHIM: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int fsync(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n > 0) { path[n] = 0; if (strstr(path, "/.partial/")) { errno = ENOSPC; return -1; } }
  return syscall(SYS_fsync, fd);
}
"#;

#[tokio::test]
async fn f11_a_disk_that_says_only_at_the_end_that_it_is_full_fails_the_run() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let work = tempfile::tempdir().unwrap();
    let (source, shim) = (work.path().join("shim.c"), work.path().join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "makes a fault for the program under test"
    )]
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&shim, &source])
        .status()
        .unwrap();
    assert!(compiled.success());
    let run = |shim: Option<&Path>| {
        let mut backup = command(&story.app, &["backup"]);
        if let Some(shim) = shim {
            backup.env("LD_PRELOAD", shim);
        }
        backup
    };
    let failing = run(Some(&shim));
    let failed = output(failing).await;
    assert!(!failed.status.success(), "{failed:?}");
    let row = story.client.get("/api/backups/history").await.json()["items"][0].clone();
    assert_eq!(
        (&row["status"], &row["failure_code"]),
        (&json!("failed"), &json!("no_space")),
        "{row}"
    );
    assert!(story.files().is_empty(), "{:?}", story.files());
    let whole = run(None);
    let made = output(whole).await;
    assert!(made.status.success(), "{made:?}");
    assert_eq!(story.files().len(), 3);
}

#[tokio::test]
async fn f15_used_up_inodes_and_a_folder_that_refuses_have_errors_of_their_own() {
    let Some(disk) = disk::with_options("size=64m,nr_inodes=14") else {
        return;
    };
    let source = empty_database_on(*server_majors().await.first().unwrap()).await;
    let folder = disk.path().join("backups");
    let arg = format!("--backup-dir={}", folder.display());
    let story = Story::begin_with(source, TestApp::builder().args(&[&arg])).await;
    let body = json!({ "value": 0 });
    story
        .client
        .put("/api/settings/backups.reserve_megabytes", body)
        .await;
    story.app.state.backups.settle().await.unwrap();
    let fail = async |what: &str| {
        let id = story.ask().await;
        let backup = story.ended(id).await;
        assert_eq!(backup["failure_code"], what, "{backup}");
        backup["error_message"].as_str().unwrap().to_owned()
    };
    let mut fillers = 0;
    while std::fs::File::create(disk.path().join(format!("filler-{fillers}"))).is_ok() {
        fillers += 1;
    }
    let message = fail("no_inodes").await;
    assert!(message.contains("inodes"), "{message}");
    for filler in 0..fillers {
        std::fs::remove_file(disk.path().join(format!("filler-{filler}"))).unwrap();
    }
    // Root may write into a folder without rights; into one that is immutable nobody may.
    let partial = tempfile::tempdir_in("/var/tmp").unwrap();
    let folder = std::fs::File::open(partial.path()).unwrap();
    if ioctl_setflags(folder.as_fd(), IFlags::IMMUTABLE).is_ok() {
        let body = json!({ "name": "Locked", "path": partial.path() });
        let refused = story.client.post("/api/backups/destinations", body).await;
        ioctl_setflags(folder.as_fd(), IFlags::empty()).unwrap();
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(
            refused.text().contains("Give Flowkeep's user the right"),
            "{}",
            refused.text()
        );
    }
    // The same at a destination.
    let place = disk::with_options("size=64m,nr_inodes=12").unwrap();
    let body = json!({ "name": "Small", "path": place.path() });
    assert_eq!(
        story
            .client
            .post("/api/backups/destinations", body)
            .await
            .status,
        201
    );
    let id = story.ask().await;
    assert_eq!(story.ended(id).await["status"], "success");
    for filler in 0..12 {
        let _ = std::fs::File::create(place.path().join(format!("filler-{filler}")));
    }
    story.app.state.destinations.sweep().await.unwrap();
    let there = story.client.get("/api/backups/destinations").await.json()["items"][0].clone();
    assert_eq!(there["last_error_code"], "no_inodes", "{there}");
}
