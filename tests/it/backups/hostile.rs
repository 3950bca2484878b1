//! Surroundings that do not help: programs that fail, names that bite, disks that are full, servers
//! that go away.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use flowkeep::platform::postgres::{ConnInfo, Installations};
use flowkeep::platform::process::Processes;
use secrecy::SecretString;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

use super::source::{Story, until};
use crate::support::app::TestApp;
use crate::support::disk;
use crate::support::postgres::{
    OwnCluster, connect, empty_database_on, installations, server_majors, url_of,
};

#[tokio::test]
async fn f08_a_server_that_restarts_fails_the_run_and_the_next_one_succeeds() {
    let mut own = OwnCluster::start().await;
    let story = Story::begin_with(own.conninfo(), TestApp::builder()).await;
    let mut blocker = connect(&story.source).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE execution_data IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let id = story.ask().await;
    until("a partial file", || async {
        (!story.files().is_empty()).then_some(())
    })
    .await;
    own.kill().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["status"], "failed", "{backup}");
    assert!(story.files().is_empty(), "{:?}", story.files());

    let down = story.ask().await;
    let backup = story.ended(down).await;
    assert_eq!(backup["failure_code"], "cannot_connect", "{backup}");

    own.start_again().await;
    let again = story.ask().await;
    let backup = story.ended(again).await;
    assert_eq!(backup["status"], "success", "{backup}");
    assert_eq!(story.proof(again).await["passed"], true);
    let good: i64 = story
        .app
        .sql("SELECT count(*) FROM backup_history WHERE status = 'success'")
        .await;
    assert_eq!(good, 1);
    own.stop().await;
}

#[tokio::test]
async fn f10_too_little_room_is_refused_before_a_byte_is_written() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let setting = "/api/settings/backups.reserve_megabytes";
    let body = json!({ "value": 10_000_000 });
    assert_eq!(story.client.put(setting, body).await.status, 200);
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["failure_code"], "no_space", "{backup}");
    let message = backup["error_message"].as_str().unwrap();
    assert!(message.contains("must leave 10000000 MB"), "{message}");
    assert!(story.files().is_empty());
}

#[tokio::test]
async fn f09_a_disk_that_fills_up_fails_the_run_and_takes_nothing_older_along() {
    let Some(disk) = disk::small("24m") else {
        return;
    };
    let source = empty_database_on(*server_majors().await.first().unwrap()).await;
    let arg = format!("--backup-dir={}", disk.path().display());
    let story = Story::begin_with(source, TestApp::builder().args(&[&arg])).await;
    for (key, value) in [
        ("backups.reserve_megabytes", json!(0)),
        ("backups.compression", json!("none")),
    ] {
        let body = json!({ "value": value });
        let answer = story
            .client
            .put(&format!("/api/settings/{key}"), body)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.message());
    }
    let first = story.ask().await;
    let good = story.ended(first).await;
    assert_eq!(good["status"], "success", "{good}");
    // The server keeps it small; the archive does not.
    let mut connection = connect(&story.source).await;
    let sql = "INSERT INTO execution_data SELECT g, repeat('x', 1000000) \
               FROM generate_series(10001, 10040) g";
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    let free_before = rustix::fs::statvfs(disk.path()).unwrap().f_bavail;
    let second = story.ask().await;
    let backup = story.ended(second).await;
    assert_eq!(backup["failure_code"], "no_space", "{backup}");
    assert!(
        backup["error_message"]
            .as_str()
            .unwrap()
            .contains("Nothing older was deleted"),
        "{backup}"
    );
    let free_after = rustix::fs::statvfs(disk.path()).unwrap().f_bavail;
    assert_eq!(free_before, free_after);
    assert_eq!(story.proof(first).await["passed"], true);
    let events = story.app.events().await;
    assert!(events.contains(&"backup.failed".to_owned()), "{events:?}");
}

/// Programs of one version only.
async fn only(dir: &Path) -> Installations {
    let found = installations().await;
    let mut own = Installations::discover(&Processes::new(), &[dir.to_owned()]).await;
    own.retain(|one| one.bin_dir == dir);
    assert_eq!(own.all().len(), 1, "{found:?}");
    own
}

#[tokio::test]
async fn f18_a_client_older_than_the_server_is_refused_with_the_package_to_install() {
    let majors = server_majors().await;
    let (oldest, newest) = (majors[0], majors[majors.len() - 1]);
    let all = installations().await;
    let programs = |major| all.server_for(major).unwrap().bin_dir.clone();

    let source = empty_database_on(newest).await;
    let builder = TestApp::builder().installations(only(&programs(oldest)).await);
    let story = Story::begin_with(source, builder).await;
    let report = story
        .client
        .post("/api/n8n/connection/test", json!({}))
        .await
        .json();
    assert_eq!(report["problems"][0]["code"], "no_client", "{report}");
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["failure_code"], "client_too_old", "{backup}");
    let message = backup["error_message"].as_str().unwrap();
    assert!(
        message.contains(&format!("apt-get install postgresql-client-{newest}")),
        "{message}"
    );
    assert!(story.files().is_empty());

    // The other way round a newer client does it, and only the proof needs the server's version.
    let source = empty_database_on(oldest).await;
    let builder = TestApp::builder().installations(only(&programs(newest)).await);
    let story = Story::begin_with(source, builder).await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["status"], "success", "{backup}");
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("could_not_verify"), &json!("no_server_binaries")),
        "{proof}"
    );

    let report = Story::begin(oldest).await;
    let found = report.client.post("/api/n8n/connection/test", json!({}));
    assert_eq!(found.await.json()["client"]["major"], oldest);
}

