//! The second factor: on, off, its codes.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::credentials::SecondFactor;
use super::work::Work;
use super::{AuthService, Origin};
use crate::features::audit::{Action, Entry};
use crate::features::auth::current::{CurrentUser, Reauthenticated};
use crate::features::auth::error::AuthError;
use crate::features::auth::policy::TOTP_SETUP_LIFETIME;
use crate::features::auth::store::users::User;
use crate::features::auth::store::{recovery, sessions, users};
use crate::features::auth::totp::{self, Enrolment, SharedSecret};
use crate::features::settings::Location;

const SECRET: &str = "totp_secret_encrypted";
const PENDING: &str = "totp_pending_encrypted";

impl AuthService {
    /// Makes a secret that waits for its first code.
    pub async fn start_totp(&self, caller: &Reauthenticated) -> Result<Enrolment, AuthError> {
        let current = &caller.0;
        let secret = SharedSecret::generate(&self.0.ids);
        let shown = secret.enrolment(current.username())?;
        let pending = secret.to_pending(self.now());
        let work = self.begin().await?;
        let user_id = current.user_id();
        let sealed = self.seal(&work, PENDING, user_id, &pending).await?;
        if held(&work, current).await?.has_totp() {
            return Err(AuthError::TotpAlreadyEnabled);
        }
        users::set_totp_pending(&work.tx, current.user_id(), &sealed, self.now()).await?;
        let entry = Entry::new(Action::TotpSetupStarted).resource("user", current.user_id());
        work.audit(&current.actor(), entry).await?;
        work.commit().await?;
        Ok(shown)
    }

    /// Turns the second factor on by its first code. Every other session ends, and what this one has opened elsewhere.
    pub async fn enable_totp(
        &self,
        current: &CurrentUser,
        code: &SecretString,
    ) -> Result<Vec<SecretString>, AuthError> {
        let turn = self.0.live.turn().await;
        let work = self.begin().await?;
        self.0.settings.vault().hold(&work.tx).await?;
        let user = held(&work, current).await?;
        if user.has_totp() {
            return Err(AuthError::TotpAlreadyEnabled);
        }
        let sealed = user.totp_pending_encrypted.as_ref();
        let sealed = sealed.ok_or(AuthError::TotpNotPending)?;
        let opened = self.open(&work, PENDING, user.id, sealed).await?;
        let (secret, _) = SharedSecret::from_pending(&opened)
            .filter(|(_, started_at)| self.now() - *started_at < TOTP_SETUP_LIFETIME)
            .ok_or(AuthError::TotpNotPending)?;
        let step = secret
            .matching_step(code.expose_secret(), self.now())
            .ok_or_else(|| {
                AuthError::invalid(
                    "code",
                    "is not the code of this moment; check that the clocks of this machine and \
                     of the phone are right",
                )
            })?;
        let bytes = secret.as_bytes();
        let sealed = self.seal(&work, SECRET, user.id, bytes).await?;
        users::enable_totp(&work.tx, user.id, &sealed, step, self.now()).await?;
        let codes = self.replace_codes(&work, user.id).await?;
        let ended = self.end_others(&work, current).await?;
        let entry = Entry::new(Action::TotpEnabled).resource("user", user.id);
        work.audit(&current.actor(), entry).await?;
        work.commit().await?;
        turn.remove(&ended);
        drop(turn);
        self.openings_ended(current.session_id()).await;
        Ok(codes)
    }

    /// Turns the second factor off. Every other session ends, and what this one has opened elsewhere.
    pub async fn disable_totp(&self, caller: &Reauthenticated) -> Result<(), AuthError> {
        let current = &caller.0;
        let turn = self.0.live.turn().await;
        let work = self.begin().await?;
        let user = held(&work, current).await?;
        if !user.has_totp() {
            return Err(AuthError::TotpNotEnabled);
        }
        users::disable_totp(&work.tx, user.id, self.now()).await?;
        recovery::clear(&work.tx, user.id).await?;
        let ended = self.end_others(&work, current).await?;
        let entry = Entry::new(Action::TotpDisabled).resource("user", user.id);
        work.audit(&current.actor(), entry).await?;
        work.commit().await?;
        turn.remove(&ended);
        drop(turn);
        self.openings_ended(current.session_id()).await;
        Ok(())
    }

