//! The one way in which a password and a second factor are checked, whoever asks: at login, at
//! re-authentication, at a change of the password. Each failure counts, wherever it happens
//! (CVE-2026-43914, CVE-2026-27801).

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::json;

use super::work::Work;
use super::{AuthService, Origin};
use crate::features::audit::{Action, Entry};
use crate::features::auth::error::AuthError;
use crate::features::auth::hasher;
use crate::features::auth::live::Turn;
use crate::features::auth::lockout::Counter;
use crate::features::auth::store::counters::{self, Owner};
use crate::features::auth::store::users::{self, User};
use crate::features::auth::username;
use crate::platform::events::Severity;

/// A second factor as it was typed.
#[derive(Clone, Debug, Default)]
pub enum SecondFactor {
    /// None was given.
    #[default]
    Missing,
    /// A code of the authenticator app.
    Totp(SecretString),
    /// One of the recovery codes.
    Recovery(SecretString),
}

/// What is claimed and how it is to be counted.
pub(super) struct Claim<'a> {
    /// The name that was typed, or the name of who is signed in.
    pub username: &'a str,
    /// The account, if there is one of that name.
    pub user: Option<User>,
    /// A hash that costs what the account's would.
    pub stand_in: String,
    /// Whose failures these are.
    pub owner: Owner,
    /// The password.
    pub password: &'a SecretString,
    /// The second factor; `None` where the password alone decides.
    pub second_factor: Option<&'a SecondFactor>,
    /// Which audit row tells of a failure.
    pub failure: Action,
    /// Who asks.
    pub origin: &'a Origin,
}

/// Everything was right: go on in the same transaction.
pub(super) struct Proven<'a> {
    /// The account as it is now, held.
    pub user: User,
    /// The transaction.
    pub work: Work<'a>,
    /// The right to change sessions.
    pub turn: Turn<'a>,
    /// A better hash of the password, if its cost has changed.
    pub new_hash: Option<String>,
}

/// Why a claim failed, for the audit log only.
#[derive(Clone, Copy)]
pub(super) enum Reason {
    /// There is no account of that name.
    UnknownUser,
    /// The password is wrong.
    WrongPassword,
    /// The code is wrong or was used before.
    WrongSecondFactor,
    /// The counter rests.
    Locked,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::WrongSecondFactor => "wrong_second_factor",
            Self::Locked => "locked",
        }
    }
}

