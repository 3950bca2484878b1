//! Every live session, in memory: what `GET /api/auth/verify` answers from.
//!
//! The database stays the truth. A change is made there first and here right after, one change at
//! a time ([`LiveSessions::turn`]), so the two cannot end in different orders. Another process
//! (`flowkeep admin reset-password`) tells by a notification and the whole is read again.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store::sessions::{COOKIE, NewSession, StoredSession};

/// The SHA-256 of a session's token.
pub type TokenHash = [u8; 32];

/// Whose session it is, with the headers that `verify` answers ready to send.
#[derive(Debug)]
pub struct LiveUser {
    /// The account.
    pub id: i32,
    /// Its name.
    pub username: String,
    /// `Remote-User` and `Remote-Name`.
    pub name_header: HeaderValue,
    /// `Remote-Email`.
    pub email_header: Option<HeaderValue>,
}

impl LiveUser {
    /// Makes the headers. What cannot stand in a header (CR, LF, …) is left out of it.
    pub fn new(id: i32, username: String, email: Option<&str>) -> Self {
        Self {
            id,
            name_header: header_value(&username),
            email_header: email.map(header_value),
            username,
        }
    }
}

fn header_value(text: &str) -> HeaderValue {
    let visible: String = text.chars().filter(char::is_ascii_graphic).collect();
    HeaderValue::from_str(&visible).unwrap_or(HeaderValue::from_static(""))
}

/// One live session.
#[derive(Debug)]
pub struct LiveSession {
    /// Its public name.
    pub id: Uuid,
    /// Whose it is.
    pub user: Arc<LiveUser>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends, however much it is used.
    pub expires_at: DateTime<Utc>,
    /// Where it began.
    pub ip_address: Option<IpAddr>,
    /// What began it.
    pub user_agent: Option<String>,
    /// Whether a browser holds it in a cookie; else a program holds the token.
    pub is_cookie: bool,
    /// Until when dangerous acts are open.
    pub reauthenticated_until: Option<DateTime<Utc>>,
    /// Cancelled when it is revoked.
    pub revoked: CancellationToken,
    last_seen_us: Arc<AtomicI64>,
}

impl LiveSession {
    /// A session that is about to be stored.
    pub fn new(row: &NewSession<'_>, user: Arc<LiveUser>) -> Self {
        Self {
            id: row.id,
            user,
            created_at: row.created_at,
            expires_at: row.expires_at,
            ip_address: row.ip_address,
            user_agent: row.user_agent.map(str::to_owned),
            is_cookie: row.kind == COOKIE,
            reauthenticated_until: None,
            revoked: CancellationToken::new(),
            last_seen_us: Arc::new(AtomicI64::new(row.created_at.timestamp_micros())),
        }
    }

    /// A session as it was stored.
    pub fn stored(row: StoredSession, user: Arc<LiveUser>) -> Self {
        let created_at = row.created_at.unwrap_or(row.expires_at);
        let seen = row.last_seen_at.unwrap_or(created_at);
        Self {
            id: row.id,
            user,
            created_at,
            expires_at: row.expires_at,
            ip_address: row.ip_address.map(|network| network.ip()),
            user_agent: row.user_agent,
            is_cookie: row.kind == COOKIE,
            reauthenticated_until: row.reauthenticated_until,
            revoked: CancellationToken::new(),
            last_seen_us: Arc::new(AtomicI64::new(seen.timestamp_micros())),
        }
    }

    /// When it was last used.
    pub fn last_seen_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.last_seen_us.load(Ordering::Relaxed))
            .unwrap_or(self.created_at)
    }

    /// Whether dangerous acts are open.
    pub fn is_reauthenticated(&self, now: DateTime<Utc>) -> bool {
        self.reauthenticated_until.is_some_and(|until| now < until)
    }

    /// The session, if it is alive, and notes that it was used.
    fn used(
        self: Arc<Self>,
        now: DateTime<Utc>,
        idle_timeout: Option<TimeDelta>,
    ) -> Option<Arc<Self>> {
        if !self.is_alive(now, idle_timeout) {
            return None;
        }
        self.last_seen_us
            .fetch_max(now.timestamp_micros(), Ordering::Relaxed);
        Some(self)
    }

    fn is_alive(&self, now: DateTime<Utc>, idle_timeout: Option<TimeDelta>) -> bool {
        now < self.expires_at && idle_timeout.is_none_or(|idle| now - self.last_seen_at() < idle)
    }

    /// The same session with other rights or another end. What was seen of it stays shared.
    fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut copy = Self {
            id: self.id,
            user: Arc::clone(&self.user),
            created_at: self.created_at,
            expires_at: self.expires_at,
            ip_address: self.ip_address,
            user_agent: self.user_agent.clone(),
            is_cookie: self.is_cookie,
            reauthenticated_until: self.reauthenticated_until,
            revoked: self.revoked.clone(),
            last_seen_us: Arc::clone(&self.last_seen_us),
        };
        change(&mut copy);
        copy
    }
}

