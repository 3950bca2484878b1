//! The second factor alone, of somebody who is signed in: before a tool that asks for it.

use secrecy::SecretString;

use super::credentials::{Claim, Reason, SecondFactor};
use super::{AuthService, Origin};
use crate::features::audit::Action;
use crate::features::auth::current::CurrentUser;
use crate::features::auth::error::AuthError;
use crate::features::auth::lockout::Counter;
use crate::features::auth::store::counters::{self, Owner};
use crate::features::auth::store::users;

impl AuthService {
    /// Uses a code of the authenticator app up. Failures count for the session, as those of
    /// [`AuthService::reauthenticate`] do.
    pub async fn use_totp_code(
        &self,
        current: &CurrentUser,
        code: SecretString,
        origin: &Origin,
    ) -> Result<(), AuthError> {
        let owner = Owner::Session(current.session_id());
        let work = self.begin().await?;
        let user = users::lock(&work.tx, current.user_id())
            .await?
            .ok_or(AuthError::NotFound("user"))?;
        if !user.has_totp() {
            return Err(AuthError::TotpNotEnabled);
        }
        let counter = counters::lock(&work.tx, owner).await?;
        let no_password = SecretString::default();
        let claim = Claim {
            username: current.username(),
            user: Some(user.clone()),
            stand_in: String::new(),
            owner,
            password: &no_password,
            second_factor: None,
            failure: Action::StepUpFailed,
            origin,
        };
        if let Some(seconds) = counter.rests_for_seconds(self.now()) {
            drop(work);
            return self.refuse_locked(&claim, seconds).await;
        }
        let given = SecondFactor::Totp(code);
        if !self.use_second_factor(&work, &user, &given, origin).await? {
            self.count_failure(work, &claim, counter, Reason::WrongSecondFactor)
                .await?;
            return Err(AuthError::WrongSecondFactor);
        }
        counters::set(&work.tx, owner, Counter::default()).await?;
        work.commit().await
    }
}
