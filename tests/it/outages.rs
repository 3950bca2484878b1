//! Flowkeep's own database away, slow, full, read-only, or of another version.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use flowkeep::platform::db::MIGRATOR;
use flowkeep::platform::postgres::ConnInfo;
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::migrate::{Migration, Migrator};
use sqlx::{AssertSqlSafe, Connection};

use crate::backups::{Story, until};
use crate::support::app::{TestApp, USERNAME};
use crate::support::daemon::{Daemon, output, program};
use crate::support::postgres::{
    OwnCluster, connect, empty_database, empty_database_on, migrated_database, server_majors,
    url_of,
};

const VERIFY: &str = "/api/auth/verify";

/// A migrated database on a server of its own.
async fn own_database(cluster: &OwnCluster) -> ConnInfo {
    let info = cluster.conninfo();
    let mut admin = connect(&info).await;
    sqlx::query("CREATE DATABASE own")
        .execute(&mut admin)
        .await
        .unwrap();
    admin.close().await.unwrap();
    info.with_database("own")
}

#[tokio::test]
async fn f52_without_its_database_it_says_why_restores_from_the_command_line_and_comes_up_later() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    let file = story.app.data_dir.path().join("backups/postgres_n8n");
    let file = file.join(backup["filename"].as_str().unwrap());

    let mut cluster = OwnCluster::start().await;
    let database = own_database(&cluster).await;
    cluster.kill().await;
    let data = tempfile::tempdir().unwrap();
    let on_box = |args: &[&str]| {
        let mut command = program(args);
        command
            .env("DATABASE_URL", url_of(&database))
            .env("FLOWKEEP_DATA_DIR", data.path());
        command
    };
    let daemon = Daemon::spawn(&mut on_box(&["serve"])).await;
    let health = daemon
        .until_health(|health| health["parts"]["database"]["detail"] == "waiting for the database")
        .await;
    assert_eq!(
        (&health["is_ready"], &health["status"]),
        (&json!(false), &json!("starting"))
    );

    let verify = on_box(&["verify", "--file", file.to_str().unwrap()]);
    let verified = output(verify).await;
    assert!(verified.status.success(), "{verified:?}");
    let target = story.source.with_database("without_flowkeeps_database");
    let mut admin = connect(&story.source).await;
    sqlx::query("DROP DATABASE IF EXISTS without_flowkeeps_database")
        .execute(&mut admin)
        .await
        .unwrap();
    let mut restore = on_box(&["restore", "--file", file.to_str().unwrap()]);
    restore.env("FLOWKEEP_RESTORE_URL", url_of(&target));
    let restored = output(restore).await;
    assert!(restored.status.success(), "{restored:?}");

    cluster.start_again().await;
    daemon.until_settled().await;
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn f53_a_dump_of_another_database_outlives_an_outage_and_is_published_after_it() {
    let mut cluster = OwnCluster::start().await;
    let own = own_database(&cluster).await;
    MIGRATOR.run(&mut connect(&own).await).await.unwrap();
    let source = empty_database_on(*server_majors().await.first().unwrap()).await;
    let story = Story::begin_with(source, TestApp::builder().database(own)).await;
    // The dump waits for a table that somebody holds.
    let mut holder = connect(&story.source).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE execution_data IN ACCESS EXCLUSIVE MODE")
        .execute(&mut holder)
        .await
        .unwrap();
    let id = story.ask().await;
    let mut looker = connect(&story.source).await;
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'execution_data'::regclass";
    wait_for(&mut looker, waiting).await;
    cluster.kill().await;
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    let idle = "SELECT (NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pg_dump' \
                AND datname = current_database()))::int::bigint";
    wait_for(&mut looker, idle).await;
    let published = || story.files().iter().any(|name| name.starts_with("n8n-"));
    assert!(
        !published(),
        "nothing is published while nobody can tell whose the run is"
    );
    cluster.start_again().await;
    let backup = until("the end of the backup", || async {
        let answer = story
            .client
            .get(&format!("/api/backups/history/{id}"))
            .await;
        let backup = (answer.status == StatusCode::OK).then(|| answer.json())?;
        (backup["status"] != "running").then_some(backup)
    })
    .await;
    assert_eq!(backup["status"], "success", "{backup}");
    assert_eq!(story.proof(id).await["verdict"], "passed");
    cluster.stop().await;
}

