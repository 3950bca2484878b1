//! Whether a registry has another image: a real engine asks a registry of the tests'.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use flowkeep::platform::docker::Docker;
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Engine, engine, idle, until};

#[derive(Default)]
struct Kept {
    manifest: Vec<u8>,
    blobs: Vec<Vec<u8>>,
    refuses: Option<StatusCode>,
}

type Shared = Arc<Mutex<Kept>>;

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// An image of one file; `which` makes it another one.
fn image(which: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(which.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "which", which.as_bytes())
        .unwrap();
    let plain = tar.into_inner().unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&plain).unwrap();
    let layer = packed.finish().unwrap();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/which"] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&plain)] },
    })
    .to_string()
    .into_bytes();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": digest(&config) },
        "layers": [{ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": layer.len(), "digest": digest(&layer) }],
    });
    (manifest.to_string().into_bytes(), vec![config, layer])
}

async fn manifest(State(kept): State<Shared>) -> Response {
    let kept = kept.lock();
    if let Some(status) = kept.refuses {
        let error = json!({ "errors": [{ "code": "DENIED", "message": "requested access to the resource is denied" }] });
        return (status, error.to_string()).into_response();
    }
    let headers = [
        (
            "content-type",
            "application/vnd.docker.distribution.manifest.v2+json".to_owned(),
        ),
        ("docker-content-digest", digest(&kept.manifest)),
    ];
    (headers, kept.manifest.clone()).into_response()
}

#[expect(
    clippy::disallowed_types,
    reason = "a registry does not answer in our error shape"
)]
async fn blob(State(kept): State<Shared>, wanted: axum::extract::Path<String>) -> Response {
    let kept = kept.lock();
    match kept.blobs.iter().find(|blob| digest(blob) == *wanted) {
        Some(blob) => blob.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn registry(kept: &Shared) -> Router {
    Router::new()
        .route("/v2/", get(async || "{}"))
        .route("/v2/n8n/manifests/{reference}", get(manifest))
        .route("/v2/n8n/blobs/{digest}", get(blob))
        .with_state(Arc::clone(kept))
}

impl Engine {
    async fn update(&self, short: &str) -> Value {
        let answer = self
            .client
            .get(&self.path(short, "/update?refresh=true"))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.message());
        answer.json()
    }

    /// How an upgrade to whatever the present name leads to ends.
    async fn upgrade(&self) -> (Value, Value) {
        self.client.reauthenticate().await;
        let begun = self.client.post("/api/n8n/upgrades", json!({})).await;
        assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.message());
        let path = format!("/api/n8n/upgrades/{}", begun.json()["id"]);
        until("the end of the upgrade", || async {
            let run = self.client.get(&path).await.json();
            let end = (run["status"].clone(), run["failure_code"].clone());
            (run["status"] != "running").then_some(end)
        })
        .await
    }

    async fn make_of(&self, short: &str, image: &str) -> String {
        let options = CreateContainerOptionsBuilder::new()
            .name(&self.name(short))
            .build();
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            ..ContainerCreateBody::default()
        };
        self.docker
            .create_container(Some(options), body)
            .await
            .unwrap()
            .id
    }
}

#[tokio::test]
async fn a_registry_that_has_another_image_that_denies_it_and_that_is_away_are_told_apart() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let kept = Shared::default();
    let (manifest, blobs) = image("one");
    *kept.lock() = Kept {
        manifest,
        blobs,
        refuses: None,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = format!("{}/n8n:latest", listener.local_addr().unwrap());
    let closed = CancellationToken::new();
    let (router, until_closed) = (registry(&kept), closed.clone());
    here.app.state.lifecycle.spawn("registry", async move {
        let serving = axum::serve(listener, router);
        tokio::select! {
            served = serving => served.unwrap(),
            () = until_closed.cancelled() => {}
        }
    });
    Docker::new(&engine().unwrap())
        .pull(&name, Duration::from_secs(30))
        .await
        .unwrap();
    let id = here.make_of("main", &name).await;

    let current = here.update("main").await;
    assert_eq!(current["state"], "current", "{current}");
    assert_eq!(current["local_digest"], current["registry_digest"]);
    here.set("n8n.containers", json!(here.name("main"))).await;
    assert_eq!(here.upgrade().await, (json!("unchanged"), Value::Null));
    kept.lock().manifest = image("two").0;
    let kept_answer = here.client.get(&here.path("main", "/update")).await.json();
    assert_eq!(
        kept_answer["state"], "current",
        "the answer of before is good for a while"
    );
    let available = here.update("main").await;
    assert_eq!(available["state"], "available", "{available}");
    let list = here.client.get("/api/containers").await.json();
    assert_eq!(
        list["items"][0]["update"]["state"], "available",
        "the list marks it"
    );
    kept.lock().refuses = Some(StatusCode::FORBIDDEN);
    assert_eq!(here.update("main").await["state"], "denied");
    kept.lock().refuses = Some(StatusCode::SERVICE_UNAVAILABLE);
    let away = here.update("main").await;
    assert_eq!(away["state"], "unreachable", "{away}");
    kept.lock().refuses = None;
    closed.cancel();
    let away = here.update("main").await;
    assert_eq!(away["state"], "unreachable", "{away}");
    let failed = (json!("failed"), json!("registry_unreachable"));
    assert_eq!(here.upgrade().await, failed, "nobody knows of a newer one");
    let docker = here.docker.clone();
    here.end(&[id]).await;
    let none = None::<bollard::query_parameters::RemoveImageOptions>;
    docker.remove_image(&name, none, None).await.unwrap();
}

#[tokio::test]
async fn an_image_that_was_made_here_has_no_registry_to_ask() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let id = here.make(&here.name("main"), idle()).await;
    let local = here.update("main").await;
    assert_eq!(
        (&local["state"], &local["registry_digest"]),
        (&json!("local_only"), &Value::Null)
    );
    here.end(&[id]).await;
}