impl AuthService {
    /// Checks a claim. Whoever finds it wrong learns nothing but that.
    pub(super) async fn prove(&self, claim: Claim<'_>) -> Result<Proven<'_>, AuthError> {
        // An unknown name costs the same statements as an account: id 0 is nobody's.
        let stored = counters::get(self.0.db.orm(), claim.owner).await?;
        let before = match claim.user {
            Some(_) => stored,
            None => self.0.unknown.counter(claim.username),
        };
        if let Some(seconds) = before.rests_for_seconds(self.now()) {
            return self.refuse_locked(&claim, seconds).await;
        }
        let hash = claim
            .user
            .as_ref()
            .map_or(claim.stand_in.as_str(), |user| user.password_hash.as_str());
        let is_right = self.0.hasher.verify(claim.password, hash).await? && claim.user.is_some();
        let new_hash = if is_right {
            self.rehash_if_needed(claim.password, hash).await?
        } else {
            None
        };

        let turn = self.0.live.turn().await;
        let work = self.begin().await?;
        let id = claim.user.as_ref().map_or(0, |user| user.id);
        let held = users::lock(&work.tx, id).await?;
        let counter = counters::lock(&work.tx, claim.owner).await?;
        // Many guesses can be checked at the same time; only as many as the threshold allows get
        // an answer, right or wrong.
        if let Some(seconds) = counter.rests_for_seconds(self.now()) {
            drop(work);
            drop(turn);
            return self.refuse_locked(&claim, seconds).await;
        }
        let checked_at = claim.user.as_ref().map(|user| user.password_changed_at);
        let user = held.filter(|held| is_right && Some(held.password_changed_at) == checked_at);
        let Some(user) = user else {
            let reason = match claim.user {
                Some(_) => Reason::WrongPassword,
                None => Reason::UnknownUser,
            };
            self.count_failure(work, &claim, counter, reason).await?;
            return Err(AuthError::InvalidCredentials);
        };
        if let Some(given) = claim.second_factor.filter(|_| user.has_totp()) {
            if matches!(given, SecondFactor::Missing) {
                self.0.outcomes.count("second_factor_missing");
                return Err(AuthError::TotpRequired);
            }
            if !self
                .use_second_factor(&work, &user, given, claim.origin)
                .await?
            {
                self.count_failure(work, &claim, counter, Reason::WrongSecondFactor)
                    .await?;
                return Err(AuthError::WrongSecondFactor);
            }
        }
        counters::set(&work.tx, claim.owner, Counter::default()).await?;
        self.0.outcomes.count("right");
        Ok(Proven {
            user,
            work,
            turn,
            new_hash,
        })
    }

    async fn rehash_if_needed(
        &self,
        password: &SecretString,
        hash: &str,
    ) -> Result<Option<String>, AuthError> {
        let wanted = self.policy().bcrypt_cost;
        if hasher::cost_of(hash) == Some(wanted) {
            return Ok(None);
        }
        self.0.hasher.hash(password, wanted).await.map(Some)
    }

    pub(super) async fn count_failure(
        &self,
        mut work: Work<'_>,
        claim: &Claim<'_>,
        counter: Counter,
        reason: Reason,
    ) -> Result<(), AuthError> {
        let now = self.now();
        let threshold = self.policy().lockout_threshold;
        let (next, has_locked) = counter.after_failure(now, threshold);
        counters::set(&work.tx, claim.owner, next).await?;
        let outcome = match claim.user {
            Some(_) => Ok((next, has_locked)),
            None => self.0.unknown.count_failure(claim.username, now, threshold),
        };
        self.tell_failure(&mut work, claim, reason).await?;
        if let Ok((counter, true)) = outcome {
            self.tell_lock(&mut work, claim, counter.locked_until)
                .await?;
        }
        work.commit().await?;
        match outcome {
            Ok(_) => Ok(()),
            Err(retry_after_seconds) => Err(AuthError::Locked {
                retry_after_seconds,
            }),
        }
    }

    pub(super) async fn refuse_locked<T>(
        &self,
        claim: &Claim<'_>,
        retry_after_seconds: u64,
    ) -> Result<T, AuthError> {
        let mut work = self.begin().await?;
        self.tell_failure(&mut work, claim, Reason::Locked).await?;
        work.commit().await?;
        Err(AuthError::Locked {
            retry_after_seconds,
        })
    }

    async fn tell_failure(
        &self,
        work: &mut Work<'_>,
        claim: &Claim<'_>,
        reason: Reason,
    ) -> Result<(), AuthError> {
        self.0.outcomes.count(reason.as_str());
        let id = claim.user.as_ref().map(|user| user.id);
        let name = claim.shown_name();
        let actor = claim.origin.actor(id, name);
        let entry = Entry::new(claim.failure).details(json!({ "reason": reason.as_str() }));
        work.audit(&actor, entry).await?;
        let data = json!({
            "username": name,
            "ip_address": claim.origin.ip,
            "reason": reason.as_str(),
        });
        work.event("security.login_failed", Severity::Warning, data)
            .await
    }

    async fn tell_lock(
        &self,
        work: &mut Work<'_>,
        claim: &Claim<'_>,
        locked_until: Option<DateTime<Utc>>,
    ) -> Result<(), AuthError> {
        let id = claim.user.as_ref().map(|user| user.id);
        let name = claim.shown_name();
        let actor = claim.origin.actor(id, name);
        let entry =
            Entry::new(Action::AccountLocked).details(json!({ "locked_until": locked_until }));
        work.audit(&actor, entry).await?;
        let data = json!({
            "username": name,
            "ip_address": claim.origin.ip,
            "locked_until": locked_until,
            "is_known_user": claim.user.is_some(),
        });
        work.event("security.account_locked", Severity::Error, data)
            .await
    }
}

impl Claim<'_> {
    /// The name for logs: what could be no name may be a password in the wrong field.
    fn shown_name(&self) -> &str {
        if username::check(self.username).is_ok() {
            self.username
        } else {
            "(not a user name)"
        }
    }
}
