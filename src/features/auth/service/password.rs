//! The password and the profile.

use secrecy::{ExposeSecret, SecretString};

use super::credentials::Claim;
use super::{AuthService, Origin, UserView};
use crate::features::audit::{Action, Entry};
use crate::features::auth::current::CurrentUser;
use crate::features::auth::error::AuthError;
use crate::features::auth::store::counters::Owner;
use crate::features::auth::store::{devices, sessions, users};
use crate::features::auth::{email, password};

impl AuthService {
    /// Changes the caller's password and ends their other sessions (OWASP ASVS 5.0, 7.4.3), and what the one that asks has opened
    /// elsewhere.
    pub async fn change_password(
        &self,
        current: &CurrentUser,
        old: &SecretString,
        new: &SecretString,
        origin: &Origin,
    ) -> Result<(), AuthError> {
        password::check(new.expose_secret(), current.username())
            .map_err(|why| AuthError::invalid("new_password", why))?;
        if old.expose_secret() == new.expose_secret() {
            let why = "is the one you have; choose another";
            return Err(AuthError::invalid("new_password", why));
        }
        let new_hash = self.0.hasher.hash(new, self.policy().bcrypt_cost).await?;
        let proven = self
            .prove(Claim {
                username: current.username(),
                user: Some(self.user(current.user_id()).await?),
                stand_in: String::new(),
                owner: Owner::Session(current.session_id()),
                password: old,
                second_factor: None,
                failure: Action::PasswordCheckFailed,
                origin,
            })
            .await?;
        let (turn, work, user) = (proven.turn, proven.work, proven.user);
        users::set_password(&work.tx, user.id, &new_hash, self.now()).await?;
        let kept = Some(current.session_id());
        let ended = sessions::revoke_others(&work.tx, user.id, kept).await?;
        let kept = origin.device_token_hash.as_deref();
        devices::forget_others(&work.tx, user.id, kept).await?;
        work.end_openings(current.session_id()).await?;
        let entry = Entry::new(Action::PasswordChanged).resource("user", user.id);
        work.audit(&current.actor(), entry).await?;
        sessions::notify_changed(&work.tx).await?;
        work.commit().await?;
        turn.remove(&ended);
        drop(turn);
        self.openings_ended(current.session_id()).await;
        Ok(())
    }

    /// Changes the caller's e-mail address.
    pub async fn change_email(
        &self,
        current: &CurrentUser,
        new: Option<&str>,
    ) -> Result<UserView, AuthError> {
        let new = email::clean(new).map_err(|why| AuthError::invalid("email", why))?;
        let turn = self.0.live.turn().await;
        let work = self.begin().await?;
        users::set_email(&work.tx, current.user_id(), new, self.now()).await?;
        let entry = Entry::new(Action::ProfileChanged).resource("user", current.user_id());
        work.audit(&current.actor(), entry).await?;
        sessions::notify_changed(&work.tx).await?;
        work.commit().await?;
        let user = self.user(current.user_id()).await?;
        turn.update_user(&Self::live_user(&user));
        self.view(&user).await
    }
}