/// A folder of programs in which pg_dump is a script; `--version` works as ever.
fn with_dump(dir: &Path, real: &Path, script: &str) {
    for program in ["postgres", "initdb", "pg_restore"] {
        symlink(real.join(program), dir.join(program)).unwrap();
    }
    let dump = dir.join("pg_dump");
    let real = real.join("pg_dump");
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then exec '{}' --version; fi\n{script}\n",
        real.display()
    );
    std::fs::write(&dump, text).unwrap();
    std::fs::set_permissions(&dump, Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn f19_a_pg_dump_that_is_broken_fails_the_run_and_its_words_are_bounded() {
    let major = *server_majors().await.first().unwrap();
    let real = installations().await;
    let real = real.server_for(major).unwrap().bin_dir.clone();
    for (script, code, words) in [
        ("exit 0", "archive_damaged", "Reinstall"),
        (
            "head -c 10000000 /dev/zero | tr '\\0' e >&2; exit 3",
            "client_failed",
            "eee",
        ),
        ("echo not an archive", "archive_damaged", "Reinstall"),
        ("rm \"$0\"; exit 1", "client_failed", "pg_dump"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        with_dump(dir.path(), &real, script);
        let source = empty_database_on(major).await;
        let programs = only(&dir.path().canonicalize().unwrap()).await;
        let story = Story::begin_with(source, TestApp::builder().installations(programs)).await;
        // The last script removes itself: the second run finds no program at all.
        for _ in 0..2 {
            let id = story.ask().await;
            let backup = story.ended(id).await;
            assert_eq!(backup["failure_code"], code, "{script}: {backup}");
            let message = backup["error_message"].as_str().unwrap();
            assert!(message.contains(words), "{script}: {message}");
            assert!(message.len() < 70_000, "{script}: {} bytes", message.len());
            assert!(story.files().is_empty(), "{script}: {:?}", story.files());
        }
    }
}

const PASSWORD: &str = "'\" \\ space@:/%$(id)";

#[tokio::test]
async fn f21_names_and_passwords_that_bite_are_only_data() {
    let server = empty_database_on(*server_majors().await.first().unwrap()).await;
    let mut admin = connect(&server).await;
    let role = "rolé 'x' \"y\" \\";
    let quoted = format!("\"{}\"", role.replace('"', "\"\""));
    let password = PASSWORD.replace('\'', "''");
    let made = format!("CREATE ROLE {quoted} SUPERUSER LOGIN PASSWORD '{password}'");
    sqlx::query(AssertSqlSafe(format!("DROP ROLE IF EXISTS {quoted}")))
        .execute(&mut admin)
        .await
        .unwrap();
    sqlx::query(AssertSqlSafe(made))
        .execute(&mut admin)
        .await
        .unwrap();
    for name in [
        "-f/etc/passwd",
        "a;b",
        "a b",
        "$(id)",
        "dbname=postgres",
        "it's \\",
    ] {
        let quoted = format!("\"{name}\"");
        for sql in [
            format!("DROP DATABASE IF EXISTS {quoted}"),
            format!("CREATE DATABASE {quoted} TEMPLATE template0"),
        ] {
            sqlx::query(AssertSqlSafe(sql))
                .execute(&mut admin)
                .await
                .unwrap();
        }
        let source = ConnInfo {
            user: role.to_owned(),
            password: Some(SecretString::from(PASSWORD)),
            ..server.with_database(name)
        };
        let story = Story::begin_with(source, TestApp::builder()).await;
        let mut blocker = connect(&story.source).await;
        sqlx::raw_sql("BEGIN; LOCK TABLE execution_data IN ACCESS EXCLUSIVE MODE")
            .execute(&mut blocker)
            .await
            .unwrap();
        let id = story.ask().await;
        let needle = story.source.to_libpq();
        let line = until("pg_dump at work", || async {
            let lines = command_lines();
            lines.into_iter().find(|line| line.contains(&needle))
        })
        .await;
        assert!(!line.contains("space@"), "{line}");
        blocker.close().await.unwrap();
        let backup = story.ended(id).await;
        assert_eq!(backup["status"], "success", "{name}: {backup}");
        assert_eq!(backup["database_name"], name);
        assert_eq!(story.proof(id).await["passed"], true, "{name}");
        let seen = story
            .app
            .sql::<String>("SELECT string_agg(t::text, ' ') FROM audit_log t");
        assert!(!seen.await.contains("space@"), "{name}");
        // A wrong password is refused in words that do not hold it.
        let wrong = ConnInfo {
            password: Some(SecretString::from(format!("{PASSWORD}wrong"))),
            ..story.source.clone()
        };
        let body = json!({ "database_url": url_of(&wrong) });
        let report = story.client.post("/api/n8n/connection/test", body).await;
        assert!(!report.text().contains("space@"), "{}", report.text());
        assert_eq!(report.json()["problems"][0]["code"], "access_denied");
    }
    // Not even PostgreSQL's own exchange carries a line break everywhere.
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let body = json!({ "database_url": "postgres://u:two%0Alines@localhost/d" });
    let answer = story.client.put("/api/n8n/connection", body).await;
    assert_eq!(answer.status, 422);
    let why = answer.json()["error"]["fields"]["database_url"].to_string();
    assert!(
        why.contains("control character") && !why.contains("lines"),
        "{why}"
    );
}

fn command_lines() -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if let Ok(bytes) = std::fs::read(entry.path().join("cmdline")) {
            lines.push(String::from_utf8_lossy(&bytes).replace('\0', " "));
        }
    }
    lines
}
