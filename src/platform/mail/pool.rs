//! Connections that wait for the next message. Taken out while in use and put back only after a whole
//! answer, so that one that was cut off is never used again.

use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::MailServer;
use crate::platform::lifecycle::Lifecycle;

/// Long enough for a batch, shorter than any server's own patience (RFC 5321, 4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(15);
const MOST: usize = 4;

#[derive(Clone)]
pub(super) struct Pool {
    shelf: Arc<Mutex<Shelf>>,
    lifecycle: Lifecycle,
}

#[derive(Default)]
struct Shelf {
    idle: Vec<Idle>,
    is_tidied: bool,
}

struct Idle {
    server: MailServer,
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(lifecycle: Lifecycle) -> Self {
        Self {
            shelf: Arc::default(),
            lifecycle,
        }
    }

    /// A connection to that server, if one waits.
    pub(super) fn take(&self, server: &MailServer) -> Option<AsyncSmtpConnection> {
        let idle = &mut self.shelf.lock().idle;
        let at = idle
            .iter()
            .position(|one| is_same(&one.server, server) && one.since.elapsed() < IDLE)?;
        Some(idle.swap_remove(at).connection)
    }

    /// Keeps a connection for a while.
    pub(super) fn put(&self, server: &MailServer, connection: AsyncSmtpConnection) {
        let is_tidied = {
            let mut shelf = self.shelf.lock();
            if shelf.idle.len() >= MOST {
                shelf.idle.remove(0);
            }
            shelf.idle.push(Idle {
                server: server.clone(),
                connection,
                since: Instant::now(),
            });
            std::mem::replace(&mut shelf.is_tidied, true)
        };
        if !is_tidied {
            let pool = self.clone();
            self.lifecycle
                .spawn("idle mail connections", async move { pool.tidy().await });
        }
    }

    /// Closes what waited long enough, until nothing waits.
    async fn tidy(&self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(IDLE) => {}
                () = self.lifecycle.soft().cancelled() => {
                    self.shelf.lock().idle.clear();
                    return;
                }
            }
            let mut shelf = self.shelf.lock();
            shelf.idle.retain(|one| one.since.elapsed() < IDLE);
            if shelf.idle.is_empty() {
                shelf.is_tidied = false;
                return;
            }
        }
    }
}

fn is_same(one: &MailServer, other: &MailServer) -> bool {
    let logins = match (&one.login, &other.login) {
        (None, None) => true,
        (Some((name, password)), Some((other_name, other_password))) => {
            name == other_name && password.expose_secret() == other_password.expose_secret()
        }
        _ => false,
    };
    logins
        && one.host == other.host
        && one.port == other.port
        && one.security == other.security
        && one.is_verified == other.is_verified
}
