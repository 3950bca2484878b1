//! The list of tools, and the domain that they share with Flowkeep.

use std::sync::Arc;

use http::HeaderValue;
use serde_json::json;

use super::error::SsoError;
use super::memory::LiveService;
use super::service::SsoService;
use super::site::{self, Home, Site};
use super::store::{self, Service};
use crate::features::audit::{Action, Entry};
use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::features::settings::Key;

/// A tool as somebody wants it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What people call it.
    pub name: String,
    /// Host name, with its port if that is not the usual one.
    pub host: String,
    /// The path under which it lives.
    pub path_prefix: String,
    /// Where nginx finds it.
    pub upstream: String,
    /// Whether anybody is let through.
    pub is_enabled: bool,
    /// Whether it wants a code.
    pub requires_step_up: bool,
    /// For how long a code is good.
    pub step_up_minutes: i32,
    /// Dozzle's rights.
    pub remote_roles: Vec<String>,
    /// Dozzle's filter.
    pub remote_filter: String,
}

impl SsoService {
    /// The tools, by name.
    pub fn list(&self) -> Vec<Arc<LiveService>> {
        let mut all: Vec<_> = self.tools().by_slug.values().cloned().collect();
        all.sort_by_key(|service| (service.row.name.to_lowercase(), service.row.slug.clone()));
        all
    }

    /// One tool.
    pub fn find(&self, slug: &str) -> Result<Arc<LiveService>, SsoError> {
        let found = self.tools().by_slug.get(slug).cloned();
        found.ok_or(SsoError::NoService)
    }

    /// Adds a tool.
    pub async fn add(
        &self,
        caller: &Reauthenticated,
        slug: &str,
        wish: Wish,
    ) -> Result<Arc<LiveService>, SsoError> {
        let slug = site::slug(slug).map_err(|why| SsoError::invalid("slug", why))?;
        let mut row = self.checked(&slug, wish)?;
        (row.created_at, row.updated_at) = (self.now(), self.now());
        let _turn = self.turn().await;
        let tx = self.db().begin().await?;
        if !store::insert(&tx, &row).await? {
            return Err(SsoError::SlugTaken);
        }
        let entry = Entry::new(Action::SsoServiceCreated)
            .resource("tool", &slug)
            .details(described(&row));
        let event = self.tell(&tx, &caller.0.actor(), entry, "sso").await?;
        tx.commit().await?;
        self.publish(event);
        self.load_in_turn().await?;
        self.find(&slug)
    }

    /// Changes a tool.
    pub async fn change(
        &self,
        caller: &Reauthenticated,
        slug: &str,
        wish: Wish,
    ) -> Result<Arc<LiveService>, SsoError> {
        let mut row = self.checked(slug, wish)?;
        let _turn = self.turn().await;
        let tx = self.db().begin().await?;
        let before = store::lock(&tx, slug).await?.ok_or(SsoError::NoService)?;
        (row.created_at, row.updated_at) = (before.created_at, self.now());
        store::update(&tx, &row).await?;
        let details = json!({ "from": described(&before), "to": described(&row) });
        let entry = Entry::new(Action::SsoServiceChanged)
            .resource("tool", slug)
            .details(details);
        let event = self.tell(&tx, &caller.0.actor(), entry, "sso").await?;
        tx.commit().await?;
        self.publish(event);
        self.load_in_turn().await?;
        self.find(slug)
    }

    /// Removes a tool: nobody is let through to it any more.
    pub async fn remove(&self, caller: &Reauthenticated, slug: &str) -> Result<(), SsoError> {
        let _turn = self.turn().await;
        let tx = self.db().begin().await?;
        let before = store::lock(&tx, slug).await?.ok_or(SsoError::NoService)?;
        store::delete(&tx, slug).await?;
        let entry = Entry::new(Action::SsoServiceDeleted)
            .resource("tool", slug)
            .details(described(&before));
        let event = self.tell(&tx, &caller.0.actor(), entry, "sso").await?;
        tx.commit().await?;
        self.publish(event);
        self.load_in_turn().await
    }

