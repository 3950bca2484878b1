//! `flowkeep doctor` and `flowkeep health`, on installations that have something wrong with them.

use std::fs::{Permissions, set_permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::support::app::TestApp;
use crate::support::daemon::{Daemon, command, output, program};
use crate::support::postgres::{SAMPLE_KEY, connect, empty_database, sample_n8n, url_of};
use crate::support::receiver::Receiver;

const SECRET: &str = "hidden-word-in-a-url";

/// What the doctor says: how it ended and its findings.
struct Said {
    code: i32,
    findings: Vec<Value>,
    text: String,
}

impl Said {
    /// The level and the words of the worst finding of a check that holds these words.
    #[track_caller]
    fn expect(&self, check: &str, level: &str, words: &str) {
        let is_it = |finding: &&Value| {
            finding["check"] == check
                && finding["level"] == level
                && finding.to_string().contains(words)
        };
        assert!(
            self.findings.iter().any(|finding| is_it(&finding)),
            "no {level} of {check} with {words:?}: {}",
            self.text
        );
    }

    #[track_caller]
    fn expect_nothing_wrong(&self) {
        assert!(
            self.findings
                .iter()
                .all(|finding| finding["level"] != "fail"),
            "{}",
            self.text
        );
        assert_ne!(self.code, 2);
    }
}

/// Runs the doctor. Whatever is wrong, it answers in JSON, each bad line has a remedy, and no secret shows.
async fn ask(mut command: Command) -> Said {
    command.arg("--json");
    let output = output(command).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let answer: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {errors}"));
    let findings = answer["findings"].as_array().unwrap().clone();
    for finding in &findings {
        assert_eq!(
            finding["level"] == "ok",
            finding["fix"].is_null(),
            "{finding}"
        );
    }
    assert!(
        !text.contains(SECRET) && !errors.contains(SECRET),
        "{text} {errors}"
    );
    let code = output.status.code().unwrap();
    let wanted = ["ok", "warn", "fail"]
        .iter()
        .position(|level| answer["status"] == **level);
    assert_eq!(usize::try_from(code).ok(), wanted, "{text}");
    Said {
        code,
        findings,
        text,
    }
}

fn doctor(app: &TestApp) -> Command {
    command(app, &["doctor"])
}

#[tokio::test]
async fn a_sound_installation_has_nothing_to_fix_with_the_daemon_running_or_stopped() {
    let (app, client) = TestApp::with_admin().await;
    let said = ask(doctor(&app)).await;
    said.expect_nothing_wrong();
    said.expect("daemon", "warn", "does not run");
    said.expect("database", "ok", "answers: PostgreSQL");
    said.expect("tables", "ok", "up to date");
    said.expect("master key", "ok", "opens this database's secrets");
    said.expect("n8n", "warn", "no connection is set");
    let n8n = sample_n8n().await;
    let body = json!({ "database_url": url_of(&n8n), "encryption_key": SAMPLE_KEY.trim() });
    assert_eq!(client.put("/api/n8n/connection", body).await.status, 200);

    let daemon = Daemon::start(&app).await;
    daemon.until_settled().await;
    let mut command = doctor(&app);
    command.env("FLOWKEEP_LISTEN", daemon.address().to_string());
    let said = ask(command).await;
    said.expect_nothing_wrong();
    said.expect("daemon", "ok", "answers on");
    said.expect("n8n", "ok", "workflows");
    said.expect("backups", "warn", "there is no good backup of n8n");
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn an_empty_machine_is_looked_at_and_nothing_is_made_there() {
    let dir = tempfile::tempdir().unwrap();
    set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
    let data = dir.path().join("data");
    let mut command = program(&["doctor"]);
    command.env("FLOWKEEP_DATA_DIR", &data);
    let said = ask(command).await;
    said.expect("data folder", "warn", "is not there yet");
    assert!(!data.exists());
    std::fs::create_dir(&data).unwrap();
    set_permissions(&data, Permissions::from_mode(0o711)).unwrap();
    let mut command = program(&["doctor"]);
    command.env("FLOWKEEP_DATA_DIR", &data);
    let said = ask(command).await;
    said.expect_nothing_wrong();
    said.expect("database", "warn", "not made yet");
    said.expect("master key", "warn", "not there yet");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
}

#[tokio::test]
async fn a_database_that_refuses_or_is_not_there_is_named_without_its_password() {
    let app = TestApp::start().await;
    let mut info = app.database.clone();
    info.user = "nobody_knows".to_owned();
    for (url, words) in [
        (
            format!("postgres://u:{SECRET}@127.0.0.1:1/none"),
            "127.0.0.1:1",
        ),
        (
            url_of(&info).replace("nobody_knows:", &format!("nobody_knows:{SECRET}")),
            "nobody_knows",
        ),
        (url_of(&app.database.with_database("not_made")), "not_made"),
    ] {
        let mut command = doctor(&app);
        command.env("DATABASE_URL", &url);
        ask(command).await.expect("database", "fail", words);
    }
    let mut command = doctor(&app);
    command.env("DATABASE_URL", format!("mysql://u:{SECRET}@h/d"));
    ask(command)
        .await
        .expect("configuration", "fail", "postgres://");
}

#[tokio::test]
async fn tables_that_are_older_newer_or_missing_are_told_apart() {
    let app = TestApp::start().await;
    let mut connection = connect(&app.database).await;
    let forget =
        "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    sqlx::query(forget).execute(&mut connection).await.unwrap();
    ask(doctor(&app))
        .await
        .expect("tables", "fail", "1 migrations are missing");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99990101000000, 'of tomorrow', TRUE, '', 0)";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    ask(doctor(&app))
        .await
        .expect("tables", "fail", "newer Flowkeep");
    connection.close().await.unwrap();
    let mut command = doctor(&app);
    command.env("DATABASE_URL", url_of(&empty_database().await));
    let said = ask(command).await;
    said.expect_nothing_wrong();
    said.expect("tables", "warn", "none yet");
}

#[tokio::test]
async fn another_databases_master_key_is_found_before_the_daemon_starts() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let mut command = doctor(&app);
    command.env(
        "FLOWKEEP_MASTER_KEY_FILE",
        other.data_dir.path().join("master.key"),
    );
    ask(command)
        .await
        .expect("master key", "fail", "recovery kit");
}