async fn wait_for(connection: &mut sqlx::PgConnection, sql: &'static str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let found: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if found > 0 {
            return;
        }
        assert!(Instant::now() < deadline, "never happened: {sql}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn f53_known_sessions_are_let_in_for_a_while_and_nobody_new_then_nobody_at_all() {
    let mut cluster = OwnCluster::start().await;
    let own = own_database(&cluster).await;
    MIGRATOR.run(&mut connect(&own).await).await.unwrap();
    let app = TestApp::builder().database(own).start().await;
    app.setup_admin().await;
    let client = app.client();
    client.login().await;
    let (auth, stop) = (app.state.auth.clone(), app.state.lifecycle.soft().clone());
    app.state
        .lifecycle
        .spawn("sessions", async move { auth.keep_up(stop).await });
    cluster.kill().await;
    assert_eq!(client.get(VERIFY).await.status, StatusCode::OK);
    let body = json!({ "username": USERNAME, "password": "no matter" });
    let began = Instant::now();
    let refused = app.client().post("/api/auth/login", body).await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(7),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(client.get(VERIFY).await.status, StatusCode::OK);
    // The upkeep sees the outage; a quarter of an hour later nobody is let in.
    until("the outage is noted", || async {
        app.advance(TimeDelta::minutes(16));
        (client.get(VERIFY).await.status == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    cluster.start_again().await;
    until("sessions count again", || async {
        (client.get(VERIFY).await.status == StatusCode::OK).then_some(())
    })
    .await;
    app.state.lifecycle.stop();
    app.state.lifecycle.drain().await;
    cluster.stop().await;
}

async fn saved(app: &TestApp) -> i64 {
    app.sql("SELECT count(*) FROM settings WHERE key = 'backups.compression_level'")
        .await
}

#[tokio::test]
async fn f54_a_pool_in_use_a_standby_and_a_slow_server_give_clean_errors_and_change_nothing() {
    let database = migrated_database().await;
    let app = TestApp::builder().database(database.clone()).start().await;
    app.setup_admin().await;
    let client = app.client();
    client.login().await;
    let change = || {
        client.put(
            "/api/settings/backups.compression_level",
            json!({ "value": 9 }),
        )
    };
    let unavailable = |answer: &crate::support::app::TestResponse| {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert_eq!(answer.code(), "database_unavailable");
    };
    // Every connection is in use elsewhere.
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(app.state.db.pool().acquire().await.unwrap());
    }
    unavailable(&change().await);
    drop(held);
    assert_eq!(saved(&app).await, 0);

    // A standby after a failover takes no changes.
    let mut admin = connect(&database).await;
    let name = &database.database;
    let set = |what: &str| AssertSqlSafe(format!("ALTER DATABASE \"{name}\" SET {what}"));
    let renew = async || {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let mut other = connect(&database).await;
        sqlx::query(end).execute(&mut other).await.unwrap();
    };
    sqlx::query(set("default_transaction_read_only = on"))
        .execute(&mut admin)
        .await
        .unwrap();
    drop(admin);
    renew().await;
    let refused = until("a refusal for want of writing", || async {
        let answer = change().await;
        answer.message().contains("read-only").then_some(answer)
    })
    .await;
    unavailable(&refused);
    assert!(
        app.state.db.try_write().await.is_err(),
        "the health says so as well"
    );
    let mut admin = connect(&database).await;
    sqlx::raw_sql("SET default_transaction_read_only = off")
        .execute(&mut admin)
        .await
        .unwrap();
    sqlx::query(set("default_transaction_read_only = off"))
        .execute(&mut admin)
        .await
        .unwrap();
    assert_eq!(saved(&app).await, 0);

    // A server that takes longer than it may.
    sqlx::query(set("statement_timeout = '300ms'"))
        .execute(&mut admin)
        .await
        .unwrap();
    drop(admin);
    renew().await;
    let mut holder = connect(&database).await;
    sqlx::raw_sql("SET statement_timeout = 0; BEGIN; LOCK TABLE settings IN ACCESS EXCLUSIVE MODE")
        .execute(&mut holder)
        .await
        .unwrap();
    let refused = until("a refusal for want of time", || async {
        let answer = change().await;
        answer.message().contains("took too long").then_some(answer)
    })
    .await;
    unavailable(&refused);
    sqlx::raw_sql("ROLLBACK; ")
        .execute(&mut holder)
        .await
        .unwrap();
    let answer = until("the change goes through", || async {
        let answer = change().await;
        (answer.status == StatusCode::OK).then_some(answer)
    })
    .await;
    assert_eq!(answer.json()["value"], 9);
}

#[tokio::test]
async fn f55_a_full_disk_under_the_database_is_told_at_once_and_without_writing() {
    let Some(disk) = crate::support::disk::small("48m") else {
        return;
    };
    // One table lies on a disk of its own, which is full: the server itself lives on.
    let cluster = OwnCluster::start().await;
    let own = own_database(&cluster).await;
    let mut admin = connect(&own).await;
    MIGRATOR.run(&mut admin).await.unwrap();
    let space = disk.path().join("space");
    cluster.give_folder(&space);
    let sql = format!("CREATE TABLESPACE small LOCATION '{}'", space.display());
    sqlx::query(AssertSqlSafe(sql))
        .execute(&mut admin)
        .await
        .unwrap();
    for table in ["audit_log", "installation", "sessions", "event_outbox"] {
        let sql = format!("ALTER TABLE {table} SET TABLESPACE small");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    let app = TestApp::builder().database(own).start().await;
    app.setup_admin().await;
    disk.fill();
    let login = async || {
        let body = json!({ "username": USERNAME, "password": crate::support::app::PASSWORD });
        app.client().post("/api/auth/login", body).await
    };
    // The pages that are there have some room left.
    let mut last = login().await;
    for _ in 0..400 {
        if last.status != StatusCode::OK {
            break;
        }
        last = login().await;
    }
    assert_eq!(last.status, StatusCode::SERVICE_UNAVAILABLE, "{last:?}");
    assert!(
        last.message()
            .contains("disk of Flowkeep's database is full"),
        "{}",
        last.message()
    );
    let began = Instant::now();
    assert_eq!(login().await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    cluster.stop().await;
}

fn until_version(count: usize) -> Migrator {
    let mut migrations = MIGRATOR.migrations.to_vec();
    migrations.truncate(count);
    Migrator {
        migrations: Cow::Owned(migrations),
        ..Migrator::DEFAULT
    }
}

#[tokio::test]
async fn f56_a_migration_that_is_killed_half_way_leaves_nothing_and_goes_through_the_next_time() {
    let database = empty_database().await;
    let mut connection = connect(&database).await;
    let changing = |one: &Migration| one.version == 20_261_121_000_009;
    let before = MIGRATOR.migrations.iter().position(changing).unwrap();
    until_version(before).run(&mut connection).await.unwrap();
    // The next migration changes several tables; somebody holds one of them.
    sqlx::raw_sql("BEGIN; LOCK TABLE backup_schedules IN ACCESS EXCLUSIVE MODE")
        .execute(&mut connection)
        .await
        .unwrap();
    let data = tempfile::tempdir().unwrap();
    let serve = || {
        let mut command = program(&["serve"]);
        command
            .env("DATABASE_URL", url_of(&database))
            .env("FLOWKEEP_DATA_DIR", data.path());
        command
    };
    let daemon = Daemon::spawn(&mut serve()).await;
    let mut looker = connect(&database).await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'backup_schedules'::regclass";
    wait_for(&mut looker, waiting).await;
    daemon.kill().await;
    sqlx::raw_sql("COMMIT")
        .execute(&mut connection)
        .await
        .unwrap();
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'backup_destinations' \
                   AND column_name = 'config'";
    let found: i64 = sqlx::query_scalar(columns)
        .fetch_one(&mut looker)
        .await
        .unwrap();
    assert_eq!(found, 0, "nothing of it is there");
    let daemon = Daemon::spawn(&mut serve()).await;
    daemon.until_settled().await;
    let found: i64 = sqlx::query_scalar(columns)
        .fetch_one(&mut looker)
        .await
        .unwrap();
    assert_eq!(found, 1);
    assert!(daemon.stop().await.success());

    // An older program on a newer database changes nothing and says so.
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (29990101000000, 'of the future', TRUE, '', 0)";
    sqlx::query(newer).execute(&mut looker).await.unwrap();
    let daemon = Daemon::spawn(&mut serve()).await;
    let health: Value = daemon
        .until_health(|health| health["status"] == "failed")
        .await;
    let detail = health["parts"]["database"]["detail"].as_str().unwrap();
    assert!(
        detail.contains("newer Flowkeep") && detail.contains("29990101000000"),
        "{detail}"
    );
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn f49_a_run_that_somebody_settled_while_its_connection_was_cut_leaves_no_file() {
    let story = Story::begin(*server_majors().await.first().unwrap()).await;
    let mut holder = connect(&story.source).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE execution_data IN ACCESS EXCLUSIVE MODE")
        .execute(&mut holder)
        .await
        .unwrap();
    let id = story.ask().await;
    let mut looker = connect(&story.source).await;
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'execution_data'::regclass";
    wait_for(&mut looker, waiting).await;
    story
        .app
        .execute(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
             WHERE l.locktype = 'advisory' AND a.datname = current_database()",
        )
        .await;
    // Another daemon found the lock free.
    story
        .app
        .execute("UPDATE backup_history SET status = 'failed', failure_code = 'interrupted', epoch = epoch + 1")
        .await;
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    until("the end of the run", || async {
        let left = story.files();
        let idle = story.client.get("/api/overview").await.json()["running"].to_string();
        (left.is_empty() && !idle.contains(&id.to_string())).then_some(())
    })
    .await;
    let backup = story.backup(id).await;
    assert_eq!(backup["failure_code"], "interrupted", "{backup}");
    assert!(story.files().is_empty(), "{:?}", story.files());
}
