//! Sessions: who is signed in, the list, the end.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::credentials::{Claim, SecondFactor};
use super::{AuthService, Origin};
use crate::features::audit::{Action, Entry};
use crate::features::auth::current::CurrentUser;
use crate::features::auth::error::AuthError;
use crate::features::auth::live::{LiveSession, TokenHash};
use crate::features::auth::policy::REAUTHENTICATION_LIFETIME;
use crate::features::auth::presented::presented_token;
use crate::features::auth::store::counters::Owner;
use crate::features::auth::store::sessions::{self, StoredSession};
use crate::features::auth::store::users::User;
use crate::platform::crypto::token;
use crate::platform::http::client::Client;

/// How long the token before a re-authentication still works, for requests on their way.
const TOKEN_OVERLAP: TimeDelta = TimeDelta::seconds(5);

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Its public name.
    pub id: Uuid,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was last used.
    pub last_seen_at: DateTime<Utc>,
    /// Where it began.
    pub ip_address: Option<IpAddr>,
    /// What began it.
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub is_current: bool,
    /// Until when dangerous acts are open.
    pub reauthenticated_until: Option<DateTime<Utc>>,
}

impl SessionView {
    pub(super) fn of(session: &LiveSession, current: Option<Uuid>) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            expires_at: session.expires_at,
            last_seen_at: session.last_seen_at(),
            ip_address: session.ip_address,
            user_agent: session.user_agent.clone(),
            is_current: current == Some(session.id),
            reauthenticated_until: session.reauthenticated_until,
        }
    }
}

/// Turns rows into live sessions.
pub(super) fn to_live(rows: Vec<StoredSession>, users: &[User]) -> Vec<(TokenHash, LiveSession)> {
    let users: HashMap<i32, _> = users
        .iter()
        .map(|user| (user.id, AuthService::live_user(user)))
        .collect();
    rows.into_iter()
        .filter_map(|row| {
            let hash: TokenHash = hex::decode(&row.token).ok()?.try_into().ok()?;
            let user = Arc::clone(users.get(&row.user_id)?);
            Some((hash, LiveSession::stored(row, user)))
        })
        .collect()
}

impl AuthService {
    /// The live session that a request presents. From memory; this is the hot path.
    pub fn session_of(&self, headers: &HeaderMap, client: &Client) -> Option<Arc<LiveSession>> {
        let token = presented_token(headers, client)?;
        let idle = self.idle_timeout();
        self.0.live.find(&token::digest(token), self.now(), idle)
    }

    /// The live session of that public name. From memory.
    pub fn live_session(&self, id: Uuid) -> Option<Arc<LiveSession>> {
        self.0.live.find_by_id(id, self.now(), self.idle_timeout())
    }

    /// The public names of the live sessions.
    pub fn live_session_ids(&self) -> HashSet<Uuid> {
        self.0.live.ids()
    }

    /// Who signed the request, if anybody.
    pub fn authenticate(&self, headers: &HeaderMap, client: &Client) -> Option<CurrentUser> {
        let session = self.session_of(headers, client)?;
        Some(CurrentUser {
            is_reauthenticated: session.is_reauthenticated(self.now()),
            session,
            ip: client.ip,
            user_agent: client.user_agent.clone(),
        })
    }

    /// The session that asks.
    pub fn current_session(&self, current: &CurrentUser) -> SessionView {
        SessionView::of(&current.session, Some(current.session_id()))
    }

    /// The caller's live sessions, newest first.
    pub fn sessions(&self, current: &CurrentUser) -> Vec<SessionView> {
        let idle = self.idle_timeout();
        self.0
            .live
            .of_user(current.user_id(), self.now(), idle)
            .iter()
            .map(|session| SessionView::of(session, Some(current.session_id())))
            .collect()
    }

