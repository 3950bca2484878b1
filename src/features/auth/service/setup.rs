//! The first administrator. There is no default password: whoever can read the log, or the
//! machine's files, is the one who sets Flowkeep up.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::login::TokenDelivery;
use super::work::Work;
use super::{AuthService, LoggedIn, Origin};
use crate::features::audit::{Action, Actor, Entry};
use crate::features::auth::error::AuthError;
use crate::features::auth::policy::{DEVICE_LIFETIME, SETUP_LINK_LIFETIME};
use crate::features::auth::store::users::User;
use crate::features::auth::store::{devices, sessions, setup, users};
use crate::features::auth::{email, password, username};
use crate::platform::crypto::token;
use crate::platform::events::Severity;

/// The administrator to be made.
#[derive(Debug)]
pub struct NewAdmin {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretString,
    /// The e-mail address.
    pub email: Option<String>,
}

/// A setup link's token.
#[derive(Debug)]
pub struct SetupOffer {
    /// The token; shown this once.
    pub token: SecretString,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
}

impl NewAdmin {
    fn check(&self) -> Result<Option<&str>, AuthError> {
        username::check(&self.username).map_err(|why| AuthError::invalid("username", why))?;
        password::check(self.password.expose_secret(), &self.username)
            .map_err(|why| AuthError::invalid("password", why))?;
        email::clean(self.email.as_deref()).map_err(|why| AuthError::invalid("email", why))
    }
}

impl AuthService {
    /// Makes a new setup link if there is no administrator; older links die.
    pub async fn offer_setup(&self) -> Result<Option<SetupOffer>, AuthError> {
        let work = self.begin().await?;
        if users::any(&work.tx).await? {
            setup::clear(&work.tx).await?;
            work.commit().await?;
            return Ok(None);
        }
        let (token, token_hash) = self.fresh_token();
        let expires_at = self.now() + SETUP_LINK_LIFETIME;
        setup::replace(&work.tx, &token_hash, self.now(), expires_at).await?;
        work.audit(&Actor::system(), Entry::new(Action::SetupLinkCreated))
            .await?;
        work.commit().await?;
        Ok(Some(SetupOffer { token, expires_at }))
    }

    /// Until when a setup link works.
    pub async fn check_setup(&self, token: &str) -> Result<DateTime<Utc>, AuthError> {
        let db = self.0.db.orm();
        // In this order: a link that somebody uses at this moment is complete, not expired.
        let found = setup::find(db, &token::hash_hex(token)).await?;
        if users::any(db).await? {
            return Err(AuthError::SetupComplete);
        }
        let found = found.ok_or(AuthError::SetupLinkInvalid)?;
        if found.used_at.is_some() || found.expires_at <= self.now() {
            return Err(AuthError::SetupLinkExpired);
        }
        Ok(found.expires_at)
    }

    /// Makes the first administrator by a setup link and signs them in. Of two at once, one wins.
    pub async fn set_up(
        &self,
        token: &str,
        admin: NewAdmin,
        origin: &Origin,
    ) -> Result<LoggedIn, AuthError> {
        self.check_setup(token).await?;
        let email = admin.check()?;
        let cost = self.policy().bcrypt_cost;
        let hash = self.0.hasher.hash(&admin.password, cost).await?;
        let turn = self.0.live.turn().await;
        let mut work = self.begin().await?;
        if !setup::consume(&work.tx, &token::hash_hex(token), self.now()).await? {
            drop(work);
            self.check_setup(token).await?;
            return Err(AuthError::SetupLinkInvalid);
        }
        let actor = origin.actor(None, &admin.username);
        let user = self
            .insert_admin(&mut work, &admin.username, &hash, email, &actor)
            .await?;
        let opened = self
            .open_session(&mut work, &user, origin, TokenDelivery::Cookie)
            .await?;
        let (device_token, token_hash) = self.fresh_token();
        let device = devices::NewDevice {
            id: self.fresh_id(),
            user_id: user.id,
            token_hash,
            now: self.now(),
            expires_at: self.now() + DEVICE_LIFETIME,
        };
        devices::remember(&work.tx, None, device).await?;
        users::note_login(&work.tx, user.id, self.now()).await?;
        work.commit().await?;
        self.set_stage(true);
        let device_token = Some((device_token, DEVICE_LIFETIME));
        self.announce(&turn, opened, user, device_token).await
    }

    /// Makes the first administrator without a link, for `FLOWKEEP_ADMIN_PASSWORD_FILE`. Returns
    /// false if there is one already.
    pub async fn create_first_admin(&self, admin: NewAdmin) -> Result<bool, AuthError> {
        if users::any(self.0.db.orm()).await? {
            return Ok(false);
        }
        let email = admin.check()?;
        let cost = self.policy().bcrypt_cost;
        let hash = self.0.hasher.hash(&admin.password, cost).await?;
        let mut work = self.begin().await?;
        let made = self
            .insert_admin(&mut work, &admin.username, &hash, email, &Actor::system())
            .await;
        match made {
            Ok(_) => {}
            Err(AuthError::SetupComplete) => return Ok(false),
            Err(error) => return Err(error),
        }
        sessions::notify_changed(&work.tx).await?;
        work.commit().await?;
        self.set_stage(true);
        Ok(true)
    }

    async fn insert_admin(
        &self,
        work: &mut Work<'_>,
        name: &str,
        hash: &str,
        email: Option<&str>,
        actor: &Actor,
    ) -> Result<User, AuthError> {
        let user = users::insert_first(&work.tx, name, hash, email, self.now())
            .await?
            .ok_or(AuthError::SetupComplete)?;
        let entry = Entry::new(Action::UserCreated)
            .resource("user", user.id)
            .details(json!({ "username": name }));
        work.audit(actor, entry).await?;
        let data = json!({ "user_id": user.id, "username": name });
        work.event("management.user_created", Severity::Info, data)
            .await?;
        Ok(user)
    }
}
