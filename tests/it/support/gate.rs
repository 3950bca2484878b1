//! Stands between Flowkeep and a Docker engine: it can be cut, and remembers what was asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flowkeep::platform::lifecycle::Lifecycle;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// A way to an engine.
pub struct Gate {
    dir: tempfile::TempDir,
    cut: Arc<Mutex<CancellationToken>>,
    is_open: Arc<Mutex<bool>>,
    tried: Arc<Mutex<usize>>,
    asked: Arc<Mutex<Vec<u8>>>,
    stalls: Arc<Mutex<Option<(&'static str, usize)>>>,
    _tasks: Lifecycle,
}

impl Gate {
    pub fn new(engine: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("docker.sock")).unwrap();
        let target = PathBuf::from(engine.strip_prefix("unix://").unwrap());
        let cut = Arc::new(Mutex::new(CancellationToken::new()));
        let is_open = Arc::new(Mutex::new(true));
        let tried = Arc::new(Mutex::new(0));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (current, open) = (Arc::clone(&cut), Arc::clone(&is_open));
        let (attempts, heard) = (Arc::clone(&tried), Arc::clone(&asked));
        let tasks = Lifecycle::new(Duration::ZERO);
        let stalls = Arc::new(Mutex::new(None));
        let stalling = Arc::clone(&stalls);
        let inner = tasks.clone();
        tasks.spawn("gate", async move {
            while let Ok((near, _)) = listener.accept().await {
                *attempts.lock() += 1;
                if !*open.lock() {
                    continue;
                }
                let (target, cut) = (target.clone(), current.lock().clone());
                let (heard, stalling) = (Arc::clone(&heard), Arc::clone(&stalling));
                inner.spawn("connection", async move {
                    let far = UnixStream::connect(target).await.unwrap();
                    tokio::select! {
                        () = relay(near, far, &heard, &stalling) => {}
                        () = cut.cancelled() => {}
                    }
                });
            }
        });
        Self {
            dir,
            cut,
            is_open,
            tried,
            asked,
            stalls,
            _tasks: tasks,
        }
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.dir.path().join("docker.sock").display())
    }

    /// The engine is gone: what is open breaks, what is new is closed at once.
    pub fn close(&self) {
        *self.is_open.lock() = false;
        self.cut.lock().cancel();
    }

    pub fn open(&self) {
        *self.cut.lock() = CancellationToken::new();
        *self.is_open.lock() = true;
    }

    /// From now on an answer to a request with this in it stops after so many bytes, and never ends.
    pub fn stall(&self, text: &'static str, bytes: usize) {
        *self.stalls.lock() = Some((text, bytes));
    }

    /// How often somebody tried to connect.
    pub fn tried(&self) -> usize {
        *self.tried.lock()
    }

    /// How many requests had this in them.
    pub fn asked(&self, text: &str) -> usize {
        let asked = String::from_utf8_lossy(&self.asked.lock()).into_owned();
        asked.matches(text).count()
    }
}

async fn relay(
    near: UnixStream,
    far: UnixStream,
    heard: &Mutex<Vec<u8>>,
    stalls: &Mutex<Option<(&'static str, usize)>>,
) {
    let room = AtomicUsize::new(usize::MAX);
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let there = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read) = near_read.read(&mut buffer).await {
            // Before the engine hears it, and answers.
            if let Some((text, bytes)) = *stalls.lock()
                && String::from_utf8_lossy(&buffer[..read]).contains(text)
            {
                room.store(bytes, Ordering::Relaxed);
            }
            if read == 0 || far_write.write_all(&buffer[..read]).await.is_err() {
                break;
            }
            let mut heard = heard.lock();
            // What is uploaded is not remembered.
            if heard.len() < 4 * 1024 * 1024 {
                heard.extend_from_slice(&buffer[..read]);
            }
        }
        let _ = far_write.shutdown().await;
    };
    let back = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read) = far_read.read(&mut buffer).await {
            let left = room.load(Ordering::Relaxed);
            let passed = read.min(left);
            if read == 0 || near_write.write_all(&buffer[..passed]).await.is_err() {
                break;
            }
            if left < usize::MAX {
                room.store(left - passed, Ordering::Relaxed);
            }
            if passed < read {
                std::future::pending::<()>().await;
            }
        }
    };
    // Either side that ends ends the other: a request that nobody waits for any more is over.
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}
