//! The use cases, one method each.

use std::net::IpAddr;
use std::sync::{Arc, Weak};

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, header};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use super::error::SsoError;
use super::memory::{Checks, LiveService, LiveToken, Memory, Rows, Tools};
use super::openings::ToolOpenings;
use super::returns::{LIFETIME, Pending, Returns};
use super::site::Home;
use super::visits::{Visit, Waiting};
use super::{cookie, store, target};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::auth::{AuthService, CurrentUser, LiveSession, Malformed, Origin};
use crate::features::settings::{Key, SettingsService};
use crate::platform::clock::Clock;
use crate::platform::crypto::token;
use crate::platform::db::Db;
use crate::platform::events::{self, Event, EventBus, Severity};
use crate::platform::http::client::Client;
use crate::platform::http::rate_limit::bucket;
use crate::platform::ids::Ids;
use crate::platform::metrics::Metrics;

/// What the service is made of.
pub struct SsoParts {
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
    /// Who is signed in.
    pub auth: AuthService,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// Where people open Flowkeep.
    pub public_url: Option<Url>,
}

/// Single sign-on. Cheap to clone.
#[derive(Clone)]
pub struct SsoService(Arc<Inner>);

/// The same without holding it.
pub(super) struct WeakSso(Weak<Inner>);

impl WeakSso {
    pub fn upgrade(&self) -> Option<SsoService> {
        self.0.upgrade().map(SsoService)
    }
}

struct Inner {
    db: Db,
    clock: Clock,
    ids: Ids,
    events: EventBus,
    settings: SettingsService,
    auth: AuthService,
    checks: Checks,
    home: Option<Home>,
    public_url: Option<Url>,
    memory: Memory,
    returns: Mutex<Returns>,
    waiting: Waiting,
    /// One change at a time, in the database and then in memory.
    turn: tokio::sync::Mutex<()>,
}

/// What nginx is told.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Let through.
    Allowed(Arc<LiveSession>, Option<Arc<LiveService>>),
    /// Nobody is signed in.
    SignedOut,
    /// The tool wants a code first.
    StepUpRequired,
    /// There is no such tool, or it is off.
    NotAllowed,
}

/// Where somebody who came from a tool is sent.
#[derive(Debug)]
pub enum Started {
    /// To the login, with the number under which the way back is kept, and a mark for the browser if it had none.
    Login {
        /// The number.
        id: SecretString,
        /// The mark; again if it had one, so that it lasts.
        browser: SecretString,
    },
    /// To the front page: no such tool.
    Home,
}

/// Where somebody goes who may.
#[derive(Debug)]
pub struct Onward {
    /// The tool's address.
    pub url: String,
    /// A cookie for the domain, for so long.
    pub cookie: Option<(Arc<str>, SecretString, TimeDelta)>,
}

/// Who asks to go on.
pub struct Traveller<'a> {
    /// The session.
    pub current: &'a CurrentUser,
    /// From where.
    pub origin: &'a Origin,
    /// The browser's mark.
    pub browser: Option<&'a str>,
    /// The cookie of the parent domain that it has.
    pub presented: Result<Option<&'a str>, Malformed>,
}

