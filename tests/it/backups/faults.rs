//! Fault cases, by their numbers.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use flowkeep::platform::process::{CommandSpec, Processes};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::source::{Story, until};
use crate::support::postgres::{connect, server_majors};

async fn story() -> Story {
    Story::begin(*server_majors().await.first().unwrap()).await
}

async fn lock(story: &Story) -> PgConnection {
    let mut blocker = connect(&story.source).await;
    let sql = "BEGIN; LOCK TABLE execution_data IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(sql).execute(&mut blocker).await.unwrap();
    blocker
}

fn path_of(story: &Story, backup: &Value) -> PathBuf {
    let name = backup["filename"].as_str().unwrap();
    story
        .app
        .data_dir
        .path()
        .join("backups/postgres_n8n")
        .join(name)
}

/// Sends a signal to the pg_dump of this story's source, once it runs.
async fn signal_dump(story: &Story, signal: &str) {
    let needle = format!("dbname='{}'", story.source.database);
    let processes = Processes::new();
    until("a running pg_dump", || {
        let spec = CommandSpec::new("/usr/bin/pkill").args([signal, "-f", &needle]);
        let processes = processes.clone();
        async move {
            processes
                .output(spec)
                .await
                .unwrap()
                .status
                .success()
                .then_some(())
        }
    })
    .await;
}

#[tokio::test]
async fn f01_f03_a_run_that_nobody_lives_for_is_interrupted_and_its_partial_file_goes() {
    let story = story().await;
    story
        .app
        .execute(
            "INSERT INTO backup_history (backup_type, filename, filepath, started_at, status, job_id, \
             source_identity) VALUES ('postgres_n8n', 'x', '/nowhere/x', now(), 'running', \
             '11111111-1111-1111-1111-111111111111', 'x')",
        )
        .await;
    let partials = story.app.data_dir.path().join("backups/.partial");
    std::fs::create_dir_all(&partials).unwrap();
    std::fs::write(
        partials.join("11111111111111111111111111111111.dump"),
        b"half",
    )
    .unwrap();
    story.app.state.backups.settle().await.unwrap();
    let backup = story.backup(1).await;
    assert_eq!(
        (&backup["status"], &backup["failure_code"]),
        (&json!("failed"), &json!("interrupted"))
    );
    assert!(story.files().is_empty(), "{:?}", story.files());
    story.app.state.backups.settle().await.unwrap();
    let failed = story
        .app
        .events()
        .await
        .iter()
        .filter(|event| *event == "backup.failed")
        .count();
    assert_eq!(failed, 1, "told once");
}

#[tokio::test]
async fn f04_a_published_file_is_adopted_when_whole_and_removed_when_not() {
    for is_whole in [true, false] {
        let story = story().await;
        let id = story.ask().await;
        let backup = story.ended(id).await;
        // As a crash between the rename and the commit would leave it.
        story
            .app
            .execute("UPDATE backup_history SET status = 'running', checksum = NULL, tables = NULL")
            .await;
        if !is_whole {
            let file = std::fs::File::options()
                .read(true)
                .write(true)
                .open(path_of(&story, &backup))
                .unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, 100).unwrap();
            file.write_at(&[byte[0] ^ 1], 100).unwrap();
        }
        // The run gives its lock up a moment after its end is noted.
        let settled = until("the run is settled", || async {
            story.app.state.backups.settle().await.unwrap();
            let backup = story.backup(id).await;
            (backup["status"] != "running").then_some(backup)
        })
        .await;
        if is_whole {
            assert_eq!(settled["status"], "success");
            assert_eq!(settled["checksum"], backup["checksum"]);
            assert_eq!(story.files().len(), 3);
        } else {
            assert_eq!(settled["failure_code"], "interrupted");
            assert!(story.files().is_empty(), "{:?}", story.files());
        }
    }
}

#[tokio::test]
async fn f05_the_event_is_in_the_outbox_with_the_row() {
    let story = story().await;
    let id = story.ask().await;
    story.ended(id).await;
    assert_eq!(story.app.told("backup.success").await.len(), 1);

    // One whose beginning cannot be told does not begin.
    let rows = async || {
        let sql = "SELECT count(*) FROM backup_history";
        story.app.sql::<i64>(sql).await
    };
    let body = json!({ "backup_type": "postgres_n8n" });
    story.app.refuse_event("backup.started").await;
    let refused = story.client.post("/api/backups/run", body).await;
    assert_eq!(refused.status, 500, "{refused:?}");
    assert_eq!(rows().await, 1);
    story.app.accept_events().await;

    // One whose end cannot be told has none: neither the row nor the audit line says that it succeeded.
    story.app.refuse_event("backup.success").await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(
        (&backup["status"], &backup["failure_code"]),
        (&json!("failed"), &json!("database_unavailable")),
        "{backup}"
    );
    assert_eq!(story.app.told("backup.success").await.len(), 1);
    assert_eq!(story.app.told("backup.failed").await.len(), 1);
    let audited = story.app.audit_actions().await;
    let succeeded = audited
        .iter()
        .filter(|action| *action == "backup.succeeded");
    assert_eq!(succeeded.count(), 1, "{audited:?}");
}