    /// Sets or removes the domain that Flowkeep and the tools share. Cookies of another one are good no longer.
    pub async fn set_parent_domain(
        &self,
        caller: &Reauthenticated,
        domain: Option<&str>,
    ) -> Result<(), SsoError> {
        let domain = match domain.map(str::trim).filter(|domain| !domain.is_empty()) {
            None => None,
            Some(text) => {
                let checked = site::parent_domain(text, self.need_home()?);
                Some(checked.map_err(|why| SsoError::invalid("parent_domain", why))?)
            }
        };
        let _turn = self.turn().await;
        let change = (Key::SsoParentDomain, domain.map(|domain| json!(domain)));
        self.settings()
            .change(&caller.0.actor(), vec![change], None)
            .await?;
        let tx = self.db().begin().await?;
        store::notify_changed(&tx).await?;
        tx.commit().await?;
        self.load_in_turn().await
    }

    /// What the caller would be answered for a tool at this moment, and why.
    pub fn try_out(
        &self,
        slug: &str,
        current: &CurrentUser,
    ) -> Result<(u16, &'static str), SsoError> {
        let service = self.find(slug)?;
        Ok(if !service.row.is_enabled {
            (403, "switched_off")
        } else if service.trouble.is_some() {
            (401, "out_of_reach")
        } else if service.wants_step_up(current.session_id(), self.now()) {
            (401, "step_up_required")
        } else {
            (200, "allowed")
        })
    }

    /// What a tool would be told about the caller.
    pub fn told(
        &self,
        slug: &str,
        current: &CurrentUser,
    ) -> Result<Vec<(&'static str, String)>, SsoError> {
        let service = self.find(slug)?;
        let user = current.live_user();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut told = vec![
            ("Remote-User", text(&user.name_header)),
            ("Remote-Name", text(&user.name_header)),
        ];
        told.extend(
            user.email_header
                .as_ref()
                .map(|email| ("Remote-Email", text(email))),
        );
        told.push(("Remote-Groups", "admins".to_owned()));
        told.push(("Remote-Roles", text(&service.roles_header)));
        told.extend(
            service
                .filter_header
                .as_ref()
                .map(|filter| ("Remote-Filter", text(filter))),
        );
        Ok(told)
    }

    fn need_home(&self) -> Result<&Home, SsoError> {
        self.home().ok_or(SsoError::NoPublicUrl)
    }

    fn checked(&self, slug: &str, wish: Wish) -> Result<Service, SsoError> {
        let home = self.need_home()?;
        let name = wish.name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(SsoError::invalid(
                "name",
                "is 1 to 100 characters, as in Dozzle",
            ));
        }
        let (host_name, authority) =
            site::host(&wish.host, home).map_err(|why| SsoError::invalid("host", why))?;
        let prefix =
            site::prefix(&wish.path_prefix).map_err(|why| SsoError::invalid("path_prefix", why))?;
        let place = Site {
            name: host_name,
            authority,
            prefix,
        };
        let tools = self.tools();
        site::reach(&place, home, tools.parent_domain.as_deref())
            .map_err(|(field, why)| SsoError::invalid(field, why))?;
        if !(1..=1_440).contains(&wish.step_up_minutes) {
            return Err(SsoError::invalid(
                "step_up_minutes",
                "is between 1 and 1440 (minutes)",
            ));
        }
        Ok(Service {
            slug: slug.to_owned(),
            name: name.to_owned(),
            host: place.authority,
            path_prefix: place.prefix,
            upstream: site::upstream(&wish.upstream)
                .map_err(|why| SsoError::invalid("upstream", why))?,
            is_enabled: wish.is_enabled,
            requires_step_up: wish.requires_step_up,
            step_up_minutes: wish.step_up_minutes,
            remote_roles: site::roles(&wish.remote_roles)
                .map_err(|why| SsoError::invalid("remote_roles", why))?,
            remote_filter: site::filter(&wish.remote_filter)
                .map_err(|why| SsoError::invalid("remote_filter", why))?,
            created_at: self.now(),
            updated_at: self.now(),
        })
    }
}

fn described(row: &Service) -> serde_json::Value {
    json!({
        "name": row.name,
        "host": row.host,
        "path_prefix": row.path_prefix,
        "is_enabled": row.is_enabled,
        "requires_step_up": row.requires_step_up,
        "step_up_minutes": row.step_up_minutes,
        "remote_roles": row.remote_roles,
        "remote_filter": row.remote_filter,
    })
}
