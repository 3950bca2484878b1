//! n8n in containers of a real Docker engine: stopped for a swap, read for its configuration.

use flowkeep::platform::docker::{Cage, Docker, Labels};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::backups::{Story, until};
use crate::support::app::TestApp;
use crate::support::postgres::{connect, empty_database_on, server_majors};

struct Box {
    story: Story,
    docker: Docker,
    container: String,
}

/// An application whose n8n is said to be in a container, and that container.
async fn begin() -> Option<Box> {
    let address = std::env::var("FLOWKEEP_TEST_DOCKER").ok()?;
    let source = empty_database_on(*server_majors().await.first().unwrap()).await;
    let builder = TestApp::builder().args(&[&format!("--docker-host={address}")]);
    let story = Story::begin_with(source, builder).await;
    let docker = Docker::new(&address);
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in [
        (
            "home/node/.n8n/config",
            "{\"encryptionKey\":\"a key in a container\"}",
        ),
        ("home/node/.n8n/nodes/package.json", "{}"),
        ("home/node/.n8n/binaryData/large", "left out"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_uid(1000);
        tar.append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
    let cage = Cage {
        image: "pgvector/pgvector:pg16".to_owned(),
        user: "postgres".to_owned(),
        argv: [
            "bash",
            "-c",
            "trap 'exit 0' TERM; while :; do read -t 1 <> <(:); done",
        ]
        .map(str::to_owned)
        .into(),
        env: Vec::new(),
        memory_bytes: 64 * 1024 * 1024,
        pids: 16,
        shares_network_of: None,
        labels: Labels {
            installation: "n8n of a test".to_owned(),
            run: format!(
                "n8n-{}",
                flowkeep::platform::ids::Ids::system().uuid().simple()
            ),
            expires_at: i64::MAX,
        },
        files: Some(tar.into_inner().unwrap()),
    };
    docker.start_caged(&cage).await.unwrap();
    let container = format!("flowkeep-{}", cage.labels.run);
    let body = json!({ "value": container });
    let set = story.client.put("/api/settings/n8n.containers", body).await;
    assert_eq!(set.status, 200, "{}", set.message());
    Some(Box {
        story,
        docker,
        container,
    })
}

impl Box {
    async fn started_at(&self) -> Option<String> {
        let state = self
            .docker
            .state(&self.container, false)
            .await
            .unwrap()
            .unwrap();
        state.is_running.then_some(state.started_at).flatten()
    }

    async fn restored(&self) -> (String, Value) {
        let backup = self.story.ask().await;
        assert_eq!(self.story.ended(backup).await["status"], "success");
        self.story.client.reauthenticate().await;
        let body = json!({ "backup_id": backup, "inactive": true });
        let begun = self.story.client.post("/api/restores", body).await.json();
        let path = format!("/api/restores/{}", begun["id"]);
        let restore = until("the end of the restore", || async {
            let restore = self.story.client.get(&path).await.json();
            (restore["status"] != "running").then_some(restore)
        })
        .await;
        (path, restore)
    }

    /// What n8n would hold open until its container ends.
    async fn connected(&self) -> PgConnection {
        connect(&self.story.source).await
    }

    async fn end(self) {
        self.docker.remove_container(&self.container).await.unwrap();
    }
}

#[tokio::test]
async fn f42_n8n_is_stopped_for_the_swap_and_runs_again_after_it_and_after_its_undoing() {
    let Some(here) = begin().await else { return };
    let before = here.started_at().await.unwrap();
    let (path, restore) = here.restored().await;
    assert_eq!(restore["status"], "restored", "{restore}");
    let swapped = here
        .story
        .client
        .post(&format!("{path}/swap"), json!({}))
        .await;
    assert_eq!(swapped.json()["status"], "swapped", "{swapped:?}");
    let after = here.started_at().await.expect("n8n runs again");
    assert_ne!(before, after, "n8n was stopped in between");
    let undone = here
        .story
        .client
        .post(&format!("{path}/undo"), json!({}))
        .await;
    assert_eq!(undone.json()["status"], "undone", "{undone:?}");
    let last = here.started_at().await.expect("n8n runs again");
    assert_ne!(after, last);
    here.end().await;
}

#[tokio::test]
async fn a_swap_that_would_stop_flowkeeps_own_container_is_refused() {
    let Some(here) = begin().await else { return };
    let before = here.started_at().await.unwrap();
    let (path, _) = here.restored().await;
    let own = here.docker.state(&here.container, false).await.unwrap();
    let docker = &here.story.app.state.docker;
    docker.set_own(own.map(|state| state.id));
    let swap = format!("{path}/swap");
    let refused = here.story.client.post(&swap, json!({})).await;
    assert!(
        refused.message().contains("Flowkeep itself runs in it"),
        "{refused:?}"
    );
    let n8n = &here.story.app.state.n8n;
    let stopped = n8n.stop_containers(&n8n.containers()).await;
    stopped.unwrap_err();
    assert_eq!(here.started_at().await.as_ref(), Some(&before));
    let restore = here.story.client.get(&path).await.json();
    assert_eq!(restore["status"], "restored");
    here.end().await;
}

#[tokio::test]
async fn f42_when_the_swap_fails_n8n_comes_back_on_the_old_database() {
    let Some(here) = begin().await else { return };
    let before = here.started_at().await.unwrap();
    let (path, _) = here.restored().await;
    // Somebody else than n8n is connected, and stays.
    let other = here.connected().await;
    let refused = here
        .story
        .client
        .post(&format!("{path}/swap"), json!({}))
        .await;
    assert_eq!(refused.code(), "database_in_use", "{refused:?}");
    other.close().await.unwrap();
    let after = here.started_at().await.expect("n8n runs again");
    assert_ne!(before, after);
    assert_eq!(
        here.story.client.get(&path).await.json()["status"],
        "restored"
    );
    // Nothing is touched when the container is not there at all.
    let body = json!({ "value": "no-such-n8n" });
    here.story
        .client
        .put("/api/settings/n8n.containers", body)
        .await;
    let refused = here
        .story
        .client
        .post(&format!("{path}/swap"), json!({}))
        .await;
    assert_eq!(refused.code(), "container_unusable", "{refused:?}");
    assert!(
        refused.message().contains("no-such-n8n"),
        "{}",
        refused.message()
    );
    assert_eq!(
        here.story.client.get(&path).await.json()["status"],
        "restored"
    );
    here.end().await;
}

#[tokio::test]
async fn f42_a_daemon_that_is_killed_in_the_middle_of_a_swap_starts_n8n_when_it_is_back() {
    let Some(here) = begin().await else { return };
    let (path, restore) = here.restored().await;
    here.docker
        .stop_container(&here.container, std::time::Duration::from_secs(5))
        .await
        .unwrap();
    // What the daemon wrote before it stopped the container and was killed.
    let sql = "UPDATE restore_runs SET status = 'swapping', previous_name = 'never', \
               stopped_containers = jsonb_build_array($1::text)";
    sqlx::query(sql)
        .bind(&here.container)
        .execute(here.story.app.state.db.pool())
        .await
        .unwrap();
    here.story.app.state.restores.settle().await.unwrap();
    assert!(here.started_at().await.is_some(), "{restore}");
    let settled = here.story.client.get(&path).await.json();
    assert_eq!(settled["status"], "restored", "{settled}");
    here.end().await;
}

#[tokio::test]
async fn n8ns_folder_is_backed_up_out_of_its_container_and_proven() {
    let Some(here) = begin().await else { return };
    let body = json!({ "backup_type": "n8n_config" });
    let answer = here.story.client.post("/api/backups/run", body).await;
    assert_eq!(answer.status, 202, "{}", answer.message());
    let id = answer.json()["id"].as_i64().unwrap();
    let backup = here.story.ended(id).await;
    assert_eq!(backup["status"], "success", "{backup}");
    let file = here.story.app.data_dir.path().join("backups/n8n_config");
    let file = file.join(backup["filename"].as_str().unwrap());
    let plain = zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap();
    let mut archive = tar::Archive::new(plain.as_slice());
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    let inside = format!("containers/{}/home/node/.n8n", here.container);
    assert!(names.contains(&format!("{inside}/config")), "{names:?}");
    assert!(
        names.contains(&format!("{inside}/nodes/package.json")),
        "{names:?}"
    );
    assert!(
        !names.iter().any(|name| name.contains("binaryData")),
        "{names:?}"
    );
    let proof = here.story.proof(id).await;
    assert_eq!(proof["verdict"], "passed", "{proof}");
    assert!(
        proof["message"].as_str().unwrap().contains("holds a key"),
        "{proof}"
    );

    let body = json!({ "value": "/nowhere" });
    here.story
        .client
        .put("/api/settings/n8n.container_folder", body)
        .await;
    let again = json!({ "backup_type": "n8n_config" });
    let id = here
        .story
        .client
        .post("/api/backups/run", again)
        .await
        .json()["id"]
        .clone();
    let failed = here.story.ended(id.as_i64().unwrap()).await;
    assert_eq!(failed["failure_code"], "config_unreadable", "{failed}");
    assert!(
        failed["error_message"]
            .as_str()
            .unwrap()
            .contains("/nowhere"),
        "{failed}"
    );
    here.end().await;
}