#[tokio::test]
async fn f06_a_killed_pg_dump_is_told_with_its_signal() {
    let story = story().await;
    let blocker = lock(&story).await;
    let id = story.ask().await;
    signal_dump(&story, "-KILL").await;
    let backup = story.ended(id).await;
    blocker.close().await.unwrap();
    assert_eq!(backup["failure_code"], "client_failed", "{backup}");
    assert!(
        backup["error_message"]
            .as_str()
            .unwrap()
            .contains("signal 9"),
        "{backup}"
    );
    assert!(story.files().is_empty());
}

#[tokio::test]
async fn f07_a_terminated_connection_fails_the_run() {
    let story = story().await;
    let blocker = lock(&story).await;
    let id = story.ask().await;
    until("pg_dump's connection", || async {
        let mut admin = connect(&story.source).await;
        let killed: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE 'LOCK TABLE public%'",
        )
        .fetch_one(&mut admin)
        .await
        .unwrap();
        admin.close().await.unwrap();
        (killed > 0).then_some(())
    })
    .await;
    blocker.close().await.unwrap();
    let backup = story.ended(id).await;
    assert_eq!(backup["status"], "failed");
}

#[tokio::test]
async fn f16_a_locked_table_is_told_with_who_holds_it() {
    let story = story().await;
    let body = json!({ "value": 4 });
    story
        .client
        .put("/api/settings/backups.lock_wait_seconds", body)
        .await;
    let blocker = lock(&story).await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    blocker.close().await.unwrap();
    assert_eq!(backup["failure_code"], "lock_timeout", "{backup}");
    let message = backup["error_message"].as_str().unwrap();
    assert!(message.contains("LOCK TABLE execution_data"), "{message}");
    assert!(story.files().is_empty());
}

#[tokio::test]
async fn f17_a_stopped_pg_dump_is_given_up() {
    let story = story().await;
    story
        .client
        .put("/api/settings/backups.stall_seconds", json!({ "value": 5 }))
        .await;
    let blocker = lock(&story).await;
    let id = story.ask().await;
    signal_dump(&story, "-STOP").await;
    blocker.close().await.unwrap();
    let backup = story.ended(id).await;
    let code = backup["failure_code"].as_str().unwrap();
    assert!(["stalled", "lock_timeout"].contains(&code), "{backup}");
    assert!(story.files().is_empty());
}

#[tokio::test]
async fn f20_a_table_that_may_not_be_read_is_named_before_a_byte_is_written() {
    let story = story().await;
    let mut admin = connect(&story.source).await;
    for sql in [
        "DROP ROLE IF EXISTS limited_f20",
        "CREATE ROLE limited_f20 LOGIN PASSWORD 'limited'",
        "GRANT SELECT ON workflow_entity, credentials_entity, execution_entity TO limited_f20",
    ] {
        sqlx::query(sql).execute(&mut admin).await.unwrap();
    }
    let mut limited = story.source.clone();
    limited.user = "limited_f20".to_owned();
    limited.password = Some("limited".to_owned().into());
    story.connect(&limited).await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["failure_code"], "no_permission", "{backup}");
    assert!(
        backup["error_message"]
            .as_str()
            .unwrap()
            .contains("public.execution_data"),
        "{backup}"
    );

    sqlx::raw_sql("GRANT SELECT ON execution_data TO limited_f20; ALTER TABLE execution_data ENABLE ROW LEVEL SECURITY")
        .execute(&mut admin)
        .await
        .unwrap();
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["failure_code"], "row_security", "{backup}");
    assert!(story.files().is_empty());
}

#[tokio::test]
async fn f23_f24_a_changed_cut_or_swapped_file_never_passes() {
    let story = story().await;
    let first = story.ask().await;
    let first_backup = story.ended(first).await;
    let mut connection = connect(&story.source).await;
    let sql = "INSERT INTO execution_entity VALUES (999, 'error')";
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    let second = story.ask().await;
    let second_backup = story.ended(second).await;
    let (one, two) = (
        path_of(&story, &first_backup),
        path_of(&story, &second_backup),
    );
    let original = std::fs::read(&one).unwrap();
    assert_eq!(story.proof(first).await["passed"], true);

    let mut flipped = original.clone();
    flipped[original.len() / 2] ^= 1;
    for (what, bytes) in [
        ("flipped", flipped),
        ("cut", original[..original.len() - 1].to_vec()),
        ("swapped", std::fs::read(&two).unwrap()),
    ] {
        std::fs::write(&one, bytes).unwrap();
        let proof = story.proof(first).await;
        assert_eq!(proof["code"], "checksum_mismatch", "{what}: {proof}");
        assert_eq!(proof["verdict"], "failed");
    }
    std::fs::remove_file(&one).unwrap();
    assert_eq!(story.proof(first).await["code"], "file_missing");
}

#[tokio::test]
async fn f38_a_missing_row_is_named_with_both_counts() {
    let story = story().await;
    let id = story.ask().await;
    story.ended(id).await;
    story
        .app
        .execute(
            "UPDATE backup_history SET tables = (SELECT jsonb_agg(CASE WHEN t->>'name' = 'execution_entity' \
             THEN jsonb_set(t, '{row_count}', '501') ELSE t END) FROM jsonb_array_elements(tables) t)",
        )
        .await;
    let proof = story.proof(id).await;
    assert_eq!(
        (&proof["verdict"], &proof["code"]),
        (&json!("failed"), &json!("rows_differ"))
    );
    let expected = json!([{ "schema": "public", "table": "execution_entity", "expected": 501, "actual": 500 }]);
    assert_eq!(proof["mismatches"], expected);
}