    /// Replaces the recovery codes.
    pub async fn renew_recovery_codes(
        &self,
        caller: &Reauthenticated,
    ) -> Result<Vec<SecretString>, AuthError> {
        let current = &caller.0;
        let work = self.begin().await?;
        let user = held(&work, current).await?;
        if !user.has_totp() {
            return Err(AuthError::TotpNotEnabled);
        }
        let codes = self.replace_codes(&work, user.id).await?;
        let entry = Entry::new(Action::RecoveryCodesReplaced).resource("user", user.id);
        work.audit(&current.actor(), entry).await?;
        work.commit().await?;
        Ok(codes)
    }

    /// Uses a code up in the caller's transaction, which holds the user's row. False if it is
    /// wrong or was used before.
    pub(super) async fn use_second_factor(
        &self,
        work: &Work<'_>,
        user: &User,
        given: &SecondFactor,
        origin: &Origin,
    ) -> Result<bool, AuthError> {
        match given {
            SecondFactor::Missing => Ok(false),
            SecondFactor::Totp(code) => {
                let Some(sealed) = &user.totp_secret_encrypted else {
                    return Ok(false);
                };
                let bytes = self.open(work, SECRET, user.id, sealed).await?;
                let step = SharedSecret::from_bytes(&bytes)
                    .and_then(|secret| secret.matching_step(code.expose_secret(), self.now()));
                match step {
                    Some(step) => Ok(users::use_totp_step(&work.tx, user.id, step).await?),
                    None => Ok(false),
                }
            }
            SecondFactor::Recovery(code) => {
                let hash = totp::recovery_hash(code);
                let is_right = recovery::consume(&work.tx, user.id, &hash, self.now()).await?;
                if is_right {
                    let left = recovery::left(&work.tx, user.id).await?;
                    let entry = Entry::new(Action::RecoveryCodeUsed)
                        .resource("user", user.id)
                        .details(json!({ "codes_left": left }));
                    let actor = origin.actor(Some(user.id), &user.username);
                    work.audit(&actor, entry).await?;
                }
                Ok(is_right)
            }
        }
    }

    async fn replace_codes(
        &self,
        work: &Work<'_>,
        user_id: i32,
    ) -> Result<Vec<SecretString>, AuthError> {
        let codes = totp::recovery_codes(&self.0.ids);
        let hashes: Vec<String> = codes.iter().map(totp::recovery_hash).collect();
        recovery::replace(&work.tx, user_id, &hashes, self.now()).await?;
        Ok(codes)
    }

    async fn end_others(
        &self,
        work: &Work<'_>,
        current: &CurrentUser,
    ) -> Result<Vec<uuid::Uuid>, AuthError> {
        let kept = Some(current.session_id());
        let ended = sessions::revoke_others(&work.tx, current.user_id(), kept).await?;
        work.end_openings(current.session_id()).await?;
        sessions::notify_changed(&work.tx).await?;
        Ok(ended)
    }

    async fn seal(
        &self,
        work: &Work<'_>,
        column: &str,
        user_id: i32,
        plain: &[u8],
    ) -> Result<serde_json::Value, AuthError> {
        let row = user_id.to_string();
        let vault = self.0.settings.vault();
        Ok(vault.seal(&work.tx, location(column, &row), plain).await?)
    }

    async fn open(
        &self,
        work: &Work<'_>,
        column: &str,
        user_id: i32,
        sealed: &serde_json::Value,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, AuthError> {
        let row = user_id.to_string();
        let (vault, at) = (self.0.settings.vault(), location(column, &row));
        Ok(vault.open_fresh(&work.tx, at, sealed).await?)
    }
}

fn location<'a>(column: &'a str, row: &'a str) -> Location<'a> {
    Location {
        table: "admin_user",
        column,
        row,
    }
}

async fn held(work: &Work<'_>, current: &CurrentUser) -> Result<User, AuthError> {
    users::lock(&work.tx, current.user_id())
        .await?
        .ok_or(AuthError::NotFound("user"))
}
