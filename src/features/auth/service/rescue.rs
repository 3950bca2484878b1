//! What somebody with a shell on the machine can do when nobody gets in any more.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::AuthService;
use super::subnets::rules;
use crate::features::audit::{Action, Actor, Entry};
use crate::features::auth::error::AuthError;
use crate::features::auth::lockout::Counter;
use crate::features::auth::password;
use crate::features::auth::store::counters::{self, Owner};
use crate::features::auth::store::{devices, recovery, sessions, subnets, users};
use crate::features::auth::totp;

impl AuthService {
    /// A password that nobody has to think up.
    pub fn suggest_password(&self) -> SecretString {
        totp::recovery_code(&self.0.ids)
    }

    /// Sets an administrator's password, opens a locked account, and ends every session, at once
    /// even in a daemon that runs. The second factor stays unless `clear_totp`. Without a name,
    /// it is the only administrator there is. Returns the name.
    pub async fn reset_password(
        &self,
        username: Option<&str>,
        new: &SecretString,
        clear_totp: bool,
    ) -> Result<String, AuthError> {
        let all = users::all(self.0.db.orm()).await?;
        let wanted = |name: &str| username.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
        let mut found = all.iter().filter(|user| wanted(&user.username));
        let user = match (found.next(), found.next()) {
            (Some(user), None) => user,
            (Some(_), Some(_)) => {
                let why = "there are several administrators; say which one";
                return Err(AuthError::invalid("username", why));
            }
            (None, _) if all.is_empty() => {
                let why = "there is no administrator yet; make one by the setup link";
                return Err(AuthError::invalid("username", why));
            }
            (None, _) => {
                let names: Vec<_> = all.iter().map(|user| user.username.as_str()).collect();
                let why = format!("there is no such administrator, only {}", names.join(", "));
                return Err(AuthError::invalid("username", why));
            }
        };
        password::check(new.expose_secret(), &user.username)
            .map_err(|why| AuthError::invalid("password", why))?;
        let hash = self.0.hasher.hash(new, self.policy().bcrypt_cost).await?;
        let turn = self.0.live.turn().await;
        let work = self.begin().await?;
        users::lock(&work.tx, user.id).await?;
        users::set_password(&work.tx, user.id, &hash, self.now()).await?;
        counters::set(&work.tx, Owner::Account(user.id), Counter::default()).await?;
        if clear_totp {
            users::disable_totp(&work.tx, user.id, self.now()).await?;
            recovery::clear(&work.tx, user.id).await?;
        }
        let ended = sessions::revoke_others(&work.tx, user.id, None).await?;
        devices::forget_others(&work.tx, user.id, None).await?;
        let entry = Entry::new(Action::PasswordReset)
            .resource("user", user.id)
            .details(json!({ "totp_cleared": clear_totp, "sessions_ended": ended.len() }));
        work.audit(&Actor::cli(), entry).await?;
        sessions::notify_changed(&work.tx).await?;
        work.commit().await?;
        turn.remove(&ended);
        Ok(user.username.clone())
    }

    /// Removes every subnet, so that every address may come in. Says how many there were.
    pub async fn clear_subnets(&self) -> Result<u64, AuthError> {
        let turn = self.0.live.turn().await;
        let mut work = self.begin().await?;
        let removed = subnets::delete_all(&work.tx).await?;
        let entry = Entry::new(Action::SubnetsCleared).details(json!({ "removed": removed }));
        work.audit(&Actor::cli(), entry).await?;
        work.subnets_changed(&Actor::cli()).await?;
        sessions::notify_changed(&work.tx).await?;
        work.commit().await?;
        self.0.subnets.set(rules(&[]));
        drop(turn);
        Ok(removed)
    }
}
