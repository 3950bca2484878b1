//! What `GET /api/auth/verify` answers from: tools, cookies and codes, in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;
use parking_lot::{Mutex, RwLock};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use uuid::Uuid;

use super::site::{Home, Site};
use super::store;
use crate::platform::metrics::Metrics;

/// So many times in [`LOOP_WINDOW`] somebody is sent to one tool; then it is a circle.
const LOOP_LIMIT: u32 = 4;
const LOOP_WINDOW: TimeDelta = TimeDelta::minutes(1);

/// How checks ended, for Prometheus.
#[derive(Clone, Debug)]
pub struct Checks(Family<Labels, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    service: String,
    outcome: &'static str,
}

impl Checks {
    /// Registers the counter.
    pub fn new(metrics: &Metrics) -> Self {
        let family = Family::default();
        metrics.register(|registry| {
            registry.register(
                "flowkeep_sso_checks",
                "Requests to guarded tools, by how they ended",
                family.clone(),
            );
        });
        Self(family)
    }

    fn of(&self, service: &str, outcome: &'static str) -> Counter {
        self.0.get_or_create_owned(&Labels {
            service: service.to_owned(),
            outcome,
        })
    }

    /// Of no tool that is known: a client can make names up, and a label must not take them all.
    pub fn unknown(&self) -> Counter {
        self.of("(unknown)", "not_allowed")
    }
}

/// The counters of one tool.
#[derive(Debug)]
pub struct Counts {
    /// Let through.
    pub allowed: Counter,
    /// No session.
    pub signed_out: Counter,
    /// No code yet.
    pub step_up: Counter,
    /// Off.
    pub not_allowed: Counter,
}

/// What sessions did with one tool. Outlives changes of the tool.
#[derive(Debug)]
pub struct Traffic {
    /// How checks ended.
    pub counts: Counts,
    visited: RwLock<HashSet<Uuid>>,
    stepped_up: RwLock<HashMap<Uuid, DateTime<Utc>>>,
    sent: Mutex<HashMap<Uuid, (DateTime<Utc>, u32)>>,
}

impl Traffic {
    fn new(slug: &str, checks: &Checks) -> Self {
        Self {
            counts: Counts {
                allowed: checks.of(slug, "allowed"),
                signed_out: checks.of(slug, "signed_out"),
                step_up: checks.of(slug, "step_up_required"),
                not_allowed: checks.of(slug, "not_allowed"),
            },
            visited: RwLock::default(),
            stepped_up: RwLock::default(),
            sent: Mutex::default(),
        }
    }

    /// Whether a session's first visit was told already.
    pub fn is_visited(&self, session: Uuid) -> bool {
        self.visited.read().contains(&session)
    }

    /// Notes that a session's first visit was told.
    pub fn note_visited(&self, session: Uuid) {
        self.visited.write().insert(session);
    }

    /// Notes that a session gave a code.
    pub fn note_step_up(&self, session: Uuid, at: DateTime<Utc>) {
        self.stepped_up.write().insert(session, at);
    }

    /// Notes that somebody is sent to the tool. False if that goes round in circles.
    pub fn note_sent(&self, session: Uuid, now: DateTime<Utc>) -> bool {
        let mut sent = self.sent.lock();
        let (since, times) = sent.entry(session).or_insert((now, 0));
        if now - *since >= LOOP_WINDOW {
            (*since, *times) = (now, 0);
        }
        *times += 1;
        *times <= LOOP_LIMIT
    }

    fn forget(&self, live: &HashSet<Uuid>) {
        self.visited.write().retain(|id| live.contains(id));
        self.stepped_up.write().retain(|id, _| live.contains(id));
        self.sent.lock().retain(|id, _| live.contains(id));
    }
}

/// A tool with what is answered for it ready to send.
#[derive(Debug)]
pub struct LiveService {
    /// Its row.
    pub row: store::Service,
    /// Where it is.
    pub site: Site,
    /// Whether it shares Flowkeep's host name, and so the ordinary session cookie.
    pub is_at_home: bool,
    /// Why no login reaches it, if so.
    pub trouble: Option<String>,
    /// `Remote-Roles`.
    pub roles_header: HeaderValue,
    /// `Remote-Filter`.
    pub filter_header: Option<HeaderValue>,
    /// What sessions did with it.
    pub traffic: Arc<Traffic>,
}

impl LiveService {
    /// Whether a session still has to give a code.
    pub fn wants_step_up(&self, session: Uuid, now: DateTime<Utc>) -> bool {
        self.row.requires_step_up
            && self
                .stepped_up_until(session)
                .is_none_or(|until| until <= now)
    }

    /// Until when a session's code is good.
    pub fn stepped_up_until(&self, session: Uuid) -> Option<DateTime<Utc>> {
        let at = self.traffic.stepped_up.read().get(&session).copied()?;
        Some(at + TimeDelta::minutes(i64::from(self.row.step_up_minutes)))
    }
}

