//! The use cases, one method each.
//!
//! A change, its audit row and its events share one transaction ([`Work`]); sessions change here
//! and in memory in the same turn.

mod credentials;
mod login;
mod outcomes;
mod password;
mod rescue;
mod second_factor;
mod sessions;
mod setup;
mod step_up;
mod subnets;
mod upkeep;
mod work;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use uuid::Uuid;

pub use credentials::SecondFactor;
pub use login::{LoggedIn, LoginAttempt, TokenDelivery};
pub use sessions::SessionView;
pub use setup::{NewAdmin, SetupOffer};
pub use subnets::SubnetChange;

use outcomes::Outcomes;

use super::current::CurrentUser;
use super::error::AuthError;
use super::hasher::Hasher;
use super::live::{LiveSessions, LiveUser};
use super::openings::Openings;
use super::policy::{self, AuthPolicy};
use super::store;
pub use super::store::subnets::Subnet;
use super::store::users::User;
use super::subnet::AllowedSubnets;
use super::unknown::UnknownNames;
use crate::features::audit::Actor;
use crate::features::settings::SettingsService;
use crate::platform::clock::Clock;
use crate::platform::crypto::token;
use crate::platform::db::Db;
use crate::platform::events::EventBus;
use crate::platform::ids::Ids;
use crate::platform::metrics::Metrics;

/// What the service is made of.
pub struct AuthParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Who is told what happened.
    pub events: EventBus,
    /// What people can change.
    pub settings: SettingsService,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// bcrypt's cost in place of the setting, for tests only.
    pub bcrypt_cost: Option<u32>,
}

/// Signing in, sessions, passwords, who may come in. Cheap to clone.
#[derive(Clone)]
pub struct AuthService(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Clock,
    ids: Ids,
    events: EventBus,
    settings: SettingsService,
    outcomes: Outcomes,
    hasher: Hasher,
    live: LiveSessions,
    subnets: AllowedSubnets,
    unknown: UnknownNames,
    bcrypt_cost: Option<u32>,
    openings: OnceLock<Box<dyn Openings>>,
    stage: AtomicU8,
}

/// Nothing was read from the database yet.
const STAGE_LOADING: u8 = 0;
/// There is no administrator.
const STAGE_SETUP: u8 = 1;
/// There is one.
const STAGE_READY: u8 = 2;

/// Who asks, as far as the request tells.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address.
    pub ip: IpAddr,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// The hash of its known-device token.
    pub device_token_hash: Option<String>,
}

impl Origin {
    fn actor(&self, user_id: Option<i32>, username: &str) -> Actor {
        Actor {
            user_id,
            username: Some(username.to_owned()),
            ip: Some(self.ip),
            user_agent: self.user_agent.clone(),
        }
    }
}

/// An administrator as others see them: no secrets.
#[derive(Clone, Debug)]
pub struct UserView {
    /// The account.
    pub id: i32,
    /// Its name.
    pub username: String,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Whether signing in needs the second factor.
    pub totp_enabled: bool,
    /// Unused recovery codes.
    pub recovery_codes_left: i64,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// When it last signed in.
    pub last_login: Option<DateTime<Utc>>,
}

impl AuthService {
    /// Puts the service together. Touches no database; [`AuthService::load`] does.
    pub fn new(parts: AuthParts) -> Self {
        let live = LiveSessions::default();
        let counted = live.clone();
        parts.metrics.gauge(
            "flowkeep_sessions_live",
            "Sessions that are live",
            move || i64::try_from(counted.len()).unwrap_or(i64::MAX),
        );
        Self(Arc::new(Inner {
            outcomes: Outcomes::new(&parts.metrics),
            hasher: Hasher::new(parts.ids.clone()),
            live,
            subnets: AllowedSubnets::default(),
            unknown: UnknownNames::default(),
            openings: OnceLock::new(),
            stage: AtomicU8::new(STAGE_LOADING),
            db: parts.db,
            clock: parts.clock,
            ids: parts.ids,
            events: parts.events,
            settings: parts.settings,
            bcrypt_cost: parts.bcrypt_cost,
        }))
    }

    /// Says who keeps what sessions opened elsewhere. The first to say so is it.
    pub fn tell_endings_to(&self, openings: impl Openings + 'static) {
        let _ = self.0.openings.set(Box::new(openings));
    }

    /// Whether the first administrator is still to be made.
    pub fn is_setup_required(&self) -> bool {
        self.0.stage.load(Ordering::Relaxed) == STAGE_SETUP
    }

    /// Whether this address may come in at all.
    pub fn allows_address(&self, ip: IpAddr) -> bool {
        self.0.subnets.allows(ip)
    }

    /// How often a password was hashed or checked since the start.
    pub fn password_checks(&self) -> u64 {
        self.0.hasher.runs()
    }

    /// How many sessions are live.
    pub fn live_sessions(&self) -> usize {
        self.0.live.len()
    }

    /// Reads sessions and subnets from the database into memory.
    pub async fn load(&self) -> Result<(), AuthError> {
        let turn = self.0.live.turn().await;
        let db = self.0.db.orm();
        let rows = store::sessions::alive(db, self.now()).await?;
        let users = store::users::all(db).await?;
        let subnets = store::subnets::all(db).await?;
        self.0.subnets.set(subnets::rules(&subnets));
        self.set_stage(!users.is_empty());
        turn.load(sessions::to_live(rows, &users));
        Ok(())
    }

    fn set_stage(&self, has_admin: bool) {
        let stage = if has_admin { STAGE_READY } else { STAGE_SETUP };
        self.0.stage.store(stage, Ordering::Relaxed);
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    fn policy(&self) -> AuthPolicy {
        let policy = AuthPolicy::of(&self.0.settings);
        AuthPolicy {
            bcrypt_cost: self.0.bcrypt_cost.unwrap_or(policy.bcrypt_cost),
            ..policy
        }
    }

    /// How long a session may lie unused. Asked on every request.
    fn idle_timeout(&self) -> Option<TimeDelta> {
        policy::idle_timeout(&self.0.settings)
    }

    async fn user(&self, id: i32) -> Result<User, AuthError> {
        store::users::get(self.0.db.orm(), id)
            .await?
            .ok_or(AuthError::NotFound("user"))
    }

    async fn view(&self, user: &User) -> Result<UserView, AuthError> {
        let recovery_codes_left = store::recovery::left(self.0.db.orm(), user.id).await?;
        Ok(UserView {
            id: user.id,
            username: user.username.clone(),
            email: user.email.clone(),
            totp_enabled: user.has_totp(),
            recovery_codes_left,
            created_at: user.created_at,
            last_login: user.last_login,
        })
    }

    /// The signed-in administrator.
    pub async fn me(&self, current: &CurrentUser) -> Result<UserView, AuthError> {
        let user = self.user(current.user_id()).await?;
        self.view(&user).await
    }

    fn fresh_token(&self) -> (SecretString, String) {
        use secrecy::ExposeSecret;
        let token = token::generate(&self.0.ids);
        let hash = token::hash_hex(token.expose_secret());
        (token, hash)
    }

    fn fresh_id(&self) -> Uuid {
        self.0.ids.uuid()
    }

    fn live_user(user: &User) -> Arc<LiveUser> {
        let email = user.email.as_deref();
        Arc::new(LiveUser::new(user.id, user.username.clone(), email))
    }
}