    /// Resolves when the session is revoked or over: for streams, which are checked only when
    /// they begin.
    pub async fn until_ended(&self, current: &CurrentUser) {
        const LOOK_EVERY: Duration = Duration::from_secs(15);
        let id = current.session_id();
        loop {
            tokio::select! {
                () = current.session.revoked.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if !self
                .sessions(current)
                .iter()
                .any(|session| session.id == id)
            {
                return;
            }
        }
    }

    /// Ends the session that asks.
    pub async fn logout(&self, current: &CurrentUser) -> Result<(), AuthError> {
        self.end_session(current, current.session_id(), Action::Logout)
            .await
    }

    /// Ends one of the caller's sessions.
    pub async fn revoke_session(&self, current: &CurrentUser, id: Uuid) -> Result<(), AuthError> {
        self.end_session(current, id, Action::SessionRevoked).await
    }

    async fn end_session(
        &self,
        current: &CurrentUser,
        id: Uuid,
        action: Action,
    ) -> Result<(), AuthError> {
        let turn = self.0.live.turn().await;
        let work = self.begin().await?;
        if !sessions::revoke(&work.tx, current.user_id(), id).await? {
            return Err(AuthError::NotFound("session"));
        }
        let entry = Entry::new(action).resource("session", id);
        work.audit(&current.actor(), entry).await?;
        sessions::notify_changed(&work.tx).await?;
        work.commit().await?;
        turn.remove(&[id]);
        Ok(())
    }

    /// Ends every other session of the caller. Says how many there were.
    pub async fn revoke_other_sessions(&self, current: &CurrentUser) -> Result<usize, AuthError> {
        let turn = self.0.live.turn().await;
        let work = self.begin().await?;
        let kept = Some(current.session_id());
        let ended = sessions::revoke_others(&work.tx, current.user_id(), kept).await?;
        let entry = Entry::new(Action::SessionsRevoked).details(json!({ "revoked": ended.len() }));
        work.audit(&current.actor(), entry).await?;
        sessions::notify_changed(&work.tx).await?;
        work.commit().await?;
        turn.remove(&ended);
        Ok(ended.len())
    }

    /// Ends every session of the caller, the one that asks too. Says how many there were.
    pub async fn logout_everywhere(&self, current: &CurrentUser) -> Result<usize, AuthError> {
        let turn = self.0.live.turn().await;
        let work = self.begin().await?;
        let ended = sessions::revoke_others(&work.tx, current.user_id(), None).await?;
        let details = json!({ "revoked": ended.len() });
        let entry = Entry::new(Action::LoggedOutEverywhere).details(details);
        work.audit(&current.actor(), entry).await?;
        sessions::notify_changed(&work.tx).await?;
        work.commit().await?;
        turn.remove(&ended);
        Ok(ended.len())
    }

    /// Opens the dangerous acts for ten minutes. A browser gets a new token for it (OWASP ASVS
    /// 5.0, 7.2.4); a program keeps the one it has.
    pub async fn reauthenticate(
        &self,
        current: &CurrentUser,
        password: &SecretString,
        second_factor: &SecondFactor,
        origin: &Origin,
    ) -> Result<(SessionView, Option<SecretString>), AuthError> {
        let proven = self
            .prove(Claim {
                username: current.username(),
                user: Some(self.user(current.user_id()).await?),
                stand_in: String::new(),
                owner: Owner::Session(current.session_id()),
                password,
                second_factor: Some(second_factor),
                failure: Action::PasswordCheckFailed,
                origin,
            })
            .await?;
        let (turn, work) = (proven.turn, proven.work);
        let id = current.session_id();
        let until = self.now() + REAUTHENTICATION_LIFETIME;
        let renewed = current.session.is_cookie.then(|| self.fresh_token());
        let new_hash = renewed.as_ref().map(|(_, hash)| hash.as_str());
        if !sessions::elevate(&work.tx, id, until, new_hash).await? {
            return Err(AuthError::NotFound("session"));
        }
        let entry = Entry::new(Action::Reauthenticated).resource("session", id);
        work.audit(&current.actor(), entry).await?;
        work.commit().await?;
        let session = match &renewed {
            Some((token, _)) => {
                let hash = token::digest(token.expose_secret());
                turn.replace(id, hash, until, self.now() + TOKEN_OVERLAP)
            }
            None => turn.elevate(id, until),
        };
        let session = session.ok_or(AuthError::NotFound("session"))?;
        let view = SessionView::of(&session, Some(id));
        Ok((view, renewed.map(|(token, _)| token)))
    }

    /// How much longer a session lives.
    pub fn time_left(&self, session: &SessionView) -> TimeDelta {
        session.expires_at - self.now()
    }
}
