//! Which addresses may come in.

use std::net::IpAddr;

use serde_json::json;

use super::AuthService;
use super::work::Work;
use crate::features::audit::{Action, Entry};
use crate::features::auth::current::{CurrentUser, Reauthenticated};
use crate::features::auth::error::AuthError;
use crate::features::auth::live::Turn;
use crate::features::auth::service::Subnet;
use crate::features::auth::store::sessions::notify_changed;
use crate::features::auth::store::subnets;
use crate::features::auth::subnet::{self, Rules};

/// Most subnets that are kept: each request is compared with all of them.
const MOST: u64 = 200;
const DESCRIPTION_CHARS: usize = 255;

/// What of a subnet can be changed.
#[derive(Clone, Debug, Default)]
pub struct SubnetChange {
    /// A note; `None` leaves it, an empty one removes it.
    pub description: Option<String>,
    /// Whether it counts; `None` leaves it.
    pub is_enabled: Option<bool>,
}

/// A change of the list under way.
struct Change<'a> {
    turn: Turn<'a>,
    work: Work<'a>,
}

impl AuthService {
    /// The list, in the order it was made.
    pub async fn subnets(&self) -> Result<Vec<Subnet>, AuthError> {
        Ok(subnets::all(self.0.db.orm()).await?)
    }

    /// Adds a subnet.
    pub async fn add_subnet(
        &self,
        caller: &Reauthenticated,
        cidr: &str,
        change: SubnetChange,
        may_lock_out: bool,
    ) -> Result<Subnet, AuthError> {
        let net = subnet::parse(cidr).map_err(|why| AuthError::invalid("cidr", why))?;
        let cidr = net.to_string();
        let description = clean(change.description)?;
        let step = self.change_subnets().await?;
        let tx = &step.work.tx;
        let existing = subnets::all(tx).await?;
        if existing.iter().any(|subnet| subnet.cidr == cidr) {
            return Err(AuthError::SubnetExists(cidr));
        }
        if existing.len() as u64 >= MOST {
            let why = format!("there are {MOST} subnets already; remove one or write a wider one");
            return Err(AuthError::invalid("cidr", why));
        }
        let is_enabled = change.is_enabled.unwrap_or(true);
        let description = description.as_deref();
        let added = subnets::insert(tx, &cidr, description, is_enabled, self.now()).await?;
        let details = json!({ "cidr": added.cidr, "enabled": is_enabled });
        let entry = Entry::new(Action::SubnetCreated)
            .resource("subnet", added.id)
            .details(details);
        self.finish_subnets(step, &caller.0, entry, may_lock_out)
            .await?;
        Ok(added)
    }

    /// Changes a subnet.
    pub async fn change_subnet(
        &self,
        caller: &Reauthenticated,
        id: i32,
        change: SubnetChange,
        may_lock_out: bool,
    ) -> Result<Subnet, AuthError> {
        let new_description = clean(change.description.clone())?;
        let step = self.change_subnets().await?;
        let tx = &step.work.tx;
        let mut subnet = get(&step, id).await?;
        if change.description.is_some() {
            subnet.description = new_description;
        }
        subnet.enabled = change.is_enabled.or(subnet.enabled);
        let is_enabled = subnet.enabled == Some(true);
        subnets::update(tx, id, subnet.description.as_deref(), is_enabled).await?;
        let details = json!({ "cidr": subnet.cidr, "enabled": is_enabled });
        let entry = Entry::new(Action::SubnetChanged)
            .resource("subnet", id)
            .details(details);
        self.finish_subnets(step, &caller.0, entry, may_lock_out)
            .await?;
        Ok(subnet)
    }

    /// Removes a subnet.
    pub async fn delete_subnet(
        &self,
        caller: &Reauthenticated,
        id: i32,
        may_lock_out: bool,
    ) -> Result<(), AuthError> {
        let step = self.change_subnets().await?;
        let subnet = get(&step, id).await?;
        subnets::delete(&step.work.tx, id).await?;
        let entry = Entry::new(Action::SubnetDeleted)
            .resource("subnet", id)
            .details(json!({ "cidr": subnet.cidr }));
        self.finish_subnets(step, &caller.0, entry, may_lock_out)
            .await
    }

    async fn change_subnets(&self) -> Result<Change<'_>, AuthError> {
        let turn = self.0.live.turn().await;
        let work = self.begin().await?;
        subnets::lock(&work.tx).await?;
        Ok(Change { turn, work })
    }

    /// Looks at the list as it will be: whoever changes it must still be let in, or insist.
    async fn finish_subnets(
        &self,
        step: Change<'_>,
        current: &CurrentUser,
        entry: Entry,
        may_lock_out: bool,
    ) -> Result<(), AuthError> {
        let Change { turn, mut work } = step;
        let rules = rules(&subnets::all(&work.tx).await?);
        let ip: IpAddr = current.ip();
        if !may_lock_out && !rules.allows(ip) {
            return Err(AuthError::WouldLockYouOut { ip });
        }
        let actor = current.actor();
        work.audit(&actor, entry).await?;
        work.subnets_changed(&actor).await?;
        notify_changed(&work.tx).await?;
        work.commit().await?;
        self.0.subnets.set(rules);
        drop(turn);
        Ok(())
    }
}

async fn get(step: &Change<'_>, id: i32) -> Result<Subnet, AuthError> {
    subnets::get(&step.work.tx, id)
        .await?
        .ok_or(AuthError::NotFound("subnet"))
}

/// The rules that the rows make. A row that cannot be read lets nobody in, but counts as a rule.
pub(super) fn rules(rows: &[Subnet]) -> Rules {
    let enabled: Vec<_> = rows
        .iter()
        .filter(|row| row.enabled == Some(true))
        .collect();
    let networks = enabled
        .iter()
        .filter_map(|row| {
            let net = subnet::parse(&row.cidr);
            if net.is_err() {
                tracing::error!(cidr = row.cidr, "an allowed subnet cannot be read");
            }
            net.ok()
        })
        .collect();
    Rules::new(networks, !enabled.is_empty())
}

fn clean(description: Option<String>) -> Result<Option<String>, AuthError> {
    let Some(text) = description.map(|text| text.trim().to_owned()) else {
        return Ok(None);
    };
    if text.chars().count() > DESCRIPTION_CHARS || text.contains('\0') {
        let why = format!("use at most {DESCRIPTION_CHARS} characters");
        return Err(AuthError::invalid("description", why));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}