/// For as long as this sessions are answered from memory while the database is away; then nobody is let in.
const LONGEST_OUTAGE: TimeDelta = TimeDelta::minutes(15);

#[derive(Debug, Default)]
struct Table {
    by_token: HashMap<TokenHash, Arc<LiveSession>>,
    /// The newest token of each session.
    tokens: HashMap<Uuid, TokenHash>,
}

impl Table {
    fn insert(&mut self, hash: TokenHash, session: Arc<LiveSession>) {
        self.tokens.insert(session.id, hash);
        self.by_token.insert(hash, session);
    }

    fn retain(&mut self, mut keeps: impl FnMut(&LiveSession) -> bool) {
        self.by_token.retain(|_, session| keeps(session));
        let by_token = &self.by_token;
        self.tokens.retain(|_, hash| by_token.contains_key(hash));
    }
}

/// The live sessions. Cheap to clone; all clones are one table.
#[derive(Clone, Debug, Default)]
pub struct LiveSessions {
    sessions: Arc<RwLock<Table>>,
    /// Since when the database has not answered, in microseconds since 1970; 0 while it does.
    outage_since_us: Arc<AtomicI64>,
    turn: Arc<Mutex<()>>,
}

/// The right to change sessions, in the database and then here.
pub struct Turn<'a> {
    live: &'a LiveSessions,
    _guard: MutexGuard<'a, ()>,
}

impl LiveSessions {
    /// Waits until no other change is under way.
    pub async fn turn(&self) -> Turn<'_> {
        Turn {
            live: self,
            _guard: self.turn.lock().await,
        }
    }

    /// The session of a token, if it is alive, and notes that it was used.
    pub fn find(
        &self,
        hash: &TokenHash,
        now: DateTime<Utc>,
        idle_timeout: Option<TimeDelta>,
    ) -> Option<Arc<LiveSession>> {
        if self.is_outage_too_long(now) {
            return None;
        }
        let session = Arc::clone(self.sessions.read().by_token.get(hash)?);
        session.used(now, idle_timeout)
    }

    /// The session of that public name, if it is alive, and notes that it was used.
    pub fn find_by_id(
        &self,
        id: Uuid,
        now: DateTime<Utc>,
        idle_timeout: Option<TimeDelta>,
    ) -> Option<Arc<LiveSession>> {
        if self.is_outage_too_long(now) {
            return None;
        }
        let session = {
            let sessions = self.sessions.read();
            Arc::clone(sessions.by_token.get(sessions.tokens.get(&id)?)?)
        };
        session.used(now, idle_timeout)
    }

    /// The public names of all sessions that are kept.
    pub fn ids(&self) -> HashSet<Uuid> {
        self.sessions.read().tokens.keys().copied().collect()
    }

    /// Notes that the database does not answer: what another process revokes is not heard meanwhile.
    pub fn note_outage(&self, now: DateTime<Utc>) {
        let since = now.timestamp_micros();
        let _ =
            self.outage_since_us
                .compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether what is known is too old to let anybody in.
    fn is_outage_too_long(&self, now: DateTime<Utc>) -> bool {
        let since = self.outage_since_us.load(Ordering::Relaxed);
        since != 0
            && now.timestamp_micros() - since > LONGEST_OUTAGE.num_microseconds().unwrap_or(0)
    }

    /// A user's live sessions, newest first.
    pub fn of_user(
        &self,
        user_id: i32,
        now: DateTime<Utc>,
        idle_timeout: Option<TimeDelta>,
    ) -> Vec<Arc<LiveSession>> {
        let mut found: Vec<_> = self
            .sessions
            .read()
            .by_token
            .values()
            .filter(|session| session.user.id == user_id && session.is_alive(now, idle_timeout))
            .cloned()
            .collect();
        // While a token is being replaced its session is there under both, the old one with an
        // early end.
        found.sort_by_key(|session| {
            (
                std::cmp::Reverse(session.created_at),
                session.id,
                std::cmp::Reverse(session.expires_at),
            )
        });
        found.dedup_by_key(|session| session.id);
        found
    }

    /// How many sessions are kept.
    pub fn len(&self) -> usize {
        self.sessions.read().by_token.len()
    }

    /// When each session was last used.
    pub fn last_seen(&self) -> Vec<(Uuid, DateTime<Utc>)> {
        let sessions = self.sessions.read();
        sessions
            .by_token
            .values()
            .map(|session| (session.id, session.last_seen_at()))
            .collect()
    }

    /// Drops sessions that are over. Those rows say so themselves, so this needs no turn.
    pub fn forget_expired(&self, now: DateTime<Utc>, idle_timeout: Option<TimeDelta>) {
        self.sessions
            .write()
            .retain(|session| session.is_alive(now, idle_timeout));
    }
}

