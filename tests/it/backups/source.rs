//! A database that looks like n8n's, and an application that is connected to it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use flowkeep::platform::postgres::ConnInfo;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::support::app::{TestApp, TestAppBuilder, TestClient};
use crate::support::postgres::{connect, empty_database_on, url_of};

/// The tables without which nobody takes it for an n8n, and one of some size.
const N8N: &str = r#"
    CREATE TABLE workflow_entity (id text PRIMARY KEY, name text, active bool, nodes json, connections json);
    INSERT INTO workflow_entity SELECT 'w' || g, 'Workflow ' || g, false,
      '[{"name":"Start","type":"n8n-nodes-base.manualTrigger"}]', '{}' FROM generate_series(1, 20) g;
    CREATE TABLE credentials_entity (id text PRIMARY KEY, name text, data text);
    CREATE TABLE execution_entity (id int PRIMARY KEY, status text);
    INSERT INTO execution_entity SELECT g, 'success' FROM generate_series(1, 500) g;
    CREATE TABLE execution_data ("executionId" int PRIMARY KEY, data text);
    INSERT INTO execution_data SELECT g, repeat(md5(g::text), 100) FROM generate_series(1, 500) g;
"#;

/// An application with an administrator, and the database it is to back up.
pub struct Story {
    pub app: TestApp,
    pub client: TestClient,
    pub source: ConnInfo,
}

/// Waits until `look` gives something; a minute is long enough for anything here.
pub async fn until<T, F, Fut>(what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "never happened: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Story {
    pub async fn begin(major: u32) -> Self {
        let source = empty_database_on(major).await;
        Self::begin_with(source, TestApp::builder()).await
    }

    /// The same for a database and an application that differ from the usual.
    pub async fn begin_with(source: ConnInfo, builder: TestAppBuilder) -> Self {
        let mut connection = connect(&source).await;
        sqlx::raw_sql(N8N).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        Self::on(source, builder).await
    }

    /// The same on a database that is an n8n's already.
    pub async fn on(source: ConnInfo, builder: TestAppBuilder) -> Self {
        let app = builder.start().await;
        app.setup_admin().await;
        let client = app.client();
        client.login().await;
        // The throwaway server's user must be able to reach its folder.
        std::fs::set_permissions(app.data_dir.path(), Permissions::from_mode(0o711)).unwrap();
        let story = Self {
            app,
            client,
            source,
        };
        story.connect(&story.source).await;
        story
    }

    pub async fn connect(&self, source: &ConnInfo) {
        let body = json!({ "database_url": url_of(source) });
        let answer = self.client.put("/api/n8n/connection", body).await;
        assert_eq!(answer.status, 200, "{}", answer.message());
    }

    /// Makes a good backup of this type.
    pub async fn made(&self, kind: &str) -> Value {
        let body = json!({ "backup_type": kind });
        let answer = self.client.post("/api/backups/run", body).await;
        assert_eq!(answer.status, 202, "{}", answer.message());
        let backup = self.ended(answer.json()["id"].as_i64().unwrap()).await;
        assert_eq!(backup["status"], "success", "{backup}");
        backup
    }

    /// Where a backup's file is.
    pub fn path_of(&self, backup: &Value) -> PathBuf {
        let dir = self.app.data_dir.path().join("backups");
        dir.join(backup["backup_type"].as_str().unwrap())
            .join(backup["filename"].as_str().unwrap())
    }

    /// Asks for a backup. Returns its number.
    pub async fn ask(&self) -> i64 {
        let body = json!({ "backup_type": "postgres_n8n" });
        let answer = self.client.post("/api/backups/run", body).await;
        assert_eq!(answer.status, 202, "{}", answer.message());
        answer.json()["id"].as_i64().unwrap()
    }

    pub async fn backup(&self, id: i64) -> Value {
        self.client
            .get(&format!("/api/backups/history/{id}"))
            .await
            .json()
    }

    /// Waits for the end of a run and returns it.
    pub async fn ended(&self, id: i64) -> Value {
        until("the end of the backup", || async {
            let backup = self.backup(id).await;
            (backup["status"] != "running").then_some(backup)
        })
        .await
    }

    /// Files in the backup folder, however deep.
    pub fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.app.data_dir.path().join("backups")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    names.push(entry.file_name().to_str().unwrap().to_owned());
                }
            }
        }
        names.sort();
        names
    }

    /// Proves a backup and returns how it went.
    pub async fn proof(&self, id: i64) -> Value {
        use flowkeep::features::verification::Verdict;
        let service = &self.app.state.verifications;
        let subject = service.subject(i32::try_from(id).unwrap()).await.unwrap();
        let outcome = service.prover().prove(&subject, |_| {}).await;
        json!({
            "passed": outcome.verdict == Verdict::Passed,
            "verdict": outcome.verdict.as_str(),
            "code": outcome.code,
            "message": outcome.message,
            "mismatches": outcome.mismatches,
            "engine": outcome.engine,
            "engine_note": outcome.engine_note,
            "server_version": outcome.server_version,
            "is_passing": outcome.is_passing,
            "checks": outcome.checks,
        })
    }
}
