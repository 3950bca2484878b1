//! Faults of the whole process: the real program is killed and started again.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::Row;

use super::source::{Story, until};
use crate::support::daemon::Daemon;
use crate::support::postgres::{connect, server_majors};

/// Starts a daemon on a story's database. Returns it with a token.
async fn begin() -> (Story, Daemon, String) {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let daemon = Daemon::start(&story.app).await;
    daemon.until_settled().await;
    let token = daemon.login().await;
    (story, daemon, token)
}

async fn ask(daemon: &Daemon, token: &str) -> i32 {
    let body = json!({ "backup_type": "postgres_n8n" });
    let (status, answer) = daemon
        .call("POST", "/api/backups/run", Some(token), Some(&body))
        .await;
    assert_eq!(status, 202, "{answer}");
    i32::try_from(answer["id"].as_i64().unwrap()).unwrap()
}

async fn backends(story: &Story) -> i64 {
    let mut admin = connect(&story.source).await;
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query_scalar(sql).fetch_one(&mut admin).await.unwrap()
}

#[tokio::test]
async fn f02_a_daemon_killed_while_dumping_leaves_no_dump_no_file_and_tells_once() {
    let (story, daemon, token) = begin().await;
    let mut blocker = connect(&story.source).await;
    let sql = "BEGIN; LOCK TABLE execution_data IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(sql).execute(&mut blocker).await.unwrap();
    let id = ask(&daemon, &token).await;
    until("pg_dump at work", || async {
        (backends(&story).await >= 3 && !story.files().is_empty()).then_some(())
    })
    .await;
    daemon.kill().await;
    // What is left is the test's own lock.
    until("the end of the dump's connections", || async {
        (backends(&story).await <= 1).then_some(())
    })
    .await;
    drop(blocker);
    let daemon = Daemon::start(&story.app).await;
    daemon.until_settled().await;
    let row = sqlx::query("SELECT status, failure_code FROM backup_history WHERE id = $1")
        .bind(id)
        .fetch_one(story.app.state.db.pool())
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>("status"), "failed");
    assert_eq!(row.get::<String, _>("failure_code"), "interrupted");
    assert!(story.files().is_empty(), "{:?}", story.files());
    daemon.kill().await;
    let daemon = Daemon::start(&story.app).await;
    daemon.until_settled().await;
    let told = story.app.events().await;
    let told = told.iter().filter(|event| *event == "backup.failed");
    assert_eq!(told.count(), 1);
    assert!(daemon.stop().await.success());
}

/// A server that a proof restores into: its process, and what the kernel keeps for it.
struct Throwaway {
    pid: i32,
    shared_files: Vec<String>,
    segment: String,
}

impl Throwaway {
    /// The one that is at work in the folder, once it is in the middle of a restore.
    async fn at_work(story: &Story) -> Self {
        let root = story.app.data_dir.path().join("verify");
        until("a server that restores", || async {
            let dir = std::fs::read_dir(&root).ok()?.flatten().next()?.path();
            let text = std::fs::read_to_string(dir.join("data/postmaster.pid")).ok()?;
            // PostgreSQL 15, miscadmin.h: the first line is the process, the seventh "key id" of
            // its System V segment, the eighth "ready" when it is.
            let lines: Vec<_> = text.lines().collect();
            let is_ready = lines.get(7).is_some_and(|line| line.trim() == "ready");
            let pid: i32 = lines.first()?.trim().parse().ok()?;
            let segment = lines.get(6)?.split_whitespace().nth(1)?.to_owned();
            let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
            let mut shared_files: Vec<_> = maps
                .split_whitespace()
                .filter(|word| word.starts_with("/dev/shm/"))
                .map(str::to_owned)
                .collect();
            shared_files.dedup();
            (is_ready && !shared_files.is_empty()).then_some(Self {
                pid,
                shared_files,
                segment,
            })
        })
        .await
    }

    /// What is there of it still.
    fn left(&self) -> Vec<String> {
        let mut left: Vec<_> = self.shared_files.clone();
        left.push(format!("/proc/{}", self.pid));
        left.retain(|path| Path::new(path).exists());
        let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
        let is_ours = |line: &str| line.split_whitespace().nth(1) == Some(&self.segment);
        left.extend(
            segments
                .lines()
                .filter(|line| is_ours(line))
                .map(str::to_owned),
        );
        left
    }
}

#[tokio::test]
async fn f02_a_proof_that_ends_early_leaves_no_server_no_folder_and_no_shared_memory() {
    let (story, daemon, token) = begin().await;
    // An index that is slow to build keeps the restore where it is; here it was made in no time.
    let function = |seconds: f64| {
        format!(
            "CREATE OR REPLACE FUNCTION slowly(number int) RETURNS int LANGUAGE plpgsql IMMUTABLE \
             AS 'BEGIN PERFORM pg_sleep({seconds}); RETURN number; END'"
        )
    };
    let sql = format!(
        "{}; CREATE INDEX ON execution_entity (slowly(id)); {}",
        function(0.0),
        function(0.1)
    );
    let mut source = connect(&story.source).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut source)
        .await
        .unwrap();
    drop(source);
    let verify = story.app.data_dir.path().join("verify");
    let folders = || std::fs::read_dir(&verify).map_or(0, Iterator::count);
    ask(&daemon, &token).await;
    let server = Throwaway::at_work(&story).await;
    daemon.kill().await;
    until("the end of the server of a killed daemon", || async {
        server.left().is_empty().then_some(())
    })
    .await;
    let daemon = Daemon::start(&story.app).await;
    let server = Throwaway::at_work(&story).await;
    assert_eq!(folders(), 1, "what the killed one left is gone");
    assert!(daemon.stop().await.success());
    assert_eq!(server.left(), Vec::<String>::new());
    assert_eq!(folders(), 0);
}

