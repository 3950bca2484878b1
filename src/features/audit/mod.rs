//! The audit log: who did what, from where. A row is written in the transaction of the write it
//! speaks of, so that neither is there without the other. Rows are only ever added.
//!
//! Owns the table `audit_log`.

mod action;
mod routes;
mod store;

use std::net::IpAddr;

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::Value;

use crate::platform::clock::Clock;
use crate::platform::http::client::Client;

pub use action::Action;
pub use routes::router;

/// Who did it and from where.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// The administrator, if one is known.
    pub user_id: Option<i32>,
    /// Their name then, or the name that somebody gave.
    pub username: Option<String>,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

impl Actor {
    /// Flowkeep itself.
    pub fn system() -> Self {
        Self {
            username: Some("system".to_owned()),
            ..Self::default()
        }
    }

    /// Somebody with a shell on the machine.
    pub fn cli() -> Self {
        Self {
            username: Some("command line".to_owned()),
            ..Self::default()
        }
    }

    /// A client that has not signed in.
    pub fn client(client: &Client) -> Self {
        Self {
            ip: Some(client.ip),
            user_agent: client.user_agent.clone(),
            ..Self::default()
        }
    }
}

/// One line of the log, before it is written.
#[derive(Clone, Debug)]
pub struct Entry {
    action: Action,
    resource: Option<(&'static str, String)>,
    details: Option<Value>,
}

impl Entry {
    /// Something was done.
    pub fn new(action: Action) -> Self {
        Self {
            action,
            resource: None,
            details: None,
        }
    }

    /// To this thing.
    #[must_use]
    pub fn resource(mut self, kind: &'static str, id: impl ToString) -> Self {
        self.resource = Some((kind, id.to_string()));
        self
    }

    /// More about it. Never a secret.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}

/// Writes a line in the caller's transaction.
pub async fn record(
    tx: &impl ConnectionTrait,
    clock: &Clock,
    actor: &Actor,
    entry: Entry,
) -> Result<(), DbErr> {
    store::insert(tx, clock.now(), actor, entry).await
}