impl SsoService {
    /// Puts the service together. Touches no database; [`SsoService::load`] does.
    pub fn new(parts: SsoParts) -> Self {
        let this = Self(Arc::new(Inner {
            checks: Checks::new(&parts.metrics),
            home: parts.public_url.as_ref().and_then(Home::of),
            public_url: parts.public_url,
            memory: Memory::default(),
            returns: Mutex::default(),
            waiting: Waiting::default(),
            turn: tokio::sync::Mutex::default(),
            db: parts.db,
            clock: parts.clock,
            ids: parts.ids,
            events: parts.events,
            settings: parts.settings,
            auth: parts.auth,
        }));
        let openings = ToolOpenings(WeakSso(Arc::downgrade(&this.0)));
        this.0.auth.tell_endings_to(openings);
        this
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    pub(super) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn waiting(&self) -> &Waiting {
        &self.0.waiting
    }

    pub(super) fn settings(&self) -> &SettingsService {
        &self.0.settings
    }

    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    /// Flowkeep's own address.
    pub fn home(&self) -> Option<&Home> {
        self.0.home.as_ref()
    }

    /// The same as it was given.
    pub fn public_url(&self) -> Option<&Url> {
        self.0.public_url.as_ref()
    }

    /// The tools as they are in memory.
    pub fn tools(&self) -> Arc<Tools> {
        self.0.memory.tools()
    }

    /// Reads everything from the database into memory.
    pub async fn load(&self) -> Result<(), SsoError> {
        let _turn = self.turn().await;
        self.load_in_turn().await
    }

    pub(super) async fn load_in_turn(&self) -> Result<(), SsoError> {
        let tx = self.0.db.begin_snapshot().await?;
        let domain = self.0.settings.choice(Key::SsoParentDomain);
        let rows = Rows {
            services: store::services(&tx).await?,
            tokens: store::tokens(&tx, self.now()).await?,
            access: store::access(&tx).await?,
            parent_domain: Some(domain).filter(|domain| !domain.is_empty()),
        };
        tx.commit().await?;
        let live = self.0.auth.live_session_ids();
        self.0.memory.load(rows, self.home(), &self.0.checks, &live);
        self.0.returns.lock().forget_expired(self.now());
        Ok(())
    }

    /// Whether whoever asks may pass, from memory; this is the hot path. `service` is what nginx says; nothing that the
    /// client sends has a part in it.
    pub fn verdict(&self, service: Option<&str>, headers: &HeaderMap, client: &Client) -> Verdict {
        let ordinary = || self.0.auth.session_of(headers, client);
        let Some(slug) = service else {
            return match ordinary() {
                Some(session) => Verdict::Allowed(session, None),
                None => Verdict::SignedOut,
            };
        };
        let tools = self.tools();
        if !tools.is_loaded {
            return Verdict::SignedOut;
        }
        let Some(service) = tools.by_slug.get(slug) else {
            self.0.checks.unknown().inc();
            return Verdict::NotAllowed;
        };
        let counts = &service.traffic.counts;
        if !service.row.is_enabled {
            counts.not_allowed.inc();
            return Verdict::NotAllowed;
        }
        let session = ordinary().or_else(|| {
            let is_sibling = !service.is_at_home && service.trouble.is_none();
            is_sibling.then(|| self.sibling_session(headers, &tools))?
        });
        let Some(session) = session else {
            counts.signed_out.inc();
            return Verdict::SignedOut;
        };
        if service.wants_step_up(session.id, self.now()) {
            counts.step_up.inc();
            return Verdict::StepUpRequired;
        }
        counts.allowed.inc();
        Verdict::Allowed(session, Some(Arc::clone(service)))
    }

    /// The session behind the cookie of the parent domain.
    fn sibling_session(&self, headers: &HeaderMap, tools: &Tools) -> Option<Arc<LiveSession>> {
        let presented = cookie::read(headers).ok()??;
        let held = self.0.memory.token(&token::digest(presented))?;
        if tools.parent_domain.as_ref() != Some(&held.domain) {
            return None;
        }
        self.0.auth.live_session(held.session)
    }

    /// Leaves a session's first visit to be written down.
    pub fn note_visit(
        &self,
        service: &LiveService,
        session: &LiveSession,
        client: &Client,
        headers: &HeaderMap,
    ) {
        if service.traffic.is_visited(session.id) {
            return;
        }
        let agent = headers.get(header::USER_AGENT);
        let visit = Visit {
            session_id: session.id,
            slug: service.row.slug.clone(),
            user_id: session.user.id,
            username: session.user.username.clone(),
            ip: client.ip,
            user_agent: agent.map(|agent| {
                let text = String::from_utf8_lossy(agent.as_bytes());
                text.chars().take(400).collect()
            }),
            at: self.now(),
        };
        if self.0.waiting.leave(visit) {
            service.traffic.note_visited(session.id);
        }
    }

    /// Keeps where somebody wanted to go, who is to sign in first.
    pub fn start(&self, query: &str, ip: IpAddr, browser: Option<&str>) -> Started {
        let tools = self.tools();
        let known = target::asked(query).and_then(|asked| {
            let service = tools.by_slug.get(asked.service)?;
            Some((asked, service))
        });
        let (Some(home), Some((asked, service))) = (self.home(), known) else {
            return Started::Home;
        };
        if !service.row.is_enabled {
            return Started::Home;
        }
        let url = asked
            .rd
            .and_then(|rd| target::check(rd, &service.site, home))
            .unwrap_or_else(|| service.site.url(home));
        let browser = match browser {
            Some(known) => SecretString::from(known.to_owned()),
            None => token::generate(&self.0.ids),
        };
        let id = token::generate(&self.0.ids);
        let pending = Pending {
            service: service.row.slug.clone(),
            url,
            browser: token::digest(browser.expose_secret()),
            expires_at: self.now() + LIFETIME,
        };
        let hash = token::digest(id.expose_secret());
        self.0.returns.lock().keep(bucket(ip), hash, pending);
        Started::Login { id, browser }
    }

    /// Sends somebody who is signed in to the tool they came from, after a code if it wants one.
    pub async fn go_on(
        &self,
        who: Traveller<'_>,
        return_id: &str,
        code: Option<SecretString>,
    ) -> Result<Onward, SsoError> {
        let id = token::digest(return_id);
        let browser = token::digest(who.browser.ok_or(SsoError::ReturnGone)?);
        let pending = self
            .0
            .returns
            .lock()
            .look(&id, &browser, self.now())
            .cloned();
        let pending = pending.ok_or(SsoError::ReturnGone)?;
        let tools = self.tools();
        let service = tools
            .by_slug
            .get(&pending.service)
            .filter(|service| service.row.is_enabled)
            .ok_or_else(|| SsoError::NotAllowed(pending.service.clone()))?;
        let name = service.row.name.clone();
        if let Some(why) = service.trouble.clone() {
            return Err(SsoError::OutOfReach { name, why });
        }
        let presented = match (service.is_at_home, who.presented) {
            (true, _) => None,
            (false, Ok(presented)) => presented,
            (false, Err(_)) => return Err(SsoError::TwoCookies),
        };
        let session = who.current.session_id();
        let has_stepped_up = self.step_up(service, &who, code).await?;
        let taken = self.0.returns.lock().take(&id, &browser, self.now());
        let pending = taken.ok_or(SsoError::ReturnGone)?;
        if !service.traffic.note_sent(session, self.now()) {
            return Err(SsoError::Loop(name));
        }
        let cookie = match (&tools.parent_domain, service.is_at_home) {
            (Some(domain), false) => {
                let is_good = !has_stepped_up && self.is_good(presented, session, domain);
                if is_good {
                    None
                } else {
                    Some(self.make_cookie(who.current, domain).await?)
                }
            }
            _ => None,
        };
        Ok(Onward {
            url: pending.url,
            cookie,
        })
    }

    fn is_good(&self, presented: Option<&str>, session: uuid::Uuid, domain: &Arc<str>) -> bool {
        presented
            .and_then(|presented| self.0.memory.token(&token::digest(presented)))
            .is_some_and(|held| held.session == session && held.domain == *domain)
    }

    /// Asks for a code if the tool wants one. Says whether one was given: the cookie is made anew then.
    async fn step_up(
        &self,
        service: &LiveService,
        who: &Traveller<'_>,
        code: Option<SecretString>,
    ) -> Result<bool, SsoError> {
        let session = who.current.session_id();
        if !service.wants_step_up(session, self.now()) {
            return Ok(false);
        }
        let name = service.row.name.clone();
        let given = code.filter(|code| !code.expose_secret().is_empty());
        if !self.0.auth.me(who.current).await?.totp_enabled {
            return Err(SsoError::TotpMissing(name));
        }
        let code = given.ok_or(SsoError::StepUpRequired(name))?;
        self.0
            .auth
            .use_totp_code(who.current, code, who.origin)
            .await?;
        let slug = service.row.slug.as_str();
        let _turn = self.turn().await;
        let tx = self.0.db.begin().await?;
        let now = self.now();
        if !store::note_step_up(&tx, session, slug, now).await? {
            return Err(SsoError::NotAllowed(slug.to_owned()));
        }
        let entry = Entry::new(Action::SsoSteppedUp).resource("tool", slug);
        audit::record(&tx, self.clock(), &who.current.actor(), entry).await?;
        store::notify_changed(&tx).await?;
        tx.commit().await?;
        service.traffic.note_step_up(session, now);
        Ok(true)
    }

    async fn make_cookie(
        &self,
        current: &CurrentUser,
        domain: &Arc<str>,
    ) -> Result<(Arc<str>, SecretString, TimeDelta), SsoError> {
        let made = token::generate(&self.0.ids);
        let _turn = self.turn().await;
        let tx = self.0.db.begin().await?;
        let row = store::Token {
            session_id: current.session_id(),
            token_hash: token::hash_hex(made.expose_secret()),
            parent_domain: domain.to_string(),
        };
        if !store::put_token(&tx, &row, self.now()).await? {
            return Err(SsoError::ReturnGone);
        }
        store::notify_changed(&tx).await?;
        tx.commit().await?;
        let hash = token::digest(made.expose_secret());
        let session = current.session_id();
        let domain = Arc::clone(domain);
        let held = LiveToken {
            session,
            domain: Arc::clone(&domain),
        };
        self.0.memory.put_token(hash, held);
        let view = self.0.auth.current_session(current);
        Ok((domain, made, self.0.auth.time_left(&view)))
    }

    /// Ends every session of the account, and with them what they opened. Says how many there were.
    pub async fn logout_everywhere(&self, current: &CurrentUser) -> Result<usize, SsoError> {
        Ok(self.0.auth.logout_everywhere(current).await?)
    }

    /// Writes an audit line and an event of one change into its transaction.
    pub(super) async fn tell(
        &self,
        tx: &sea_orm::DatabaseTransaction,
        actor: &Actor,
        entry: Entry,
        what: &str,
    ) -> Result<Event, SsoError> {
        audit::record(tx, &self.0.clock, actor, entry).await?;
        let data = json!({ "settings": [what], "by": actor.username });
        let (kind, severity) = ("management.settings_changed", Severity::Info);
        let event = Event::now(&self.0.ids, &self.0.clock, kind, severity, data);
        events::record(tx, &event).await?;
        store::notify_changed(tx).await?;
        Ok(event)
    }

    pub(super) fn publish(&self, event: Event) {
        self.0.events.publish(event);
    }
}