/// What must be true whenever nothing runs; retention may be at work, so what it leaves counts.
async fn check_invariants(story: &Story, context: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(why) = invariants(story).await {
        assert!(Instant::now() < deadline, "{context}: {why}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn invariants(story: &Story) -> Result<(), String> {
    let pool = story.app.state.db.pool();
    let rows = sqlx::query(
        "SELECT b.id, b.status, b.filepath, b.checksum, b.deleted_at IS NOT NULL AS is_deleted, \
         (SELECT count(*) FROM event_outbox e WHERE (e.data->>'id')::integer = b.id \
          AND e.event_type IN ('backup.success', 'backup.failed')) AS ends, \
         (SELECT count(*) FROM audit_log a WHERE a.resource_id = b.id::text \
          AND a.action IN ('backup.succeeded', 'backup.adopted', 'backup.failed')) AS audited \
         FROM backup_history b ORDER BY b.id",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut names: Vec<String> = Vec::new();
    let mut has_succeeded = false;
    for row in rows {
        let (id, status): (i32, String) = (row.get("id"), row.get("status"));
        let counts: (i64, i64) = (row.get("ends"), row.get("audited"));
        if status == "running" || counts != (1, 1) {
            return Err(format!(
                "run {id} is {status}, ends and audit lines {counts:?}"
            ));
        }
        has_succeeded |= status == "success";
        if status != "success" || row.get("is_deleted") {
            continue;
        }
        let (path, checksum): (String, String) = (row.get("filepath"), row.get("checksum"));
        let bytes = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
        if hex::encode(Sha256::digest(&bytes)) != checksum {
            return Err(format!("{path} is not what was written"));
        }
        let name = Path::new(&path).file_name().unwrap().to_str().unwrap();
        for suffix in ["", ".index.json", ".manifest.json"] {
            names.push(format!("{name}{suffix}"));
        }
    }
    names.sort();
    let files = story.files();
    if files != names {
        return Err(format!("on disk {files:?}, in the catalogue {names:?}"));
    }
    if has_succeeded && names.is_empty() {
        return Err("no good backup is left".to_owned());
    }
    Ok(())
}

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "the seed of a failure, to have it again"
)]
async fn f51_random_kills_break_nothing() {
    let kills = std::env::var("FLOWKEEP_RANDOM_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(50_u32);
    let seed = std::env::var("FLOWKEEP_RANDOM_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    println!("{kills} kills with FLOWKEEP_RANDOM_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (story, daemon, token) = begin().await;
    // How long a whole cycle takes here: kills fall into all of it.
    let started = Instant::now();
    ask(&daemon, &token).await;
    until("a proof", || async {
        let sql = "SELECT count(*) FROM backup_history WHERE verification_status = 'passed'";
        (story.app.sql::<i64>(sql).await == 1).then_some(())
    })
    .await;
    let cycle = started.elapsed();
    let start_up = Instant::now();
    daemon.kill().await;
    let mut daemon = Daemon::start(&story.app).await;
    daemon.until_settled().await;
    let start_up = start_up.elapsed();
    let mut slowest = Duration::ZERO;
    for kill in 0..kills {
        let context = format!("seed {seed}, kill {kill}");
        if random.random_ratio(1, 8) {
            // Also while it starts and settles.
            tokio::time::sleep(start_up.mul_f64(random.random())).await;
        } else {
            daemon.until_settled().await;
            check_invariants(&story, &context).await;
            // As if a schedule had made them, so that retention is at work between the kills.
            story
                .app
                .execute("UPDATE backup_history SET trigger = 'schedule' WHERE status = 'success'")
                .await;
            ask(&daemon, &token).await;
            tokio::time::sleep(cycle.mul_f64(random.random())).await;
        }
        daemon.kill().await;
        let again = Instant::now();
        daemon = Daemon::start(&story.app).await;
        daemon
            .until_health(|health| health["is_ready"] == true)
            .await;
        slowest = slowest.max(again.elapsed());
    }
    daemon.until_settled().await;
    check_invariants(&story, "after all kills").await;
    let id = ask(&daemon, &token).await;
    let unfinished = "SELECT count(*) FROM backup_history WHERE status = 'running' \
                      OR (status = 'success' AND verification_status IN ('pending', 'running'))";
    let mut left = i64::MAX;
    while left > 0 {
        // As many as are left take as long as they take; each has a minute.
        left = until("the next proof", || async {
            let now = story.app.sql::<i64>(unfinished).await;
            (now < left).then_some(now)
        })
        .await;
    }
    check_invariants(&story, "at the end").await;
    let bad: i64 = story
        .app
        .sql("SELECT count(*) FROM backup_history WHERE verification_status = 'failed'")
        .await;
    assert_eq!(bad, 0, "a backup that does not restore");
    let good: i64 = story
        .app
        .sql("SELECT count(*) FROM backup_history WHERE status = 'success'")
        .await;
    println!("{good} good of {id} runs; slowest start {slowest:?}, cycle {cycle:?}");
    assert!(daemon.stop().await.success());
    let left: Vec<_> = std::fs::read_dir(story.app.data_dir.path().join("verify"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