/// A cookie of the parent domain.
#[derive(Clone, Debug)]
pub struct LiveToken {
    /// Whose it is.
    pub session: Uuid,
    /// The domain that it was made for.
    pub domain: Arc<str>,
}

/// Everything as of one moment.
#[derive(Debug, Default)]
pub struct Tools {
    /// By slug.
    pub by_slug: HashMap<String, Arc<LiveService>>,
    /// The domain that Flowkeep and the tools share.
    pub parent_domain: Option<Arc<str>>,
    /// Whether it was read from the database yet.
    pub is_loaded: bool,
}

/// What is held. The service changes the database first and this right after.
#[derive(Debug, Default)]
pub struct Memory {
    tools: RwLock<Arc<Tools>>,
    tokens: RwLock<HashMap<[u8; 32], LiveToken>>,
}

impl Memory {
    /// The tools.
    pub fn tools(&self) -> Arc<Tools> {
        Arc::clone(&self.tools.read())
    }

    /// The cookie of that hash.
    pub fn token(&self, hash: &[u8; 32]) -> Option<LiveToken> {
        self.tokens.read().get(hash).cloned()
    }

    /// Gives a session a cookie in place of the one it had.
    pub fn put_token(&self, hash: [u8; 32], token: LiveToken) {
        let mut tokens = self.tokens.write();
        tokens.retain(|_, held| held.session != token.session);
        tokens.insert(hash, token);
    }

    /// Forgets the cookie of a session and the codes it gave.
    pub fn end_openings(&self, session: Uuid) {
        let mut tokens = self.tokens.write();
        tokens.retain(|_, held| held.session != session);
        for service in self.tools().by_slug.values() {
            service.traffic.stepped_up.write().remove(&session);
        }
    }

    /// Puts what the database holds in place of everything. What sessions did stays.
    pub fn load(&self, rows: Rows, home: Option<&Home>, checks: &Checks, live: &HashSet<Uuid>) {
        let before = self.tools();
        let mut by_slug = HashMap::with_capacity(rows.services.len());
        for row in rows.services {
            let traffic = match before.by_slug.get(&row.slug) {
                Some(known) => Arc::clone(&known.traffic),
                None => Arc::new(Traffic::new(&row.slug, checks)),
            };
            traffic.forget(live);
            let mut stepped_up = HashMap::new();
            for access in &rows.access {
                if access.service_slug != row.slug {
                    continue;
                }
                if access.first_visit_at.is_some() {
                    traffic.note_visited(access.session_id);
                }
                if let Some(at) = access.stepped_up_at {
                    stepped_up.insert(access.session_id, at);
                }
            }
            *traffic.stepped_up.write() = stepped_up;
            let service = live_service(row, home, rows.parent_domain.as_deref(), traffic);
            by_slug.insert(service.row.slug.clone(), Arc::new(service));
        }
        let mut tokens = HashMap::with_capacity(rows.tokens.len());
        for token in rows.tokens {
            let hash = hex::decode(&token.token_hash).ok();
            if let Some(hash) = hash.and_then(|hash| hash.try_into().ok()) {
                let domain = Arc::from(token.parent_domain.as_str());
                let session = token.session_id;
                tokens.insert(hash, LiveToken { session, domain });
            }
        }
        *self.tokens.write() = tokens;
        *self.tools.write() = Arc::new(Tools {
            by_slug,
            parent_domain: rows.parent_domain.map(Arc::from),
            is_loaded: true,
        });
    }
}

/// What the database holds.
pub struct Rows {
    /// Tools.
    pub services: Vec<store::Service>,
    /// Cookies.
    pub tokens: Vec<store::Token>,
    /// What sessions did.
    pub access: Vec<store::Access>,
    /// The setting.
    pub parent_domain: Option<String>,
}

fn live_service(
    row: store::Service,
    home: Option<&Home>,
    parent_domain: Option<&str>,
    traffic: Arc<Traffic>,
) -> LiveService {
    let site = Site {
        name: name_of(&row.host).to_owned(),
        authority: row.host.clone(),
        prefix: row.path_prefix.clone(),
    };
    let trouble = match home {
        None => Some("Flowkeep does not know its own address (FLOWKEEP_PUBLIC_URL)".to_owned()),
        Some(home) => super::site::reach(&site, home, parent_domain)
            .err()
            .map(|(field, why)| {
                let what = if field == "host" {
                    &row.host
                } else {
                    &row.path_prefix
                };
                format!("{what} {why}")
            }),
    };
    LiveService {
        is_at_home: home.is_some_and(|home| site.is_at_home(home)),
        site,
        trouble,
        roles_header: HeaderValue::from_str(&row.remote_roles)
            .unwrap_or(HeaderValue::from_static("none")),
        filter_header: row
            .remote_filter
            .as_deref()
            .and_then(|filter| HeaderValue::from_str(filter).ok()),
        row,
        traffic,
    }
}

fn name_of(authority: &str) -> &str {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match authority.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => authority,
    }
}
