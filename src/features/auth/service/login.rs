//! Signing in.

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::credentials::{Claim, Proven, SecondFactor};
use super::work::Work;
use super::{AuthService, Origin, UserView};
use crate::features::audit::{Action, Entry};
use crate::features::auth::current::CurrentUser;
use crate::features::auth::error::AuthError;
use crate::features::auth::hasher;
use crate::features::auth::live::{LiveSession, Turn};
use crate::features::auth::policy::DEVICE_LIFETIME;
use crate::features::auth::service::sessions::SessionView;
use crate::features::auth::store::counters::Owner;
use crate::features::auth::store::users::User;
use crate::features::auth::store::{devices, sessions, users};
use crate::platform::crypto::token;
use crate::platform::events::Severity;

/// Most sessions that one account keeps; the longest unused go first.
const MOST_SESSIONS: i64 = 100;

/// How the caller wants to hold the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenDelivery {
    /// In a cookie, for browsers.
    #[default]
    Cookie,
    /// In the answer, for programs.
    Token,
}

/// What was typed at the login page.
#[derive(Debug)]
pub struct LoginAttempt {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretString,
    /// The second factor.
    pub second_factor: SecondFactor,
    /// How the token is wanted.
    pub delivery: TokenDelivery,
}

/// A new session.
#[derive(Debug)]
pub struct LoggedIn {
    /// Who it is.
    pub user: UserView,
    /// The session.
    pub session: SessionView,
    /// Its token; shown this once.
    pub token: SecretString,
    /// The browser's new device token and how long it lasts.
    pub device_token: Option<(SecretString, TimeDelta)>,
    /// How long the session lives.
    pub lifetime: TimeDelta,
}

impl AuthService {
    /// Signs somebody in. A session that the request came with is replaced by the new one.
    pub async fn login(
        &self,
        attempt: LoginAttempt,
        origin: &Origin,
        previous: Option<&CurrentUser>,
    ) -> Result<LoggedIn, AuthError> {
        // A name that cannot be stored cannot be looked for either: PostgreSQL refuses NUL.
        let name: String = attempt.username.replace('\0', "\u{fffd}");
        let found = users::find_or_oldest(self.0.db.orm(), &name).await?;
        let cost = found
            .as_ref()
            .and_then(|user| hasher::cost_of(&user.password_hash))
            .unwrap_or(self.policy().bcrypt_cost);
        let user = found.filter(|user| user.username.eq_ignore_ascii_case(&name));
        let (owner, device) = self.counter_owner(user.as_ref(), origin).await?;
        let proven = self
            .prove(Claim {
                username: &name,
                user,
                stand_in: hasher::decoy(cost),
                owner,
                password: &attempt.password,
                second_factor: Some(&attempt.second_factor),
                failure: Action::LoginFailed,
                origin,
            })
            .await?;
        let Proven {
            user,
            mut work,
            turn,
            new_hash,
        } = proven;
        if let Some(hash) = new_hash {
            users::rehash(&work.tx, user.id, &user.password_hash, &hash).await?;
        }
        let opened = self
            .open_session(&mut work, &user, origin, attempt.delivery)
            .await?;
        let mut ended = sessions::revoke_beyond(&work.tx, user.id, MOST_SESSIONS).await?;
        if let Some(previous) = previous
            && sessions::revoke(&work.tx, previous.user_id(), previous.session_id()).await?
        {
            ended.push(previous.session_id());
        }
        let device_token = match attempt.delivery {
            TokenDelivery::Token => None,
            TokenDelivery::Cookie => {
                let (token, token_hash) = self.fresh_token();
                let new = devices::NewDevice {
                    id: self.fresh_id(),
                    user_id: user.id,
                    token_hash,
                    now: self.now(),
                    expires_at: self.now() + DEVICE_LIFETIME,
                };
                devices::remember(&work.tx, device, new).await?;
                Some((token, DEVICE_LIFETIME))
            }
        };
        users::note_login(&work.tx, user.id, self.now()).await?;
        work.commit().await?;
        turn.remove(&ended);
        self.announce(&turn, opened, user, device_token).await
    }

    /// Strangers share the account's counter; a browser that signed in before has its own, so
    /// that nobody else's failures keep its owner out.
    async fn counter_owner(
        &self,
        user: Option<&User>,
        origin: &Origin,
    ) -> Result<(Owner, Option<uuid::Uuid>), AuthError> {
        let id = user.map_or(0, |user| user.id);
        let hash = origin.device_token_hash.as_deref().unwrap_or_default();
        let device = devices::find(self.0.db.orm(), id, hash, self.now()).await?;
        Ok(match device {
            Some(device) => (Owner::Device(device.id), Some(device.id)),
            None => (Owner::Account(id), None),
        })
    }

    /// Stores a session in the transaction. It is live once that is committed and
    /// [`AuthService::announce`] was called.
    pub(super) async fn open_session(
        &self,
        work: &mut Work<'_>,
        user: &User,
        origin: &Origin,
        delivery: TokenDelivery,
    ) -> Result<Opened, AuthError> {
        let now = self.now();
        let lifetime = self.policy().session_lifetime;
        let (token, token_hash) = self.fresh_token();
        let new = sessions::NewSession {
            id: self.fresh_id(),
            token_hash,
            user_id: user.id,
            created_at: now,
            expires_at: now + lifetime,
            ip_address: Some(origin.ip),
            user_agent: origin.user_agent.as_deref(),
            kind: match delivery {
                TokenDelivery::Cookie => sessions::COOKIE,
                TokenDelivery::Token => sessions::TOKEN,
            },
        };
        let session = LiveSession::new(&new, Self::live_user(user));
        let actor = origin.actor(Some(user.id), &user.username);
        let entry = Entry::new(Action::LoginSuccess).resource("session", new.id);
        work.audit(&actor, entry).await?;
        let data = json!({ "username": user.username, "ip_address": origin.ip });
        work.event("security.login_success", Severity::Info, data)
            .await?;
        sessions::insert(&work.tx, new).await?;
        Ok(Opened {
            session,
            token,
            lifetime,
        })
    }

    /// Makes a stored session live.
    pub(super) async fn announce(
        &self,
        turn: &Turn<'_>,
        opened: Opened,
        user: User,
        device_token: Option<(SecretString, TimeDelta)>,
    ) -> Result<LoggedIn, AuthError> {
        let hash = token::digest(opened.token.expose_secret());
        let session = turn.add(hash, opened.session);
        let user = self.user(user.id).await?;
        Ok(LoggedIn {
            user: self.view(&user).await?,
            session: SessionView::of(&session, Some(session.id)),
            token: opened.token,
            device_token,
            lifetime: opened.lifetime,
        })
    }
}

/// A session that is stored and not yet live.
pub(super) struct Opened {
    session: LiveSession,
    token: SecretString,
    lifetime: TimeDelta,
}