impl Turn<'_> {
    /// Adds a session that was just stored.
    pub fn add(&self, hash: TokenHash, session: LiveSession) -> Arc<LiveSession> {
        let session = Arc::new(session);
        self.live
            .sessions
            .write()
            .insert(hash, Arc::clone(&session));
        session
    }

    /// Removes sessions that were just revoked in the database.
    pub fn remove(&self, ids: &[Uuid]) {
        self.live.sessions.write().retain(|session| {
            let is_kept = !ids.contains(&session.id);
            if !is_kept {
                session.revoked.cancel();
            }
            is_kept
        });
    }

    /// Opens the dangerous acts for a session under a new token. The old token stays good until
    /// `overlap_until`, without those rights, for requests that are on their way.
    pub fn replace(
        &self,
        id: Uuid,
        new_hash: TokenHash,
        reauthenticated_until: DateTime<Utc>,
        overlap_until: DateTime<Utc>,
    ) -> Option<Arc<LiveSession>> {
        let mut sessions = self.live.sessions.write();
        let of_session = sessions.by_token.values_mut().filter(|held| held.id == id);
        let mut newest: Option<Arc<LiveSession>> = None;
        for held in of_session {
            if newest
                .as_ref()
                .is_none_or(|newest| newest.expires_at < held.expires_at)
            {
                newest = Some(Arc::clone(held));
            }
            *held = Arc::new(held.changed(|held| {
                held.reauthenticated_until = None;
                held.expires_at = held.expires_at.min(overlap_until);
            }));
        }
        let renewed = newest?.changed(|held| {
            held.reauthenticated_until = Some(reauthenticated_until);
        });
        let renewed = Arc::new(renewed);
        sessions.insert(new_hash, Arc::clone(&renewed));
        Some(renewed)
    }

    /// Opens the dangerous acts for a session whose token cannot be replaced.
    pub fn elevate(&self, id: Uuid, until: DateTime<Utc>) -> Option<Arc<LiveSession>> {
        let mut sessions = self.live.sessions.write();
        let held = sessions.by_token.values_mut().find(|held| held.id == id)?;
        *held = Arc::new(held.changed(|held| held.reauthenticated_until = Some(until)));
        Some(Arc::clone(held))
    }

    /// Puts a user's new name or address into their sessions.
    pub fn update_user(&self, user: &Arc<LiveUser>) {
        for held in self.live.sessions.write().by_token.values_mut() {
            if held.user.id == user.id {
                *held = Arc::new(held.changed(|held| held.user = Arc::clone(user)));
            }
        }
    }

    /// Puts what the database holds in place of everything. Sessions that were known keep what was
    /// seen of them; those that are gone are told so.
    pub fn load(&self, rows: Vec<(TokenHash, LiveSession)>) {
        let mut sessions = self.live.sessions.write();
        let mut next = Table::default();
        for (hash, row) in rows {
            let row = match sessions.by_token.get(&hash) {
                Some(known) => known.changed(|held| {
                    held.user = Arc::clone(&row.user);
                    held.expires_at = row.expires_at;
                    held.reauthenticated_until = row.reauthenticated_until;
                }),
                None => row,
            };
            next.insert(hash, Arc::new(row));
        }
        for session in sessions.by_token.values() {
            if !next.tokens.contains_key(&session.id) {
                session.revoked.cancel();
            }
        }
        *sessions = next;
        self.live.outage_since_us.store(0, Ordering::Relaxed);
    }
}
