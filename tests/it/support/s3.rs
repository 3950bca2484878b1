//! A real S3 server on loopback (s3s-fs, which checks signatures and keeps uploads in parts), in which
//! requests can be made to fail.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use flowkeep::platform::lifecycle::Lifecycle;
use http::{Method, StatusCode};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;

pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const BUCKET: &str = "backups";

/// What goes wrong.
#[derive(Default)]
pub struct Faults {
    /// Parts after this many are refused with 503; 0 for none.
    pub parts_until_503: AtomicU32,
    /// Everything is refused with 500.
    pub is_down: AtomicBool,
    /// Nothing is answered at all.
    pub is_silent: AtomicBool,
    /// Parts that came.
    pub parts: AtomicU32,
    /// Requests that came.
    pub requests: AtomicU32,
    /// Uploads in parts that were aborted.
    pub aborted: AtomicU32,
}

pub struct S3Server {
    pub root: TempDir,
    pub faults: Arc<Faults>,
    address: SocketAddr,
    tasks: Lifecycle,
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.tasks.stop();
        self.tasks.hard().cancel();
    }
}

/// What S3 says, and this server does not.
const NO_BUCKET: &str = "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";

async fn answer(
    service: S3Service,
    faults: Arc<Faults>,
    root: PathBuf,
    request: Request,
) -> Response {
    let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
    if !root.join(bucket).is_dir() {
        return (StatusCode::NOT_FOUND, NO_BUCKET).into_response();
    }
    faults.requests.fetch_add(1, Ordering::SeqCst);
    let query = request.uri().query().unwrap_or_default().to_owned();
    if faults.is_silent.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
    if faults.is_down.load(Ordering::SeqCst) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if request.method() == Method::PUT && query.contains("partNumber=") {
        let number = faults.parts.fetch_add(1, Ordering::SeqCst) + 1;
        let until = faults.parts_until_503.load(Ordering::SeqCst);
        if until > 0 && number > until {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    if request.method() == Method::DELETE && query.contains("uploadId=") {
        faults.aborted.fetch_add(1, Ordering::SeqCst);
    }
    let request = request.map(s3s::Body::http_body_unsync);
    match service.call(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
    }
}

impl S3Server {
    /// Starts one with an empty bucket.
    pub async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let faults = Arc::new(Faults::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Lifecycle::new(Duration::ZERO);
        let (told, base) = (Arc::clone(&faults), root.path().to_owned());
        let router = Router::new().fallback(move |request: Request| {
            answer(service.clone(), Arc::clone(&told), base.clone(), request)
        });
        tasks.spawn("s3", async move {
            let _ = axum::serve(listener, router).await;
        });
        Self {
            root,
            faults,
            address,
            tasks,
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The objects of the bucket, but for the server's own notes.
    pub fn objects(&self) -> Vec<String> {
        let base = self.root.path().join(BUCKET);
        let (mut names, mut folders): (Vec<String>, Vec<PathBuf>) =
            (Vec::new(), vec![base.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&base).unwrap().display().to_string();
                    names.push(name);
                }
            }
        }
        names.sort();
        names
    }

    /// What uploads in parts left behind.
    pub fn parts_left(&self) -> usize {
        let entries = std::fs::read_dir(self.root.path()).unwrap().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().contains(".upload_id-"))
            .count()
    }
}