/// In a container nobody else is there, and how a secret is mounted is not for the container to say.
#[track_caller]
fn expect_open_secret(said: &Said) {
    let marks = ["/.dockerenv", "/run/.containerenv"];
    if !marks.iter().any(|mark| Path::new(mark).exists()) {
        said.expect("variables", "fail", "chown root:flowkeep");
        said.expect("variables", "fail", "chmod 640");
    }
}

#[tokio::test]
async fn files_that_others_can_read_or_change_are_named_with_the_command_that_closes_them() {
    let app = TestApp::start().await;
    let data = app.data_dir.path();
    set_permissions(data, Permissions::from_mode(0o777)).unwrap();
    set_permissions(data.join("master.key"), Permissions::from_mode(0o644)).unwrap();
    let token = data.join("token");
    std::fs::write(&token, SECRET).unwrap();
    set_permissions(&token, Permissions::from_mode(0o644)).unwrap();
    let mut command = doctor(&app);
    command.env("FLOWKEEP_METRICS_TOKEN_FILE", &token);
    let said = ask(command).await;
    said.expect("data folder", "fail", "chmod 711");
    said.expect("master key", "fail", "chmod 600");
    expect_open_secret(&said);
    let mut command = doctor(&app);
    command.env("FLOWKEEP_METRICS_TOKEN_FILE", data.join("nothing"));
    ask(command)
        .await
        .expect("variables", "fail", "FLOWKEEP_METRICS_TOKEN_FILE");
    set_permissions(data, Permissions::from_mode(0o711)).unwrap();
}

/// The doctor of somebody whose variables are only in the unit's file.
fn by_file(file: &Path, text: &str, mode: u32) -> Command {
    std::fs::write(file, text).unwrap();
    set_permissions(file, Permissions::from_mode(mode)).unwrap();
    let mut command = program(&["doctor"]);
    command.env("FLOWKEEP_ENVIRONMENT_FILE", file);
    command
}

#[tokio::test]
async fn the_units_variables_are_taken_up_and_looked_through() {
    let app = TestApp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("environment");
    let data = app.data_dir.path().display();
    let text = format!(
        "FLOWKEEP_DATA_DIR={data}\nDATABASE_URL='{}'\n",
        url_of(&app.database)
    );
    let said = ask(by_file(&file, &text, 0o640)).await;
    said.expect_nothing_wrong();
    said.expect("variables", "ok", "sets 2");
    said.expect("tables", "ok", "up to date");

    let said = ask(by_file(&file, &format!("{text}FLOWKEEP_LITSEN=1\n"), 0o644)).await;
    expect_open_secret(&said);
    said.expect("variables", "warn", "write FLOWKEEP_LISTEN");
    let said = ask(by_file(
        &file,
        &format!("{text}DATABASE_URL postgres://u:{SECRET}@h/d\n"),
        0o640,
    ))
    .await;
    said.expect("variables", "fail", "line 3");

    // The other commands take them too, and what is set in the environment wins.
    let mut migrate = program(&["migrate"]);
    migrate.env("FLOWKEEP_ENVIRONMENT_FILE", &file);
    assert!(output(migrate).await.status.success());
    let mut migrate = program(&["migrate"]);
    migrate.env("FLOWKEEP_ENVIRONMENT_FILE", &file).env(
        "DATABASE_URL",
        format!("postgres://u:{SECRET}@127.0.0.1:1/none"),
    );
    assert!(!output(migrate).await.status.success());
    // Nor does --help print them.
    let mut help = program(&["backup", "--help"]);
    help.env("FLOWKEEP_ENVIRONMENT_FILE", &file);
    let help = String::from_utf8(output(help).await.stdout).unwrap();
    assert!(
        help.contains("DATABASE_URL") && !help.contains(&url_of(&app.database)),
        "{help}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_from_a_flowkeep_that_is_elsewhere() {
    let app = TestApp::start().await;
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = doctor(&app);
    command.env(
        "FLOWKEEP_LISTEN",
        stranger.local_addr().unwrap().to_string(),
    );
    // It takes the connection and hangs up.
    let accepting = std::thread::spawn(move || stranger.accept().map(drop));
    ask(command)
        .await
        .expect("daemon", "fail", "another program listens");
    accepting.join().unwrap().unwrap();

    let other = TestApp::start().await;
    let daemon = Daemon::start(&other).await;
    let mut command = doctor(&app);
    command.env("FLOWKEEP_LISTEN", daemon.address().to_string());
    ask(command).await.expect("daemon", "warn", "does not use");
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_and_a_page_without_https_are_pointed_out() {
    let app = TestApp::start().await;
    let mut command = doctor(&app);
    command.env("FLOWKEEP_PUBLIC_URL", "https://flowkeep.example.com");
    ask(command)
        .await
        .expect("access", "warn", "FLOWKEEP_TRUSTED_PROXIES");
    let mut command = doctor(&app);
    command.env("FLOWKEEP_TRUSTED_PROXIES", "127.0.0.1/32");
    ask(command)
        .await
        .expect("access", "warn", "FLOWKEEP_PUBLIC_URL");
    let mut command = doctor(&app);
    command.env("FLOWKEEP_LISTEN", "0.0.0.0:0");
    ask(command).await.expect("access", "warn", "unencrypted");
}

#[tokio::test]
async fn a_tool_that_no_login_reaches_is_named() {
    let app = TestApp::start().await;
    let rows = "INSERT INTO sso_services (slug, name, host, path_prefix, is_enabled) VALUES \
                ('dozzle', 'The logs', 'flowkeep.example.com', '/dozzle/', TRUE), \
                ('adminer', 'The tables', 'adminer.example.com', '/', TRUE), \
                ('old', 'The old one', 'old.example.com', '/', FALSE)";
    app.execute(rows).await;
    let mut command = doctor(&app);
    command.env("FLOWKEEP_PUBLIC_URL", "https://flowkeep.example.com");
    let said = ask(command).await;
    said.expect("single sign-on", "warn", "no login reaches The tables");
    said.expect("single sign-on", "ok", "reaches: 1");
    assert!(!said.text.contains("The old"), "{}", said.text);
}

#[tokio::test]
async fn an_engine_that_is_away_or_dead_is_a_warning_with_a_remedy() {
    let app = TestApp::start().await;
    ask(doctor(&app))
        .await
        .expect("Docker", "warn", "no engine at unix:///nonexistent");
    let socket = app.data_dir.path().join("docker.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let mut command = doctor(&app);
    command.env(
        "FLOWKEEP_DOCKER_HOST",
        format!("unix://{}", socket.display()),
    );
    ask(command)
        .await
        .expect("Docker", "warn", "systemctl start docker");
}

#[tokio::test]
async fn what_the_settings_name_and_is_not_so_is_told() {
    // An engine without a container, and an n8n that migrates its database.
    let engine = Receiver::answering(|_, came| {
        let (status, body) = if came.path.ends_with("/version") {
            (200, json!({ "Version": "27.0.0", "ApiVersion": "1.46" }))
        } else {
            (404, json!({ "message": "no such container" }))
        };
        answer(status, body.to_string())
    })
    .await;
    let n8n =
        Receiver::answering(|_, _| answer(200, "n8n is starting up. Please wait".to_owned())).await;
    let (app, client) = TestApp::with_admin().await;
    client.reauthenticate().await;
    for (path, body) in [
        (
            "/api/settings/n8n.containers",
            json!({ "value": "n8n_mian" }),
        ),
        ("/api/n8n/api", json!({ "url": n8n.url, "key": SECRET })),
    ] {
        let set = client.put(path, body).await;
        assert!(set.status.is_success(), "{set:?}");
    }
    app.execute(
        "INSERT INTO backup_destinations (name, kind, path, sentinel, created_at, updated_at, last_checked_at, \
         last_error_code, last_error) VALUES ('NAS', 'folder', '/mnt/nas', gen_random_uuid(), now(), now(), now(), \
         'not_mounted', 'It is not mounted.')",
    )
    .await;
    let ask_it = || {
        let mut command = doctor(&app);
        command.env("FLOWKEEP_DOCKER_HOST", engine.url.replace("http", "tcp"));
        ask(command)
    };
    let said = ask_it().await;
    said.expect("n8n's containers", "warn", "n8n_mian");
    said.expect("n8n's API", "warn", "it is starting up");
    said.expect("destinations", "warn", "NAS: It is not mounted.");
    said.expect_nothing_wrong();
    drop(n8n);
    ask_it().await.expect("n8n's API", "warn", "is not well");
}

fn answer(status: u16, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test]
async fn a_backup_folder_that_is_not_mounted_is_a_failure() {
    let app = TestApp::start().await;
    let mut command = doctor(&app);
    command.env(
        "FLOWKEEP_BACKUP_DIR",
        app.data_dir.path().join("not-mounted"),
    );
    ask(command)
        .await
        .expect("backup folder", "fail", "not-mounted is not there");
}

#[tokio::test]
async fn health_ends_with_0_when_the_daemon_is_ready_and_with_1_when_nothing_answers() {
    let app = TestApp::start().await;
    let daemon = Daemon::start(&app).await;
    daemon.until_settled().await;
    let address = daemon.address().to_string();
    let ask = || {
        let mut command = program(&["health"]);
        command.env("FLOWKEEP_LISTEN", &address);
        command
    };
    let answer = output(ask()).await;
    assert!(answer.status.success(), "{answer:?}");
    assert!(daemon.stop().await.success());
    let answer = output(ask()).await;
    assert_eq!(answer.status.code(), Some(1));
    let said = String::from_utf8(answer.stderr).unwrap();
    assert!(said.contains("nothing answers"), "{said}");
}
